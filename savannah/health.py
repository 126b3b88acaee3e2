"""Is the service alive, and is it ready? For load balancers and the operator."""

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from sms.outbox import count_workers, holds_up, oldest_due_seconds


def alive(request: HttpRequest) -> JsonResponse:
    """`GET /healthz`: 200 as soon as this process answers."""
    return JsonResponse({"status": "alive"})


def ready(request: HttpRequest) -> JsonResponse:
    """`GET /readyz`: 200 when the database answers and is migrated, else 503; and how the SMS are."""
    try:
        if lacks_migrations():
            return _not_ready("migrations are missing")
        sms = {
            "sms_workers": count_workers(),
            "oldest_queued_sms_seconds": oldest_due_seconds(),
            "sms_held_up": holds_up(),
        }
    except DatabaseError:
        return _not_ready("the database does not answer")
    return JsonResponse({"status": "ready", "version": settings.VERSION, **sms, "stand_in": settings.SMS_STAND_IN})


def lacks_migrations() -> bool:
    """Whether the database is behind the code: `manage.py migrate` has something to do."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _not_ready(reason: str) -> JsonResponse:
    return JsonResponse({"status": "not ready", "reason": reason}, status=503)
