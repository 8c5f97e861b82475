"""Answers: what each source says to a question, asked side by side under a deadline and kept for a while.

A source that fails becomes failed deliveries, not an exception. What a file says holds until the file changes; what a
live source says is used again as long as the configuration allows, and its age is shown.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio

from account_health.connectors.base import Delivery, Query, Relation
from account_health.directory import Directory, Entry
from account_health.errors import CallerError, Fault, SourceError, place

if TYPE_CHECKING:
    from account_health.config import GatherSettings
    from account_health.connectors.base import Clock, Connector

log = logging.getLogger(__name__)

_KEPT = 512
"""Answers of live sources about single accounts, while they are fresh."""
_KEPT_WHOLE = 32
"""Answers of other sources, which hold everything."""
_GRACE_SECONDS = 0.25
"""A source that keeps its own deadline can still say which of its tables were in time."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a tool or a command: how long it may take, and whether what was said before it is good enough."""

    until: float = math.inf
    """When it must be answered, on the event loop's clock."""
    refresh: bool = False
    """True: live sources are asked again although an answer is still kept."""


@dataclass(frozen=True)
class Answer:
    """What one source said; two answers with one token are the same."""

    token: Hashable
    deliveries: tuple[Delivery, ...]
    call: Call
    answered_at: datetime
    is_about_all: bool
    """False: only some accounts were asked for."""

    @property
    def has_failed(self) -> bool:
        """Whether anything in it is missing, so that asking again may bring more."""
        return any(delivery.failure for delivery in self.deliveries)

    def joined(self, other: Answer) -> Answer:
        """Both answers of one source as one."""
        return Answer(
            token=(self.token, other.token),
            deliveries=(*self.deliveries, *other.deliveries),
            call=self.call,
            answered_at=self.answered_at,
            is_about_all=self.is_about_all and other.is_about_all,
        )


def one_list(answers: Sequence[Answer]) -> Answer:
    """What a source said of several accounts as one list of accounts; if it failed on one of them, it failed."""
    different = list({answer.token: answer for answer in answers}.values())
    if every := next((answer for answer in different if answer.is_about_all or len(different) == 1), None):
        return every
    lists = [delivery for answer in different for delivery in answer.deliveries]
    rows = {row.account_id: row for found in lists if not isinstance(found.rows, Relation) for row in found.rows}
    failed = next((delivery for delivery in lists if delivery.failure), None)
    whole = replace(
        lists[0],
        rows=list(rows.values()),
        rows_total=sum(found.rows_total for found in lists),
        rejected=[row for found in lists for row in found.rejected],
        rejected_total=sum(found.rejected_total for found in lists),
        note=next((found.note for found in lists if found.note), ""),
        is_complete=False,
    )
    return replace(different[0], token=tuple(answer.token for answer in different), deliveries=(failed or whole,))


@dataclass
class Answers:
    """The sources, and what they said lately."""

    sources: Sequence[Connector]
    clock: Clock
    settings: GatherSettings
    _whole: dict[Hashable, Answer] = field(default_factory=dict)
    """What sources that are not live said, by their fingerprints."""
    _lately: dict[Hashable, Answer] = field(default_factory=dict)
    """What live sources said to which question."""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def is_live(self, index: int, as_of: datetime) -> bool:
        """Whether only time can tell if the source's answer still holds."""
        return self.sources[index].fingerprint(as_of) is None

    async def ask(self, queries: Mapping[int, Query], call: Call) -> dict[int, Answer]:
        """One answer for each source by its index, asked side by side."""
        found: dict[int, Answer] = {}

        async def ask(index: int, query: Query) -> None:
            found[index] = await self._answer(index, query, call)

        async with anyio.create_task_group() as group:
            for index, query in queries.items():
                group.start_soon(ask, index, query)
        return {index: found[index] for index in queries}

    async def _answer(self, index: int, query: Query, call: Call) -> Answer:
        fingerprint = self.sources[index].fingerprint(query.as_of)
        if fingerprint is None:
            return await self._live_answer(index, query, call)
        key = (index, fingerprint)
        if key in self._whole:
            return self._whole[key]
        everything = Query(query.as_of, known=query.known, seconds=self.settings.all_accounts_seconds)
        answer = await self._asked(index, everything, call, key)
        if any(delivery.fault is Fault.TIMEOUT for delivery in answer.deliveries):
            return replace(answer, token=(key, next(self._numbers)))
        _keep(self._whole, {key: answer}, _KEPT_WHOLE)
        return answer

    async def _live_answer(self, index: int, query: Query, call: Call) -> Answer:
        if kept := self._fresh(index, query, call):
            return kept
        is_broad = query.accounts is None and query.like is None
        most = self.settings.all_accounts_seconds if is_broad else self.settings.deadline_seconds
        seconds = max(0.0, min(most, call.until - anyio.current_time()))
        answer = await self._asked(index, replace(query, seconds=seconds), call, (index, next(self._numbers)))
        for key in [key for key, kept in self._lately.items() if not self._is_fresh(kept)]:
            del self._lately[key]
        if not answer.has_failed:
            _keep(self._lately, dict.fromkeys(_keys(index, query, answer), answer), _KEPT)
        return answer

    def _fresh(self, index: int, query: Query, call: Call) -> Answer | None:
        """An answer to this question, or to the same about all accounts, that may be used again."""
        for asked in (query, replace(query, accounts=None, like=None)):
            kept = self._lately.get(_key(index, asked, asked.like))
            if kept and (kept.call is call or (self._is_fresh(kept) and not call.refresh)):
                return kept
        return None

    def _is_fresh(self, answer: Answer) -> bool:
        return answer.answered_at > self._now() - timedelta(seconds=self.settings.keep_seconds)

    async def _asked(self, index: int, query: Query, call: Call, token: Hashable) -> Answer:
        answered_at = self._now()
        deliveries = tuple(await _delivered(self.sources[index], query, answered_at))
        return Answer(token, deliveries, call, answered_at, query.accounts is None and query.like is None)

    def _now(self) -> datetime:
        return self.clock().astimezone(UTC).replace(tzinfo=None)


def _key(index: int, query: Query, like: str | None) -> Hashable:
    return index, query.as_of.date(), query.tables, query.accounts, like


def _keys(index: int, query: Query, answer: Answer) -> Iterator[Hashable]:
    """The question it answers, and if a text was found to mean one account, the same question by that one's id.

    The others in the answer are only those that it could be confused with, not those that they could be.
    """
    yield _key(index, query, query.like)
    if query.like is None:
        return
    found = [d.rows for d in answer.deliveries if d.table == "account" and not isinstance(d.rows, Relation)]
    with suppress(CallerError):
        meant = Directory([Entry.of(row.model_dump()) for rows in found for row in rows]).find(query.like)
        yield _key(index, query, meant.id)


def _keep(answers: dict[Hashable, Answer], more: Mapping[Hashable, Answer], most: int) -> None:
    """Adds answers, and forgets the oldest if there are too many."""
    for key in more:
        answers.pop(key, None)
    answers.update(more)
    while len(answers) > most:
        del answers[next(iter(answers))]


async def _delivered(source: Connector, query: Query, now: datetime) -> Sequence[Delivery]:
    """What the source delivers; whatever goes wrong becomes a failed delivery of each of its tables."""
    error = SourceError("The connector failed unexpectedly; the log names the place.")
    try:
        with anyio.move_on_after(None if query.seconds is None else query.seconds + _GRACE_SECONDS):
            return await source.fetch(query)
        error = SourceError(
            f"No complete answer within {round(query.seconds or 0, 1):g} seconds.",
            "Ask again later, or raise the deadline under [gather] in account-health.toml.",
            fault=Fault.TIMEOUT,
        )
    except SourceError as err:
        error = err
    except Exception as err:  # noqa: BLE001 - whatever it is, the other sources still answer
        log.error("the %s connector raised an unexpected error: %s", source.kind, place(err))  # noqa: TRY400 - its text may hold another system's words
    wanted = {table: category for table, category in source.provides().items() if query.wants(table)}
    return [
        Delivery(table, category, (), frozenset(), now, failure=str(error), fault=error.fault)
        for table, category in wanted.items()
    ]
