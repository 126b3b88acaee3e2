"""Fixtures that every app shares: a real database, a token, a client over real HTTP, the stand-in gateway."""

import asyncio
import itertools
import json
import logging
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch
from wsgiref.types import WSGIApplication

import psutil
import pytest
import requests
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import TransactionTestCase, testcases
from django.utils import timezone
from oauth2_provider.models import AccessToken

from savannah.logs import request_id
from savannah.processes import port_is_free
from savannah.programs import administer
from savannah.sql import ACTOR
from sms import waiting
from sms.worker import Worker, gateway_from_settings
from tests import pristine
from tests.seed import NOT_HANDED_ON, grown_in, planted
from tests.shares import InShares, begin_with_the_longest

ROOT = Path(__file__).parent
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def _served(_: object) -> WSGIApplication:
    """Return what granian serves; it can be imported once Django is set up."""
    from savannah.wsgi import application  # noqa: PLC0415

    return application


# `live_server` then serves all of it, not only Django's part (and does not look for each address among media files).
testcases._MediaFilesHandler = _served


def pytest_unconfigure() -> None:
    # The web's listener is a daemon thread: it may log after pytest has closed the captured streams.
    logging.raiseExceptions = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    begin_with_the_longest(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> InShares:
    config.option.loadscopereorder = False
    return InShares(config, log)


@pytest.fixture(autouse=True)
def nobody_acts() -> None:
    """Reset what a request of an earlier test has left in this thread."""
    ACTOR.set(None)
    request_id.set("")


@pytest.fixture(autouse=True)
def nobody_waited_in_vain() -> None:
    """Let requests wait for their SMS, even after timeouts in earlier tests."""
    waiting._room.note(missed=False)


class Api(requests.Session):
    """`requests` with the service's address in front of each path."""

    def __init__(self, url: str, token: str | None) -> None:
        super().__init__()
        self.url = url
        self.trust_env = False
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def request(self, method, path, **options):
        return super().request(method, self.url + path, timeout=60, **options)


@pytest.fixture(scope="session")
def seed(tmp_path_factory) -> Path:
    """A data folder to copy, one for all workers of pytest-xdist: `seed.planted(seed, data_dir)`."""
    folder = tmp_path_factory.getbasetemp()
    return grown_in(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The embedded server's test database is copied from the seed's, and is deleted with its folder."""
    return settings.EMBEDDED_DATABASE


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request, tmp_path_factory, django_db_blocker) -> None:
    """Each worker of pytest-xdist has an embedded server of its own, or else a database of its own."""
    if not settings.EMBEDDED_DATABASE:
        request.getfixturevalue("django_db_modify_db_settings_parallel_suffix")
        return
    settings.DATA_DIR = planted(request.getfixturevalue("seed"), tmp_path_factory.mktemp("data"))
    with django_db_blocker.unblock():
        administer("CREATE DATABASE {} TEMPLATE {}", f"test_{settings.POSTGRES_DB}", settings.POSTGRES_DB)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> Iterator[None]:
    """The test database. The web's listener never disconnects by itself, so its connection is ended before the drop."""
    with django_db_blocker.unblock():
        pristine.remember()
    with patch.object(TransactionTestCase, "_fixture_teardown", lambda test: pristine.put_back()):
        yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'savannah web' AND datname = current_database()"
        )


@pytest.fixture
def user(transactional_db):
    return get_user_model().objects.create(username="amina", email="amina@example.com", password="!")


@pytest.fixture
def token(user):
    text = secrets.token_urlsafe(30)
    AccessToken.objects.create(
        user=user, token=text, expires=timezone.now() + timedelta(hours=1), scope="openid profile email"
    )
    return text


@pytest.fixture
def api(live_server, token):
    """A client that may do everything."""
    with Api(live_server.url, token) as session:
        yield session


@pytest.fixture
def stranger(live_server, transactional_db):
    """A client without a token."""
    with Api(live_server.url, None) as session:
        yield session


@pytest.fixture
def customer(api):
    """John Doe of the specification."""
    answer = api.post("/api/customers/", json={"code": "CUST001", "name": "John Doe", "phone_number": "+254712345678"})
    assert answer.status_code == 201
    return answer.json()


def refused(answer, status, sentence, **fields):
    """Check the specification's error, with the fault of each field and the request's id, which the header has, too."""
    shown = {"error": sentence, **({"fields": fields} if fields else {}), "request_id": answer.headers["X-Request-ID"]}
    assert (answer.status_code, answer.json()) == (status, shown)
    return True


def _ports() -> Iterator[int]:
    """Each worker of pytest-xdist has a thousand ports, below the kernel's range for outgoing connections.

    A connection could take a port of that range before a service listens on it, or while the service restarts.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for number in itertools.count(random.randrange(1_000)):
        yield 20_000 + worker % 12 * 1_000 + number % 1_000


PORTS = _ports()


def free_port() -> int:
    return next(port for port in PORTS if port_is_free(port))


class StandIn:
    """The stand-in gateway as a process of its own, that a test can stop and start again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._ledger = folder / "ledger.jsonl"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "sandbox", "--port", str(self.port), "--ledger", str(self._ledger)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        eventually(self.answers)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/control/", timeout=60).ok
        except requests.RequestException:
            return False

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def ledger(self, to: str | None = None, **window: int) -> list[dict]:
        """Return what was accepted: the latest, or those of the window, `after` and `limit`."""
        query = {"to": to, **window}
        return requests.get(f"{self.url}/control/ledger", params=query, timeout=60).json()["entries"]

    def break_with(self, **faults) -> None:
        requests.put(f"{self.url}/control/faults", json=faults, timeout=60).raise_for_status()

    def report_to(self, address: str, *, mode: str, delay_ms: int = 0) -> None:
        plan = {"url": address, "mode": mode, "delay_ms": delay_ms}
        requests.put(f"{self.url}/control/reports", json=plan, timeout=60).raise_for_status()


@pytest.fixture
def stand_in(tmp_path, settings) -> Iterator[StandIn]:
    gateway = StandIn(tmp_path)
    settings.AFRICAS_TALKING_API_URL = gateway.url
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def work(stand_in, monkeypatch) -> Iterator[Callable[..., Callable[[], None]]]:
    """Start a worker in a thread, as `manage.py sms worker` runs it; returns a function that stops it and waits."""
    # A timeout on a busy machine would be retried, and the retry would be in the history.
    monkeypatch.setattr("sms.gateway.CONNECT_SECONDS", 60.0)
    started: list[Callable[[], None]] = []

    def start(concurrency: int = 16) -> Callable[[], None]:
        loop, workers = asyncio.new_event_loop(), []

        async def run() -> None:
            async with gateway_from_settings() as gateway:
                workers.append(Worker(gateway, concurrency=concurrency))
                await workers[0].run()

        def stop() -> None:
            if thread.is_alive():
                loop.call_soon_threadsafe(workers[0].stop)
                thread.join(60)
                assert not thread.is_alive()
                loop.close()

        thread = threading.Thread(target=loop.run_until_complete, args=[run()])
        thread.start()
        eventually(lambda: workers)
        started.append(stop)
        return stop

    yield start
    # Ends sends that hang.
    stand_in.stop()
    for stop in started:
        stop()


@pytest.fixture
def worker(work) -> None:
    """A running worker."""
    work()


class Service:
    """One `manage.py run` (or another command that serves) and what it prints."""

    def __init__(self, data_dir: Path, *command: str, folder: Path = ROOT, **environment: str) -> None:
        self.folder = folder
        self.port, self.sandbox_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(NOT_HANDED_ON)},
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "SAVANNAH_DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            "SMS_SANDBOX_PORT": str(self.sandbox_port),
            "WEB_WORKERS": "1",
            # No limits, because all tests come from one address.
            "SIGN_INS_PER_MINUTE": "0",
            "TOKEN_REQUESTS_PER_MINUTE": "0",
            **environment,
        }
        self.command = [sys.executable, "manage.py", *(command or ("run",))]
        self._warm: subprocess.Popen[str] | None = None

    def start(self) -> "Service":
        # The environment may have changed since it was started.
        self._end_warm()
        self.printed = ""
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # As from a terminal: the children of a background job would ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        return self

    def _read(self) -> None:
        for line in self.process.stdout:
            self.printed += line

    def until_ready(self) -> "Service":
        eventually(lambda: self.process.poll() is not None or "Ready." in self.printed, 180)
        assert "Ready." in self.printed, self.printed
        return self

    def tree(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self._end_warm()
        self.process.send_signal(number)
        return self.until_ended()

    def until_ended(self) -> int:
        """Wait for the end and return the exit status; all output has been read by then."""
        status = self.process.wait(60)
        self.reader.join(60)
        return status

    def manage(self, *command: str) -> str:
        """Run a management command beside the service and return what it prints."""
        self._warm = self._warm or subprocess.Popen(
            [sys.executable, "-m", "tests.warm"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._warm.stdin.write(json.dumps([command, self.environment]) + "\n")
        self._warm.stdin.flush()
        status, printed, complaint = json.loads(self._warm.stdout.readline())
        assert status == 0, complaint
        return printed.strip()

    def _end_warm(self) -> None:
        if self._warm:
            self._warm.communicate()
            self._warm = None


@pytest.fixture(scope="session")
def service(seed, tmp_path_factory) -> Iterator[Service]:
    """The whole service as `make run` starts it; shared by all tests that use it from the outside."""
    running = Service(planted(seed, tmp_path_factory.mktemp("service"))).start()
    try:
        yield running.until_ready()
    finally:
        running.end()


def eventually(condition, seconds: float = 120.0):
    """Return what `condition` returns as soon as it is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not true within {seconds} s")
