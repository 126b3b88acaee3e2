"""Tests of SMS, with a real PostgreSQL and, over HTTP, the stand-in gateway."""
