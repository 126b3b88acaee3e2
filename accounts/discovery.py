"""The documents that tell a client how to use the provider and the API, and the provider's public keys."""

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from accounts.keys import keys
from accounts.models import Application
from accounts.tokens import API_AUDIENCE


@require_safe
def jwks(request: HttpRequest) -> JsonResponse:
    """`/o/.well-known/jwks.json`: the keys that verify what we sign. Cached for 5 minutes only, since keys rotate."""
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}
    return JsonResponse({"keys": [key.published() for key in keys()]}, headers=headers)


@require_safe
def discovery(request: HttpRequest) -> JsonResponse:
    """`/o/.well-known/openid-configuration`, and RFC 8414's document with the same content.

    The signing algorithms are those of the registered applications: a client that needs RS256 refuses a provider which
    does not list it, and the specification shows HS256 only.
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
        # The specification lists all three. RFC 9700 allows only the first, so the others are refused.
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
    """`/.well-known/oauth-protected-resource/api` (RFC 9728): which servers' tokens the API accepts, and how."""
    document = {
        "resource": API_AUDIENCE,
        "authorization_servers": [settings.OIDC_ISSUER],
        "scopes_supported": list(settings.API_SCOPES),
        "bearer_methods_supported": ["header"],
        "resource_name": "Savannah Customer Orders API",
        "resource_documentation": f"{settings.PUBLIC_URL}/api/docs/",
    }
    return JsonResponse(document, headers={"Access-Control-Allow-Origin": "*"})
