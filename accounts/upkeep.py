"""What `manage.py upkeep` does here."""

from django.conf import settings
from django.core.management import call_command
from oauth2_provider.models import clear_expired as clear_expired_tokens

from savannah.sql import execute, fetch_value, load_queries

QUERIES = load_queries(__file__)
# Entries of the audit that one statement deletes: it is over soon, and orders go on being noted beside it.
FORGET_AT_ONCE = 10_000


def clear_expired() -> int:
    """Delete tokens, codes, sessions and requests of devices that are over. Returns how many devices that were."""
    clear_expired_tokens()
    call_command("clearsessions")
    return execute(QUERIES.clear_devices)


def forget_audit() -> int:
    """Delete the audit's entries that are older than AUDIT_KEEP_DAYS, 0 for none. Returns how many those were."""
    total, last = 0, FORGET_AT_ONCE if settings.AUDIT_KEEP_DAYS else 0
    while last == FORGET_AT_ONCE:
        last = fetch_value(QUERIES.forget_audit, days=settings.AUDIT_KEEP_DAYS, most=FORGET_AT_ONCE)
        total += last
    return total
