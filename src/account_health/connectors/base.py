"""The plug point: what a connector is given, what it must answer, and how absence is said.

A connector turns one vendor's (or one folder's) words into rows of the normalised tables. It is found by its entry
point in the group `account_health.connectors`, built from its own settings model, and asked through `fetch`. It does
no I/O before that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, runtime_checkable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict

from account_health.identity import NOBODY, Candidate, Known, Links
from account_health.language import figure, say
from account_health.model import Source, State

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from httpx2 import AsyncBaseTransport

    from account_health.errors import Fault
    from account_health.tables import Row

Clock = Callable[[], datetime]
LookUp = Callable[[str], Awaitable[Sequence[Candidate]]]
"""The accounts that a text could mean; raises SourceError when they cannot be listed."""


_GROUPED_FROM = 1000
"""Seconds are written without a separator between thousands."""


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise ValueError(say("no such time zone; write e.g. 'Europe/Berlin'")) from err
    return value


TimeZone = Annotated[str, AfterValidator(_zone)]
"""The name of a time zone that this machine knows."""


class Settings(BaseModel):
    """Base of every connector's settings: frozen, unknown keys refused; field descriptions are the documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Context:
    """What the outside world is to a connector: passed in, never reached for."""

    folder: Path
    """Paths in settings are relative to this folder (that of the configuration file)."""
    database: DuckDBPyConnection
    """A DuckDB connection of the connector's own; relations it leaves here can be delivered without copying."""
    clock: Clock
    """The current instant, timezone-aware."""
    transport: AsyncBaseTransport | None = None
    """What HTTP requests go through; None: the network."""


@dataclass(frozen=True)
class Query:
    """What is asked: some accounts by the CRM's ids, or with None all of them, as of an instant (naive UTC).

    A source may answer more than was asked for.
    """

    as_of: datetime
    accounts: tuple[str, ...] | None = None
    tables: frozenset[str] | None = None
    """The tables that are wanted; None: all that the source provides."""
    like: str | None = None
    """Of the table `account` only those that this text could mean by id, external id, name or domain, and whoever could
    be confused with them because they share a domain or an external id."""
    known: Known = NOBODY
    """The asked accounts as the CRM lists them, those they could be confused with, and the crosswalk."""
    look_up: LookUp | None = None
    """If not all accounts are known: finds those that a text could mean."""
    refresh: bool = False
    """True: nothing that was kept from an earlier reading is good enough."""
    seconds: float | None = None
    """How long there is; what is not there by then has failed. None: as long as it takes."""

    @property
    def seconds_shown(self) -> str:
        """How long there is, as a reader sees it."""
        seconds = round(self.seconds or 0, 1)
        return figure(seconds, 1, trim=True) if seconds < _GROUPED_FROM else f"{seconds:g}"

    def wants(self, table: str) -> bool:
        """Whether the table is among those that are wanted."""
        return self.tables is None or table in self.tables


@dataclass(frozen=True)
class Relation:
    """The qualified name of a DuckDB table or view in `Context.database` with every column of the table."""

    name: str


@dataclass(frozen=True)
class RejectedRow:
    """A row that could not be read: where it stands, what is wrong, and whose it is if that could be told."""

    place: str
    problem: str
    account_id: str | None = None


@dataclass(frozen=True)
class Delivery:
    """One normalised table from one source.

    An account without rows is `absent` (EMPTY: known to the source, nothing there; NOT_MATCHED: the source does not
    know it); `states` says otherwise for single accounts, `matched` how single accounts were matched.
    """

    table: str
    category: Source
    rows: Sequence[Row] | Relation
    columns: frozenset[str]
    """Columns this source can tell at all; the others are not connected."""
    fetched_at: datetime
    """When the source was read, naive UTC."""
    live: bool = True
    """True: as fresh as `fetched_at`. False: as fresh as the newest row over all accounts."""
    history_from: datetime | None = None
    """Start of what the source can see, naive UTC; None means its oldest row."""
    absent: State = State.EMPTY
    matched_by: str = say("account id")
    states: Mapping[str, State] = field(default_factory=dict)
    matched: Mapping[str, str] = field(default_factory=dict)
    likely: frozenset[str] = frozenset()
    """Accounts whose match is likely and not certain: by domain."""
    details: Mapping[str, str] = field(default_factory=dict)
    """Per account, a sentence of ours about its state, e.g. which candidates a match had."""
    rejected: Sequence[RejectedRow] = ()
    rows_total: int = 0
    """Rows read, the rejected ones included."""
    rejected_total: int = 0
    """Rows rejected in all; `rejected` may hold only the first of them."""
    unmatched_rows: int = 0
    """Rows that belong to no known account; they are not delivered."""
    note: str = ""
    """What a reader should know about this table, shown under Inputs Used."""
    failure: str | None = None
    """Why the whole table could not be read, and what to do; the state is then FAILED for every account."""
    fault: Fault | None = None
    """What kind of failure it was, if that is known."""
    is_complete: bool = True
    """False: of the table `account` only what was asked for, so nothing follows from an account that is not there."""
    waited: timedelta = timedelta()
    """How long the source's own limits made it wait."""
    label: str | None = None
    """The system's own name, if one source speaks for several systems; None: the connector's label."""


class Connector(Protocol):
    """One source of inputs."""

    @property
    def settings_model(self) -> type[Settings]:
        """Its settings; an attribute of its class, so that they can be checked before there is a connector."""
        ...

    @property
    def kind(self) -> str:
        """Entry-point name, e.g. `files`."""
        ...

    @property
    def label(self) -> str:
        """How Inputs Used names it, e.g. `CSV files`."""
        ...

    def provides(self) -> Mapping[str, Source]:
        """The tables it delivers and the category each belongs to; known without I/O."""
        ...

    def fingerprint(self, as_of: datetime) -> Hashable | None:
        """Changes whenever an earlier answer may no longer hold; cheap enough for every call.

        None: only time can tell, so an answer holds as long as the configuration says.
        """
        ...

    async def fetch(self, query: Query) -> Sequence[Delivery]:
        """Rows for the query; raises SourceError when nothing at all could be had."""
        ...


@dataclass(frozen=True)
class Probe:
    """One thing that was tried at a live source: what, whether it worked, what was found, what to do about it."""

    subject: str
    finding: str
    is_ok: bool = True
    rows: int | None = None
    """Rows in the sample, if the subject is a table."""
    advice: str = ""


@dataclass(frozen=True)
class Checkup:
    """What a live source said of itself a moment ago."""

    probes: Sequence[Probe]
    api_version: str = ""
    clock_skew: timedelta | None = None
    """How far its clock is ahead of ours, if it sends the time at all."""


@runtime_checkable
class Checkable(Connector, Protocol):
    """A connector that can be checked without reading everything."""

    async def check(self, as_of: datetime) -> Checkup:
        """Tries each table once with as little as possible; a failure is a finding and not an error."""
        ...


@runtime_checkable
class Matchable(Connector, Protocol):
    """A connector whose records have to be matched to accounts."""

    name: str
    """Its name in the configuration, which the crosswalk uses."""

    async def matches(self, query: Query) -> Links:
        """Which of its records belong to which of the known accounts; raises SourceError."""
        ...


ConnectorFactory = Callable[[str, Settings, Context], Connector]
"""Name of the source in the configuration, its settings, the outside world."""
