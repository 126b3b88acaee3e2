"""The bounded wait of a request for its SMS."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import requests
from django.db import connection

from conftest import Api, Service, eventually
from sms import waiting
from sms.waiting import MISSES_BEFORE_PAUSE, Outcome, WaitingRoom
from tests.seed import planted

TEA = {"customer_code": "CUST001", "item": "Tea", "amount": 5}
LISTENER = "FROM pg_stat_activity WHERE application_name = 'savannah web' AND datname = current_database()"


@pytest.fixture(autouse=True)
def long_pause(monkeypatch):
    monkeypatch.setattr(waiting, "PAUSE_SECONDS", 60.0)


def test_only_so_many_wait_at_once():
    room = WaitingRoom(2)
    assert [room.enter() for _ in range(3)] == [True, True, False]
    room.leave()
    assert room.enter()


def test_after_misses_in_a_row_nobody_waits_for_a_while():
    room = WaitingRoom(10)
    room.note(missed=True)
    room.note(missed=False)
    for _ in range(MISSES_BEFORE_PAUSE):
        assert room.enter()
        room.note(missed=True)
    assert not room.enter()


def test_after_the_pause_one_waits_and_a_good_wait_lets_all_in_again(monkeypatch):
    room = WaitingRoom(10)
    for _ in range(MISSES_BEFORE_PAUSE):
        room.note(missed=True)
    assert not room.enter()
    monkeypatch.setattr(waiting, "PAUSE_SECONDS", 0.1)
    room.note(missed=True)
    eventually(room.enter)
    monkeypatch.setattr(waiting, "PAUSE_SECONDS", 60.0)
    eventually(room.enter)
    assert not room.enter()
    room.note(missed=False)
    assert all(room.enter() for _ in range(3))


def test_word_of_a_message_that_went_lets_one_try_before_the_pause_is_over():
    room = WaitingRoom(10)
    for _ in range(MISSES_BEFORE_PAUSE):
        room.note(missed=True)
    assert not room.enter()
    room.hear_of_success()
    assert room.enter()
    room.hear_of_success()  # while that one tries, nobody else does
    assert not room.enter()
    room.note(missed=True)
    room.leave()
    assert not room.enter()
    room.hear_of_success()
    assert room.enter()
    room.leave()  # this one did not wait: its customer does not exist
    room.hear_of_success()
    assert room.enter()
    room.note(missed=False)
    assert all(room.enter() for _ in range(3))


def test_a_message_that_is_called_off_says_nothing_of_the_gateway(transactional_db, settings):
    settings.SMS_WAIT_SECONDS = 0.01
    room = WaitingRoom(10)
    for _ in range(MISSES_BEFORE_PAUSE):
        assert Outcome(uuid4(), room, awaited=True).wait() == "cancelled"
        assert room.enter()
        room.note(missed=True)
    assert Outcome(uuid4(), room, awaited=True).wait() == "cancelled"
    assert not room.enter()


@pytest.mark.usefixtures("customer", "worker")
def test_a_gateway_that_hangs_holds_up_a_few_requests_and_then_none(api, stand_in, settings):
    settings.SMS_WAIT_SECONDS = 0.5
    stand_in.break_with(hang=True)
    for _ in range(MISSES_BEFORE_PAUSE):
        assert api.post("/api/orders/", json=TEA).json()["sms_sent"] is False
    settings.SMS_WAIT_SECONDS = 600.0
    started = time.monotonic()
    assert api.post("/api/orders/", json=TEA).json()["sms_sent"] is False
    assert time.monotonic() - started < 60


@pytest.fixture
def deaf(api, customer, worker):
    """Close the connection of the web's listener."""
    api.post("/api/orders/", json=TEA)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid) {LISTENER}")


def test_a_lost_notice_is_made_good_by_reading_the_row(api, deaf, stand_in, settings):
    settings.SMS_WAIT_SECONDS = 6.0
    assert api.post("/api/orders/", json=TEA).json()["sms_sent"] is True


def test_the_listener_comes_back_by_itself(api, deaf):
    def listens() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 {LISTENER}")
            return cursor.fetchone() is not None

    assert eventually(listens)


def test_sixty_who_ask_one_process_at_once_are_all_told(seed, tmp_path):
    service = Service(planted(seed, tmp_path), SMS_WAIT_SECONDS="25").start().until_ready()
    try:
        token = service.manage("token")
        with Api(service.url, token) as api, ThreadPoolExecutor(60) as tills:
            person = {"code": TEA["customer_code"], "name": "John Doe", "phone_number": "+254712345678"}
            assert api.post("/api/customers/", json=person).status_code == 201
            gateway = f"http://127.0.0.1:{service.sandbox_port}/control/faults"
            requests.put(gateway, json={"latency_ms": 3000}, timeout=60).raise_for_status()

            def place(_: int) -> bool:
                with Api(service.url, token) as till:
                    # A busy machine may refuse some of so many at once (503): a client tries again.
                    while (answer := till.post("/api/orders/", json=TEA)).status_code == 503:
                        pass
                    return answer.json()["sms_sent"]

            assert list(tills.map(place, range(60))) == [True] * 60
    finally:
        service.end()
