"""The accounts' part of `manage.py upkeep`: it deletes what has expired."""

from django.conf import settings
from django.core.management import call_command
from oauth2_provider.models import clear_expired as clear_expired_tokens

from savannah.sql import execute, fetch_value, load_queries

QUERIES = load_queries(__file__)
# Audit entries that one statement deletes: few, so that it ends soon and new entries need not wait.
FORGET_AT_ONCE = 10_000


def clear_expired() -> int:
    """Delete expired tokens, codes, sessions and device requests; return how many device requests."""
    clear_expired_tokens()
    call_command("clearsessions")
    return execute(QUERIES.clear_devices)


def forget_audit() -> int:
    """Delete audit entries older than AUDIT_KEEP_DAYS (0: keep them all); return how many."""
    total, last = 0, FORGET_AT_ONCE if settings.AUDIT_KEEP_DAYS else 0
    while last == FORGET_AT_ONCE:
        last = fetch_value(QUERIES.forget_audit, days=settings.AUDIT_KEEP_DAYS, most=FORGET_AT_ONCE)
        total += last
    return total
