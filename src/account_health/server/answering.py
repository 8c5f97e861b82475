"""Answering: how tools are made and how they answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mcp.types import CallToolResult, TextContent, ToolAnnotations

from account_health.server.strict import StrictTool

if TYPE_CHECKING:
    from collections.abc import Callable

    from account_health.published import Published


def structured(answer: Published) -> CallToolResult:
    """The answer as structured content, and the same as compact JSON text for clients that read only text."""
    facts = answer.as_json()
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=facts)


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
