"""The express lane: places an order, or reads one order or customer, without Django's middleware and views.

These are the most frequent requests, and each takes one SQL statement. A read finds the caller and the document
together. An order is placed for the caller that this process last saw with the token, provided that PostgreSQL still
finds the same caller. The lane answers only successful requests and database failures. In all other cases (a
conditional request, an Idempotency-Key, another media type, a token that is unknown here or invalid, a missing right,
an invalid field, no such row) it passes the request to Django before anything has been changed. Both paths use the
same functions and give the same answers: tests/test_express.py.
"""

import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import orjson
from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, connection
from django.http.request import split_domain_port, validate_host
from rest_framework.exceptions import APIException

from accounts.bearer import bearer_token, expected_caller, name_actor, read_as_caller, while_bearer
from accounts.rights import require
from customers import views as customers
from customers.views import QUERIES as CUSTOMER_QUERIES
from orders import placing
from orders import views as orders
from savannah.api import APIView, headers_of, prefers, validated
from savannah.conditional import etag_of
from savannah.errors import database_failure, error_body
from savannah.headers import OF_DATA
from savannah.media import parse_json_object
from savannah.sql import only
from savannah.watch import name_request, note

logger = logging.getLogger(__name__)

_DOCUMENT = re.compile(r"/api/(orders|customers)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/")
_ORDERS = "api/orders/"
_REASONS = {200: "200 OK", 201: "201 Created", 500: "500 Internal Server Error"}
# Headers that only Django's path handles.
_OTHERWISE = frozenset(("HTTP_IF_NONE_MATCH", "HTTP_IDEMPOTENCY_KEY", "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT"))


@dataclass(frozen=True)
class Answer:
    """What the lane answers."""

    route: str
    view: type[APIView]
    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def express(django: WSGIApplication) -> WSGIApplication:
    """Put the express lane in front of Django's application."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        id_ = name_request(environ)
        try:
            answer = _answer(environ)
        except Exception:
            logger.exception("the express lane failed")
            answer = Answer("no route", orders.OrderList, orjson.dumps(error_body("Internal server error")), status=500)
        if answer is None:
            return django(environ, start_response)
        own = [("Content-Length", str(len(answer.body))), ("X-Request-ID", id_)]
        headers = _headers(answer.view)  # type: ignore[arg-type]  # a class has a hash
        start_response(_REASONS[answer.status], [*headers, *answer.headers, *own])
        note(environ["REQUEST_METHOD"], answer.route, answer.status, time.perf_counter() - started)
        return [answer.body]

    return application


@cache
def _headers(view: type[APIView]) -> list[tuple[str, str]]:
    return list({"Content-Type": "application/json", **headers_of(view), **OF_DATA}.items())  # type: ignore[arg-type]


def _answer(environ: WSGIEnvironment) -> Answer | None:
    token = bearer_token(environ)
    if (
        not token
        or settings.API_REQUESTS_PER_MINUTE
        or environ.get("QUERY_STRING")
        or not _OTHERWISE.isdisjoint(environ)
    ):
        return None
    if not _is_ours(environ.get("HTTP_HOST", ""), tuple(settings.ALLOWED_HOSTS)):
        return None
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if method == "POST" and path == f"/{_ORDERS}":
        return _place(environ, token)
    asked = _DOCUMENT.fullmatch(path) if method == "GET" and not environ.get("CONTENT_LENGTH") else None
    return _read(asked[1], asked[2], token) if asked else None


@lru_cache(maxsize=100)
def _is_ours(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


# By the kind of a document: its route, its view, the statement that reads it.
_READS: dict[str, tuple[str, type[APIView], str]] = {
    "orders": (f"{_ORDERS}<str:order_id>/", orders.OrderDetail, placing.QUERIES.get_order),
    "customers": ("api/customers/<str:customer_id>/", customers.CustomerDetail, CUSTOMER_QUERIES.get_customer),
}


def _read(kind: str, id_: str, token: str) -> Answer | None:
    route, view, statement = _READS[kind]
    try:
        found = read_as_caller(token, statement, id=id_)
        if found is None:
            return None
        caller, (document, version) = found
        require(caller, view.rights["GET"])
    except APIException:
        return None
    except DatabaseError as error:
        return _failed(route, view, "GET", error)
    if document is None:
        return None
    return Answer(route, view, document.encode(), headers=(("ETag", etag_of(document, version)),))


_PLACE_ORDER = while_bearer(only(placing.QUERIES.place_order, frozenset(("bearer",))))


def _place(environ: WSGIEnvironment, token: str) -> Answer | None:
    view = orders.OrderList
    expected = expected_caller(token)
    if expected is None:
        return None
    caller, bearer = expected
    try:
        require(caller, view.rights["POST"])
        fields = validated(orders.NewOrderInput, parse_json_object(_read_json(environ)))
    except APIException:
        return None
    name_actor(caller)
    wait = not prefers(environ, "respond-async")
    try:
        order = placing.place_order(wait=wait, statement=_PLACE_ORDER, **bearer, **fields)
    except (DataError, IntegrityError):
        return None  # PostgreSQL has refused it
    except DatabaseError as error:
        # The order may have been committed: passing the request to Django could place it twice.
        return _failed(_ORDERS, view, "POST", error)
    if order is None:
        return None
    preference = () if wait else (("Preference-Applied", "respond-async"),)
    return Answer(_ORDERS, view, order.body.encode(), status=201, headers=preference)


def _failed(route: str, view: type[APIView], method: str, error: DatabaseError) -> Answer:
    # Django's path would only wait for PostgreSQL again.
    connection.close()
    return Answer(route, view, orjson.dumps(database_failure(error, view.actions[method])), status=500)


def _read_json(environ: WSGIEnvironment) -> bytes:
    """Return the body and rewind it for another read; return b"" if Django's path has to refuse it."""
    media_type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    length = environ.get("CONTENT_LENGTH", "")
    if media_type != "application/json" or not length.isdecimal() or int(length) > settings.API_MAX_BODY_BYTES:
        return b""
    file = environ["wsgi.input"]
    body: bytes = file.read(int(length))
    file.seek(0)
    return body if len(body) == int(length) else b""
