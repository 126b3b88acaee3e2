"""`manage.py setup_oauth`: register an application with the OpenID provider."""

import json
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from oauth2_provider.settings import oauth2_settings

from accounts.clients import Registration, register
from accounts.models import Application

DEFAULT_NAME = "Savannah Customer Orders"


class Command(BaseCommand):
    """Register an application and print its credentials, once; a name that is taken changes nothing."""

    help = "register an OAuth2 application and print its credentials"

    def add_arguments(self, parser: CommandParser) -> None:
        """What kind of application, and what it may ask for."""
        parser.add_argument("--name", default=DEFAULT_NAME)
        parser.add_argument("--redirect-uri", action="append", dest="redirect_uris", metavar="URI")
        parser.add_argument("--algorithm", choices=["HS256", "RS256"], help="of ID tokens; default HS256")
        parser.add_argument("--public", action="store_true", help="no secret, PKCE, RS256: for browsers and phones")
        parser.add_argument("--client-credentials", action="store_true", help="for a machine: no user signs in")
        parser.add_argument("--device", action="store_true", help="for a device without a browser (RFC 8628)")
        parser.add_argument("--scope", default="", help='what it may ask for, as "openid profile"; default: anything')
        parser.add_argument("--user", help="with --client-credentials: whom it acts as; default: an account of its own")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Register, unless the name is taken."""
        taken = Application.objects.filter(name=options["name"]).first()
        if taken:
            self._print(taken, "(was shown when it was made)", made=False, as_json=options["json"])
            return
        application, secret = self._register(options)
        self._print(application, secret or "(none: a public client)", made=True, as_json=options["json"])

    def _register(self, options: dict[str, Any]) -> tuple[Application, str]:
        machine, device = options["client_credentials"], options["device"]
        if machine and device:
            raise CommandError(
                "A device has somebody who signs in: --device and --client-credentials exclude each other."
            )
        if machine and options["public"]:
            raise CommandError("A machine needs a secret: --client-credentials and --public exclude each other.")
        if options["user"] and not machine:
            raise CommandError("--user goes with --client-credentials.")
        unknown = set(options["scope"].split()) - set(oauth2_settings.SCOPES)
        if unknown:
            raise CommandError(f"There is no scope {', '.join(sorted(unknown))}.")
        default_algorithm = "RS256" if options["public"] or machine or device else "HS256"
        try:
            return register(
                Registration(
                    name=options["name"],
                    redirect_uris=options["redirect_uris"]
                    or ([] if machine or device else [f"{settings.PUBLIC_URL}/oidc/callback/"]),
                    algorithm=options["algorithm"] or default_algorithm,
                    public=options["public"],
                    client_credentials=machine,
                    device=device,
                    scopes=options["scope"],
                    user=options["user"],
                )
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except ObjectDoesNotExist:
            raise CommandError(f"There is no user {options['user']}.") from None

    def _print(self, application: Application, secret: str, *, made: bool, as_json: bool) -> None:
        fields = {
            "Client ID": application.client_id,
            "Client Secret": secret,
            "Authorization Grant Type": application.authorization_grant_type,
            "Client Type": application.client_type,
        }
        if as_json:
            names = {name.lower().replace(" ", "_"): value for name, value in fields.items()}
            self.stdout.write(json.dumps({"created": made, **names}))
            return
        self.stdout.write(
            "OAuth2 Application created successfully!"
            if made
            else f'An OAuth2 Application named "{application.name}" is there already; nothing was changed.'
        )
        for name, value in fields.items():
            self.stdout.write(f"{name}: {value}")
