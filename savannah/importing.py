"""What the commands that import a file share: arguments, a progress bar, the last line."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework.exceptions import APIException

from savannah.uploads import Columns, Outcome, Row, format_of, read_rows

_WIDTH = 30


def add_file_arguments(parser: CommandParser) -> None:
    """Take the file, and what to do with rows that are refused."""
    parser.add_argument("file", type=Path, help=".csv, .ndjson or .jsonl, as it is or as .gz")
    parser.add_argument(
        "--on-error", choices=["stop", "skip"], default="stop", help="skip: leave out rows that are refused"
    )


@contextmanager
def rows_of(path: Path, columns: Columns) -> Iterator[Iterator[tuple[int, Row]]]:
    """Yield the rows of a file, shown as they go by; raise CommandError for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            yield _shown(read_rows(file, format_of(path.name), columns), file)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    except APIException as error:
        raise CommandError(str(error.detail)) from None


def report(command: BaseCommand, outcome: Outcome, *, skip: bool) -> None:
    """Print the counts and the rows that were refused; raise CommandError when that was the end of all."""
    for refusal in outcome.refusals:
        place = f"line {refusal['line']}, {refusal['field']}" if refusal["field"] else f"line {refusal['line']}"
        command.stderr.write(f"{place}: {refusal['reason']}")
    if outcome.refused > len(outcome.refusals):
        command.stderr.write(f"... and {outcome.refused - len(outcome.refusals)} more.")
    if outcome.refused and not skip:
        raise CommandError("Nothing was stored; --on-error skip leaves such rows out.")
    counts = (f"{getattr(outcome, name):,} {name}" for name in ("created", "updated", "unchanged", "refused"))
    command.stdout.write(", ".join(counts))


def _shown(rows: Iterable[tuple[int, Row]], file: BinaryIO) -> Iterator[tuple[int, Row]]:
    size = max(1, Path(file.name).stat().st_size)
    started = shown = time.monotonic()
    count = 0
    for count, row in enumerate(rows, 1):
        yield row
        now = time.monotonic()
        if now - shown >= 0.2:
            shown = now
            _show(count, now - started, min(file.tell() / size, 1.0))
    _show(count, time.monotonic() - started, 1.0)
    sys.stderr.write("\nStoring ...\n")


def _show(count: int, seconds: float, share: float) -> None:
    rate = count / max(seconds, 0.001)
    left = seconds / share - seconds
    bar = "#" * round(share * _WIDTH)
    sys.stderr.write(f"\r[{bar:<{_WIDTH}}] {share:4.0%}  {count:,} rows  {rate:,.0f}/s  {left:.0f} s left ")
    sys.stderr.flush()
