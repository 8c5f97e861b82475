"""Answering: how tools are made and how they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import quote

from mcp.types import CallToolResult, ResourceLink, ToolAnnotations

from account_health.language import say
from account_health.markup import visible
from account_health.server.limits import MOST_BYTES, answer, fits, weight
from account_health.server.strict import StrictTool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from account_health.published import Published

Detail = Literal["detailed", "concise"]
_NAME_CHARACTERS = 80


class Listed(Protocol):
    """An account in a list."""

    id: str
    name: str


def structured(found: Published, response_format: Detail = "detailed") -> CallToolResult:
    """The answer as structured content, and the same as compact JSON text for clients that read only text."""
    return answer(found.as_json(concise=response_format == "concise"))


async def paged(
    ask: Callable[[int], Awaitable[Published]],
    limit: int,
    *,
    response_format: Detail = "detailed",
    linked: Callable[[Any], Sequence[Listed]] = lambda _: (),
) -> CallToolResult:
    """A page of at most `limit` items, or of as many as fit into an answer, which then says so.

    After a detailed answer come links to the summaries of the accounts that `linked` finds in it; they carry no fact
    that it has not.
    """
    is_concise = response_format == "concise"

    async def page(most: int, *told: str) -> CallToolResult:
        found = await ask(most)
        facts = found.as_json(concise=is_concise)
        if told:
            facts["notices"] = [*facts.get("notices", ()), *told]
        return answer(facts, () if is_concise else tuple(map(_link, linked(found))))

    most, result = limit, await page(limit)
    while most > 1 and not fits(result):
        most = max(1, min(most - 1, most * MOST_BYTES // weight(result)))
        told = say("Only {n} at a time fit into {kilobytes} KB.", n=most, kilobytes=MOST_BYTES // 1000)
        result = await page(most, told)
    return result


def _link(account: Listed) -> ResourceLink:
    """Where the summary of an account can be read."""
    return ResourceLink(
        type="resource_link",
        uri=f"health://accounts/{quote(account.id, safe='')}/summary",
        name=visible(account.name, _NAME_CHARACTERS),
        mime_type="text/markdown",
    )


def reading(
    title: str, tool: Callable[..., Any], *, asks_sources: bool = True, records: bool = False, **options: Any
) -> StrictTool:
    """A tool that changes nothing outside; with `records` it may add to the history."""
    hints = ToolAnnotations(
        read_only_hint=not records, destructive_hint=False, idempotent_hint=True, open_world_hint=asks_sources
    )
    return StrictTool.from_function(tool, title=title, annotations=hints, **options)


def writing(
    title: str, tool: Callable[..., Any], confirmed: Callable[..., Any] | None, *, overwrites: bool = False
) -> StrictTool:
    """A tool that writes something; with `confirmed`, the function that does it once a person has said yes.

    Either nothing that was written before is lost, or it `overwrites`, which to repeat changes nothing more.
    """
    hints = ToolAnnotations(
        read_only_hint=False, destructive_hint=overwrites, idempotent_hint=overwrites, open_world_hint=True
    )
    described: dict[str, Any] = {"name": tool.__name__, "description": tool.__doc__}
    return StrictTool.from_function(confirmed or tool, title=title, annotations=hints, **described)
