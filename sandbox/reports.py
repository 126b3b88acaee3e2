"""Delivery reports and opt-out callbacks, posted to the application as the gateway does."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from sandbox.faults import is_ms
from sandbox.ledger import Entry

NETWORK_CODE = "63902"
POSTERS = 16
PENDING_LIMIT = 100_000
ATTEMPTS = 5
POST_SECONDS = 5.0

# Per mode the (status, failureReason) of each report of a message, in the order they are posted.
MODES: dict[str, tuple[tuple[str, str], ...]] = {
    "normal": (("Sent", ""), ("Success", "")),
    "doubled": (("Sent", ""), ("Sent", ""), ("Success", ""), ("Success", "")),
    "out_of_order": (("Success", ""), ("Sent", "")),
    "early": (("Success", ""),),
    "failed": (("Sent", ""), ("Failed", "DeliveryFailure")),
    "rejected": (("Rejected", "UserInBlackList"),),
    "never": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPlan:
    """How reports are posted. url: None to post none. delay_ms: from acceptance to the last report.

    mode: a key of MODES. retry_ms: the wait before a post is tried again, doubled each time, ATTEMPTS in all.
    """

    url: str | None = None
    delay_ms: int = 1000
    mode: str = "normal"
    retry_ms: int = 500


@dataclass(slots=True)
class Post:
    """A form to post to `url` after `gap_s` seconds, and the posts that follow it."""

    url: str
    form: dict[str, str]
    gap_s: float = 0.0
    following: list["Post"] = field(default_factory=list)
    attempt: int = 1


def is_web_address(value: object) -> bool:
    """Whether `value` is something that can be posted to: an absolute http or https URL."""
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        return parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def parse_plan(given: dict[str, Any]) -> ReportPlan:
    """The plan of a JSON object; omitted fields have their defaults. Raises ValueError with the first mistake."""
    checks: dict[str, tuple[Callable[[object], bool], str]] = {
        "url": (lambda value: value is None or is_web_address(value), "null or an http(s) URL"),
        "delay_ms": (is_ms, "milliseconds, a whole number"),
        "mode": (lambda value: isinstance(value, str) and value in MODES, f"one of {', '.join(MODES)}"),
        "retry_ms": (is_ms, "milliseconds, a whole number"),
    }
    for name, value in given.items():
        if name not in checks:
            raise ValueError(f"{name}: there is no such field; there are {', '.join(checks)}")
        check, takes = checks[name]
        if not check(value):
            raise ValueError(f"{name}: has to be {takes}")
    return ReportPlan(**given)


class Reporter:
    """Posts reports by the plan in force, at most POSTERS at a time and PENDING_LIMIT messages waiting."""

    def __init__(self, url: str | None = None) -> None:
        """Post to `url`, or nowhere until a plan says so. Needs a running event loop."""
        self.first_plan = ReportPlan(url=url)
        self.plan = self.first_plan
        self.posted = 0
        self.given_up = 0
        self.dropped = 0
        self._pending = 0
        self._due: asyncio.Queue[Post] = asyncio.Queue()
        self._posters: list[asyncio.Task[None]] = []
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=POSTERS), timeout=aiohttp.ClientTimeout(total=POST_SECONDS)
        )

    async def start(self) -> None:
        """Begin to post."""
        self._posters = [asyncio.create_task(self._post_what_is_due()) for _ in range(POSTERS)]

    async def stop(self) -> None:
        """Stop posting; what is still waiting is lost."""
        for poster in self._posters:
            poster.cancel()
        await asyncio.gather(*self._posters, return_exceptions=True)
        await self._session.close()

    def as_json(self) -> dict[str, Any]:
        """The plan, and how many posts were made, given up, dropped because too many waited, or are waiting."""
        return asdict(self.plan) | {
            "posted": self.posted,
            "given_up": self.given_up,
            "dropped": self.dropped,
            "pending": self._pending,
        }

    async def follow(self, entries: Sequence[Entry]) -> None:
        """Schedule the reports of messages just accepted; in mode `early`, post them before returning."""
        plan = self.plan
        reports = MODES[plan.mode]
        if plan.url is None or not reports:
            return
        if plan.mode == "early":
            await asyncio.gather(*(self._post_once(Post(plan.url, _report(entry, *reports[0]))) for entry in entries))
            return
        gap_s = plan.delay_ms / 1000 / len(reports)
        for entry in entries:
            posts = [Post(plan.url, _report(entry, *report), gap_s) for report in reports]
            posts[0].following = posts[1:]
            self._enter(posts[0])

    def opt_out(self, *, url: str, number: str, sender: str) -> None:
        """Tell `url` that `number` wants no more messages from `sender`."""
        self._enter(Post(url, {"senderId": sender, "phoneNumber": number}))

    def _enter(self, post: Post) -> None:
        if self._pending >= PENDING_LIMIT:
            self.dropped += 1
            return
        self._pending += 1
        self._schedule(post, post.gap_s)

    def _schedule(self, post: Post, after_s: float) -> None:
        if after_s > 0:
            asyncio.get_running_loop().call_later(after_s, self._due.put_nowait, post)
        else:
            self._due.put_nowait(post)

    async def _post_what_is_due(self) -> None:
        while True:
            post = await self._due.get()
            if await self._post_once(post):
                self._go_on(post)
            elif post.attempt < ATTEMPTS:
                self._schedule(
                    replace(post, attempt=post.attempt + 1),
                    self.plan.retry_ms / 1000 * 2 ** (post.attempt - 1),
                )
            else:
                self.given_up += 1
                self._go_on(post)

    def _go_on(self, post: Post) -> None:
        if not post.following:
            self._pending -= 1
            return
        following = post.following[0]
        following.following = post.following[1:]
        self._schedule(following, following.gap_s)

    async def _post_once(self, post: Post) -> bool:
        try:
            async with self._session.post(post.url, data=post.form, allow_redirects=False) as answer:
                taken = answer.status < 300
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
            return False
        self.posted += taken
        return taken


def _report(entry: Entry, status: str, failure_reason: str) -> dict[str, str]:
    return {
        "id": entry.message.message_id,
        "status": status,
        "phoneNumber": entry.message.to,
        "networkCode": NETWORK_CODE,
        "failureReason": failure_reason,
        "retryCount": "0",
    }
