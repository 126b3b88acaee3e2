"""Two paths through the middleware: pages need sessions, cookies and messages; API requests need none of them.

`pages_begin` and `pages_end` enclose the middleware that only pages need (MIDDLEWARE in savannah/settings.py). API
requests jump from the first to the second: only the Bearer token identifies their caller.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from savannah.headers import OF_DATA
from savannah.sql import ACTOR

Answer = Callable[[HttpRequest], HttpResponseBase]

# RFC 9110, section 8.6: a 204 must not have a Content-Length, and in a 304 it would have to be that of the 200.
_WITHOUT_LENGTH = {204, 304}
_after_pages: list[Answer] = []


def pages_end(answer: Answer) -> Answer:
    """Mark where API requests re-enter the chain. Django builds it from the view outwards, so this is called first."""
    _after_pages.append(answer)
    return answer


def pages_begin(answer_page: Answer) -> Answer:
    """Pass pages to the next middleware, and API requests directly to `pages_end`."""
    answer_api = _after_pages.pop()

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/api/"):
            return answer_page(request)
        # As CommonMiddleware does: raises DisallowedHost for a host that is not in ALLOWED_HOSTS.
        request.get_host()
        # This thread may still hold the actor of an earlier request.
        ACTOR.set(None)
        response = answer_api(request)
        for name, value in OF_DATA.items():
            response.headers.setdefault(name, value)
        if (
            isinstance(response, HttpResponse)
            and "Content-Length" not in response.headers
            and response.status_code not in _WITHOUT_LENGTH
        ):
            response.headers["Content-Length"] = str(len(response.content))
        return response

    return middleware
