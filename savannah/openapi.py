"""The OpenAPI document: what it says of every endpoint's errors, and the page that lets a developer try it."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
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


class UnauthorizedBody(serializers.Serializer[Any]):
    """The specification's 401."""

    detail = serializers.CharField()


_MEANINGS = {
    400: "A field is missing, unknown or wrong.",
    401: "No valid access token.",
    403: "The caller's role or the token's scopes do not reach this.",
    404: "There is no such customer or order.",
    411: "A body without Content-Length.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "The caller asks too often; Retry-After says in how many seconds to ask again.",
    500: "The database did not answer.",
}


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """Return the error responses that an operation documents: 403 and 429 where a token is needed, and 500 always."""
    refusals = (403, 429) if 401 in statuses else ()
    return {
        status: OpenApiResponse(UnauthorizedBody if status == 401 else ErrorBody, description=_MEANINGS[status])
        for status in (*statuses, *refusals, 500)
    }


def listed(row: type[serializers.Serializer[Any]]) -> dict[tuple[int, str], Any]:
    """Return what a list answers: an array of rows, or the same as a file (`format`)."""
    files = {(200, media_type): OpenApiTypes.STR for media_type in ("text/csv", "application/x-ndjson")}
    return {(200, "application/json"): row(many=True), **files}


class Schema(SpectacularAPIView):
    """`/api/schema/`: the OpenAPI document, YAML unless JSON is asked for."""

    content_negotiation_class = DefaultContentNegotiation


class Docs(SpectacularSwaggerSplitView):
    """`/api/docs/`: the document as a page to read and to try; its script comes by a request of its own."""

    schema = None
    template_name = "savannah/docs.html"

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the page, or with `?script` its script."""
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        response["Content-Security-Policy"] = DOCS_POLICY
        return response
