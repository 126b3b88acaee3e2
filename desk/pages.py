"""What every page of the desk shares: the check of rights, and the content security policy."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

# Allows our own scripts (htmx, without eval), style sheet and images, requests to our own server, and no framing.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
View = Callable[..., HttpResponse]


def page(right: str, *methods: str) -> Callable[[View], View]:
    """Mark a view as a page for signed-in users with a right ("orders.add_order"), which accepts these methods."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.user.has_perm(right):
                response = view(request, *args, **kwargs)
            else:
                response = render(request, "desk/refused.html", {"right": right}, status=403)
            response["Content-Security-Policy"] = POLICY
            return response

        @wraps(view)
        def redirected(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            response: HttpResponse
            if request.user.is_authenticated:
                response = guarded(request, *args, **kwargs)
            else:
                response = redirect_to_login(_page_of(request))
            if is_from_htmx(request) and isinstance(response, HttpResponseRedirect):
                # htmx would follow the redirect and insert a whole page as a part: let the browser go there, or reload.
                to = {"HX-Redirect": response.url} if request.user.is_authenticated else {"HX-Refresh": "true"}
                return HttpResponse(headers=to)
            return response

        return require_http_methods(["HEAD", *methods])(never_cache(redirected))

    return decorate


def in_shop_time(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: every page shows its times in the shop's time zone."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with timezone.override(settings.DESK_TIME_ZONE):
            return answer(request)

    return middleware


def _page_of(request: HttpRequest) -> str:
    """Return the requested page or, for a POST, the page with the form: nobody can return to a POST."""
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}):
        return reverse("desk")
    return urlsplit(page)._replace(scheme="", netloc="").geturl()


def is_from_htmx(request: HttpRequest) -> bool:
    """Whether htmx requests a part of a page."""
    return request.headers.get("HX-Request") == "true"


def found_or_404(row: dict[str, Any] | None, sentence: str) -> dict[str, Any]:
    """Return the row; raise Http404 if it is None."""
    if row is None:
        raise Http404(sentence)
    return row


def uuid_or_none(text: str | None) -> UUID | None:
    """Return `text` as a UUID, or None."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
