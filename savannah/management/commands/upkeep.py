"""`manage.py upkeep`: delete what is no longer needed, once. `manage.py run` starts it every hour."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils.module_loading import import_string

import savannah.sql
from savannah.sql import fetch_value, load_queries

QUERIES = load_queries(savannah.sql.__file__)


class Command(BaseCommand):
    """Call the functions in UPKEEP; if several hosts do so at the same time, only one works."""

    help = "delete expired tokens, sessions and counts, once"

    def handle(self, *args: Any, **options: Any) -> None:
        """Run each function, and print how much it deleted."""
        if not fetch_value(QUERIES.lock_upkeep):
            self.stdout.write("Another process is at it.")
            return
        try:
            for name in settings.UPKEEP:
                self.stdout.write(f"{name}: {import_string(name)()}")
        finally:
            fetch_value(QUERIES.unlock_upkeep)
