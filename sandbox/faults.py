"""The faults in force: set by the control API, read by the gateway."""

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from sandbox.segments import UNITS_PER_KES
from sandbox.statuses import HTTP_FAULTS, STATUS_NAMES, Kind, Mishap

LONGEST_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults as the control API reads and shows them; FIELDS says what each one takes and does."""

    latency_ms: int = 0
    latency_spread_ms: int = 0
    down: bool = False
    hang: bool = False
    slow_accept_ms: int = 0
    trickle_ms: int = 0
    accept_then_hang: bool = False
    accept_then_reset: bool = False
    reset_before_accept: bool = False
    garbage: bool = False
    http_status: int | None = None
    accepted_anyway: bool = False
    retry_after_s: int = 1
    empty_recipients: bool = False
    status_code: int | None = None
    balance: float | None = None
    share: float = 1.0
    count: int | None = None

    def mishap(self) -> Mishap | None:
        """How a request goes wrong under these faults, or None when it is answered properly."""
        anyway = self.accepted_anyway
        ways = {
            Mishap(Kind.RESET, accepted=False): self.down or self.reset_before_accept,
            Mishap(Kind.RESET, accepted=True): self.accept_then_reset,
            Mishap(Kind.HANG, accepted=False): self.hang,
            Mishap(Kind.HANG, accepted=True): self.accept_then_hang,
            Mishap(Kind.SLOW, accepted=True, ms=self.slow_accept_ms): self.slow_accept_ms,
            Mishap(Kind.TRICKLE, accepted=True, ms=self.trickle_ms): self.trickle_ms,
            Mishap(Kind.GARBAGE, accepted=anyway): self.garbage,
            Mishap(Kind.HTTP, accepted=anyway, http_status=self.http_status or 0): self.http_status,
            Mishap(Kind.EMPTY, accepted=False): self.empty_recipients,
        }
        return next((mishap for mishap, on in ways.items() if on), None)

    def latency_s(self) -> float:
        """Seconds a request waits before it is looked at: the fixed part and a random part of the spread."""
        return (self.latency_ms + secrets.randbelow(self.latency_spread_ms + 1)) / 1000


NO_FAULTS = Faults()
EXCLUSIVE = (
    "down",
    "hang",
    "slow_accept_ms",
    "trickle_ms",
    "accept_then_hang",
    "accept_then_reset",
    "reset_before_accept",
    "garbage",
    "http_status",
    "empty_recipients",
)


def _is_number(value: object, lowest: float, highest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest


def _is_whole(value: object, highest: int) -> bool:
    return isinstance(value, int) and _is_number(value, 0, highest)


def is_ms(value: object) -> bool:
    """Whether a value of JSON is whole milliseconds, an hour at most."""
    return _is_whole(value, LONGEST_MS)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


_MS = "milliseconds, a whole number"
_SWITCH = "true or false"
FIELDS: dict[str, tuple[Callable[[object], bool], str, str]] = {
    "latency_ms": (is_ms, _MS, "every answer takes this long, and is accepted at the end of it"),
    "latency_spread_ms": (is_ms, _MS, "a random part of this is added to latency_ms"),
    "down": (_is_bool, _SWITCH, "every request's connection is reset before anything else is looked at"),
    "hang": (_is_bool, _SWITCH, "not accepted, never answered"),
    "slow_accept_ms": (is_ms, _MS, "accepted at once, answered this much later"),
    "trickle_ms": (is_ms, _MS, "accepted at once, answered one byte each this many ms"),
    "accept_then_hang": (_is_bool, _SWITCH, "accepted, never answered"),
    "accept_then_reset": (_is_bool, _SWITCH, "accepted, then the connection is reset"),
    "reset_before_accept": (_is_bool, _SWITCH, "the connection is reset, not accepted"),
    "garbage": (_is_bool, _SWITCH, "a 201 whose body is broken"),
    "http_status": (
        lambda value: value is None or (_is_whole(value, 599) and value in HTTP_FAULTS),
        "null, 401, 429, 500, 502, 503 or 504",
        "answered with this error; 401 is a key that is no good, 429 and 503 carry Retry-After",
    ),
    "accepted_anyway": (_is_bool, _SWITCH, "garbage and http_status: the message is accepted all the same"),
    "retry_after_s": (
        lambda value: _is_whole(value, 3600),
        "seconds, a whole number",
        "the Retry-After header",
    ),
    "empty_recipients": (_is_bool, _SWITCH, "a 201 with InvalidSenderId and no recipients, not accepted"),
    "status_code": (
        lambda value: value is None or (_is_whole(value, 599) and value in STATUS_NAMES),
        "null or one of " + ", ".join(map(str, STATUS_NAMES)),
        "every recipient gets this status code",
    ),
    "balance": (
        lambda value: value is None or _is_number(value, 0, 1_000_000_000),
        "null or KES, 0 or more",
        "the money left; a message that costs more than is left gets 405",
    ),
    "share": (
        lambda value: _is_number(value, 0, 1),
        "0 to 1",
        "the part of requests affected, evenly: 0.25 is each fourth (balance always counts)",
    ),
    "count": (
        lambda value: value is None or (_is_whole(value, 1_000_000_000) and value != 0),
        "null or a whole number from 1",
        "only the next so many requests are affected (balance always counts)",
    ),
}


def parse_faults(given: dict[str, Any]) -> Faults:
    """The faults of a JSON object; omitted ones are off. Raises ValueError with the first mistake."""
    for name, value in given.items():
        if name not in FIELDS:
            raise ValueError(f"{name}: there is no such fault; there are {', '.join(FIELDS)}")
        check, takes, _ = FIELDS[name]
        if not check(value):
            raise ValueError(f"{name}: has to be {takes}")
    together = [name for name in EXCLUSIVE if given.get(name)]
    if len(together) > 1:
        raise ValueError(f"only one of these at a time: {', '.join(together)}")
    return Faults(**given)


class FaultBox:
    """The faults in force, with what is left of their count and of the balance."""

    def __init__(self) -> None:
        """Nothing is broken and the balance has no end."""
        self.opted_out: set[str] = set()
        self._faults = NO_FAULTS
        self._balance: int | None = None
        self._share_due = 0.0

    def put(self, faults: Faults) -> None:
        """Put `faults` in force instead of the previous ones."""
        self._faults = faults
        self._balance = None if faults.balance is None else round(faults.balance * UNITS_PER_KES)
        self._share_due = 0.0

    def as_json(self) -> dict[str, Any]:
        """The faults in force, with the count and the balance that are left."""
        left = None if self._balance is None else self._balance / UNITS_PER_KES
        return asdict(replace(self._faults, balance=left))

    def take(self) -> Faults:
        """The faults for the next request: those in force, or none if `share` or `count` spares it."""
        faults = self._faults
        if faults is NO_FAULTS:
            return NO_FAULTS
        # A running sum, not a random number: exactly the share, evenly spread, and repeatable in tests.
        self._share_due += faults.share
        if self._share_due < 1 - 1e-9:
            return NO_FAULTS
        self._share_due -= 1
        if faults.count is not None:
            left = faults.count - 1
            self._faults = replace(faults, count=left) if left else NO_FAULTS
        return faults

    def charge(self, units: int) -> bool:
        """Take `units` of 1/10,000 KES from the balance; False, and nothing taken, when it has less."""
        if self._balance is None:
            return True
        if units > self._balance:
            return False
        self._balance -= units
        return True
