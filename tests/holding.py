"""A billing system on loopback that holds what it is asked until a test lets it answer, and knows who has left."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

import anyio

from connectors.http.upstream import on_a_socket
from doors import configured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PATIENCE = 20
"""Less than the thirty seconds after which the server gives up a silent system by itself."""
HELD, FREE = "A-1", "B-2"
"""Two accounts; questions about the second are always answered, those about the first or about all are held."""

_ACCOUNTS = f"account_id,name\n{HELD},Acme\n{FREE},Bolt\n"
_NOBODY = b'{"object": "list", "data": [], "has_more": false}'
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_NOBODY), _NOBODY)
_CONFIGURATION = """
[gather]
deadline_seconds = 3600
all_accounts_seconds = 3600
keep_seconds = 0

[sources.billing]
connector = "stripe"
api_key = {{ file = "key" }}
base_url = "{url}"
requests_per_second = 1000
"""


@dataclass
class Billing:
    """Stripe, which has no customer of these accounts, and says so late."""

    url: str = ""
    held: int = 0
    """Questions that somebody waits for."""
    asked: int = 0
    """Questions of that kind so far."""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _answers: anyio.Event = field(default_factory=anyio.Event)

    def known_to(self, folder: Path) -> Path:
        """A configuration over the two accounts and this system."""
        key = folder / "key"
        key.write_text("rk_opens_nothing", "utf-8")
        key.chmod(0o600)
        return configured(folder, _CONFIGURATION.format(url=self.url), account=_ACCOUNTS)

    async def wait_until_held(self) -> None:
        """Returns as soon as a question is held."""
        await self._wait(lambda: self.held > 0)

    async def wait_until_left(self) -> None:
        """Returns as soon as whoever asked what was held has closed the connection."""
        await self._wait(lambda: self.held == 0)

    async def wait_until_asked(self, times: int) -> None:
        """Returns as soon as so many questions were held, those included that nobody waits for any more."""
        await self._wait(lambda: self.asked >= times)

    def let_answer(self) -> None:
        """From now on every question is answered, those that are held too."""
        self._answers.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side closes it."""
        try:
            while request := await _request(reader):
                if not _is_about(request, FREE) and not await self._may_answer(reader):
                    return
                writer.write(_ANSWER)
        finally:
            writer.close()

    async def _may_answer(self, reader: asyncio.StreamReader) -> bool:
        """Whether the question may be answered at last; False once nobody waits for that any more."""
        await self._count(1)
        may, left = asyncio.ensure_future(self._answers.wait()), asyncio.ensure_future(reader.read(1))
        await asyncio.wait({may, left}, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (may, left):
            waiting.cancel()
        await asyncio.gather(may, left, return_exceptions=True)
        await self._count(-1)
        return self._answers.is_set()

    async def _count(self, more: int) -> None:
        async with self._news:
            self.held += more
            self.asked += max(0, more)
            self._news.notify_all()

    async def _wait(self, is_so: Callable[[], bool]) -> None:
        with anyio.fail_after(PATIENCE):
            async with self._news:
                await self._news.wait_for(is_so)


@asynccontextmanager
async def billing() -> AsyncIterator[Billing]:
    """The system, listening."""
    system = Billing()
    async with on_a_socket(system.serve) as system.url:
        yield system


async def _request(reader: asyncio.StreamReader) -> bytes:
    """The next request; empty when the other side has closed the connection."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def _is_about(request: bytes, account: str) -> bool:
    return account in unquote(request.split(b"\r\n", 1)[0].decode())
