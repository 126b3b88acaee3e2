"""What goes to the phone: against a real PostgreSQL and the stand-in gateway, over the wire."""
