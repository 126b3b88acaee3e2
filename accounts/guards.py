"""What the pages and endpoints of the provider share: content security policy, parameter checks, rate limit."""

import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from savannah.throttle import client_network, take

# Allows only our own style sheet and images, and no framing. No form-action: browsers also apply it to the redirect
# after a form, which for a sign-in goes to the client's own address.
PAGE_POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
# The lengths of the columns; no honest client sends anything longer.
LONGEST = {"nonce": 255, "code": 255, "code_challenge": 128, "client_id": 255}
LONGEST_OTHER = 4000
# oauthlib parses the query again, and raises ValueError for such a %.
_NO_HEX = re.compile("%(?![0-9A-Fa-f]{2})")


class Page:
    """A page for people, protected from framing and foreign scripts."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Set the content security policy."""
        response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        response["Content-Security-Policy"] = PAGE_POLICY
        return response


class Checked:
    """An endpoint that refuses parameters that cannot be stored or are repeated (RFC 6749, 3.1 and 3.2)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refuse with invalid_request, before anything else reads the parameters."""
        if fault := _fault(request):
            return oauth_error("invalid_request", fault)
        response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return response


def for_clients(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Decorate an endpoint that applications POST to: check its parameters, and limit the requests per address."""

    @csrf_exempt
    @require_POST
    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        limit = settings.TOKEN_REQUESTS_PER_MINUTE
        if limit and (seconds := take(f"tokens {client_network(request)}", per_minute=limit)):
            description = f"Too many requests. Try again in {seconds} s."
            return oauth_error("temporarily_unavailable", description, status=429, retry_after=seconds)
        if fault := _fault(request):
            return oauth_error("invalid_request", fault)
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


def oauth_error(error: str, description: str, status: int = 400, retry_after: int = 0) -> JsonResponse:
    """Return an error as an OAuth client expects it (RFC 6749, section 5.2)."""
    headers = {
        "Cache-Control": "no-store",
        **({"Retry-After": str(retry_after)} if retry_after else {}),
        **({"WWW-Authenticate": 'Basic realm="clients"'} if status == 401 else {}),
    }
    return JsonResponse({"error": error, "error_description": description}, status=status, headers=headers)


def signed_in_id(request: HttpRequest) -> int:
    """Return the id of the signed-in user, on a page that requires sign-in."""
    return cast("int", request.user.pk)
