"""What the OpenAPI document says of every endpoint: the error bodies."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


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
