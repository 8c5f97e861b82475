"""Who is let in over HTTP: this machine's own programs and pages, at every address; others leave no word in the log."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx2
import pytest

from account_health.config import DEMO
from account_health.server import create_server
from account_health.server.http import http_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

PATHS = [("GET", "/healthz"), ("POST", "/mcp"), ("GET", "/mcp"), ("DELETE", "/mcp"), ("GET", "/mcp/"), ("GET", "/")]
FOREIGN_HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1:80@evil.example",
    "127.0.0.1:8765.evil.example",
    "localhost:",
    "localhost.",
    "0.0.0.0",  # noqa: S104 - which it refuses
    "127.1",
    "[::1",
    "",
    "x" * 60_000,
]
FOREIGN_ORIGINS = [
    "http://evil.example",
    "http://localhost.evil.example",
    "http://localhost:1@evil.example",
    "https://localhost",
    "file://",
    "null",
    "",
]


@asynccontextmanager
async def guarded(host: str = "127.0.0.1") -> AsyncIterator[httpx2.AsyncClient]:
    """A plain HTTP client of the demo server that listens at an address, without a port."""
    app = http_app(create_server(lambda: DEMO, lambda: datetime.now(UTC)), host)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client,
    ):
        yield client


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_other_names_are_refused_at_every_address(
    method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with guarded() as client:
        for host in FOREIGN_HOSTS:
            answer = await client.request(method, path, headers={"host": host})
            assert (answer.status_code, host[:80]) == (421, host[:80])
    assert caplog.records == []


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_pages_of_other_places_are_refused_at_every_address(
    method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with guarded() as client:
        for origin in FOREIGN_ORIGINS:
            answer = await client.request(method, path, headers={"origin": origin})
            assert (answer.status_code, origin) == (403, origin)
    assert caplog.records == []


async def test_one_foreign_page_among_several_named_is_enough_to_refuse() -> None:
    async with guarded() as client:
        for name, status in (("origin", 403), ("host", 421)):
            own = {"origin": "http://localhost", "host": "localhost"}[name]
            foreign = httpx2.Headers([(name, own), (name, f"{own}.evil.example")])
            assert (await client.get("/healthz", headers=foreign)).status_code == status


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:65535", "[::1]:8765", "[::1]"])
async def test_names_of_this_machine_are_let_in(host: str) -> None:
    async with guarded() as client:
        answer = await client.get("/healthz", headers={"host": host, "origin": f"http://{host.lower()}"})
    assert answer.status_code == 200


async def test_the_address_it_listens_at_is_one_of_its_names() -> None:
    async with guarded("127.0.0.2") as client:
        assert (await client.get("/healthz", headers={"host": "127.0.0.2:8765"})).status_code == 200
        assert (await client.get("/healthz", headers={"host": "127.0.0.3:8765"})).status_code == 421
