"""The peer: a FastMCP server with `get_event` and `list_orders`, asking through asyncpg what EventOS asks.

Set up as fast as it goes: one round trip to begin, prepared statements, no reset between uses of a connection,
stateless HTTP with plain JSON answers, no access log.

    fastmcp_server.py QUERIES.json [PORT]       without a port: standard input and output
"""

import json
import sys
from contextlib import asynccontextmanager

import asyncpg
from fastmcp import FastMCP

with open(sys.argv[1], encoding="utf-8") as file:
    QUERIES = json.load(file)

pool: asyncpg.Pool


async def no_reset(_connection):
    """The transaction has ended and took its settings with it."""


@asynccontextmanager
async def lifespan(_server):
    global pool
    async with asyncpg.create_pool(QUERIES["url"], min_size=1, max_size=16, reset=no_reset) as pool:
        yield


@asynccontextmanager
async def transaction():
    async with pool.acquire() as connection:
        await connection.execute(QUERIES["opening"])
        try:
            yield connection
        finally:
            await connection.execute("rollback")


server = FastMCP("peer", lifespan=lifespan)


@server.tool
async def get_event(event: str) -> dict:
    """One event with its ticket types, how many are left, and what was sold so far."""
    async with transaction() as connection:
        row = await connection.fetchrow(QUERIES["event"], event)
        offers = await connection.fetch(QUERIES["offers"], row["id"], None)
        totals = await connection.fetchrow(QUERIES["totals"], row["id"])
    types = [dict(offer) for offer in offers]
    return {"event": dict(row), "ticket_types": types, "totals": dict(totals)}


@server.tool
async def list_orders(limit: int = 50) -> dict:
    """Orders, newest first."""
    async with transaction() as connection:
        rows = await connection.fetch(QUERIES["orders"], *[None] * 7, limit + 1, True)
    return {"items": [dict(row) for row in rows[:limit]], "has_more": len(rows) > limit}


if len(sys.argv) > 2:
    server.run(
        transport="http",
        host="127.0.0.1",
        port=int(sys.argv[2]),
        show_banner=False,
        stateless_http=True,
        json_response=True,
        log_level="warning",
        uvicorn_config={"access_log": False},
    )
else:
    server.run(transport="stdio", show_banner=False, log_level="warning")
