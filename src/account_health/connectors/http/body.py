"""Body: an answer read in guarded steps, and JSON taken strictly."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from account_health.language import say

if TYPE_CHECKING:
    import httpx2

    from account_health.connectors.http.manners import Manners

LOOP_BYTES = 256 * 1024
"""A larger answer is parsed beside the event loop, which it would hold up for some milliseconds."""
MOST_DIGITS = 300
"""Of an integer: with more, not even a float could hold it."""


class Unreadable(Exception):  # noqa: N818 - it says of an answer what it is
    """An answer that cannot be read; the text says in our own words what is wrong with it."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


async def read_json(response: httpx2.Response, manners: Manners) -> Any:
    """The answer as strict JSON; raises Unreadable before it has cost more memory than the manners allow."""
    _check_content_type(response)
    data = await read_capped(response, manners.max_body_bytes)
    if len(data) <= LOOP_BYTES:
        return parse(data, manners.max_depth)
    return await to_thread.run_sync(parse, data, manners.max_depth, abandon_on_cancel=True)


async def read_capped(response: httpx2.Response, most: int) -> bytes:
    """The decompressed body; raises Unreadable as soon as it is known to be larger."""
    too_large = Unreadable(say("it is larger than {size} KiB", size=most // 1024))
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and float(announced) > most:
        raise too_large
    data = bytearray()
    async for chunk in response.aiter_bytes():
        data += chunk
        if len(data) > most:
            raise too_large
    return bytes(data)


def parse(data: bytes, max_depth: int) -> Any:
    """The JSON value in UTF-8 bytes; raises Unreadable for all that two readers could understand differently."""
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_sized,
            object_pairs_hook=_unambiguous,
        )
    except UnicodeDecodeError:
        raise Unreadable(say("it is not UTF-8")) from None
    except RecursionError:
        raise Unreadable(say("it is nested too deeply")) from None
    except ValueError:
        raise Unreadable(say("it is no valid JSON")) from None
    if not _is_at_most(value, max_depth):
        raise Unreadable(say("it is nested too deeply"))
    return value


def _check_content_type(response: httpx2.Response) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/html":
        raise Unreadable(say("it is a web page, perhaps of a login or a proxy"))
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Unreadable(say("it is not declared as JSON"))


def _no_constant(_: str) -> Any:
    raise Unreadable(say("it holds NaN or Infinity"))


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Unreadable(say("it holds a number out of range"))
    return number


def _sized(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise Unreadable(say("it holds a number out of range"))
    return int(text)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise Unreadable(say("it names a key twice"))
    return value


def _is_at_most(value: Any, depth: int) -> bool:
    containers = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        containers = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
    return not containers
