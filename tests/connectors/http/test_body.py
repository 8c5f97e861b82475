"""JSON is taken strictly: what two readers could understand differently is not taken at all."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx2
import pytest

from account_health.connectors.http import Manners
from account_health.connectors.http.body import parse
from account_health.errors import Fault, SourceError
from connectors.http.upstream import Upstream, failure, get, in_turn
from given import SHARED

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

CORPUS = SHARED / "corpora" / "json" / "test_parsing"
AMBIGUOUS = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}
"""Valid, but which of two values counts is left to the reader; refused on purpose."""

JSON = {"content-type": "application/json"}


def corpus(kind: str) -> list[Path]:
    if not CORPUS.is_dir():
        pytest.skip("the JSON corpus is not laid beside the repository: no odd JSON was tried")
    return sorted(CORPUS.glob(f"{kind}_*.json"))


def serving(content: bytes, headers: dict[str, str] | None = None) -> Upstream:
    return Upstream(lambda _: httpx2.Response(200, content=content, headers=JSON if headers is None else headers))


async def test_valid_json_is_read_as_a_plain_reader_reads_it() -> None:
    paths = corpus("y")
    assert len(paths) == 95
    for path in paths:
        if path.name not in AMBIGUOUS:
            assert await get(serving(path.read_bytes()).api()) == json.loads(path.read_bytes()), path.name


async def test_invalid_and_ambiguous_json_is_a_bad_response() -> None:
    paths = corpus("n")
    assert len(paths) == 188
    for path in [*paths, *(CORPUS / name for name in AMBIGUOUS)]:
        assert (await failure(serving(path.read_bytes()).api())).fault is Fault.BAD_RESPONSE, path.name


async def test_json_that_may_go_either_way_is_read_or_refused_in_the_same_kind() -> None:
    paths = corpus("i")
    assert len(paths) == 35
    ends: set[Fault | None] = set()
    for path in paths:
        try:
            await get(serving(path.read_bytes()).api())
            ends.add(None)
        except SourceError as err:
            ends.add(err.fault)
    assert ends == {None, Fault.BAD_RESPONSE}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no valid JSON"),
        (b"\xef\xbb\xbf", "no valid JSON"),
        (b'{"a": NaN}', "NaN or Infinity"),
        (b"[-Infinity]", "NaN or Infinity"),
        (b"[1e999]", "out of range"),
        (b"[" + b"9" * 301 + b"]", "out of range"),
        (b'{"a": {"b": 1, "b": 1}}', "names a key twice"),
        (b'"Caf\xe9"', "not UTF-8"),
        ('"Café"'.encode("utf-16"), "not UTF-8"),
        (b"[" * 65 + b"]" * 65, "nested too deeply"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested too deeply"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
async def test_what_cannot_be_read_safely_is_named(content: bytes, problem: str) -> None:
    error = await failure(serving(content).api())
    assert error.fault is Fault.BAD_RESPONSE
    assert problem in error.message


@pytest.mark.parametrize("content", [b"[" * 64 + b"]" * 64, b"1", b"null", b"[" + b"9" * 300 + b"]", b"\xef\xbb\xbf{}"])
async def test_what_is_only_unusual_is_read(content: bytes) -> None:
    assert await get(serving(content).api()) == json.loads(content.decode("utf-8-sig"))


@pytest.mark.parametrize(
    ("kind", "is_read"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/vnd.api+json", True),
        ("text/html; charset=utf-8", False),
        ("text/plain", False),
        ("application/jsonp", False),
        ("", False),
    ],
)
async def test_only_what_is_declared_as_json_is_read(kind: str, is_read: bool) -> None:  # noqa: FBT001 - a column of the table
    upstream = serving(b"{}", {"content-type": kind} if kind else {})
    if is_read:
        assert await get(upstream.api()) == {}
    else:
        assert (await failure(upstream.api())).fault is Fault.BAD_RESPONSE


async def test_the_cap_counts_decompressed_bytes() -> None:
    manners = Manners(max_body_bytes=1024)
    fitting = json.dumps("a" * 1022).encode()
    headers = {**JSON, "content-encoding": "gzip"}

    assert await get(serving(fitting).api(manners=manners)) == "a" * 1022
    assert await get(serving(gzip.compress(fitting), headers).api(manners=manners)) == "a" * 1022
    for upstream in (serving(fitting + b" "), serving(gzip.compress(fitting + b" "), headers)):
        assert "larger than 1 KiB" in (await failure(upstream.api(manners=manners))).message


async def test_an_announced_size_beyond_the_cap_is_refused_before_it_is_read() -> None:
    async def never() -> Any:
        raise AssertionError("the body was read")
        yield b""

    announcing = httpx2.Response(200, content=never(), headers={**JSON, "content-length": str(6 * 1024 * 1024)})
    assert "larger than 5120 KiB" in (await failure(in_turn(announcing).api())).message


async def test_a_body_that_cannot_be_decompressed_is_a_bad_response() -> None:
    upstream = serving(b"no gzip at all", {**JSON, "content-encoding": "gzip"})
    assert (await failure(upstream.api(manners=Manners(attempts=1)))).fault is Fault.BAD_RESPONSE


async def test_the_loop_lives_while_a_large_answer_is_parsed() -> None:
    large = json.dumps([{"number": number} for number in range(200_000)]).encode()
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            before = anyio.current_time()
            await anyio.lowlevel.checkpoint()
            longest = max(longest, anyio.current_time() - before)

    began = anyio.current_time()
    parse(large, 64)
    took = anyio.current_time() - began
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beat)
        assert len(await get(serving(large).api())) == 200_000
        await anyio.sleep(0.01)  # the beat counts what it missed
        tasks.cancel_scope.cancel()
    assert longest < took / 2
