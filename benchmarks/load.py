"""Runs wrk, or one download, and returns figures."""

import http.client
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.stage import Program

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw."""

    per_second: float
    p99_ms: float
    errors: int
    sent_share: float


def run_wrk(url: str, script: str, *, clients: int, seconds: float, **environment: str) -> Load:
    """Let `clients` connections send requests as fast as they get answers."""
    command = ["wrk", "-t2", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "20s"]
    done = subprocess.run(
        [*command, "-s", HERE / script, url],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(done.stdout + done.stderr)
    requests, microseconds, errors, p99, sent = (int(part) for part in found[1].split())
    good = requests - errors
    if errors > good:
        raise RuntimeError(f"{url}: {errors} of {requests} requests failed")
    return Load(good / (microseconds / 1e6), p99 / 1000, errors, sent / max(1, good))


@dataclass(frozen=True)
class Download:
    """One long answer."""

    seconds: float
    first_byte_ms: float
    size: int


def download(url: str, token: str) -> Download:
    """Read a whole list as fast as it comes, and discard it."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=600)
    begun = time.perf_counter()
    connection.request("GET", address.path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(answer.read())
    buffer = bytearray(1 << 18)
    size = answer.readinto(buffer)
    first = time.perf_counter()
    while length := answer.readinto(buffer):
        size += length
    ended = time.perf_counter()
    connection.close()
    return Download(ended - begun, (first - begun) * 1000, size)


class MemoryWatch:
    """Measures by how much a program's memory grows, at most, while something runs."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._done = threading.Event()
        self.grown = 0

    def __enter__(self) -> "MemoryWatch":
        self._before = self._program.memory()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.grown = max(self.grown, self._program.memory() - self._before)

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
