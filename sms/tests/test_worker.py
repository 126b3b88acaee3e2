"""The worker: each queued message is sent once; when nobody can know whether it was sent, it is flagged."""

import json
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from conftest import eventually
from savannah.sql import conninfo, fetch_one
from sms.gateway import Reply, Says
from sms.models import Attempt, Message, OptOut, Pause
from sms.outbox import QUERIES
from sms.tests.conftest import PHONE
from sms.tests.strange import strange
from sms.worker import BY_INDEX, Claimed, Outcome, lease_seconds
from tests.plans import explained, steps


def reaches(message: Message, state: str) -> Message:
    def there() -> bool:
        message.refresh_from_db()
        return message.state == state

    eventually(there)
    return message


def test_it_keeps_the_history_of_each_attempt(queue, stand_in, work):
    stand_in.break_with(status_code=500, count=1)
    work()
    message = reaches(queue(), "accepted")
    first, second = Attempt.objects.filter(message=message).order_by("number")
    assert (first.number, first.state, first.http_status, first.reason) == (1, "queued", 201, "500 InternalServerError")
    assert (second.number, second.state, second.provider_message_id) == (2, "accepted", message.provider_message_id)
    assert first.asked_at <= first.answered_at <= second.asked_at
    assert len(stand_in.ledger(PHONE)) == 1


@pytest.fixture
def short_hold(settings):
    """An unknown message waits only a moment for a report."""
    settings.SMS_UNKNOWN_HOLD_SECONDS = 0.1


@pytest.mark.usefixtures("short_hold")
@pytest.mark.parametrize(("faults", "copies"), [({"accepted_anyway": True}, 2), ({}, 1)])
def test_what_is_unknown_is_sent_once_more_and_flagged(queue, stand_in, work, faults, copies):
    stand_in.break_with(garbage=True, count=1, **faults)
    work()
    message = reaches(queue(), "accepted")
    assert (message.possible_duplicate, message.attempts) == (True, 2)
    assert len(stand_in.ledger(PHONE)) == copies


@pytest.mark.usefixtures("short_hold")
def test_what_is_unknown_twice_is_never_sent_again(queue, stand_in, work):
    stand_in.break_with(garbage=True, count=2)
    work()
    message = queue()
    eventually(lambda: Attempt.objects.filter(message=message, number=2).exists())
    reaches(message, "unknown")
    assert message.due_at is None


def test_what_is_unknown_stays_so_when_the_setting_says(queue, stand_in, work, settings):
    settings.SMS_RESEND_UNKNOWN = False
    stand_in.break_with(garbage=True, count=1)
    work()
    assert reaches(queue(), "unknown").due_at is None


@pytest.mark.usefixtures("short_hold")
def test_a_lease_that_ran_out_is_unknown_and_goes_once_more(queue, stand_in, work):
    past = timezone.now() - timedelta(seconds=70)
    message = queue(state="sending", attempts=1, due_at=past)
    work()
    assert reaches(message, "accepted").possible_duplicate
    first = Attempt.objects.get(message=message, number=1)
    assert (first.state, first.answered_at) == ("unknown", None)


def due_in(reply: Reply, attempts: int = 1) -> float | None:
    return Outcome(Claimed(uuid4(), PHONE, "Hello", attempts, "", opted_out=False), reply).due_in


def test_what_is_queued_again_waits_longer_each_time_or_as_long_as_the_gateway_says():
    waits = [due_in(Reply("queued"), attempts) for attempts in (1, 2, 3, 8, 30)]
    assert waits == [1.0, 2.0, 4.0, 120.0, 120.0]
    assert due_in(Reply("queued", retry_after=1800.0)) == 1800.0
    assert due_in(Reply("accepted")) is None


@pytest.mark.parametrize("seconds", [0.5, 25.0, 300.0])
def test_a_lease_outlasts_the_longest_send(settings, seconds):
    settings.SMS_SEND_SECONDS = seconds
    # The margin is for recording the outcome.
    assert lease_seconds() >= seconds + 10


@pytest.fixture
def short_pause(settings):
    """After a refusal, the next message tries soon."""
    settings.SMS_PAUSE_SECONDS = 0.2


@pytest.mark.usefixtures("short_pause")
def test_it_holds_all_up_when_the_money_is_gone_and_goes_on_by_itself(queue, stand_in, work, stranger, caplog):
    stand_in.break_with(status_code=405)
    work()
    message = queue()
    eventually(Pause.objects.exists)
    (pause,) = stranger.get("/readyz").json()["sms_held_up"]
    assert (pause["reason"], pause["needs_help"]) == ("405 InsufficientBalance", True)
    eventually(lambda: any(record.levelname == "ERROR" and "held up" in record.message for record in caplog.records))
    assert Message.objects.get().state in {"queued", "sending"}
    stand_in.break_with()
    reaches(message, "accepted")
    eventually(lambda: not Pause.objects.exists())
    assert len(stand_in.ledger(PHONE)) == 1


@pytest.mark.parametrize(("retry_after", "seconds"), [(None, 8), (0.0, 8), (1.0, 8), (300.0, 300)])
def test_a_message_of_many_attempts_waits_longer_though_the_gateway_would_have_it_at_once(retry_after, seconds):
    # With a try each second, one night's attempts would overflow their column, and every claim would fail.
    message = Claimed(uuid4(), PHONE, "Hello", attempts=4, request_id="", opted_out=False)
    reply = Reply("queued", "HTTP 429", Says.BUSY, retry_after=retry_after)
    assert Outcome(message, reply).due_in == seconds


def test_a_message_whose_attempts_cannot_be_counted_any_more_stops_no_other(queue, stand_in, work):
    full = queue("+254712345679", attempts=32767)
    work()
    reaches(queue(), "accepted")
    assert reaches(full, "accepted").attempts == 32767


def test_a_number_that_the_gateway_names_is_in_no_log_line_and_not_in_readyz(queue, work, settings, caplog, stranger):
    caplog.set_level("INFO")
    answer = {"SMSMessageData": {"Message": f"No sender for {PHONE}", "Recipients": []}}
    with strange(201, json.dumps(answer).encode()) as gateway:
        settings.AFRICAS_TALKING_API_URL = gateway.url
        stop = work()
        queue()
        for line in ("SMS are held up", "queued (No sender"):
            eventually(lambda: line in caplog.text)  # noqa: B023
        told = eventually(lambda: "No sender" in (text := stranger.get("/readyz").text) and text)
        stop()
    assert PHONE[1:] not in caplog.text + told


def test_a_worker_heeds_what_another_one_has_found_out(queue, stand_in, work, settings):
    Pause.objects.create(
        gateway=stand_in.url,
        reason="HTTP 500",
        needs_help=False,
        paused_until=timezone.now() + timedelta(seconds=300),
    )
    work()
    message = queue()
    fresh = queue("+254712345679")
    assert eventually(lambda: connection_count("savannah sms worker") == 1)
    assert stand_in.ledger(PHONE) == []
    Pause.objects.all().delete()
    reaches(message, "accepted")
    reaches(fresh, "accepted")


def test_it_forgets_as_much_as_there_is_and_not_a_chunk_a_minute(transactional_db, stand_in, work):
    old = timezone.now() - timedelta(days=1000)
    Message.objects.bulk_create(
        Message(phone_number=PHONE, body="x", state="delivered", created_at=old, due_at=None) for _ in range(4500)
    )
    work()
    assert eventually(lambda: not Message.objects.exists())


def test_it_forgets_what_held_up_a_gateway_that_is_no_longer_ours(queue, stand_in, work):
    Pause.objects.create(gateway="https://old.example", reason="405", needs_help=True, paused_until=timezone.now())
    work()
    assert eventually(lambda: not Pause.objects.exists())


def test_it_sends_nothing_to_a_number_that_has_opted_out(queue, stand_in, work):
    OptOut.objects.create(phone_number=PHONE)
    work()
    message = reaches(queue(), "cancelled")
    assert message.failure_reason == "the number has opted out"
    assert not Attempt.objects.exists()
    assert stand_in.ledger(PHONE) == []


def test_yesterdays_news_is_not_sent(queue, stand_in, work):
    old = timezone.now() - timedelta(hours=25)
    message = queue(queued_at=old, created_at=old, due_at=timezone.now() + timedelta(hours=1))
    work()
    assert reaches(message, "expired").due_at is None


def test_however_much_has_expired_none_of_it_is_sent(transactional_db, stand_in, work):
    old = timezone.now() - timedelta(hours=25)
    Message.objects.bulk_create(
        Message(phone_number=PHONE, body="x", queued_at=old, created_at=old, due_at=old) for _ in range(3500)
    )
    work()
    assert eventually(lambda: Message.objects.filter(state="expired").count() == 3500)
    assert stand_in.ledger(PHONE) == []


def test_it_forgets_what_is_older_than_the_setting(queue, stand_in, work, settings):
    settings.SMS_KEEP_DAYS = 30
    old = timezone.now() - timedelta(days=31)
    queue(state="accepted", created_at=old)
    kept = [queue(state="accepted"), queue(state="queued", created_at=old, due_at=timezone.now() + timedelta(hours=1))]
    work()
    eventually(lambda: Message.objects.count() == len(kept))


def connection_count(name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()", [name]
        )
        return cursor.fetchone()[0]


def test_it_survives_the_loss_of_its_connections(queue, stand_in, work, caplog):
    work()
    reaches(queue(), "accepted")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'savannah sms%' AND datname = current_database()"
        )
    eventually(lambda: any("does not answer" in record.message for record in caplog.records))
    eventually(lambda: connection_count("savannah sms worker") == 1)
    reaches(queue("+254712345679"), "accepted")


def test_several_workers_send_each_message_once(queue, stand_in, work):
    for worker in range(2):
        work(concurrency=8 + worker)
    Message.objects.bulk_create(Message(phone_number=PHONE, body=str(number)) for number in range(200))
    eventually(lambda: Message.objects.filter(state="accepted").count() == 200)
    assert sorted(int(entry["text"]) for entry in stand_in.ledger(PHONE)) == list(range(200))


def test_a_worker_that_is_told_to_stop_finishes_what_is_in_flight(queue, stand_in, work, settings):
    settings.SMS_STOP_SECONDS = 60
    # In flight long enough for a busy machine to notice it.
    stand_in.break_with(latency_ms=2500)
    stop = work()
    message = reaches(queue(), "sending")
    stop()
    message.refresh_from_db()
    assert (message.state, message.possible_duplicate) == ("accepted", False)
    assert len(stand_in.ledger(PHONE)) == 1


def test_a_worker_that_is_told_to_stop_begins_nothing_more(queue, stand_in, work, settings):
    settings.SMS_STOP_SECONDS = 60
    stand_in.break_with(latency_ms=2500)
    stop = work(concurrency=1)
    first = reaches(queue(), "sending")
    second = queue("+254712345679")
    stop()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state, second.attempts) == ("accepted", "queued", 0)


def test_a_worker_ends_in_time_though_the_gateway_hangs_and_says_what_it_left(
    queue, stand_in, work, settings, monkeypatch
):
    settings.SMS_STOP_SECONDS = 0.2
    monkeypatch.setattr("sms.worker.LAST_WORDS_SECONDS", 30.0)
    stand_in.break_with(hang=True)
    stop = work()
    message = reaches(queue(), "sending")
    stop()
    message.refresh_from_db()
    assert (message.state, message.failure_reason) == ("unknown", "the worker ended while it was sent")
    assert Attempt.objects.get().state == "unknown"


def test_a_new_order_overtakes_the_backlog(queue, stand_in, work):
    stand_in.break_with(latency_ms=100)
    old = timezone.now() - timedelta(minutes=5)
    Message.objects.bulk_create(
        Message(phone_number=PHONE, body=str(n), attempts=1, created_at=old, due_at=old) for n in range(2000)
    )
    work(concurrency=8)
    eventually(lambda: len(stand_in.ledger(PHONE)) > 10)
    reaches(queue("+254712345679"), "accepted")
    assert Message.objects.filter(state="queued").count() > 100


def test_a_message_that_a_request_waits_for_goes_first_and_the_newest_of_the_others_next(transactional_db):
    ages = {
        "old": timedelta(seconds=9),
        "awaited": timedelta(seconds=8),
        "older": timedelta(hours=1),
        "new": timedelta(),
    }
    for name, age in ages.items():
        at = timezone.now() - age
        Message.objects.create(phone_number=PHONE, body=name, awaited=name == "awaited", created_at=at, due_at=at)
    claim = {"free": 1, "reserved": 0, "fresh_seconds": 60, "lease_seconds": 60, "expire_hours": 24}
    assert [fetch_one(QUERIES.claim_due, **claim)[2] for _ in ages] == ["awaited", "new", "old", "older"]


def one_outcome():
    return {
        "ids": [uuid4()], "numbers": [1], "states": ["accepted"], "due_in": [None], "provider_ids": ["x"],
        "costs": [""], "reasons": [""], "http_statuses": [201], "asked_ago": [0.1], "answered_ago": [0.1],
    }  # fmt: skip


def fill(messages):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sms_messages (phone_number, body, state, created_at) "
            "SELECT '+254712345678', 'B', 'delivered', now() - make_interval(secs => n) FROM generate_series(1, %s) n",
            [messages],
        )
        cursor.execute("ANALYZE sms_messages")


@pytest.mark.parametrize("messages", [0, 5000])
def test_outcomes_are_recorded_by_ids_whatever_the_table_held_when_that_was_planned(transactional_db, messages):
    with transaction.atomic(), connection.cursor() as cursor:
        # TRUNCATE resets the statistics: the table is as new, not known to be empty.
        cursor.execute("TRUNCATE sms_messages CASCADE")
    if messages:
        fill(messages)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BY_INDEX.replace("SET", "SET LOCAL"))
        plan = explained(QUERIES.record_outcomes, one_outcome(), mode="force_generic_plan")
    ways = {(step["Node Type"], step.get("Index Name")) for step in steps(plan) if "Scan" in step["Node Type"]}
    of_messages = {index for way, index in ways if way == "Seq Scan" or (index or "").startswith("sms_messages")}
    assert of_messages == {"sms_messages_pkey"}


def test_what_records_outcomes_is_not_planned_each_time(transactional_db):
    fill(20_000)
    counted = "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE '%sms_outcome%'"
    with psycopg.connect(conninfo("a worker"), autocommit=True, prepare_threshold=0) as database:
        for _ in range(10):
            database.execute(QUERIES.record_outcomes, one_outcome())
        # PostgreSQL makes five custom plans before it compares them with a generic one.
        assert (5, 5) in database.execute(counted).fetchall()
