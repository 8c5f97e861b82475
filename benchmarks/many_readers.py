"""Fifty who read at once over HTTP: how many answers a second, how late the latest, and what the server takes up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from both_transports import BARE
from eras import ERAS, body, headers, message
from figures import Figure, NotMeasured
from http_client import HttpClient, HttpServer
from over_stdio import ACCOUNT, number_of_tools
from readers import Question

_READERS = 50
_SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
_PEER_SHARE = 1 / 4
"""The peer has no accounts and no memory to watch, so less time tells as much."""
_EARLY = 10.0
"""When the server has answered about every account and its memory is to stay as it is."""
_TOOLS = ("score_account", "render_health_summary")
_OURS = (sys.executable, "-m", "account_health", "serve", "--demo", "--transport", "http", "--port", "0")
_QUANTILES = ("p50", "p95", "p99")


class _Load(NamedTuple):
    """What came of a load, and what the server took up meanwhile."""

    told: dict[str, Any]
    early_mb: float
    late_mb: float
    processor_ms: float
    """For one answer."""


def mcp_readers() -> Sequence[Figure]:
    """Both tools about every account of the demo, in both eras, as fast as the server answers."""
    if not Path("/proc/self/stat").exists():
        raise NotMeasured("memory and processor time of another process are read from /proc, which this system has not")
    ours, bare = _loaded_ours(), _loaded_bare()
    times, bare_times = ours.told["of all"], bare.told["of all"]
    could_ask = bare.told["a second of its own"]
    return [
        Figure("mcp_readers", ours.told["a second"], "1/s", bare.told["a second"]),
        *(Figure(f"mcp_readers: {cut}", times[cut], "ms", bare_times[cut]) for cut in _QUANTILES),
        *(
            Figure(f"mcp_readers: {cut} of {tool}", ours.told["of each"][tool][cut], "ms", bare_times[cut])
            for tool in _TOOLS
            for cut in _QUANTILES[:2]
        ),
        Figure("mcp_readers: without an answer", ours.told["problems"], "calls", ours.told["answers"]),
        Figure("mcp_readers: processor time of an answer", ours.processor_ms, "ms", bare.processor_ms),
        Figure("mcp_readers: memory at the end", ours.late_mb, "MB", ours.early_mb),
        Figure("mcp_readers: what the readers could ask", could_ask, "1/s", bare.told["a second"]),
    ]


def _loaded_ours() -> _Load:
    with HttpServer(*_OURS) as server:
        questions = [
            _question(server.port, tool, account, era)
            for account in _accounts(server)
            for tool in _TOOLS
            for era in ERAS
        ]
        return _loaded(server, questions, _SECONDS)


def _loaded_bare() -> _Load:
    with HttpServer(sys.executable, BARE, str(number_of_tools()), "--http") as server:
        questions = [_question(server.port, f"echo_{number}", ACCOUNT, era) for number in (1, 2) for era in ERAS]
        return _loaded(server, questions, _SECONDS * _PEER_SHARE)


def _loaded(server: HttpServer, questions: Sequence[Question], seconds: float) -> _Load:
    """Puts the load of a process of its own on the server, and looks at the server early and in the end."""
    script = str(Path(__file__).with_name("readers.py"))
    spent = server.processor_seconds()
    with subprocess.Popen(
        [sys.executable, script, str(server.port), str(_READERS), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as readers:
        if readers.stdin is None or readers.stdout is None:
            raise RuntimeError("The readers have no pipes.")
        readers.stdin.write(json.dumps([question.written() for question in questions]))
        readers.stdin.close()
        time.sleep(min(_EARLY, seconds / 2))
        early = server.resident_mb()
        told = json.loads(readers.stdout.read())
        late, spent = server.resident_mb(), server.processor_seconds() - spent
    if told["problems"]:
        print(f"{told['problems']} questions had no answer, the first: {told['first problem']}", file=sys.stderr)
    return _Load(told, early, late, spent * 1000 / told["answers"])


def _accounts(server: HttpServer) -> list[str]:
    with HttpClient(server.port) as client:
        found = json.loads(client.call("find_accounts", limit=100))
    return [account["id"] for account in found["accounts"]]


def _question(port: int, tool: str, account: str, era: str) -> Question:
    """A call of a tool as an HTTP request; its answer names the account."""
    content = body(message(1, "tools/call", {"name": tool, "arguments": {"account": account}}, era))
    fields = {"host": f"127.0.0.1:{port}", "content-length": str(len(content)), **headers(era, "tools/call", tool)}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return Question(tool, f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + content, account.encode())
