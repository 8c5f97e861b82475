"""What a warm answer takes over stdio and over HTTP, in both eras, with a recorded history and without one."""

from __future__ import annotations

import atexit
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from pathlib import Path

import anyio

from account_health.config import HistorySettings
from eras import ERAS
from figures import Figure, milliseconds
from generated import AS_OF
from http_client import HttpClient, HttpServer
from in_memory import demo_as_files
from over_stdio import ACCOUNT, number_of_tools
from recording import recorded
from stdio_client import StdioServer

BARE = str(Path(__file__).with_name("bare_server.py"))
_WARM_UP, _CALLS = 20, 300
_WEEKS = 12
_CONFIGURATION = """
as_of = "{as_of}"

[sources.rows]
connector = "files"
folder = "{rows}"

[history]
path = "{history}"
"""

Call = Callable[[], str]


def mcp_latency() -> Sequence[Figure]:
    """`score_account` of what is kept from the call before, beside a tool that does nothing, asked in turns."""
    figures: list[Figure] = []
    for history, configuration in (("", without_history()), (", with a history", with_history())):
        ours = sys.executable, "-m", "account_health", "serve", "--config", str(configuration)
        for transport, opened in (("stdio", _over_stdio), ("http", _over_http)):
            with opened(ours) as our_calls, opened((sys.executable, BARE, str(number_of_tools()))) as bare_calls:
                for era in ERAS:
                    call = partial(our_calls[era], "score_account", account=ACCOUNT)
                    echo = partial(bare_calls[era], "echo_1", account=ACCOUNT)
                    figures += _compared(f"mcp_latency: {transport}, {era}{history}", call, echo)
    return figures


def _compared(name: str, ours: Call, bare: Call) -> list[Figure]:
    """Median and 95th percentile, and how far apart they are, of calls that take turns."""
    for _ in range(_WARM_UP):
        ours()
        bare()
    pairs = [(milliseconds(ours), milliseconds(bare)) for _ in range(_CALLS)]
    (median, high), (bare_median, bare_high) = (_spread(times) for times in zip(*pairs, strict=True))
    return [
        Figure(name, median, "ms", bare_median),
        Figure(f"{name}: p95", high, "ms", bare_high),
        Figure(f"{name}: p95 in medians", high / median, "x", bare_high / bare_median),
    ]


def _spread(times: Sequence[float]) -> tuple[float, float]:
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


@contextmanager
def _over_stdio(command: Sequence[str]) -> Iterator[dict[str, Callable[..., str]]]:
    """How to call a tool in each era: over stdio a process serves one client."""
    with ExitStack() as stack:
        yield {era: stack.enter_context(StdioServer(*command, era=era)).call for era in ERAS}


@contextmanager
def _over_http(command: Sequence[str]) -> Iterator[dict[str, Callable[..., str]]]:
    """The same over HTTP, where one process serves both eras."""
    http = ("--http",) if BARE in command else ("--transport", "http", "--port", "0")
    with ExitStack() as stack:
        server = stack.enter_context(HttpServer(*command, *http))
        yield {era: stack.enter_context(HttpClient(server.port, era)).call for era in ERAS}


@cache
def without_history() -> Path:
    """A configuration over the demo accounts, whose rows stay the same and of which nothing was recorded."""
    return _configuration(_folder() / "history.sqlite")


@cache
def with_history() -> Path:
    """The same with an assessment of every account from each of the last twelve weeks."""
    history = _folder() / "history.sqlite"
    config = replace(demo_as_files(), history=HistorySettings(history))
    for weeks in range(_WEEKS, 0, -1):
        anyio.run(recorded, config, AS_OF - timedelta(weeks=weeks))
    return _configuration(history)


def _folder() -> Path:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _configuration(history: Path) -> Path:
    path = history.with_name("account-health.toml")
    rows = demo_as_files().folder.as_posix()
    path.write_text(_CONFIGURATION.format(as_of=f"{AS_OF:%Y-%m-%d}", rows=rows, history=history.as_posix()), "utf-8")
    return path
