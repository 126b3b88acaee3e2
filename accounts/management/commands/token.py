"""`manage.py token` (`make token`): an access token for a developer, in one line."""

import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from oauth2_provider.models import AccessToken, set_token_value
from oauth2_provider.settings import oauth2_settings


class Command(BaseCommand):
    """Print an access token of a user, alone on its line."""

    help = "print an access token for a user (the first administrator unless --user names another)"

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, for what, and for how long."""
        parser.add_argument("--user", help="user name")
        parser.add_argument("--scope", default="openid profile email", help='"orders:read" limits it to seeing orders')
        parser.add_argument("--hours", type=float, default=1.0, help="how long it is good for")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the token and print it."""
        users = get_user_model()._default_manager.filter(is_active=True)
        name = options["user"]
        user = users.filter(username=name).first() if name else users.filter(is_superuser=True).order_by("pk").first()
        if user is None:
            raise CommandError(f"There is no active user {name}." if name else "There is no administrator yet.")
        unknown = set(options["scope"].split()) - set(oauth2_settings.SCOPES)
        if unknown:
            raise CommandError(f"There is no scope {', '.join(sorted(unknown))}.")
        text = secrets.token_urlsafe(40)
        token = AccessToken(
            user=user, scope=options["scope"], expires=timezone.now() + timedelta(hours=options["hours"])
        )
        set_token_value(token, text)
        token.save()
        self.stdout.write(text)
