"""Recording: 100,000 accounts from Parquet files into a history, the first day, once more, and the next day."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import anyio

from account_health.config import Config, HistorySettings, SourceConfig
from account_health.recording import record_all
from account_health.workspace import Workspace
from figures import Figure, peak_mb
from generated import ACCOUNTS, AS_OF, write_full

_VALUE_AND_MARK = 9
"""Bytes of a packed metric."""


def assess_all_100k() -> Sequence[Figure]:
    """`assess --all` over 100,000 accounts in a process of its own; the peer evaluates them and keeps nothing."""
    with tempfile.TemporaryDirectory() as folder:
        write_full(Path(folder))
        done = subprocess.run([sys.executable, __file__, folder], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    evaluated, first, packed = found["evaluated"], found["first"], found["packed"]
    grown = found["next size"] - found["size"]
    return [
        Figure("assess_all_100k", first, "ms", evaluated),
        Figure("assess_all_100k: accounts per second", ACCOUNTS / first * 1000, "1/s", ACCOUNTS / evaluated * 1000),
        Figure("assess_all_100k: nothing changed", found["again"], "ms", evaluated),
        Figure("assess_all_100k: the next day", found["next"], "ms", evaluated),
        Figure("assess_all_100k: peak memory", found["peak"], "MB", found["evaluated peak"]),
        Figure("assess_all_100k: database", found["size"] / 2**20, "MB", packed / 2**20),
        Figure("assess_all_100k: bytes per account", found["size"] / ACCOUNTS, "bytes", packed / ACCOUNTS),
        Figure("assess_all_100k: bytes per account, the next day", grown / ACCOUNTS, "bytes", packed / ACCOUNTS),
    ]


def generated_config(folder: Path) -> Config:
    """The generated accounts in a folder, with a history beside them."""
    history = HistorySettings(folder / "history.sqlite")
    return Config(folder, (SourceConfig("bulk", "files", {"folder": str(folder)}),), history=history)


async def recorded(config: Config, now: datetime) -> int:
    """Records all accounts as of an instant; how many assessments that added."""
    workspace = Workspace.open(config, lambda: now)
    run = await record_all(workspace, "benchmark", lambda _done, _accounts: None)
    workspace.memory.store().close()
    return run.added


async def _evaluated(config: Config) -> int:
    """Evaluates all accounts and keeps nothing; the bytes that values and marks of one of them take."""
    workspace = Workspace.open(config, lambda: AS_OF)
    evaluation = await workspace.evaluate(workspace.instant())
    if evaluation.scores.scored.mean() < 1 / 2:
        raise RuntimeError("Most generated accounts were not scored: the files no longer fit the tables.")
    return len(evaluation.matrix.metrics) * _VALUE_AND_MARK


async def _assess_all(folder: Path) -> None:
    """Prints time, memory and size of every step; the process has nothing else to do."""
    config = generated_config(folder)
    began = time.perf_counter()
    packed = await _evaluated(config) * ACCOUNTS
    found = {"evaluated": (time.perf_counter() - began) * 1000, "evaluated peak": peak_mb(), "packed": packed}
    days = {"first": (AS_OF, ACCOUNTS), "again": (AS_OF, 0), "next": (AS_OF + timedelta(days=1), ACCOUNTS)}
    for name, (day, expected) in days.items():
        gc.collect()
        began = time.perf_counter()
        added = await recorded(config, day)
        found[name] = (time.perf_counter() - began) * 1000
        if added < expected / 2 or added > expected:
            raise RuntimeError(f"A run that should have added {expected} assessments or most of them added {added}.")
        if name == "first":
            found |= {"size": _size(folder), "peak": peak_mb()}
    print(json.dumps(found | {"next size": _size(folder)}))


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("history.sqlite*"))


if __name__ == "__main__":
    anyio.run(_assess_all, Path(sys.argv[1]))
