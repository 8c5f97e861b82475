"""History: what answers cost that look back: the portfolio, the list of accounts at risk, changes and summaries."""

from __future__ import annotations

import atexit
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path

import anyio
from mcp import Client

from account_health.at_risk import WantedAtRisk, at_risk
from account_health.config import Config, HistorySettings
from account_health.explained_change import explain_change as explained
from account_health.overview import Overview
from account_health.portfolio import portfolio_health
from account_health.server import create_server
from account_health.workspace import Workspace
from figures import Figure, awaited_milliseconds, milliseconds, peak_mb
from generated import AS_OF, OWNER, SEGMENT, write_full
from in_memory import demo_as_files, timed
from over_stdio import ACCOUNT
from recording import generated_config, recorded

EARLIER = AS_OF - timedelta(days=30)
_WEEKS = 12
_COLD, _WARM = 3, 15
_WARM_UP, _CHANGES, _SUMMARIES = 5, 40, 100
_PAGE = 20
_COUNT = "SELECT band, count(*) FROM latest JOIN assessment ON assessment.id = latest.assessment_id GROUP BY band"
"""The least that an answer about all accounts has to read."""

_Ask = Callable[[Overview], Awaitable[object]]
_QUESTIONS: dict[str, tuple[_Ask, _Ask]] = {
    "portfolio_health_100k": (
        portfolio_health,
        lambda overview: portfolio_health(overview, SEGMENT, OWNER),
    ),
    "at_risk_100k": (
        lambda overview: at_risk(overview, WantedAtRisk(), _PAGE),
        lambda overview: at_risk(overview, WantedAtRisk(SEGMENT, OWNER, "Q4"), _PAGE),
    ),
}
"""About all accounts, and about some of them."""


def portfolio_health_100k() -> Sequence[Figure]:
    """How 100,000 customers stand, from a run of the day and one of a month before."""
    return _about_all("portfolio_health_100k")


def at_risk_100k() -> Sequence[Figure]:
    """The twenty of 100,000 accounts that need somebody most, from the same two runs."""
    return _about_all("at_risk_100k")


def explain_change() -> Sequence[Figure]:
    """Why the score of one account moved, among 100,000 accounts and among those of the demo."""
    found = _measured("explain_change", generated_history())
    small = anyio.run(_changes, _demo_history(), [ACCOUNT] * (_WARM_UP + _CHANGES))
    return [
        Figure(f"explain_change{where}{how}", times[how], "ms", times["peer"])
        for where, times in (("_100k", found), ("_demo", small))
        for how in (": asked before", ": not asked before")
    ]


def summary_with_history() -> Sequence[Figure]:
    """The summary of a server that is warm, with a history and without, in turns."""
    another = anyio.run(_summaries, _demo_history(), lambda call: AS_OF + timedelta(minutes=call))
    same = anyio.run(_summaries, _demo_history(), lambda _: AS_OF)
    return [
        Figure("summary_with_history: computed", another[0], "ms", another[1]),
        Figure("summary_with_history: cached", same[0], "ms", same[1]),
    ]


def _about_all(name: str) -> Sequence[Figure]:
    found = _measured(name, generated_history())
    return [
        Figure(name, found["warm"], "ms", found["count"]),
        Figure(f"{name}: of a segment and an owner", found["filtered"], "ms", found["count"]),
        Figure(f"{name}: cold", found["cold"], "ms", found["count"]),
        Figure(f"{name}: peak memory", found["peak"], "MB", found["at start"]),
    ]


def _measured(name: str, folder: Path) -> dict[str, float]:
    """What a process of its own finds out in a folder of accounts with their history."""
    done = subprocess.run([sys.executable, __file__, name, str(folder)], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout or "{}")
    return found


@cache
def generated_history() -> Path:
    """A folder of 100,000 accounts, recorded today and a month before."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    write_full(Path(folder.name))
    _measured("record", Path(folder.name))
    return Path(folder.name)


@cache
def _demo_history() -> Config:
    """The demo accounts, recorded once a week."""
    config = demo_as_files()
    config = replace(config, history=HistorySettings(config.folder / "history.sqlite"))
    for weeks in range(_WEEKS, 0, -1):
        anyio.run(recorded, config, AS_OF - timedelta(weeks=weeks))
    return config


async def _record(folder: Path) -> None:
    for day in (EARLIER, AS_OF):
        await recorded(generated_config(folder), day)


async def _views(folder: Path, name: str) -> dict[str, float]:
    """Median milliseconds of a question, asked first and again, and of counting the bands in the database."""
    workspace = Workspace.open(generated_config(folder), lambda: AS_OF + timedelta(hours=1))
    at_start, (about_all, about_some) = peak_mb(), _QUESTIONS[name]
    spent: dict[str, list[float]] = {"cold": [], "warm": [], "filtered": [], "count": []}
    for _ in range(_COLD):
        overview = Overview(workspace)
        spent["cold"].append(await awaited_milliseconds(partial(about_all, overview)))
    await about_some(overview)
    with closing(sqlite3.connect(folder / "history.sqlite")) as database:
        for _ in range(_WARM):
            spent["warm"].append(await awaited_milliseconds(partial(about_all, overview)))
            spent["filtered"].append(await awaited_milliseconds(partial(about_some, overview)))
            spent["count"].append(milliseconds(lambda: database.execute(_COUNT).fetchall()))
    medians = {step: statistics.median(times) for step, times in spent.items()}
    return medians | {"at start": at_start, "peak": peak_mb()}


async def _changes(config: Config, accounts: Sequence[str]) -> dict[str, float]:
    """Median milliseconds of the change of an account that was not asked about before, and that was, in turns.

    The peer is one computation of its metrics, for another minute. Asked about one account only, minutes differ too.
    """
    workspace = Workspace.open(config, lambda: AS_OF)
    spent: dict[str, list[float]] = {": not asked before": [], ": asked before": [], "peer": []}
    for call, account in enumerate(accounts):
        minute = AS_OF + timedelta(minutes=0 if len(set(accounts)) > 1 else 2 * call)
        change = partial(explained, workspace, account, as_of=minute.isoformat())
        later = (minute + timedelta(minutes=1)).replace(tzinfo=None)
        for step, act in (
            (": not asked before", change),
            (": asked before", change),
            ("peer", partial(workspace.evaluate, later, [account])),
        ):
            spent[step].append(await awaited_milliseconds(act))
    return {step: statistics.median(times[_WARM_UP:]) for step, times in spent.items()}


async def _summaries(config: Config, instant: Callable[[int], datetime]) -> tuple[float, float]:
    """Median milliseconds of a summary with a history and without."""
    ours, theirs = [], []
    remembers, forgets = create_server(lambda: config, lambda: AS_OF), create_server(demo_as_files, lambda: AS_OF)
    async with Client(remembers) as client, Client(forgets) as peer:
        for call in range(_WARM_UP + _SUMMARIES):
            asked = {"account": ACCOUNT, "as_of": instant(call).isoformat()}
            ours.append(await timed(client, "render_health_summary", asked))
            theirs.append(await timed(peer, "render_health_summary", asked))
    return statistics.median(ours[_WARM_UP:]), statistics.median(theirs[_WARM_UP:])


def _main(name: str, folder: Path) -> None:
    """What `_measured` asks for."""
    if name == "record":
        anyio.run(_record, folder)
    elif name == "explain_change":
        accounts = [f"a{number * 997}" for number in range(_WARM_UP + _CHANGES)]
        print(json.dumps(anyio.run(_changes, generated_config(folder), accounts)))
    else:
        print(json.dumps(anyio.run(_views, folder, name)))


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
