"""The lane: how many messages may be in flight after which replies of the gateway."""

import time

from sms.gateway import Reply, Says, masked
from sms.lane import FAILURES_TO_CLOSE, Lane

WORKS = Reply("accepted")
FAILS = Reply("unknown", "HTTP 500", Says.FAILS)
REFUSES = Reply("queued", "405 InsufficientBalance", Says.REFUSES)


def lane(width: int = 40, pause_seconds: float = 0.0) -> Lane:
    return Lane(width, pause_seconds=pause_seconds)


def closed_by_failures() -> Lane:
    closed = lane()
    for _ in range(FAILURES_TO_CLOSE):
        closed.answered(FAILS, time.monotonic())
    return closed


def test_it_lets_as_many_pass_as_it_is_wide_and_keeps_a_quarter_for_new_orders():
    now = time.monotonic()
    assert lane().room([]) == 40
    assert lane().room([now] * 30) == 10
    assert lane().room([now] * 50) == 0
    assert lane().reserved == 10


def test_it_closes_after_failures_in_a_row_and_tries_one_at_a_time():
    closed = closed_by_failures()
    assert closed.closed
    assert closed.changed
    assert closed.room([]) == 0
    closed.closed.next_probe = 0.0
    assert (closed.room([]), closed.reserved) == (1, 0)
    assert closed.room([]) == 0


def test_it_tries_again_every_three_seconds_at_the_latest_and_when_somebody_has_to_act_as_often_as_the_setting_says():
    for reply, seconds in ((FAILS, 3.0), (REFUSES, 15.0)):
        closed = lane(pause_seconds=15.0)
        for _ in range(FAILURES_TO_CLOSE):
            closed.answered(reply, time.monotonic())
        for _ in range(10):
            closed.closed.next_probe = 0.0
            asked_at = time.monotonic()
            assert closed.room([]) == 1
            assert asked_at < closed.closed.next_probe <= time.monotonic() + seconds


def test_one_success_among_failures_keeps_it_open():
    opened = lane()
    for _ in range(FAILURES_TO_CLOSE - 1):
        opened.answered(FAILS, time.monotonic())
    opened.answered(WORKS, time.monotonic())
    opened.answered(FAILS, time.monotonic())
    assert opened.closed is None


def test_only_an_answer_to_what_was_asked_since_opens_it_and_its_window_grows_from_there():
    closed = closed_by_failures()
    closed.answered(WORKS, closed.closed.since - 1)
    assert closed.closed
    closed.answered(WORKS, time.monotonic())
    assert closed.closed is None
    before = closed.room([])
    assert 0 < before < 40
    closed.answered(WORKS, time.monotonic())
    assert closed.room([]) == before + 1


def test_what_hangs_since_before_it_closed_holds_nobody_up_once_it_is_open():
    closed = closed_by_failures()
    hanging = [time.monotonic() - 10] * 40
    closed.answered(WORKS, time.monotonic())
    assert closed.room(hanging) > 0


def test_it_closes_when_nothing_is_answered_for_a_while():
    silent = lane()
    silent._last_answer = 0.0
    assert silent.room([time.monotonic() - 6] * FAILURES_TO_CLOSE) == 0
    assert silent.closed
    assert "no answer" in silent.closed.reason


def test_a_busy_gateway_is_left_alone_for_as_long_as_it_asks():
    busy = lane()
    busy.answered(Reply("queued", "HTTP 429", Says.BUSY, retry_after=100.0), time.monotonic())
    assert busy.closed
    assert 99 < busy.closed.next_probe - time.monotonic() < 121
    busy.answered(Reply("queued", "HTTP 429", Says.BUSY, retry_after=300.0), time.monotonic())
    assert busy.closed.next_probe - time.monotonic() > 299


def test_a_busy_gateway_that_asks_for_no_wait_is_tried_by_one_message_at_a_time_all_the_same():
    busy = lane()
    busy.answered(Reply("queued", "HTTP 429", Says.BUSY, retry_after=0.0), time.monotonic())
    assert busy.room([]) == 0
    busy.closed.next_probe = 0.0
    assert (busy.room([]), busy.room([])) == (1, 0)


def test_a_refusal_needs_help_whatever_closed_it_before():
    closed = closed_by_failures()
    closed.answered(REFUSES, time.monotonic())
    assert closed.closed
    assert closed.closed.needs_help
    closed.answered(FAILS, time.monotonic())
    assert closed.closed.needs_help


def test_workers_learn_from_each_other():
    other = lane()
    other.adopt(seconds=0.0, reason="HTTP 500", needs_help=False)
    assert (other.room([]), other.room([])) == (1, 0)
    other.adopt(seconds=0.0, reason="another", needs_help=True)
    assert other.closed
    assert other.closed.reason == "HTTP 500"
    other.reopen()
    assert other.closed is None
    # Its window starts at one.
    assert other.room([]) == 1


def test_no_phone_number_of_the_gateways_words_gets_into_the_log():
    assert masked("403 for +254712345678") == "403 for +***"
    assert masked("403 for +254 712-345 (678), sorry") == "403 for +***), sorry"
    assert masked("405 InsufficientBalance 0.80") == "405 InsufficientBalance 0.80"
