"""Peer (a): FastAPI, asyncpg, orjson and aiohttp by hand, on the service's own tables.

Each request costs as few round trips as asyncpg allows: the token's look-up, and one statement that does the work. All
are prepared (asyncpg's statement cache). Environment: DSN (a libpq folder), GATEWAY_URL (none: no SMS is sent),
POOL_SIZE (per process).
"""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import aiohttp
import asyncpg
import orjson
from fastapi import Body, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from benchmarks.peers.statements import statement, with_values

GATEWAY_URL = os.environ.get("GATEWAY_URL", "")

FIND_BEARER = with_values(statement("accounts", "find_bearer"), checksum="$1", default_role="'manager'").rstrip(";")

# The order and its SMS in one statement, hence in one transaction. `attempts` 1 and `due_at` infinity keep the worker
# of the service, which runs on the same database, away from the SMS.
PLACE_ORDER = """
WITH customer AS (
    SELECT * FROM customers WHERE code = $1
), placed AS (
    INSERT INTO orders (customer_id, item, amount) SELECT customer.id, $2, $3::numeric FROM customer
    RETURNING *
), queued AS (
    INSERT INTO sms_messages (order_id, phone_number, body, state, attempts, due_at)
    SELECT placed.id, customer.phone_number,
           format('Hello %s! Your order for %s worth KES %s has been received. Thank you!',
                  customer.name, placed.item, placed.amount),
           $4, 1, 'infinity'
    FROM placed, customer
    RETURNING id, body
)
SELECT placed.id, placed.item, placed.amount, placed.order_time, placed.created_at, placed.customer_id,
       customer.code, customer.name, customer.phone_number, queued.id AS sms_id, queued.body, acting($5)
FROM placed, customer, queued
"""

RECORD_SMS = """
UPDATE sms_messages SET state = 'accepted', due_at = NULL, provider_message_id = $2, cost = $3, updated_at = now()
WHERE id = $1
"""

ORDER = """
SELECT o.id, o.item, o.amount, o.order_time, o.created_at, o.customer_id, c.code, c.name, c.phone_number
FROM orders o JOIN customers c ON c.id = o.customer_id
"""
GET_ORDER = f"{ORDER} WHERE o.id = $1"
LIST_ORDERS = f"{ORDER} ORDER BY o.created_at DESC, o.id DESC"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pools once per process."""
    size = int(os.environ.get("POOL_SIZE", "16"))
    app.state.gateway = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        headers={"apiKey": "benchmark", "Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    # max_inactive 0: no connection is closed and opened again between rounds.
    async with asyncpg.create_pool(
        os.environ["DSN"], min_size=size, max_size=size, max_inactive_connection_lifetime=0, reset=_keep
    ) as app.state.pool:
        yield
    await app.state.gateway.close()


async def _keep(connection: asyncpg.Connection) -> None:
    """Do nothing, which saves the round trip of RESET ALL: no statement here changes session state."""


app = FastAPI(lifespan=lifespan, openapi_url=None)


async def caller(request: Request) -> tuple[str, bool, list[str]]:
    """Authenticate: look the token up for each request, cache nothing."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise HTTPException(401, "Authentication credentials were not provided.")
    row = await app.state.pool.fetchrow(FIND_BEARER, hashlib.sha256(token.strip().encode()).hexdigest())
    if row is None:
        raise HTTPException(401, "Authentication credentials were not provided.")
    actor = orjson.dumps({"id": row[0], "name": row[1], "client": row[4]}).decode()
    return actor, row[2], row[6]


def require(who: tuple[str, bool, list[str]], right: str) -> None:
    """Refuse a caller whose role does not give the right."""
    if not (who[1] or right in who[2]):
        raise HTTPException(403, f"You need the right {right}, and your role does not give it.")


class NewOrder(BaseModel):
    """The fields of a new order, with the service's rules."""

    model_config = ConfigDict(extra="forbid")
    customer_code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
    item: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    amount: Annotated[Decimal, Field(gt=0, max_digits=10, decimal_places=2)]


def document(row: asyncpg.Record) -> dict[str, Any]:
    """Return an order as the API shows it."""
    return {
        "id": row[0],
        "item": row[1],
        "amount": str(row[2]),
        "order_time": row[3],
        "created_at": row[4],
        "customer_id": row[5],
        "customer_code": row[6],
        "customer_name": row[7],
        "customer_phone": row[8],
    }


def answer(data: Any, status: int = 200) -> Response:
    """Answer in JSON with orjson, without FastAPI's own serialisation."""
    body = orjson.dumps(data, option=orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_SUBCLASS, default=str)
    return Response(body, status, media_type="application/json")


Who = Annotated[tuple[str, bool, list[str]], Depends(caller)]


@app.post("/api/orders/")
async def place_order(order: Annotated[NewOrder, Body()], who: Who) -> Response:
    """Record the order and its SMS, commit, call the gateway within the request, and record its answer."""
    require(who, "orders.add_order")
    state = "sending" if GATEWAY_URL else "queued"
    row = await app.state.pool.fetchrow(PLACE_ORDER, order.customer_code, order.item, order.amount, state, who[0])
    if row is None:
        raise HTTPException(404, "Customer not found")
    if GATEWAY_URL:
        form = {"username": "sandbox", "bulkSMSMode": "1", "to": row[8], "message": row["body"]}
        async with app.state.gateway.post(f"{GATEWAY_URL}/version1/messaging", data=form) as reply:
            recipient = orjson.loads(await reply.read())["SMSMessageData"]["Recipients"][0]
        await app.state.pool.execute(RECORD_SMS, row["sms_id"], recipient["messageId"], recipient["cost"])
        state = "accepted"
    return answer({**document(row), "sms_sent": state == "accepted", "sms_status": state}, 201)


@app.get("/api/orders/{order_id}/")
async def get_order(order_id: UUID, who: Who) -> Response:
    """Get one order."""
    require(who, "orders.view_order")
    row = await app.state.pool.fetchrow(GET_ORDER, order_id)
    if row is None:
        raise HTTPException(404, "Order not found")
    return answer(document(row))


@app.get("/api/orders/")
async def list_orders(who: Who) -> StreamingResponse:
    """Stream all orders from a server-side cursor."""
    require(who, "orders.view_order")
    return StreamingResponse(_array(), media_type="application/json")


async def _array() -> AsyncIterator[bytes]:
    option = orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_SUBCLASS
    async with app.state.pool.acquire() as connection, connection.transaction(readonly=True):
        cursor = await connection.cursor(LIST_ORDERS)
        start = b"["
        while rows := await cursor.fetch(1000):
            yield start + orjson.dumps([document(row) for row in rows], option=option, default=str)[1:-1]
            start = b","
    yield b"]" if start == b"," else b"[]"
