"""The savannah app: what all apps share."""

from typing import Any

from django import db
from django.apps import AppConfig
from django.core import signals
from django.core.cache import close_caches


class SavannahConfig(AppConfig):
    """Replaces Django's checks at the start and end of each request by a single one."""

    name = "savannah"

    def ready(self) -> None:
        """Connect one signal receiver instead of Django's four, which took a tenth of a small request's time."""
        for signal, receiver in (
            (signals.request_started, db.reset_queries),
            (signals.request_started, db.close_old_connections),
            (signals.request_finished, db.close_old_connections),
            (signals.request_finished, close_caches),
        ):
            signal.disconnect(receiver)
        signals.request_finished.connect(give_connection_back)


def give_connection_back(**_: Any) -> None:
    """Return a connection that a page or a transaction borrowed to the pool, but not within a test's transaction."""
    if db.connection.connection is not None and not db.connection.in_atomic_block:
        db.connection.close_if_unusable_or_obsolete()
