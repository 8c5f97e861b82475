"""How long a question that nobody waits for any more goes on asking another system, over both transports."""

from __future__ import annotations

import os
import queue
import socketserver
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from both_transports import BARE
from eras import ERAS, LEGACY
from figures import Figure
from http_client import HttpClient, HttpServer
from over_stdio import number_of_tools
from stdio_client import StdioServer

_TIMES = 9
_PATIENCE = 20.0
"""Seconds; ours gives up a silent system by itself after thirty."""
_CONFIGURATION = """
[gather]
deadline_seconds = 600

[sources.crm]
connector = "files"
folder = "."

[sources.billing]
connector = "stripe"
api_key = {{ env = "BENCH_KEY" }}
base_url = "http://127.0.0.1:{port}"
"""

Question = tuple[str, dict[str, Any]]


def mcp_cancellation() -> Sequence[Figure]:
    """From giving a question up to the end of its connection to a system that never answers."""
    with _silent_system() as system, _configuration(system.port) as configuration:
        ours = [sys.executable, "-m", "account_health", "serve", "--config", str(configuration)]
        bare = [sys.executable, BARE, str(number_of_tools()), "--hold"]
        question: Question = "score_account", {"account": "A-1"}
        held: Question = "hold", {"port": system.port}
        found: dict[str, tuple[list[float], list[float]]] = {}
        with (
            HttpServer(*ours, "--transport", "http", "--port", "0") as server,
            HttpServer(*bare, "--http") as alone,
            HttpServer(*bare, "--http-sessions") as sessions,
            _ways(server.port, server.port, ours, system) as our_ways,
            _ways(alone.port, sessions.port, bare, system) as bare_ways,
        ):
            for way, give_up in our_ways.items():
                pairs = [(give_up(question), bare_ways[way](held)) for _ in range(_TIMES)]
                found[way] = [one for one, _ in pairs], [other for _, other in pairs]
    longest, bare_longest = (max(max(times[i]) for times in found.values()) for i in (0, 1))
    return [
        *(
            Figure(f"mcp_cancellation: {way}", statistics.median(times), "ms", statistics.median(bare_times))
            for way, (times, bare_times) in found.items()
        ),
        Figure("mcp_cancellation: the longest", longest, "ms", bare_longest),
    ]


class _SilentSystem(socketserver.ThreadingTCPServer):
    """Takes every question and answers none; says when it was asked and when it was left."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self) -> None:
        self.asked: queue.Queue[float] = queue.Queue()
        self.left: queue.Queue[float] = queue.Queue()
        super().__init__(("127.0.0.1", 0), _Silence)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.socket.getsockname()[1])

    def given_up(self, ask: Callable[[], Callable[[], object]]) -> float:
        """Milliseconds from giving up, which asking returns how to do, to the end of the connection."""
        if not (self.asked.empty() and self.left.empty()):
            raise RuntimeError("Somebody asked once more after giving up.")
        give_up = ask()
        self.asked.get(timeout=_PATIENCE)
        began = time.perf_counter()
        give_up()
        return (self.left.get(timeout=_PATIENCE) - began) * 1000


class _Silence(socketserver.BaseRequestHandler):
    """One connection."""

    server: _SilentSystem

    def handle(self) -> None:
        while b"\r\n\r\n" not in self.request.recv(65536):
            pass
        self.server.asked.put(time.perf_counter())
        while self.request.recv(65536):
            pass
        self.server.left.put(time.perf_counter())


@contextmanager
def _silent_system() -> Iterator[_SilentSystem]:
    with _SilentSystem() as system:
        Thread(target=system.serve_forever, daemon=True).start()
        yield system
        system.shutdown()


@contextmanager
def _configuration(port: int) -> Iterator[Path]:
    """One account in a file, whose invoices and subscriptions a system has that never answers."""
    os.environ["BENCH_KEY"] = "opens nothing"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "account.csv").write_text("account_id,name\nA-1,Acme\n", "utf-8")
        path = Path(folder, "account-health.toml")
        path.write_text(_CONFIGURATION.format(port=port), "utf-8")
        yield path


@contextmanager
def _ways(
    alone: int, sessions: int, stdio: Sequence[str], system: _SilentSystem
) -> Iterator[dict[str, Callable[[Question], float]]]:
    """Every way to give a question up: going away or saying so over HTTP, saying so over stdio."""
    with StdioServer(*stdio, era=ERAS[0]) as new, StdioServer(*stdio, era=ERAS[1]) as old:

        def left(era: str, question: Question) -> float:
            return system.given_up(partial(_ask_and_leave, alone, era, question))

        def said(wire: StdioServer, question: Question) -> float:
            return system.given_up(partial(_ask_and_say, wire, question))

        yield {
            **{f"http, {era}": partial(left, era) for era in ERAS},
            f"http, {LEGACY} in a session": lambda question: _in_session(sessions, question, system),
            **{f"stdio, {era}": partial(said, wire) for era, wire in zip(ERAS, (new, old), strict=True)},
        }


def _ask_and_leave(port: int, era: str, question: Question) -> Callable[[], object]:
    client = HttpClient(port, era)
    client.put("tools/call", {"name": question[0], "arguments": question[1]})
    return client.leave


def _ask_and_say(wire: StdioServer, question: Question) -> Callable[[], object]:
    number = wire.put("tools/call", {"name": question[0], "arguments": question[1]})
    return partial(wire.tell, "notifications/cancelled", requestId=number)


def _in_session(port: int, question: Question, system: _SilentSystem) -> float:
    """The question is put over one connection and given up over another, as its own is busy with the answer."""
    with HttpClient(port, LEGACY) as asking, HttpClient(port, LEGACY) as beside:
        beside.join(asking.open_session())

        def ask() -> Callable[[], object]:
            number = asking.put("tools/call", {"name": question[0], "arguments": question[1]})
            return partial(beside.tell, "notifications/cancelled", requestId=number)

        return system.given_up(ask)
