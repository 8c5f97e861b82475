"""A server process over HTTP, and a client of the standard library alone: what it measures is the server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

from eras import MODERN, body, headers, introduction, message, notice, tool_text

_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/mcp")
_PATIENCE = 60
_WITHOUT = ("ACCOUNT_HEALTH_", "XDG_")
"""A configuration or a history of whoever measures is not what is measured."""


class HttpServer:
    """A server process that says its address on standard error, with a home of its own that is empty."""

    def __init__(self, *command: str) -> None:
        self._home = tempfile.TemporaryDirectory()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_WITHOUT)}
        self._process = subprocess.Popen(
            command, env=kept | {"XDG_DATA_HOME": self._home.name}, stderr=subprocess.PIPE, text=True
        )
        self.port = 0

    def __enter__(self) -> Self:
        said = ""
        for line in self._process.stderr or ():
            said += line
            if found := _ADDRESS.search(line):
                self.port = int(found[1])
                # Nobody reads on, and a full pipe would hold the server up.
                Thread(target=self._drain, daemon=True).start()
                return self
        raise RuntimeError(f"The server said no address, but: {said}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(_PATIENCE)
        self._home.cleanup()

    def _drain(self) -> None:
        with suppress(ValueError, OSError):
            for _ in self._process.stderr or ():
                pass

    def resident_mb(self) -> float:
        """Resident memory of the process."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("utf-8")
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def processor_seconds(self) -> float:
        """Time that the process has spent on processors so far."""
        after_name = Path(f"/proc/{self._process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


class HttpClient:
    """One connection to a server, in one era; with a session only once that is opened."""

    def __init__(self, port: int, era: str = MODERN) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
        self._era = era
        self._session: dict[str, str] = {}
        self._requests = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def open_session(self) -> dict[str, str]:
        """Opens a session of the older era; the header that names it, by which another connection can join."""
        self.put("initialize", introduction())
        response = self._connection.getresponse()
        response.read()
        self._session = {"mcp-session-id": response.headers["mcp-session-id"]}
        self.tell("notifications/initialized")
        return self._session

    def join(self, session: dict[str, str]) -> None:
        """Goes on in a session that another connection opened."""
        self._session = session

    def call(self, tool: str, **arguments: Any) -> str:
        """The text a tool answers; raises when it answers with an error."""
        self.put("tools/call", {"name": tool, "arguments": arguments})
        return tool_text(_result(self._connection.getresponse()))

    def put(self, method: str, params: dict[str, Any]) -> int:
        """Sends a request and waits for nothing; its number."""
        self._requests += 1
        named = headers(self._era, method, str(params.get("name", "")))
        # A session begins with the version that its opening agrees on.
        named = {k: v for k, v in named.items() if k != "mcp-protocol-version"} if method == "initialize" else named
        sent = body(message(self._requests, method, params, self._era))
        self._connection.request("POST", "/mcp", sent, named | self._session)
        return self._requests

    def tell(self, method: str, **params: Any) -> None:
        """Sends what has no answer."""
        sent = body(notice(method, params, self._era))
        self._connection.request("POST", "/mcp", sent, headers(self._era, method) | self._session)
        self._connection.getresponse().read()

    def leave(self) -> None:
        """Goes away, whatever is still to be answered."""
        self._connection.close()


def _result(response: HTTPResponse) -> dict[str, Any]:
    """The result by itself, as the newer era answers, or in a stream of events that ends with it."""
    text = response.read().decode()
    for line in text.splitlines():
        answer = json.loads(line.removeprefix("data: ")) if line.startswith(("{", "data: {")) else {}
        if "result" in answer:
            result: dict[str, Any] = answer["result"]
            return result
    raise RuntimeError(f"{response.status}: {text[:200]}")
