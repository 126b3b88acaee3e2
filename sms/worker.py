"""The worker: claims due messages, sends many at a time, records their outcomes. Any number of workers may run."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings

from savannah.logs import request_id
from savannah.sql import conninfo
from sms.gateway import Gateway, Reply, masked
from sms.lane import Lane
from sms.outbox import LISTENER_NAME, QUERIES, hold_seconds

logger = logging.getLogger(__name__)

# A message younger than this is sent before the backlog.
FRESH_SECONDS = 10
POLL_SECONDS = 1.0
RECONNECT_SECONDS = 0.5
# After SMS_STOP_SECONDS, a worker that stops keeps trying this long to record outcomes, if the database is away.
LAST_WORDS_SECONDS = 2.0
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 120.0
# How many rows a chore changes at most at once (LIMIT in queries.sql).
CHUNK = 1000
# A prepared plan that was made while the table was empty must not scan the whole table once it has grown. Without
# sequential scans, a statement that needs one looks expensive enough to be JIT-compiled, which would only cost time.
BY_INDEX = "SET enable_seqscan = off; SET jit = off"

Database = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True)
class Claimed:
    """A message that this worker has leased."""

    id: UUID
    phone_number: str
    body: str
    attempts: int
    request_id: str
    opted_out: bool


@dataclass(frozen=True)
class Outcome:
    """The outcome of a message; the times are monotonic, and None if the gateway was not asked."""

    message: Claimed
    reply: Reply
    asked_at: float | None = None
    answered_at: float | None = None

    @property
    def due_in(self) -> float | None:
        """Seconds until the message is due again; None for never."""
        if self.reply.state == "unknown":
            return hold_seconds()
        if self.reply.state != "queued":
            return None
        own = min(FIRST_RETRY_SECONDS * 2 ** min(self.message.attempts - 1, 10), LAST_RETRY_SECONDS)
        return float(max(own, self.reply.retry_after or 0.0))


def lease_seconds() -> float:
    """Return how long a claim lasts: longer than a send, so that no message is given up as lost while it is sent."""
    return float(2 * settings.SMS_SEND_SECONDS + 10)


@dataclass
class Chore:
    """A statement that every worker runs at intervals; it is harmless if several run it at once."""

    statement: str
    every: float
    parameters: dict[str, Any] = field(default_factory=dict)
    next_at: float = 0.0


def chores(gateway: str) -> list[Chore]:
    """Return the statements that keep the outbox in order."""
    return [
        Chore(QUERIES.give_up_lost, 1, {"hold_seconds": hold_seconds()}),
        Chore(QUERIES.match_reports, 5),
        Chore(QUERIES.end_other_pauses, 60, {"gateway": gateway}),
        Chore(QUERIES.expire, 60, {"expire_hours": settings.SMS_EXPIRE_HOURS}),
        Chore(QUERIES.clean_up, 60, {"days": settings.SMS_KEEP_DAYS}),
    ]


class Worker:
    """One worker process: `run()` until `stop()`, then finish what is in flight."""

    def __init__(self, gateway: Gateway, *, concurrency: int) -> None:
        self._gateway = gateway
        self._lane = Lane(concurrency, pause_seconds=settings.SMS_PAUSE_SECONDS)
        self._chores = chores(gateway.name)
        self._in_flight: dict[asyncio.Task[None], float] = {}
        self._unsaved: list[Outcome] = []
        self._next_look = 0.0
        self._wake = asyncio.Event()
        self._stopped_at: float | None = None

    def stop(self) -> None:
        """Claim nothing more, and let `run` return once all sends in flight are recorded.

        After SMS_STOP_SECONDS, those without a reply are cancelled and recorded as unknown.
        """
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
            asyncio.get_running_loop().call_later(settings.SMS_STOP_SECONDS, self._call_off)
        self._wake.set()

    def _call_off(self) -> None:
        for task in self._in_flight:
            task.cancel()

    async def run(self) -> None:
        """Work until stopped; if the database goes away, reconnect, however long it takes."""
        listening = asyncio.create_task(self._listen())
        while not self._finished():
            try:
                async with _database("savannah sms sender") as database:
                    await self._work(database)
            except psycopg.Error as error:
                logger.warning("the database does not answer (%s); trying again", type(error).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        if self._unsaved:
            logger.error("%d SMS could not be recorded; their leases run out", len(self._unsaved))

    def _finished(self) -> bool:
        if self._stopped_at is None:
            return False
        too_late = self._stopped_at + settings.SMS_STOP_SECONDS + LAST_WORDS_SECONDS
        return time.monotonic() > too_late or not (self._in_flight or self._unsaved)

    async def _work(self, database: Database) -> None:
        while not self._finished():
            self._wake.clear()
            await self._save(database)
            await self._share_lane(database)
            await self._do_chores(database)
            claimed = await self._claim(database)
            if not claimed and not self._unsaved:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)

    async def _claim(self, database: Database) -> int:
        free = 0 if self._stopped_at is not None else self._lane.room(self._in_flight.values())
        if free == 0:
            return 0
        cursor = await database.execute(
            QUERIES.claim_due,
            {
                "free": free,
                "reserved": self._lane.reserved,
                "fresh_seconds": FRESH_SECONDS,
                "lease_seconds": lease_seconds(),
                "expire_hours": settings.SMS_EXPIRE_HOURS,
            },
        )
        rows = await cursor.fetchall()
        for row in rows:
            task = asyncio.create_task(self._send(Claimed(*row)))
            self._in_flight[task] = time.monotonic()
            task.add_done_callback(self._in_flight.pop)
        # Let the tasks start: one that is cancelled before it starts would record no outcome.
        await asyncio.sleep(0)
        return len(rows)

    async def _send(self, message: Claimed) -> None:
        # Only this task's context: its log lines carry this id, and so does its request to the gateway.
        request_id.set(message.request_id)
        if message.opted_out:
            outcome = Outcome(message, Reply("cancelled", "the number has opted out"))
        else:
            asked_at = time.monotonic()
            outcome = Outcome(message, await self._ask(message, asked_at), asked_at, time.monotonic())
        if outcome.reply.reason:
            logger.warning("SMS %s: %s (%s)", message.id, outcome.reply.state, masked(outcome.reply.reason))
        else:
            logger.info("SMS %s: %s", message.id, outcome.reply.state)
        self._unsaved.append(outcome)
        self._wake.set()

    async def _ask(self, message: Claimed, asked_at: float) -> Reply:
        try:
            reply = await self._gateway.send(message.phone_number, message.body)
        except asyncio.CancelledError:
            return Reply("unknown", "the worker ended while it was sent")
        self._lane.answered(reply, asked_at)
        return reply

    async def _save(self, database: Database) -> None:
        batch = list(self._unsaved)
        if not batch:
            return
        now = time.monotonic()
        await database.execute(
            QUERIES.record_outcomes,
            {
                "ids": [outcome.message.id for outcome in batch],
                "numbers": [outcome.message.attempts for outcome in batch],
                "states": [outcome.reply.state for outcome in batch],
                "due_in": [outcome.due_in for outcome in batch],
                "provider_ids": [outcome.reply.provider_message_id for outcome in batch],
                "costs": [outcome.reply.cost for outcome in batch],
                "reasons": [outcome.reply.reason for outcome in batch],
                "http_statuses": [outcome.reply.http_status for outcome in batch],
                "asked_ago": [_ago(outcome.asked_at, now) for outcome in batch],
                "answered_ago": [_ago(outcome.answered_at, now) for outcome in batch],
            },
        )
        # Removed only after the commit: if the database goes away before it, they are recorded again.
        del self._unsaved[: len(batch)]

    async def _share_lane(self, database: Database) -> None:
        """Tell the other workers that the lane has closed or opened, or learn that from them."""
        now = time.monotonic()
        closed, gateway = self._lane.closed, {"gateway": self._gateway.name}
        if self._lane.changed and closed:
            seconds = max(0.0, closed.next_probe - now)
            told = {"reason": closed.reason, "needs_help": closed.needs_help, "seconds": seconds}
            await database.execute(QUERIES.write_pause, gateway | told)
        elif self._lane.changed:
            await database.execute(QUERIES.end_pause, gateway)
        elif now >= self._next_look:
            row = await (await database.execute(QUERIES.read_pause, gateway)).fetchone()
            if row is None:
                self._lane.reopen()
            else:
                self._lane.adopt(seconds=max(0.0, row[0]), reason=row[1], needs_help=row[2])
            self._next_look = now + POLL_SECONDS
        if self._lane.closed is closed:
            self._lane.changed = False

    async def _do_chores(self, database: Database) -> None:
        now = time.monotonic()
        for chore in self._chores:
            if now >= chore.next_at:
                changed = await _changed(await database.execute(chore.statement, chore.parameters))
                # A full chunk: there may be more rows.
                chore.next_at = now if changed >= CHUNK else now + chore.every

    async def _listen(self) -> None:
        while True:
            with suppress(psycopg.Error):
                async with _database(LISTENER_NAME) as database:
                    await database.execute("LISTEN sms_due")
                    self._wake.set()
                    async for _ in database.notifies():
                        self._wake.set()
            await asyncio.sleep(RECONNECT_SECONDS)


async def _changed(cursor: psycopg.AsyncCursor[tuple[Any, ...]]) -> int:
    """Return how many rows a chore has changed. A SELECT around its changes counts them."""
    row = await cursor.fetchone() if cursor.description else None
    return cursor.rowcount if row is None else int(row[0])


def _ago(moment: float | None, now: float) -> float | None:
    return None if moment is None else now - moment


@asynccontextmanager
async def _database(application_name: str) -> AsyncIterator[Database]:
    address = await asyncio.to_thread(conninfo, application_name)
    async with await psycopg.AsyncConnection.connect(address, autocommit=True, prepare_threshold=3) as database:
        await database.execute(BY_INDEX)
        yield database


def gateway_from_settings() -> Gateway:
    """Return the client that the settings describe: the stand-in if there is no API key, else Africa's Talking."""
    return Gateway(
        base_url=settings.AFRICAS_TALKING_API_URL,
        api_key=settings.AFRICAS_TALKING_API_KEY or "stand-in",
        username=settings.AFRICAS_TALKING_USERNAME,
        sender=settings.AFRICAS_TALKING_SENDER,
        send_seconds=settings.SMS_SEND_SECONDS,
    )


async def work() -> None:
    """Work until SIGTERM or Ctrl-C, then finish what is in flight."""
    async with gateway_from_settings() as gateway:
        worker = Worker(gateway, concurrency=settings.SMS_CONCURRENCY)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, worker.stop)
        await worker.run()
