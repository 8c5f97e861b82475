"""A client of the standard library alone: what it measures is the server, not a client's own start."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROTOCOL = "2025-11-25"


class StdioServer:
    """A server process from its start on; times are milliseconds since then."""

    def __init__(self, *command: str) -> None:
        self._requests = 0
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        client = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        self.ask("initialize", client)
        self._send({"method": "notifications/initialized"})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate(timeout=30)

    def elapsed(self) -> float:
        """Milliseconds since the process was started."""
        return (time.perf_counter() - self._started) * 1000

    def ask(self, method: str, params: dict[str, Any] | None = None) -> tuple[dict[str, Any], int]:
        """The result of a request, and the size of the answer in bytes."""
        self._requests += 1
        self._send({"id": self._requests, "method": method, "params": params or {}})
        while line := self._pipe("stdout").readline():
            message = json.loads(line)
            if message.get("id") == self._requests:
                return message["result"], len(line)
        raise RuntimeError(f"The server closed its output instead of answering {method}.")

    def call(self, tool: str, **arguments: Any) -> str:
        """The text a tool answers; raises when it answers with an error."""
        result, _ = self.ask("tools/call", {"name": tool, "arguments": arguments})
        text = str(result["content"][0]["text"])
        if result.get("isError"):
            raise RuntimeError(text)
        return text

    def resident_mb(self) -> float:
        """Resident memory of the process."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("utf-8")
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def _send(self, message: dict[str, Any]) -> None:
        stdin = self._pipe("stdin")
        stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        stdin.flush()

    def _pipe(self, name: str) -> Any:
        return getattr(self._process, name)
