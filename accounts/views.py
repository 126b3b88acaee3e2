"""Sign-in, and the OpenID provider's endpoints: django-oauth-toolkit's views, made safe where they are not."""

import json
import re
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView, LogoutView, redirect_to_login
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe
from django.views.generic import TemplateView
from oauth2_provider.exceptions import (
    ClientIdMissmatch,
    InvalidIDTokenError,
    InvalidOIDCClientError,
    InvalidOIDCRedirectURIError,
    OAuthToolkitError,
)
from oauth2_provider.views.base import AuthorizationView, TokenView
from oauth2_provider.views.oidc import RPInitiatedLogoutView
from oauthlib.common import add_params_to_uri
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidRequestError, OAuth2Error
from oauthlib.openid.connect.core.exceptions import ConsentRequired, LoginRequired
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.bearer import Caller, challenge, checksum_of
from accounts.consents import asked_for, describe, keep_consent, let_in_by, need_not_ask, withdraw
from accounts.devices import (
    DEVICE_INTERVAL_SECONDS,
    DEVICE_SECONDS,
    DEVICE_TRIES_PER_MINUTE,
    answer_device,
    find_device,
    new_device_code,
)
from accounts.keys import keys
from accounts.lockout import locked_out
from accounts.models import Application
from accounts.provider import (
    API_AUDIENCE,
    IDToken,
    Scopes,
    Validator,
    calling_client,
    describe_token,
    end_tokens,
    is_our_resource,
    read_id_token,
    user_claims,
)
from accounts.relying import logout_address
from savannah.api import APIView
from savannah.throttle import client_network, take

# Nothing but our own style sheet and pictures, in no frame. No form-action: browsers apply it to where a form's answer
# redirects to, which for a sign-in is the client's own address.
PAGE_POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
# What the columns hold; anything longer is nobody's honest value.
LONGEST = {"nonce": 255, "code": 255, "code_challenge": 128, "client_id": 255}
LONGEST_OTHER = 4000
# oauthlib reads the query once more, and raises ValueError for one.
_NO_HEX = re.compile("%(?![0-9A-Fa-f]{2})")


class Page:
    """A page for people, safe from frames and foreign scripts."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Set the content security policy."""
        response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        response["Content-Security-Policy"] = PAGE_POLICY
        return response


class Checked:
    """A provider's endpoint that refuses what cannot be stored or is given twice (RFC 6749, 3.1 and 3.2)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refuse with invalid_request, before anything else looks at the parameters."""
        if fault := _fault(request):
            return _oauth_error("invalid_request", fault)
        response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return response


def for_clients(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A provider's endpoint that applications call, by POST: checked as above, and not too often from one address."""

    @csrf_exempt
    @require_POST
    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        limit = settings.TOKEN_REQUESTS_PER_MINUTE
        if limit and (seconds := take(f"tokens {client_network(request)}", per_minute=limit)):
            description = f"Too many requests. Try again in {seconds} s."
            return _oauth_error("temporarily_unavailable", description, status=429, retry_after=seconds)
        if fault := _fault(request):
            return _oauth_error("invalid_request", fault)
        return view(request, *args, **kwargs)

    return limited


def _fault(request: HttpRequest) -> str | None:
    if _NO_HEX.search(request.META.get("QUERY_STRING", "")):
        return "A % in the query is not followed by two hexadecimal digits."
    for parameters in (request.GET, request.POST):
        for name, values in parameters.lists():
            if fault := _parameter_fault(name, values):
                return fault
    return None


def _parameter_fault(name: str, values: list[Any]) -> str | None:
    if len(values) > 1 and name != "resource":
        return "A parameter is given twice."
    if any("\x00" in text or len(text) > LONGEST.get(name, LONGEST_OTHER) for text in (name, *values)):
        return "A parameter is too long or holds a NUL character."
    if name == "claims" and not all(text == "" or _is_json_object(text) for text in values):
        return "The claims are not a JSON object."
    return None


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, type(None)))
    except (ValueError, RecursionError):
        return False


def _oauth_error(error: str, description: str, status: int = 400, retry_after: int = 0) -> JsonResponse:
    headers = {
        "Cache-Control": "no-store",
        **({"Retry-After": str(retry_after)} if retry_after else {}),
        **({"WWW-Authenticate": 'Basic realm="clients"'} if status == 401 else {}),
    }
    return JsonResponse({"error": error, "error_description": description}, status=status, headers=headers)


def _user_id(request: HttpRequest) -> int:
    """Return the id of the user of a page that only those see who are signed in."""
    return cast("int", request.user.pk)


class SignIn(Page, LoginView):
    """`/accounts/login/`."""

    template_name = "accounts/login.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Look at the password, unless this address has tried too many, or too many addresses have tried this name."""
        limit = settings.SIGN_INS_PER_MINUTE
        # By its checksum: what is in the field may be a password.
        name = checksum_of(request.POST.get("username", ""))
        counted = (f"sign-in {client_network(request)}", f"sign-in as {name}")
        if limit and any(take(key, per_minute=limit) for key in counted):
            return locked_out(request)
        response: HttpResponse = super().post(request, *args, **kwargs)
        return response


class SignOut(Page, LogoutView):
    """`/accounts/logout/`, by POST; of the provider too, where the user signed in at another one."""

    template_name = "accounts/signed_out.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Sign out, and go on to the provider or to the desk."""
        self.next_page = logout_address(request)
        response: HttpResponse = super().post(request, *args, **kwargs)
        return response


@method_decorator(never_cache, name="dispatch")
class Authorize(Checked, Page, AuthorizationView):
    """`/o/authorize/`: sign in, consent, and back to the client with a code (OpenID Connect Core, section 3.1.2)."""

    login_url = reverse_lazy("login")  # not LOGIN_URL, which leads here where the pages sign in at this provider

    @property
    def _prompt(self) -> set[str]:
        return set(self.request.GET.get("prompt", "").split())

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask for consent, or redirect at once where it was given before."""
        query = request.GET.copy()
        # Whether to ask again is for render_to_response to say: not for a token that lives, or for the client.
        query["approval_prompt"] = "force"
        request.GET = query  # type: ignore[assignment]
        if "none" not in self._prompt and self._has_to_sign_in():
            return self._sign_in_first()
        response: HttpResponse = super().get(request, *args, **kwargs)
        return response

    def handle_no_permission(self) -> HttpResponseRedirect:
        """Nobody is signed in."""
        if self._prompt & {"none", "create"}:
            response: HttpResponseRedirect = super().handle_no_permission()
            return response
        return self._sign_in_first()

    def _has_to_sign_in(self) -> bool:
        """Whether the session is not the one that the client asks for: too old, or somebody else's."""
        if self._prompt & {"login", "select_account"}:
            return True
        max_age = self.request.GET.get("max_age", "")
        if max_age.isascii() and max_age.isdecimal() and time.time() - self._auth_time() > int(max_age):
            return True
        hint = self.request.GET.get("id_token_hint")
        return hint is not None and (told := read_id_token(hint)) is not None and told.user != self.request.user

    def _sign_in_first(self) -> HttpResponseRedirect:
        """Show the sign-in page, and come back without what asked for it: else it would ask for ever."""
        query = self.request.GET.copy()
        for name in ("max_age", "id_token_hint", "approval_prompt", "prompt"):
            query.pop(name, None)
        if prompt := " ".join(sorted(self._prompt - {"login", "select_account"})):
            query["prompt"] = prompt
        return redirect_to_login(f"{self.request.path}?{query.urlencode()}", str(self.login_url))

    def _auth_time(self) -> int:
        seconds: int = self.request.session.get("auth_time", 0)
        return seconds

    def validate_authorization_request(self, request: HttpRequest) -> tuple[list[str], dict[str, Any]]:
        """Return scopes and parameters of a request that is sound; raise OAuthToolkitError for any other."""
        scopes, credentials = super().validate_authorization_request(request)
        fault: OAuth2Error | None = None
        unsupported = [name for name in ("request", "request_uri", "registration") if name in request.GET]
        if unsupported:
            fault = CustomOAuth2Error(f"{unsupported[0]}_not_supported", state=credentials["state"])
        elif "code_challenge" in request.GET and request.GET.get("code_challenge_method") != "S256":
            fault = InvalidRequestError("PKCE is by S256 alone.", state=credentials["state"])
        elif request.GET.get("response_mode", "query") != "query":
            fault = InvalidRequestError("The answer comes in the query alone.", state=credentials["state"])
        elif not all(map(is_our_resource, request.GET.getlist("resource"))):
            fault = CustomOAuth2Error("invalid_target", state=credentials["state"])
        elif "none" in self._prompt and self._has_to_sign_in():
            fault = LoginRequired(state=credentials["state"])
        if fault:
            raise OAuthToolkitError(error=fault, redirect_uri=credentials["redirect_uri"])
        self._credentials = credentials
        return scopes, credentials

    def create_authorization_response(
        self, request: HttpRequest, scopes: str, credentials: dict[str, Any], allow: bool
    ) -> Any:
        """Hand on to the code when the user signed in, and whether the client named a redirect URI."""
        names_redirect_uri = "redirect_uri" in (request.GET or request.POST)
        known = {"auth_time": self._auth_time() or None, "names_redirect_uri": names_redirect_uri}
        return super().create_authorization_response(request, scopes, {**credentials, **known}, allow)

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        """Show the page; not to who has let the application in before. With `prompt=none` no page may be shown."""
        if "error" not in context:
            try:
                if self._need_not_ask(context):
                    return self._let_in(context)
                if "none" in self._prompt:
                    raise OAuthToolkitError(ConsentRequired(state=context["state"]), context["redirect_uri"])
            except OAuthToolkitError as error:
                answer: HttpResponse = self.error_response(error, context["application"])
                return answer
            wanted = asked_for(context["application"].allowed_scopes, context["scopes"])
            context = {**context, "scopes_descriptions": describe(wanted)}
        response: HttpResponse = super().render_to_response(context, **options)
        return response

    def _need_not_ask(self, context: dict[str, Any]) -> bool:
        if "consent" in self._prompt or self.request.method != "GET":
            return False
        user_id = _user_id(self.request)
        return need_not_ask(user_id, context["application"], context["scopes"], context["redirect_uri"])

    def _let_in(self, context: dict[str, Any]) -> HttpResponse:
        scopes = " ".join(context["scopes"])
        uri, *_ = self.create_authorization_response(self.request, scopes, self._credentials, allow=True)
        return self.redirect(uri, context["application"])

    def form_valid(self, form: Form) -> HttpResponse:
        """Answer the consent form. One that the page did not show was tampered with: nothing of it goes anywhere."""
        fields = form.cleaned_data
        application = Application.objects.filter(client_id=fields["client_id"]).first()
        if application is None or not application.redirect_uri_allowed(fields["redirect_uri"]):
            return self.form_invalid(form)
        if not all(map(is_our_resource, fields["resource"].split())):
            return self.form_invalid(form)
        response: HttpResponse = super().form_valid(form)
        # Set once there is a code.
        if self.success_url:
            keep_consent(_user_id(self.request), application, fields["scope"].split())
        return response

    def form_invalid(self, form: Form) -> HttpResponse:
        """Show that the form is not the one that we sent."""
        error = InvalidRequestError("This form is not complete. Go back to the application and start again.")
        return self.render_to_response({"error": error}, status=400)

    def redirect(self, redirect_to: str, application: Application | None) -> HttpResponse:
        """Go back to the client; errors, too, say who answers (RFC 9207)."""
        if "iss" not in parse_qs(urlsplit(redirect_to).query):
            redirect_to = add_params_to_uri(redirect_to, [("iss", settings.OIDC_ISSUER)])
        response: HttpResponse = super().redirect(redirect_to, application)
        return response


class Token(TokenView):
    """`/o/token/`: a code, a refresh token or a machine's secret against tokens (RFC 6749, section 3.2)."""

    @method_decorator(transaction.atomic)
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer in one transaction: the validator's locks on the code or the refresh token last until it ends."""
        response: HttpResponse = self.authorization_flow_token_response(request)
        return response


class Logout(Checked, Page, RPInitiatedLogoutView):
    """`/o/logout/` (OpenID Connect RP-Initiated Logout 1.0): ends the session and this application's tokens."""

    def validate_logout_request_user(self, id_token_hint: str | None, client_id: str | None) -> IDToken | None:
        """Return whom the hint is about; one that is not ours, or another application's, is refused."""
        if not id_token_hint:
            return None
        told = read_id_token(id_token_hint)
        if told is None:
            raise InvalidIDTokenError
        if client_id and told.application.client_id != client_id:
            raise ClientIdMissmatch
        return told

    def get_request_application(self, id_token: IDToken | None, client_id: str | None) -> Application | None:
        """Return the application that asks, if it says who it is."""
        if not client_id:
            return id_token.application if id_token else None
        application = Application.objects.filter(client_id=client_id).first()
        if application is None:
            raise InvalidOIDCClientError
        return application

    def validate_post_logout_redirect_uri(self, application: Application | None, address: str | None) -> None:
        """Refuse an address that is not the application's, or none at all."""
        try:
            super().validate_post_logout_redirect_uri(application, address)
        except ValueError:
            raise InvalidOIDCRedirectURIError from None

    def do_logout(
        self,
        application: Application | None = None,
        post_logout_redirect_uri: str | None = None,
        state: str | None = None,
        token_user: Any = None,
    ) -> HttpResponse:
        """Sign the user out, here and of the application that asked."""
        user_id = (token_user or self.request.user).pk
        if application and user_id:
            end_tokens(application, user_id)
        response: HttpResponse = super().do_logout(application, post_logout_redirect_uri, state, token_user)
        return response


class UserInfo(APIView):
    """`/o/userinfo/` (OpenID Connect Core, section 5.3): by the API's own Bearer check."""

    actions = {"GET": "get user information", "POST": "get user information"}
    permission_classes = (IsAuthenticated,)  # whoever has a token may learn whose it is
    schema = None

    def get(self, request: Request) -> Response:
        """Return the claims that the token's scopes cover."""
        scopes = cast("frozenset[str]", request.auth)
        if "openid" not in scopes:
            needed = challenge(error="insufficient_scope", scope="openid")
            body = {"error": "insufficient_scope", "error_description": "The token lacks the scope openid."}
            return Response(body, status=403, headers={"WWW-Authenticate": needed})
        claims = user_claims(get_user_model()._default_manager.get(pk=cast("Caller", request.user).id))
        return Response({name: claims[name] for name in claims if Validator.oidc_claim_scope[name] in scopes})

    def post(self, request: Request) -> Response:
        """As GET; a token in the form is not looked at."""
        return self.get(request)


@for_clients
def introspect(request: HttpRequest) -> JsonResponse:
    """`POST /o/introspect/` (RFC 7662): what a confidential client's own token is good for."""
    client = calling_client(request)
    if client is None or client.client_type != Application.CLIENT_CONFIDENTIAL:
        return _oauth_error("invalid_client", "The client is not known, or its secret is wrong.", status=401)
    document = describe_token(request.POST.get("token", ""), client) or {"active": False}
    return JsonResponse(document, headers={"Cache-Control": "no-store"})


@for_clients
def open_device(request: HttpRequest) -> JsonResponse:
    """`POST /o/device_authorization/` (RFC 8628, section 3.1): a device without a keyboard asks to be let in."""
    client = calling_client(request)
    if client is None:
        return _oauth_error("invalid_client", "The client is not known, or its secret is wrong.", status=401)
    if not client.allows_grant_type(Application.GRANT_DEVICE_CODE):
        return _oauth_error("unauthorized_client", "This client was not registered for devices.")
    scopes = request.POST.get("scope", "").split() or Scopes().get_default_scopes(client)
    if not set(scopes) <= set(Scopes().get_available_scopes(client)):
        return _oauth_error("invalid_scope", "The client may not ask for this scope.")
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

    The page has the field `user_code`; once that names a device (`device` in the context), the buttons `answer`, with
    the value "allow" or "deny". `message` says how it went.
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
        """Let the device in, or keep it out."""
        if self._tries_too_often():
            return self.render_to_response({"message": "Too many codes. Wait for a minute."}, status=429)
        allow = request.POST.get("answer") == "allow"
        if not answer_device(request.POST.get("user_code", ""), _user_id(request), allow=allow):
            return self.render_to_response({"message": "No device waits with this code."}, status=404)
        return self.render_to_response(
            {"message": "Your device is signed in." if allow else "Your device was refused."}
        )

    def _tries_too_often(self) -> bool:
        return bool(take(f"device codes {_user_id(self.request)}", per_minute=DEVICE_TRIES_PER_MINUTE))


@method_decorator(never_cache, name="dispatch")
class Consents(Checked, LoginRequiredMixin, Page, TemplateView):
    """`/o/consents/`: the applications that a person has let in (`let_in`), each with a button to shut it out."""

    template_name = "oauth2_provider/consents.html"
    login_url = reverse_lazy("login")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """List them."""
        return super().get_context_data(**context, let_in=let_in_by(_user_id(self.request)))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Shut one out."""
        key = request.POST.get("application", "")
        application = Application.objects.filter(pk=key).first() if re.fullmatch("[0-9]{1,18}", key) else None
        if application:
            withdraw(_user_id(request), application)
        return HttpResponseRedirect(request.path)


@require_safe
def jwks(request: HttpRequest) -> JsonResponse:
    """`/o/.well-known/jwks.json`: the keys that verify what we sign. Short-lived, for the day a key is rotated."""
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}
    return JsonResponse({"keys": [key.published() for key in keys()]}, headers=headers)


@require_safe
def discovery(request: HttpRequest) -> JsonResponse:
    """`/o/.well-known/openid-configuration`, and RFC 8414's document of the same content.

    The signing algorithms are those of the registered applications: a client that needs RS256 refuses a provider which
    does not list it, and the specification shows HS256 alone.
    """
    issuer = settings.OIDC_ISSUER
    algorithms = Application.objects.exclude(algorithm="").values_list("algorithm", flat=True).distinct()
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize/",
        "token_endpoint": f"{issuer}/token/",
        "userinfo_endpoint": f"{issuer}/userinfo/",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": ["openid", "profile", "email"],
        # The specification lists all three; RFC 9700 allows the first alone, and the others are refused.
        "response_types_supported": ["code", "token", "id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted(algorithms) or ["HS256"],
        "revocation_endpoint": f"{issuer}/revoke_token/",
        "introspection_endpoint": f"{issuer}/introspect/",
        "end_session_endpoint": f"{issuer}/logout/",
        "device_authorization_endpoint": f"{issuer}/device_authorization/",
        "grant_types_supported": [
            "authorization_code", "refresh_token", "client_credentials",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "response_modes_supported": ["query"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce",
            "email", "given_name", "family_name", "preferred_username",
        ],
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }  # fmt: skip
    return JsonResponse(document, headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "max-age=60"})


@require_safe
def protected_resource(request: HttpRequest) -> JsonResponse:
    """`/.well-known/oauth-protected-resource/api` (RFC 9728): whose tokens the API takes, and how."""
    document = {
        "resource": API_AUDIENCE,
        "authorization_servers": [settings.OIDC_ISSUER],
        "scopes_supported": list(settings.API_SCOPES),
        "bearer_methods_supported": ["header"],
        "resource_name": "Savannah Customer Orders API",
        "resource_documentation": f"{settings.PUBLIC_URL}/api/docs/",
    }
    return JsonResponse(document, headers={"Access-Control-Allow-Origin": "*"})
