"""Conditional requests (RFC 9110, section 13): ETag, If-None-Match, If-Match. Knows no app."""

import re
import zlib
from typing import Any

from django.http import HttpResponse, HttpResponseNotModified
from rest_framework import exceptions
from rest_framework.request import Request

_ETAG = re.compile(r'(?<!W/)"[^"]*"')


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
