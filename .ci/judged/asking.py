"""Fixtures of the handshake era: tools that notify or ask the client while they run, and streams to take up again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from mcp.server.mcpserver import Context  # noqa: TC002 - the SDK reads annotations when it builds a tool
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.types import (
    EmptyResult,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel, Field, JsonValue, create_model

from account_health.server.desk import Desk  # noqa: TC001 - the SDK reads annotations when it builds a tool

if TYPE_CHECKING:
    from mcp.server import MCPServer, ServerRequestContext
    from mcp.server.mcpserver import ElicitationResult
    from mcp.server.streamable_http import EventCallback, EventId, StreamId
    from mcp.types import JSONRPCMessage

A_MOMENT = 0.05
"""Long enough for a client to see one thing after the other."""


class MemoryEvents(EventStore):
    """Remembers every event, so that a broken stream can be taken up again."""

    def __init__(self) -> None:
        self._log: list[tuple[StreamId, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        """Keeps the event under its number."""
        self._log.append((stream_id, message))
        return str(len(self._log))

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        """Sends what came after an event in its stream; an unknown event has no stream."""
        last = int(last_event_id) if last_event_id.isdecimal() else 0
        if not 0 < last <= len(self._log):
            return None
        wanted = self._log[last - 1][0]
        for number, (stream, message) in enumerate(self._log[last:], last + 1):
            if stream == wanted and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return wanted


class Response(BaseModel):
    """One free answer."""

    response: str = Field(description="User's response")


class Defaults(BaseModel):
    """A default of every type."""

    name: str = Field("John Doe", description="User name")
    age: int = Field(30, description="User age")
    score: float = Field(95.5, description="User score")
    status: str = Field(
        "active", description="User status", json_schema_extra={"enum": ["active", "inactive", "pending"]}
    )
    verified: bool = Field(default=True, description="Verification status")


THREE = ("1", "2", "3")
OPTIONS: list[JsonValue] = [f"option{n}" for n in THREE]
TITLED: list[JsonValue] = [{"const": f"value{n}", "title": f"Option {n}"} for n in THREE]
OLD_WAY: dict[str, JsonValue] = {
    "enum": [f"opt{n}" for n in THREE],
    "enumNames": ["Option One", "Option Two", "Option Three"],
}
Choices = create_model(
    "Choices",
    untitledSingle=(str, Field(json_schema_extra={"enum": OPTIONS})),
    titledSingle=(str, Field(json_schema_extra={"oneOf": TITLED})),
    legacyEnum=(str, Field(json_schema_extra=OLD_WAY)),
    untitledMulti=(list[str], Field(json_schema_extra={"items": {"type": "string", "enum": OPTIONS}})),
    titledMulti=(list[str], Field(json_schema_extra={"items": {"anyOf": TITLED}})),
)
"""Every way to offer a choice."""


async def test_tool_with_logging(ctx: Context[Desk]) -> str:
    """Logs three times."""
    for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(text)
        await anyio.sleep(A_MOMENT)
    return "ok"


async def test_tool_with_progress(ctx: Context[Desk]) -> str:
    """Reports progress three times."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100, f"{done} of 100")
        await anyio.sleep(A_MOMENT)
    return "ok"


async def test_sampling(prompt: str, ctx: Context[Desk]) -> str:
    """Asks the client's model."""
    asked = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message(messages=[asked], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {answer.content.text if isinstance(answer.content, TextContent) else answer.content}"


async def test_elicitation(message: str, ctx: Context[Desk]) -> str:
    """Asks a person."""
    return f"User response: {_told(await ctx.elicit(message, Response))}"


async def test_elicitation_sep1034_defaults(ctx: Context[Desk]) -> str:
    """Asks a person, with defaults."""
    return f"Elicitation completed: {_told(await ctx.elicit('Please provide user information', Defaults))}"


async def test_elicitation_sep1330_enums(ctx: Context[Desk]) -> str:
    """Asks a person, with choices."""
    return f"Elicitation completed: {_told(await ctx.elicit('Please choose', Choices))}"


async def test_reconnection(ctx: Context[Desk]) -> str:
    """Closes its stream before it answers."""
    await ctx.close_sse_stream()
    await anyio.sleep(4 * A_MOMENT)
    return "Reconnection test completed"


def _told(answer: ElicitationResult[BaseModel]) -> str:
    content = answer.data.model_dump_json() if answer.action == "accept" else "{}"
    return f"action={answer.action}, content={content}"


async def _agreed(_ctx: ServerRequestContext[Desk], _params: object) -> EmptyResult:
    return EmptyResult()


def add_asking(server: MCPServer[Desk]) -> None:
    """Adds the tools of this module, and what the suite's older clients send that the product does not serve."""
    for tool in (
        test_tool_with_logging,
        test_tool_with_progress,
        test_sampling,
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
        test_reconnection,
    ):
        server.add_tool(tool)
    older = server._lowlevel_server  # noqa: SLF001 - the SDK's public surface leaves these methods out
    older.add_request_handler("logging/setLevel", SetLevelRequestParams, _agreed)
    older.add_request_handler("resources/subscribe", SubscribeRequestParams, _agreed)
    older.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, _agreed)
