"""`manage.py import_orders FILE`: what `POST /api/orders/upload/` does, from a file, with a progress bar."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orders.uploading import COLUMNS, store_orders
from savannah.importing import add_file_arguments, report, rows_of


class Command(BaseCommand):
    """Store all of a file, or nothing of it."""

    help = "store the orders of a CSV or NDJSON file (also .gz), and queue their SMS: all of them, or none"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, what to do with rows that are refused, and whether the customers get an SMS."""
        add_file_arguments(parser)
        parser.add_argument("--no-notify", action="store_false", dest="notify", help="queue no SMS")

    def handle(self, *args: Any, file: Path, on_error: str, notify: bool, **options: Any) -> None:
        """Store it and say what became of it."""
        with rows_of(file, COLUMNS) as rows:
            outcome = store_orders(rows, skip=on_error == "skip", notify=notify)
        report(self, outcome, skip=on_error == "skip")
