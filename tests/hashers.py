"""How tests keep passwords."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """Django's own but for the million rounds, 0.4 s each time: tests sign in some hundred times."""

    iterations = 1000
