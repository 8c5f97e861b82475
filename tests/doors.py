"""The doors a question comes in by: the server in memory, the server as a process, the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from account_health.config import DEMO, load_config
from account_health.server import create_server
from account_health.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from anyio.abc import Process
    from mcp.server import MCPServer
    from mcp.types import CallToolResult

    from account_health.server.desk import Desk

DAY = "2026-11-21"
"""The day that tests ask about."""

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
"""The instant that the servers of these tests take for now."""

ERAS = ("auto", "legacy")
"""The two protocol eras: 2026-07-28 and before it."""

COMMAND = (sys.executable, "-m", "account_health")

CANARY = "MUST-NOT-LEAK"
"""Stands in files and arguments; an error that repeats it would repeat anything."""

LONGEST_LINE = 1 << 24
PATIENCE = 30


def clock() -> datetime:
    """Always the same instant."""
    return NOW


@cache
def demo_server() -> MCPServer[Desk]:
    """One server over the demo accounts for all tests; nothing they ask changes it."""
    return create_server(lambda: DEMO, clock)


def configured(folder: Path, toml: str = "", **tables: str) -> Path:
    """Writes a configuration over `data/TABLE.csv` files with the given contents; returns its path."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for table, content in tables.items():
        (folder / "data" / f"{table}.csv").write_text(content, "utf-8")
    path = folder / "account-health.toml"
    path.write_text(f'{toml}\n[sources.export]\nconnector = "files"\nfolder = "data"\n', "utf-8")
    return path


def workspace_over(configuration: Path) -> Workspace:
    """The opened configuration."""
    return Workspace.open(load_config(configuration), clock)


def server_over(configuration: Path) -> MCPServer[Desk]:
    """A server over the configuration, which may come to exist later."""
    return create_server(lambda: load_config(configuration), clock)


def said(result: CallToolResult) -> str:
    """The only text of a result; links may follow."""
    (text,) = [block.text for block in result.content if block.type == "text"]
    return text


def environment(home: Path, **changes: str) -> dict[str, str]:
    """This process's environment with another home, no configuration and no wish for colours."""
    personal = ("ACCOUNT_HEALTH_", "XDG_", "FORCE_COLOR", "PYTHONIOENCODING", "PYTHONUTF8", "LC_", "LANG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(personal)}
    return kept | {"HOME": str(home)} | changes


def run(*arguments: str, here: Path, **changes: str) -> subprocess.CompletedProcess[bytes]:
    """The command as a process of its own, its output piped."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=here,
        env=environment(here, **changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )


@dataclass
class Wire:
    """The raw line to a server process."""

    process: Process
    answers: BufferedByteReceiveStream

    async def send(self, line: bytes) -> None:
        """One line as it is."""
        assert self.process.stdin
        await self.process.stdin.send(line + b"\n")

    async def ask(self, number: object, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a request; answers to earlier ones are passed over."""
        await self.send(request(number, method, **params))
        return await self.answer(number)

    async def answer(self, number: object) -> dict[str, Any]:
        """The answer with this id; others are passed over."""
        while True:
            answer = await self.next()
            if answer.get("id") == number:
                return answer

    async def earlier(self, number: object) -> list[dict[str, Any]]:
        """Every answer that arrives before the one to a last question with this id."""
        await self.send(request(number, "tools/list"))
        answers = [await self.next()]
        while answers[-1].get("id") != number:
            answers.append(await self.next())
        return answers[:-1]

    async def next(self) -> dict[str, Any]:
        """The next line, which must be JSON-RPC whatever was sent."""
        with anyio.fail_after(PATIENCE):
            answer = json.loads(await self.answers.receive_until(b"\n", LONGEST_LINE))
        assert answer["jsonrpc"] == "2.0"
        return dict(answer)

    async def hang_up(self) -> int:
        """Closes standard input; the exit code."""
        assert self.process.stdin
        await self.process.stdin.aclose()
        with anyio.fail_after(PATIENCE):
            return await self.process.wait()


def request(number: object, method: str, **params: Any) -> bytes:
    """A request of the stateless era, on one line."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params | {"_meta": meta}}
    return json.dumps(message).encode()


@asynccontextmanager
async def wired(*arguments: str, here: Path, changes: Mapping[str, str] | None = None) -> AsyncIterator[Wire]:
    """A server process that is gone afterwards, whatever happened."""
    process = await anyio.open_process(
        [*COMMAND, *arguments], cwd=here, env=environment(here, **(changes or {})), stderr=subprocess.DEVNULL
    )
    async with process:
        assert process.stdout
        try:
            yield Wire(process, BufferedByteReceiveStream(process.stdout))
        finally:
            if process.returncode is None:
                process.kill()
