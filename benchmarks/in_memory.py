"""A summary from a server that is warm, without a transport: computed anew, and kept from the call before."""

from __future__ import annotations

import atexit
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import duckdb
from mcp import Client

from account_health.config import Config, SourceConfig
from account_health.connectors.base import Context, Query, Relation
from account_health.connectors.demo import Demo, DemoSettings
from account_health.evaluation import Evaluation
from account_health.explain import explain
from account_health.flags import check_flags
from account_health.metrics.measure import measure
from account_health.render import render_summary
from account_health.scoring import Rubric, score_matrix
from account_health.server import create_server
from account_health.workspace import Workspace
from bare_server import bare_server
from figures import Figure
from generated import AS_OF
from over_stdio import ACCOUNT, number_of_tools

_CALLS = 200
_WARM_UP = 10


def warm_summary_computed() -> Sequence[Figure]:
    """Every call asks about another minute, so all but the gathered rows is computed anew; and where the time goes."""
    took, bare = anyio.run(_answered, demo_as_files(), lambda call: AS_OF + timedelta(minutes=call))
    parts = anyio.run(_parts, demo_as_files())
    whole = sum(parts.values())
    return [
        Figure("warm_summary_computed", took, "ms", bare),
        *(Figure(f"warm_summary_computed: {part}", spent, "ms", whole) for part, spent in parts.items()),
    ]


def warm_summary_cached() -> Sequence[Figure]:
    """Every call asks about the same minute."""
    took, bare = anyio.run(_answered, demo_as_files(), lambda _: AS_OF)
    return [Figure("warm_summary_cached", took, "ms", bare)]


@cache
def demo_as_files() -> Config:
    """The demo accounts as JSON lines: unlike the demo's own, these rows stay the same from minute to minute."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    context = Context(Path(), duckdb.connect(), lambda: AS_OF)
    demo = Demo("demo", DemoSettings(), context)
    for delivery in anyio.run(demo.fetch, Query(AS_OF.replace(tzinfo=None))):
        if not isinstance(delivery.rows, Relation):
            lines = "\n".join(row.model_dump_json(exclude_none=True) for row in delivery.rows)
            Path(folder.name, f"{delivery.table}.jsonl").write_text(lines, "utf-8")
    return Config(Path(folder.name), (SourceConfig("rows", "files", {"folder": "."}),))


async def _answered(config: Config, instant: Callable[[int], datetime]) -> tuple[float, float]:
    """Median milliseconds of a summary and of a tool that does nothing, asked in turns."""
    ours, theirs = [], []
    server, bare = create_server(lambda: config, lambda: AS_OF), bare_server(number_of_tools())
    async with Client(server) as client, Client(bare) as peer:
        for call in range(_WARM_UP + _CALLS):
            as_of = instant(call).isoformat()
            ours.append(await timed(client, "render_health_summary", {"account": ACCOUNT, "as_of": as_of}))
            theirs.append(await timed(peer, "echo_1", {"account": ACCOUNT}))
    return statistics.median(ours[_WARM_UP:]), statistics.median(theirs[_WARM_UP:])


async def timed(client: Client, tool: str, arguments: dict[str, Any]) -> float:
    """Milliseconds of one call of a tool, which must not fail."""
    start = time.perf_counter()
    result = await client.call_tool(tool, arguments)
    took = (time.perf_counter() - start) * 1000
    if result.is_error:
        raise RuntimeError(str(result.content))
    return took


async def _parts(config: Config) -> dict[str, float]:
    """Median milliseconds of each step of the pipeline."""
    workspace = Workspace.open(config, lambda: AS_OF)
    spent: dict[str, list[float]] = {}
    for call in range(_WARM_UP + _CALLS):
        steps = await _steps(workspace, (AS_OF + timedelta(minutes=call)).replace(tzinfo=None))
        for name, took in steps.items():
            spent.setdefault(name, []).append(took)
    return {name: statistics.median(times[_WARM_UP:]) for name, times in spent.items()}


async def _steps(workspace: Workspace, as_of: datetime) -> dict[str, float]:
    """One summary step by step, as `evaluate` and `explain` put the steps together."""
    policy, marks = workspace.policy, [time.perf_counter()]

    def mark() -> None:
        marks.append(time.perf_counter())

    entry = await workspace.find(ACCOUNT, as_of)
    inputs = await workspace.inputs(as_of, [entry.id])
    mark()
    matrix = measure(inputs, policy)
    mark()
    rubric = Rubric.of(policy)
    scores, parts = score_matrix(matrix, rubric)
    flags = check_flags(matrix, policy)
    mark()
    assessment = explain(Evaluation(inputs, policy, rubric, matrix, scores, parts, flags), 0)
    mark()
    render_summary(assessment, policy)
    mark()
    names = ("gather", "measure", "score and flags", "explain", "render")
    return {name: (marks[i + 1] - marks[i]) * 1000 for i, name in enumerate(names)}
