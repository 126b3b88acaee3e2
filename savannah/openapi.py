"""The OpenAPI document: parameters, errors and headers of the endpoints, and the page to try them."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

# Scripts, styles and calls from our own origin alone; the page's pictures are data: URLs.
DOCS_POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class ErrorBody(serializers.Serializer[Any]):
    """One sentence on what is wrong."""

    error = serializers.CharField()
    # Serializers have an attribute "fields" of another type.
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.CharField(), required=False, help_text="what is wrong with each"
    )
    request_id = serializers.CharField(help_text="as in X-Request-ID and in the log")


class UnauthorizedBody(serializers.Serializer[Any]):
    """The specification's 401."""

    detail = serializers.CharField()


class Refusal(serializers.Serializer[Any]):
    """A row of an upload that was refused."""

    line = serializers.IntegerField()
    field = serializers.CharField(allow_null=True, help_text="null: the line as such")
    reason = serializers.CharField()


class UploadOutput(serializers.Serializer[Any]):
    """What became of an upload."""

    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    refused = serializers.IntegerField()
    refusals = Refusal(many=True, help_text="the first hundred")


class RefusedUpload(ErrorBody):
    """Nothing was stored; where rows are at fault, which."""

    created = serializers.IntegerField(required=False)
    updated = serializers.IntegerField(required=False)
    unchanged = serializers.IntegerField(required=False)
    refused = serializers.IntegerField(required=False)
    refusals = Refusal(many=True, required=False)


UPLOAD_BODIES = {
    "text/csv": OpenApiTypes.STR,
    "application/x-ndjson": OpenApiTypes.STR,
    "multipart/form-data": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}},
}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="1 to 255 printable ASCII characters; for a day, the same key and body give the same answer again",
)
PREFER = OpenApiParameter(
    "Prefer", str, OpenApiParameter.HEADER, description="respond-async: do not wait for the SMS (RFC 7240)"
)
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="the ETag of what was read; 412 when it has changed since"
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="the ETag of what is known; 304 when it is still that"
)

_MEANINGS = {
    400: "A field is missing, unknown or wrong.",
    401: "No valid access token.",
    403: "The caller's role or the token's scopes do not reach this.",
    404: "There is no such customer or order.",
    409: "A request with this Idempotency-Key is being answered.",
    411: "A body without Content-Length.",
    412: "It has changed since it was read (If-Match).",
    413: "The body is too large.",
    415: "The body is of another media type.",
    422: "The Idempotency-Key was used with another body.",
    429: "The caller asks too often; Retry-After says in how many seconds to ask again.",
    500: "The database did not answer.",
    503: "Too many requests are being read; Retry-After says in how many seconds to ask again.",
}

NOT_MODIFIED = {304: OpenApiResponse(description="It is what the client has (If-None-Match).")}


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """Return the error responses that an operation documents.

    Adds 403 and 429 if a token is needed (401), 503 if there is a body (411; savannah/bodies.py), and always 500.
    """
    refusals = (*((403, 429) if 401 in statuses else ()), *((503,) if 411 in statuses else ()))
    return {
        status: OpenApiResponse(UnauthorizedBody if status == 401 else ErrorBody, description=_MEANINGS[status])
        for status in (*statuses, *refusals, 500)
    }


Fields = type[serializers.Serializer[Any]]
Method = TypeVar("Method", bound=Callable[..., Any])


def lists(operation_id: str, query: Fields, row: Fields, *statuses: int) -> Callable[[Method], Method]:
    """Document a list: an array of rows, or the same as a file (`format`)."""
    files = {(200, media_type): OpenApiTypes.STR for media_type in ("text/csv", "application/x-ndjson")}
    answers: dict[Any, Any] = {(200, "application/json"): row(many=True), **files, **errors(400, 401, *statuses)}
    return extend_schema(operation_id=operation_id, parameters=[query], responses=answers)


def creates(
    operation_id: str, fields: Fields, row: Fields, *statuses: int, headers: tuple[OpenApiParameter, ...] = ()
) -> Callable[[Method], Method]:
    """Document an operation that creates a row from a JSON object, with an Idempotency-Key."""
    answers = {201: row, **errors(400, 401, *statuses, 409, 411, 413, 415, 422)}
    return extend_schema(
        operation_id=operation_id, parameters=[IDEMPOTENCY_KEY, *headers], request=fields, responses=answers
    )


def uploads(operation_id: str, query: Fields) -> Callable[[Method], Method]:
    """Document an operation that stores the rows of a file."""
    return extend_schema(
        operation_id=operation_id,
        parameters=[query, IDEMPOTENCY_KEY],
        request=UPLOAD_BODIES,
        responses={200: UploadOutput, 400: RefusedUpload, **errors(401, 409, 411, 413, 415, 422)},
    )


def shows(operation_id: str, row: Fields) -> Callable[[Method], Method]:
    """Document an operation that returns one row, or 304 if the client already has it."""
    answers = {200: row, **NOT_MODIFIED, **errors(401, 404)}
    return extend_schema(operation_id=operation_id, parameters=[IF_NONE_MATCH], responses=answers)


def updates(operation_id: str, fields: Fields, row: Fields) -> Callable[[Method], Method]:
    """Document an operation that changes the given fields of a row."""
    answers = {200: row, **errors(400, 401, 404, 411, 412, 413, 415)}
    return extend_schema(
        operation_id=operation_id, parameters=[IF_MATCH], request=fields(partial=True), responses=answers
    )


def deletes(operation_id: str) -> Callable[[Method], Method]:
    """Document an operation that deletes a row."""
    return extend_schema(
        operation_id=operation_id, parameters=[IF_MATCH], responses={204: None, **errors(401, 404, 412)}
    )


def complete(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add what drf-spectacular leaves out: that bodies are required, and which headers the answers have.

    A postprocessing hook (SPECTACULAR_SETTINGS).
    """
    for methods in result["paths"].values():
        for operation in methods.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
            name = operation["operationId"]
            for status, response in operation["responses"].items():
                for header, (text, where) in _HEADERS.items():
                    if where(name, int(status)):
                        response.setdefault("headers", {})[header] = {"schema": {"type": "string"}, "description": text}
    return result


_HEADERS: dict[str, tuple[str, Callable[[str, int], bool]]] = {
    "X-Request-ID": ("the request's own, or a new one; the log has it, too", lambda name, status: True),
    "WWW-Authenticate": ("the challenge (RFC 6750)", lambda name, status: status == 401),
    "Retry-After": ("in how many seconds to try again", lambda name, status: status in {409, 429, 503}),
    "ETag": (
        "for If-None-Match and If-Match",
        lambda name, status: status in {200, 304} and name.endswith(("_get", "_update", "_patch")),
    ),
    "Link": (
        'with `limit`: rel="next" while there is more, and rel="first" (RFC 8288)',
        lambda name, status: status == 200 and name.endswith(("_list", "_code", "_id")),
    ),
    "Idempotency-Replayed": (
        "true: the answer was given before",
        lambda name, status: status in {200, 201} and name.endswith(("_create", "_upload")),
    ),
    "Preference-Applied": ("respond-async", lambda name, status: (name, status) == ("orders_create", 201)),
}


class Schema(SpectacularAPIView):
    """`/api/schema/`: the OpenAPI document, YAML unless JSON is asked for."""

    content_negotiation_class = DefaultContentNegotiation


class Docs(SpectacularSwaggerSplitView):
    """`/api/docs/`: the document as a page to read and to try; the browser requests its script separately."""

    schema = None
    http_method_names = ("get", "head")
    template_name = "savannah/docs.html"

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the page, or with `?script` its script."""
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        response["Content-Security-Policy"] = DOCS_POLICY
        return response
