"""What somebody waits for who starts the server: the list of tools, the first summary; and what it takes up."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from figures import Figure, NotMeasured, in_turns, milliseconds
from stdio_client import StdioServer

ACCOUNT = "northwind"
_STARTS = 11
_SUMMARIES = 50
_OURS = (sys.executable, "-m", "account_health", "serve", "--demo")


def start_to_tools_list() -> Sequence[Figure]:
    """From the cold start of the process to the answer of tools/list."""

    def started(*command: str) -> float:
        with StdioServer(*command) as server:
            server.ask("tools/list")
            return server.elapsed()

    ours, bare = in_turns(_STARTS, lambda: started(*_OURS), lambda: started(*_bare()))
    return [Figure("start_to_tools_list", ours, "ms", bare)]


def first_summary_after_list() -> Sequence[Figure]:
    """The first call of a tool right after tools/list, when everything heavy is imported and read."""
    ours, bare = in_turns(_STARTS, lambda: _first(_OURS, "render_health_summary"), lambda: _first(_bare(), "echo_1"))
    return [Figure("first_summary_after_list", ours, "ms", bare)]


def first_summary_in(*languages: str) -> Sequence[float]:
    """Milliseconds of the same call in some languages, each the first of a process of its own."""
    calls = [partial(_first, _OURS, "render_health_summary", language=language) for language in languages]
    return in_turns(_STARTS, *calls)


def memory() -> Sequence[Figure]:
    """Resident memory of the server after some summaries."""

    def resident(command: Sequence[str], tool: str) -> float:
        with StdioServer(*command) as server:
            server.ask("tools/list")
            for _ in range(_SUMMARIES):
                server.call(tool, account=ACCOUNT)
            return server.resident_mb()

    if not Path("/proc/self/status").exists():
        raise NotMeasured("resident memory of another process is read from /proc, which this system has not")
    return [Figure("memory", resident(_OURS, "render_health_summary"), "MB", resident(_bare(), "echo_1"))]


def tools_list_size() -> Sequence[Figure]:
    """Bytes of the answer to tools/list, which every conversation of an assistant pays for."""
    return [Figure("tools_list_size", _listing(_OURS)[1], "bytes", _listing(_bare())[1])]


def number_of_tools() -> int:
    """How many tools our server has."""
    return _listing(_OURS)[0]


def _first(command: Sequence[str], tool: str, **arguments: str) -> float:
    with StdioServer(*command) as server:
        server.ask("tools/list")
        return milliseconds(lambda: server.call(tool, account=ACCOUNT, **arguments))


@cache
def _bare() -> tuple[str, ...]:
    return sys.executable, str(Path(__file__).with_name("bare_server.py")), str(number_of_tools())


@cache
def _listing(command: Sequence[str]) -> tuple[int, int]:
    with StdioServer(*command) as server:
        result, size = server.ask("tools/list")
    return len(result["tools"]), size
