"""The service's programs, which savannah/tree.py runs, and the lock on the data folder."""

import fcntl
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from savannah.embedded.server import stop_server
from savannah.tree import Program

logger = logging.getLogger(__name__)


def web() -> Program:
    """Return granian, serving the WSGI application."""
    options = {
        "--interface": "wsgi",
        # Over HTTP/2 a body may have no Content-Length, and would be treated as empty.
        "--http": "1",
        "--host": settings.WEB_HOST,
        "--port": settings.PORT,
        "--workers": settings.WEB_WORKERS,
        "--blocking-threads": settings.WEB_THREADS,
        "--backlog": 2048,
        "--workers-kill-timeout": 3,
        "--log-level": "error",
    }
    application = ":".join(settings.WSGI_APPLICATION.rsplit(".", 1))
    command = [sys.executable, "-m", "granian", "--no-ws", "--respawn-failed-workers", application]
    return Program("web", [*command, *(str(part) for option in options.items() for part in option)], grace_seconds=4)


def companions() -> list[Program]:
    """Return what SMS need besides the web: the worker, and without an API key the stand-in gateway."""
    # The worker ends before the gateway does, so that its sends in flight are answered.
    grace_seconds = settings.SMS_STOP_SECONDS + 3
    programs = [Program("SMS worker", [sys.executable, "-m", "sms"], grace_seconds)]
    if settings.SMS_STAND_IN:
        logger.warning(
            "No API key of Africa's Talking: SMS go to the stand-in's phones, %s/", settings.SMS_STAND_IN_URL
        )
        callbacks = f"{settings.SMS_SANDBOX_CALLBACK_URL}/api/sms"
        options = {
            "--host": settings.SMS_SANDBOX_HOST,
            "--port": settings.SMS_SANDBOX_PORT,
            "--ledger": settings.DATA_DIR / "sms-ledger.jsonl",
            "--report-url": f"{callbacks}/delivery-reports/{settings.SMS_CALLBACK_SECRET}/",
            "--opt-out-url": f"{callbacks}/opt-outs/{settings.SMS_CALLBACK_SECRET}/",
        }
        command = [sys.executable, "-m", "sandbox", *(str(part) for option in options.items() for part in option)]
        programs.append(Program("stand-in gateway", command, grace_seconds=1))
    return programs


def upkeep() -> list[Program]:
    """Return what deletes expired tokens and the like every hour, unless another scheduler does."""
    command = [sys.executable, "manage.py", "upkeep"]
    return [Program("upkeep", command, 2, interval=settings.UPKEEP_SECONDS)] if settings.UPKEEP_SECONDS else []


def leave_database() -> None:
    """Close every connection and end the pool's threads, which could receive signals that are meant for the tree."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]


@contextmanager
def owned_data() -> Iterator[None]:
    """Lock the data folder, and stop the embedded PostgreSQL at the end; CommandError if another process has the lock.

    The lock survives exec: the program that replaces this one holds it until it ends.
    """
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    with (settings.DATA_DIR / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"The service already runs with the data in {settings.DATA_DIR}.") from None
        os.set_inheritable(lock.fileno(), True)
        try:
            yield
        finally:
            if settings.EMBEDDED_DATABASE:
                stop_server(settings.DATA_DIR)


def port_is_free(port: int) -> bool:
    """Whether nothing listens on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
