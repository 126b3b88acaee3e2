"""How the client secrets of applications are hashed."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class SecretHasher(PBKDF2PasswordHasher):
    """One round: a secret is 128 random characters, not a password that somebody could guess.

    The million rounds that a password needs would cost half a second of every token request.
    """

    algorithm = "pbkdf2_sha256_secret"
    iterations = 1
