"""The stand-in gateway as its callers meet it: over HTTP, mostly against `python -m sandbox`."""

import asyncio
import contextlib
import json
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

import pytest
import requests
from aiohttp.test_utils import TestClient, TestServer

from sandbox import phone, reports
from sandbox.__main__ import main
from sandbox.faults import FIELDS, Faults
from sandbox.gateway import MOST_RECIPIENTS
from sandbox.ledger import Ledger, Message
from sandbox.segments import segments
from sandbox.server import Options, application
from sandbox.statuses import MAGIC_MISHAPS, STATUS_NAMES

ROOT = Path(__file__).parent.parent
JOHN = "+254711222333"
JSON = {"Accept": "application/json"}
# Kept alive: the control API is not part of what the gateway counts.
control = requests.Session()


@dataclass
class Process:
    """A stand-in of its own, started as a user starts it."""

    popen: subprocess.Popen[str]
    line: str
    url: str

    def end(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(60)


def start(*arguments: str) -> Process:
    popen = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert popen.stdout is not None
    line = popen.stdout.readline()
    found = re.search(r"http://\S+(?=/)", line)
    assert found, popen.communicate()[1]
    return Process(popen, line, found[0])


@pytest.fixture(scope="module")
def shared() -> Iterator[Process]:
    process = start()
    yield process
    process.end()


@pytest.fixture
def url(shared: Process) -> str:
    """The shared stand-in with everything mended."""
    control.delete(f"{shared.url}/control/")
    return shared.url


def send(url: str, to: str = JOHN, message: str = "Hello", **options) -> requests.Response:
    form = {"username": "sandbox", "to": to, "message": message} | options.pop("form", {})
    headers = {"apiKey": "key"} | JSON | options.pop("headers", {})
    timeout = options.pop("timeout", 60)
    return requests.post(f"{url}/version1/messaging", data=form, headers=headers, timeout=timeout, **options)


def recipient(answer: requests.Response) -> dict:
    assert answer.status_code == 201
    return answer.json()["SMSMessageData"]["Recipients"][0]


def count(url: str, to: str | None = None) -> int:
    return control.get(f"{url}/control/ledger/count", params={"to": to}).json()["count"]


def break_it(url: str, **faults) -> requests.Response:
    return control.put(f"{url}/control/faults", json=faults)


def eventually(condition, seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@dataclass
class Receiver:
    """Stands where the application takes delivery reports; answers `statuses` in turn, then 200."""

    url: str = ""
    forms: list[dict[str, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def reported(self, number: int) -> list[str]:
        assert eventually(lambda: len(self.forms) >= number), self.forms
        return [form["status"] for form in self.forms]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    known = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            known.forms.append(dict(parse_qsl(body, keep_blank_values=True)))
            self.send_response(known.statuses.pop(0) if known.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        known.url = f"http://127.0.0.1:{server.server_port}/report?secret=s"
        yield known
        server.shutdown()


# --- the endpoints


def test_it_accepts_a_message_and_answers_like_the_gateway(url):
    before = count(url, JOHN)
    answer = send(url)
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    data = answer.json()["SMSMessageData"]
    assert data["Message"] == "Sent to 1/1 Total Cost: KES 0.8000"
    (one,) = data["Recipients"]
    assert re.fullmatch(r"ATXid_[0-9a-f]{32}", one.pop("messageId"))
    assert one == {
        "statusCode": 101,
        "number": JOHN,
        "status": "Success",
        "cost": "KES 0.8000",
        "messageParts": 1,
    }
    assert count(url, JOHN) == before + 1


def test_it_answers_xml_unless_json_is_asked_for(url):
    answer = send(url, to=f"{JOHN},<&\x01>", headers={"Accept": "*/*"})
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    data = ET.fromstring(answer.content).find("SMSMessageData")
    assert data.findtext("Message") == "Sent to 1/2 Total Cost: KES 0.8000"
    assert [one.findtext("number") for one in data.iter("Recipient")] == [JOHN, "<&\ufffd>"]
    assert [one.findtext("statusCode") for one in data.iter("Recipient")] == ["101", "403"]


def test_it_writes_what_it_accepted_into_the_ledger(url):
    began = time.time()
    sent = recipient(send(url, message="Habari ya asubuhi", form={"from": "SHOP"}))
    entry = control.get(f"{url}/control/ledger").json()["entries"][-1]
    assert entry["to"] == JOHN
    assert entry["from"] == "SHOP"
    assert entry["text"] == "Habari ya asubuhi"
    assert entry["messageId"] == sent["messageId"]
    assert entry["cost"] == "KES 0.8000"
    assert entry["parts"] == 1
    assert entry["statusCode"] == 101
    assert began <= entry["accepted_at"] <= time.time()
    assert entry["accepted_at_iso"].endswith("+00:00")


def test_it_names_its_own_sender_when_the_form_names_none(url):
    send(url)
    assert control.get(f"{url}/control/ledger").json()["entries"][-1]["from"] == "AFRICASTKNG"


def test_it_takes_several_numbers_and_judges_each(url):
    data = send(url, to=f" {JOHN},0711, +254711000407").json()["SMSMessageData"]
    assert data["Message"] == "Sent to 1/3 Total Cost: KES 0.8000"
    assert [one["status"] for one in data["Recipients"]] == ["Success", "InvalidPhoneNumber", "CouldNotRoute"]


def test_it_accepts_the_same_message_as_often_as_it_comes(url):
    before = count(url, JOHN)
    ids = {recipient(send(url, message="twice"))["messageId"] for _ in range(2)}
    assert len(ids) == 2
    assert count(url, JOHN) == before + 2


def test_it_takes_json_in_bulk(url):
    body = {
        "username": "sandbox",
        "phoneNumbers": [JOHN, "+254711222444"],
        "message": "Sale \ud800",
        "senderId": "SHOP",
    }
    answer = requests.post(f"{url}/version1/messaging/bulk", json=body, headers={"apiKey": "k"} | JSON)
    assert answer.json()["SMSMessageData"]["Message"] == "Sent to 2/2 Total Cost: KES 1.6000"
    entry = control.get(f"{url}/control/ledger").json()["entries"][-1]
    assert (entry["to"], entry["from"], entry["text"]) == ("+254711222444", "SHOP", "Sale \ud800")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("", "application/json"),
        ("", "multipart/form-data; boundary=x"),
        ("/bulk", "application/x-www-form-urlencoded"),
    ],
)
def test_it_refuses_another_content_type(url, path, content_type):
    answer = requests.post(
        f"{url}/version1/messaging{path}",
        data=b"x",
        headers={"apiKey": "k", "Content-Type": content_type},
    )
    assert answer.status_code == 415
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("headers", [{"apiKey": ""}, {"apiKey": None}])
def test_it_refuses_a_request_without_a_key(url, headers):
    before = count(url)
    answer = send(url, headers=headers)
    assert (answer.status_code, answer.text) == (401, "The supplied authentication is invalid")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert count(url) == before


@pytest.mark.parametrize("form", [{"username": " "}, {"to": " , "}, {"message": ""}])
def test_it_refuses_a_form_that_lacks_something(url, form):
    answer = send(url, form=form)
    assert answer.status_code == 400
    assert answer.text == f"The request is missing the required field: {next(iter(form))}"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "JSON object"),
        ('{"phoneNumbers": "+254711222333"}', "list of strings"),
        ('{"phoneNumbers": [1]}', "list of strings"),
        ('{"username": 1, "phoneNumbers": ["+254711222333"], "message": "m"}', "username"),
        ('{"username": "s", "phoneNumbers": ["+254711222333"], "message": 1}', "message"),
        ('{"username": "s", "phoneNumbers": ["+254711222333"], "message": "m", "senderId": 1}', "senderId"),
    ],
)
def test_it_refuses_json_it_cannot_use(url, body, reason):
    headers = {"apiKey": "k", "Content-Type": "application/json"}
    answer = requests.post(f"{url}/version1/messaging/bulk", data=body, headers=headers)
    assert answer.status_code == 400
    assert reason in answer.text


def test_it_refuses_more_recipients_than_it_takes(url):
    before = count(url)
    assert send(url, to=",".join([JOHN] * (MOST_RECIPIENTS + 1))).status_code == 400
    assert count(url) == before


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 80 + "a", 2),
        # 152 septets and a character of two: it does not fit into what is left of the first segment.
        ("a" * 152 + "€" + "a" * 152, 3),
        ("\u2019" * 70, 1),
        ("\u2019" * 71, 2),
        ("\u2019" * 134, 2),
        ("\u2019" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 67, 3),
    ],
)
def test_it_counts_segments_as_networks_do(text, parts):
    assert segments(text) == parts


def test_it_charges_each_segment(url):
    one = recipient(send(url, message="a" * 307))
    assert (one["messageParts"], one["cost"]) == (3, "KES 2.4000")


def test_it_counts_requests_and_connections(url):
    before = control.get(f"{url}/control/traffic").json()
    with requests.Session() as session:
        for _ in range(3):
            session.post(f"{url}/version1/messaging", data={}, headers={"apiKey": "k"})
    send(url, to="+254711000405")
    after = control.get(f"{url}/control/traffic").json()
    assert after["requests"] == before["requests"] + 4
    assert after["connections"] == before["connections"] + 2
    assert after["rejected"]["405"] == before["rejected"].get("405", 0) + 1
    assert after["accepted"] == before["accepted"]


# --- magic numbers


@pytest.mark.parametrize("code", STATUS_NAMES)
def test_it_gives_a_magic_number_its_status(url, code):
    number = f"+254711000{code}"
    before = count(url, number)
    one = recipient(send(url, to=number))
    assert one["statusCode"] == code
    if code in {100, 101, 102}:
        assert one["status"] == "Success"
        assert count(url, number) == before + 1
    else:
        assert (one["status"], one["cost"], one["messageId"]) == (STATUS_NAMES[code], "0", "None")
        assert count(url, number) == before


@contextlib.contextmanager
def asked(url: str, number: str = JOHN) -> Iterator[socket.socket]:
    """The connection of a request that has reached the stand-in, whether it will be answered or not."""
    requests_before = control.get(f"{url}/control/traffic").json()["requests"]
    body = f"username=s&message=m&to=%2B{number[1:]}".encode()
    with socket.create_connection(("127.0.0.1", urlsplit(url).port), 60) as connection:
        connection.sendall(
            b"POST /version1/messaging HTTP/1.1\r\nHost: localhost\r\napiKey: k\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        assert eventually(lambda: control.get(f"{url}/control/traffic").json()["requests"] == requests_before + 1)
        yield connection


@pytest.mark.parametrize(
    ("ending", "accepted"), [(ending, mishap.accepted) for ending, (mishap, _) in MAGIC_MISHAPS.items()]
)
def test_it_accepts_or_not_as_the_magic_number_says(url, ending, accepted):
    number = f"+254711{ending}"
    before = count(url, number)
    with asked(url, number):
        assert eventually(lambda: count(url, number) == before + accepted)
    assert count(url, number) == before + accepted


def test_it_prefers_a_magic_number_to_the_fault_in_force(url):
    break_it(url, http_status=500)
    assert send(url, to="+254711999053").status_code == 503


# --- faults


@pytest.mark.parametrize(
    ("faults", "accepted"),
    [({"hang": True}, 0), ({"accept_then_hang": True}, 1), ({"slow_accept_ms": 60_000}, 1)],
)
def test_it_does_not_answer(url, faults, accepted):
    break_it(url, **faults)
    before = count(url, JOHN)
    with asked(url) as connection:
        assert eventually(lambda: count(url, JOHN) == before + accepted)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert count(url, JOHN) == before + accepted


@pytest.mark.parametrize(
    ("faults", "accepted"),
    [({"down": True}, 0), ({"reset_before_accept": True}, 0), ({"accept_then_reset": True}, 1)],
)
def test_it_resets_the_connection(url, faults, accepted):
    break_it(url, **faults)
    before = count(url, JOHN)
    with asked(url) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert count(url, JOHN) == before + accepted


def test_it_looks_dead_to_any_request_while_down_but_can_be_mended(url):
    break_it(url, down=True)
    with pytest.raises(requests.ConnectionError):
        send(url, headers={"apiKey": ""})
    control.delete(f"{url}/control/faults")
    assert send(url).status_code == 201


@pytest.mark.parametrize(
    ("status", "retry_after"), [(401, None), (429, "7"), (500, None), (502, None), (503, "7"), (504, None)]
)
def test_it_answers_an_http_error(url, status, retry_after):
    break_it(url, http_status=status, retry_after_s=7)
    before = count(url)
    answer = send(url)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == retry_after
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert count(url) == before


@pytest.mark.parametrize("anyway", [False, True])
@pytest.mark.parametrize("fault", [{"http_status": 502}, {"garbage": True}])
def test_it_accepts_behind_an_error_when_told_to(url, fault, anyway):
    break_it(url, accepted_anyway=anyway, **fault)
    before = count(url)
    send(url)
    assert count(url) == before + anyway


def test_it_answers_garbage(url):
    break_it(url, garbage=True)
    answer = send(url)
    assert answer.status_code == 201
    with pytest.raises(ValueError, match=r"."):
        answer.json()


def test_it_answers_an_unknown_sender_with_no_recipients(url):
    break_it(url, empty_recipients=True)
    before = count(url)
    assert send(url).json() == {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}}
    assert count(url) == before


def test_it_accepts_first_and_answers_late(url):
    break_it(url, slow_accept_ms=2000)
    before = count(url, JOHN)
    answers = []
    sender = threading.Thread(target=lambda: answers.append(send(url)))
    sender.start()
    assert eventually(lambda: count(url, JOHN) == before + 1)
    assert answers == []
    sender.join()
    assert recipient(answers[0])["statusCode"] == 101


def test_it_trickles_its_answer(url):
    break_it(url, trickle_ms=1)
    answer = send(url, stream=True)
    sizes = [len(piece) for piece in answer.raw.stream(1)]
    assert sizes == [1] * int(answer.headers["Content-Length"])


def test_it_takes_its_time_before_it_accepts(url):
    break_it(url, latency_ms=150, latency_spread_ms=50)
    before = count(url, JOHN)
    began = time.monotonic()
    assert recipient(send(url))["statusCode"] == 101
    assert time.monotonic() - began >= 0.15
    assert count(url, JOHN) == before + 1


def test_it_accepts_though_the_caller_left_while_it_took_its_time(url):
    break_it(url, latency_ms=2000)
    before = count(url, JOHN)
    with asked(url):
        pass
    assert count(url, JOHN) == before
    assert eventually(lambda: count(url, JOHN) == before + 1)


def test_it_gives_every_recipient_the_status_code_that_is_set(url):
    break_it(url, status_code=409)
    assert recipient(send(url))["status"] == "DoNotDisturbRejection"


def test_it_runs_out_of_balance(url):
    break_it(url, balance=2.0)
    statuses = [recipient(send(url))["status"] for _ in range(3)]
    assert statuses == ["Success", "Success", "InsufficientBalance"]
    assert control.get(f"{url}/control/faults").json()["balance"] == pytest.approx(0.4)


def test_it_affects_an_even_share_of_requests(url):
    break_it(url, http_status=503, share=0.25)
    assert [send(url).status_code for _ in range(8)] == [201, 201, 201, 503] * 2


def test_it_affects_only_the_next_few_requests(url):
    break_it(url, http_status=503, count=2)
    assert send(url).status_code == 503
    assert control.get(f"{url}/control/faults").json()["count"] == 1
    assert [send(url).status_code for _ in range(2)] == [503, 201]
    assert control.get(f"{url}/control/faults").json()["http_status"] is None


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ({"explode": True}, "explode: there is no such fault"),
        ({"latency_ms": -1}, "latency_ms: has to be milliseconds"),
        ({"latency_ms": True}, "latency_ms"),
        ({"hang": 1}, "hang: has to be true or false"),
        ({"http_status": 418}, "http_status"),
        ({"status_code": 408}, "status_code"),
        ({"balance": -1}, "balance"),
        ({"balance": float("nan")}, "balance"),
        ({"share": 1.1}, "share"),
        ({"count": 0}, "count"),
        ({"retry_after_s": "soon"}, "retry_after_s"),
        ({"hang": True, "garbage": True}, "only one of these at a time: hang, garbage"),
    ],
)
def test_it_refuses_a_fault_it_does_not_know(url, faults, reason):
    headers = {"Content-Type": "application/json"}
    answer = control.put(f"{url}/control/faults", data=json.dumps(faults), headers=headers)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]
    assert send(url).status_code == 201


def test_it_documents_every_fault():
    assert [fault.name for fault in fields(Faults)] == list(FIELDS)


# --- opt-outs


def test_it_rejects_who_has_opted_out_and_tells_the_application(url, receiver):
    answer = control.post(f"{url}/control/opt-out", json={"phoneNumber": JOHN, "url": receiver.url, "senderId": "SHOP"})
    assert answer.json()["numbers"] == [JOHN]
    assert recipient(send(url))["status"] == "UserInBlacklist"
    assert eventually(lambda: receiver.forms)
    assert receiver.forms == [{"senderId": "SHOP", "phoneNumber": JOHN}]


def test_it_sets_and_forgets_opt_outs(url, receiver):
    given = {"numbers": [JOHN], "url": receiver.url}
    assert control.put(f"{url}/control/opt-outs", json=given).json() == given
    assert control.get(f"{url}/control/opt-outs").json() == given
    control.post(f"{url}/control/opt-out", json={"phoneNumber": "+254711222444"})
    assert eventually(lambda: [form["phoneNumber"] for form in receiver.forms] == ["+254711222444"])
    assert control.delete(f"{url}/control/opt-outs").json() == {"numbers": [], "url": None}
    assert recipient(send(url))["statusCode"] == 101


def test_it_tells_nobody_of_an_opt_out_when_it_knows_no_place(url):
    before = control.get(f"{url}/control/reports").json()
    answer = control.post(f"{url}/control/opt-out", json={"phoneNumber": JOHN})
    assert answer.json() == {"numbers": [JOHN], "url": None}
    assert control.get(f"{url}/control/reports").json() == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "opt-outs", {"numbers": JOHN}),
        ("PUT", "opt-outs", {"numbers": [1]}),
        ("PUT", "opt-outs", {"numbers": [], "url": "ftp://x/"}),
        ("PUT", "opt-outs", {"phones": []}),
        ("POST", "opt-out", {}),
        ("POST", "opt-out", {"phoneNumber": JOHN, "senderId": 1}),
        ("POST", "opt-out", {"phoneNumber": JOHN, "url": "//x"}),
        ("PUT", "reports", {"url": "http://[x"}),
        ("PUT", "reports", {"url": 1}),
        ("PUT", "reports", {"mode": "sometimes"}),
        ("PUT", "reports", {"delay_ms": 0.5}),
        ("PUT", "reports", {"delay": 1}),
    ],
)
def test_it_refuses_opt_outs_and_plans_it_cannot_use(url, method, path, body):
    before = control.get(f"{url}/control/").json()
    answer = control.request(method, f"{url}/control/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert control.get(f"{url}/control/").json() == before


# --- delivery reports


@pytest.mark.parametrize(
    ("mode", "statuses"),
    [
        ("normal", ["Sent", "Success"]),
        ("doubled", ["Sent", "Sent", "Success", "Success"]),
        ("out_of_order", ["Success", "Sent"]),
        ("early", ["Success"]),
        ("failed", ["Sent", "Failed"]),
        ("rejected", ["Rejected"]),
    ],
)
def test_it_reports_a_delivery(url, receiver, mode, statuses):
    control.put(f"{url}/control/reports", json={"url": receiver.url, "mode": mode, "delay_ms": 20})
    sent = recipient(send(url))
    assert receiver.reported(len(statuses)) == statuses
    assert {form["id"] for form in receiver.forms} == {sent["messageId"]}
    last = receiver.forms[-1]
    assert set(last) == {"id", "status", "phoneNumber", "networkCode", "failureReason", "retryCount"}
    assert last["phoneNumber"] == JOHN
    assert eventually(lambda: control.get(f"{url}/control/reports").json()["pending"] == 0)


def test_it_says_why_a_delivery_failed(url, receiver):
    plan = {"url": receiver.url, "mode": "failed", "delay_ms": 0}
    control.put(f"{url}/control/reports", json=plan)
    send(url)
    receiver.reported(2)
    assert [form["failureReason"] for form in receiver.forms] == ["", "DeliveryFailure"]


def test_it_reports_before_it_answers_when_early(url, receiver):
    control.put(f"{url}/control/reports", json={"url": receiver.url, "mode": "early"})
    send(url)
    assert [form["status"] for form in receiver.forms] == ["Success"]


@pytest.mark.parametrize("plan", [{"mode": "never"}, {"url": None}])
def test_it_reports_nothing_when_told_to_be_silent(url, receiver, plan):
    control.put(f"{url}/control/reports", json={"url": receiver.url, "delay_ms": 0} | plan)
    send(url)
    assert control.get(f"{url}/control/reports").json()["pending"] == 0
    assert receiver.forms == []


def test_it_reports_nothing_of_a_rejection(url, receiver):
    control.put(f"{url}/control/reports", json={"url": receiver.url, "delay_ms": 0})
    send(url, to="+254711000406")
    send(url, to=JOHN)
    receiver.reported(2)
    assert {form["phoneNumber"] for form in receiver.forms} == {JOHN}


def test_it_tries_a_report_again(url, receiver):
    receiver.statuses = [500, 503]
    control.put(f"{url}/control/reports", json={"url": receiver.url, "delay_ms": 0, "retry_ms": 1})
    send(url)
    assert receiver.reported(4) == ["Sent", "Sent", "Sent", "Success"]


def test_it_gives_a_report_up_in_the_end(url, receiver):
    before = control.get(f"{url}/control/reports").json()["given_up"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    control.put(f"{url}/control/reports", json={"url": nobody, "delay_ms": 0, "retry_ms": 1})
    send(url)
    assert eventually(lambda: control.get(f"{url}/control/reports").json()["given_up"] == before + 2)
    assert control.get(f"{url}/control/reports").json()["pending"] == 0


def test_it_reports_from_the_start_when_started_so(receiver):
    process = start("--report-url", receiver.url, "--opt-out-url", receiver.url)
    control.put(f"{process.url}/control/reports", json={"url": None})
    plan = control.delete(f"{process.url}/control/reports").json()
    assert (plan["url"], plan["mode"], plan["delay_ms"]) == (receiver.url, "normal", 1000)
    control.put(f"{process.url}/control/opt-outs", json={"numbers": []})
    control.post(f"{process.url}/control/opt-out", json={"phoneNumber": JOHN})
    assert eventually(lambda: receiver.forms == [{"senderId": "AFRICASTKNG", "phoneNumber": JOHN}])
    assert process.end() == 0


def test_it_drops_reports_it_has_no_room_for(monkeypatch):
    monkeypatch.setattr(reports, "PENDING_LIMIT", 1)

    async def two_messages() -> dict:
        async with TestClient(TestServer(application(Options(), Ledger()))) as client:
            await client.put("/control/reports", json={"url": "http://127.0.0.1:1/", "delay_ms": 60_000})
            form = {"username": "s", "to": f"{JOHN},{JOHN}", "message": "m"}
            await client.post("/version1/messaging", data=form, headers={"apiKey": "k"})
            return await (await client.get("/control/reports")).json()

    state = asyncio.run(two_messages())
    assert (state["pending"], state["dropped"]) == (1, 1)


# --- the control API


def test_it_shows_itself_and_its_state(url):
    break_it(url, http_status=503)
    known = control.get(f"{url}/control/").json()
    assert known["faults"]["http_status"] == 503
    assert known["no_faults"]["http_status"] is None
    assert {"ending": "000406", "effect": "status 406 UserInBlacklist"} in known["magic_numbers"]
    assert {"ending": "999001", "effect": "not accepted, never answered"} in known["magic_numbers"]
    for endpoint in known["endpoints"]:
        answer = requests.options(f"{url}{endpoint['path']}")
        assert answer.status_code == 405
        assert endpoint["method"] in answer.headers.get("Allow", "")


def test_it_mends_everything_at_once(url):
    break_it(url, http_status=503)
    control.put(f"{url}/control/opt-outs", json={"numbers": [JOHN]})
    control.put(f"{url}/control/reports", json={"url": "http://127.0.0.1:1/"})
    state = control.delete(f"{url}/control/").json()
    assert state["faults"]["http_status"] is None
    assert state["opt_outs"]["numbers"] == []
    assert state["reports"]["url"] is None


def test_it_pages_through_the_ledger(url):
    start_at = count(url)
    for number in range(5):
        send(url, to=f"+25471155500{number % 2}", message=f"page {number}")
    ask = f"{url}/control/ledger"
    texts = lambda **query: [entry["text"] for entry in control.get(ask, params=query).json()["entries"]]  # noqa: E731
    assert texts(limit=2) == ["page 3", "page 4"]
    assert texts(after=start_at, limit=2) == ["page 0", "page 1"]
    first = control.get(ask, params={"after": start_at, "limit": 2}).json()
    assert texts(after=first["next_after"]) == ["page 2", "page 3", "page 4"]
    assert control.get(ask, params={"after": start_at + 5}).json()["next_after"] == start_at + 5
    assert texts(to="+254711555001") == ["page 1", "page 3"]
    assert texts(to="+254711555009") == []
    third = control.get(ask, params={"after": start_at + 2, "limit": 1}).json()["entries"][0]
    assert texts(since=third["accepted_at"]) == ["page 2", "page 3", "page 4"]
    assert texts(since=third["accepted_at"], to="+254711555000") == ["page 2", "page 4"]


def test_it_understands_an_unescaped_plus(url):
    send(url, to="+254711666001")
    assert control.get(f"{url}/control/ledger/count?to=+254711666001").json()["count"] >= 1
    assert control.get(f"{url}/control/ledger/count?to=254711666001").json()["to"] == "+254711666001"


@pytest.mark.parametrize("query", ["after=x", "after=-1", "since=nan", "since=inf", "limit=1.5"])
def test_it_refuses_a_query_that_is_no_number(url, query):
    answer = control.get(f"{url}/control/ledger?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]


@pytest.mark.parametrize("body", ["{", "[]", "[" * 100_000, '"\udcff"'.encode("utf-8", "surrogateescape")])
def test_it_refuses_control_that_is_no_json_object(url, body):
    answer = control.put(f"{url}/control/faults", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_it_cannot_be_broken_by_a_form_of_another_site(url, content_type):
    answer = control.post(
        f"{url}/control/opt-out",
        data=json.dumps({"phoneNumber": JOHN}),
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == 415
    assert recipient(send(url))["statusCode"] == 101


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_it_cannot_be_used_by_the_page_of_another_site(url, origin):
    answer = control.delete(f"{url}/control/faults", headers={"Origin": origin})
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert control.delete(f"{url}/control/faults", headers={"Origin": url}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:80", "[x", ""])
def test_it_answers_to_no_other_name(url, host):
    assert control.get(f"{url}/control/", headers={"Host": host}).status_code in {400, 421}


@pytest.mark.parametrize("host", ["localhost:8001", "127.0.0.1", "[::1]:8001"])
def test_it_answers_to_its_own_names(url, host):
    assert control.get(f"{url}/control/", headers={"Host": host}).status_code == 200


def test_it_tells_what_is_not_there_in_json(url):
    answer = control.get(f"{url}/control/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]


# --- the page


def test_it_serves_a_page_that_runs_nothing_from_elsewhere(url):
    page = requests.get(f"{url}/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "/phone.js" in addresses
    assert all(address.startswith(("/", "#")) for address in addresses)
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*src=)", page.text)


def test_it_serves_what_the_page_asks_for(url):
    page = requests.get(f"{url}/").text
    kinds = {"/phone.css": "text/css", "/phone.js": "text/javascript", "/icon.svg": "image/svg+xml"}
    for path, kind in kinds.items():
        assert path in page
        assert requests.get(f"{url}{path}").headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert not re.search("innerHTML|outerHTML|insertAdjacentHTML|document.write", requests.get(f"{url}/phone.js").text)


def event_of(lines: Iterator[str], wanted: str, condition=bool) -> object:
    """The data of the next event named `wanted` that meets `condition`."""
    for line in lines:
        if line == f"event: {wanted}":
            data = json.loads(next(lines).removeprefix("data: "))
            if condition(data):
                return data
    raise AssertionError("the stream ended")


def test_it_tells_the_page_of_messages_and_faults_as_they_come(url):
    send(url, message="before")
    with requests.get(f"{url}/events", stream=True, timeout=60) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        assert event_of(lines, "messages")[-1]["text"] == "before"
        assert event_of(lines, "state")["faults"]["garbage"] is False
        send(url, message="<b>after</b>\nsecond line")
        (fresh,) = event_of(lines, "messages")
        assert fresh["text"] == "<b>after</b>\nsecond line"
        assert event_of(lines, "state", lambda state: state["accepted"] == fresh["sequence"])
        break_it(url, garbage=True)
        assert event_of(lines, "state", lambda state: state["faults"]["garbage"])


def open_page(url: str) -> tuple[socket.socket, bytes]:
    """A connection that asks for /events, and the status line it got."""
    connection = socket.create_connection(("127.0.0.1", urlsplit(url).port), 60)
    connection.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return connection, connection.recv(4096).partition(b"\r\n")[0]


def test_it_bounds_the_number_of_open_pages_and_forgets_closed_ones(url):
    with contextlib.ExitStack() as pages:

        def status() -> bytes:
            connection, line = open_page(url)
            pages.enter_context(connection)
            return line

        first, line = open_page(url)
        lines = [line] + [status() for _ in range(phone.MOST_STREAMS - 2)]
        assert set(lines) == {b"HTTP/1.1 200 OK"}
        # The stand-in may notice only now that another test's page is closed.
        assert eventually(lambda: status() == b"HTTP/1.1 200 OK")
        assert status() == b"HTTP/1.1 503 Service Unavailable"
        first.close()
        assert eventually(lambda: status() == b"HTTP/1.1 200 OK")


def test_it_gives_a_quiet_page_a_sign_of_life(monkeypatch):
    monkeypatch.setattr(phone, "SECONDS_BETWEEN_SIGNS_OF_LIFE", 0.01)
    monkeypatch.setattr(phone, "SECONDS_BETWEEN_EVENTS", 0.0)

    async def first_lines() -> list[bytes]:
        async with (
            TestClient(TestServer(application(Options(), Ledger()))) as client,
            client.get("/events") as stream,
        ):
            return [await stream.content.readline() for _ in range(9)]

    lines = asyncio.run(first_lines())
    assert lines[:2] == [b"event: messages\n", b"data: []\n"]
    assert lines[-3] == b": still here\n"


# --- start and end


@pytest.fixture(scope="module")
def choosy() -> Iterator[Process]:
    """A stand-in with an address, a key and a name of its own."""
    process = start("--host", "::1", "--api-key", "right", "--allow-host", "sms")
    yield process
    process.end()


def test_it_takes_only_its_own_key_when_it_has_one(choosy):
    keys = ["wrong", "r\u00efght".encode(), "right"]
    assert [send(choosy.url, headers={"apiKey": key}).status_code for key in keys] == [401, 401, 201]


@pytest.mark.parametrize(("host", "status"), [("sms:8001", 200), ("other:8001", 421)])
def test_it_answers_to_a_name_it_was_started_with(choosy, host, status):
    assert control.get(f"{choosy.url}/control/", headers={"Host": host}).status_code == status


def test_it_listens_on_ipv6(choosy):
    assert choosy.line.startswith("Stand-in SMS gateway on http://[::1]:")


def test_it_says_where_it_listens_in_one_line(shared):
    assert re.fullmatch(r"Stand-in SMS gateway on http://127\.0\.0\.1:\d+/ \(ledger in memory only\)\n", shared.line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to_though_requests_hang_and_pages_are_open(number):
    process = start()
    stream = requests.get(f"{process.url}/events", stream=True)
    with asked(process.url, "+254711999003"):
        assert eventually(lambda: count(process.url) == 1)
        assert process.end(number) == 0
    assert process.popen.stderr.read() == ""
    stream.close()


def run_to_its_end(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


def test_it_says_in_one_line_that_its_port_is_in_use(capsys, shared):
    port = str(urlsplit(shared.url).port)
    assert main(["--port", port]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"127.0.0.1:{port}" in said
    assert "in use" in said


@pytest.mark.parametrize("arguments", [("--port", "70000"), ("--port", "x"), ("--report-url", "nowhere")])
def test_it_refuses_arguments_that_make_no_sense(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


# --- the ledger file


def test_it_keeps_what_it_accepted_through_a_kill(tmp_path):
    file = str(tmp_path / "new" / "ledger.jsonl")
    process = start("--ledger", file)
    sent = recipient(send(process.url, message="kept"))
    process.end(signal.SIGKILL)
    process = start("--ledger", file)
    assert "1 messages" in process.line
    assert recipient(send(process.url, message="next"))["statusCode"] == 101
    entries = control.get(f"{process.url}/control/ledger").json()["entries"]
    assert [(entry["sequence"], entry["text"]) for entry in entries] == [(1, "kept"), (2, "next")]
    assert entries[0]["messageId"] == sent["messageId"]
    assert process.end() == 0
    assert len(Path(file).read_text().splitlines()) == 2
    assert Path(file).stat().st_mode & 0o077 == 0


def test_it_leaves_out_a_torn_line_and_goes_on_after_it(tmp_path):
    file = tmp_path / "ledger.jsonl"
    ledger = Ledger(file)
    ledger.append([message("whole")])
    ledger.close()
    with file.open("a") as torn:
        torn.write('{"sequence": 2, "accep')
    process = start("--ledger", str(file))
    assert "1 messages, 1 unreadable lines left out" in process.line
    send(process.url, message="after")
    assert process.end() == 0
    again = Ledger(file)
    assert [entry.message.text for entry in again.entries()] == ["whole", "after"]
    assert again.unreadable_lines == 1
    again.close()
    again.close()


def test_it_does_not_share_its_ledger(tmp_path):
    file = str(tmp_path / "ledger.jsonl")
    process = start("--ledger", file)
    code, said = run_to_its_end("--port", "0", "--ledger", file)
    assert (code, said) == (1, f"The ledger {file} is in use by another stand-in\n")
    assert process.end() == 0


def test_it_says_in_one_line_that_the_ledger_cannot_be_opened(capsys, tmp_path):
    assert main(["--port", "0", "--ledger", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(tmp_path) in said


def test_it_accepts_nothing_it_could_not_write(tmp_path):
    file = tmp_path / "ledger.jsonl"
    process = start("--ledger", str(file))
    send(process.url)
    pid, limit = process.popen.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(pid, limit)
    resource.prlimit(pid, limit, (file.stat().st_size + 20, before[1]))
    # The first write fits in part, the second not at all.
    answers = [send(process.url) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [500, 500]
    assert "The ledger cannot be written" in answers[0].text
    resource.prlimit(pid, limit, before)
    assert count(process.url) == 1
    assert send(process.url, message="written again").status_code == 201
    assert process.end() == 0
    ledger = Ledger(file)
    assert [entry.sequence for entry in ledger.entries()] == [1, 2]
    assert ledger.unreadable_lines == 1
    ledger.close()


def message(text: str, to: str = JOHN) -> Message:
    return Message(to, "SHOP", text, "ATXid_1", "KES 0.8000", 1, 101)


def test_it_keeps_only_the_latest_in_memory():
    ledger = Ledger(kept=3)
    ledger.append([message("old", "+254711000001"), message("one"), message("two")])
    assert ledger.count("+254711000001") == 1
    ledger.append([message("three"), message("four")])
    assert [entry.message.text for entry in ledger.entries()] == ["two", "three", "four"]
    assert ledger.count() == 5
    assert ledger.count(JOHN) == 3
    assert ledger.count("+254711000001") == 0
