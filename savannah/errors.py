"""Errors in the specification's format: those that views raise, and those outside of views. Imports no app."""

import logging
import math
from collections.abc import Mapping
from typing import Any

import psycopg
from django.core.exceptions import DisallowedHost, TooManyFieldsSent
from django.db import DatabaseError, DataError, IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.defaults import bad_request
from psycopg_pool import PoolTimeout
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from savannah.logs import request_id

logger = logging.getLogger(__name__)

NO_FIELD = "non_field_errors"
_OF_THE_FIELD = {
    "required": "Missing required field",
    "unknown": "Unknown field",
    "unknown_parameter": "Unknown parameter",
}


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
    """Return the specification's error body, plus the fault of each field and the request's id."""
    fields = {name: str(errors[0]) for name, errors in faults.items() if name != NO_FIELD} if faults else {}
    return {"error": sentence, **({"fields": fields} if fields else {}), "request_id": request_id.get()}


def answer_error(error: Exception, context: Mapping[str, Any]) -> Response:
    """Turn any exception of a view into the specification's error shapes (section "Error Responses")."""
    view = context["view"]
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
    # Log the class and the SQLSTATE only: the message may contain values, SQL and host names.
    logger.error("database failure: %s %s", type(cause).__name__, getattr(cause, "sqlstate", None))
    return error_body(f"Failed to {action}: Database connection error")


@csrf_exempt
def answer_unknown_path(request: HttpRequest) -> HttpResponse:
    """Answer 404 in JSON; redirect a path that only lacks its final slash (308 keeps method and body)."""
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
    """Answer 400 (JSON under /api/) to a request that is refused outside of a view, mostly for a foreign Host."""
    if not request.path.startswith("/api/"):
        return bad_request(request, exception)
    known = isinstance(exception, DisallowedHost)
    return JsonResponse(error_body(_FOREIGN_HOST if known else "The request cannot be read."), status=400)
