"""The server over HTTP: both eras behind one address, and nobody but this machine's own programs before it."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from mcp import Client
from mcp.types import ElicitResult

from account_health import __version__
from account_health.config import DEMO
from account_health.errors import CallerError
from account_health.server import create_server
from account_health.server.http import address, http_app, listening
from doors import DAY, ERAS, configured, run, said
from over_http import HEADERS, LEGACY, MODERN, question, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.client import ClientRequestContext
    from mcp.types import ElicitRequestParams

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def in_process() -> AsyncIterator[httpx2.AsyncClient]:
    """A plain HTTP client of the demo server, without a port."""
    app = http_app(create_server(lambda: DEMO, lambda: datetime.now(UTC)))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1:8765") as client,
    ):
        yield client


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_finds_and_reads_an_account_over_http(era: Any, tmp_path: Path) -> None:
    async with served("--demo", here=tmp_path) as url, Client(url, mode=era) as client:
        found = await client.call_tool("find_accounts", {"query": "northwind", "as_of": DAY})
        assert found.structured_content
        (account,) = found.structured_content["accounts"]
        summary = said(await client.call_tool("render_health_summary", {"account": account["id"], "as_of": DAY}))
    assert summary.startswith("## Health: Northwind Traders\n\n### Risk Flags\n")


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_a_question_needs_no_session_in_either_era(version: str) -> None:
    async with in_process() as client:
        answer = await client.post("/mcp", **question("score_account", {"account": "northwind"}, version))
    assert answer.status_code == 200
    assert "Northwind Traders" in answer.text
    assert "mcp-session-id" not in answer.headers


async def test_a_session_of_the_older_era_can_be_asked_a_question_back(tmp_path: Path) -> None:
    async def agree(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert context
        questions.append(params.message)
        return ElicitResult(action="accept", content={"write": True})

    questions: list[str] = []
    path = configured(tmp_path, 'writes = "confirm"\n', account="account_id,name\nA-1,Acme\n")
    async with (
        served("--config", str(path), here=tmp_path) as url,
        Client(url, mode="legacy", elicitation_callback=agree) as client,
    ):
        result = await client.call_tool("set_health_status", {"account": "A-1", "status": "Fair"})
    assert not result.is_error, said(result)
    assert len(questions) == 1


async def test_whoever_watches_the_process_learns_that_it_lives_and_which_version_it_is() -> None:
    async with in_process() as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": __version__})


@pytest.mark.parametrize("version", [LEGACY, MODERN])
@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("host", "evil.example", 421),
        ("host", "127.0.0.1.evil.example:8765", 421),
        ("origin", "http://evil.example", 403),
        ("origin", "http://localhost.evil.example", 403),
        ("origin", "null", 403),
        ("content-type", "text/plain", 400),
    ],
)
async def test_pages_of_other_places_cannot_reach_it_through_a_browser(
    version: str, header: str, value: str, status: int
) -> None:
    call = question("score_account", {"account": "northwind"}, version)
    async with in_process() as client:
        answer = await client.post("/mcp", json=call["json"], headers=call["headers"] | {header: value})
    assert answer.status_code == status
    assert "Northwind" not in answer.text


@pytest.mark.parametrize("origin", ["http://localhost:6274", "http://127.0.0.1", "http://[::1]:3000"])
async def test_pages_of_this_machine_may_ask(origin: str) -> None:
    call = question("score_account", {"account": "northwind"}, MODERN)
    async with in_process() as client:
        answer = await client.post("/mcp", json=call["json"], headers=call["headers"] | {"origin": origin})
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"[" * 50_000 + b"]" * 50_000, b"\xff\xfe{}", b'{"jsonrpc": "2.0"}'])
async def test_what_is_no_question_is_refused_and_the_next_one_is_answered(body: bytes) -> None:
    async with in_process() as client:
        for version in (LEGACY, MODERN):
            refused = await client.post("/mcp", content=body, headers=HEADERS | {"mcp-protocol-version": version})
            assert 400 <= refused.status_code < 500
            answer = await client.post("/mcp", **question("score_account", {"account": "northwind"}, version))
            assert answer.status_code == 200


async def test_a_body_of_five_megabytes_is_not_read() -> None:
    async with in_process() as client:
        answer = await client.post("/mcp", **question("find_accounts", {"query": "A" * 5_000_000}, MODERN))
    assert answer.status_code == 413


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])  # noqa: S104 - which it refuses
def test_it_listens_to_nobody_but_this_machine_and_says_why(host: str) -> None:
    with pytest.raises(CallerError, match=r"Without authentication .* loopback only.* read every account"):
        listening(host, 0)


def test_the_command_says_why_it_listens_on_loopback_only(tmp_path: Path) -> None:
    done = run("serve", "--demo", "--transport", "http", "--host", "0.0.0.0", here=tmp_path)  # noqa: S104 - refused
    assert done.returncode == 4
    assert b"Without authentication the server listens on loopback only" in done.stderr


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("::1", "[::1]")])
def test_an_address_is_one_that_clients_can_be_given(host: str, shown: str) -> None:
    if host == "::1" and not has_ipv6():
        pytest.skip("This machine has no IPv6 loopback: nothing was checked.")
    with listening(host, 0) as listener:
        assert address(listener) == f"http://{shown}:{listener.getsockname()[1]}/mcp"


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_a_port_that_is_taken_is_named_with_the_way_out(tmp_path: Path) -> None:
    with listening("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--demo", "--transport", "http", "--port", port, here=tmp_path)
    assert done.returncode == 4
    assert f"127.0.0.1 port {port} cannot be listened on".encode() in done.stderr
    assert b"--port" in done.stderr


def test_small_answers_are_sent_at_once() -> None:
    with listening("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_day_that_is_none_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    done = run("serve", "--demo", "--as-of", "yesterday", here=tmp_path)
    assert done.returncode == 4
    assert b"as_of is no date" in done.stderr
