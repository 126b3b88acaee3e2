"""The service's settings for its tests."""

from savannah.settings import *  # noqa: F403

# Of processes that serve: tests/traced.py says what is different.
WSGI_APPLICATION = "tests.traced.application"
# A busy machine takes its time; what is about the wait itself has its own.
SMS_WAIT_SECONDS = 20.0
OIDC_TIMEOUT = 60
PASSWORD_HASHERS = ["tests.hashers.QuickHasher", "accounts.hashers.SecretHasher"]
