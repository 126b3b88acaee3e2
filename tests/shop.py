"""The clients of tests/test_books.py: each does one thing again and again, and gets in the way of the others."""

import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlsplit

import psycopg
import requests

from conftest import Api, eventually
from tests.rig import Rig

CODES = [f"SHOP{number}" for number in range(40)]
# Unlike other endings, 55 is no magic number of the stand-in.
PHONES = [f"+2547{number:06}55" for number in range(40)]
CSV = {"Content-Type": "text/csv"}


@dataclass(frozen=True)
class Failure:
    """An answer with 5xx, or none, and when it was asked for and came."""

    what: str
    began: float
    ended: float


@dataclass
class Shop:
    """What the clients share, and what they were told."""

    seed: int
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
        self.dice = Random(f"{shop.seed} {name}")
        self.api = Api(shop.rig.url, shop.rig.token)

    def repeat(self, habit: "Callable[[Client], None]") -> None:
        with self.api:
            while not self.shop.over.is_set():
                began = time.time()
                try:
                    habit(self)
                except (requests.RequestException, psycopg.Error, subprocess.CalledProcessError) as error:
                    self._note(f"{habit.__name__}: {error!r}", began)

    def ask(self, method: str, path: str, **options) -> requests.Response:
        began = time.time()
        answer = self.api.request(method, path, **options)
        if answer.status_code >= 500:
            self._note(f"{method} {path}: {answer.status_code} {answer.text[:100]}", began)
        return answer

    def _note(self, failure: str, began: float) -> None:
        self.shop.failures.append(Failure(failure, began, time.time()))
        time.sleep(0.2)

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
            answer = eventually(lambda: till.ask("POST", "/api/orders/", json=order, headers={"Idempotency-Key": key}))
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
    for entry in client.shop.rig.stand_in.ledger()[-20:]:
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


def open_shop(rig: Rig, seed: int) -> Shop:
    reports, opt_outs = (urlsplit(address).path for address in rig.manage("sms", "callbacks").splitlines())
    shop = Shop(seed, rig, reports, opt_outs)
    client = Client(shop, "first")
    rows = [f"{code},Load,{phone}" for code, phone in zip(CODES, PHONES, strict=True)]
    assert client.upload("/api/customers/upload/", "code,name,phone_number", rows).ok
    return shop
