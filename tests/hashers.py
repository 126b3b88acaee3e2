"""The password hasher of the tests."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """Django's hasher with fewer iterations: its million takes 0.4 s, and tests sign in some hundred times."""

    iterations = 1000
