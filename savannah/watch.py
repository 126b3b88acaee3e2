"""The id, metrics and log line of every request."""

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from functools import cache

from django.http import HttpRequest, HttpResponseBase
from prometheus_client import Histogram

from savannah.logs import request_id, route_of
from savannah.metrics import REQUESTS

logger = logging.getLogger(__name__)

_GIVEN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_READS = {"GET", "HEAD", "OPTIONS"}
# Requested every few seconds by monitoring.
_UNLOGGED = {"healthz", "readyz", "metrics"}


def observed(answer: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: give a request its id (the client's X-Request-ID, or a new one), then count and log its answer.

    The log has the route, not the path or the query: those may contain codes and secrets.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        id_ = name_request(request.META)
        response = answer(request)
        response.headers["X-Request-ID"] = id_
        note(request.method or "", route_of(request), response.status_code, time.perf_counter() - started)
        return response

    return middleware


def name_request(environ: Mapping[str, str]) -> str:
    """Give the request its id, and return it."""
    given = environ.get("HTTP_X_REQUEST_ID")
    id_ = given if given and _GIVEN_ID.fullmatch(given) else secrets.token_hex(16)
    request_id.set(id_)
    return id_


def note(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answered request, and write its line."""
    method = method if method in _METHODS else "other"
    _histogram(method, route, status).observe(seconds)
    # Successful reads are logged only with LOG_LEVEL=DEBUG: a log line costs as much as a quick read.
    level = logging.DEBUG if method in _READS and status < 400 else logging.INFO
    if route not in _UNLOGGED and logger.isEnabledFor(level):
        fields = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
        logger.log(level, "answered", extra={"fields": fields})


@cache
def _histogram(method: str, route: str, status: int) -> Histogram:
    return REQUESTS.labels(method, route, status)
