"""Live: a connector to a system with an HTTP API; a vendor's module says only which words of the vendor mean what.

One account is read with a few calls side by side; all accounts are read with the system's bulk lists, and later only
with what changed. Each table that cannot be read is a failed delivery of its own.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import anyio

from account_health.connectors.base import Checkup, Delivery, Probe, Settings
from account_health.connectors.live import probing
from account_health.connectors.live.ask import Ask
from account_health.connectors.live.delivery import delivery_of, translated
from account_health.connectors.live.matching import Matching, matching_of
from account_health.connectors.live.reader import Kept, Reader, Reading, all_columns, read
from account_health.connectors.live.settings import LiveSettings
from account_health.connectors.live.store import Store
from account_health.errors import ConfigurationError, Fault, SourceError, place
from account_health.identity import Links, Record
from account_health.language import count, say, together
from account_health.model import State

if TYPE_CHECKING:
    from account_health.connectors.base import Context, Query
    from account_health.connectors.http import Api, Connection
    from account_health.model import Source
    from account_health.tables import Row

log = logging.getLogger(__name__)

_LONG_AGO = datetime(1900, 1, 1)  # noqa: DTZ001 - instants inside are naive UTC
"""Where the history of what was read whole begins."""

S = TypeVar("S", bound=LiveSettings)
_T = TypeVar("_T")
_Attempt = Callable[[Ask], Awaitable[Sequence[Probe]]]


@dataclass(frozen=True)
class _Visit:
    """One question put to the system: through which connection, until when (on the event loop's clock)."""

    connection: Connection
    query: Query
    deadline: float

    async def in_time(self, work: Awaitable[_T], label: str) -> _T:
        """What the work brings; raises SourceError if the deadline comes first."""
        with anyio.CancelScope(deadline=self.deadline):
            return await work
        raise SourceError(
            _late(label, self.query),
            say("Ask again later, or raise the deadline under [gather] in account-health.toml."),
            fault=Fault.TIMEOUT,
        )


class Live(ABC, Generic[S]):
    """A live system as a source. Subclasses give `kind`, `system`, `settings_model`, `api`, `readers` and `records`."""

    kind: ClassVar[str]
    system: ClassVar[str]
    """The system's name as people know it."""
    settings_model: ClassVar[type[Settings]]

    def __init__(self, name: str, settings: S, context: Context) -> None:
        self.name = name
        self.settings = settings
        self.label = settings.label or self.system
        self._clock = context.clock
        self._api = self.api(context)
        wanted = settings.tables
        self._readers = {t: reader for t, reader in self.readers().items() if wanted is None or t in wanted}
        if not self._lists_accounts and type(self).records is Live.records:
            raise ConfigurationError(
                say(
                    "{system} can only list accounts; its records cannot be matched to those of another system.",
                    system=self.label,
                ),
                say("Add `account` to the tables of {source}.", source=f"sources.{name}"),
            )
        self._kept: dict[str, Kept] = {}
        self._store = Store(context.database)

    @abstractmethod
    def api(self, context: Context) -> Api:
        """The system's API; made without I/O."""

    @abstractmethod
    def readers(self) -> Mapping[str, Reader]:
        """How each table is read; with `account` among them the system lists the accounts, and its ids are theirs."""

    async def records(self, ask: Ask) -> AsyncIterator[Record]:  # noqa: ARG002 - subclasses use it
        """The records that could belong to the asked accounts, or all; none, if the system can only list accounts."""
        nobody: tuple[Record, ...] = ()
        for record in nobody:
            yield record

    async def probes(self, ask: Ask) -> Sequence[Probe]:  # noqa: ARG002 - subclasses use it
        """What else `sources check` should try, e.g. whether configured properties exist."""
        return ()

    @property
    def api_version(self) -> str:
        """The version of the API that is asked for, if it has any."""
        return ""

    def provides(self) -> Mapping[str, Source]:
        """Its tables."""
        return {table: reader.category for table, reader in self._readers.items()}

    def fingerprint(self, as_of: datetime) -> Hashable | None:  # noqa: ARG002 - the protocol names it
        """None: only time can tell whether a live system says something else."""
        return None

    async def fetch(self, query: Query) -> Sequence[Delivery]:
        """Its tables, read side by side; raises SourceError if it cannot even be told whose records are whose."""
        wanted = {table: reader for table, reader in self._readers.items() if query.wants(table)}
        deadline = anyio.current_time() + query.seconds if query.seconds is not None else math.inf
        found: dict[str, Delivery] = {}

        async def deliver(table: str, reader: Reader) -> None:
            found[table] = await self._deliver(table, reader, visit, matching)

        async with self._api.open() as connection:
            visit = _Visit(connection, query, deadline)
            matching = await self._matching(visit)
            async with anyio.create_task_group() as group:
                for table, reader in wanted.items():
                    group.start_soon(deliver, table, reader)
            return [replace(found[table], waited=connection.waited) for table in wanted]

    async def matches(self, query: Query) -> Links:
        """Which records belong to which accounts; every account's own id in a system that lists them."""
        async with self._api.open() as connection:
            matching = await self._matching(_Visit(connection, query, math.inf))
        if matching is None:
            return Links()
        listing = matching.listing
        return replace(matching.links, unlisted=together(listing.truncated or "", probing.unread(listing)))

    async def check(self, as_of: datetime) -> Checkup:
        """Reads one page of each list, side by side; what fails says why and what to do."""
        found: dict[str, Sequence[Probe]] = {}

        async def attempt(subject: str, probe: _Attempt) -> None:
            try:
                with self._blamed(subject):
                    found[subject] = await probe(Ask(connection, as_of, self._since(as_of), is_probe=True))
            except SourceError as err:
                found[subject] = [probing.failed(subject, err)]

        tried: dict[str, _Attempt] = {
            table: partial(probing.sampled, table, reader) for table, reader in self._readers.items()
        }
        tried |= {} if self._lists_accounts else {"records": self._listable}
        async with self._api.open() as connection, anyio.create_task_group() as group:
            for subject, probe in {**tried, "settings": self.probes}.items():
                group.start_soon(attempt, subject, probe)
        probes = [probe for subject in (*tried, "settings") for probe in found[subject]]
        return Checkup(probes, self.api_version, connection.clock_skew)

    async def _listable(self, ask: Ask) -> Sequence[Probe]:
        """Whether the records that have to be matched to accounts can be listed."""
        return [probing.listed(await self._listed(ask), ask)]

    def _since(self, as_of: datetime) -> datetime:
        since = as_of - timedelta(days=self.settings.history_days)
        began = self.settings.history_from
        return max(since, datetime.combine(began, time())) if began else since

    @property
    def _lists_accounts(self) -> bool:
        return "account" in self._readers

    async def _matching(self, visit: _Visit) -> Matching | None:
        """Whose records are whose; None: a record's id is the account's."""
        if self._lists_accounts:
            return None
        ask, accounts = self._asking(visit), visit.query.accounts
        if accounts is not None:
            ask.accounts = tuple(visit.query.known.candidate(account) for account in accounts)
        with self._blamed("records"):
            return await visit.in_time(matching_of(self.name, visit.query, ask, self._listed), self.label)

    def _asking(self, visit: _Visit) -> Ask:
        query = visit.query
        since = self._since(query.as_of)
        return Ask(visit.connection, query.as_of, since, known=query.known, refresh=query.refresh)

    async def _listed(self, ask: Ask) -> list[Record]:
        return [record async for record in self.records(ask)]

    async def _deliver(self, table: str, reader: Reader, visit: _Visit, matching: Matching | None) -> Delivery:
        query, ask, now = visit.query, self._asking(visit), self._clock().astimezone(UTC).replace(tzinfo=None)
        blank = Delivery(table, reader.category, (), all_columns(table, reader), now)
        blank = replace(blank, history_from=ask.since if reader.is_windowed else _LONG_AGO)
        ask.like = query.like if table == "account" else None
        if query.accounts is not None:
            ask.accounts = tuple(query.known.candidate(account) for account in query.accounts)
            own = set(query.accounts) - set(query.known.strangers(self.name, query.accounts))
            ask.records = _records([account for account in query.accounts if account in own], matching)
        try:
            with self._blamed(table):
                rows = await visit.in_time(self._rows(table, reader, ask, now), self.label)
        except SourceError as err:
            return replace(blank, failure=err.sentence, fault=err.fault)
        known = query.accounts if query.accounts is not None else [account.id for account in query.known.accounts]
        mine = translated(rows, matching.links.accounts, self._store) if matching else rows
        blank = replace(blank, rows=mine, unmatched_rows=len(rows) - len(mine))
        strangers = query.known.strangers(self.name, known) if matching is None and table != "account" else ()
        found = delivery_of(blank, ask, matching, known, strangers)
        is_served = self.settings.unmatched == "unknown" or found.absent is not State.NOT_MATCHED or table == "account"
        return found if is_served else replace(found, absent=State.NOT_APPLICABLE)

    @contextmanager
    def _blamed(self, subject: str) -> Iterator[None]:
        """Makes an error of the connector's own fail what was asked for and nothing else."""
        try:
            yield
        except SourceError:
            raise
        except Exception as err:  # noqa: BLE001 - a connector's fault must not take the other tables with it
            log.error("the %s connector failed on %s: %s", self.kind, subject, place(err))  # noqa: TRY400 - its text may hold another system's words
            raise SourceError(say("The connector failed unexpectedly; the log names the place.")) from None

    async def _rows(self, table: str, reader: Reader, ask: Ask, now: datetime) -> Sequence[Row]:
        """The rows of some accounts; or of all, asking only for changes if an earlier reading is still at hand."""
        if ask.records == ():
            return ()
        if ask.accounts is not None or ask.like is not None:
            reading = Reading()
            await read(table, reader, ask, reading)
            return reading.rows
        before = self._kept.get(table)
        if before and not ask.refresh and before.covers(ask, now, timedelta(hours=self.settings.reload_hours)):
            ask.changed_since, ask.earlier = before.changed_since, before.rows.with_key
        else:
            before = None
        with self._store.incoming(table) as incoming:
            await read(table, reader, ask, incoming)
            incoming.gone |= {row.place.rpartition(" ")[2] for row in ask.rejected}
            rows = self._store.kept(incoming, before.rows if before else None)
        # What changed is asked for by the system's clock, which may be behind ours.
        read_at = now + min(ask.connection.clock_skew or timedelta(), timedelta())
        kept = Kept(rows, tuple(ask.rejected), ask.since, read_at, now)
        kept = before.with_changes(kept, incoming.keys) if before else kept
        ask.rejected = [*kept.rejected]
        if reader.follows_changes and not ask.truncated:
            self._kept[table] = kept
        return rows


def _late(label: str, query: Query) -> str:
    seconds = round(query.seconds or 0, 1)
    if not seconds:
        return say("No time was left for {system}.", system=label)
    return count(
        "{system} did not answer completely within {n} seconds.",
        "{system} did not answer completely within {n} seconds.",
        seconds,
        n=query.seconds_shown,
        system=label,
    )


def _records(accounts: Sequence[str], matching: Matching | None) -> tuple[Record, ...]:
    if matching is None:
        return tuple(Record(account) for account in accounts)
    return tuple(link.record for account in accounts for link in matching.links.by_account.get(account, ()))
