"""Whole portfolios: 500 real-world-dirty accounts, and 100,000 generated ones from Parquet files."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import duckdb

from account_health.config import Config, SourceConfig, load_config
from account_health.flags import check_flags
from account_health.metrics.measure import measure
from account_health.scoring import Rubric, score_matrix
from account_health.workspace import Workspace
from figures import Figure, NotMeasured, milliseconds, peak_mb
from generated import AS_OF, write_plain

_RAVENSTACK = Path(__file__).parents[1] / "examples" / "ravenstack" / "account-health.toml"


def ravenstack_all() -> Sequence[Figure]:
    """All 500 RavenStack accounts from files to scores and flags, the first time and again for another minute."""
    config = load_config(_RAVENSTACK)
    folder = config.folder / str(config.sources[0].settings["folder"])
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise NotMeasured(f"{folder.name} is not beside the repository; see examples/ravenstack/README.md")
    workspace = Workspace.open(config, lambda: AS_OF)
    asked = workspace.instant()
    first = milliseconds(lambda: anyio.run(workspace.evaluate, asked))
    again = milliseconds(lambda: anyio.run(workspace.evaluate, asked.replace(second=1)))
    floor = milliseconds(lambda: _count(files, "read_csv"))
    return [
        Figure("ravenstack_all: first", first, "ms", floor),
        Figure("ravenstack_all: for another instant", again, "ms", floor),
    ]


def bulk_100k() -> Sequence[Figure]:
    """100,000 accounts, 2 M days of use and 200 k tickets through the files connector, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        write_plain(Path(folder))
        files = sorted(Path(folder).glob("*.parquet"))
        floor = milliseconds(lambda: _count(files, "read_parquet"))
        size = sum(file.stat().st_size for file in files) / 2**20
        done = subprocess.run([sys.executable, __file__, folder], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    megabytes = found.pop("peak")
    return [
        Figure("bulk_100k", sum(found.values()), "ms", floor),
        *(Figure(f"bulk_100k: {step}", took, "ms", floor) for step, took in found.items()),
        Figure("bulk_100k: peak memory", megabytes, "MB", size),
    ]


def _count(files: Sequence[Path], reader: str) -> int:
    """The rows of some files, the least that reading them costs."""
    counts = [duckdb.execute(f"SELECT count(COLUMNS(*)) FROM {reader}('{file}')").fetchall() for file in files]  # noqa: S608 - our own names
    return len(counts)


async def _bulk(folder: Path) -> None:
    """Prints time and memory of every step; the process has nothing else to do."""
    marks = [time.perf_counter()]
    source = SourceConfig("bulk", "files", {"folder": str(folder)})
    workspace = Workspace.open(Config(folder, (source,)), lambda: AS_OF)
    policy = workspace.policy
    inputs = await workspace.inputs(workspace.instant())
    marks.append(time.perf_counter())
    matrix = measure(inputs, policy)
    marks.append(time.perf_counter())
    scores, _ = score_matrix(matrix, Rubric.of(policy))
    marks.append(time.perf_counter())
    check_flags(matrix, policy)
    marks.append(time.perf_counter())
    if not scores.scored.any():
        raise RuntimeError("None of the generated accounts was scored: the files no longer fit the tables.")
    steps = {name: (marks[i + 1] - marks[i]) * 1000 for i, name in enumerate(("load", "measure", "score", "flags"))}
    print(json.dumps(steps | {"peak": peak_mb()}))


if __name__ == "__main__":
    anyio.run(_bulk, Path(sys.argv[1]))
