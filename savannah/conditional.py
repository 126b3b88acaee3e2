"""Conditional requests (RFC 9110, section 13): ETag, If-None-Match, If-Match. Imports no app."""

import re
import zlib
from typing import Any

from django.http import HttpResponse, HttpResponseNotModified
from rest_framework import exceptions
from rest_framework.request import Request

_ETAG = re.compile(r'(?<!W/)"[^"]*"')


class PreconditionFailed(exceptions.APIException):
    """412 (RFC 9110, 15.5.13): somebody else changed the row first."""

    status_code = 412
    default_detail = "It has changed since you read it: read it again."


def versioned(request: Request, row: tuple[Any, ...] | None, error: str) -> HttpResponse:
    """Answer with a document and its ETag; 304 when the client already has it (RFC 9110, 13.1.2).

    No row: 404 with `error`. A row without a document: 412.
    The ETag is "version-digest". The digest covers the whole document, including data of other rows (the state of an
    order's SMS); If-Match compares the version only.
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
    """Answer 204; 404 with `error` without a row, 412 for a row that starts with null."""
    if row is None:
        raise exceptions.NotFound(error)
    if row[0] is None:
        raise PreconditionFailed
    return HttpResponse(status=204)


def versions_to_match(request: Request) -> list[str] | None:
    """Return the versions that If-Match accepts, or None when it accepts any."""
    given = request.META.get("HTTP_IF_MATCH")
    if given is None or given.strip() == "*":
        return None
    # A weak tag never matches (RFC 9110, 13.1.1).
    return [etag.strip('"').split("-")[0] for etag in _ETAG.findall(given)]


def _etags(header: str) -> list[str]:
    return [etag.strip() for etag in header.replace("W/", "").split(",")]
