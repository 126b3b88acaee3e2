"""Everything breaks at once, rehearsed: clients in each other's way, a gateway that fails in every way, workers that
are stopped, killed and cut off, PostgreSQL that crashes. At the end the books have to be right.
"""

import itertools
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from random import Random

import psycopg
import pytest

from tests.rig import OPEN, Rig, kill_tree
from tests.seed import planted
from tests.shop import HABITS, Client, Shop, open_shop

SEED = 2611
SECONDS = 100
WORKERS = 3
# A stopped worker's messages are claimed again after 2 x 2 + 10 s: soon, so that many a worker comes back too late.
SETTINGS = {"SMS_SEND_SECONDS": "2", "SMS_UNKNOWN_HOLD_SECONDS": "4", "SMS_PAUSE_SECONDS": "1"}
BEYOND_THE_LEASE = 18

# Each in some share of the answers; nothing in the first, so that some messages have an easy time.
FAULTS = (
    {},
    {"share": 0.1, "accept_then_reset": True},
    {"share": 0.1, "reset_before_accept": True},
    {"share": 0.1, "garbage": True, "accepted_anyway": True},
    {"share": 0.1, "http_status": 500},
    {"share": 0.1, "http_status": 502, "accepted_anyway": True},
    {"share": 0.02, "http_status": 429, "retry_after_s": 1},
    {"share": 0.05, "accept_then_hang": True},
    {"share": 0.1, "slow_accept_ms": 1500},
    {"share": 0.1, "status_code": 500},
    {"share": 0.005, "status_code": 405},
)
REPORT_MODES = ("normal", "doubled", "out_of_order", "early", "failed", "never")

# What the clients were told, and what the gateway accepted, beside our own tables. Each text has an order's own item.
TOLD = """
CREATE TEMP TABLE promised (item text);
CREATE TEMP TABLE keyed (key text, order_id text);
CREATE TEMP TABLE ledger (gateway_id text, body text);
"""
# What must not be: each statement returns what is wrong.
WRONG = {
    "a 201 whose order was never there": """
        SELECT item FROM promised
        EXCEPT SELECT after ->> 'item' FROM audit WHERE subject = 'orders' AND action = 'insert'
    """,
    "an order without an SMS": """
        SELECT id FROM orders o WHERE (SELECT count(*) FROM sms_messages m WHERE m.order_id = o.id) <> 1
    """,
    "an SMS that is open": f"SELECT id, state FROM sms_messages WHERE {OPEN}",
    "an SMS that is called sent and is not in the ledger": """
        SELECT id, state FROM sms_messages
        WHERE state IN ('accepted', 'delivered', 'undelivered') AND body NOT IN (SELECT body FROM ledger)
    """,
    "an SMS that was sent more than once without a flag": """
        SELECT m.id, count(*) FROM sms_messages m JOIN ledger USING (body)
        WHERE NOT possible_duplicate GROUP BY m.id HAVING count(*) > 1
    """,
    "an SMS in the ledger that is nobody's": "SELECT body FROM ledger EXCEPT SELECT body FROM sms_messages",
    "an attempt with another message's gateway id": """
        SELECT a.provider_message_id, m.body FROM sms_attempts a JOIN sms_messages m ON m.id = a.message_id
        WHERE a.provider_message_id <> ''
        EXCEPT SELECT gateway_id, body FROM ledger
    """,
    "a key that made several orders": """
        SELECT key FROM keyed GROUP BY key HAVING count(DISTINCT order_id) <> 1
        UNION ALL
        SELECT after ->> 'item' FROM audit WHERE subject = 'orders' AND action = 'insert' GROUP BY 1 HAVING count(*) > 1
    """,
    "a tally that is not the recount": """
        WITH tallied AS (
            SELECT day, kind, sum(number) AS number, sum(amount) AS amount FROM desk_tallies GROUP BY 1, 2
            HAVING sum(number) <> 0 OR sum(amount) <> 0
        ), counted AS (
            SELECT desk_day(created_at), 'order', count(*), sum(amount) FROM orders GROUP BY 1
            UNION ALL
            SELECT desk_day(created_at), state, count(*), sum(desk_cost(cost)) FROM sms_messages GROUP BY 1, 2
        )
        (TABLE tallied EXCEPT TABLE counted) UNION ALL (TABLE counted EXCEPT TABLE tallied)
    """,
    "a row whose coming or going is not in the audit": """
        WITH alive AS (
            SELECT 'orders' AS subject, id::text AS subject_id FROM orders
            UNION ALL SELECT 'customers', id::text FROM customers
        ), audited AS (
            SELECT subject, subject_id, count(*) FILTER (WHERE action = 'insert') AS inserts,
                   count(*) FILTER (WHERE action = 'delete') AS deletes
            FROM audit WHERE subject IN ('orders', 'customers') GROUP BY 1, 2
        )
        SELECT subject, subject_id, inserts, deletes
        FROM audited FULL JOIN alive USING (subject, subject_id)
        WHERE (inserts, deletes) IS DISTINCT FROM (1::bigint, (alive IS NULL)::int::bigint)
    """,
}
FIGURES = """
SELECT (SELECT count(*) FROM audit WHERE subject = 'orders' AND action = 'insert') AS orders,
       (SELECT count(*) FROM audit WHERE subject = 'orders' AND action = 'delete') AS deleted,
       (SELECT count(*) FROM ledger) AS sms,
       (SELECT count(*) FROM ledger) - (SELECT count(DISTINCT body) FROM ledger) AS duplicates,
       (SELECT count(*) FROM sms_messages WHERE possible_duplicate) AS flagged
"""


def change_faults(shop: Shop, dice: Random) -> None:
    while not shop.over.wait(2):
        shop.rig.stand_in.break_with(latency_ms=20, latency_spread_ms=60, **dice.choice(FAULTS))
        shop.rig.stand_in.report_to(
            shop.rig.url + shop.reports, mode=dice.choice(REPORT_MODES), delay_ms=dice.choice([0, 50, 3000])
        )


class Crew:
    """Several workers, to which things happen."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.workers = [rig.worker, *(rig.start_another_worker() for _ in range(WORKERS - 1))]
        self.blows: Counter[str] = Counter()

    def suffer(self, shop: Shop, dice: Random) -> None:
        for blow in itertools.cycle((self.kill, self.stop_for_long, self.restart, self.cut_off)):
            if shop.over.wait(dice.uniform(1, 4)):
                break
            blow(dice.randrange(WORKERS))
            self.blows[blow.__name__] += 1

    def kill(self, number: int) -> None:
        kill_tree(self.workers[number])
        self.workers[number] = self.rig.start_another_worker()

    def stop_for_long(self, number: int) -> None:
        self.workers[number].send_signal(signal.SIGSTOP)
        time.sleep(BEYOND_THE_LEASE)
        self.workers[number].send_signal(signal.SIGCONT)

    def restart(self, number: int) -> None:
        self._end(self.workers[number])
        self.workers[number] = self.rig.start_another_worker()

    def cut_off(self, _: int) -> None:
        """All of them."""
        with suppress(psycopg.OperationalError), self.rig.database() as database:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'savannah sms%'"
            )

    def end(self) -> None:
        for worker in self.workers:
            self._end(worker)

    def _end(self, worker: subprocess.Popen[bytes]) -> None:
        worker.terminate()
        # One that is still starting has no handler yet.
        assert worker.wait(120) in {0, -signal.SIGTERM}


def crash_postgres(rig: Rig) -> tuple[float, float]:
    """Return from when to when it was away."""
    down = time.time()
    rig.stop_postgres()
    time.sleep(3)
    rig.start_postgres()
    return down, time.time()


@contextmanager
def books(shop: Shop) -> Iterator[psycopg.Cursor]:
    """The database, and beside its tables what the clients were told and what the gateway accepted."""
    with shop.rig.database() as database, database.cursor() as cursor:
        cursor.execute(TOLD)
        cursor.executemany("INSERT INTO promised VALUES (%s)", [(item,) for item in shop.promised])
        cursor.executemany("INSERT INTO keyed VALUES (%s, %s)", shop.keyed)
        accepted = [(entry["messageId"], entry["text"]) for entry in shop.rig.stand_in.ledger(after=0, limit=100_000)]
        cursor.executemany("INSERT INTO ledger VALUES (%s, %s)", accepted)
        yield cursor


@pytest.fixture
def rig(seed, tmp_path):
    rig = Rig(planted(seed, tmp_path), **SETTINGS)
    try:
        rig.start()
        yield rig
    finally:
        rig.end()


@pytest.mark.rehearsal
def test_while_everything_breaks_at_once_the_books_are_right_at_the_end(rig, capsys):
    shop = open_shop(rig, SEED)
    crew = Crew(rig)
    with ThreadPoolExecutor(len(HABITS) + 2) as threads:
        working = [
            threads.submit(Client(shop, f"{number} {habit.__name__}").repeat, habit)
            for number, habit in enumerate(HABITS)
        ]
        working += [threads.submit(trouble, shop, Random(SEED)) for trouble in (change_faults, crew.suffer)]
        try:
            time.sleep(SECONDS / 2)
            down, back = crash_postgres(rig)
            time.sleep(SECONDS / 2)
        finally:
            shop.over.set()
    for thread in working:
        thread.result()
    rig.stand_in.break_with()
    rig.until_drained(600)
    crew.end()

    with books(shop) as cursor:
        figures = cursor.execute(FIGURES).fetchone()
        wrong = {what: rows for what, statement in WRONG.items() if (rows := cursor.execute(statement).fetchall())}
    unexplained = [failure for failure in shop.failures if failure.began > back or failure.ended < down]
    deadlocks = (rig.folder / "postgres" / "log").read_text(errors="replace").count("deadlock detected")
    with capsys.disabled():
        print(
            f"\n  everything at once, dice {SEED}: {figures[0]} orders, {figures[1]} of them deleted, "
            f"{figures[2]} SMS in the ledger, {figures[3]} duplicates ({figures[4]} flagged); {dict(crew.blows)}; "
            f"{deadlocks} deadlocks, {len(shop.failures)} requests failed"
        )
        for what, rows in wrong.items():
            print(f"  WRONG: {len(rows)} times {what}, for example {rows[0]}")
    assert wrong == {}
    assert unexplained == []
