"""The security headers of every answer whose view does not set its own."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

# Answers with data are not pages: nothing in them may run or be shown in a frame.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
# The admin's theme uses Alpine.js, which evaluates code in HTML attributes.
ADMIN_POLICY = f"{PAGE_POLICY}; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
PERMISSIONS = "camera=(), geolocation=(), microphone=()"


# For answers of the API: what Django's SecurityMiddleware and XFrameOptionsMiddleware, and `Headers`, set on pages.
OF_DATA = {
    "Content-Security-Policy": DATA_POLICY,
    "Permissions-Policy": PERMISSIONS,
    "X-Frame-Options": settings.X_FRAME_OPTIONS,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
    "Cross-Origin-Opener-Policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
    # Also sent over plain HTTP, where clients ignore it (RFC 6797, 8.1).
    **(
        {"Strict-Transport-Security": f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains"}
        if settings.SECURE_HSTS_SECONDS
        else {}
    ),
}


class Headers:
    """Middleware: Content-Security-Policy, Permissions-Policy. Django's own middlewares set the others."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the headers that the view did not set."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", _policy(request, response))
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return response


def _policy(request: HttpRequest, response: HttpResponseBase) -> str:
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return DATA_POLICY
    return ADMIN_POLICY if request.path.startswith("/admin/") else PAGE_POLICY
