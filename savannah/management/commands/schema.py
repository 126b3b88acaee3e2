"""`manage.py schema` (`make schema`): write database/customer_order_db.sql anew from the migrations."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from savannah.schema import write_schema

SCHEMA_FILE = settings.BASE_DIR / "database" / "customer_order_db.sql"


class Command(BaseCommand):
    """Migrate a scratch database and write its schema as SQL."""

    help = "write database/customer_order_db.sql anew from the migrations"

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file."""
        SCHEMA_FILE.write_text(write_schema())
        self.stdout.write(f"{SCHEMA_FILE} is in step with the migrations.")
