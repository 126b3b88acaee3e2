"""JSON in and out: what a request's body may be, and how an answer is written."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

import orjson
from django.conf import settings
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from savannah.text import UNSTORABLE, holds_unstorable


class LengthRequired(exceptions.APIException):
    """411 (RFC 9110, 15.5.12): a body without Content-Length."""

    status_code = 411
    default_detail = "Content-Length is required."


class BodyTooLarge(exceptions.APIException):
    """413 (RFC 9110, 15.5.14): a body longer than API_MAX_BODY_BYTES."""

    status_code = 413
    default_detail = "The request body is too large."


class OrjsonRenderer(BaseRenderer):
    """Writes JSON by orjson. PostgreSQL's JSON documents do not come here: views return them in an HttpResponse."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, media_type: str | None = None, context: Mapping[str, Any] | None = None) -> bytes:
        """Return the bytes of `data`; None becomes an empty body."""
        return b"" if data is None else orjson.dumps(data)


class JSONAlways(BaseContentNegotiation):
    """The API speaks JSON, whatever Accept says (RFC 9110, 12.5.1 lets a server disregard it)."""

    def select_parser(self, request: Request, parsers: list[BaseParser]) -> BaseParser | None:  # type: ignore[override]
        """Return the parser of the request's media type; None becomes 415."""
        media_type = (request.content_type or "").split(";", 1)[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(  # type: ignore[override]
        self, request: Request, renderers: list[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the one renderer."""
        return renderers[0], "application/json"


class StrictJSONParser(BaseParser):
    """Parses one JSON object, numbers as Decimal; refuses ambiguous JSON and text that PostgreSQL cannot store."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the object in the body; raise ParseError or BodyTooLarge."""
        request = parser_context["request"] if parser_context else stream
        return parse_json_object(_read_body(request, stream))


def _read_body(request: Request, stream: Any) -> bytes:
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise exceptions.ParseError("Content-Length is not a number.") from None
    if length > settings.API_MAX_BODY_BYTES:
        raise BodyTooLarge
    body: bytes = stream.read()
    if len(body) != length:
        raise exceptions.ParseError("The request body ends before its Content-Length.")
    return body


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body` (RFC 8259, UTF-8); raise ParseError with a sentence for anything else."""
    try:
        data = json.loads(
            body.decode(),
            parse_float=_parse_number,
            parse_int=_parse_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_duplicates,
        )
    except UnicodeDecodeError:
        raise exceptions.ParseError("The request body is not UTF-8.") from None
    except (json.JSONDecodeError, RecursionError, ArithmeticError):
        raise exceptions.ParseError("The request body is not valid JSON.") from None
    if not isinstance(data, dict):
        raise exceptions.ParseError("The request body must be a JSON object.")
    for field, value in data.items():
        if holds_unstorable(field) or (isinstance(value, str) and holds_unstorable(value)):
            raise exceptions.ValidationError({printable(field): [UNSTORABLE]})
    return data


def _parse_number(literal: str) -> Decimal:
    if len(literal) > 100:
        raise exceptions.ParseError("The request body holds a number of more than 100 characters.")
    return Decimal(literal)


def _refuse_constant(name: str) -> NoReturn:
    raise exceptions.ParseError(f"{name} is not a JSON number.")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise exceptions.ParseError("The request body names a field twice.")
    return data


def printable(name: str) -> str:
    """Return a client's field name, shortened and escaped for an error sentence."""
    return name[:50].encode("ascii", "backslashreplace").decode().replace("\x00", "\\x00")
