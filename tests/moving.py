"""A moving history: the demo accounts of one last day, which stand still while a clock comes nearer to that day."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import duckdb

from account_health.config import Config, HistorySettings, SourceConfig
from account_health.connectors.base import Context, Query, Relation
from account_health.connectors.demo import Demo, DemoSettings
from account_health.memory import Memory
from account_health.recording import RecordedRun, record_all
from account_health.workspace import Workspace
from doors import NOW
from given import AS_OF, DEFAULT_POLICY, Given, account, gatherer, supplied

if TYPE_CHECKING:
    from account_health.policy import Policy
    from account_health.tables import Row

DAYS = (40, 30, 21, 14, 7, 1, 0)
"""Days before the last one on which the accounts of the fixture `recorded` were recorded."""

TESTER = "tester"
"""Who records here."""


def moving_config(folder: Path) -> Config:
    """The rows that the demo accounts have on the last day as files of the folder, and a history beside them."""
    demo = Demo("demo", DemoSettings(), Context(Path(), duckdb.connect(), lambda: NOW))
    for delivery in anyio.run(demo.fetch, Query(NOW.replace(tzinfo=None))):
        if not isinstance(delivery.rows, Relation):
            lines = "\n".join(row.model_dump_json(exclude_none=True) for row in delivery.rows)
            (folder / f"{delivery.table}.jsonl").write_text(lines, "utf-8")
    source = SourceConfig("rows", "files", {"folder": "."})
    return Config(folder, (source,), history=HistorySettings(path=folder / "history.sqlite"))


def copied(config: Config, folder: Path) -> Config:
    """The same rows and the same history in another folder, to change."""
    for file in config.folder.glob("*.jsonl"):
        shutil.copy(file, folder)
    path = folder / history_of(config).name
    with closing(sqlite3.connect(history_of(config))) as old, closing(sqlite3.connect(path)) as new:
        old.backup(new)
    return replace(config, folder=folder, history=replace(config.history, path=path))


def left_out(config: Config, account: str) -> None:
    """Takes an account off the list of accounts."""
    file = config.folder / "account.jsonl"
    lines = file.read_text("utf-8").splitlines()
    kept = [line for line in lines if json.loads(line)["account_id"] != account]
    assert len(kept) == len(lines) - 1
    file.write_text("\n".join(kept), "utf-8")


def history_of(config: Config) -> Path:
    """The file of its history."""
    assert config.history.path
    return config.history.path


def clock_before(days: float) -> Callable[[], datetime]:
    """A clock that stands still so many days before the last one."""
    return lambda: NOW - timedelta(days=days)


def workspace_on(config: Config, days_before: float = 0) -> Workspace:
    """The configuration opened so many days before the last one."""
    return Workspace.open(config, clock_before(days_before))


def recorded_over(config: Config, days: Iterable[float]) -> list[RecordedRun]:
    """Records all accounts on each of these days before the last one, for tests that run outside of an event loop."""
    return [anyio.run(recorded_by, workspace_on(config, days_before)) for days_before in days]


async def recorded_by(workspace: Workspace) -> RecordedRun:
    """One reading of all accounts, as `assess --all` makes it."""
    return await record_all(workspace, TESTER, lambda _done, _total: None)


def rows_in(config: Config, table: str) -> int:
    """How many rows a table of the history has; 0 while there is no history."""
    if not history_of(config).is_file():
        return 0
    with closing(sqlite3.connect(history_of(config))) as database:
        (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a name of ours
    return int(count)


def workspace_given(
    rows: Sequence[Row], policy: Policy = DEFAULT_POLICY, history: Path | None = None, **given: object
) -> Workspace:
    """A workspace over the rows that a test hands it, with a history only where a test names one."""

    def clock() -> datetime:
        return AS_OF.replace(tzinfo=UTC)

    config = Config(Path(), (), history=HistorySettings(path=history))
    source = Given(rows, **given)  # type: ignore[arg-type] # a test knows the fields
    return Workspace(config, policy, gatherer(source), clock, Memory(config.history, clock), TESTER)


_LEVELS = {
    "green": (80, 1, 6, 10, 95),
    "yellow": (50, 14, 3, 7, 70),
    "red": (0, 30, 0, 7, 40),
    "not_scored": (),
}
_MEASURED = ("seat_utilisation_pct", "days_since_last_activity", "features_adopted", "nps_latest", "csat_90d")


def customer(account_id: str, band: str = "green", **said: object) -> list[Row]:
    """A customer whose score lies in a band, with no flag that this would raise."""
    values = dict(zip(_MEASURED, _LEVELS[band], strict=False))
    return [account(account_id=account_id, **{"name": account_id, **said}), *supplied(values, account_id)]
