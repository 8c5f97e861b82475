"""Limits: no answer is larger than a model can take in, and one that was cut to fit says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mcp.types import CallToolResult, TextContent

from account_health.language import figure, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp.types import ContentBlock

MOST_BYTES = 100_000
"""Of one result as it travels: text, structured content and what only the host reads."""
_NOTICES = "notices"
_ROOM = 1_000
"""For what is said about the cut."""


def compact(facts: Any) -> str:
    """JSON without blanks, in UTF-8."""
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def weight(result: CallToolResult) -> int:
    """Bytes of a result as it travels."""
    return len(compact(result.model_dump(mode="json", by_alias=True, exclude_none=True)).encode())


def answer(facts: dict[str, Any], links: tuple[ContentBlock, ...] = ()) -> CallToolResult:
    """Facts as structured content and as the same JSON in text, for clients that read only text; links follow."""
    content: list[ContentBlock] = [TextContent(type="text", text=compact(facts)), *links]
    return CallToolResult(content=content, structured_content=facts)


def within_limits(result: CallToolResult) -> CallToolResult:
    """The result, cut until it fits: of data the longest lists, of text its end; a notice or a last line says what.

    What only the host reads goes first.
    """
    if fits(result):
        return result
    if result.meta:
        return within_limits(result.model_copy(update={"meta": None}))
    facts = result.structured_content
    if not isinstance(facts, dict):
        texts = [block.text for block in result.content if isinstance(block, TextContent)]
        return result.model_copy(update={"content": [TextContent(type="text", text=cut_text("\n".join(texts)))]})
    links = tuple(block for block in result.content if not isinstance(block, TextContent))
    return answer(_cut(facts, links), links)


def cut_text(text: str) -> str:
    """The text, or as many of its first lines as fit, and a last one that says that it was cut."""
    if len(text.encode()) <= MOST_BYTES:
        return text
    kept = text.encode()[: MOST_BYTES - _ROOM].decode(errors="ignore")
    kept = kept[: kept.rfind("\n") + 1] or kept
    told = _shortened(say("this text"))
    return f"{kept}\n{told}\n"


def fits(result: CallToolResult) -> bool:
    """Whether a result may travel as it is."""
    return _surely_fits(result) or weight(result) <= MOST_BYTES


def _surely_fits(result: CallToolResult) -> bool:
    """Whether it is too small to be worth weighing: text doubles at most when escaped, and stands for the data too."""
    texts = [len(block.text.encode()) for block in result.content if isinstance(block, TextContent)]
    others = _ROOM * (1 + len(result.content) - len(texts))
    for_host = len(compact(result.meta).encode()) if result.meta else 0
    return 3 * sum(texts) + others + for_host <= MOST_BYTES


def _cut(facts: dict[str, Any], links: tuple[ContentBlock, ...]) -> dict[str, Any]:
    """The facts with their longest lists halved, again and again until they fit."""
    facts = json.loads(compact(facts))
    there: dict[int, tuple[str, list[Any], int]] = {}
    while weight(answer(facts, links)) > MOST_BYTES - _ROOM:
        name, longest = max(_lists(facts), key=lambda found: len(compact(found[1])), default=("", []))
        if len(longest) < 2:  # noqa: PLR2004 - a list of one cannot be halved
            break
        there.setdefault(id(longest), (name, longest, len(longest)))
        del longest[len(longest) // 2 :]
    parts = [
        say("{name} ({n} of {total})", name=name, n=figure(len(kept)), total=figure(total))
        for name, kept, total in there.values()
    ]
    return facts | {_NOTICES: [*facts.get(_NOTICES, []), _shortened(", ".join(parts))]}


def _lists(node: Any, name: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Every list inside, with the name of its field; what is said about the answer is not cut."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key != _NOTICES:
                yield from _lists(value, key)
    elif isinstance(node, list):
        yield name, node
        for item in node:
            yield from _lists(item, name)


def _shortened(parts: str) -> str:
    return say("Shortened to {kilobytes} KB: {parts}.", kilobytes=MOST_BYTES // 1000, parts=parts)
