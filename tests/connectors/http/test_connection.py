"""Where a connection goes, what it can ask, and that it ends when its caller does."""

from __future__ import annotations

import asyncio
import inspect
import sys
from datetime import timedelta
from typing import Any

import anyio
import httpx2
import pytest

from account_health.connectors.http import Api, Connection, Cursor, Manners, Request
from account_health.errors import ConfigurationError, Fault, SourceError
from connectors.http.upstream import NOW, TOKEN, Upstream, always, failure, get, on_a_socket, real_time

pytestmark = pytest.mark.anyio


def api(base_url: str, **more: Any) -> Api:
    return Api("Zendesk", base_url, TOKEN, clock=real_time, **more)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://acme.example",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "ftp://acme.example",
        "acme.example",
        "https://",
        "",
        "https://[::1",
        "https://user:hush@acme.example",
        "https://hush@acme.example",
        "https://acme.example/?key=hush",
        "https://acme.example/#hush",
        "https://acme.example?",
    ],
)
def test_a_base_url_that_is_unsafe_to_send_secrets_to_is_refused_unseen(base_url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        api(base_url)
    assert "hush" not in str(refused.value)
    assert "Zendesk" in refused.value.message


@pytest.mark.parametrize(
    "base_url",
    ["https://acme.example", "https://acme.example/api/v2/", "http://127.0.0.1:80", "http://localhost", "http://[::1]"],
)
def test_https_anywhere_and_http_on_this_machine_are_accepted(base_url: str) -> None:
    assert repr(api(base_url)).startswith("Api('Zendesk', ")


@pytest.mark.parametrize("base", ["https://acme.example/api", "https://acme.example/api/"])
async def test_paths_follow_the_base_url_as_they_are(base: str) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(200, json={})

    async with api(base, transport=httpx2.MockTransport(answer)).open() as connection:
        await connection.get("/things/a%2Fb", {"q": "a b", "n": 1, "all": True, "types[]": ["x", "y"]})
    assert asked == ["https://acme.example/api/things/a%2Fb?q=a+b&n=1&all=true&types%5B%5D=x&types%5B%5D=y"]


@pytest.mark.parametrize(
    "path",
    ["things", "/a/../b", "/a/%2e%2E/b", "/.", "/a?b=c", "/a#b", "/a b", "/caf\xe9", "/a\\b", "/a\n", "//[", ""],
)
async def test_an_id_that_would_change_the_address_is_refused(path: str) -> None:
    upstream = always()
    error = await failure(upstream.api(), path)

    assert (error.fault, upstream.requests) == (Fault.REFUSED, [])
    assert not path.strip("/.") or path not in str(error)


async def test_half_a_character_in_a_search_is_refused() -> None:
    upstream = always()
    async with upstream.api().open() as connection:
        for question in (connection.post("/search", {"id": "\ud83d"}), connection.get("/search", {"id": "\ud83d"})):
            with pytest.raises(SourceError) as raised:
                await question
            assert raised.value.fault is Fault.REFUSED
    assert upstream.requests == []


async def test_a_path_with_two_slashes_stays_on_the_host() -> None:
    upstream = always()
    await get(upstream.api(), "//evil.example/things")
    assert upstream.requests[0].url.host == "acme.example"


async def test_cookies_are_not_kept() -> None:
    upstream = always(set_cookie="session=1; Path=/")
    async with upstream.api().open() as connection:
        await connection.get("/things")
        await connection.get("/things")
    assert "cookie" not in upstream.requests[1].headers


def test_there_is_no_verb_that_writes() -> None:
    public = {name for name, member in inspect.getmembers(Connection) if not name.startswith("_") and callable(member)}
    assert public == {"get", "post", "pages"}


async def test_a_post_says_what_it_searches_in_json() -> None:
    upstream = always()
    async with upstream.api().open() as connection:
        await connection.post("/search", {"filters": []}, {"limit": 1})
    (asked,) = upstream.requests
    assert (asked.method, asked.content, asked.url.query) == ("POST", b'{"filters":[]}', b"limit=1")


def test_constructing_opens_nothing() -> None:
    events: list[str] = []
    is_watching = True

    def watch(event: str, _: Any) -> None:
        if is_watching and event.partition(".")[0] in {"open", "socket", "ssl"}:
            events.append(event)

    sys.addaudithook(watch)
    api("https://acme.example")
    is_watching = False
    assert events == []


async def test_a_deadline_of_the_caller_becomes_an_error_a_little_earlier() -> None:
    async def slow(_: httpx2.Request) -> httpx2.Response:
        await anyio.sleep(5)
        return httpx2.Response(200, json={})

    async with api("https://acme.example", transport=httpx2.MockTransport(slow)).open() as connection:
        with anyio.move_on_after(0.5) as scope, pytest.raises(SourceError) as raised:
            await connection.get("/things")
        assert not scope.cancelled_caught
        assert raised.value.fault is Fault.TIMEOUT

        with anyio.move_on_after(0.05) as scope, pytest.raises(SourceError) as raised:
            await connection.get("/things")
        assert not scope.cancelled_caught
        assert "No time was left" in raised.value.message
    assert connection.calls == 1


async def test_without_a_deadline_an_answer_may_take_so_long_and_no_longer() -> None:
    async def endless(_: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError

    manners = Manners(answer_seconds=0.2)
    async with api(
        "https://acme.example", manners=manners, transport=httpx2.MockTransport(endless)
    ).open() as connection:
        with pytest.raises(SourceError) as raised:
            await connection.get("/things")
    assert raised.value.fault is Fault.TIMEOUT


async def test_the_skew_of_the_clocks_is_that_of_the_last_answer() -> None:
    upstream = always(date="Sat, 21 Nov 2026 08:58:00 GMT")
    async with upstream.api().open() as connection:
        assert connection.clock_skew is None
        await connection.get("/things")
        assert connection.clock_skew == timedelta(minutes=-2)
        upstream.now = NOW + timedelta(minutes=1)
        await connection.get("/things")
        assert connection.clock_skew == timedelta(minutes=-3)


@pytest.mark.parametrize("is_answering", [False, True])
async def test_cancelling_a_read_closes_its_socket_within_a_second(is_answering: bool) -> None:  # noqa: FBT001 - a column of the table
    asked, closed = anyio.Event(), anyio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if is_answering:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n[1")
        asked.set()
        await reader.read()
        closed.set()
        writer.close()

    async with on_a_socket(handle) as base_url, api(base_url).open() as connection:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.get, "/things")
            await asked.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(1):
            await closed.wait()


async def test_leaving_a_list_early_is_no_error() -> None:
    upstream = Upstream(lambda _: httpx2.Response(200, json={"results": [1, 2], "paging": {"next": {"after": "A"}}}))
    async with upstream.api().open() as connection:
        async for item in connection.pages(Request("GET", "/things"), Cursor()):
            assert item == 1
            break
    assert connection.calls == 1


def test_one_api_serves_several_event_loops() -> None:
    upstream = always(body={"a": 1})
    shared = upstream.api()
    assert [anyio.run(get, shared) for _ in range(3)] == [{"a": 1}] * 3
