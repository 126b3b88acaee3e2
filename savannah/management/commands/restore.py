"""`manage.py restore FILE`: replace the database by a backup, and keep the old one under another name."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from savannah.backups import BackupError, restore


class Command(BaseCommand):
    """Restore into a new database, then swap the two."""

    help = "put the backup FILE in the place of the database, which is kept under another name"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        """Restore."""
        if not file.exists():
            raise CommandError(f"{file} does not exist.")
        try:
            old = restore(file.resolve(), self.stdout.write)
        except BackupError as failure:
            raise CommandError(f"{failure}. The database is as it was.") from None
        self.stdout.write(
            f"Restored. What was there is now the database {old}: drop it when you miss nothing.\n"
            "Run `manage.py migrate` if the backup is of an older version."
        )
