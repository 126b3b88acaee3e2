"""Lists: filters, sorting, pages and formats (JSON, NDJSON, CSV). Imports no app.

Lists use keyset pagination (never an offset), and PostgreSQL returns each page as one text. Without `limit` all pages
are streamed, one after the other; with it, the `Link` header has the address of the next page (RFC 8288).
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from django.db import connection
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from savannah.api import Input, Text, validated
from savannah.sql import fetch_text, only

# The joined documents of a page (str or bytes), and the key of its last row: None when no row follows.
Page = tuple[Any, ...] | None

LONGEST_PAGE = 1000
DEFAULT_LIMIT = 100
# A page of up to this many rows is `short`: its LIMIT is a constant in the statements, one more than the page shows.
SHORT = 100
# With this constant, one plan is the best for all values. Other statements are planned for the values of their filters:
# PostgreSQL assumes that an unknown range matches 0.5 % of the rows, and would read and sort all of a wide one.
ANY_VALUES = f"LIMIT {SHORT + 1}"
# Rows per page of a streamed list: fewer at first, so that the answer starts soon.
STREAMED_FIRST, STREAMED = 500, 4000


@dataclass(frozen=True)
class Shape:
    """How a list is written."""

    content_type: str
    opening: str = ""
    separator: str = ""
    closing: str = ""


SHAPES = {
    "json": Shape("application/json", "[", ",", "]"),
    "csv": Shape("text/csv; charset=utf-8; header=present"),
    "ndjson": Shape("application/x-ndjson"),
}
_MEDIA_TYPES = {
    "application/json": "json",
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
}


class ListQuery(Input):
    """The parameters that every list takes."""

    unknown = "unknown_parameter"
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=LONGEST_PAGE, help_text="a page of so many, and Link to the next one"
    )
    cursor = Text(required=False, max_length=1000, help_text="where the next page starts: Link has it")
    format = serializers.ChoiceField(list(SHAPES), required=False, help_text="instead of the Accept header")


@dataclass(frozen=True)
class Listing:
    """A list: its statement in `queries.sql`, its CSV header, and for each sort column the parser of a cursor's key.

    `also` derives further names for the statement's `-- if NAME` lines from those that are wanted (savannah/sql.py).
    """

    statement: str
    csv_header: str
    keys: Mapping[str, Callable[[str], Any]]
    also: Callable[[Set[str]], Set[str]] = lambda _: frozenset()

    @property
    def sorts(self) -> list[str]:
        """The values of `sort`; the first is the default."""
        return [sign + name for name in self.keys for sign in ("-", "")]


def asked(query_class: type[Input], request: Request) -> dict[str, Any]:
    """Return the request's validated query parameters; raise ValidationError (400)."""
    given = request.query_params
    twice = {name[:50]: ["is given twice."] for name in given if len(given.getlist(name)) > 1}
    if twice:
        raise serializers.ValidationError(twice)
    return validated(query_class, given.dict())


def answer_list(request: Request, listing: Listing, query: Mapping[str, Any]) -> HttpResponseBase:
    """Answer with the rows that the query asks for: all of them as a stream, or one page."""
    filters = dict(query)
    limit, cursor = filters.pop("limit", None), filters.pop("cursor", None)
    sort = filters.pop("sort", listing.sorts[0])
    name = filters.pop("format", None) or _accepted(request.META.get("HTTP_ACCEPT", ""))
    shape = SHAPES[name]
    if name == "csv":
        shape = replace(shape, opening=f"{listing.csv_header}\r\n")
    read_page = partial(_read_page, listing, form=name, sort=sort, filters=filters)
    start = _read_cursor(cursor, listing, sort) if cursor else (None, None)
    if limit or cursor:
        documents, *key = read_page(*start, paged=limit or DEFAULT_LIMIT) or (b"", None)
        answer: HttpResponseBase = HttpResponse(
            [shape.opening, documents or b"", shape.closing], content_type=shape.content_type
        )
        answer.headers["Link"] = _links(request, sort, key)
    else:
        answer = stream_list(read_page, start, shape)
    answer.headers["Vary"] = "Accept"
    if name != "json":
        file_name = request.path.strip("/").split("/")[1]
        answer.headers["Content-Disposition"] = f'attachment; filename="{file_name}.{name}"'
    return answer


def _read_page(
    listing: Listing,
    key: Any,
    id_: UUID | str | None,
    *,
    form: str,
    sort: str,
    filters: Mapping[str, Any],
    paged: int | None = None,
) -> Page:
    """Read the rows after this key: a page of `paged` rows, or the next part of a stream."""
    wanted = {form, sort, *filters, *(("after",) if id_ else ())}
    if paged:
        wanted |= {"paged", "short"} if paged <= SHORT else {"paged"}
    size = paged or (STREAMED if id_ else STREAMED_FIRST)
    statement = only(listing.statement, frozenset(wanted | listing.also(wanted)))
    row = fetch_text(
        statement,
        for_values=bool(filters) and ANY_VALUES not in statement,
        separator=SHAPES[form].separator,
        limit=size,
        most=size + 1 if paged else size,
        key=key,
        id=id_,
        **filters,
    )
    if row is None:
        return None
    documents, *last = row
    return documents, *(None if part is None else part.decode() for part in last)


def stream_list(
    read_page: Callable[..., Page], first_page: tuple[Any, ...], shape: Shape = SHAPES["json"]
) -> HttpResponseBase:
    """Answer with a whole list, page after page.

    `read_page(*key)` returns a page's joined documents (None: no more rows) and the key of its last row; `first_page`
    is the key to start with. No database connection is held between pages, so a slow reader does not occupy one.
    """
    pages = _pages(read_page(*first_page), read_page)
    return StreamingHttpResponse(_joined(pages, shape), content_type=shape.content_type)


def _pages(page: Page, read_page: Callable[..., Page]) -> Iterator[str | bytes]:
    while page and page[0] is not None:
        documents, *key = page
        connection.close()
        yield documents
        page = read_page(*key) if key[0] is not None else None
    connection.close()


def _joined(pages: Iterator[str | bytes], shape: Shape) -> Iterator[str | bytes]:
    yield shape.opening
    yield next(pages, "")
    for documents in pages:
        yield shape.separator
        yield documents
    yield shape.closing


def _accepted(accept: str) -> str:
    """Return the format that an Accept header prefers (RFC 9110, 12.5.1); JSON by default."""
    best, best_quality = "json", 0.0
    for part in accept.lower().split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        try:
            quality = next((float(piece[2:]) for piece in parameters if piece.startswith("q=")), 1.0)
        except ValueError:
            continue
        if media_type in _MEDIA_TYPES and quality > best_quality:
            best, best_quality = _MEDIA_TYPES[media_type], quality
    return best


def _links(request: Request, sort: str, key: list[str | None]) -> str:
    first = {name: value for name, value in request.query_params.items() if name != "cursor"}
    links = [(first, "first")]
    if key[0] is not None:
        cursor = base64.urlsafe_b64encode(orjson.dumps([sort, *key])).decode().rstrip("=")
        links.insert(0, ({**first, "cursor": cursor}, "next"))
    address = request.build_absolute_uri(request.path)
    return ", ".join(f'<{address}?{urlencode(parameters)}>; rel="{name}"' for parameters, name in links)


def _read_cursor(cursor: str, listing: Listing, sort: str) -> tuple[Any, UUID]:
    try:
        cursor_sort, key, id_ = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if cursor_sort == sort:
            return listing.keys[sort.removeprefix("-")](key), UUID(id_)
    except (binascii.Error, ValueError, TypeError, ArithmeticError, AttributeError):
        pass
    raise serializers.ValidationError({"cursor": ["is none of this list's; take it from the Link header."]})
