"""Store: the rows of all accounts of a live source, kept in DuckDB, where a hundred thousand take megabytes.

As Python objects they would take gigabytes. A reading comes in by the chunk; when it is complete it becomes a table,
merged with the one before if only changes were read. What is delivered is never changed afterwards, and is dropped when
nobody holds it any more.
"""

# ruff: noqa: S608 - every name put into SQL is our own

from __future__ import annotations

import itertools
import json
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from account_health.connectors.base import Relation
from account_health.tables import TABLES, Row, columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CHUNK = 2000
_KEYS = {
    "usage_day": ("account_id", "day"),
    "touchpoint": ("account_id", "touchpoint_id"),
    "survey_response": ("response_id",),
}
"""What tells rows apart in tables that have no key column; the last of them is what a deleted row is known by."""

_numbers = itertools.count(1)
"""Sources share a database."""


def key_columns(table: str) -> tuple[str, ...]:
    """The columns that tell the rows of a table apart; none: no two rows are the same."""
    key = TABLES[table].key
    return (key,) if key else _KEYS.get(table, ())


@dataclass(frozen=True, eq=False)
class StoredRows(Relation, Sequence[Row]):
    """Rows that lie in DuckDB: a relation for those who can use one, and a sequence of rows for everybody else."""

    database: DuckDBPyConnection = field(repr=False)
    table: str

    def __len__(self) -> int:
        return int(self._fetched("count(*)")[0][0])

    def __iter__(self) -> Iterator[Row]:
        names = list(columns(self.table))
        for values in self._fetched(", ".join(f'"{name}"' for name in names), "ORDER BY n"):
            yield TABLES[self.table].model_validate(dict(zip(names, values, strict=True)))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def accounts(self) -> frozenset[str]:
        """The accounts that have rows."""
        return frozenset(account for (account,) in self._fetched("DISTINCT account_id"))

    def with_key(self, key: str) -> Row | None:
        """The row with this value in the column that tells rows apart."""
        own = ", ".join(f'"{name}"' for name in columns(self.table))
        found = self._fetched(own, f'WHERE "{key_columns(self.table)[-1]}" = $key', {"key": key})
        return (
            TABLES[self.table].model_validate(dict(zip(columns(self.table), found[0], strict=True))) if found else None
        )

    def _fetched(self, what: str, rest: str = "", values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self.database.cursor() as cursor:
            return cursor.execute(f"SELECT {what} FROM {self.name} {rest}", dict(values or {})).fetchall()


class Store:
    """The tables of one source."""

    def __init__(self, database: DuckDBPyConnection) -> None:
        self._database = database
        self._schema = f"live_{next(_numbers)}"

    @contextmanager
    def incoming(self, table: str) -> Iterator[Incoming]:
        """An empty reading of a table, forgotten in the end."""
        self._database.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
        name = self._name("incoming")
        typed = ", ".join(f'"{column}" {kind}' for column, kind in _stored_columns(table).items())
        self._database.execute(f"CREATE TABLE {name} ({typed})")
        try:
            yield Incoming(self._database, name, table)
        finally:
            self._database.execute(f"DROP TABLE {name}")

    def kept(self, incoming: Incoming, before: StoredRows | None) -> StoredRows:
        """The reading as a table; with `before`, the rows that were known, with the changes that were read.

        Of two rows with one key the later one stands, because a list may shift while it is paged.
        """
        incoming.flush()
        every = f"SELECT * FROM {incoming.name}"
        keys = key_columns(incoming.table)
        if before is not None:
            known = f"SELECT * FROM {before.name}"
            known += (
                f' WHERE NOT coalesce(list_contains($gone::VARCHAR[], "{keys[-1]}"::VARCHAR), false)' if keys else ""
            )
            every = f"{known} UNION ALL {every}"
        if keys:
            known_by = ", ".join(f'"{key}"' for key in keys)
            is_told = " AND ".join(f'"{key}" IS NOT NULL' for key in keys)
            every = (
                f"SELECT * FROM ({every}) QUALIFY NOT ({is_told}) "
                f"OR row_number() OVER (PARTITION BY {known_by} ORDER BY n DESC) = 1"
            )
        gone = {"gone": sorted(incoming.gone)} if before is not None and keys else {}
        return self._table(incoming.table, every, gone)

    def translated(self, rows: StoredRows, accounts: Mapping[str, str]) -> StoredRows:
        """The rows with the ids of accounts in place of those of records; rows of other records are left out."""
        names = ", ".join(f'r."{name}"' for name in _stored_columns(rows.table) if name != "account_id")
        select = (
            f"SELECT l.account_id, {names} FROM {rows.name} r JOIN "
            "(SELECT unnest($records::VARCHAR[]) AS record, unnest($accounts::VARCHAR[]) AS account_id) l "
            "ON l.record = r.account_id"
        )
        return self._table(rows.table, select, {"records": list(accounts), "accounts": list(accounts.values())})

    def _table(self, table: str, select: str, values: Mapping[str, Any]) -> StoredRows:
        name = self._name(table)
        self._database.execute(f"CREATE TABLE {name} AS {select}", dict(values))
        rows = StoredRows(name, self._database, table)
        # Earlier answers, and snapshots made of them, may still look at their rows.
        weakref.finalize(rows, _drop, self._database, name).atexit = False
        return rows

    def _name(self, of: str) -> str:
        return f"{self._schema}.{of}_{next(_numbers)}"


class Incoming:
    """A reading on its way in; rows are written by the chunk, so that only one chunk is ever held as objects."""

    def __init__(self, database: DuckDBPyConnection, name: str, table: str) -> None:
        self.name = name
        self.table = table
        self.gone: set[str] = set()
        self.keys: set[str] = set()
        """What the rows that came in are known by, where their table has a key."""
        self._database = database
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Takes one row in."""
        self._rows.append(row)
        if row.key:
            self.keys.add(str(getattr(row, row.key)))
        if len(self._rows) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Writes what is still held."""
        records = [{**row.model_dump(mode="json"), "n": next(_numbers)} for row in self._rows]
        self._rows = []
        if records:
            shape = json.dumps([_stored_columns(self.table)])
            insert = f"INSERT INTO {self.name} SELECT unnest(from_json($records::JSON, $shape), max_depth := 2)"
            self._database.execute(insert, {"records": json.dumps(records), "shape": shape})


def _drop(database: DuckDBPyConnection, name: str) -> None:
    with database.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {name}")


def _stored_columns(table: str) -> dict[str, str]:
    """The table's columns, and `n`, which grows with every row."""
    return {**columns(table), "n": "BIGINT"}
