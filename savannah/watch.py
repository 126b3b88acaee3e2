"""Watching: every request's id, time and log line, and `GET /metrics` for Prometheus."""

import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from prometheus_client import CONTENT_TYPE_LATEST, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from savannah.logs import request_id
from savannah.metrics import REQUESTS, note_pool, registry_of_all_processes
from sms.outbox import read_figures

logger = logging.getLogger(__name__)

_GIVEN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_READS = {"GET", "HEAD", "OPTIONS"}
# Asked every few seconds by machines that look after us.
_UNLOGGED = {"healthz", "readyz", "metrics"}


def observed(answer: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Give a request its id (the client's X-Request-ID, or a new one), and note how it went.

    The log names the route, not the path or the query: those may hold codes and secrets.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        id_ = name_request(request.META)
        response = answer(request)
        response.headers["X-Request-ID"] = id_
        route = request.resolver_match.route if request.resolver_match else "no route"
        note(request.method or "", route, response.status_code, time.perf_counter() - started)
        return response

    return middleware


def name_request(environ: Mapping[str, str]) -> str:
    """Give the request its id, and return it."""
    given = environ.get("HTTP_X_REQUEST_ID")
    id_ = given if given and _GIVEN_ID.fullmatch(given) else secrets.token_hex(16)
    request_id.set(id_)
    return id_


def note(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answered request, and write its line."""
    method = method if method in _METHODS else "other"
    _histogram(method, route, status).observe(seconds)
    # A line costs as much as a quick read does; LOG_LEVEL=DEBUG has them all.
    level = logging.DEBUG if method in _READS and status < 400 else logging.INFO
    if route not in _UNLOGGED and logger.isEnabledFor(level):
        fields = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
        logger.log(level, "answered", extra={"fields": fields})


@cache
def _histogram(method: str, route: str, status: int) -> Histogram:
    return REQUESTS.labels(method, route, status)


def metrics(request: HttpRequest) -> HttpResponse:
    """`GET /metrics`: for who holds METRICS_TOKEN; without one, for this host alone."""
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
    # A proxy on this host speaks for others.
    proxied = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"} and not proxied


class _Outbox(Collector):
    """What PostgreSQL knows, the same for all workers and hosts."""

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


def _gauges(name: str, text: str, label: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value_of_label, value in values.items():
        family.add_metric([value_of_label], value)
    return family
