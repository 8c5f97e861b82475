"""Limits: no answer is larger than a model can take in, and one that was cut to fit says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mcp.types import CallToolResult, ResourceLink, TextContent

from account_health.errors import CallerError
from account_health.language import figure, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mcp.types import ContentBlock

MOST_BYTES = 100_000
"""Of one result as it travels: text, structured content and what only the host reads."""
_NOTICES = "notices"
_ROOM = 1_000
"""For what is said about the cut."""
_TRIED = 50
"""Lists that are cut at most; what has more of them is no answer of which a part is worth having."""
_NAMED = 5
"""Lists of which it is said how much of them is left."""


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
    """The result, cut until it fits: of data the longest lists, of text its end; a last notice says what.

    What only the host reads goes first. Raises CallerError for data of which nothing can be cut.
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
    if _travelling(text) <= MOST_BYTES:
        return text
    kept = text
    while _travelling(kept) > MOST_BYTES - _ROOM:
        kept = kept[: len(kept) * (MOST_BYTES - _ROOM) // _travelling(kept)]
    kept = kept[: kept.rfind("\n") + 1] or kept
    told = _shortened([say("this text")])
    return f"{kept}\n{told}\n"


def fits(result: CallToolResult) -> bool:
    """Whether a result may travel as it is."""
    return _surely_fits(result) or weight(result) <= MOST_BYTES


def _travelling(text: str) -> int:
    """Bytes of a text in a JSON message."""
    return len(compact(text).encode())


def _surely_fits(result: CallToolResult) -> bool:
    """Whether it is too small to be worth weighing: text doubles at most when escaped, and stands for the data too."""
    texts = [len(block.text.encode()) for block in result.content if isinstance(block, TextContent)]
    links = [len(block.uri) + 4 * len(block.name) for block in result.content if isinstance(block, ResourceLink)]
    others = _ROOM * (1 + len(result.content) - len(texts))
    for_host = len(compact(result.meta).encode()) if result.meta else 0
    return 3 * sum(texts) + sum(links) + others + for_host <= MOST_BYTES


def _cut(facts: dict[str, Any], links: tuple[ContentBlock, ...]) -> dict[str, Any]:
    """The facts with their longest lists halved until they fit; raises CallerError if that does not help soon."""
    facts = json.loads(compact(facts))
    there: dict[int, tuple[str, list[Any], int]] = {}
    while weight(answer(facts, links)) > MOST_BYTES - 3 * _ROOM:
        longer = [found for found in _lists(facts) if len(found[1]) > 1]
        if not longer or len(there) > _TRIED:
            raise CallerError(
                say("The answer would be larger than {kilobytes} KB.", kilobytes=MOST_BYTES // 1000),
                say("Ask for less, e.g. for one account or one source."),
            )
        name, longest = max(longer, key=lambda found: len(compact(found[1])))
        there.setdefault(id(longest), (name, longest, len(longest)))
        del longest[len(longest) // 2 :]
    parts = [
        say("{name} ({n} of {total})", name=name, n=figure(len(kept)), total=figure(total))
        for name, kept, total in there.values()
    ]
    return facts | {_NOTICES: [*facts.get(_NOTICES, []), _shortened(parts)]}


def _lists(node: Any, name: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Every list inside, with the name of its field."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _lists(value, key)
    elif isinstance(node, list):
        yield name, node
        for item in node:
            yield from _lists(item, name)


def _shortened(parts: Sequence[str]) -> str:
    shown = [*parts[:_NAMED], *(["…"] if len(parts) > _NAMED else [])]
    return say("Shortened to {kilobytes} KB: {parts}.", kilobytes=MOST_BYTES // 1000, parts=", ".join(shown))
