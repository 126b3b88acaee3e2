"""`manage.py sms`: the operator's commands for the outbox."""

import json
import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from sms import outbox
from sms.models import Message, OptOut, Pause
from sms.tests.conftest import PHONE


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("sms", *arguments, stdout=out)
    return out.getvalue()


def test_status_tells_how_the_outbox_is(queue):
    assert "oldest queued: -" in run("status")
    queue(queued_at=timezone.now() - timedelta(minutes=2))
    queue(state="accepted")
    Pause.objects.create(gateway="g", reason="405 x", needs_help=True, paused_until=timezone.now())
    printed = run("status")
    assert re.search(r"^accepted +1$", printed, re.MULTILINE)
    assert re.search(r"^queued +1$", printed, re.MULTILINE)
    assert re.search(r"oldest queued: 0:02:\d\d$", printed, re.MULTILINE)
    assert re.search(r"^HELD UP since .*: 405 x; someone has to act$", printed, re.MULTILINE)
    assert json.loads(run("status", "--json"))["messages"] == {"accepted": 1, "queued": 1}


def test_resend_asks_first(queue, monkeypatch):
    message = queue(state="rejected", due_at=None)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    with pytest.raises(CommandError, match=r"Nothing was changed"):
        run("resend", "--state", "rejected")
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert "1 SMS are queued again" in run("resend", "--state", "rejected")
    message.refresh_from_db()
    assert (message.state, message.possible_duplicate) == ("queued", False)


def test_resend_takes_ids_states_and_ages(queue):
    old = timezone.now() - timedelta(days=2)
    first, second = queue(state="accepted", created_at=old), queue(state="accepted")
    queue(state="rejected")
    queue(state="cancelled", withdrawn=True)
    OptOut.objects.create(phone_number="+254700000000")
    queue("+254700000000", state="rejected")
    assert "1 SMS are queued" in run("resend", "--state", "accepted", "--older-than", "1 00:00:00", "--yes")
    first.refresh_from_db()
    assert (first.state, first.possible_duplicate) == ("queued", True)
    assert "0 SMS are queued" in run("resend", "--id", str(first.id), "--yes")
    assert "1 SMS are queued" in run("resend", "--id", str(second.id), "--newer-than", "01:00:00", "--yes")
    assert "1 SMS are queued" in run("resend", "--state", "rejected", "--state", "cancelled", "--yes")


def test_resend_flags_what_was_not_delivered_for_it_may_be_yet(queue):
    message = queue(state="undelivered", due_at=None)
    run("resend", "--state", "undelivered", "--yes")
    message.refresh_from_db()
    assert message.possible_duplicate


def test_resend_wants_to_know_which(db):
    with pytest.raises(CommandError, match="Say which"):
        run("resend", "--yes")
    with pytest.raises(CommandError, match="invalid"):
        run("resend", "--state", "rejected", "--older-than", "yesterday")


def test_it_resends_more_than_one_chunk(transactional_db):
    Message.objects.bulk_create(Message(phone_number=PHONE, body="x", state="expired") for _ in range(1200))
    assert "1,200 SMS are queued again" in run("resend", "--state", "expired", "--yes")


def test_callbacks_are_the_addresses_to_enter_at_the_gateway(settings):
    reports, opt_outs = run("callbacks").splitlines()
    assert reports == f"{settings.PUBLIC_URL}/api/sms/delivery-reports/{settings.SMS_CALLBACK_SECRET}/"
    assert opt_outs.startswith(f"{settings.PUBLIC_URL}/api/sms/opt-outs/")


def test_an_order_s_sms_can_be_cancelled_while_it_is_queued(api, customer, settings):
    settings.SMS_WAIT_SECONDS = 0.0
    api.post("/api/orders/", json={"customer_code": "CUST001", "item": "Tea", "amount": 5})
    message = Message.objects.get()
    assert outbox.cancel(message.id)
    assert not outbox.cancel(message.id)
    message.refresh_from_db()
    assert message.state == "cancelled"
    assert outbox.resend([message.id]) == 1
