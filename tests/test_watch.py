"""Watching the service from the outside: its log lines and `/metrics`."""

import asyncio
import json
import logging
import sys
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from django.db import connection
from django.test import RequestFactory
from django.urls import resolve
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from conftest import Api, eventually
from savannah import health
from savannah.logs import JSONLine, Routes, TextLine, request_id
from savannah.programs import connected_to
from sms.gateway import Gateway
from sms.models import Message, Pause

PHONE = "+254712345999"


@pytest.fixture(scope="module")
def caller(service):
    """A client of the running service that may do everything, and has a customer to order for."""
    with Api(service.url, service.manage("token")) as api:
        api.post("/api/customers/", json={"code": "WATCHED", "name": "Wanjiru", "phone_number": PHONE})
        yield api


def _order(api: Api, given: str) -> requests.Response:
    body = {"customer_code": "WATCHED", "item": "Lamp", "amount": 5}
    return api.post("/api/orders/", json=body, headers={"X-Request-ID": given})


def _lines(service, given: str) -> dict[str, dict]:
    lines = [json.loads(line) for line in service.printed.splitlines() if line.startswith('{"time"')]
    return {line["logger"]: line for line in lines if line.get("request_id") == given}


def test_a_request_is_followed_by_its_id_from_web_to_worker(service, caller):
    answer = _order(caller, "trace-7")
    assert answer.headers["X-Request-ID"] == "trace-7"
    lines = eventually(lambda: len(found := _lines(service, "trace-7")) == 2 and found)
    web, worker = lines["savannah.watch"], lines["sms.worker"]
    assert (web["method"], web["route"], web["status"]) == ("POST", "api/orders/", 201)
    assert "accepted" in worker["message"]
    assert PHONE not in service.printed


def test_an_id_that_is_none_is_replaced(caller):
    assert len(_order(caller, "a b\tc").headers["X-Request-ID"]) == 32
    assert len(_order(caller, "x" * 65).headers["X-Request-ID"]) == 32


def test_the_gateway_is_told_the_requests_id():
    told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(self.headers["X-Request-ID"])
            self.send_error(400)

        def log_message(self, *args):
            pass

    async def send(url):
        request_id.set("trace-8")
        async with Gateway(base_url=url, api_key="k", username="sandbox", sender="", send_seconds=5) as gateway:
            await gateway.send(PHONE, "Hello")

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request).start()
        asyncio.run(send(f"http://127.0.0.1:{server.server_port}"))
    assert told == ["trace-8"]


def _samples(text: str) -> dict[tuple, float]:
    families = text_string_to_metric_families(text)
    return {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}


def test_metrics_count_requests_and_tell_how_the_outbox_does(service, caller):
    def read():
        return _samples(requests.get(f"{service.url}/metrics", timeout=60).text)

    placed = ("savannah_request_seconds_count", "201", "POST", "api/orders/")
    before = read().get(placed, 0)
    _order(caller, "counted")
    samples = eventually(lambda: (now := read()).get(placed) == before + 1 and now)
    assert samples[("savannah_database_up",)] == 1
    assert samples[("savannah_sms_workers",)] == 1
    assert samples[("savannah_sms_stand_in",)] == 1
    assert samples[("savannah_sms_attempts_5m", "accepted")] >= 1
    assert samples[("savannah_sms_gateway_seconds_5m", "0.5")] > 0
    assert samples[("savannah_sms_oldest_due_seconds",)] >= 0
    assert samples[("savannah_pool_connections", "open")] >= 1
    assert ("savannah_sms_waiters",) in samples


def test_metrics_are_for_this_host_or_for_who_holds_the_token(stranger, settings):
    assert stranger.get("/metrics").status_code == 200
    for header in ("X-Forwarded-For", "Forwarded"):
        assert stranger.get("/metrics", headers={header: "for=203.0.113.7"}).status_code == 404
    settings.METRICS_TOKEN = "grafana-1"
    assert stranger.get("/metrics").status_code == 404
    assert stranger.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404
    assert stranger.get("/metrics", headers={"Authorization": "Bearer grafana-1"}).status_code == 200


def test_metrics_and_readiness_tell_what_waits_what_is_late_and_who_has_to_act(stranger):
    def figures() -> dict[tuple, float]:
        families = text_string_to_metric_families(stranger.get("/metrics").text)
        return {
            (sample.name.removeprefix("savannah_sms_"), *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    now = timezone.now()
    for state, due_at in (("queued", timedelta(hours=1)), ("sending", -timedelta(hours=2)), ("delivered", None)):
        Message.objects.create(phone_number=PHONE, body="B", state=state, due_at=due_at and now + due_at)
    assert figures().items() >= {("oldest_due_seconds",): 0, ("paused",): 0, ("needs_help",): 0}.items()
    assert stranger.get("/readyz").json()["oldest_queued_sms_seconds"] is None
    Message.objects.create(phone_number=PHONE, body="B", state="unknown", due_at=now - timedelta(hours=1))
    for gateway, needs_help in (("a", True), ("b", False)):
        Pause.objects.create(gateway=gateway, reason="R", needs_help=needs_help, paused_until=now)
    told = figures()
    states = [told["messages", state] for state in ("queued", "unknown", "sending")]
    assert (states, told["paused",], told["needs_help",]) == ([1, 1, 1], 2, 1)
    assert 3600 <= told["oldest_due_seconds",] < 7200
    assert 3600 <= stranger.get("/readyz").json()["oldest_queued_sms_seconds"] < 7200


def test_a_service_whose_database_is_behind_is_not_ready(stranger):
    assert stranger.get("/readyz").status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations)")
    answer = stranger.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "migrations are missing")


def test_metrics_say_when_the_database_is_down(transactional_db):
    with connected_to("nowhere"):
        connection.pool.timeout = 0.1
        answer = health.metrics(RequestFactory().get("/metrics"))
    assert _samples(answer.content.decode())[("savannah_database_up",)] == 0


def _record(text: str, **options) -> logging.LogRecord:
    return logging.LogRecord("orders", logging.WARNING, "x.py", 1, text, (), options.pop("exc_info", None), **options)


def test_a_json_line_carries_fields_and_exceptions_and_no_phone():
    try:
        raise ValueError(f"{PHONE} is not a number")
    except ValueError:
        record = _record(f"no SMS to {PHONE}", exc_info=sys.exc_info())
    record.fields = {"attempt": 2}
    text = JSONLine().format(record)
    line = json.loads(text)
    assert (line["level"], line["logger"], line["attempt"]) == ("warning", "orders", 2)
    assert line["message"] == "no SMS to +254******999"
    assert "ValueError" in line["exception"]
    assert PHONE not in text


def test_a_text_line_reads_like_a_sentence():
    record = _record("held up")
    assert TextLine().format(record).endswith("WARNING orders: held up")
    record.fields = {"ms": 12}
    assert TextLine().format(record).endswith("orders: held up  ms=12")
    record.fields = {"to": PHONE}
    assert TextLine().format(record).endswith("to=+254******999")
    assert TextLine().format(_record(f"no SMS to {PHONE}")).endswith("no SMS to +254******999")


def test_nothing_that_a_client_sends_begins_a_line_or_speaks_to_a_terminal():
    try:
        raise ValueError("no field \n12:00:00 INFO  forged\x1b[2J")
    except ValueError as error:
        text = TextLine().format(_record(str(error), exc_info=sys.exc_info()))
    first, *others = text.split("\n")
    assert first.endswith(r"no field \n12:00:00 INFO  forged\x1b[2J")
    assert all(line.startswith("    ") for line in others)
    assert "\x1b" not in text


def test_a_line_of_djangos_names_the_route_and_no_secret_of_the_path(settings):
    secret = settings.SMS_CALLBACK_SECRET
    request = RequestFactory().post(f"/api/sms/delivery-reports/{secret}/")
    request.resolver_match = resolve(request.path)
    (handler,) = settings.LOGGING["handlers"].values()
    assert handler["filters"] == ["routes"]
    record = _record("Internal Server Error: %s")
    record.args, record.request = (request.path,), request
    assert Routes().filter(record)
    assert record.getMessage() == "Internal Server Error: api/sms/delivery-reports/<str:secret>/"
