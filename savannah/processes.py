"""The service's processes as one tree: started together, kept alive, and ended whole."""

import ctypes
import fcntl
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.conf import settings
from django.core.management.base import CommandError

from savannah.embedded.server import stop_server

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
LONGEST_RESTART_DELAY = 10.0


@dataclass
class Child:
    """One process of the tree, started anew when it dies, after a pause that doubles."""

    name: str
    command: Sequence[str]
    grace_seconds: float
    process: subprocess.Popen[bytes] | None = None
    restart_at: float = 0.0
    delay: float = field(default=0.5)

    def start(self) -> None:
        """Start the process in a session of its own: a Ctrl-C reaches it through us, in order."""
        self.process = subprocess.Popen(
            self.command,
            # The specification starts manage.py from savannah_test/, where no module of ours is.
            cwd=settings.BASE_DIR,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads run yet
        )

    def keep_alive(self) -> None:
        """Start the process again if it has died and its pause is over."""
        if self.process is None:
            if time.monotonic() >= self.restart_at:
                self.start()
        elif self.process.poll() is not None:
            logger.error("%s ended (%s); starting it again in %.1f s", self.name, self.process.returncode, self.delay)
            self.process, self.restart_at = None, time.monotonic() + self.delay
            self.delay = min(self.delay * 2, LONGEST_RESTART_DELAY)

    def end(self) -> None:
        """Ask the process to finish, and kill it when its grace is over."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.grace_seconds)
        except subprocess.TimeoutExpired:
            logger.warning("%s did not finish in %.0f s and is killed", self.name, self.grace_seconds)
            self.process.kill()
            self.process.wait()


@dataclass
class Periodic(Child):
    """A process that does one thing and ends, started again and again."""

    interval: float = 3600.0

    def start(self) -> None:
        """Wait for the first time: what starts now has enough to do."""
        self.restart_at = time.monotonic() + min(self.interval, 60.0)

    def keep_alive(self) -> None:
        """Start the process when its time has come, unless it still runs."""
        if self.process and self.process.poll() is not None:
            if self.process.returncode:
                logger.error("%s failed (%s)", self.name, self.process.returncode)
            self.process = None
        if self.process is None and time.monotonic() >= self.restart_at:
            super().start()
            self.restart_at = time.monotonic() + self.interval


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def web() -> Child:
    """Return granian, serving the WSGI application."""
    options = {
        "--interface": "wsgi",
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
    return Child("web", [*command, *(str(part) for option in options.items() for part in option)], grace_seconds=4)


def companions() -> list[Child]:
    """Return what an SMS needs beside the web: the worker, and without an API key the stand-in gateway."""
    # The worker ends before the gateway does, so that its sends in flight are answered.
    grace_seconds = settings.SMS_STOP_SECONDS + 3
    children = [Child("SMS worker", [sys.executable, "manage.py", "sms", "worker"], grace_seconds)]
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
        children.append(Child("stand-in gateway", command, grace_seconds=1))
    return children


def upkeep() -> list[Child]:
    """Return what deletes expired tokens and the like every hour, unless another scheduler does."""
    command = [sys.executable, "manage.py", "upkeep"]
    return [Periodic("upkeep", command, 2, interval=settings.UPKEEP_SECONDS)] if settings.UPKEEP_SECONDS else []


@contextmanager
def owned_data() -> Iterator[None]:
    """Have the data folder alone; at the end the embedded PostgreSQL stops. CommandError when another one has it."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    with (settings.DATA_DIR / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"The service already runs with the data in {settings.DATA_DIR}.") from None
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
