"""`make bench`: measure the service and its peers, interleaved, and print a table of ratios.

The service, the peers and the limit take turns in every round, so that other load on the machine affects all of them.
Compare only medians within one run: rates of different runs are not comparable.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.load import Download, Load, MemoryWatch, download, run_wrk
from benchmarks.stage import Stage

MB = 1_000_000
CREATE, LIST = "/api/orders/", "/api/orders/"


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    what: str
    measured: str
    goal: str
    met: bool


@dataclass
class Bench:
    """What was asked for on the command line, the stage, and the table so far."""

    stage: Stage
    rounds: int
    seconds: float
    big: int
    lines: list[Line] = field(default_factory=list)

    # --- placing and reading orders -----------------------------------------------------------------------------------
    def create_without_waiting(self) -> None:
        """`Prefer: respond-async`: the service's worker sends in the background, the peers send nothing."""

        def service() -> Load:
            return self._place("service", clients=64, PREFER="respond-async")

        def service_alone() -> Load:
            with self.stage.without_worker():
                return service()

        def limit() -> float:
            with self.stage.without_worker():
                return self.stage.limit.place(clients=64, seconds=self.seconds)

        rates = self._interleaved(
            {
                "service": service,
                "service alone": service_alone,
                "fastapi": lambda: self._place("fastapi", clients=64),
                "drf": lambda: self._place("drf", clients=64),
                "pgbench": limit,
            }
        )
        what = "create an order, no wait"
        self._compare(what, rates, "fastapi", 1.0)
        self._compare(what, rates, "pgbench", 0.25)
        self._compare(what, rates, "drf", 3.0)
        # Shows what it costs the service to send the SMS in the background, which the peers do not do.
        self._compare(what, rates, "service alone", None)

    def create_with_gateway(self, milliseconds: int) -> None:
        """The service waits for its worker; the peers call the gateway within the request."""
        self.stage.set_gateway_delay(milliseconds)
        rates = self._interleaved(
            {
                name: lambda name=name: self._place(name, clients=256, COUNT_SENT="1")
                for name in ("service", "fastapi+gateway", "drf+gateway")
            }
        )
        self.stage.set_gateway_delay(0)
        what = f"create an order, gateway at {milliseconds} ms, 256 clients"
        self._compare(what, rates, "fastapi+gateway", 1.0)
        self._compare(what, rates, "drf+gateway", 3.0)

    def _place(self, name: str, *, clients: int, **environment: str) -> Load:
        return run_wrk(
            self.stage.urls[name] + CREATE,
            "place.lua",
            clients=clients,
            seconds=self.seconds,
            TOKEN=self.stage.token,
            **environment,
        )

    def read(self) -> None:
        """One order of 10,000, by id."""
        self.stage.fill(10_000)
        ids = self.stage.some_ids(1000)
        paths = self._paths(f"/api/orders/{id_}/" for id_ in ids)

        def reading(name: str) -> Callable[[], Load]:
            return lambda: run_wrk(
                self.stage.urls[name],
                "read.lua",
                clients=64,
                seconds=self.seconds,
                TOKEN=self.stage.token,
                PATHS=str(paths),
            )

        rates = self._interleaved(
            {
                **{name: reading(name) for name in ("service", "fastapi", "drf")},
                "pgbench": lambda: self.stage.limit.read(ids, clients=64, seconds=self.seconds),
            },
            empty=False,
        )
        self._compare("read one order", rates, "fastapi", 1.0)
        self._compare("read one order", rates, "drf", 3.0)
        self._compare("read one order", rates, "pgbench", None)

    # --- lists --------------------------------------------------------------------------------------------------------
    def list_orders(self) -> None:
        """100,000 orders, in one answer."""
        self.stage.fill(100_000)
        answers: dict[str, list[Download]] = defaultdict(list)
        copies: list[float] = []
        for _ in range(self.rounds):
            copies.append(self._copy())
            for name in ("service", "fastapi", "drf"):
                answers[name].append(download(self.stage.urls[name] + LIST, self.stage.token))
        seconds = {name: median(answer.seconds for answer in taken) for name, taken in answers.items()}
        what = "list 100,000 orders"
        self._at_most(f"{what}: time / psql COPY", seconds["service"] / median(copies), 1.5, "x")
        self._at_most(f"{what}: first byte", median(a.first_byte_ms for a in answers["service"]), 50, " ms")
        self._at_least(f"{what}: rate / fastapi", seconds["fastapi"] / seconds["service"], None)
        self._at_least(f"{what}: rate / drf", seconds["drf"] / seconds["service"], 3.0)
        with MemoryWatch(self.stage.service) as watch:
            download(self.stage.urls["service"] + LIST, self.stage.token)
        self._at_most(f"{what}: memory grows by", watch.grown / MB, 20, " MB")
        with MemoryWatch(self.stage.service) as watch, ThreadPoolExecutor(3) as threads:
            begun = time.perf_counter()
            for _ in threads.map(lambda _: download(self.stage.urls["service"] + LIST, self.stage.token), range(3)):
                pass
            three = time.perf_counter() - begun
        self._at_most("three such lists at once: memory grows by", watch.grown / MB, 20, " MB")
        self._at_most("three such lists at once: time / one psql COPY", three / median(copies), None, "x")

    def _copy(self) -> float:
        begun = time.perf_counter()
        subprocess.run(self.stage.limit.copy(), stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - begun

    def list_a_million(self) -> None:
        """1,000,000 orders take no more memory than 1,000."""
        grown = {}
        for count in (1000, 1_000_000):
            self.stage.fill(count)
            with MemoryWatch(self.stage.service) as watch:
                download(self.stage.urls["service"] + LIST, self.stage.token)
            grown[count] = watch.grown / MB
        self._at_most("list 1,000,000 orders: memory grows by, beside 1,000", grown[1_000_000] - grown[1000], 20, " MB")

    def pages(self) -> None:
        """A page of 100 deep in the table, and a new order: with 10,000 orders and with `big`."""
        reads: dict[int, list[float]] = defaultdict(list)
        writes: dict[int, list[float]] = defaultdict(list)
        for count in (10_000, self.big):
            self.stage.fill(count)
            paths = self._paths(self.stage.deep_pages(count))
            for _ in range(self.rounds):
                environment = {"TOKEN": self.stage.token, "PATHS": str(paths)}
                load = run_wrk(self.stage.urls["service"], "read.lua", clients=8, seconds=self.seconds, **environment)
                reads[count].append(load.p99_ms)
                writes[count].append(self._place("service", clients=8, PREFER="respond-async").p99_ms)
        what = f"p99 in {self.big:,} orders / in 10,000"
        self._at_most(f"page of 100, {what}", median(reads[self.big]) / median(reads[10_000]), 1.2, "x")
        self._at_most(f"create an order, {what}", median(writes[self.big]) / median(writes[10_000]), 1.2, "x")

    # --- the worker, and memory ---------------------------------------------------------------------------------------
    def drain(self) -> None:
        """10,000 queued messages, a gateway that takes 100 ms, one worker."""
        self.stage.set_gateway_delay(100)
        rates = []
        for _ in range(min(self.rounds, 3)):
            with self.stage.without_worker():
                self.stage.queue_messages(10_000)
            begun = time.perf_counter()
            while left := self.stage.count_unsent():
                time.sleep(0.05)
                if time.perf_counter() - begun > 120:
                    raise RuntimeError(f"{left} messages are left after 120 s")
            rates.append(10_000 / (time.perf_counter() - begun))
        self.stage.set_gateway_delay(0)
        self._at_least("send 10,000 queued messages, gateway at 100 ms", median(rates), 500, "/s")

    def idle_memory(self) -> None:
        """The whole process tree without PostgreSQL, right after the start."""
        self._at_most("idle memory of the whole tree", self.stage.service.memory() / MB, 250, " MB")

    # --- the table ----------------------------------------------------------------------------------------------------
    def _interleaved(self, runs: dict[str, Callable[[], Load | float]], *, empty: bool = True) -> dict[str, float]:
        """Run each once per round, and return each one's median rate; the first round is a warm-up."""
        taken: dict[str, list[float]] = defaultdict(list)
        for turn in range(self.rounds + 1):
            for name, run in runs.items():
                if empty:
                    self.stage.empty()
                result = run()
                rate = result.per_second if isinstance(result, Load) else result
                if turn:
                    taken[name].append(rate)
                    detail = f" p99 {result.p99_ms:.0f} ms" if isinstance(result, Load) else ""
                    if isinstance(result, Load) and result.sent_share:
                        detail += f", sms_sent true {result.sent_share:.0%}"
                    if isinstance(result, Load) and result.errors:
                        detail += f", {result.errors} errors"
                    print(f"    round {turn} {name}: {rate:.0f}/s{detail}", flush=True)
        return {name: median(rates) for name, rates in taken.items()}

    def _compare(self, what: str, rates: dict[str, float], peer: str, goal: float | None) -> None:
        own, other = rates["service"], rates[peer]
        self._at_least(f"{what}: {own:.0f}/s / {peer} {other:.0f}/s", own / other, goal)

    def _at_least(self, what: str, value: float, goal: float | None, unit: str = " x") -> None:
        self._add(what, value, unit, f">= {goal:g}{unit}" if goal else "", goal is None or value >= goal)

    def _at_most(self, what: str, value: float, goal: float | None, unit: str) -> None:
        self._add(what, value, unit, f"<= {goal:g}{unit}" if goal else "", goal is None or value <= goal)

    def _add(self, what: str, value: float, unit: str, goal: str, met: bool) -> None:
        self.lines.append(Line(what, f"{value:.3g}{unit}" if value < 100 else f"{value:.0f}{unit}", goal, met))
        print(f"  {what}: {self.lines[-1].measured}", flush=True)

    def _paths(self, paths: Iterator[str] | list[str]) -> Path:
        file = self.stage.folder / "paths"
        file.write_text("\n".join(paths))
        return file

    def print_table(self) -> None:
        """Print what was measured, in Markdown."""
        print("\n| what | measured | goal | |\n|---|---|---|---|")
        for line in self.lines:
            verdict = ("met" if line.met else "**not met**") if line.goal else ""
            print(f"| {line.what} | {line.measured} | {line.goal} | {verdict} |")


@contextmanager
def a_stage() -> Iterator[Stage]:
    """Start everything, and stop it even after an error."""
    stage = Stage(Path(tempfile.mkdtemp(prefix="savannah-bench-")))
    try:
        yield stage
    finally:
        stage.end()


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds; the median of each counts")
    parser.add_argument("--seconds", type=float, default=5.0, help="of load in each round")
    parser.add_argument("--big", type=int, default=5_000_000, help="orders of the big table; 0 leaves the big ones out")
    parser.add_argument("--only", nargs="+", help="some of: create gateway read list million pages drain idle")
    given = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: apt-get install wrk")
    with a_stage() as stage:
        bench = Bench(stage, given.rounds, given.seconds, given.big)
        cases: dict[str, list[Callable[[], None]]] = {
            "idle": [bench.idle_memory],
            "create": [bench.create_without_waiting],
            "gateway": [lambda: bench.create_with_gateway(0), lambda: bench.create_with_gateway(300)],
            "read": [bench.read],
            "list": [bench.list_orders],
            "drain": [bench.drain],
            **({"million": [bench.list_a_million], "pages": [bench.pages]} if given.big else {}),
        }
        chosen = [name for name in cases if not given.only or name in given.only]
        stage.start_fastapi("fastapi", asks_gateway=False)
        stage.start_fastapi("fastapi+gateway", asks_gateway=True)
        stage.start_drf("drf", asks_gateway=False)
        stage.start_drf("drf+gateway", asks_gateway=True)
        for name in chosen:
            print(name, flush=True)
            for case in cases[name]:
                case()
        bench.print_table()


if __name__ == "__main__":
    main()
