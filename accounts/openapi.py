"""The security schemes of the OpenAPI document, for the Authorize button of /api/docs/."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from oauth2_provider.settings import oauth2_settings


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Either sign in (the code flow with PKCE, for which /api/docs/ is a registered client) or paste a token."""

    target_class = "accounts.bearer.BearerAuthentication"
    name = ["signIn", "token"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Return the two schemes as alternatives: either is enough."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Return both security schemes (OpenAPI 3.1, Security Scheme Object)."""
        # No `openid`: the page needs no ID token, and its client may not ask for one.
        scopes = {name: text for name, text in oauth2_settings.SCOPES.items() if name != "openid"}
        flow = {
            "authorizationUrl": f"{settings.OIDC_ISSUER}/authorize/",
            "tokenUrl": f"{settings.OIDC_ISSUER}/token/",
            "scopes": scopes,
        }
        return [
            {"type": "oauth2", "flows": {"authorizationCode": flow}, "description": "Sign in with your account."},
            {"type": "http", "scheme": "bearer", "description": "An access token, such as `make token` prints."},
        ]
