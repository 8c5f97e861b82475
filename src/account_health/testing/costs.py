"""Costs: how many bytes of a model's context each tool takes, measured on the demo, whose answers never change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median_low
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mcp import Client

from account_health.config import DEMO, SourceConfig
from account_health.server import create_server
from account_health.testing.calling import Answer
from account_health.testing.serving import DEMO_DAY, Serving, clock_on

if TYPE_CHECKING:
    from mcp.types import ListToolsResult, Tool

_NEED_A_HISTORY = {"explain_change", "list_health_changes"}
_RECORDED = ("2026-10-21", "2026-11-20")
_SUPPLIED = {"metrics": {"nps_latest": 9, "overdue_invoices": 0, "escalations_90d": 1}, "as_of": DEMO_DAY}


@dataclass(frozen=True)
class ToolCost:
    """The bytes of one tool."""

    tool: str
    entry: int
    """Its entry in the list of tools."""
    text: int = 0
    """The text of its answer; 0 where it was not called, because it writes."""
    whole: int = 0
    """The whole answer as it travels: text, structured content and what is for the host alone."""


@dataclass(frozen=True)
class ToolCosts:
    """The bytes of all tools."""

    listed: int
    """The list of tools of a server that only reads, whole."""
    tools: Sequence[ToolCost]


async def tool_costs() -> ToolCosts:
    """What the tools cost: of those that read also an answer, about one account the middle one of all accounts."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True)))
        fresh = await stack.enter_async_context(Serving().connected(folder / "fresh"))
        kept = await stack.enter_async_context(Serving(recorded=_RECORDED).connected(folder / "kept"))
        writing = await stack.enter_async_context(Client(_writing_server()))
        listed = await fresh.list_tools()
        reading = {tool.name for tool in listed.tools}
        found = Answer(await fresh.call_tool("find_accounts", {"limit": 100})).data["accounts"]
        costs = []
        for tool in (await writing.list_tools()).tools:
            cost = ToolCost(tool.name, _size(tool))
            if tool.name in reading:
                client = kept if tool.name in _NEED_A_HISTORY else fresh
                asked = list(_questions(tool, [account["id"] for account in found]))
                cost = await _answered(cost, client, asked, str(folder))
            costs.append(cost)
    return ToolCosts(_size(listed), costs)


async def _answered(cost: ToolCost, client: Client, questions: Sequence[dict[str, Any]], folder: str) -> ToolCost:
    """The same cost with those of the middle answer; the folder, which is another each time, takes no bytes."""
    answers = [Answer(await client.call_tool(cost.tool, question)) for question in questions]
    refused = [answer.text for answer in answers if answer.result.is_error]
    if refused:
        raise ValueError(f"{cost.tool} needs arguments that the table of costs does not give it: {refused[0]}")
    told = [(answer.wire, answer.text.encode()) for answer in answers]
    whole, text = median_low([tuple(len(part.replace(folder.encode(), b"")) for part in parts) for parts in told])
    return replace(cost, text=text, whole=whole)


def _questions(tool: Tool, accounts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """With the default arguments: one question, or one about each account."""
    wanted = tool.input_schema.get("required", ())
    if "metrics" in wanted:
        yield _SUPPLIED
    elif "account" in wanted:
        yield from ({"account": account} for account in accounts)
    else:
        yield {}


def _writing_server() -> Any:
    """A server of the demo that offers every tool there is; none of those that write is called."""
    target = SourceConfig("intacct", "intacct", {})
    config = replace(DEMO, as_of=DEMO_DAY, writes="confirm", publish=(target,))
    return create_server(lambda: config, clock_on(DEMO_DAY, "UTC"))


def _size(part: Tool | ListToolsResult) -> int:
    return len(part.model_dump_json(by_alias=True, exclude_none=True).encode())
