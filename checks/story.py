"""Plays a story to an MCP server with the official Python client: in both eras of the protocol,
over HTTP and over stdin and stdout.

    story.py self      --url URL --stdio COMMAND...   against the conformance fixtures
    story.py organizer --url URL --stdio COMMAND...   against EventOS

The bearer token comes from $EVENTOS_TOKEN. Each step prints a line; the last line is
`N passed, N failed`.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
# "auto" asks with server/discover first; the story insists below that it got the era it wanted.
MODES = {MODERN: "auto", LEGACY: "legacy"}

# How long one call may take.
PATIENCE = 30.0


class Failed(Exception):
    """A step did not go as the story says."""


class Person:
    """Whoever sits before the client: answers questions, and remembers them."""

    def __init__(self, *answers: dict | str) -> None:
        """Each answer is the content of a form, or "decline" or "cancel"."""
        self.answers = list(answers)
        self.questions: list[str] = []

    async def asked(self, _context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        self.questions.append(params.message)
        if not self.answers:
            return types.ElicitResult(action="cancel")
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            return types.ElicitResult(action=answer)
        return types.ElicitResult(action="accept", content=answer)


class Server:
    """One server by one transport and in one era."""

    def __init__(self, era: str, url: str | None = None, command: list[str] | None = None) -> None:
        self.era = era
        self.url = url
        self.command = command
        self.name = f"{'HTTP' if url else 'stdio'}, {era}"

    @contextlib.asynccontextmanager
    async def connect(self, person: Person | None = None) -> AsyncIterator[Client]:
        """A client; without a person it declares that it cannot ask questions."""
        async with contextlib.AsyncExitStack() as stack:
            if self.url:
                token = os.environ.get("EVENTOS_TOKEN")
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                http = await stack.enter_async_context(create_mcp_http_client(headers))
                server = streamable_http_client(self.url, http_client=http)
            else:
                # The client passes on only a few harmless variables unless told otherwise.
                server = StdioServerParameters(
                    command=self.command[0], args=self.command[1:], env=dict(os.environ)
                )
            client = await stack.enter_async_context(
                Client(
                    server,
                    mode=MODES[self.era],
                    read_timeout_seconds=PATIENCE,
                    elicitation_callback=person.asked if person else None,
                )
            )
            must(client.protocol_version == self.era, f"got the era {client.protocol_version}")
            yield client


def must(truth: object, otherwise: str) -> None:
    if not truth:
        raise Failed(otherwise)


def text_of(result: types.CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))


async def call(client: Client, tool: str, /, **arguments: object) -> dict:
    """The structured content of a call that must succeed."""
    result = await client.call_tool(tool, arguments)
    must(not result.is_error, f"{tool}: {text_of(result)}")
    must(isinstance(result.structured_content, dict), f"{tool} returned no structured content")
    return result.structured_content


async def refused(client: Client, tool: str, /, **arguments: object) -> str:
    """What a call that must fail says to the model."""
    result = await client.call_tool(tool, arguments)
    must(result.is_error, f"{tool} was not refused: {text_of(result)}")
    return text_of(result)


class Telling:
    """Counts the steps and prints them."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    async def step(self, name: str, does: Callable[[], Awaitable[None]]) -> None:
        started = time.monotonic()
        try:
            await asyncio.wait_for(does(), timeout=4 * PATIENCE)
        except BaseException as error:  # noqa: BLE001 - a group of errors is one failed step
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            self.failed += 1
            print(f"FAILED  {name}: {reason(error)}", flush=True)
        else:
            self.passed += 1
            print(f"ok      {name} ({time.monotonic() - started:.1f} s)", flush=True)

    def finish(self) -> int:
        print(f"{self.passed} passed, {self.failed} failed")
        return 0 if self.passed and not self.failed else 1


def reason(error: BaseException) -> str:
    """The innermost errors; the client wraps them in groups."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(reason(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"


async def tell_self(server: Server, telling: Telling) -> None:
    """What the plumbing above can do, shown on the conformance fixtures."""

    async def lists() -> None:
        async with server.connect() as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            must("greet" in tools, f"no greet among {tools}")

    async def calls() -> None:
        async with server.connect() as client:
            result = await client.call_tool("greet", {"name": "Ada"})
            must(text_of(result) == "Hello, Ada!", text_of(result))
            said = await refused(client, "test_error_handling")
            must("intentionally" in said, said)

    async def unknown() -> None:
        async with server.connect() as client:
            try:
                await client.call_tool("no_such_tool")
            except MCPError:
                return
            raise Failed("a tool that does not exist was called")

    async def asks() -> None:
        person = Person({"name": "Ada"} if server.era == MODERN else {"username": "ada", "email": ""})
        tool = "test_input_required_result_elicitation" if server.era == MODERN else "test_elicitation"
        async with server.connect(person) as client:
            result = await client.call_tool(tool, {"message": "Who are you?"})
            must(len(person.questions) == 1, f"asked {person.questions}")
            must("ada" in text_of(result).lower(), text_of(result))

    async def declines() -> None:
        person = Person("decline", {"ok": True})
        async with server.connect(person) as client:
            if server.era == MODERN:
                # This fixture asks again until somebody agrees.
                result = await client.call_tool("test_input_required_result_request_state", {})
                must(len(person.questions) == 2, f"asked {person.questions}")
                must("state-ok" in text_of(result), text_of(result))
            else:
                result = await client.call_tool("test_elicitation", {"message": "Who are you?"})
                must("action=decline" in text_of(result), text_of(result))

    for step in (lists, calls, unknown, asks, declines):
        await telling.step(f"{step.__name__} ({server.name})", step)


async def tell_organizer(server: Server, telling: Telling) -> None:
    """An organizer's whole story; told once the tools and their arguments exist."""
    raise NotImplementedError(f"the organizer's story is not written yet ({server.name})")


STORIES = {"self": tell_self, "organizer": tell_organizer}


async def main() -> int:
    parser = argparse.ArgumentParser(description="Plays a story to an MCP server.")
    parser.add_argument("story", choices=STORIES)
    parser.add_argument("--url")
    parser.add_argument("--stdio", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    telling = Telling()
    for era in MODES:
        if options.url:
            await STORIES[options.story](Server(era, url=options.url), telling)
        if options.stdio:
            await STORIES[options.story](Server(era, command=options.stdio), telling)
    return telling.finish()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
