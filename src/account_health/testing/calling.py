"""Calling: the server's tools for tests that do not await.

    with calling(Serving().connected(tmp_path)) as server:
        assert server.call("score_account", account="northwind").data["band"] == "yellow"

Any `mcp.Client` will do, so the command of a client's configuration can be tried as it stands there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult, Tool

Found = TypeVar("Found")


class ToolRefusedError(AssertionError):
    """A tool answered with an error; the message is what a model would have read."""


@dataclass(frozen=True)
class Answer:
    """What a tool answered."""

    result: CallToolResult
    """All of it."""

    @property
    def text(self) -> str:
        """The text, which is all that a model reads in many clients."""
        return "\n".join(block.text for block in self.result.content if block.type == "text")

    @property
    def data(self) -> dict[str, Any]:
        """The structured content; raises AssertionError for a tool that answers with text alone."""
        found = self.result.structured_content
        if not isinstance(found, dict):
            raise AssertionError(f"There is no structured content, only text: {self.text[:80]!r}")  # noqa: TRY004 - a test fails
        return found

    @property
    def wire(self) -> bytes:
        """The result as it travels."""
        return self.result.model_dump_json(by_alias=True, exclude_none=True).encode()


@dataclass(frozen=True)
class Caller:
    """A connected client whose answers are waited for."""

    client: Client
    portal: BlockingPortal

    def call(self, tool: str, /, **arguments: Any) -> Answer:
        """The answer of a tool; raises ToolRefusedError with its words if it is an error."""
        answer = Answer(self.ask(self.client.call_tool, tool, arguments))
        if answer.result.is_error:
            raise ToolRefusedError(answer.text)
        return answer

    def tools(self) -> dict[str, Tool]:
        """The tools on offer by name, in the order of the list."""
        return {tool.name: tool for tool in self.ask(self.client.list_tools).tools}

    def ask(self, method: Callable[..., Awaitable[Found]], *arguments: Any) -> Found:
        """What any other method of the client answers, e.g. `ask(client.read_resource, "health://policy")`."""
        return self.portal.call(method, *arguments)


@contextmanager
def calling(connection: AbstractAsyncContextManager[Client]) -> Iterator[Caller]:
    """A caller as long as the connection is open; it lives in a thread of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(connection) as client:
        yield Caller(client, portal)
