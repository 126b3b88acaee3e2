"""The control API: tests and the page set faults and read the state through it."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from aiohttp import web

from sandbox.bell import Bell
from sandbox.faults import FIELDS, NO_FAULTS, FaultBox, parse_faults
from sandbox.gateway import DEFAULT_SENDER, Traffic
from sandbox.ledger import KEPT_IN_MEMORY, Ledger
from sandbox.reports import MODES, Reporter, is_web_address, parse_plan
from sandbox.statuses import magic_numbers

MOST_ENTRIES = 100_000

Parsed = TypeVar("Parsed")
Number = TypeVar("Number", int, float)

ENDPOINTS = (
    ("GET", "/control/", "this documentation and everything below as it is now"),
    ("DELETE", "/control/", "mends everything: no faults, no opt-outs, reports as at the start"),
    ("GET", "/control/faults", "the faults in force, with the count and balance that are left"),
    (
        "PUT",
        "/control/faults",
        'replaces them: {"http_status": 503, "count": 10}; what is left out is not broken',
    ),
    ("DELETE", "/control/faults", "nothing is broken, the balance has no end"),
    ("GET", "/control/ledger", "accepted messages: ?to=&since=<epoch>&after=<sequence>&limit=<200>"),
    ("GET", "/control/ledger/count", "how many were accepted: ?to="),
    (
        "GET",
        "/control/traffic",
        "requests and connections seen, accepted or not, and rejections by status code",
    ),
    ("GET", "/control/reports", "the plan of delivery reports, with what was posted"),
    ("PUT", "/control/reports", 'replaces it: {"url": "http://...", "delay_ms": 1000, "mode": "doubled"}'),
    ("DELETE", "/control/reports", "the plan of the start"),
    ("GET", "/control/opt-outs", "the numbers that get 406, and the URL told of new ones"),
    ("PUT", "/control/opt-outs", 'replaces them: {"numbers": ["+254711000111"], "url": null}'),
    ("DELETE", "/control/opt-outs", "nobody has opted out"),
    (
        "POST",
        "/control/opt-out",
        'one more: {"phoneNumber": "+254711000111", "url": "http://...", "senderId": "SHOP"}; url is told',
    ),
)


class Control:
    """The handlers of /control/."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        faults: FaultBox,
        reporter: Reporter,
        traffic: Traffic,
        bell: Bell,
        opt_out_url: str | None,
    ) -> None:
        """opt_out_url: where an opt-out is posted when the request names no other place."""
        self._ledger = ledger
        self._faults = faults
        self._reporter = reporter
        self._traffic = traffic
        self._bell = bell
        self._first_opt_out_url = opt_out_url
        self._opt_out_url = opt_out_url

    def routes(self) -> list[web.RouteDef]:
        """Every route of ENDPOINTS."""
        return [
            web.get("/control/", self.show),
            web.delete("/control/", self.mend_everything),
            web.get("/control/faults", self.show_faults),
            web.put("/control/faults", self.put_faults),
            web.delete("/control/faults", self.mend_faults),
            web.get("/control/ledger", self.show_ledger),
            web.get("/control/ledger/count", self.count_ledger),
            web.get("/control/traffic", self.show_traffic),
            web.get("/control/reports", self.show_reports),
            web.put("/control/reports", self.put_reports),
            web.delete("/control/reports", self.reset_reports),
            web.get("/control/opt-outs", self.show_opt_outs),
            web.put("/control/opt-outs", self.put_opt_outs),
            web.delete("/control/opt-outs", self.forget_opt_outs),
            web.post("/control/opt-out", self.opt_out),
        ]

    def state(self) -> dict[str, Any]:
        """Everything but the messages."""
        return {
            "accepted": self._ledger.total,
            "faults": self._faults.as_json(),
            "traffic": self._traffic.as_json(),
            "reports": self._reporter.as_json(),
            "opt_outs": self._opt_outs(),
        }

    async def show(self, _: web.Request) -> web.Response:
        """GET /control/."""
        return web.json_response(
            self.state()
            | {
                "endpoints": [{"method": method, "path": path, "effect": effect} for method, path, effect in ENDPOINTS],
                "fault_fields": [
                    {"name": name, "takes": takes, "effect": effect} for name, (_, takes, effect) in FIELDS.items()
                ],
                "no_faults": asdict(NO_FAULTS),
                "report_modes": list(MODES),
                "magic_numbers": magic_numbers(),
                "kept_in_memory": KEPT_IN_MEMORY,
            }
        )

    async def mend_everything(self, _: web.Request) -> web.Response:
        """DELETE /control/."""
        self._faults.put(NO_FAULTS)
        self._faults.opted_out.clear()
        self._reporter.plan = self._reporter.first_plan
        self._opt_out_url = self._first_opt_out_url
        return self._changed(self.state())

    async def show_faults(self, _: web.Request) -> web.Response:
        """GET /control/faults."""
        return web.json_response(self._faults.as_json())

    async def put_faults(self, request: web.Request) -> web.Response:
        """PUT /control/faults."""
        self._faults.put(_parsed(parse_faults, await _object(request)))
        return self._changed(self._faults.as_json())

    async def mend_faults(self, _: web.Request) -> web.Response:
        """DELETE /control/faults."""
        self._faults.put(NO_FAULTS)
        return self._changed(self._faults.as_json())

    async def show_ledger(self, request: web.Request) -> web.Response:
        """GET /control/ledger."""
        query = request.query
        after = _number(query, "after", int)
        entries = self._ledger.entries(
            to=_phone(query.get("to")),
            since=_number(query, "since", float),
            after=after,
            limit=min(_number(query, "limit", int) or 200, MOST_ENTRIES),
        )
        return web.json_response(
            {
                "entries": [entry.as_json() for entry in entries],
                "next_after": entries[-1].sequence if entries else after,
                "total": self._ledger.total,
            }
        )

    async def count_ledger(self, request: web.Request) -> web.Response:
        """GET /control/ledger/count."""
        to = _phone(request.query.get("to"))
        return web.json_response({"to": to, "count": self._ledger.count(to)})

    async def show_traffic(self, _: web.Request) -> web.Response:
        """GET /control/traffic."""
        return web.json_response(self._traffic.as_json() | {"accepted": self._ledger.total})

    async def show_reports(self, _: web.Request) -> web.Response:
        """GET /control/reports."""
        return web.json_response(self._reporter.as_json())

    async def put_reports(self, request: web.Request) -> web.Response:
        """PUT /control/reports."""
        self._reporter.plan = _parsed(parse_plan, await _object(request))
        return self._changed(self._reporter.as_json())

    async def reset_reports(self, _: web.Request) -> web.Response:
        """DELETE /control/reports."""
        self._reporter.plan = self._reporter.first_plan
        return self._changed(self._reporter.as_json())

    async def show_opt_outs(self, _: web.Request) -> web.Response:
        """GET /control/opt-outs."""
        return web.json_response(self._opt_outs())

    async def put_opt_outs(self, request: web.Request) -> web.Response:
        """PUT /control/opt-outs."""
        given = await _object(request, {"numbers", "url"})
        numbers = given.get("numbers", [])
        if not isinstance(numbers, list) or not all(isinstance(number, str) for number in numbers):
            raise _refusal("numbers: has to be a list of phone numbers")
        url = _url(given)
        self._faults.opted_out = set(numbers)
        self._opt_out_url = url or self._first_opt_out_url
        return self._changed(self._opt_outs())

    async def forget_opt_outs(self, _: web.Request) -> web.Response:
        """DELETE /control/opt-outs."""
        self._faults.opted_out = set()
        self._opt_out_url = self._first_opt_out_url
        return self._changed(self._opt_outs())

    async def opt_out(self, request: web.Request) -> web.Response:
        """POST /control/opt-out."""
        given = await _object(request, {"phoneNumber", "url", "senderId"})
        number, sender = given.get("phoneNumber"), given.get("senderId", DEFAULT_SENDER)
        if not isinstance(number, str) or not number:
            raise _refusal("phoneNumber: has to be a phone number")
        if not isinstance(sender, str):
            raise _refusal("senderId: has to be a string")
        url = _url(given) or self._opt_out_url
        self._faults.opted_out.add(number)
        if url:
            self._reporter.opt_out(url=url, number=number, sender=sender)
        return self._changed(self._opt_outs())

    def _opt_outs(self) -> dict[str, Any]:
        return {"numbers": sorted(self._faults.opted_out), "url": self._opt_out_url}

    def _changed(self, state: dict[str, Any]) -> web.Response:
        self._bell.ring()
        return web.json_response(state)


def _refusal(reason: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=reason)


async def _object(request: web.Request, known: set[str] | None = None) -> dict[str, Any]:
    # Another site's page can send a form or plain text without a CORS preflight, but not JSON.
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="The content type has to be application/json")
    try:
        given = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise _refusal("The body is not JSON") from None
    if not isinstance(given, dict):
        raise _refusal("The body has to be a JSON object")
    unknown = sorted(set(given) - known) if known else []
    if unknown:
        raise _refusal(f"{unknown[0]}: there is no such field")
    return given


def _parsed(parse: Callable[[dict[str, Any]], Parsed], given: dict[str, Any]) -> Parsed:
    try:
        return parse(given)
    except ValueError as mistake:
        raise _refusal(str(mistake)) from None


def _url(given: dict[str, Any]) -> str | None:
    url = given.get("url")
    if url is None:
        return None
    if not is_web_address(url):
        raise _refusal("url: has to be null or an http(s) URL")
    return str(url)


def _phone(given: str | None) -> str | None:
    # An unescaped + of a query string arrives as a space.
    return f"+{given.strip().lstrip('+')}" if given else None


def _number(query: Mapping[str, str], name: str, kind: Callable[[str], Number]) -> Number | None:
    if not query.get(name):
        return None
    try:
        number = kind(query[name])
    except ValueError:
        raise _refusal(f"{name}: has to be a number") from None
    if number < 0 or not math.isfinite(number):
        raise _refusal(f"{name}: has to be 0 or more")
    return number
