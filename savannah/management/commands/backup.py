"""`manage.py backup FILE`: a verified dump of the database, while the service runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from savannah.backups import BackupError, back_up


class Command(BaseCommand):
    """Dump the database, and verify the dump by a trial restore."""

    help = "write the database to FILE (pg_dump's custom format), proven by restoring it into a scratch database"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        """Back up."""
        if file.exists():
            raise CommandError(f"{file} exists. A backup replaces nothing.")
        try:
            rows = back_up(file.resolve(), self.stdout.write)
        except (BackupError, OSError) as failure:
            raise CommandError(str(failure)) from None
        self.stdout.write(f"{file} holds {sum(rows.values()):,} rows, proven.")
