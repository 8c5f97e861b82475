"""Ask: one reading of one table, or of the records behind it, as a connector sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from account_health.connectors.base import RejectedRow
from account_health.errors import faults
from account_health.identity import NOBODY
from account_health.language import clauses

if TYPE_CHECKING:
    from account_health.connectors.http import Connection, Paginator, Request
    from account_health.identity import Candidate, Known, Record
    from account_health.tables import Row

_ID_CHARACTERS = 80


class Vendor(BaseModel):
    """Base of the models of another system's JSON: only the fields we read, empty text means absent."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, data: Any) -> Any:
        return {key: None if value == "" else value for key, value in data.items()} if isinstance(data, dict) else data


V = TypeVar("V", bound=Vendor)


@dataclass(frozen=True)
class Gone:
    """A row that was read before and exists no more; `key` is what its table's key column held."""

    key: str


def _nothing(key: str) -> None:
    """No row is known."""


@dataclass
class Ask:
    """Whom a reading is about, how far back it goes, the connection to read through, and what went wrong on the way."""

    connection: Connection
    as_of: datetime
    """The asked instant, naive UTC."""
    since: datetime
    """What happened before need not be read, naive UTC."""
    accounts: tuple[Candidate, ...] | None = None
    """The asked accounts; None: all."""
    records: tuple[Record, ...] | None = None
    """The records of this system that belong to the asked accounts; None: all."""
    known: Known = NOBODY
    """The accounts that records can belong to: the asked ones and those they could be confused with, or all."""
    refresh: bool = False
    """Whether nothing that was kept from an earlier reading is good enough."""
    like: str | None = None
    """Only accounts that this text could mean."""
    changed_since: datetime | None = None
    """Only what changed since then, naive UTC; None: everything."""
    earlier: Callable[[str], Row | None] = _nothing
    """With `changed_since`, the row of the earlier reading with a key: a change may not tell all that it knew."""
    is_probe: bool = False
    """Whether one page is enough, because somebody only wants to know if this works."""
    observed_from: datetime | None = None
    """Since when the system saw anything of this kind at all, naive UTC, if that is later than `since`."""
    untold: frozenset[str] = frozenset()
    """Columns that this system turned out not to be able to tell, e.g. because nobody set it up for them."""
    rows_total: int = 0
    truncated: str | None = None
    """Why not everything could be read, if so."""
    rejected: list[RejectedRow] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    """Why the table is partial although everything was read; the next reading may still ask only for changes."""
    remarks: list[str] = field(default_factory=list)
    """What else a reader should know; nothing is missing because of it."""

    @property
    def record_ids(self) -> tuple[str, ...]:
        """Ids of the asked records; only for a reading that is about some."""
        return tuple(record.id for record in self.records or ())

    async def items(
        self, model: type[V], request: Request, paginator: Paginator, *, needs: str = "", is_row: bool = True
    ) -> AsyncIterator[V]:
        """Every item of every page that the model can read; the others are rejected with their place.

        Items that are no rows are looked up for the sake of other rows, and not counted among them.
        """
        pages = self.connection.pages(request, paginator, needs=needs, max_pages=1 if self.is_probe else None)
        async for item in pages:
            self.rows_total += is_row
            try:
                read = model.model_validate(item)
            except ValidationError as err:
                self.reject(_place(request.path, item), clauses(faults(err)))
            else:
                yield read
        self.truncated = self.truncated or pages.truncated

    def reject(self, place: str, problem: str, account_id: str | None = None) -> None:
        """Notes something that could not be read."""
        self.rejected.append(RejectedRow(place, problem, account_id))


def _place(path: str, item: Any) -> str:
    found = item.get("id") if isinstance(item, Mapping) else None
    return f"{path} {str(found)[:_ID_CHARACTERS]}" if isinstance(found, str | int) else path


def unix(instant: datetime) -> int:
    """Seconds since 1970 of a naive UTC instant."""
    return int(instant.replace(tzinfo=UTC).timestamp())


def iso(instant: datetime) -> str:
    """A naive UTC instant in ISO 8601 with its zone, to the second.

    >>> iso(datetime(2026, 11, 21, 9))
    '2026-11-21T09:00:00Z'
    """
    return instant.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
