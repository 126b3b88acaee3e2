"""`manage.py rotate_oidc_key`: sign with a new RSA key from now on; what the old keys signed stays valid."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.keys import keys
from savannah.secrets import rotate_rsa_key


class Command(BaseCommand):
    """Put a new key in front of the data folder's keys. Running processes notice it; no restart is needed."""

    help = "sign ID tokens and access tokens with a new RSA key; retired keys still verify"

    def add_arguments(self, parser: CommandParser) -> None:
        """How many retired keys to keep. Tokens live for an hour: a key may be removed an hour after it was retired."""
        parser.add_argument("--keep", type=int, default=2, metavar="N", help="retired keys to keep; default 2")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate, and say which key signs now."""
        if settings.OIDC_RSA_PRIVATE_KEY:
            raise CommandError(
                "The keys come from OIDC_RSA_PRIVATE_KEY. Append a new PEM to it, restart every process, "
                "then move the new PEM to the front and restart again."
            )
        if options["keep"] < 1:
            raise CommandError("--keep: at least 1, or the tokens that are in use fail.")
        rotate_rsa_key(settings.DATA_DIR, keep=options["keep"])
        signing, *retired = keys()
        self.stdout.write(
            f"{signing.id} signs from now on; {len(retired)} retired: {' '.join(key.id for key in retired)}"
        )
