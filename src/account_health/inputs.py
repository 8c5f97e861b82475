"""Inputs: what was gathered, as one question sees it. Rows stay in DuckDB; this is the view on them.

`Tables` answers SQL over the normalised tables and `account_source`; `Holding` says of each delivered table who
supplied it, how fresh it is and what was wrong with it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import duckdb

from account_health.model import State

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection, Statement

    from account_health.errors import Fault
    from account_health.model import Source


@lru_cache(maxsize=256)
def _parsed(sql: str) -> Statement:
    """The one statement in `sql`; parsing takes DuckDB longer than planning, so it is done once per text."""
    return duckdb.extract_statements(sql)[0]


@dataclass(frozen=True)
class Tables:
    """The tables of one snapshot, narrowed to the asked accounts (None: all); `account_source` marks the stale ones."""

    database: DuckDBPyConnection
    snapshot: str
    schema: str
    asked: tuple[str, ...] | None

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The result as one dict per row."""
        with self._cursor() as cursor:
            found = cursor.execute(_parsed(sql), dict(parameters or {}))
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def columns(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """The result as one NumPy array per column; NULLs make a masked array."""
        with self._cursor() as cursor:
            return cursor.execute(_parsed(sql), dict(parameters or {})).fetchnumpy()

    def _cursor(self) -> DuckDBPyConnection:
        cursor = self.database.cursor()
        cursor.execute(f"SET search_path = '{self.schema},{self.snapshot}'")
        if self.asked is not None:
            # Over the rows of a few accounts a query takes longer to optimise than to run.
            cursor.execute("PRAGMA disable_optimizer")
        return cursor


@dataclass(frozen=True)
class Holding:
    """One table as one source delivered it, without its rows."""

    index: int
    table: str
    category: Source
    connector: str
    label: str
    columns: frozenset[str]
    live: bool
    fetched_at: datetime
    newest: datetime | None
    """Newest row over all accounts up to the asked instant; None if no row has a date."""
    stale: bool
    rows_total: int
    rejected_total: int
    unmatched_rows: int
    rejected: Mapping[str | None, tuple[str, ...]]
    """Account id (None: unknown whose) to what could not be read, place first."""
    failure: str | None
    fault: Fault | None
    note: str
    matched_by: str
    matched: Mapping[str, str]
    likely: frozenset[str]
    waited: timedelta
    states: Mapping[str, State]
    details: Mapping[str, str]

    @property
    def is_cut(self) -> bool:
        """Whether not everything could be read that there is."""
        return State.PARTIAL in self.states.values()

    @property
    def as_of(self) -> datetime | None:
        """How fresh it is: when it was fetched, or the date of its newest row."""
        return self.fetched_at if self.live else self.newest


@dataclass(frozen=True)
class Inputs:
    """Everything gathered for one question: tables, who supplied them, and the instant it is asked at (naive UTC)."""

    as_of: datetime
    tables: Tables
    holdings: tuple[Holding, ...]
    usage_end: date
    """First day whose usage is not yet complete."""
    snapshot: Hashable
    is_demo: bool = False
    problems: tuple[str, ...] = ()
    """What is wrong with sources of which not even the tables are known, one sentence each."""

    def provided(self, table: str) -> frozenset[str]:
        """Columns of the table that some connected source can tell."""
        return frozenset[str]().union(*(h.columns for h in self.holdings if h.table == table))

    def provides(self, reads: str) -> bool:
        """Whether a `table.column`, or one of several joined by `|`, is supplied at all."""
        return any(
            column in self.provided(table) for table, _, column in (entry.partition(".") for entry in reads.split("|"))
        )
