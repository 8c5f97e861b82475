"""Live: a connector to a system with an HTTP API; a vendor's module says only which words of the vendor mean what.

One account is read with a few calls side by side; all accounts are read with the system's bulk lists, and later only
with what changed. Each table that cannot be read is a failed delivery of its own.
"""

from __future__ import annotations

import logging
import math
import traceback
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import anyio

from account_health.connectors.base import Checkup, Delivery, Probe, Settings
from account_health.connectors.live.ask import Ask
from account_health.connectors.live.delivery import delivery_of
from account_health.connectors.live.reader import Kept, Reader, Reading, all_columns, read
from account_health.connectors.live.settings import LiveSettings
from account_health.errors import Fault, SourceError
from account_health.identity import Link, Links, Record

if TYPE_CHECKING:
    from account_health.connectors.base import Context, Query
    from account_health.connectors.http import Api, Connection
    from account_health.model import Source

log = logging.getLogger(__name__)

_LONG_AGO = datetime(1900, 1, 1)  # noqa: DTZ001 - instants inside are naive UTC
"""Where the history of what was read whole begins."""

S = TypeVar("S", bound=LiveSettings)
_T = TypeVar("_T")


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
            f"{label} did not answer completely within {self.query.seconds:g} seconds.",
            "Ask again later, or raise the deadline under [gather] in account-health.toml.",
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
        self._readers = self.readers()
        self._kept: dict[str, Kept] = {}

    @abstractmethod
    def api(self, context: Context) -> Api:
        """The system's API; made without I/O."""

    @abstractmethod
    def readers(self) -> Mapping[str, Reader]:
        """How each table is read; with `account` among them the system lists the accounts, and its ids are theirs."""

    def records(self, ask: Ask) -> AsyncIterator[Record]:
        """The records that could belong to the asked accounts, or all; needed of systems that list no accounts."""
        raise NotImplementedError

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
        deadline = anyio.current_time() + query.seconds if query.seconds else math.inf
        found: dict[str, Delivery] = {}

        async def deliver(table: str, reader: Reader) -> None:
            found[table] = await self._deliver(table, reader, visit, links)

        async with self._api.open() as connection:
            visit = _Visit(connection, query, deadline)
            links = await self._links(visit)
            async with anyio.create_task_group() as group:
                for table, reader in wanted.items():
                    group.start_soon(deliver, table, reader)
            return [replace(found[table], waited=connection.waited) for table in wanted]

    async def matches(self, query: Query) -> Links:
        """Which records belong to which accounts; every account's own id in a system that lists them."""
        async with self._api.open() as connection:
            return await self._links(_Visit(connection, query, math.inf)) or Links()

    async def check(self, as_of: datetime) -> Checkup:
        """Reads one page of each list; what fails says why and what to do."""
        async with self._api.open() as connection:
            probes = [await self._probe(t, reader, self._ask(connection, as_of)) for t, reader in self._readers.items()]
            try:
                probes += await self.probes(self._ask(connection, as_of))
            except SourceError as err:
                probes.append(Probe("settings", err.message, is_ok=False, advice=err.next_step))
            return Checkup(probes, self.api_version, connection.clock_skew)

    async def _probe(self, table: str, reader: Reader, ask: Ask) -> Probe:
        try:
            reading = await read(table, reader, ask)
        except SourceError as err:
            return Probe(table, err.message, is_ok=False, advice=err.next_step)
        rejected = f", {len(ask.rejected)} that could not be read" if ask.rejected else ""
        finding = f"{len(reading.rows)} rows on the first page{rejected}"
        return Probe(table, finding, is_ok=not ask.rejected, rows=len(reading.rows))

    def _ask(self, connection: Connection, as_of: datetime) -> Ask:
        return Ask(connection, as_of, self._since(as_of), is_probe=True)

    def _since(self, as_of: datetime) -> datetime:
        since = as_of - timedelta(days=self.settings.history_days)
        began = self.settings.history_from
        return max(since, datetime.combine(began, time())) if began else since

    @property
    def _lists_accounts(self) -> bool:
        return "account" in self._readers

    async def _links(self, visit: _Visit) -> Links | None:
        """Whose records are whose; None: a record's id is the account's."""
        if "account" in self._readers:
            return None
        known, accounts = visit.query.known, visit.query.accounts
        asked = None if accounts is None else tuple(known.candidate(account) for account in accounts)
        if accounts is not None:
            written = {account: known.written(self.name, account) for account in accounts}
            if all(written.values()):
                pairs = [(account, record) for account, records in written.items() for record in records]
                return Links(tuple(Link(account, Record(i), "crosswalk", "crosswalk") for account, i in pairs))
        ask = Ask(visit.connection, visit.query.as_of, self._since(visit.query.as_of), asked)
        links = known.link(self.name, await visit.in_time(self._listed(ask), self.label))
        if accounts is None:
            return links
        return replace(links, links=tuple(link for link in links.links if link.account_id in accounts))

    async def _listed(self, ask: Ask) -> list[Record]:
        return [record async for record in self.records(ask)]

    async def _deliver(self, table: str, reader: Reader, visit: _Visit, links: Links | None) -> Delivery:
        query, now = visit.query, self._clock().astimezone(UTC).replace(tzinfo=None)
        since = self._since(query.as_of)
        blank = Delivery(table, reader.category, (), all_columns(table, reader), now)
        blank = replace(blank, history_from=since if reader.is_windowed else _LONG_AGO)
        ask = Ask(visit.connection, query.as_of, since, like=query.like if table == "account" else None)
        if query.accounts is not None:
            ask.accounts = tuple(query.known.candidate(account) for account in query.accounts)
            ask.records = _records(query.accounts, links)
        try:
            reading = await visit.in_time(self._rows(table, reader, ask, now), self.label)
        except SourceError as err:
            return replace(blank, failure=str(err), fault=err.fault)
        except Exception as err:  # noqa: BLE001 - a connector's fault must not take the other tables with it
            log.error("the %s connector failed on %s: %s", self.kind, table, _where(err))  # noqa: TRY400 - see _where
            return replace(blank, failure="The connector failed unexpectedly; the log names the place.")
        known = query.accounts if query.accounts is not None else [account.id for account in query.known.accounts]
        return delivery_of(blank, ask, reading, links, known)

    async def _rows(self, table: str, reader: Reader, ask: Ask, now: datetime) -> Reading:
        """The rows of some accounts; or of all, asking only for changes if an earlier reading is still at hand."""
        if ask.records == ():
            return Reading({})
        if ask.accounts is not None or ask.like is not None or not reader.follows_changes:
            return await read(table, reader, ask)
        kept = self._kept.get(table)
        if kept and kept.covers(ask, now, timedelta(hours=self.settings.reload_hours)):
            ask.changed_since = kept.changed_since
            kept = kept.with_changes(await read(table, reader, ask), now)
        else:
            kept = Kept((await read(table, reader, ask)).rows, ask.since, now, now)
        if not ask.truncated:
            self._kept[table] = kept
        return Reading(kept.rows)


def _records(accounts: Sequence[str], links: Links | None) -> tuple[Record, ...]:
    if links is None:
        return tuple(Record(account) for account in accounts)
    return tuple(link.record for account in accounts for link in links.by_account.get(account, ()))


def _where(err: Exception) -> str:
    """Kind and place of an unexpected error, without its text, which may hold another system's words."""
    last = traceback.extract_tb(err.__traceback__)[-1]
    return f"{type(err).__name__} in {last.name}, line {last.lineno} of {last.filename.rpartition('/')[2]}"
