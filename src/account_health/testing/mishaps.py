"""Mishaps: what can happen to a request, and what can be wrong with an answer."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import httpx2

if TYPE_CHECKING:
    from account_health.testing.recorded import Exchange, Mishap

UPSTREAM_WORDS = "words-of-the-other-system"
"""Stands in every answer that says no; must not be repeated in a message."""
ELSEWHERE = "elsewhere.example"
"""A host that nobody may ask."""
_MEBIBYTE = 1024 * 1024
_HUGE = 64 * _MEBIBYTE
_DEEP = 100_000
_BEAT = 0.02


def status(code: int, headers: Mapping[str, str] | None = None) -> Mishap:
    """The answer has this status."""

    async def answer(request: httpx2.Request, exchange: Exchange) -> httpx2.Response:  # noqa: ARG001 - see Mishap
        return httpx2.Response(code, headers=headers, json={"error": UPSTREAM_WORDS, "message": UPSTREAM_WORDS})

    return answer


async def redirected(request: httpx2.Request, exchange: Exchange) -> httpx2.Response:
    """The answer points to another host."""
    return await status(302, {"location": f"https://{ELSEWHERE}{request.url.path}"})(request, exchange)


async def unreachable(request: httpx2.Request, exchange: Exchange) -> httpx2.Response:  # noqa: ARG001 - see Mishap
    """There is no connection."""
    raise httpx2.ConnectError("no connection", request=request)


async def silent(request: httpx2.Request, exchange: Exchange) -> httpx2.Response:  # noqa: ARG001 - see Mishap
    """There is no answer, until the client gives up."""
    patience = request.extensions.get("timeout", {}).get("read")
    await anyio.sleep(math.inf if patience is None else patience)
    raise httpx2.ReadTimeout("no answer", request=request)


@dataclass
class Dripping:
    """The answer comes byte by byte and never ends."""

    bodies: list[Endless] = field(default_factory=list)

    async def __call__(self, request: httpx2.Request, exchange: Exchange) -> httpx2.Response:  # noqa: ARG002 - see Mishap
        """A new endless answer."""
        self.bodies.append(Endless(b" ", _BEAT))
        return httpx2.Response(200, headers=_JSON, stream=self.bodies[-1])


async def huge(request: httpx2.Request, exchange: Exchange) -> httpx2.Response:  # noqa: ARG001 - see Mishap
    """The answer is larger than anybody should read."""
    return httpx2.Response(200, headers=_JSON, stream=Endless(b" " * _MEBIBYTE, 0, _HUGE))


def body(content: bytes, content_type: str = "application/json") -> Mishap:
    """The answer is always this."""

    async def answer(request: httpx2.Request, exchange: Exchange) -> httpx2.Response:  # noqa: ARG001 - see Mishap
        return httpx2.Response(200, headers={"content-type": content_type}, content=content)

    return answer


def changed(change: Callable[[Any], Any]) -> Mishap:
    """The recorded JSON, changed."""

    async def answer(request: httpx2.Request, exchange: Exchange) -> httpx2.Response:  # noqa: ARG001 - see Mishap
        return httpx2.Response(200, json=change(exchange.content))

    return answer


async def cut(request: httpx2.Request, exchange: Exchange) -> httpx2.Response:  # noqa: ARG001 - see Mishap
    """The recorded JSON ends in the middle."""
    text = json.dumps(exchange.content).encode()
    return httpx2.Response(200, headers=_JSON, content=text[: max(1, len(text) // 2)])


def stuck() -> Mishap:
    """Each path always answers what it answered first, so its link to the next page leads to the same page again."""
    first: dict[tuple[str, str], Exchange] = {}

    async def answer(request: httpx2.Request, exchange: Exchange) -> httpx2.Response:
        return first.setdefault((request.method, request.url.path), exchange).response()

    return answer


UNREADABLE: Mapping[str, Mishap] = {
    "an empty body": body(b""),
    "a text that is no JSON": body(UPSTREAM_WORDS.encode()),
    "an HTML page": body(f"<html>{UPSTREAM_WORDS}</html>".encode(), "text/html"),
    "a body that is no UTF-8": body(b'{"name": "\xff\xfe"}'),
    "JSON that ends in the middle": cut,
    "JSON nested 100,000 deep": body(b"[" * _DEEP + b"]" * _DEEP),
    "a bare NaN": body(b"NaN"),
    "null": body(b"null"),
    "a bare number": body(b"7"),
    "a bare text": body(b'"text"'),
    "a list in place of an object, or the other way round": changed(
        lambda found: {} if isinstance(found, list) else []
    ),
    "a body without end": huge,
}
"""Answers of which nothing can be used, by what they are."""


@dataclass
class Endless(httpx2.AsyncByteStream):
    """The same bytes again and again, until it is closed or so much was read that nobody should have gone on."""

    chunk: bytes
    pause: float
    most: float = math.inf
    is_closed: bool = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        while read < self.most:
            await anyio.sleep(self.pause)
            yield self.chunk
            read += len(self.chunk)
        raise httpx2.ReadError("so much was read that nobody should have gone on")

    async def aclose(self) -> None:
        """Closed by the client."""
        self.is_closed = True


_JSON = {"content-type": "application/json"}
