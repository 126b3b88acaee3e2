"""Sign-in of devices without a browser (the device flow, RFC 8628)."""

import secrets
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView

from accounts.bearer import checksum_of
from accounts.consents import asked_for, describe
from accounts.guards import Checked, Page, for_clients, oauth_error, signed_in_id
from accounts.models import Application
from accounts.provider import Scopes, calling_client
from savannah.sql import execute, fetch_one, load_queries
from savannah.throttle import take

QUERIES = load_queries(__file__)

DEVICE_SECONDS = 900
DEVICE_INTERVAL_SECONDS = 5
# Eight of these make 2.6e10 codes (RFC 8628, section 6.1). No vowels, so no words; none looks like a digit.
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
DEVICE_TRIES_PER_MINUTE = 20


@dataclass(frozen=True)
class DeviceCode:
    """The code that a device keeps secret, and the one that it shows."""

    device_code: str
    user_code: str


@dataclass(frozen=True)
class Waiting:
    """A device that waits for a user's answer."""

    user_code: str
    application: str
    scopes_descriptions: list[str]


def new_device_code(application: Application, scopes: list[str]) -> DeviceCode:
    """Store a device's request for the scopes. The device code is stored as its SHA-256."""
    letters = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8))
    code = DeviceCode(secrets.token_urlsafe(40), f"{letters[:4]}-{letters[4:]}")
    execute(
        QUERIES.open_device,
        checksum=checksum_of(code.device_code),
        user_code=code.user_code,
        client_id=application.client_id,
        scope=" ".join(scopes),
        interval=DEVICE_INTERVAL_SECONDS,
        seconds=DEVICE_SECONDS,
    )
    return code


def find_device(typed: str) -> Waiting | None:
    """Return the waiting device that shows this code."""
    user_code = _as_shown(typed)
    row = fetch_one(QUERIES.find_device, user_code=user_code)
    if row is None:
        return None
    application, scope, allowed_scopes = row
    return Waiting(user_code, application, describe(asked_for(allowed_scopes, scope.split())))


def answer_device(typed: str, user_id: int, *, allow: bool) -> bool:
    """Allow the device to act for the user, or deny it; return False if no device waits with this code."""
    status = "authorized" if allow else "denied"
    return fetch_one(QUERIES.answer_device, user_code=_as_shown(typed), status=status, user=user_id) is not None


def _as_shown(typed: str) -> str:
    """Return a typed code as the device shows it: "bcdf ghjk" is BCDF-GHJK."""
    letters = "".join(letter for letter in typed.upper() if letter in USER_CODE_LETTERS)
    return f"{letters[:4]}-{letters[4:]}"


@for_clients
def open_device(request: HttpRequest) -> JsonResponse:
    """`POST /o/device_authorization/` (RFC 8628, section 3.1): a device without a keyboard asks for access."""
    client = calling_client(request)
    if client is None:
        return oauth_error("invalid_client", "The client is not known, or its secret is wrong.", status=401)
    if not client.allows_grant_type(Application.GRANT_DEVICE_CODE):
        return oauth_error("unauthorized_client", "This client was not registered for devices.")
    scopes = request.POST.get("scope", "").split() or Scopes().get_default_scopes(client)
    if not set(scopes) <= set(Scopes().get_available_scopes(client)):
        return oauth_error("invalid_scope", "The client may not ask for this scope.")
    page = f"{settings.OIDC_ISSUER}/device/"
    code = new_device_code(client, scopes)
    return JsonResponse(
        {
            "device_code": code.device_code,
            "user_code": code.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={code.user_code}",
            "expires_in": DEVICE_SECONDS,
            "interval": DEVICE_INTERVAL_SECONDS,
        },
        headers={"Cache-Control": "no-store"},
    )


@method_decorator(never_cache, name="dispatch")
class Device(Checked, LoginRequiredMixin, Page, TemplateView):
    """`/o/device/`: a person types the code that their device shows, sees what it asks for, and answers.

    The page has the field `user_code`. Once that identifies a device (`device` in the context), it has the buttons
    `answer`, with the value "allow" or "deny". `message` tells the result.
    """

    template_name = "oauth2_provider/device.html"
    login_url = reverse_lazy("login")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask for the code, or show what the code's device asks for."""
        typed = request.GET.get("user_code", "")
        if not typed:
            return self.render_to_response({})
        if self._tries_too_often():
            return self.render_to_response({"message": "Too many codes. Wait for a minute."}, status=429)
        device = find_device(typed)
        if device is None:
            return self.render_to_response({"message": "No device waits with this code."}, status=404)
        return self.render_to_response({"device": device})

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Allow or deny the device."""
        if self._tries_too_often():
            return self.render_to_response({"message": "Too many codes. Wait for a minute."}, status=429)
        allow = request.POST.get("answer") == "allow"
        if not answer_device(request.POST.get("user_code", ""), signed_in_id(request), allow=allow):
            return self.render_to_response({"message": "No device waits with this code."}, status=404)
        return self.render_to_response(
            {"message": "Your device is signed in." if allow else "Your device was refused."}
        )

    def _tries_too_often(self) -> bool:
        return bool(take(f"device codes {signed_in_id(self.request)}", per_minute=DEVICE_TRIES_PER_MINUTE))
