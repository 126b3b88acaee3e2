"""Races of the outbox: two workers at once, a late worker, a worker that died, an order that is deleted."""

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from savannah.sql import conninfo
from sms import outbox
from sms.models import Attempt, Message, OptOut, Pause, Report
from sms.outbox import QUERIES
from sms.tests.conftest import PHONE

CLAIM = {"free": 1, "reserved": 0, "fresh_seconds": 60, "lease_seconds": 60, "expire_hours": 24}
LONG_AGO = timezone.now() - timedelta(hours=1)
# Neither awaited nor new: it is claimed only because it is due.
OLD = {"attempts": 1, "created_at": LONG_AGO, "due_at": LONG_AGO}


def run(statement: str, **parameters: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def claimed(**changed: int) -> list[str]:
    """The bodies of the messages that one worker claims."""
    return sorted(row[2] for row in run(QUERIES.claim_due, **{**CLAIM, **changed}))


def record(message: Message, state: str, *, number: int = 1, due_in: float | None = None) -> None:
    """Record the outcome of one attempt."""
    run(
        QUERIES.record_outcomes,
        ids=[message.id], numbers=[number], states=[state], due_in=[due_in],
        provider_ids=["ATX1" if state == "accepted" else ""], costs=[""], reasons=[""], http_statuses=[201],
        asked_ago=[0.2], answered_ago=[0.1],
    )  # fmt: skip


def give_up_lost() -> None:
    run(QUERIES.give_up_lost, hold_seconds=60.0)


@pytest.fixture
def now(queue) -> Callable[[Message], tuple]:
    """The state of a message now, and whether it will be due again."""

    def look(message: Message) -> tuple[str, bool]:
        message.refresh_from_db()
        return message.state, message.due_at is not None

    return look


@pytest.mark.parametrize(
    "columns", [{"awaited": True}, {}, OLD, {**OLD, "state": "unknown"}], ids=["awaited", "new", "old", "unknown"]
)
def test_what_one_worker_is_claiming_is_no_other_ones_and_holds_none_up(queue, columns):
    queue(**columns)
    with psycopg.connect(conninfo("another worker")) as other:
        assert len(other.execute(QUERIES.claim_due, CLAIM).fetchall()) == 1
        with connection.cursor() as cursor:
            # So that a claim which waits for the other one fails.
            cursor.execute("SET lock_timeout = '100ms'")
            try:
                assert claimed() == []
            finally:
                cursor.execute("RESET lock_timeout")


def test_it_claims_no_more_than_is_free_and_leaves_what_is_reserved_to_new_orders(queue):
    def put(old: int, new: int, awaited: int) -> None:
        Message.objects.all().delete()
        for body, number, columns in (("old", old, OLD), ("new", new, {}), ("awaited", awaited, {"awaited": True})):
            for _ in range(number):
                queue(body=body, **columns)

    put(old=5, new=0, awaited=0)
    assert claimed(free=4, reserved=2) == ["old"] * 2
    put(old=5, new=1, awaited=0)
    assert claimed(free=4, reserved=2) == ["new", "old", "old"]
    put(old=5, new=2, awaited=1)
    assert claimed(free=4, reserved=0) == ["awaited", "new", "new", "old"]
    put(old=5, new=3, awaited=3)
    assert claimed(free=4, reserved=0) == ["awaited"] * 3 + ["new"]


def test_word_of_an_earlier_attempt_does_not_decide_about_a_later_one(queue, now):
    message = queue(state="sending", attempts=2)
    record(message, "queued", number=1, due_in=0.0)
    assert now(message) == ("sending", True)
    assert Attempt.objects.get().number == 1


@pytest.mark.parametrize("state", ["delivered", "cancelled", "expired"])
def test_late_word_of_an_attempt_changes_nothing_at_its_end(queue, now, state):
    message = queue(state=state, attempts=1, due_at=None)
    record(message, "queued", due_in=0.0)
    assert now(message) == (state, False)


def test_late_word_of_an_attempt_that_was_given_up_as_lost_is_taken(queue, now):
    message = queue(state="sending", attempts=1, due_at=LONG_AGO)
    give_up_lost()
    assert now(message) == ("unknown", True)
    record(message, "accepted")
    assert now(message) == ("accepted", False)
    attempt = Attempt.objects.get()
    assert (attempt.state, attempt.reason, attempt.http_status, attempt.provider_message_id) == (
        "accepted", "", 201, "ATX1",
    )  # fmt: skip
    assert attempt.answered_at


def test_word_of_a_message_that_is_gone_keeps_none_of_the_others_from_being_recorded(queue, now):
    gone, message = queue(state="sending", attempts=1), queue(state="sending", attempts=1)
    gone_id = gone.id
    gone.delete()
    gone.id = gone_id
    record(gone, "accepted")
    record(message, "accepted")
    assert now(message) == ("accepted", False)
    assert Attempt.objects.get().message_id == message.id


def test_a_lease_that_lasts_is_respected_and_one_that_ran_out_is_given_up_once(queue, now):
    held, lost = queue(state="sending", attempts=1, due_at=timezone.now() + timedelta(hours=1)), queue(**OLD)
    Message.objects.filter(pk=lost.pk).update(state="sending")
    Attempt.objects.create(message=lost, number=1, asked_at=LONG_AGO, state="unknown", reason="HTTP 500")
    give_up_lost()
    assert (now(held), now(lost)) == (("sending", True), ("unknown", True))
    assert Attempt.objects.get().reason == "HTTP 500"


def test_what_may_have_come_twice_already_is_not_sent_again_once_its_worker_dies(queue, now):
    message = queue(state="sending", attempts=2, due_at=LONG_AGO, possible_duplicate=True)
    give_up_lost()
    assert now(message) == ("unknown", False)


@pytest.fixture
def of_an_order(api, customer, settings) -> Callable[..., Message]:
    """Put an order's message into a state, and delete the order."""
    settings.SMS_WAIT_SECONDS = 0.0

    def delete(state: str) -> Message:
        order = api.post("/api/orders/", json={"customer_code": "CUST001", "item": "Tea", "amount": 5}).json()
        Message.objects.update(state=state, attempts=1, due_at=LONG_AGO)
        assert api.delete(f"/api/orders/{order['id']}/").status_code == 204
        return Message.objects.get()

    return delete


def test_an_order_that_is_deleted_while_its_sms_is_sent_is_not_announced_again(of_an_order, now):
    message = of_an_order("sending")
    record(message, "queued", due_in=0.0)
    assert now(message) == ("cancelled", False)


def test_an_order_that_is_deleted_while_its_sms_is_sent_is_not_announced_again_though_nobody_knows(of_an_order, now):
    message = of_an_order("sending")
    record(message, "unknown", due_in=0.0)
    assert now(message) == ("unknown", False)


def test_an_order_that_is_deleted_while_its_worker_dies_is_not_announced_again(of_an_order, now):
    message = of_an_order("sending")
    give_up_lost()
    assert now(message) == ("unknown", False)


def test_an_order_that_is_deleted_is_not_announced_again_when_its_sms_may_have_come(of_an_order, now):
    message = of_an_order("unknown")
    assert now(message) == ("unknown", False)
    assert outbox.resend([message.id]) == 0


def test_what_expires_is_what_waits_not_what_was_sent_or_queued_again(queue, now):
    columns = {"created_at": LONG_AGO - timedelta(days=2), "queued_at": LONG_AGO - timedelta(days=2)}
    sending, unknown = queue(state="sending", **columns), queue(state="unknown", **columns)
    again = queue(state="rejected", **columns)
    outbox.resend([again.id])
    run(QUERIES.expire, expire_hours=24)
    assert [now(message) for message in (sending, unknown, again)] == [
        ("sending", True),
        ("unknown", False),
        ("queued", True),
    ]


def test_what_is_forgotten_is_at_its_end_with_its_reports_and_those_that_matched_nothing(queue):
    old = timezone.now() - timedelta(days=31)
    kept = [queue(state="sending", created_at=old), queue(state="delivered")]
    queue(state="delivered", created_at=old)
    for number, message in enumerate((*Message.objects.order_by("created_at"), None)):
        Report.objects.create(provider_message_id=f"ATX{number}", status="Success", phone_number=PHONE, message=message)
    Report.objects.update(received_at=old)
    run(QUERIES.clean_up, days=30)
    assert set(Message.objects.all()) == set(kept)
    assert {report.message_id for report in Report.objects.all()} == {message.id for message in kept}


def test_nothing_is_sent_again_that_is_on_its_way_withdrawn_or_opted_out(queue):
    OptOut.objects.create(phone_number="+254700000000")
    messages = [
        queue(state="queued"),
        queue(state="sending"),
        queue(state="cancelled", withdrawn=True),
        queue("+254700000000", state="rejected"),
    ]
    before = list(Message.objects.order_by("pk").values())
    assert outbox.resend([message.id for message in messages]) == 0
    assert list(Message.objects.order_by("pk").values()) == before


def test_what_is_sent_again_and_has_failed_again_is_not_found_once_more(queue):
    queue(state="rejected")
    chosen = {"ids": None, "states": ["rejected"], "older_than": None, "newer_than": None}
    (started,) = run(QUERIES.read_clock)[0]
    assert len(run(QUERIES.find_resendable, **chosen, started=started)[0][0]) == 1
    Message.objects.update(updated_at=timezone.now() + timedelta(hours=1))
    assert run(QUERIES.find_resendable, **chosen, started=started) == [([],)]


@pytest.mark.parametrize(
    ("state", "flagged"), [("unknown", True), ("accepted", True), ("delivered", True), ("rejected", False)]
)
def test_what_is_sent_again_though_it_may_have_come_is_flagged(queue, state, flagged):
    message = queue(state=state)
    outbox.resend([message.id])
    message.refresh_from_db()
    assert message.possible_duplicate is flagged


def test_an_sms_that_is_being_sent_is_not_called_off(queue, now):
    message = queue(state="sending")
    assert not outbox.cancel(message.id)
    assert now(message) == ("sending", True)


def test_an_opt_out_is_of_one_number(queue, now):
    other = queue("+254712345679")
    outbox.record_opt_out(phone_number=PHONE, sender_id="")
    assert now(other) == ("queued", True)


def test_what_holds_a_gateway_up_is_its_own_and_the_last_word_counts(transactional_db):
    for gateway, seconds in (("a", 1000), ("a", 10), ("b", 1000)):
        run(QUERIES.write_pause, gateway=gateway, reason=f"for {seconds} s", needs_help=False, seconds=seconds)
    ((left, reason, _),) = run(QUERIES.read_pause, gateway="a")
    assert (left <= 10, reason) == (True, "for 10 s")
    assert run(QUERIES.read_pause, gateway="c") == []
    run(QUERIES.end_other_pauses, gateway="a")
    assert list(Pause.objects.values_list("gateway", flat=True)) == ["a"]
    run(QUERIES.end_pause, gateway="b")
    assert Pause.objects.exists()
    run(QUERIES.end_pause, gateway="a")
    assert not Pause.objects.exists()
