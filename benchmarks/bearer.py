"""What the Bearer check costs, compared with django-oauth-toolkit's DRF class: `make bench-bearer`.

Both check the same token of the same user through the same view, in turns, in one process, on one PostgreSQL. Ours
also loads the user's rights. Exits with status 1 if ours takes more than one statement, or more than 45 % of the
other's time.
"""

import os
import statistics
import sys
import tempfile
import time
from datetime import timedelta

SHARE_ALLOWED = 0.45
ROUNDS, CALLS = 60, 50


def main() -> int:
    """Measure in a temporary database."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(DJANGO_SETTINGS_MODULE="savannah.settings", SAVANNAH_DATA_DIR=folder)
        os.environ.pop("POSTGRES_HOST", None)
        import django

        django.setup()
        try:
            return measure()
        finally:
            from django.conf import settings

            from savannah.embedded.server import stop_server

            stop_server(settings.DATA_DIR)


def measure() -> int:
    from django.core.management import call_command
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from oauth2_provider.contrib.rest_framework import OAuth2Authentication
    from oauth2_provider.oauth2_validators import OAuth2Validator
    from oauth2_provider.settings import oauth2_settings
    from rest_framework.permissions import AllowAny
    from rest_framework.response import Response
    from rest_framework.test import APIRequestFactory
    from rest_framework.views import APIView

    from accounts.bearer import BearerAuthentication

    call_command("migrate", verbosity=0)
    oauth2_settings.OAUTH2_VALIDATOR_CLASS = OAuth2Validator
    token = give_token()

    class Anybody(APIView):
        permission_classes = (AllowAny,)
        authentication_classes = ()

        def get(self, request):
            return Response({"caller": getattr(request.user, "username", None)})

    class Toolkit(Anybody):
        authentication_classes = (OAuth2Authentication,)

    class Ours(Anybody):
        authentication_classes = (BearerAuthentication,)

    request = APIRequestFactory().get("/", SERVER_NAME="localhost", headers={"Authorization": f"Bearer {token}"})
    views = {view.__name__: view.as_view() for view in (Anybody, Toolkit, Ours)}
    statements, seconds = {}, {name: [] for name in views}
    for name, view in views.items():
        with CaptureQueriesContext(connection) as captured:
            answer = view(request)
        assert answer.data["caller"] == (None if name == "Anybody" else "amina"), (name, answer.data)
        statements[name] = len(captured)
    for _ in range(ROUNDS):
        for name, view in views.items():
            begin = time.perf_counter()
            for _ in range(CALLS):
                view(request)
            seconds[name].append((time.perf_counter() - begin) / CALLS)
    cost = {name: statistics.median(found) * 1e6 for name, found in seconds.items()}
    for name in views:
        print(f"{name:8} {statements[name]} statements  {cost[name]:7.0f} µs a request")
    share = (cost["Ours"] - cost["Anybody"]) / (cost["Toolkit"] - cost["Anybody"])
    print(f"The check alone: {share:.0%} of django-oauth-toolkit's ({SHARE_ALLOWED:.0%} allowed)")
    return int(share > SHARE_ALLOWED or statements["Ours"] != 1)


def give_token() -> str:
    from django.contrib.auth.models import Group, User
    from django.utils import timezone
    from oauth2_provider.models import AccessToken

    from accounts.clients import Registration, register

    user = User.objects.create_user("amina", "amina@example.com")
    user.groups.add(Group.objects.get(name="manager"))
    application, _ = register(Registration(name="Till", redirect_uris=["https://till.example/"], algorithm="RS256"))
    expires = timezone.now() + timedelta(hours=1)
    for number in range(2000):
        AccessToken.objects.create(
            user=user, application=application, token=f"token-{number}", expires=expires, scope="openid profile email"
        )
    return "token-1000"


if __name__ == "__main__":
    sys.exit(main())
