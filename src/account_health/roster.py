"""Roster: the accounts as those who list them know them, for finding one and for matching other systems' records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from account_health.connectors.base import Connector, Delivery, Matchable, Relation
from account_health.directory import Directory, Entry
from account_health.identity import Candidate, Known

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from duckdb import DuckDBPyConnection

_COLUMNS = "account_id, name, domains, external_id, segment, owner, arr, currency, renewal_date"
"""What finding and matching need; the rest of a hundred thousand accounts stays where it is."""


@dataclass(frozen=True)
class Roster:
    """Account rows by id; of two rows with one id the first source's stands."""

    rows: Mapping[str, Mapping[str, Any]]
    lists: Mapping[str, frozenset[str]]
    """Name of a live source to the ids that it lists."""
    crosswalk: Known
    is_complete: bool
    """False: of a live list only those that the system found for a text."""
    unread: tuple[str, ...] = ()
    """Why there may be accounts that are not among them."""

    @classmethod
    def of(cls, database: DuckDBPyConnection, found: Sequence[tuple[Connector, Delivery]], crosswalk: Known) -> Roster:
        """The accounts of the deliveries that could be read."""
        rows: dict[str, Mapping[str, Any]] = {}
        lists: dict[str, frozenset[str]] = {}
        for source, delivery in found:
            own = {row["account_id"]: row for row in _rows(database, delivery)}
            rows = {**own, **rows}
            if isinstance(source, Matchable):
                lists[source.name] = frozenset(own)
        unread = [d.failure or ("" if d.is_complete else d.note) for _, d in found]
        is_complete = all(delivery.is_complete for _, delivery in found)
        return cls(rows, lists, crosswalk, is_complete, tuple(filter(None, unread)))

    @cached_property
    def directory(self) -> Directory:
        """For finding an account by id, name or domain; sorted by name."""
        entries = [Entry.of(row) for row in self.rows.values()]
        return Directory(sorted(entries, key=lambda entry: (entry.name.casefold(), entry.id)), self.is_complete)

    @cached_property
    def known(self) -> Known:
        """For matching the records of other systems."""
        candidates = tuple(
            Candidate(row["account_id"], row["external_id"], tuple(row["domains"] or ()), row["name"])
            for row in self.rows.values()
        )
        return replace(self.crosswalk, accounts=candidates, lists=self.lists)


def _rows(database: DuckDBPyConnection, delivery: Delivery) -> Iterator[Mapping[str, Any]]:
    if delivery.failure:
        return
    if isinstance(delivery.rows, Relation):
        with database.cursor() as cursor:
            found = cursor.execute(f"SELECT {_COLUMNS} FROM {delivery.rows.name}")  # noqa: S608 - the connector's own name
            names = [column[0] for column in found.description or ()]
            yield from (dict(zip(names, row, strict=True)) for row in found.fetchall())
    else:
        yield from (row.model_dump() for row in delivery.rows)
