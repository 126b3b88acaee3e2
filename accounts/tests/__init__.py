"""The accounts from the outside: real clients and hostile ones against the running service."""
