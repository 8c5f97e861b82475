"""Gather: ask every source side by side, and hand on rows with one state per account, table and source.

A source that fails becomes a state, not an exception; only an account list that cannot be had stops the answer, because
nothing can then be said about any account.
"""

from __future__ import annotations

import itertools
import logging
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import anyio

from account_health import snapshot
from account_health.connectors.base import Connector, Delivery, Query
from account_health.errors import SourceError
from account_health.inputs import Holding, Inputs, Tables
from account_health.markup import code
from account_health.metrics.windows import local_day
from account_health.model import State
from account_health.tables import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from account_health.policy import Policy

log = logging.getLogger(__name__)

# Answers and values age one by one; a contract term stays true until it ends, however long ago it began.
_DATED_BY_THEMSELVES = ("survey_response", "metric_value", "subscription")
_KEPT_SNAPSHOTS = 4
_KEPT_QUESTIONS = 32
_EXAMPLES = 3
_EXAMPLE_CHARACTERS = 200


_Made = TypeVar("_Made")
_Marked = tuple[tuple[str, ...], tuple[str, ...]]
"""Tables that are stale, and tables that are partial because some of their sources are stale."""


class _Newest(dict[Hashable, _Made]):
    """Remembers the last things that were made."""

    def get_or_make(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """What was made for the key before, or else now; the oldest is forgotten when there would be too many."""
        if key not in self:
            while len(self) >= _KEPT_QUESTIONS:
                del self[next(iter(self))]
            self[key] = make()
        return self[key]


@dataclass(frozen=True)
class _Kept:
    """A snapshot and what was found out about it: who supplied what as of an instant, inputs of questions."""

    schema: str
    deliveries: tuple[tuple[Connector, Delivery], ...]
    holdings: _Newest[tuple[Holding, ...]] = field(default_factory=_Newest)
    tables: _Newest[Tables] = field(default_factory=_Newest)
    inputs: _Newest[Inputs] = field(default_factory=_Newest)


class Gatherer:
    """Asks the sources and keeps what they said until their fingerprints change."""

    def __init__(self, sources: Sequence[Connector], database: DuckDBPyConnection, *, is_demo: bool = False) -> None:
        self.sources = tuple(sources)
        self._database = database
        self._is_demo = is_demo
        self._kept: dict[Hashable, _Kept] = {}
        self._numbers = itertools.count(1)

    async def gather(self, policy: Policy, as_of: datetime, accounts: Sequence[str] | None = None) -> Inputs:
        """The inputs of some accounts (None: all) as of a naive UTC instant; raises SourceError without accounts."""
        key = (policy.limits.rejected_share, *(source.fingerprint(as_of) for source in self.sources))
        if key not in self._kept:
            self._keep(key, await self._fetch(Query(as_of), policy))
        kept = self._kept[key]
        asked = None if accounts is None else tuple(accounts)
        question = (as_of, asked, policy.ref.hash)
        return kept.inputs.get_or_make(question, lambda: self._inputs(kept, policy, as_of, asked))

    def _inputs(self, kept: _Kept, policy: Policy, as_of: datetime, asked: tuple[str, ...] | None) -> Inputs:
        moment = (as_of, policy.ref.hash)
        holdings = kept.holdings.get_or_make(moment, lambda: self._holdings(kept, policy, as_of))
        marked = _freshness(holdings)
        tables = kept.tables.get_or_make((asked, marked), lambda: self._tables(kept, asked, marked))
        return Inputs(as_of, tables, holdings, _usage_end(holdings, policy, as_of), (kept.schema, as_of), self._is_demo)

    def _holdings(self, kept: _Kept, policy: Policy, as_of: datetime) -> tuple[Holding, ...]:
        newest = snapshot.newest(self._database, kept.schema, as_of)
        return tuple(_holding(i, found, newest.get(i), policy, as_of) for i, found in enumerate(kept.deliveries))

    def _tables(self, kept: _Kept, asked: tuple[str, ...] | None, marked: _Marked) -> Tables:
        schema = f"question_{next(self._numbers)}"
        snapshot.narrow(self._database, kept.schema, schema, asked, marked)
        tables = Tables(self._database, kept.schema, schema, asked)
        # An evaluation may look at its tables long after others have been asked for.
        weakref.finalize(tables, snapshot.drop, self._database, schema).atexit = False
        return tables

    async def _fetch(self, query: Query, policy: Policy) -> list[tuple[Connector, Delivery]]:
        found: dict[int, Sequence[Delivery]] = {}

        async def ask(index: int, source: Connector) -> None:
            found[index] = await _delivered(source, query)

        async with anyio.create_task_group() as group:
            for index, source in enumerate(self.sources):
                group.start_soon(ask, index, source)
        deliveries = [(self.sources[i], _accepted(d, policy)) for i in sorted(found) for d in found[i]]
        _require_accounts([delivery for _, delivery in deliveries])
        return sorted(deliveries, key=_precedence)

    def _keep(self, key: Hashable, deliveries: Sequence[tuple[Connector, Delivery]]) -> None:
        while len(self._kept) >= _KEPT_SNAPSHOTS:
            snapshot.drop(self._database, self._kept.pop(next(iter(self._kept))).schema)
        schema = f"snapshot_{next(self._numbers)}"
        snapshot.lay_out(self._database, schema, [delivery for _, delivery in deliveries])
        self._kept[key] = _Kept(schema, tuple(deliveries))


async def _delivered(source: Connector, query: Query) -> Sequence[Delivery]:
    """What the source delivers; whatever goes wrong becomes a failed delivery of each of its tables."""
    try:
        return await source.fetch(query)
    except SourceError as err:
        failure = str(err)
    except Exception:
        log.exception("the %s connector raised an unexpected error", source.kind)
        failure = "The connector failed unexpectedly; the log names the place."
    return [
        Delivery(table, category, (), frozenset(), query.as_of, failure=failure)
        for table, category in source.provides().items()
    ]


def _precedence(found: tuple[Connector, Delivery]) -> tuple[str, datetime, int]:
    """Which of several sources of one table is named first; the order in the configuration must not matter."""
    connector, delivery = found
    return delivery.label or connector.label, delivery.fetched_at, delivery.rows_total


def _accepted(delivery: Delivery, policy: Policy) -> Delivery:
    """The delivery, or a failed one if more of its rows are unreadable than the policy bears."""
    share = policy.limits.rejected_share
    if delivery.failure or delivery.rejected_total <= share * delivery.rows_total:
        return delivery
    failure = f"{delivery.rejected_total} of {delivery.rows_total} rows could not be read, more than {share:.0%}."
    return replace(delivery, rows=(), failure=failure)


def _require_accounts(deliveries: Sequence[Delivery]) -> None:
    lists = [d for d in deliveries if d.table == "account"]
    if not lists:
        raise SourceError("No source lists the accounts.", "Map an `account` table in account-health.toml.")
    if all(d.failure for d in lists):
        rows = lists[0].rejected[:_EXAMPLES]
        examples = "".join(f" {code(f'{row.place}: {row.problem}', _EXAMPLE_CHARACTERS)}." for row in rows)
        raise SourceError(
            f"The list of accounts could not be read: {lists[0].failure}{examples}", "Nothing can be said before."
        )


def _holding(
    index: int, found: tuple[Connector, Delivery], newest: datetime | None, policy: Policy, as_of: datetime
) -> Holding:
    connector, delivery = found
    said = min(delivery.fetched_at, as_of) if delivery.live else newest
    limit = timedelta(days=policy.freshness.general)
    rejected: dict[str | None, tuple[str, ...]] = {}
    for row in delivery.rejected:
        rejected[row.account_id] = (*rejected.get(row.account_id, ()), f"{row.place}: {row.problem}")
    return Holding(
        index=index,
        table=delivery.table,
        category=delivery.category,
        connector=connector.kind,
        label=delivery.label or connector.label,
        columns=delivery.columns,
        live=delivery.live,
        fetched_at=delivery.fetched_at,
        newest=newest,
        stale=delivery.table not in _DATED_BY_THEMSELVES and said is not None and as_of - said > limit,
        rows_total=delivery.rows_total,
        rejected_total=delivery.rejected_total,
        unmatched_rows=delivery.unmatched_rows,
        rejected=rejected,
        failure=delivery.failure,
        note=delivery.note,
        matched_by=delivery.matched_by,
        matched=delivery.matched,
        states={account: State(state) for account, state in delivery.states.items()},
        details=delivery.details,
    )


def _freshness(holdings: Sequence[Holding]) -> _Marked:
    """Tables all of whose sources are stale, and tables some of whose sources are."""
    by_table: Mapping[str, list[bool]] = {
        table: [h.stale for h in holdings if h.table == table and not h.failure] for table in TABLES
    }
    stale = tuple(table for table, marks in by_table.items() if marks and all(marks))
    partial = tuple(table for table, marks in by_table.items() if any(marks) and not all(marks))
    return stale, partial


def _usage_end(holdings: Sequence[Holding], policy: Policy, as_of: datetime) -> date:
    """The first day not completely observed: today, or the day after the newest row if usage comes from a file."""
    complete_until = local_day(as_of + timedelta(microseconds=1), policy.time_zone)
    usage = [h for h in holdings if h.table == "usage_day" and not h.failure]
    if not usage or any(h.live or h.newest is None for h in usage):
        return complete_until
    return min(complete_until, max(h.newest for h in usage if h.newest).date() + timedelta(days=1))
