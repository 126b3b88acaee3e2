"""The gateway's callbacks: each report counts once, in any order, and no state goes back; and opt-outs."""

from datetime import timedelta

import psycopg
import pytest
from django.utils import timezone

from conftest import eventually, refused
from savannah.sql import conninfo, fetch_one
from sms.models import Attempt, Message, Report
from sms.outbox import QUERIES
from sms.tests.conftest import PHONE


@pytest.fixture
def accepted(queue) -> Message:
    """A message that the gateway knows as ATX1."""
    message = queue(state="accepted", due_at=None, attempts=1, provider_message_id="ATX1")
    now = timezone.now()
    Attempt.objects.create(
        message=message, number=1, asked_at=now, answered_at=now, state="accepted", provider_message_id="ATX1"
    )
    return message


def report(post, status: str, *, id: str = "ATX1", phone: str = PHONE, **more: str) -> None:  # noqa: A002 - the form's
    assert post("delivery-reports", id=id, status=status, phoneNumber=phone, **more) == 200


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        (["Sent"], "accepted"),
        (["Success"], "delivered"),
        (["Failed"], "undelivered"),
        (["Rejected"], "undelivered"),
        (["Sent", "Success"], "delivered"),
        (["Success", "Sent"], "delivered"),
        (["Success", "Failed"], "delivered"),
        (["Failed", "Success"], "delivered"),
        (["Success", "Success"], "delivered"),
        (["AbsentSubscriber"], "accepted"),
    ],
)
def test_it_moves_a_message_forward_and_never_back(post, accepted, statuses, state):
    for status in statuses:
        report(post, status, failureReason="DeliveryFailure" if status == "Failed" else "")
    accepted.refresh_from_db()
    assert accepted.state == state
    assert Report.objects.filter(message=accepted).count() == len(set(statuses))
    assert accepted.failure_reason == ("DeliveryFailure" if statuses == ["Failed"] else "")


def test_it_answers_200_to_an_unknown_id_and_keeps_the_report(post, accepted):
    report(post, "Success", id="ATX-nobody")
    assert Report.objects.get().message is None
    accepted.refresh_from_db()
    assert accepted.state == "accepted"


def test_a_report_of_another_phone_is_not_the_gateways(post, accepted):
    report(post, "Success", phone="+254700000000")
    accepted.refresh_from_db()
    assert accepted.state == "accepted"


def test_it_lets_nobody_in_without_the_secret(post, accepted):
    for secret in ("wrong", "x" * 40, "ü"):
        assert post("delivery-reports", secret, id="ATX1", status="Success", phoneNumber=PHONE) == 404
        assert post("opt-outs", secret, phoneNumber=PHONE) == 404
    assert not Report.objects.exists()


@pytest.mark.parametrize("missing", ["id", "status", "phoneNumber"])
def test_it_names_what_a_report_lacks(stranger, post, settings, missing):
    form = {"id": "ATX1", "status": "Success", "phoneNumber": PHONE, missing: "\x00"}
    answer = stranger.post(f"/api/sms/delivery-reports/{settings.SMS_CALLBACK_SECRET}/", data=form)
    assert refused(answer, 400, f"Missing required field: {missing}")
    assert post("opt-outs", senderId="SHOP") == 400


def test_a_report_tells_what_became_of_an_unknown_message_of_that_phone(post, queue):
    message = queue(state="unknown", attempts=1)
    Attempt.objects.create(message=message, number=1, asked_at=timezone.now(), state="unknown")
    report(post, "Sent", id="ATX9")
    message.refresh_from_db()
    assert (message.state, message.due_at, message.provider_message_id) == ("accepted", None, "ATX9")
    report(post, "Success", id="ATX9")
    message.refresh_from_db()
    assert message.state == "delivered"


def test_a_report_with_a_new_id_waits_while_it_may_be_of_another_message_to_that_phone(post, queue):
    unknown, sending = queue(state="unknown", attempts=1), queue(state="sending", attempts=1)
    Attempt.objects.create(message=unknown, number=1, asked_at=timezone.now(), state="unknown")
    report(post, "Success", id="ATX9")
    unknown.refresh_from_db()
    assert (unknown.state, Report.objects.get().message) == ("unknown", None)
    Message.objects.filter(pk=sending.pk).update(state="rejected")
    fetch_one(QUERIES.match_reports)
    unknown.refresh_from_db()
    assert unknown.state == "delivered"


def test_a_report_from_before_a_message_was_asked_for_is_not_of_it(post, queue):
    message = queue(state="unknown", attempts=1)
    Attempt.objects.create(message=message, number=1, asked_at=timezone.now() + timedelta(hours=1), state="unknown")
    report(post, "Success", id="ATX9")
    message.refresh_from_db()
    assert (message.state, Report.objects.get().message) == ("unknown", None)


def test_a_report_that_comes_before_we_know_the_message_is_matched_later(live_server, queue, stand_in, work, settings):
    address = f"{live_server.url}/api/sms/delivery-reports/{settings.SMS_CALLBACK_SECRET}/"
    stand_in.report_to(address, mode="early")
    work()
    message = queue()

    def delivered() -> bool:
        message.refresh_from_db()
        return message.state == "delivered"

    eventually(delivered)


def test_the_order_shows_its_sms_with_the_whole_history(api, customer, stand_in, worker, post):
    order = api.post("/api/orders/", json={"customer_code": "CUST001", "item": "Tea", "amount": 5}).json()
    address = f"/api/orders/{order['id']}/sms/"
    sent = api.get(address).json()
    assert (sent["status"], sent["possible_duplicate"], sent["segments"], sent["encoding"]) == (
        "accepted",
        False,
        1,
        "GSM-7",
    )
    (attempt,) = sent["attempts"]
    assert attempt.items() >= {"number": 1, "status": "accepted", "http_status": 201}.items()
    report(post, "Success", id=sent["provider_message_id"], networkCode="63902")
    shown = api.get(address).json()
    assert shown["status"] == "delivered"
    assert [event["status"] for event in shown["delivery_reports"]] == ["Success"]
    Message.objects.all().delete()
    assert (api.get(address).status_code, api.get(address).json()["error"]) == (404, "The order has no SMS")
    assert api.get("/api/orders/none/sms/").json()["error"] == "Order not found"
    assert api.get(f"/api/orders/{customer['id']}/sms/").json()["error"] == "Order not found"


def test_a_number_that_opts_out_gets_no_further_sms_and_the_order_says_so(api, customer, stand_in, worker, post):
    assert post("opt-outs", phoneNumber=PHONE, senderId="SHOP") == 200
    assert post("opt-outs", phoneNumber=PHONE, senderId="SHOP") == 200
    order = api.post("/api/orders/", json={"customer_code": "CUST001", "item": "Tea", "amount": 5}).json()
    assert (order["sms_sent"], order["sms_status"]) == (False, "cancelled")
    assert api.get(f"/api/orders/{order['id']}/sms/").json()["reason"] == "the number has opted out"
    assert stand_in.ledger(PHONE) == []


def test_an_opt_out_cancels_what_is_queued_and_holds_back_what_is_unknown(queue, post):
    queued, unknown = queue(), queue(state="unknown")
    post("opt-outs", phoneNumber=PHONE)
    queued.refresh_from_db()
    unknown.refresh_from_db()
    assert (queued.state, unknown.state, unknown.due_at) == ("cancelled", "unknown", None)


def unknown(queue, *, ago: int, **columns: object) -> Message:
    """A message that was sent `ago` seconds ago without a reply: nobody knows whether the gateway accepted it."""
    message = queue(**{"state": "unknown", "attempts": 1, **columns})
    asked_at = timezone.now() - timedelta(seconds=ago)
    Attempt.objects.create(message=message, number=1, asked_at=asked_at, state="unknown")
    return message


def states(*messages: Message) -> list[str]:
    for message in messages:
        message.refresh_from_db()
    return [message.state for message in messages]


def test_a_report_that_may_be_of_either_of_two_unknown_messages_is_taken_for_neither(post, queue):
    # The gateway may have refused one of the two. After a wrong guess that one would never be sent.
    first, second = unknown(queue, ago=60), unknown(queue, ago=30)
    report(post, "Success", id="ATX9")
    assert states(first, second) == ["unknown", "unknown"]
    assert Report.objects.get().message is None


def test_a_late_report_of_a_message_that_was_sent_again_is_not_taken_for_that_of_another(post, queue):
    again = unknown(queue, ago=300, state="accepted", attempts=2, possible_duplicate=True)
    Attempt.objects.create(
        message=again, number=2, asked_at=timezone.now(), state="accepted", provider_message_id="ATX2"
    )
    other = unknown(queue, ago=30)
    report(post, "Success", id="ATX1")
    assert states(again, other) == ["accepted", "unknown"]


def test_what_was_unknown_long_before_keeps_no_report_from_its_message(post, queue):
    unknown(queue, ago=4 * 24 * 3600, state="accepted", possible_duplicate=True)
    message = unknown(queue, ago=30)
    report(post, "Success", id="ATX9")
    assert states(message) == ["delivered"]


def test_a_report_of_a_message_that_is_unknown_for_the_second_time_is_of_that_message(post, queue):
    message = unknown(queue, ago=300, attempts=2, possible_duplicate=True, due_at=None)
    Attempt.objects.create(message=message, number=2, asked_at=timezone.now(), state="unknown")
    report(post, "Success", id="ATX9")
    assert states(message) == ["delivered"]


def test_a_report_waits_for_nobody_who_has_its_message_and_is_matched_when_they_are_done(post, accepted):
    with psycopg.connect(conninfo("somebody else")) as somebody:
        somebody.execute("SELECT FROM sms_messages FOR UPDATE")
        report(post, "Success")
        assert states(accepted) == ["accepted"]
    fetch_one(QUERIES.match_reports)
    assert states(accepted) == ["delivered"]


def test_what_a_report_told_of_an_attempt_stays_when_its_worker_comes_late_and_knows_less(post, queue):
    message = unknown(queue, ago=60)
    report(post, "Sent", id="ATX9")
    late = {"ids": [message.id], "numbers": [1], "states": ["unknown"], "due_in": [120.0], "provider_ids": [""]}
    more = {"costs": [""], "reasons": ["no reply"], "http_statuses": [None], "asked_ago": [90.0], "answered_ago": [1.0]}
    fetch_one(QUERIES.record_outcomes, **late, **more)
    report(post, "Success", id="ATX9")
    assert states(message) == ["delivered"]
