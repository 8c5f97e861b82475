"""Servers that judge and answer as the vendors' API documents say (prism runs them), and a wire that notes refusals."""

from __future__ import annotations

import json
import re
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from given import SHARED
from vendors.document import Operation, operations, strict, undeclared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VENDORS = Path(__file__).parents[2] / ".vendors"
NODE = VENDORS / "node"
PRISM = VENDORS / "node_modules" / "@stoplight" / "prism-cli"
HOGQL = VENDORS / "node_modules" / "@posthog" / "hogql-parser"
DOCUMENTS = {"hubspot": VENDORS / "hubspot.json", "stripe": SHARED / "specs" / "stripe.fixtures.json"}

PATIENCE = 60
"""Seconds a server may take to start; two are usual."""

FOREIGN = "application/problem+json"
"""What prism itself answers with when a request fits nothing in the document."""


@dataclass(frozen=True)
class Exchange:
    """One request as the vendor saw it; `refusal` says why it would not have it, and is empty when it would."""

    verb: str
    target: str
    status: int
    refusal: str


class Judged(httpx2.AsyncBaseTransport):
    """A wire to a vendor's server that notes every exchange; `prefer` asks for other answers, a request at a time.

    `prefer=["code=429"]` throttles the first request only, `itertools.repeat("dynamic=true")` makes all answers random.
    """

    def __init__(self, asked: tuple[Operation, ...], prefer: Iterable[str] = ()) -> None:
        self.exchanges: list[Exchange] = []
        self._asked = asked
        self._prefer = iter(prefer)
        # Several clients of one connector share it and close it in turn, so no connection is kept open for later.
        self._wire = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_keepalive_connections=0))

    @property
    def refusals(self) -> list[Exchange]:
        """The exchanges that the vendor would not have had. None of them proves nothing unless there were exchanges."""
        return [exchange for exchange in self.exchanges if exchange.refusal]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends the request on as it is, but for the answer that is preferred."""
        preference = next(self._prefer, "")
        response = await self._wire.handle_async_request(_preferring(preference, request))
        target = request.url.raw_path.decode("ascii")
        refusal = self._refusal(preference, request, response)
        self.exchanges.append(Exchange(request.method, target, response.status_code, refusal))
        return response

    def _refusal(self, preference: str, request: httpx2.Request, response: httpx2.Response) -> str:
        if violations := response.headers.get("sl-violations"):
            return str(violations)
        if response.headers.get("content-type") == FOREIGN or (response.is_error and not preference):
            return "the document has no such path, verb, body or answer"
        names = undeclared(self._asked, request.method, request.url.path, request.url.params)
        return f"the document does not declare {', '.join(names)}" if names else ""


def _preferring(preference: str, request: httpx2.Request) -> httpx2.Request:
    """A copy that asks for an answer; the request itself may be sent again and must not remember."""
    if not preference:
        return request
    headers = [*request.headers.multi_items(), ("Prefer", preference)]
    return httpx2.Request(
        request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
    )


@dataclass(frozen=True)
class Vendor:
    """A vendor's server on this machine."""

    base_url: str
    asked: tuple[Operation, ...]

    def wire(self, prefer: Iterable[str] = ()) -> Judged:
        """A fresh wire to it, for one client."""
        return Judged(self.asked, prefer)


def needed(paths: Iterable[Path], *, required: bool) -> None:
    """Skips the test, loudly, when something that others made is missing; where it is required, fails it."""
    if missing := [path.name for path in paths if not path.exists()]:
        reason = f"NOT JUDGED BY ANY VENDOR: {', '.join(missing)} missing. Run `.ci/vendors`, which fetches all of it."
        (pytest.fail if required else pytest.skip)(reason)


@contextmanager
def served(document: Path, folder: Path) -> Iterator[Vendor]:
    """A server that answers as the document says, held strictly, for as long as the context lasts."""
    held = strict(json.loads(document.read_text("utf-8")))
    copy, log = folder / document.name, folder / "prism.log"
    copy.write_text(json.dumps(held), "utf-8")
    with log.open("wb") as output:
        server = subprocess.Popen(
            [NODE, PRISM / "dist" / "index.js", "mock", "-h", "127.0.0.1", "-p", "0", copy],
            stdout=output,
            stderr=output,
        )
    with server:
        try:
            yield Vendor(_address(server, log), operations(held))
        finally:
            server.kill()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server listens, as it says itself once it does."""
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        if listening := re.search(r"listening on (http://127\.0\.0\.1:\d+)", log.read_text("utf-8")):
            return listening[1]
        time.sleep(0.05)
    pytest.fail(f"prism did not start: {log.read_text('utf-8')[-2000:]}")
