"""PostgreSQL from a wheel, for a machine that has none: a Django database engine that starts its own server."""
