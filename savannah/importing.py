"""What the import commands share: arguments, a progress bar, a summary."""

import sys
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework.exceptions import APIException
from tqdm import tqdm

from savannah.uploads import Columns, Outcome, Row, format_of, read_rows


def add_file_arguments(parser: CommandParser) -> None:
    """Add the arguments for the file and for what happens to refused rows."""
    parser.add_argument("file", type=Path, help=".csv, .ndjson or .jsonl, as it is or as .gz")
    parser.add_argument(
        "--on-error", choices=["stop", "skip"], default="stop", help="skip: leave out rows that are refused"
    )


@contextmanager
def rows_of(path: Path, columns: Columns) -> Iterator[Iterator[tuple[int, Row]]]:
    """Yield the rows of a file, with a progress bar; raise CommandError for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            yield _shown(read_rows(file, format_of(path.name), columns), file)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    except APIException as error:
        raise CommandError(str(error.detail)) from None


def report(command: BaseCommand, outcome: Outcome, *, skip: bool) -> None:
    """Print the refused rows and the counts; raise CommandError when nothing was stored because of refused rows."""
    for refusal in outcome.refusals:
        place = f"line {refusal['line']}, {refusal['field']}" if refusal["field"] else f"line {refusal['line']}"
        command.stderr.write(f"{place}: {refusal['reason']}")
    if outcome.refused > len(outcome.refusals):
        command.stderr.write(f"... and {outcome.refused - len(outcome.refusals)} more.")
    if outcome.refused and not skip:
        raise CommandError("Nothing was stored; --on-error skip leaves such rows out.")
    counts = (f"{getattr(outcome, name):,} {name}" for name in ("created", "updated", "unchanged", "refused"))
    command.stdout.write(", ".join(counts))


class _Bar(tqdm):  # type: ignore[type-arg]  # it takes none when it runs
    """As long as the file has bytes, because the number of rows is unknown until its end; what it tells is in rows."""

    rows = 0

    @property
    def format_dict(self) -> MutableMapping[str, Any]:
        """What `bar_format` can show, computed whenever the bar is drawn."""
        shown = super().format_dict
        rate = self.rows / max(shown["elapsed"], 0.001)
        return {**shown, "told": f"{self.rows:,} rows, {rate:,.0f}/s"}


def _shown(rows: Iterable[tuple[int, Row]], file: BinaryIO) -> Iterator[tuple[int, Row]]:
    size = Path(file.name).stat().st_size
    with _Bar(total=size, bar_format="{l_bar}{bar}| {told}, {remaining} left") as bar:
        for bar.rows, row in enumerate(rows, 1):
            yield row
            bar.update(file.tell() - bar.n)
    sys.stderr.write("Storing ...\n")
