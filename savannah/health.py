"""Liveness, readiness and metrics, for load balancers, Prometheus and operators."""

import json
import secrets
from collections.abc import Iterator, Mapping

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from savannah.metrics import note_pool, registry_of_all_processes
from sms.outbox import count_workers, holds_up, oldest_due_seconds, read_figures


def alive(request: HttpRequest) -> JsonResponse:
    """`GET /healthz`: 200 as soon as this process answers."""
    return JsonResponse({"status": "alive"})


def ready(request: HttpRequest) -> JsonResponse:
    """`GET /readyz`: 200, with the state of the SMS, when the database answers and is migrated; otherwise 503."""
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


def metrics(request: HttpRequest) -> HttpResponse:
    """`GET /metrics`: needs METRICS_TOKEN as Bearer token; if none is set, only this host may read it."""
    if not _may_read(request):
        return HttpResponse(status=404)
    note_pool()
    outbox = CollectorRegistry()
    outbox.register(_Outbox())
    text = generate_latest(registry_of_all_processes()) + generate_latest(outbox)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        return secrets.compare_digest(
            request.headers.get("Authorization", "").encode(), f"Bearer {settings.METRICS_TOKEN}".encode()
        )
    # A proxy on this host forwards requests of other hosts.
    proxied = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"} and not proxied


class _Outbox(Collector):
    """Metrics from PostgreSQL, which cover all workers and hosts."""

    def collect(self) -> Iterator[Metric]:
        """Yield the outbox's figures, read now."""
        try:
            figures = json.loads(read_figures())
        except DatabaseError:
            yield _gauge("savannah_database_up", "Whether PostgreSQL answers.", 0)
            return
        yield _gauge("savannah_database_up", "Whether PostgreSQL answers.", 1)
        yield _gauges("savannah_database_connections", "Connections to this database.", "state", figures["connections"])
        yield _gauge("savannah_database_connections_max", "What PostgreSQL allows.", figures["connections_max"])
        yield _gauges("savannah_sms_messages", "Messages that are not at their end.", "state", figures["messages"])
        yield _gauge("savannah_sms_oldest_due_seconds", "How long the oldest due SMS waits.", figures["oldest_due"])
        yield _gauge("savannah_sms_workers", "Workers that listen.", figures["workers"])
        yield _gauge("savannah_sms_paused", "Gateways that sending is held up for.", figures["paused"])
        yield _gauge("savannah_sms_needs_help", "Of these, how many someone has to act for.", figures["needs_help"])
        yield _gauges("savannah_sms_attempts_5m", "Sends of five minutes, by outcome.", "outcome", figures["attempts"])
        yield _gauges(
            "savannah_sms_gateway_seconds_5m", "Time of the gateway's answers.", "quantile", figures["gateway"]
        )
        yield _gauge("savannah_sms_stand_in", "Whether SMS go to the stand-in.", int(settings.SMS_STAND_IN))


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value_of_label, value in values.items():
        family.add_metric([value_of_label], value)
    return family
