"""Everything breaks at once, rehearsed: clients in each other's way, a gateway that fails in every way, workers that
are stopped, killed and cut off, PostgreSQL that crashes. At the end the books have to be right.
"""

import itertools
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlsplit

import psycopg
import pytest
import requests

from conftest import Api, eventually
from tests.rig import OPEN, Rig, kill_tree
from tests.seed import planted

SEED = 2611
SECONDS = 100
WORKERS = 3
# A stopped worker's messages are claimed again after 2 x 2 + 10 s: soon, so that many a worker comes back too late.
SETTINGS = {"SMS_SEND_SECONDS": "2", "SMS_UNKNOWN_HOLD_SECONDS": "4", "SMS_PAUSE_SECONDS": "1"}
BEYOND_THE_LEASE = 18
CODES = [f"SHOP{number}" for number in range(40)]
PHONES = [f"+2547{number:06}55" for number in range(40)]
CSV = {"Content-Type": "text/csv"}

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


@dataclass(frozen=True)
class Failure:
    """A 5xx, and when its request began and was answered."""

    request: str
    began: float
    ended: float


@dataclass
class Shop:
    """What the clients share, and what they were told."""

    rig: Rig
    reports: str
    opt_outs: str
    over: threading.Event = field(default_factory=threading.Event)
    promised: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    keyed: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class Client:
    """A program with one habit, and dice of its own."""

    def __init__(self, shop: Shop, name: str) -> None:
        self.shop = shop
        self.dice = Random(f"{SEED} {name}")
        self.api = Api(shop.rig.url, shop.rig.token)

    def repeat(self, habit: "Callable[[Client], None]") -> None:
        with self.api:
            while not self.shop.over.is_set():
                try:
                    habit(self)
                # While PostgreSQL is away.
                except (requests.RequestException, psycopg.OperationalError, subprocess.CalledProcessError):
                    time.sleep(0.2)

    def ask(self, method: str, path: str, **options) -> requests.Response:
        began = time.time()
        answer = self.api.request(method, path, **options)
        if answer.status_code >= 500:
            request = f"{method} {path}: {answer.status_code} {answer.text[:100]}"
            self.shop.failures.append(Failure(request, began, time.time()))
            time.sleep(0.2)
        return answer

    def word(self) -> str:
        return f"{self.dice.getrandbits(64):016x}"

    def upload(self, path: str, header: str, rows: list[str]) -> requests.Response:
        return self.ask("POST", path, data="\n".join([header, *rows, ""]), headers=CSV)

    def upload_orders(self, codes: list[str]) -> None:
        items = [self.word() for _ in codes]
        rows = [f"{code},{item},3" for code, item in zip(codes, items, strict=True)]
        if self.upload("/api/orders/upload/", "customer_code,item,amount", rows).ok:
            self.shop.promised += items


def place(client: Client) -> None:
    order = {"customer_code": client.dice.choice(CODES), "item": client.word(), "amount": 1.25}
    answer = client.ask("POST", "/api/orders/", json=order)
    if answer.status_code == 201:
        client.shop.promised.append(order["item"])
        client.shop.orders.append(answer.json()["id"])


def place_with_one_key_three_times_at_once(client: Client) -> None:
    key, order = client.word(), {"customer_code": client.dice.choice(CODES), "item": client.word(), "amount": 2}

    def insist(number: int) -> None:
        till = Client(client.shop, f"{key} {number}")
        with till.api:
            answer = eventually(
                lambda: (
                    (told := till.ask("POST", "/api/orders/", json=order, headers={"Idempotency-Key": key})).ok and told
                )
            )
        client.shop.keyed.append((key, answer.json()["id"]))

    with ThreadPoolExecutor(3) as tills:
        list(tills.map(insist, range(3)))
    client.shop.promised.append(order["item"])


def edit_or_delete_an_order(client: Client) -> None:
    if client.shop.orders:
        path = f"/api/orders/{client.dice.choice(client.shop.orders[-200:])}/"
        if client.dice.random() < 0.6:
            client.ask("PUT", path, json={"amount": client.dice.randrange(1, 99)})
        else:
            client.ask("DELETE", path)
    time.sleep(0.02)


def come_order_and_go(client: Client) -> None:
    """A customer who is deleted with the orders, while their SMS are on the way."""
    customer = {"code": client.word(), "name": "Here and gone", "phone_number": client.dice.choice(PHONES)}
    answer = client.ask("POST", "/api/customers/", json=customer)
    if answer.status_code == 201:
        client.upload_orders([customer["code"]] * client.dice.randrange(3, 10))
        path = f"/api/customers/{answer.json()['id']}/"
        client.ask("PUT", path, json={"phone_number": client.dice.choice(PHONES)})
        time.sleep(client.dice.uniform(0, 0.25))
        client.ask("DELETE", path)


def update_customers(client: Client) -> None:
    """Half of the customers, in no order: another upload has the same in another order."""
    rows = [f"{CODES[n]},Name {client.dice.randrange(99)},{PHONES[n]}" for n in client.dice.sample(range(40), 20)]
    client.upload("/api/customers/upload/?on_conflict=update", "code,name,phone_number", rows)
    time.sleep(0.1)


def upload_many_orders(client: Client) -> None:
    client.upload_orders(client.dice.choices(CODES, k=client.dice.choice([200, 1000, 2000])))
    time.sleep(5)


def opt_out_and_think_better_of_it(client: Client) -> None:
    phone = client.dice.choice(PHONES[:6])
    for _ in range(2):
        client.ask("POST", client.shop.opt_outs, data={"phoneNumber": phone, "senderId": "SHOP"})
    time.sleep(0.3)
    with client.shop.rig.database() as database:
        database.execute("DELETE FROM sms_opt_outs")
    time.sleep(0.5)


def resend(client: Client) -> None:
    with client.shop.rig.database() as database:
        latest = database.execute("SELECT id FROM sms_messages ORDER BY created_at DESC LIMIT 500").fetchall()
    named = [f"--id={id_}" for (id_,) in client.dice.sample(latest, min(20, len(latest)))]
    if named:
        client.shop.rig.manage("sms", "resend", "--yes", *named)
    time.sleep(2)


def report_twice_and_wrongly(client: Client) -> None:
    """Whatever was really said of a message: its id and its phone are right."""
    for entry in ledger(client.shop.rig, limit=20):
        status = client.dice.choice(["Success", "Sent", "Buffered", "Failed"])
        for _ in range(2):
            report = {"id": entry["messageId"], "status": status, "phoneNumber": entry["to"]}
            client.ask("POST", client.shop.reports, data=report)
    time.sleep(0.5)


HABITS = (
    *[place] * 4,
    *[place_with_one_key_three_times_at_once] * 2,
    *[edit_or_delete_an_order] * 2,
    *[come_order_and_go] * 3,
    *[update_customers] * 2,
    upload_many_orders,
    opt_out_and_think_better_of_it,
    resend,
    report_twice_and_wrongly,
)


def change_faults(shop: Shop, dice: Random) -> None:
    while not shop.over.wait(2):
        shop.rig.stand_in.break_with(latency_ms=20, latency_spread_ms=60, **dice.choice(FAULTS))
        plan = {
            "url": shop.rig.url + shop.reports,
            "mode": dice.choice(REPORT_MODES),
            "delay_ms": dice.choice([0, 50, 3000]),
        }
        requests.put(f"{shop.rig.stand_in.url}/control/reports", json=plan, timeout=60).raise_for_status()


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


def ledger(rig: Rig, **query: int) -> list[dict]:
    return requests.get(f"{rig.stand_in.url}/control/ledger", params=query, timeout=60).json()["entries"]


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
        accepted = [(entry["messageId"], entry["text"]) for entry in ledger(shop.rig, after=0, limit=100_000)]
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
    shop = opened(rig)
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
        wrong = {what: rows[:5] for what, statement in WRONG.items() if (rows := cursor.execute(statement).fetchall())}
    unexplained = [failure for failure in shop.failures if failure.began > back or failure.ended < down]
    deadlocks = (rig.folder / "postgres" / "log").read_text(errors="replace").count("deadlock detected")
    with capsys.disabled():
        print(
            f"\n  everything at once, dice {SEED}: {figures[0]} orders, {figures[1]} of them deleted, "
            f"{figures[2]} SMS in the ledger, {figures[3]} duplicates ({figures[4]} flagged); {dict(crew.blows)}; "
            f"{deadlocks} deadlocks, {len(shop.failures)} answers 5xx"
        )
    assert wrong == {}
    assert unexplained == []


def opened(rig: Rig) -> Shop:
    reports, opt_outs = (urlsplit(address).path for address in rig.manage("sms", "callbacks").splitlines())
    shop = Shop(rig, reports, opt_outs)
    client = Client(shop, "first")
    rows = [f"{code},Load,{phone}" for code, phone in zip(CODES, PHONES, strict=True)]
    assert client.upload("/api/customers/upload/", "code,name,phone_number", rows).ok
    return shop
