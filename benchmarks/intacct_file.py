"""Publishing: the customer import file of Sage Intacct for 100,000 recorded accounts."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import anyio

from account_health.overview import Overview
from account_health.publish.intacct_csv import Wanted, export_customers
from account_health.workspace import Workspace
from figures import Figure, awaited_milliseconds, milliseconds
from generated import AS_OF
from history import generated_history
from recording import generated_config


def intacct_csv_100k() -> Sequence[Figure]:
    """The whole file, what changed since a month before, and what differs from a file, from two recorded runs."""
    return anyio.run(_exported, generated_history())


async def _exported(folder: Path) -> Sequence[Figure]:
    overview = Overview(Workspace.open(generated_config(folder), lambda: AS_OF))
    content = (await export_customers(overview, Wanted())).content
    cells = list(csv.reader(io.StringIO(content.decode())))

    def write() -> None:
        csv.writer(io.StringIO()).writerows(cells)

    floor = milliseconds(write)
    asked = {
        "": Wanted(),
        ": since a day": Wanted(since=(AS_OF - timedelta(days=30)).date().isoformat()),
        ": against a file": Wanted(diff=content),
    }
    figures = []
    for name, wanted in asked.items():
        took = await awaited_milliseconds(lambda wanted=wanted: export_customers(overview, wanted))  # type: ignore[misc] # mypy takes the default for an argument
        figures.append(Figure(f"intacct_csv_100k{name}", took, "ms", floor))
    return figures
