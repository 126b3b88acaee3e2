"""`python -m benchmarks.uploads`: upload a million orders, compared with psql's \\copy into the same tables.

Each round: `POST /api/orders/upload/` without SMS, the same with their SMS queued, `manage.py import_orders`, and after
each psql's \\copy of exactly the rows that it stored. Triggers and indexes stay on; the SMS worker is suspended.
Prints ratios of one run's medians, and the peak of the web worker's memory. Needs psql.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

import psutil
import psycopg

from benchmarks.stage import CUSTOMERS, DATABASE, ROOT, Program, free_port
from savannah.embedded.server import start_server, stop_server

TABLES = {"orders, no SMS": ("orders",), "orders, SMS queued": ("orders", "sms_messages"), "import_orders": ("orders",)}


class Uploads:
    """A service with one web worker, and a file to upload."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.rows = folder, rows
        self.host = start_server(folder / "data")
        self.port = free_port()
        self.environment = {
            "SAVANNAH_DATA_DIR": str(folder / "data"),
            "PORT": str(self.port),
            "SMS_SANDBOX_PORT": str(free_port()),
            "WEB_WORKERS": "1",
            "LOG_LEVEL": "WARNING",
        }
        self.service = Program("service", folder / "log", [sys.executable, "manage.py", "run"], **self.environment)
        self.service.start(f"http://127.0.0.1:{self.port}/readyz")
        self.token = self._manage("token")
        for process in self.service.sms_workers():
            process.suspend()
        self.database = psycopg.connect(host=self.host, user="postgres", dbname=DATABASE, autocommit=True)
        self.file = folder / "orders.csv"
        with self.file.open("w") as file:
            file.write("customer_code,item,amount\n")
            file.writelines(f"CUST{n % CUSTOMERS:04},Maize flour 2 kg x 12,{n % 9000 + 1}.50\n" for n in range(rows))
        people = "code,name,phone_number\n" + "".join(
            f"CUST{n:04},John Doe {n},+2547{n:08}\n" for n in range(CUSTOMERS)
        )
        self._post("/api/customers/upload/", people.encode())

    def _manage(self, *command: str) -> str:
        environment = {**os.environ, **self.environment}
        command = (sys.executable, "manage.py", *command)
        return subprocess.check_output(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, text=True).strip()

    def _post(self, path: str, body: object) -> dict[str, int]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3600)
        length = str(self.file.stat().st_size if hasattr(body, "read") else len(body))
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "text/csv", "Content-Length": length}
        connection.request("POST", path, body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {text[:500]!r}")
        return json.loads(text)

    def _upload(self, query: str) -> None:
        with self.file.open("rb") as file:
            counts = self._post(f"/api/orders/upload/{query}", file)
        if counts["created"] != self.rows:
            sys.exit(f"{counts}")

    def empty(self) -> None:
        """Delete all orders and SMS."""
        self.database.execute("SET session_replication_role = replica")
        self.database.execute("TRUNCATE orders, sms_messages, sms_attempts, sms_reports, audit, desk_tallies CASCADE")
        self.database.execute("SET session_replication_role = origin")
        self.database.execute("CHECKPOINT")

    def copied(self, tables: tuple[str, ...]) -> float:
        """Export the tables to files, empty them, and return how long \\copy takes to load the files."""
        for table in tables:
            self._psql(f"\\copy {table} to '{self.folder / table}'")
        self.empty()
        return timed(lambda: [self._psql(f"\\copy {table} from '{self.folder / table}'") for table in tables])

    def _psql(self, command: str) -> None:
        subprocess.run(["psql", "-qXh", self.host, "-U", "postgres", "-c", command, DATABASE], check=True)

    def round(self) -> dict[str, tuple[float, float]]:
        """Do each upload once; return its seconds and those of \\copy."""
        ways: dict[str, Callable[[], object]] = {
            "orders, no SMS": lambda: self._upload("?notify=false"),
            "orders, SMS queued": lambda: self._upload(""),
            "import_orders": lambda: self._manage("import_orders", str(self.file), "--no-notify"),
        }
        seconds = {}
        for name, way in ways.items():
            self.empty()
            seconds[name] = (timed(way), self.copied(TABLES[name]))
            print(name, *(f"{self.rows / spent:,.0f}/s" for spent in seconds[name]), flush=True)
        return seconds

    def web(self) -> psutil.Process:
        """Return the web worker: the largest of granian's processes, which has loaded the application."""
        of_granian = [process for process in self.service.tree() if "granian" in " ".join(process.cmdline())]
        return max(of_granian, key=lambda process: process.memory_info().rss)

    def end(self) -> None:
        """Stop everything."""
        self.database.close()
        for process in self.service.sms_workers():
            process.resume()
        self.service.end()
        stop_server(self.folder / "data")


def timed(act: Callable[[], object]) -> float:
    """Return how many seconds it takes."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def peak(process: psutil.Process) -> float:
    """Return the most memory that a process has had resident, in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uploads = Uploads(Path(folder), asked.rows)
        try:
            web = uploads.web()
            before = peak(web)
            spent = defaultdict(list)
            for _ in range(asked.rounds):
                for name, pair in uploads.round().items():
                    spent[name].append(pair)
            print(f"\n| {asked.rows:,} rows | ours | \\copy | ratio |\n|---|---|---|---|")
            for name, pairs in spent.items():
                ours, copy = (asked.rows / median(side) for side in zip(*pairs, strict=True))
                print(f"| {name} | {ours:,.0f}/s | {copy:,.0f}/s | {ours / copy:.2f} x |")
            print(f"\nweb worker's peak: {before:.0f} MB before, {peak(web):.0f} MB after")
        finally:
            uploads.end()


if __name__ == "__main__":
    main()
