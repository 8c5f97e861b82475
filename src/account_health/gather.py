"""Gather: ask every source, the accounts first, and hand on rows with one state per account, table and source.

A source that fails becomes a state, not an exception; only an account list that cannot be had stops the answer, because
nothing can then be said about any account. A question about one account asks live sources for that account alone.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from account_health import snapshot
from account_health.answers import Answers
from account_health.calls import Answer, Call, one_list
from account_health.config import GatherSettings
from account_health.connectors.base import Clock, Connector, Delivery, LookUp, Query
from account_health.connectors.registry import Unavailable
from account_health.errors import SourceError
from account_health.holdings import Marked, freshness, holding, usage_end
from account_health.identity import NOBODY, Candidate, Known
from account_health.inputs import Holding, Inputs, Tables
from account_health.language import count, figure, say, together
from account_health.markup import code, name
from account_health.metrics.windows import local_day
from account_health.roster import Roster
from account_health.snapshot import Until
from account_health.workbench import Workbench

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from account_health.policy import Policy

_KEPT_SNAPSHOTS = 8
_KEPT_QUESTIONS = 32
_EXAMPLES = 3
_EXAMPLE_CHARACTERS = 200
_ACCOUNT = frozenset({"account"})
_FEW = 5
"""Live sources are asked about so many accounts alone; for more, their lists of everything are the shorter way."""
_Key = tuple[tuple[str, ...] | None, float, Hashable]
Moment = tuple[datetime, datetime | None]
"""Where the clock stands, and the instant that nothing later than is known of; None: everything is."""
_Made = TypeVar("_Made")


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
    """Asks the sources and keeps what was made of their answers."""

    def __init__(  # noqa: PLR0913 - what the outside world is to it, each by name
        self,
        sources: Sequence[Connector],
        database: DuckDBPyConnection,
        *,
        clock: Clock,
        settings: GatherSettings = GatherSettings(),  # noqa: B008 - frozen
        crosswalk: Known = NOBODY,
        is_demo: bool = False,
    ) -> None:
        self.sources = tuple(sources)
        self.answers = Answers(self.sources, clock, settings)
        self._database = database
        self._crosswalk = crosswalk
        self._is_demo = is_demo
        self._snapshots: dict[_Key, _Kept] = {}
        self._rosters: _Newest[Roster] = _Newest()
        self._numbers = itertools.count(1)
        self.bench = Workbench()

    async def gather(
        self,
        policy: Policy,
        as_of: datetime,
        accounts: Sequence[str] | None = None,
        call: Call | None = None,
        known_until: datetime | None = None,
    ) -> Inputs:
        """The inputs of some accounts (None: all) as of a naive UTC instant; raises SourceError without accounts.

        Live sources are asked about a few accounts alone, about more of them with their lists of everything. With
        `known_until` the inputs hold only what had happened by that instant, while the clock stands at `as_of`.
        """
        call = call or Call()
        asked = None if accounts is None else tuple(accounts)
        few = asked if asked and len(asked) <= _FEW else None
        lists = await self._lists(as_of, few or (None,), call)
        roster = await self._roster(lists, policy)
        look_up = None if few is None or roster.is_complete else self._look_up(policy, as_of, call)
        answers = lists | await self._rest(Query(as_of, few, known=roster.known, look_up=look_up), lists, call)
        return await self._question(answers, policy, (as_of, known_until), asked)

    async def gather_local(
        self, policy: Policy, as_of: datetime
    ) -> tuple[list[tuple[Connector, Delivery]], Inputs | None]:
        """What the sources that are not live deliver, and the inputs made of it if one of them lists the accounts."""
        local = [i for i in range(len(self.sources)) if not self.answers.is_live(i, as_of)]
        answers = await self.answers.ask(dict.fromkeys(local, Query(as_of)), Call())
        found = self._deliveries(answers, policy)
        is_listed = any(delivery.table == "account" and not delivery.failure for _, delivery in found)
        return found, await self._question(answers, policy, (as_of, None), None) if is_listed else None

    async def roster(
        self, policy: Policy, as_of: datetime, like: str | None = None, call: Call | None = None
    ) -> Roster:
        """The accounts that a text could mean (None: all of them); raises SourceError when none can be listed."""
        return await self._roster(await self._lists(as_of, (like,), call or Call()), policy)

    async def _lists(self, as_of: datetime, likes: Sequence[str | None], call: Call) -> dict[int, Answer]:
        """The answers of those who list accounts: of live ones only the table `account`, of the others everything."""
        listing = [i for i, source in enumerate(self.sources) if "account" in source.provides()]
        found: dict[str | None, dict[int, Answer]] = {}

        async def ask(like: str | None) -> None:
            query = Query(as_of, tables=_ACCOUNT, like=like)
            found[like] = await self.answers.ask(dict.fromkeys(listing, query), call)

        async with anyio.create_task_group() as group:
            for like in likes:
                group.start_soon(ask, like)
        return {index: one_list([found[like][index] for like in likes]) for index in listing}

    def _look_up(self, policy: Policy, as_of: datetime, call: Call) -> LookUp:
        async def look_up(text: str) -> Sequence[Candidate]:
            return (await self.roster(policy, as_of, text, call)).known.accounts

        return look_up

    async def _rest(self, query: Query, lists: Mapping[int, Answer], call: Call) -> dict[int, Answer]:
        """The other tables, of live sources for the few accounts or for all."""
        queries: dict[int, Query] = {}
        for index, source in enumerate(self.sources):
            tables = frozenset(source.provides()) - _ACCOUNT
            if index not in lists or (tables and self.answers.is_live(index, query.as_of, call)):
                queries[index] = replace(query, tables=tables)
        # Whether a system knows the account, only its list tells; without it, no rows would look like none being there.
        unread = {i for i in queries if i in lists and lists[i].has_failed}
        found = await self.answers.ask({i: query for i, query in queries.items() if i not in unread}, call)
        answers = {i: lists[i].joined(answer) if i in lists else answer for i, answer in found.items()}
        return answers | {i: _failed_throughout(self.sources[i], lists[i]) for i in unread}

    async def _roster(self, lists: Mapping[int, Answer], policy: Policy) -> Roster:
        """Whom the lists name, made once for the same lists."""
        deliveries = [d for d in self._deliveries(lists, policy) if d[1].table == "account"]
        _require_accounts([delivery for _, delivery in deliveries])
        tokens = (policy.limits.rejected_share, *(answer.token for answer in lists.values()))
        if there := self._rosters.get(tokens):
            return there
        made = partial(Roster.of, self._database, deliveries, self._crosswalk)
        size = sum(delivery.rows_total for _, delivery in deliveries)
        return await self.bench.make(lambda: self._rosters.get_or_make(tokens, made), size=size)

    def _deliveries(self, answers: Mapping[int, Answer], policy: Policy) -> list[tuple[Connector, Delivery]]:
        found = [(self.sources[i], _accepted(d, policy)) for i in sorted(answers) for d in answers[i].deliveries]
        return sorted(found, key=_precedence)

    def _snapshot(self, key: _Key, answers: Mapping[int, Answer], policy: Policy) -> _Kept:
        """The answers laid out, once for the same answers."""
        if key not in self._snapshots:
            while len(self._snapshots) >= _KEPT_SNAPSHOTS:
                snapshot.drop(self._database, self._snapshots.pop(next(iter(self._snapshots))).schema)
            schema = f"snapshot_{next(self._numbers)}"
            found = self._deliveries(answers, policy)
            snapshot.lay_out(self._database, schema, [delivery for _, delivery in found], key[0])
            self._snapshots[key] = _Kept(schema, tuple(found))
        return self._snapshots[key]

    async def _question(
        self, answers: Mapping[int, Answer], policy: Policy, moment: Moment, asked: tuple[str, ...] | None
    ) -> Inputs:
        """The inputs of a question, made once; without other accounts if live sources told of no other."""
        only = asked if any(not answer.is_about_all for answer in answers.values()) else None
        key: _Key = (only, policy.limits.rejected_share, tuple((i, answers[i].token) for i in sorted(answers)))
        question = (moment, asked, policy.ref.hash)
        laid_out = self._snapshots.get(key)
        if laid_out and (there := laid_out.inputs.get(question)):
            return there

        def made() -> Inputs:
            kept = self._snapshot(key, answers, policy)
            return kept.inputs.get_or_make(question, lambda: self._inputs(kept, policy, moment, asked))

        is_narrow = laid_out is not None and asked is not None and len(asked) <= _FEW
        rows = sum(delivery.rows_total for answer in answers.values() for delivery in answer.deliveries)
        return await self.bench.make(made, size=0 if is_narrow else rows)

    def _inputs(self, kept: _Kept, policy: Policy, moment: Moment, asked: tuple[str, ...] | None) -> Inputs:
        as_of, known_until = moment
        holdings = kept.holdings.get_or_make((as_of, policy.ref.hash), lambda: self._holdings(kept, policy, as_of))
        marked = freshness(holdings)
        until = None if known_until is None else Until(known_until, local_day(known_until, policy.time_zone))
        tables = kept.tables.get_or_make((asked, marked, until), lambda: self._tables(kept, asked, marked, until))
        ends = min(usage_end(holdings, policy, instant) for instant in (as_of, known_until or as_of))
        return Inputs(as_of, tables, holdings, ends, (kept.schema, moment), self._is_demo, self.broken)

    @property
    def broken(self) -> tuple[str, ...]:
        """What is wrong with sources of which not even the tables are known."""
        return tuple(
            say(
                "The source {source} cannot be asked: {problem}",
                source=name(source.label, _EXAMPLE_CHARACTERS),
                problem=source.problem.sentence,
            )
            for source in self.sources
            if isinstance(source, Unavailable) and not source.provides()
        )

    def _holdings(self, kept: _Kept, policy: Policy, as_of: datetime) -> tuple[Holding, ...]:
        newest = snapshot.newest(self._database, kept.schema, as_of)
        return tuple(holding(i, found, newest.get(i), policy, as_of) for i, found in enumerate(kept.deliveries))

    def _tables(self, kept: _Kept, asked: tuple[str, ...] | None, marked: Marked, until: Until | None) -> Tables:
        narrowed = None
        if until and asked is not None:
            narrowed = kept.tables.get_or_make(
                (asked, marked, None), lambda: self._tables(kept, asked, marked, None)
            ).schema
        schema = f"question_{next(self._numbers)}"
        snapshot.narrow(self._database, kept.schema, schema, asked, marked, until, narrowed)
        tables = Tables(self._database, kept.schema, schema, asked)
        # An evaluation may look at its tables long after others have been asked for.
        weakref.finalize(tables, snapshot.drop, self._database, schema).atexit = False
        return tables


def _precedence(found: tuple[Connector, Delivery]) -> tuple[str, datetime, int]:
    """Which of several sources of one table is named first; the order in the configuration must not matter."""
    connector, delivery = found
    return delivery.label or connector.label, delivery.fetched_at, delivery.rows_total


def _failed_throughout(source: Connector, answer: Answer) -> Answer:
    """The answer with every table of the source failed as its list of accounts did."""
    cause = next(delivery for delivery in answer.deliveries if delivery.failure)
    tables = source.provides().items()
    return replace(
        answer, deliveries=tuple(replace(cause, table=table, category=category) for table, category in tables)
    )


def _accepted(delivery: Delivery, policy: Policy) -> Delivery:
    """The delivery, or a failed one if more of its rows are unreadable than the policy bears."""
    share = policy.limits.rejected_share
    if delivery.failure or delivery.rejected_total <= share * delivery.rows_total:
        return delivery
    failure = count(
        "{rejected} of {n} rows could not be read, more than {percent}%.",
        "{rejected} of {n} rows could not be read, more than {percent}%.",
        delivery.rows_total,
        rejected=delivery.rejected_total,
        percent=figure(100 * share),
    )
    return replace(delivery, rows=(), failure=failure)


def _require_accounts(deliveries: Sequence[Delivery]) -> None:
    lists = [d for d in deliveries if d.table == "account"]
    if not lists:
        raise SourceError(
            say("No source lists the accounts."),
            say("Map an `account` table in account-health.toml, or set lists_accounts = true for one live source."),
        )
    if all(d.failure for d in lists):
        rows = lists[0].rejected[:_EXAMPLES]
        texts = [say("{place}: {problem}", place=row.place, problem=row.problem) for row in rows]
        why = together(lists[0].failure or "", *(f"{code(text, _EXAMPLE_CHARACTERS)}." for text in texts))
        raise SourceError(
            say("The list of accounts could not be read: {why}", why=why), say("Nothing can be said before.")
        )
