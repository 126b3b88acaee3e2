"""The service's settings for its tests."""

from savannah.settings import *  # noqa: F403

# Of processes that serve: tests/traced.py says what is different.
WSGI_APPLICATION = "tests.traced.application"
PASSWORD_HASHERS = ["tests.hashers.QuickHasher", "accounts.hashers.SecretHasher"]
