"""Uploads: CSV or NDJSON of any length, read as a stream, staged by COPY, checked and merged by SQL in one transaction.

The body is written to a temporary file first, so that a slow sender holds neither a connection nor a transaction. At
most one chunk or row of it is in memory. Imports no app.
"""

import csv
import gzip
import re
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from itertools import chain
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.db import connection, transaction
from django.http import JsonResponse
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from rest_framework import exceptions, serializers
from rest_framework.request import Request

from savannah.api import Input
from savannah.errors import error_body
from savannah.logs import request_id
from savannah.media import BodyTooLarge, LengthRequired, parse_json_object
from savannah.sql import ACTOR
from savannah.text import holds_unstorable
from savannah.utf8 import UNREADABLE

# An answer lists at most this many of the refused rows.
MOST_NAMED = 100
_LONGEST_LINE = 256 * 1024
_CHUNK = 256 * 1024
_FORMULA = re.compile("'*[-=+@\t\r\n]")
FORMATS = {
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
}
_ENDINGS = {".ndjson": "ndjson", ".jsonl": "ndjson"}

# The values of a row's columns (None: not given), and what is wrong with it: a field and a reason, or "" and "".
Row = tuple[list[str | None], str, str]


class UploadQuery(Input):
    """The parameters that every upload takes."""

    unknown = "unknown_parameter"
    on_error = serializers.ChoiceField(
        ["stop", "skip"], default="stop", help_text="stop: all rows or none; skip: leave out those that are refused"
    )


class Unreadable(exceptions.ParseError):
    """400: the file as a whole cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a file: required, optional, and those of a download that an upload ignores."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    # The columns that may be a JSON number in NDJSON.
    numbers: tuple[str, ...] = ()
    # Parsers for what Python reads better than SQL. Each returns the value to store, or raises ValueError (the reason).
    read: Mapping[str, Callable[[str], str]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are staged."""
        return (*self.required, *self.optional)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of an upload: how many rows, and the first of those that were refused."""

    created: int
    updated: int
    unchanged: int
    refused: int
    refusals: list[dict[str, Any]]


@contextmanager
def received(request: Request) -> Iterator[tuple[BinaryIO, str]]:
    """Receive the complete upload; yield the file and its format."""
    media_type = (request.content_type or "").split(";", 1)[0].strip().lower()
    if media_type not in FORMATS and media_type != "multipart/form-data":
        raise exceptions.UnsupportedMediaType(media_type)
    # The connection that was used to check the token is not needed while the file arrives.
    connection.close()
    with tempfile.TemporaryFile() as file:
        length = _spool(request, file)
        file.seek(0)
        if media_type in FORMATS:
            yield file, FORMATS[media_type]
        else:
            with _only_part(request, file, length) as (part, name):
                yield part, format_of(name)


def format_of(file_name: str) -> str:
    """Return the format by the file's name: NDJSON for .ndjson and .jsonl (with or without .gz), otherwise CSV."""
    stem = file_name.lower().removesuffix(".gz")
    return next((name for ending, name in _ENDINGS.items() if stem.endswith(ending)), "csv")


def digest_of(file: BinaryIO) -> str:
    """Return the SHA-256 of a file, and rewind it."""
    digest = file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    return digest


def _spool(request: Request, file: BinaryIO) -> int:
    source = request.META["wsgi.input"]
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        if not request.META.get("wsgi.input_terminated"):
            raise LengthRequired
        left = settings.UPLOAD_MAX_BYTES + 1
    else:
        left = int(request.META.get("CONTENT_LENGTH") or 0)
    if left > settings.UPLOAD_MAX_BYTES + 1:
        raise BodyTooLarge
    total = 0
    while chunk := source.read(min(_CHUNK, left - total)) if left > total else b"":
        file.write(chunk)
        total += len(chunk)
    if total > settings.UPLOAD_MAX_BYTES:
        raise BodyTooLarge
    return total


@contextmanager
def _only_part(request: Request, body: BinaryIO, length: int) -> Iterator[tuple[BinaryIO, str]]:
    try:
        meta = {**request.META, "CONTENT_LENGTH": str(length)}
        _, files = MultiPartParser(meta, cast("Any", body), [TemporaryFileUploadHandler(request._request)]).parse()
    except SuspiciousOperation:
        raise Unreadable("Send one file; the multipart body has too many parts, or one too long.") from None
    except (MultiPartParserError, *UNREADABLE) as error:
        raise Unreadable(f"The multipart body cannot be read: {error}") from None
    parts = [part for _, parts in files.lists() for part in parts]
    try:
        if len(parts) != 1:
            raise Unreadable(f"Send one file; the multipart body has {len(parts)}.")
        yield parts[0].file, parts[0].name or ""
    finally:
        for part in parts:
            part.close()


def read_rows(file: BinaryIO, file_format: str, columns: Columns) -> Iterator[tuple[int, Row]]:
    """Yield each row with its line number; raise Unreadable when the file as a whole cannot be read."""
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    source: BinaryIO = gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[assignment]
    try:
        lines = _lines(source)
        yield from _read_csv(lines, columns) if file_format == "csv" else _read_ndjson(lines, columns)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise Unreadable("The gzip file is damaged.") from None


def _lines(source: BinaryIO) -> Iterator[bytes]:
    total = 0
    while line := source.readline(_LONGEST_LINE):
        total += len(line)
        if total > settings.UPLOAD_MAX_BYTES:
            raise BodyTooLarge
        if len(line) == _LONGEST_LINE:
            raise Unreadable(f"A line is longer than {_LONGEST_LINE} bytes.")
        yield line


def _read_csv(lines: Iterator[bytes], columns: Columns) -> Iterator[tuple[int, Row]]:
    first = next(lines, b"").decode("utf-8-sig", "surrogateescape")
    texts = chain([first], (line.decode("utf-8", "surrogateescape") for line in lines))
    # A spreadsheet writes semicolons where the comma is the decimal sign.
    reader = csv.reader(texts, delimiter=";" if ";" in first and "," not in first else ",", strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        places = _places(header, columns)
        width = len(header)
        for cells in reader:
            if len(cells) == width:
                yield (
                    reader.line_num,
                    _row([_unguarded(cells[place]) if place >= 0 else None for place in places], columns),
                )
            elif cells:
                reason = f"has {len(cells)} cells; the first line has {width}."
                yield reader.line_num, ([None] * len(places), "", reason)
    except csv.Error as error:
        raise Unreadable(f"Line {reader.line_num} is not CSV: {error}") from None


def _places(header: list[str], columns: Columns) -> list[int]:
    for name in columns.required:
        if name not in header:
            raise Unreadable(f"The first line names no column {name}.")
    known = {*columns.names, *columns.ignored}
    for name in header:
        if name not in known:
            raise Unreadable(f"Unknown column: {name[:50].encode('ascii', 'backslashreplace').decode()}")
        if header.count(name) > 1:
            raise Unreadable(f"The first line names the column {name} twice.")
    return [header.index(name) if name in header else -1 for name in columns.names]


def guarded(cell: str) -> str:
    """Return a cell, with an apostrophe in front if a spreadsheet would run it as a formula (as csv_cell does in SQL).

    A formula that already has apostrophes gets one more, because an upload removes exactly one.
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unguarded(cell: str) -> str:
    return cell[1:].strip() if cell.startswith("'") and _FORMULA.match(cell) else cell.strip()


def _read_ndjson(lines: Iterator[bytes], columns: Columns) -> Iterator[tuple[int, Row]]:
    known = {*columns.names, *columns.ignored}
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _object_row(line, known, columns)


def _object_row(line: bytes, known: set[str], columns: Columns) -> Row:
    try:
        given = parse_json_object(line)
    except exceptions.APIException as error:
        return [None] * len(columns.names), "", str(_first(error.detail)).replace("request body", "line")
    values: list[str | None] = []
    for name in given:
        if name not in known:
            return [None] * len(columns.names), name[:50], "is unknown."
    for name in columns.names:
        value = given.get(name)
        if isinstance(value, str):
            value = value.strip()
        elif value is not None:
            if isinstance(value, bool) or name not in columns.numbers or isinstance(value, (list, dict)):
                return [None] * len(columns.names), name, "must be a string."
            value = str(value)
        values.append(value)
    return _row(values, columns)


def _first(detail: Any) -> Any:
    return next(iter(detail.values()))[0] if isinstance(detail, dict) else detail


def _row(values: list[str | None], columns: Columns) -> Row:
    for place, name in enumerate(columns.names):
        value = values[place]
        if not value:
            values[place] = None
        elif holds_unstorable(value):
            return [None] * len(values), name, "must be UTF-8 without NUL characters."
        elif name in columns.read:
            try:
                values[place] = columns.read[name](value)
            except ValueError as error:
                return [None] * len(values), name, str(error)
    return values, "", ""


def load(
    rows: Iterable[tuple[int, Row]],
    columns: Columns,
    *,
    judge: str,
    merge: str,
    skip: bool,
    **options: Any,
) -> Outcome:
    """Stage the rows, find those to refuse by `judge`, and store the others by `merge`, in one transaction.

    Unless `skip`, one refused row rolls back all of them. `judge` fills the table `refused`. `merge` may refuse more
    rows, because others write at the same time: it returns how many were created, updated, unchanged, and refused by
    `merge`.
    """
    names = ", ".join(columns.names)
    with transaction.atomic(), connection.cursor() as cursor:
        declared = ", ".join(f"{name} text" for name in columns.names)
        cursor.execute(f"CREATE TEMP TABLE upload (line integer, {declared}, field text, reason text) ON COMMIT DROP")
        with cursor.copy(f"COPY upload (line, {names}, field, reason) FROM STDIN") as copy:
            for line, (values, fault_field, reason) in rows:
                copy.write_row((line, *values, fault_field or None, reason or None))
        cursor.execute("ANALYZE upload")
        cursor.execute("CREATE TEMP TABLE refused (line integer, field text, reason text) ON COMMIT DROP")
        cursor.execute(judge, options)
        refused = cursor.rowcount
        created = updated = unchanged = 0
        if skip or not refused:
            cursor.execute("ANALYZE refused")
            cursor.execute(merge, {"actor": ACTOR.get(), "request_id": request_id.get(), **options})
            created, updated, unchanged, late, *_ = cursor.fetchone()
            refused += late
        cursor.execute("SELECT line, field, reason FROM refused ORDER BY line LIMIT %s", [MOST_NAMED])
        refusals = [{"line": line, "field": name, "reason": reason} for line, name, reason in cursor.fetchall()]
        if refused and not skip:
            transaction.set_rollback(True)
            created = updated = unchanged = 0
    return Outcome(created=created, updated=updated, unchanged=unchanged, refused=refused, refusals=refusals)


def answer_upload(outcome: Outcome, *, skip: bool) -> JsonResponse:
    """Answer 200 with the counts; 400 when nothing was stored because of refused rows."""
    if outcome.refused and not skip:
        rows = "1 row was" if outcome.refused == 1 else f"{outcome.refused} rows were"
        sentence = f"{rows} refused, so nothing was stored; ?on_error=skip leaves such rows out."
        return JsonResponse({**error_body(sentence), **asdict(outcome)}, status=400)
    return JsonResponse(asdict(outcome))
