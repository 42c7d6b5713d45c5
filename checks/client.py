"""What the stories have in common: a server in one era and by one transport, the person before the client, calls
that must succeed or be refused, and the telling of steps.
"""

import asyncio
import contextlib
import os
import re
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from mcp import Client, StdioServerParameters, types
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

    def __init__(
        self, era: str, office: list[str], url: str | None = None, command: list[str] | None = None
    ) -> None:
        self.era = era
        self.office = office
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


# What every refusal ends in, for programs; a sentence that says what to do stands before it.
MACHINE = re.compile(r'^\{"code":"([a-z_]+)","kind":"[a-z_]+"(,"field":"[^"]*")?\}$')


class Teller:
    """Somebody who works with one server."""

    def __init__(self, server: Server, mark: str) -> None:
        self.server = server
        self.mark = mark

    async def refuses(self, client: Client, tool: str, code: str, /, **arguments: object) -> None:
        """A call that must be refused with a code, what happened, and what to do next."""
        said = (await refused(client, tool, **arguments)).splitlines()
        machine = MACHINE.match(said[-1])
        must(machine, f"{tool}: the last line is not for programs: {said[-1]}")
        must(machine[1] == code, f"{tool} refused with {machine[1]}, not {code}: {said[0]}")
        must(len(said) >= 3, f"{tool} does not say what to do next: {said}")

    async def searched(self, client: Client, door: str, tool: str, /, **arguments: object) -> dict:
        return await call(client, door, tool=tool, arguments=arguments)

    async def approved(self, client: Client, tool: str, /, **arguments: object) -> dict:
        """Calls what a person must decide about, lets the person in the office approve it, and waits until it is done."""
        asked = await call(client, tool, **arguments)
        must("approval" in asked, f"{tool} asked nobody: {asked}")
        approval = asked["approval"]["id"]
        must(asked["approval"]["status"] == "pending" and asked["approval"]["preview"], str(asked))
        must("token" not in str(asked).lower() and "http" not in str(asked), f"the model holds a way to decide: {asked}")
        # No tool decides, listed or not.
        found = await call(client, "search_tools", query="approve reject decide approval")
        names = [found_tool["name"] for found_tool in found["tools"]]
        must("get_approval" in names and "decide_approval" not in names, str(names))
        await refused(client, "run_write_tool", tool="decide_approval", arguments={"approval": approval, "decision": "approve"})
        said = await asyncio.to_thread(
            subprocess.run, [*self.server.office, approval], capture_output=True, text=True, timeout=PATIENCE
        )
        must(said.returncode == 0, f"the office: {said.stdout}{said.stderr}")
        done = await self.searched(client, "run_read_tool", "get_approval", approval=approval)
        must(done["status"] == "done", str(done))
        return done
