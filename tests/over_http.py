"""The server over HTTP, as tests ask it: a process of its own on a free port, and questions as they travel."""

from __future__ import annotations

import re
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from doors import COMMAND, LONGEST_LINE, PATIENCE, environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import ByteReceiveStream

LEGACY, MODERN = "2025-11-25", "2026-07-28"
HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@asynccontextmanager
async def served(*arguments: str, here: Path) -> AsyncIterator[str]:
    """The address of a server process over HTTP, which is asked to end afterwards and does so in peace."""
    command = [*COMMAND, "serve", "--transport", "http", "--port", "0", *arguments]
    async with (
        await anyio.open_process(command, cwd=here, env=environment(here), stdin=None, stdout=None) as process,
        anyio.create_task_group() as group,
    ):
        assert process.stderr
        try:
            with anyio.fail_after(PATIENCE):
                line = await BufferedByteReceiveStream(process.stderr).receive_until(b"\n", LONGEST_LINE)
            (url,) = re.findall(r"http://\S+/mcp", line.decode())
            group.start_soon(_drain, process.stderr)
            yield url
            process.terminate()
            with anyio.fail_after(PATIENCE):
                assert await process.wait() in {0, -signal.SIGTERM}
        finally:
            group.cancel_scope.cancel()
            if process.returncode is None:
                process.kill()


async def _drain(log: ByteReceiveStream) -> None:
    """Reads on, since a server whose log nobody takes would wait with its next line for ever."""
    async for _ in log:
        pass


def question(name: str, arguments: dict[str, Any], version: str) -> dict[str, Any]:
    """A call of a tool by itself, without a session."""
    params: dict[str, Any] = {"name": name, "arguments": arguments}
    headers = HEADERS | {"mcp-protocol-version": version}
    if version == MODERN:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        headers |= {"mcp-method": "tools/call", "mcp-name": name}
    return {"json": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, "headers": headers}
