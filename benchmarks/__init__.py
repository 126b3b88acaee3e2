"""Measurements of the service beside peers on the same database: `make bench`."""
