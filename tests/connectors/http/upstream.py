"""A vendor that answers as a test says: in memory, on a real socket, or with every fault of the fault server."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from pydantic import SecretStr

from account_health.connectors.http import Api, Auth, Bearer, Manners
from account_health.errors import SourceError
from given import SHARED

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
CANARY = "sk_canary_7f3a91"
TOKEN = Bearer(SecretStr(CANARY))

DEFAULT = Manners()

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Answer = httpx2.Response | Exception


def real_time() -> datetime:
    """The clock for servers that have one of their own."""
    return datetime.now(UTC)


@dataclass
class Upstream:
    """Answers requests in memory and keeps them; its clock moves only by hand."""

    answer: Callable[[httpx2.Request], Answer]
    requests: list[httpx2.Request] = field(default_factory=list)
    now: datetime = NOW

    def api(self, auth: Auth = TOKEN, manners: Manners = DEFAULT, **more: Any) -> Api:
        """An API of this vendor."""
        transport = httpx2.MockTransport(self._handle)
        return Api(
            "Zendesk", "https://acme.example/base", auth, manners, clock=self._clock, transport=transport, **more
        )

    def _clock(self) -> datetime:
        return self.now

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answer(request)
        if isinstance(answer, Exception):
            raise answer
        return answer


def always(status: int = 200, body: Any = None, **headers: str) -> Upstream:
    """A vendor that gives one answer to everything; `_` in the name of a header stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Upstream(lambda _: httpx2.Response(status, json={} if body is None else body, headers=named))


def in_turn(*answers: Answer) -> Upstream:
    """A vendor that gives these answers one after the other."""
    left = iter(answers)
    return Upstream(lambda _: next(left))


def ok(body: Any, **headers: str) -> httpx2.Response:
    """An answer that is as it should be."""
    return httpx2.Response(200, json=body, headers=headers)


async def get(api: Api, path: str = "/things", **more: Any) -> Any:
    """One GET over a connection of its own."""
    async with api.open() as connection:
        return await connection.get(path, **more)


async def failure(api: Api, path: str = "/things", **more: Any) -> SourceError:
    """The error that one GET ends with."""
    with pytest.raises(SourceError) as raised:
        await get(api, path, **more)
    return raised.value


@asynccontextmanager
async def on_a_socket(handle: Handler) -> AsyncIterator[str]:
    """The base URL of a server on loopback that leaves each connection to the function."""
    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def sending(answer: bytes) -> Handler:
    """Gives one answer to everything and hangs up."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        writer.close()

    return handle


@contextmanager
def faults() -> Iterator[str]:
    """The base URL of the fault server; skips the test where it is not laid beside the repository."""
    program = SHARED / "tools" / "faultserver.py"
    if not program.is_file():
        pytest.skip("the fault server is not laid beside the repository: no fault was tried on a real socket")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, str(program), str(port)])
    try:
        _await_port(server, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def _await_port(server: subprocess.Popen[bytes], port: int) -> None:
    while server.poll() is None:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError("the fault server did not start")


async def hits(base_url: str) -> Sequence[tuple[float, str]]:
    """When and how the fault server was asked since the last look."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        return [(at, line) for at, line in (await client.get(f"{base_url}/_hits")).json()]
