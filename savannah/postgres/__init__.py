"""Django's PostgreSQL engine with a pool whose check of a connection costs no round trip."""
