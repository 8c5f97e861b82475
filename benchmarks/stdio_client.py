"""A client of the standard library alone: what it measures is the server, not a client's own start."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from eras import LEGACY, body, introduction, message, notice, tool_text


class StdioServer:
    """A server process from its start on; times are milliseconds since then."""

    def __init__(self, *command: str, era: str = LEGACY) -> None:
        self._requests = 0
        self._era = era
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        if self._era == LEGACY:
            self.ask("initialize", introduction())
            self.tell("notifications/initialized")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate(timeout=30)

    def elapsed(self) -> float:
        """Milliseconds since the process was started."""
        return (time.perf_counter() - self._started) * 1000

    def ask(self, method: str, params: dict[str, Any] | None = None) -> tuple[dict[str, Any], int]:
        """The result of a request, and the size of the answer in bytes."""
        number = self.put(method, params)
        while line := self._pipe("stdout").readline():
            answer = json.loads(line)
            if answer.get("id") == number:
                return answer["result"], len(line)
        raise RuntimeError(f"The server closed its output instead of answering {method}.")

    def put(self, method: str, params: dict[str, Any] | None = None) -> int:
        """Sends a request and waits for nothing; its number."""
        self._requests += 1
        self._send(message(self._requests, method, params or {}, self._era))
        return self._requests

    def tell(self, method: str, **params: Any) -> None:
        """Sends what has no answer."""
        self._send(notice(method, params, self._era))

    def call(self, tool: str, **arguments: Any) -> str:
        """The text a tool answers; raises when it answers with an error."""
        return tool_text(self.ask("tools/call", {"name": tool, "arguments": arguments})[0])

    def resident_mb(self) -> float:
        """Resident memory of the process."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("utf-8")
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def _send(self, sent: dict[str, Any]) -> None:
        stdin = self._pipe("stdin")
        stdin.write(body(sent) + b"\n")
        stdin.flush()

    def _pipe(self, name: str) -> Any:
        return getattr(self._process, name)
