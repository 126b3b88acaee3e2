"""The provider's endpoints that applications call: token, user information and introspection."""

from typing import Any, cast

from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from oauth2_provider.views.base import TokenView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.bearer import Caller, challenge
from accounts.guards import for_clients, oauth_error
from accounts.models import Application
from accounts.provider import Validator, calling_client
from accounts.tokens import describe_token, user_claims
from savannah.api import APIView


class Token(TokenView):
    """`/o/token/`: exchanges a code, a refresh token or a machine's secret for tokens (RFC 6749, section 3.2)."""

    @method_decorator(transaction.atomic)
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer in one transaction: the validator's locks on the code or the refresh token last until it ends."""
        response: HttpResponse = self.authorization_flow_token_response(request)
        return response


class UserInfo(APIView):
    """`/o/userinfo/` (OpenID Connect Core, section 5.3): protected by the API's own Bearer check."""

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
        """Answer as for GET; a token in the form is ignored."""
        return self.get(request)


@for_clients
def introspect(request: HttpRequest) -> JsonResponse:
    """`POST /o/introspect/` (RFC 7662): describes a confidential client's own token."""
    client = calling_client(request)
    if client is None or client.client_type != Application.CLIENT_CONFIDENTIAL:
        return oauth_error("invalid_client", "The client is not known, or its secret is wrong.", status=401)
    document = describe_token(request.POST.get("token", ""), client) or {"active": False}
    return JsonResponse(document, headers={"Cache-Control": "no-store"})
