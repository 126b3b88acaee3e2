"""The savannah app: what all rooms share."""

from typing import Any

from django import db
from django.apps import AppConfig
from django.core import signals
from django.core.cache import close_caches


class SavannahConfig(AppConfig):
    """Looks after the one database connection that a thread may have, and spares requests the rest."""

    name = "savannah"

    def ready(self) -> None:
        """Put one look in place of Django's four, which took a tenth of a small request's time."""
        for signal, receiver in (
            (signals.request_started, db.reset_queries),
            (signals.request_started, db.close_old_connections),
            (signals.request_finished, db.close_old_connections),
            (signals.request_finished, close_caches),
        ):
            signal.disconnect(receiver)
        signals.request_finished.connect(give_connection_back)


def give_connection_back(**_: Any) -> None:
    """Return to the pool what a page or a transaction has borrowed; one that is still open is a test's around it."""
    if db.connection.connection is not None and not db.connection.in_atomic_block:
        db.connection.close_if_unusable_or_obsolete()
