"""Reader: how one table is read from a live system, and how what was read becomes rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from account_health.connectors.live.ask import Ask, Gone
from account_health.connectors.live.store import Incoming, StoredRows, key_columns
from account_health.errors import faults
from account_health.language import clauses, say
from account_health.tables import TABLES, Row, columns, required_columns

if TYPE_CHECKING:
    from account_health.connectors.base import RejectedRow
    from account_health.model import Source

_OVERLAP = timedelta(minutes=5)
"""Changes are asked for from a little before the last reading, because search indexes and clocks lag behind."""


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


@dataclass
class Reading:
    """The rows of some accounts, still with the record's id as `account_id`.

    Of two rows with one key the later one stands, because a list may shift while it is paged.
    """

    by_key: dict[Hashable, Row] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Takes one row in."""
        self.by_key[_key(row, len(self.by_key))] = row

    @property
    def rows(self) -> list[Row]:
        """The rows in the order they came."""
        return list(self.by_key.values())


@dataclass(frozen=True)
class Kept:
    """What the last reading of all accounts found, so that the next one asks only for changes."""

    rows: StoredRows
    rejected: tuple[RejectedRow, ...]
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

    def with_changes(self, changed: Kept, keys: Collection[str]) -> Kept:
        """What is known after the changes; what could not be read before is still missing unless it was read now."""
        still = {row.place: row for row in self.rejected if row.place.rpartition(" ")[2] not in keys}
        rejected = still | {row.place: row for row in changed.rejected}
        return Kept(changed.rows, tuple(rejected.values()), self.since, changed.read_at, self.loaded_at)


async def read(table: str, reader: Reader, ask: Ask, into: Reading | Incoming) -> None:
    """Takes in everything the reader yields, checked; what is no row is rejected in the ask."""
    instants = frozenset(name for name, kind in columns(table).items() if kind == "TIMESTAMP")
    async for values in reader.rows(ask):
        if isinstance(values, Gone):
            into.gone.add(values.key)
        elif zoneless := sorted(name for name in instants & values.keys() if not _is_certain(values[name])):
            problem = say("{columns}: must be an instant with its time zone", columns=", ".join(zoneless))
            ask.reject(_place(table, values), problem, _account(values))
        else:
            try:
                into.add(TABLES[table].model_validate({name: _naive(value) for name, value in values.items()}))
            except ValidationError as err:
                ask.reject(_place(table, values), clauses(faults(err)), _account(values))
            except OverflowError:
                ask.reject(_place(table, values), say("an instant outside of the calendar"), _account(values))


def all_columns(table: str, reader: Reader) -> frozenset[str]:
    """The columns of the table that the reader can tell, the required ones included."""
    return reader.columns | frozenset(required_columns(table))


def _is_certain(value: Any) -> bool:
    """Whether it is an instant, or none; without a zone it would be a guess."""
    return value is None or (isinstance(value, datetime) and value.tzinfo is not None)


def _naive(value: Any) -> Any:
    """An instant in naive UTC; raises OverflowError if the calendar ends before that."""
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def _key(row: Row, number: int) -> Hashable:
    values = tuple(getattr(row, column) for column in key_columns(row.table))
    return number if not values or None in values else values


def _place(table: str, values: Mapping[str, Any]) -> str:
    key = TABLES[table].key
    return f"{table} {values.get(key)}" if key and values.get(key) else table


def _account(values: Mapping[str, Any]) -> str | None:
    account = values.get("account_id")
    return account if isinstance(account, str) and account else None
