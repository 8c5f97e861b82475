"""The customer import file of Sage Intacct: 100,000 recorded accounts, all of them and those that changed."""

from __future__ import annotations

import csv
import io
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import anyio

from account_health.overview import Overview
from account_health.publish.intacct_csv import Wanted, export_customers
from account_health.workspace import Workspace
from figures import Figure, awaited_milliseconds, milliseconds, peak_mb
from generated import ACCOUNTS, AS_OF
from history import EARLIER, generated_history
from recording import generated_config

_ROUNDS = 5
_SOON = timedelta(hours=1)


def intacct_csv_100k() -> Sequence[Figure]:
    """The file from a run that is read already; the peer writes the cells of all customers and does nothing else."""
    folder = generated_history()
    done = subprocess.run([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    return [
        *(
            Figure(f"intacct_csv_100k{which}", found[which], "ms", found["alone"])
            for which in ("", ": since a day", ": against a file")
        ),
        Figure("intacct_csv_100k: peak memory", found["peak"], "MB", found["at start"]),
    ]


async def _exported(folder: Path) -> None:
    """Prints the median milliseconds of each file, and memory."""
    at_start = peak_mb()
    earlier = await export_customers(_overview(folder, EARLIER), Wanted())
    overview = _overview(folder, AS_OF)
    whole = await export_customers(overview, Wanted())
    cells = [*csv.reader(io.StringIO(whole.content.decode(), newline=""))]
    if len(cells) <= ACCOUNTS / 2:
        raise RuntimeError("Most generated accounts are not in the file.")
    acts = {
        "": Wanted(),
        ": since a day": Wanted(since=f"{EARLIER:%Y-%m-%d}"),
        ": against a file": Wanted(diff=earlier.content),
    }
    spent: dict[str, list[float]] = {name: [] for name in (*acts, "alone")}
    for _ in range(_ROUNDS):
        for name, wanted in acts.items():
            spent[name].append(await awaited_milliseconds(partial(export_customers, overview, wanted)))
        spent["alone"].append(milliseconds(lambda: _written_alone(cells)))
    medians = {name: statistics.median(times) for name, times in spent.items()}
    print(json.dumps(medians | {"at start": at_start, "peak": peak_mb()}))


def _overview(folder: Path, now: datetime) -> Overview:
    return Overview(Workspace.open(generated_config(folder), lambda: now + _SOON))


def _written_alone(cells: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(cells)
    return out.getvalue().encode()


if __name__ == "__main__":
    anyio.run(_exported, Path(sys.argv[1]))
