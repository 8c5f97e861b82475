"""A question that nobody waits for any more: the systems it was put to are left alone, and everybody else is served."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import httpx2
import pytest

from doors import Wire, wired
from holding import FREE, HELD, PATIENCE, billing
from over_http import HEADERS, LEGACY, MODERN, question, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from anyio.abc import TaskGroup

pytestmark = pytest.mark.anyio

SLOW: dict[str, dict[str, Any]] = {"score_account": {"account": HELD}, "list_at_risk_accounts": {}}
"""What asks the billing system about an account that it holds, or about all."""


class Door(Protocol):
    """A client of a server process."""

    async def put(self, tool: str, **arguments: Any) -> Callable[[], Awaitable[None]]:
        """Calls a tool without waiting for its answer; returns how to give that up."""

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of a tool."""


@dataclass
class OverHttp:
    """Every question over a connection of its own, and who gives it up goes away."""

    url: str
    group: TaskGroup
    version: str

    async def put(self, tool: str, **arguments: Any) -> Callable[[], Awaitable[None]]:
        """Sends the question from a client that can be made to leave."""
        scope, gone = anyio.CancelScope(), anyio.Event()

        async def wait_in_vain() -> None:
            with scope:
                await self.ask(tool, **arguments)
                pytest.fail("The question was answered although nothing was let through.")
            gone.set()

        async def leave() -> None:
            scope.cancel()
            await gone.wait()

        self.group.start_soon(wait_in_vain)
        return leave

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Sends the question and reads its answer."""
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            return result((await client.post(self.url, **question(tool, arguments, self.version))).text)


@dataclass
class InSession:
    """A session of the older era, in which who gives a question up says so over another connection."""

    client: httpx2.AsyncClient
    url: str
    group: TaskGroup
    session: dict[str, str] = field(default_factory=dict)
    sent: int = 0

    async def open(self) -> None:
        """Opens the session."""
        client = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        answer = await self.client.post(self.url, json=plain("initialize", 0, **client), headers=HEADERS)
        self.session = {"mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": LEGACY}
        await self._send(plain("notifications/initialized"))

    async def put(self, tool: str, **arguments: Any) -> Callable[[], Awaitable[None]]:
        """Sends the question and goes on listening."""
        self.sent += 1
        self.group.start_soon(self._send, plain("tools/call", self.sent, name=tool, arguments=arguments))
        return partial(self._give_up, self.sent)

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Sends the question and reads its answer."""
        self.sent += 1
        return result(await self._send(plain("tools/call", self.sent, name=tool, arguments=arguments)))

    async def _give_up(self, number: int) -> None:
        await self._send(plain("notifications/cancelled", requestId=number))

    async def _send(self, message: dict[str, Any]) -> str:
        answer = await self.client.post(self.url, json=message, headers=HEADERS | self.session)
        assert answer.is_success, answer.text
        return answer.text


@dataclass
class OverStdio:
    """One line to the process for everything; the older era introduces itself first."""

    wire: Wire
    version: str
    sent: int = 0
    given_up: set[int] = field(default_factory=set)

    async def open(self) -> None:
        """Introduces itself where that is done."""
        if self.version == LEGACY:
            client = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
            await self._send(plain("initialize", 0, **client))
            await self.wire.answer(0)
            await self._send(plain("notifications/initialized"))

    async def put(self, tool: str, **arguments: Any) -> Callable[[], Awaitable[None]]:
        """Sends the question."""
        self.sent += 1
        await self._send(plain("tools/call", self.sent, name=tool, arguments=arguments))
        return partial(self._give_up, self.sent)

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Sends the question and reads up to its answer; what was given up must have no result."""
        await self.put(tool, **arguments)
        while (answer := await self.wire.next()).get("id") != self.sent:
            assert answer.get("id") not in self.given_up or "result" not in answer
        return dict(answer["result"])

    async def _give_up(self, number: int) -> None:
        self.given_up.add(number)
        await self._send(plain("notifications/cancelled", requestId=number))

    async def _send(self, message: dict[str, Any]) -> None:
        if self.version == MODERN:
            meta = {"protocolVersion": MODERN, "clientCapabilities": {}}
            message["params"]["_meta"] = {f"io.modelcontextprotocol/{key}": value for key, value in meta.items()}
        await self.wire.send(json.dumps(message).encode())


def plain(method: str, number: int | None = None, **params: Any) -> dict[str, Any]:
    """A message of the older era; without a number it is one that has no answer."""
    return {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})


def result(text: str) -> dict[str, Any]:
    """The result in an answer, which stands by itself or in a stream of events."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith(("{", "data: {"))]
    (found,) = [answer["result"] for answer in map(json.loads, lines) if "result" in answer]
    return dict(found)


@asynccontextmanager
async def over_http(configuration: Path, here: Path, version: str) -> AsyncIterator[Door]:
    async with (
        served("--config", str(configuration), here=here) as url,
        anyio.create_task_group() as group,
    ):
        yield OverHttp(url, group, version)
        group.cancel_scope.cancel()


@asynccontextmanager
async def in_session(configuration: Path, here: Path, version: str) -> AsyncIterator[Door]:
    assert version == LEGACY
    async with (
        served("--config", str(configuration), here=here) as url,
        httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as client,
        anyio.create_task_group() as group,
    ):
        session = InSession(client, url, group)
        await session.open()
        yield session
        group.cancel_scope.cancel()


@asynccontextmanager
async def over_stdio(configuration: Path, here: Path, version: str) -> AsyncIterator[Door]:
    async with wired("serve", "--config", str(configuration), here=here) as wire:
        line = OverStdio(wire, version)
        await line.open()
        yield line
        assert await wire.hang_up() == 0


@pytest.mark.parametrize(
    ("opened", "version"),
    [(over_http, MODERN), (over_http, LEGACY), (in_session, LEGACY), (over_stdio, MODERN), (over_stdio, LEGACY)],
    ids=["HTTP, new era", "HTTP, older era", "HTTP, session", "stdio, new era", "stdio, older era"],
)
async def test_a_question_that_is_given_up_leaves_the_systems_it_was_put_to_while_others_are_answered(
    opened: Callable[[Path, Path, str], AbstractAsyncContextManager[Door]], version: str, tmp_path: Path
) -> None:
    async with billing() as system, opened(system.known_to(tmp_path), tmp_path, version) as door:
        for tool, arguments in SLOW.items():
            give_up = await door.put(tool, **arguments)
            await system.wait_until_held()
            assert answers_about(await door.ask("score_account", account=FREE)) == FREE
            assert system.held > 0, "the others were answered meanwhile"
            await give_up()
            await system.wait_until_left()

            asked = system.asked
            assert answers_about(await door.ask("score_account", account=FREE)) == FREE
            assert system.asked == asked, "nobody asks on for a question that was given up"


async def test_who_waits_for_the_same_answer_gets_it_although_the_one_who_asked_first_has_left(tmp_path: Path) -> None:
    async with billing() as system, AsyncExitStack() as stack:
        door = await stack.enter_async_context(over_http(system.known_to(tmp_path), tmp_path, MODERN))
        leave = await door.put("score_account", account=HELD)
        await system.wait_until_held()
        asked_first = system.asked
        found: list[str] = []

        async def wait() -> None:
            found.append(answers_about(await door.ask("score_account", account=HELD)))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await door.ask("score_account", account=FREE)
            assert system.asked == asked_first, "both wait for one answer"
            await leave()
            await system.wait_until_asked(asked_first + 1)
            system.let_answer()
        assert found == [HELD]


async def test_who_asked_first_gets_the_answer_although_another_who_waited_for_it_has_left(tmp_path: Path) -> None:
    async with billing() as system, over_http(system.known_to(tmp_path), tmp_path, MODERN) as door:
        found: list[str] = []

        async def ask() -> None:
            found.append(answers_about(await door.ask("score_account", account=HELD)))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await system.wait_until_held()
            leave = await door.put("score_account", account=HELD)
            await door.ask("score_account", account=FREE)
            await leave()
            await door.ask("score_account", account=FREE)
            assert system.held == system.asked, "nothing was given up, and nothing asked twice"
            system.let_answer()
        assert found == [HELD]


def answers_about(found: dict[str, Any]) -> str:
    """The account of an assessment."""
    assert not found["isError"], found
    return str(found["structuredContent"]["account"]["id"])
