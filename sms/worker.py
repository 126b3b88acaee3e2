"""The worker: claims due messages, sends many at a time, records what became of each. Any number of workers may run."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings

from savannah.logs import request_id
from savannah.sql import conninfo
from sms.gateway import Gateway, Reply, Says
from sms.outbox import LISTENER_NAME, QUERIES

logger = logging.getLogger(__name__)

SEND_SECONDS = 25.0
# Longer than the send deadline: nobody else claims what is still being sent.
LEASE_SECONDS = 60
FRESH_SECONDS = 10.0
UNKNOWN_HOLD_SECONDS = 120.0
POLL_SECONDS = 1.0
PAUSE_SECONDS = 15.0
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 120.0

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
class Sent:
    """A message and the gateway's reply."""

    message: Claimed
    reply: Reply
    asked_at: float
    answered_at: float

    @property
    def due_in(self) -> float:
        """Seconds until the message is looked at again; without meaning for a final state."""
        if self.reply.state == "unknown":
            return UNKNOWN_HOLD_SECONDS
        if self.reply.retry_after is not None:
            return self.reply.retry_after
        return float(min(FIRST_RETRY_SECONDS * 2 ** min(self.message.attempts - 1, 10), LAST_RETRY_SECONDS))


class Worker:
    """One worker process: `run()` until `stop()`, then finish what is in flight."""

    def __init__(self, gateway: Gateway, *, concurrency: int) -> None:
        self._gateway = gateway
        self._concurrency = concurrency
        self._in_flight: set[asyncio.Task[None]] = set()
        self._unsaved: list[Sent] = []
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._paused_until = 0.0

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is in flight is recorded."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Work until stopped; a database that goes away is waited for, however long it takes."""
        listening = asyncio.create_task(self._listen())
        while not self._finished():
            try:
                async with _database("savannah sms sender") as database:
                    await self._work(database)
            except psycopg.Error as error:
                logger.warning("the database does not answer (%s); trying again", type(error).__name__)
                await asyncio.sleep(0.5)
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening

    def _finished(self) -> bool:
        return self._stopping.is_set() and not self._in_flight and not self._unsaved

    async def _work(self, database: Database) -> None:
        while not self._finished():
            self._wake.clear()
            await self._save(database)
            claimed = await self._claim(database)
            if not claimed and not self._unsaved:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)

    async def _claim(self, database: Database) -> int:
        free = self._concurrency - len(self._in_flight)
        if self._stopping.is_set() or free <= 0 or time.monotonic() < self._paused_until:
            return 0
        cursor = await database.execute(
            QUERIES.claim_due,
            {
                "free": free,
                "reserved": self._concurrency // 4,
                "fresh_seconds": FRESH_SECONDS,
                "resend_unknown": True,
                "lease_seconds": LEASE_SECONDS,
            },
        )
        rows = await cursor.fetchall()
        for row in rows:
            task = asyncio.create_task(self._send(Claimed(*row)))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)
        return len(rows)

    async def _send(self, message: Claimed) -> None:
        # This task's own: what is logged from here on, and what the gateway is told.
        request_id.set(message.request_id)
        asked_at = time.monotonic()
        if message.opted_out:
            reply = Reply("cancelled", "the number has opted out")
        else:
            reply = await self._gateway.send(message.phone_number, message.body)
        if reply.reason:
            logger.warning("SMS %s: %s (%s)", message.id, reply.state, reply.reason)
        else:
            logger.info("SMS %s: %s", message.id, reply.state)
        if reply.says is Says.REFUSES and time.monotonic() >= self._paused_until:
            logger.error("SMS are paused for %.0f s: %s", PAUSE_SECONDS, reply.reason)
            self._paused_until = time.monotonic() + PAUSE_SECONDS
        self._unsaved.append(Sent(message, reply, asked_at, time.monotonic()))
        self._wake.set()

    async def _save(self, database: Database) -> None:
        batch = list(self._unsaved)
        if not batch:
            return
        now = time.monotonic()
        await database.execute(
            QUERIES.record_outcomes,
            {
                "ids": [sent.message.id for sent in batch],
                "numbers": [sent.message.attempts for sent in batch],
                "states": [sent.reply.state for sent in batch],
                "due_in": [sent.due_in for sent in batch],
                "provider_ids": [sent.reply.provider_message_id for sent in batch],
                "costs": [sent.reply.cost for sent in batch],
                "reasons": [sent.reply.reason for sent in batch],
                "http_statuses": [sent.reply.http_status for sent in batch],
                "asked_ago": [now - sent.asked_at for sent in batch],
                "answered_ago": [now - sent.answered_at for sent in batch],
            },
        )
        # Dropped only once committed: when the database went away in between, they are written again.
        del self._unsaved[: len(batch)]

    async def _listen(self) -> None:
        while True:
            try:
                async with _database(LISTENER_NAME) as database:
                    await database.execute("LISTEN sms_due")
                    self._wake.set()
                    async for _ in database.notifies():
                        self._wake.set()
            except psycopg.Error:
                await asyncio.sleep(0.5)


@asynccontextmanager
async def _database(application_name: str) -> AsyncIterator[Database]:
    address = await asyncio.to_thread(conninfo, application_name)
    async with await psycopg.AsyncConnection.connect(address, autocommit=True, prepare_threshold=3) as database:
        yield database


def gateway_from_settings() -> Gateway:
    """Return the client that the settings describe: the stand-in without an API key, else Africa's Talking."""
    return Gateway(
        base_url=settings.AFRICAS_TALKING_API_URL,
        api_key=settings.AFRICAS_TALKING_API_KEY or "stand-in",
        username=settings.AFRICAS_TALKING_USERNAME,
        sender=settings.AFRICAS_TALKING_SENDER,
        send_seconds=SEND_SECONDS,
    )
