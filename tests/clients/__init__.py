"""Real clients, of other people, against the running service."""
