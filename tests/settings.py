"""The service's settings for tests that meet it as a process; tests/traced.py says what is different."""

from savannah.settings import *  # noqa: F403

WSGI_APPLICATION = "tests.traced.application"
