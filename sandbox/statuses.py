"""The gateway's status codes, the ways a request can go wrong, and the phone numbers that trigger either."""

from dataclasses import dataclass
from enum import StrEnum

SENT = 101
INVALID_PHONE_NUMBER = 403
INSUFFICIENT_BALANCE = 405
USER_IN_BLACKLIST = 406

STATUS_NAMES = {
    100: "Processed",
    101: "Sent",
    102: "Queued",
    401: "RiskHold",
    402: "InvalidSenderId",
    403: "InvalidPhoneNumber",
    404: "UnsupportedNumberType",
    405: "InsufficientBalance",
    406: "UserInBlacklist",
    407: "CouldNotRoute",
    409: "DoNotDisturbRejection",
    500: "InternalServerError",
    501: "GatewayError",
    502: "RejectedByGateway",
}
ACCEPTED_CODES = frozenset({100, 101, 102})
NOT_AUTHENTICATED = "The supplied authentication is invalid"
HTTP_FAULTS = {
    401: NOT_AUTHENTICATED,
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Kind(StrEnum):
    """What a caller sees instead of a proper answer."""

    HANG = "hang"
    SLOW = "slow"
    TRICKLE = "trickle"
    RESET = "reset"
    GARBAGE = "garbage"
    HTTP = "http"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Mishap:
    """One way a request goes wrong.

    kind: what the caller sees. accepted: whether the messages are in the ledger all the same.
    ms: for SLOW the wait before the answer, for TRICKLE the wait between bytes. http_status: for HTTP.
    """

    kind: Kind
    accepted: bool
    ms: int = 0
    http_status: int = 0


MAGIC_MISHAPS: dict[str, tuple[Mishap, str]] = {
    "999001": (Mishap(Kind.HANG, accepted=False), "not accepted, never answered"),
    "999002": (Mishap(Kind.SLOW, accepted=True, ms=3000), "accepted, answered after 3 s"),
    "999003": (Mishap(Kind.HANG, accepted=True), "accepted, never answered"),
    "999004": (Mishap(Kind.RESET, accepted=True), "accepted, then the connection is reset"),
    "999005": (Mishap(Kind.RESET, accepted=False), "connection reset, not accepted"),
    "999006": (Mishap(Kind.GARBAGE, accepted=True), "accepted, answered with garbage"),
    "999007": (Mishap(Kind.GARBAGE, accepted=False), "not accepted, answered with garbage"),
    "999008": (Mishap(Kind.TRICKLE, accepted=True, ms=500), "accepted, answered one byte each 500 ms"),
    "999009": (Mishap(Kind.EMPTY, accepted=False), "InvalidSenderId and no recipients"),
    "999029": (Mishap(Kind.HTTP, accepted=False, http_status=429), "HTTP 429 with Retry-After"),
    "999050": (Mishap(Kind.HTTP, accepted=False, http_status=500), "HTTP 500, not accepted"),
    "999052": (Mishap(Kind.HTTP, accepted=False, http_status=502), "HTTP 502, not accepted"),
    "999053": (Mishap(Kind.HTTP, accepted=False, http_status=503), "HTTP 503 with Retry-After"),
    "999054": (Mishap(Kind.HTTP, accepted=False, http_status=504), "HTTP 504, not accepted"),
    "999060": (Mishap(Kind.HTTP, accepted=True, http_status=500), "HTTP 500, accepted all the same"),
    "999062": (Mishap(Kind.HTTP, accepted=True, http_status=502), "HTTP 502, accepted all the same"),
    "999064": (Mishap(Kind.HTTP, accepted=True, http_status=504), "HTTP 504, accepted all the same"),
}
MAGIC_CODES = {f"000{code}": code for code in STATUS_NAMES}


def reply_status(code: int) -> str:
    """The `status` of a recipient: the gateway says Success for every code that means accepted."""
    return "Success" if code in ACCEPTED_CODES else STATUS_NAMES[code]


def magic_mishap(number: str) -> Mishap | None:
    """The mishap that the last six digits of `number` trigger, by MAGIC_MISHAPS."""
    known = MAGIC_MISHAPS.get(number[-6:])
    return known[0] if known else None


def magic_numbers() -> list[dict[str, str]]:
    """Every magic ending with what it does, as the control API and the page tell it."""
    endings = [
        {
            "ending": ending,
            "effect": f"status {code} {STATUS_NAMES[code]}" + (", accepted" if code in ACCEPTED_CODES else ""),
        }
        for ending, code in MAGIC_CODES.items()
    ]
    return endings + [{"ending": ending, "effect": effect} for ending, (_, effect) in MAGIC_MISHAPS.items()]
