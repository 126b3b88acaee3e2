"""Metrics of the web processes for Prometheus; the processes of a host share them in PROMETHEUS_MULTIPROC_DIR."""

import os
from pathlib import Path

from django.db import connection
from prometheus_client import REGISTRY, CollectorRegistry, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

REQUESTS = Histogram(
    "savannah_request_seconds",
    "Time to the first byte of an answer.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
WAITERS = Gauge("savannah_sms_waiters", "Requests that wait for their SMS now.", multiprocess_mode="livesum")
POOL = Gauge("savannah_pool_connections", "Connections of the pools.", ["state"], multiprocess_mode="livesum")
POOL_WAITERS = Gauge("savannah_pool_waiters", "Requests that wait for a connection now.", multiprocess_mode="livesum")


def note_pool() -> None:
    """Record the state of this process's connection pool."""
    pool = connection.pool.get_stats()  # type: ignore[attr-defined]
    POOL.labels("open").set(pool.get("pool_size", 0))
    POOL.labels("idle").set(pool.get("pool_available", 0))
    POOL_WAITERS.set(pool.get("requests_waiting", 0))


def registry_of_all_processes() -> CollectorRegistry:
    """Return the metrics of all web processes of this host; current values (gauges) leave out processes that ended."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return REGISTRY
    for file in Path(folder).glob("gauge_livesum_*.db"):
        pid = file.stem.rpartition("_")[2]
        if not Path("/proc", pid).exists():
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
