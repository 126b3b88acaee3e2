"""`manage.py import_customers FILE`: what `POST /api/customers/upload/` does, from a file, with a progress bar."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from customers.uploading import COLUMNS, store_customers
from savannah.importing import add_file_arguments, report, rows_of


class Command(BaseCommand):
    """Store all of a file, or nothing of it."""

    help = "store the customers of a CSV or NDJSON file (also .gz): all of them, or none"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file and what to do with rows that are refused or there already."""
        add_file_arguments(parser)
        parser.add_argument("--on-conflict", choices=["refuse", "update"], default="refuse")

    def handle(self, *args: Any, file: Path, on_error: str, on_conflict: str, **options: Any) -> None:
        """Store it and say what became of it."""
        with rows_of(file, COLUMNS) as rows:
            outcome = store_customers(rows, skip=on_error == "skip", update=on_conflict == "update")
        report(self, outcome, skip=on_error == "skip")
