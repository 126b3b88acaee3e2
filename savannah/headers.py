"""The security headers of every answer whose view does not set its own."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

# Data is no page: nothing of it is ever to run or to be shown in a frame.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
# Alpine.js, which the admin's theme is made with, evaluates what its attributes say.
ADMIN_POLICY = f"{PAGE_POLICY}; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"


class Headers:
    """Middleware: Content-Security-Policy, Permissions-Policy. Django's own middlewares set the others."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add what the view left out."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", _policy(request, response))
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        return response


def _policy(request: HttpRequest, response: HttpResponseBase) -> str:
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return DATA_POLICY
    return ADMIN_POLICY if request.path.startswith("/admin/") else PAGE_POLICY
