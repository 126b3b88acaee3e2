"""What `manage.py upkeep` does here."""

from django.core.management import call_command
from django.db import connection
from oauth2_provider.models import clear_expired as clear_expired_tokens

from savannah.sql import load_queries

QUERIES = load_queries(__file__)


def clear_expired() -> int:
    """Delete tokens, codes, sessions and requests of devices that are over. Returns how many devices that were."""
    clear_expired_tokens()
    call_command("clearsessions")
    with connection.cursor() as cursor:
        cursor.execute(QUERIES.clear_devices)
        count: int = cursor.rowcount
        return count
