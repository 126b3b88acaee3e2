"""Two ways through the middleware: pages need sessions, cookies and messages, and a request of the API needs none.

`pages_begin` and `pages_end` stand around what pages alone need (MIDDLEWARE in savannah/settings.py). A request of the
API goes straight from the one to the other: its Bearer token is all that says who calls.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from savannah.headers import OF_DATA
from savannah.sql import ACTOR

Answer = Callable[[HttpRequest], HttpResponseBase]

# RFC 9110, section 8.6: none in a 204, and in a 304 that of the answer which it stands for.
_WITHOUT_LENGTH = {204, 304}
_after_pages: list[Answer] = []


def pages_end(answer: Answer) -> Answer:
    """Let the API come back in here. Django builds its chain from the view outwards, so this comes first."""
    _after_pages.append(answer)
    return answer


def pages_begin(answer_page: Answer) -> Answer:
    """Send pages on, and requests of the API past all up to `pages_end`."""
    answer_api = _after_pages.pop()

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/api/"):
            return answer_page(request)
        # As CommonMiddleware does: raises for a host that is not ours.
        request.get_host()
        # Nobody's deed yet, whatever this thread did before.
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
