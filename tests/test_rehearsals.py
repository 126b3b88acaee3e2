"""Outages, rehearsed under load: kill, stop and break each part, then settle the books of orders, rows and ledger.

The short ones are part of `make test`; `make rehearse` runs them all and prints the figures of docs/reliability.md.
"""

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from conftest import Api, eventually
from tests.rig import ENOUGH, Rig
from tests.seed import planted

rehearsal = pytest.mark.rehearsal


@pytest.fixture(scope="module")
def rig(seed, tmp_path_factory):
    rig = Rig(planted(seed, tmp_path_factory.mktemp("rig")))
    rig.start()
    yield rig
    rig.end()


@pytest.fixture(autouse=True)
def _as_usual(rig):
    """A gateway that takes 100 ms."""
    rig.stand_in.break_with(latency_ms=100)


@pytest.fixture
def say(capsys):
    """Print a figure though pytest keeps what is printed."""

    def write(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}")

    return write


def settle(load, rig, say, what):
    """Wait until nothing is open, and return the books: nothing missing, no order without an answer's truth."""
    rig.until_drained()
    books = load.books()
    say(f"{what}: {books}")
    assert len(books.committed) > ENOUGH
    assert (books.missing, books.strays, books.unflagged, books.lies, books.lost_orders) == ([], [], [], [], [])
    return books


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=rehearsal)])
def test_no_sms_is_lost_or_doubled_when_the_web_is_killed(rig, say, kills):
    with rig.load() as load:
        for _ in range(kills):
            time.sleep(1.5)
            rig.kill_web()
            rig.start_web()
        time.sleep(1)
        load.until_enough()
    assert settle(load, rig, say, f"web killed {kills} times").duplicates == 0


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=rehearsal)])
def test_a_killed_worker_leaves_nothing_unsent_and_flags_what_may_come_twice(rig, say, kills):
    in_flight = set()
    with rig.load() as load:
        for _ in range(kills):
            time.sleep(1.5)
            in_flight |= rig.kill_worker()
            rig.start_worker()
        time.sleep(1)
        load.until_enough()
    books = settle(load, rig, say, f"worker killed {kills} times, {len(in_flight)} in flight")
    assert books.duplicates <= len(in_flight)


@pytest.mark.parametrize("restarts", [pytest.param(5, marks=rehearsal)])
def test_a_rolling_restart_of_the_worker_doubles_nothing(rig, say, restarts):
    with rig.load() as load:
        for _ in range(restarts):
            time.sleep(1)
            rig.stop_worker()
            rig.start_worker()
        time.sleep(0.5)
        load.until_enough()
    books = settle(load, rig, say, f"worker restarted by SIGTERM {restarts} times")
    assert (books.duplicates, books.flagged) == (0, 0)


@pytest.mark.parametrize("seconds", [2, pytest.param(12, marks=rehearsal), pytest.param(50, marks=rehearsal)])
def test_it_survives_a_crash_of_postgresql(rig, say, seconds):
    before = rig.seconds_to_sms()
    with rig.load(pause=0.02) as load:
        time.sleep(1)
        rig.stop_postgres()
        time.sleep(seconds)
        rig.start_postgres()
        eventually(lambda: any(answer.sent and answer.at > time.time() - 1 for answer in load.answers[-50:]))
        load.until_enough()
    books = settle(load, rig, say, f"PostgreSQL away for {seconds} s")
    # Without its LISTEN a worker would only find an order at its next look, up to a second later: each time that it is
    # tried. Others may have the machine the first time.
    for _ in range(4):
        after = rig.seconds_to_sms()
        if after < before + 0.3:
            break
    say(f"order with its SMS accepted, median: {before * 1000:.0f} ms before, {after * 1000:.0f} ms after")
    assert after < before + 0.3
    assert books.duplicates <= books.flagged


@pytest.mark.parametrize("seconds", [pytest.param(60, marks=rehearsal)])
def test_a_gateway_that_was_down_gets_everything_once_and_new_orders_first(rig, say, seconds):
    with rig.load(pause=0.05) as load:
        time.sleep(0.5)
        rig.stand_in.stop()
        time.sleep(seconds)
        waiting = rig.value("SELECT count(*) FROM sms_messages WHERE state = 'queued'")
        rig.stand_in.start()
        rig.stand_in.break_with(latency_ms=100)
        back = time.time()
        item = load.items[-1]
        eventually(
            lambda: rig.value("SELECT count(*) FROM sms_messages WHERE state = 'accepted' AND body ~ %s", item), 10
        )
        first = time.time()
        answered = eventually(lambda: [answer.at for answer in load.answers if answer.sent and answer.at > back], 10)
    say(
        f"with {waiting} waiting, a new order's SMS was accepted {first - back:.1f} s after the gateway was back, "
        f"and an order answered as sent {answered[0] - back:.1f} s after"
    )
    assert answered[0] - back < 10
    books = settle(load, rig, say, f"gateway down for {seconds} s")
    assert books.duplicates == 0


@pytest.mark.parametrize("messages", [pytest.param(10_000, marks=rehearsal)])
def test_a_backlog_drains_at_500_a_second_or_more(rig, say, messages):
    rig.stop_worker()
    with rig.database() as database:
        database.execute(
            "INSERT INTO sms_messages (phone_number, body, created_at) "
            "SELECT '+254712345655', 'backlog', now() - interval '1 minute' FROM generate_series(1, %s)",
            [messages],
        )
    rig.start_worker()
    rig.until_drained(180)
    ledger = rig.stand_in.ledger("+254712345655", after=0, limit=messages)
    assert len(ledger) == messages
    rate = messages / (ledger[-1]["accepted_at"] - ledger[0]["accepted_at"])
    processor = psutil.Process(rig.worker.pid).cpu_times()
    say(f"{messages} queued messages: {rate:.0f} a second, {processor.user + processor.system:.1f} s of the processor")
    assert rate >= 500


@pytest.mark.parametrize("seconds", [pytest.param(15, marks=rehearsal)])
def test_a_gateway_that_hangs_leaves_reads_and_creates_their_pace(rig, say, seconds):
    rig.stand_in.break_with()
    usual = pace(rig, seconds)
    rig.stand_in.break_with(hang=True)
    hanging = pace(rig, seconds)
    rig.stand_in.break_with()
    for what in ("create", "read"):
        say(
            f"{what}: {usual[what][0]:.0f}/s, p99 {usual[what][1]:.2f} s as usual; "
            f"{hanging[what][0]:.0f}/s, p99 {hanging[what][1]:.2f} s while the gateway hangs"
        )
        assert hanging[what][0] >= usual[what][0] / 2
        assert hanging[what][1] < 2.5
    rig.until_drained(120)


def pace(rig, seconds):
    """The rate and the 99th percentile of creates and of reads, eight clients each, side by side."""
    with rig.load(threads=1, pause=1.0):
        eventually(lambda: rig.value("SELECT count(*) FROM orders"))
    end = time.monotonic() + seconds
    order = rig.value("SELECT id::text FROM orders LIMIT 1")
    code = rig.value("SELECT code FROM customers LIMIT 1")
    taken = {"create": [], "read": []}
    lock = threading.Lock()

    def work(what: str) -> None:
        with Api(rig.url, rig.token) as api:
            while time.monotonic() < end:
                began = time.monotonic()
                if what == "create":
                    answer = api.post("/api/orders/", json={"customer_code": code, "item": "pace", "amount": 1})
                else:
                    answer = api.get(f"/api/orders/{order}/")
                assert answer.ok
                with lock:
                    taken[what].append(time.monotonic() - began)

    with ThreadPoolExecutor(16) as clients:
        for done in [clients.submit(work, what) for what in ("create", "read") for _ in range(8)]:
            done.result()
    return {what: (len(times) / seconds, statistics.quantiles(times, n=100)[98]) for what, times in taken.items()}
