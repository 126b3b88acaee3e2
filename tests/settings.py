"""The service's settings for its tests."""

from savannah.settings import *  # noqa: F403

# For the processes that serve requests: tests/traced.py says what is different.
WSGI_APPLICATION = "tests.traced.application"
# Long enough for a busy machine; tests of the wait itself set their own value.
SMS_WAIT_SECONDS = 20.0
OIDC_TIMEOUT = 60
PASSWORD_HASHERS = ["tests.hashers.QuickHasher", "accounts.hashers.SecretHasher"]
