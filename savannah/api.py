"""What every API view shares: its fields, its answers, errors in the specification's shape. Knows no app."""

import logging
import math
import re
import zlib
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any
from uuid import UUID

import psycopg
from django.core.exceptions import DisallowedHost, TooManyFieldsSent
from django.db import DatabaseError, DataError, IntegrityError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotModified,
    JsonResponse,
)
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.defaults import bad_request
from psycopg_pool import PoolTimeout
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView as DRFView
from rest_framework.views import set_rollback

from savannah.logs import request_id
from savannah.media import LengthRequired, OrjsonRenderer, printable
from savannah.text import UNSTORABLE, holds_unstorable

logger = logging.getLogger(__name__)

NO_FIELD = "non_field_errors"
RENDERER = OrjsonRenderer()
_ETAG = re.compile(r'(?<!W/)"[^"]*"')
_OF_THE_FIELD = {
    "required": "Missing required field",
    "unknown": "Unknown field",
    "unknown_parameter": "Unknown parameter",
}


class Text(serializers.CharField):
    """A JSON string (never a number or a boolean), trimmed, not blank."""

    default_error_messages = {
        "invalid": "must be a string.",
        "null": "must not be null.",
        "blank": "must not be blank.",
        "max_length": "must have no more than {max_length} characters.",
        "unstorable": UNSTORABLE,
    }

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the trimmed text, or what a subclass makes of it; fail for any other JSON type."""
        if not isinstance(data, str):
            is_empty, default = self.validate_empty_values(data)
            return default if is_empty else self.fail("invalid")
        text = data.strip()
        if not text:
            self.fail("blank")
        if holds_unstorable(text):
            self.fail("unstorable")
        value = self.to_internal_value(text)
        if self.max_length and len(value) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return value

    def to_internal_value(self, data: str) -> str:
        """Return the text as it is."""
        return data


class Input(serializers.Serializer[Any]):
    """The fields that a request may carry; a field it does not know is an error, named."""

    unknown = "unknown"

    def run_validation(self, data: Any = serializers.empty) -> dict[str, Any]:
        """Refuse unknown fields, and an update of nothing; validate each field. All that is at fault is named.

        Each order comes through here: what DRF does besides, for forms, nested objects and models, is left out.
        """
        if self.partial and not data:
            raise exceptions.ValidationError({NO_FIELD: ["No field to update was given."]})
        fields, values = self._fields_by_name, {}
        unknown = exceptions.ErrorDetail("is unknown.", code=self.unknown)
        faults: dict[str, Any] = {printable(name): [unknown] for name in data if name not in fields}
        for name, field in fields.items():
            try:
                values[name] = field.run_validation(data.get(name, serializers.empty))
            except serializers.SkipField:
                pass
            except exceptions.ValidationError as error:
                faults[name] = error.detail
        if faults:
            raise exceptions.ValidationError(faults)
        return values

    @cached_property
    def _fields_by_name(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return dict(self.fields)


def first_error(detail: Any) -> str:
    """Return the first fault of a serializer's errors as one sentence that names the field."""
    if isinstance(detail, Mapping):
        field, (fault, *_) = next(iter(detail.items()))
        if field == NO_FIELD:
            return str(fault)
        if fault.code in _OF_THE_FIELD:
            return f"{_OF_THE_FIELD[fault.code]}: {field}"
        return f"{field}: {fault}"
    return str(detail[0])


def error_body(sentence: str, faults: Any = None) -> dict[str, Any]:
    """Return the specification's error, with what is wrong with each field and the request's id beside it."""
    fields = {name: str(errors[0]) for name, errors in faults.items() if name != NO_FIELD} if faults else {}
    return {"error": sentence, **({"fields": fields} if fields else {}), "request_id": request_id.get()}


class APIView(DRFView):
    """A view that names, by method, what it does (`actions`) and which right that needs (`rights`).

    `constraints` says what a violated constraint means: the status, the sentence, and the field at fault, if it is one.
    What no right is named for, an administrator alone may do.
    """

    actions: Mapping[str, str] = {}
    rights: Mapping[str, str] = {}
    constraints: Mapping[str, tuple[int, str, str]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let in who may do this. As DRF's, without formats and versions: this API has one of each."""
        request.accepted_renderer, request.accepted_media_type = RENDERER, RENDERER.media_type
        self.perform_authentication(request)
        self.check_permissions(request)
        self.check_throttles(request)

    @property
    def default_response_headers(self) -> dict[str, str]:
        """The headers of every answer, 405 among them."""
        return dict(headers_of(type(self)))  # type: ignore[arg-type]  # a class has a hash


@cache
def headers_of(view_class: type[APIView]) -> Mapping[str, str]:
    """Return the headers of every answer of a view."""
    view = view_class()
    view.setup(HttpRequest())  # gives a view that answers GET its HEAD
    return {"Allow": ", ".join(view.allowed_methods)}


def rights_on(model: str) -> dict[str, str]:
    """Return the right that each method needs on a model: `rights_on("orders.order")["POST"]` is "orders.add_order"."""
    app_label, name = model.split(".")
    actions = {"GET": "view", "POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}
    return {method: f"{app_label}.{action}_{name}" for method, action in actions.items()}


def require_right(request: Request, right: str) -> None:
    """Refuse (403) what takes a right beside the method's own."""
    caller: Any = request.user
    if not caller.has_right(right):
        raise exceptions.PermissionDenied(f"You need the right {right}, and your role does not give it.")


def checked(input_class: type[Input], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """Return the request's validated fields; raise ValidationError (400), or LengthRequired (411) for chunks."""
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        # DRF takes a body of unknown length for none at all.
        raise LengthRequired
    fields: Any = request.data
    return validated(input_class, fields, partial=partial)


def validated(input_class: type[Input], given: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """Return the fields of what was given; raise ValidationError (400)."""
    fields: dict[str, Any] = _rules(input_class, partial).run_validation(given)
    return fields


@cache
def _rules(input_class: type[Input], partial: bool) -> Input:
    # One for all requests: to make a serializer takes longer than to check an order, and a check leaves no trace in it.
    return input_class(partial=partial)


def prefers(environ: Mapping[str, str], preference: str) -> bool:
    """Whether a request's Prefer header names the preference (RFC 7240)."""
    given = environ.get("HTTP_PREFER", "").lower().split(",")
    return any(re.split("[;=]", part, maxsplit=1)[0].strip() == preference for part in given)


def uuid_or_404(text: str, error: str) -> UUID:
    """Return `text` as a UUID; what is none names nothing, and is answered as not found."""
    try:
        if len(text) == 36:
            return UUID(text)
    except ValueError:
        pass
    raise exceptions.NotFound(error)


def found(document: str | None, error: str) -> HttpResponse:
    """Answer with a document that PostgreSQL wrote as JSON text; None is a 404 with `error`."""
    if document is None:
        raise exceptions.NotFound(error)
    return HttpResponse(document, content_type="application/json")


def created(document: str) -> HttpResponse:
    """Answer 201 with the document of what was made."""
    return HttpResponse(document, content_type="application/json", status=201)


class PreconditionFailed(exceptions.APIException):
    """412 (RFC 9110, 15.5.13): somebody else was faster."""

    status_code = 412
    default_detail = "It has changed since you read it: read it again."


def versioned(request: Request, row: tuple[Any, ...] | None, error: str) -> HttpResponse:
    """Answer with a document and its version under an ETag; 304 when the client has it (RFC 9110, 13.1.2).

    No row is a 404 with `error`; a row without a document is a precondition that failed.
    The ETag is "version-digest": the digest is of all that is shown, also of what is another's (the state of the SMS),
    and If-Match compares the version alone.
    """
    if row is None:
        raise exceptions.NotFound(error)
    document, version, *_ = row
    if document is None:
        raise PreconditionFailed
    etag = etag_of(document, version)
    known = request.META.get("HTTP_IF_NONE_MATCH")
    if known and request.method in {"GET", "HEAD"} and (known.strip() == "*" or etag in _etags(known)):
        answer: HttpResponse = HttpResponseNotModified()
    else:
        answer = HttpResponse(document, content_type="application/json")
    answer.headers["ETag"] = etag
    return answer


def etag_of(document: str, version: str) -> str:
    """Return the ETag of a document in this version."""
    return f'"{version}-{zlib.crc32(document.encode()):08x}"'


def deleted(row: tuple[Any, ...] | None, error: str) -> HttpResponse:
    """Answer 204; no row is a 404 with `error`, a null in it a precondition that failed."""
    if row is None:
        raise exceptions.NotFound(error)
    if row[0] is None:
        raise PreconditionFailed
    return HttpResponse(status=204)


def versions_to_match(request: Request) -> list[str] | None:
    """Return the versions of which the client will change one (If-Match), or None: whichever there is."""
    given = request.META.get("HTTP_IF_MATCH")
    if given is None or given.strip() == "*":
        return None
    # A weak tag never matches (RFC 9110, 13.1.1).
    return [etag.strip('"').split("-")[0] for etag in _ETAG.findall(given)]


def _etags(header: str) -> list[str]:
    return [etag.strip() for etag in header.replace("W/", "").split(",")]


def answer_error(error: Exception, context: Mapping[str, Any]) -> Response:
    """Turn any exception of a view into the specification's error shapes (section "Error Responses")."""
    view: APIView = context["view"]
    if isinstance(error, IntegrityError):
        violation = violated_constraint(error)
        if violation in view.constraints:
            set_rollback()
            status, sentence, field = view.constraints[violation]
            return Response(error_body(sentence, {field or NO_FIELD: [sentence]}), status=status)
    if isinstance(error, (DatabaseError, PoolTimeout, psycopg.OperationalError)):
        return _database_failure(error, context)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    if isinstance(error, TooManyFieldsSent):
        error = exceptions.ParseError("The request has too many parameters.")
    if not isinstance(error, exceptions.APIException):
        logger.error("%s failed", type(view).__name__, exc_info=error)
        return Response(error_body("Internal server error"), status=500)
    set_rollback()
    if isinstance(error, (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)):
        challenge = getattr(error, "auth_header", "Bearer")
        body = {"detail": "Authentication credentials were not provided."}
        return Response(body, status=401, headers={"WWW-Authenticate": challenge})
    sentence = first_error(error.detail) if isinstance(error.detail, (dict, list)) else str(error.detail)
    faults = error.detail if isinstance(error.detail, dict) else None
    return Response(error_body(sentence, faults), status=error.status_code, headers=_headers(error))


def _headers(error: exceptions.APIException) -> dict[str, str]:
    challenge, seconds = getattr(error, "auth_header", None), getattr(error, "wait", None)
    return {
        **({"WWW-Authenticate": challenge} if challenge else {}),
        **({"Retry-After": str(math.ceil(seconds))} if seconds else {}),
    }


def violated_constraint(error: DatabaseError) -> str:
    """Return the name of the constraint that a write violated."""
    cause = error.__cause__
    return (cause.diag.constraint_name or "") if isinstance(cause, psycopg.Error) else ""


def _database_failure(error: Exception, context: Mapping[str, Any]) -> Response:
    set_rollback()
    if isinstance(error, DataError):
        return Response(error_body("A value in the request cannot be stored."), status=400)
    action = context["view"].actions.get(context["request"].method, "answer the request")
    return Response(database_failure(error, action), status=500)


def database_failure(error: Exception, action: str) -> dict[str, Any]:
    """Log a failure of the database, and return the body of the 500 that answers it (section "Error Responses")."""
    cause = error.__cause__ if isinstance(error.__cause__, psycopg.Error) else error
    # Its class and SQLSTATE only: the message may hold values, SQL and hosts.
    logger.error("database failure: %s %s", type(cause).__name__, getattr(cause, "sqlstate", None))
    return error_body(f"Failed to {action}: Database connection error")


@csrf_exempt
def answer_unknown_path(request: HttpRequest) -> HttpResponse:
    """Answer 404 in JSON; a path that only lacks its last slash is sent there (308 keeps method and body)."""
    if not request.path.endswith("/"):
        try:
            match = resolve(request.path_info + "/")
        except Resolver404:
            match = None
        if match and match.func is not answer_unknown_path:
            return HttpResponse(status=308, headers={"Location": request.get_full_path(force_append_slash=True)})
    return JsonResponse(error_body("Not found"), status=404)


_FOREIGN_HOST = "The Host header names no host of this service (ALLOWED_HOSTS)."


def answer_bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 in JSON under /api/ to what no view gets to see: a Host that is not ours, above all."""
    if not request.path.startswith("/api/"):
        return bad_request(request, exception)
    known = isinstance(exception, DisallowedHost)
    return JsonResponse(error_body(_FOREIGN_HOST if known else "The request cannot be read."), status=400)
