"""Reader: how one table is read from a live system, and how what was read becomes rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from account_health.connectors.live.ask import Ask, Gone
from account_health.errors import faults
from account_health.tables import TABLES, Row, required_columns

if TYPE_CHECKING:
    from account_health.model import Source

_OVERLAP = timedelta(minutes=5)
"""Changes are asked for from a little before the last reading, because search indexes and clocks lag behind."""

_KEYS = {"usage_day": ("account_id", "day"), "touchpoint": ("touchpoint_id",), "survey_response": ("response_id",)}
"""What tells rows apart in tables that have no key column."""


@dataclass(frozen=True)
class Reader:
    """One table of a live system: the category it counts for, who reads it, what it can tell."""

    category: Source
    rows: Callable[[Ask], AsyncIterator[Mapping[str, Any] | Gone]]
    """Yields a row's columns by name, `account_id` being the id of the record it belongs to and instants with their
    zone; or Gone for a row that was deleted."""
    columns: frozenset[str]
    """Columns that this system can tell, besides the required ones."""
    needs: str = ""
    """The permission without which the system refuses, in its own words."""
    is_windowed: bool = True
    """True: read from `Ask.since` on. False: read whole, so nothing older exists."""
    follows_changes: bool = False
    """Whether `Ask.changed_since` is heeded, so that a later reading of all accounts asks only for changes."""


@dataclass(frozen=True)
class Reading:
    """The rows of one table, still with the record's id as `account_id`."""

    rows: Mapping[Hashable, Row]
    gone: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Kept:
    """What the last reading of all accounts found, so that the next one asks only for changes."""

    rows: Mapping[Hashable, Row]
    since: datetime
    read_at: datetime
    loaded_at: datetime

    def covers(self, ask: Ask, now: datetime, reload_after: timedelta) -> bool:
        """Whether changes to it are all that the ask needs."""
        return self.since <= ask.since and now - self.loaded_at < reload_after

    @property
    def changed_since(self) -> datetime:
        """From when on changes have to be asked for."""
        return self.read_at - _OVERLAP

    def with_changes(self, reading: Reading, read_at: datetime) -> Kept:
        """What is known after the changes."""
        rows = {**{k: row for k, row in self.rows.items() if k not in reading.gone}, **reading.rows}
        return Kept(rows, self.since, read_at, self.loaded_at)


@dataclass
class _Rows:
    """Rows as they come in; of two with one key the later stands, because a list may shift while it is paged."""

    table: str
    rows: dict[Hashable, Row] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def add(self, row: Row) -> None:
        self.rows[_key(row, len(self.rows))] = row


async def read(table: str, reader: Reader, ask: Ask) -> Reading:
    """Everything the reader yields, checked; what is no row is rejected in the ask."""
    model, found = TABLES[table], _Rows(table)
    async for values in reader.rows(ask):
        if isinstance(values, Gone):
            found.gone.add(values.key)
            continue
        try:
            found.add(model.model_validate({name: _naive(value) for name, value in values.items()}))
        except ValidationError as err:
            ask.reject(_place(table, values), "; ".join(faults(err)), _account(values))
    return Reading(found.rows, frozenset(found.gone))


def all_columns(table: str, reader: Reader) -> frozenset[str]:
    """The columns of the table that the reader can tell, the required ones included."""
    return reader.columns | frozenset(required_columns(table))


def _naive(value: Any) -> Any:
    """An instant in naive UTC; one without a zone would be a guess, so it becomes unreadable."""
    if not isinstance(value, datetime):
        return value
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else "an instant without a time zone"


def _key(row: Row, number: int) -> Hashable:
    columns = (row.key,) if row.key else _KEYS.get(row.table, ())
    values = tuple(getattr(row, column) for column in columns)
    if not values or None in values:
        return number
    return values[0] if len(values) == 1 else values


def _place(table: str, values: Mapping[str, Any]) -> str:
    key = TABLES[table].key
    return f"{table} {values.get(key)}" if key and values.get(key) else table


def _account(values: Mapping[str, Any]) -> str | None:
    account = values.get("account_id")
    return account if isinstance(account, str) and account else None
