"""The authorization endpoint: a person signs in and consents, and the client receives a code."""

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from oauth2_provider.exceptions import OAuthToolkitError
from oauth2_provider.views.base import AuthorizationView
from oauthlib.common import add_params_to_uri
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidRequestError, OAuth2Error
from oauthlib.openid.connect.core.exceptions import ConsentRequired, LoginRequired

from accounts.consents import asked_for, describe, keep_consent, need_not_ask
from accounts.guards import Checked, Page, signed_in_id
from accounts.models import Application
from accounts.tokens import is_our_resource, read_id_token


@method_decorator(never_cache, name="dispatch")
class Authorize(Checked, Page, AuthorizationView):
    """`/o/authorize/`: sign in, consent, and return to the client with a code (OpenID Connect Core, section 3.1.2)."""

    login_url = reverse_lazy("login")  # not LOGIN_URL: it may lead back here, when the pages use this provider

    @property
    def _prompt(self) -> set[str]:
        return set(self.request.GET.get("prompt", "").split())

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask for consent, or redirect at once where it was given before."""
        query = request.GET.copy()
        # render_to_response decides whether to ask: neither a token that is still valid nor the client may skip that.
        query["approval_prompt"] = "force"
        request.GET = query  # type: ignore[assignment]
        if "none" not in self._prompt and self._has_to_sign_in():
            return self._sign_in_first()
        response: HttpResponse = super().get(request, *args, **kwargs)
        return response

    def handle_no_permission(self) -> HttpResponseRedirect:
        """Show the sign-in page; but not for `prompt=none` and `prompt=create`, which django-oauth-toolkit answers."""
        if self._prompt & {"none", "create"}:
            response: HttpResponseRedirect = super().handle_no_permission()
            return response
        return self._sign_in_first()

    def _has_to_sign_in(self) -> bool:
        """Whether the client does not accept the session: it is too old, another user's, or a new sign-in is wanted."""
        if self._prompt & {"login", "select_account"}:
            return True
        max_age = self.request.GET.get("max_age", "")
        if max_age.isascii() and max_age.isdecimal() and time.time() - self._auth_time() > int(max_age):
            return True
        hint = self.request.GET.get("id_token_hint")
        return hint is not None and (told := read_id_token(hint)) is not None and told.user != self.request.user

    def _sign_in_first(self) -> HttpResponseRedirect:
        """Show the sign-in page, then return without the parameters that asked for it, which would cause a loop."""
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
        """Return scopes and parameters of a valid request; raise OAuthToolkitError for any other."""
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
        """Store with the code when the user signed in, and whether the client named a redirect URI."""
        names_redirect_uri = "redirect_uri" in (request.GET or request.POST)
        known = {"auth_time": self._auth_time() or None, "names_redirect_uri": names_redirect_uri}
        return super().create_authorization_response(request, scopes, {**credentials, **known}, allow)

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        """Show the consent page, unless the user has consented before. With `prompt=none` return an error instead."""
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
        user_id = signed_in_id(self.request)
        return need_not_ask(user_id, context["application"], context["scopes"], context["redirect_uri"])

    def _let_in(self, context: dict[str, Any]) -> HttpResponse:
        scopes = " ".join(context["scopes"])
        uri, *_ = self.create_authorization_response(self.request, scopes, self._credentials, allow=True)
        return self.redirect(uri, context["application"])

    def form_valid(self, form: Form) -> HttpResponse:
        """Process the consent form. Refuse fields that the page cannot have shown: somebody tampered with them."""
        fields = form.cleaned_data
        application = Application.objects.filter(client_id=fields["client_id"]).first()
        if application is None or not application.redirect_uri_allowed(fields["redirect_uri"]):
            return self.form_invalid(form)
        if not all(map(is_our_resource, fields["resource"].split())):
            return self.form_invalid(form)
        response: HttpResponse = super().form_valid(form)
        # Set only when a code was issued.
        if self.success_url:
            keep_consent(signed_in_id(self.request), application, fields["scope"].split())
        return response

    def form_invalid(self, form: Form) -> HttpResponse:
        """Show that the form is not the one that we sent."""
        error = InvalidRequestError("This form is not complete. Go back to the application and start again.")
        return self.render_to_response({"error": error}, status=400)

    def redirect(self, redirect_to: str, application: Application | None) -> HttpResponse:
        """Redirect to the client, with the issuer as a parameter, also for errors (RFC 9207)."""
        if "iss" not in parse_qs(urlsplit(redirect_to).query):
            redirect_to = add_params_to_uri(redirect_to, [("iss", settings.OIDC_ISSUER)])
        response: HttpResponse = super().redirect(redirect_to, application)
        return response
