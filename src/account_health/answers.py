"""Answers: what each source says to a question, asked side by side under a deadline and kept for a while.

A source that fails becomes failed deliveries, not an exception. What a file says holds until the file changes; what a
live source says is used again as long as the configuration allows, and its age is shown.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio

from account_health.connectors.base import Delivery, Query, Relation
from account_health.errors import Fault, SourceError

if TYPE_CHECKING:
    from account_health.config import GatherSettings
    from account_health.connectors.base import Clock, Connector

log = logging.getLogger(__name__)

_KEPT = 512
_GRACE_SECONDS = 0.25
"""A source that keeps its own deadline can still say which of its tables were in time."""


@dataclass(frozen=True)
class Answer:
    """What one source said; two answers with one token are the same."""

    token: Hashable
    deliveries: tuple[Delivery, ...]
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
            answered_at=self.answered_at,
            is_about_all=self.is_about_all and other.is_about_all,
        )


@dataclass
class Answers:
    """The sources, and what they said lately."""

    sources: Sequence[Connector]
    clock: Clock
    settings: GatherSettings
    _kept: dict[Hashable, Answer] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def is_live(self, index: int, as_of: datetime) -> bool:
        """Whether only time can tell if the source's answer still holds."""
        return self.sources[index].fingerprint(as_of) is None

    async def ask(self, queries: Mapping[int, Query], *, refresh: bool = False) -> dict[int, Answer]:
        """One answer for each source by its index, asked side by side; `refresh` asks live sources again."""
        found: dict[int, Answer] = {}

        async def ask(index: int, query: Query) -> None:
            found[index] = await self._answer(index, query, refresh=refresh)

        async with anyio.create_task_group() as group:
            for index, query in queries.items():
                group.start_soon(ask, index, query)
        return {index: found[index] for index in queries}

    async def _answer(self, index: int, query: Query, *, refresh: bool) -> Answer:
        fingerprint = self.sources[index].fingerprint(query.as_of)
        if fingerprint is not None:
            key: Hashable = (index, fingerprint)
            if key not in self._kept:
                everything = Query(query.as_of, known=query.known, seconds=self.settings.all_accounts_seconds)
                answer = await self._asked(index, everything, key)
                if any(delivery.fault is Fault.TIMEOUT for delivery in answer.deliveries):
                    return replace(answer, token=(key, next(self._numbers)))
                self._keep({key: answer})
            return self._kept[key]
        kept = None if refresh else self._fresh(index, query)
        if kept is None:
            is_broad = query.accounts is None and query.like is None
            seconds = self.settings.all_accounts_seconds if is_broad else self.settings.deadline_seconds
            kept = await self._asked(index, replace(query, seconds=seconds), (index, next(self._numbers)))
            if not kept.has_failed:
                self._keep(dict.fromkeys(_keys(index, query, kept), kept))
        return kept

    def _fresh(self, index: int, query: Query) -> Answer | None:
        """An answer to this question, or to the same about all accounts, that may be used again."""
        oldest = self._now() - timedelta(seconds=self.settings.keep_seconds)
        for asked in (query, replace(query, accounts=None, like=None)):
            kept = self._kept.get(_key(index, asked, asked.like))
            if kept is not None and kept.answered_at > oldest:
                return kept
        return None

    async def _asked(self, index: int, query: Query, token: Hashable) -> Answer:
        answered_at = self._now()
        deliveries = tuple(await _delivered(self.sources[index], query, answered_at))
        return Answer(token, deliveries, answered_at, query.accounts is None and query.like is None)

    def _keep(self, answers: Mapping[Hashable, Answer]) -> None:
        self._kept = {**{k: v for k, v in self._kept.items() if k not in answers}, **answers}
        while len(self._kept) > max(_KEPT, len(answers)):
            del self._kept[next(iter(self._kept))]

    def _now(self) -> datetime:
        return self.clock().astimezone(UTC).replace(tzinfo=None)


def _key(index: int, query: Query, like: str | None) -> Hashable:
    return index, query.as_of.date(), query.tables, query.accounts, like


def _keys(index: int, query: Query, answer: Answer) -> Iterable[Hashable]:
    """The question it answers, and for accounts that a text could mean, the same question by the id of each."""
    yield _key(index, query, query.like)
    if query.like is None:
        return
    for delivery in answer.deliveries:
        if delivery.table == "account" and not isinstance(delivery.rows, Relation):
            yield from (_key(index, query, row.account_id) for row in delivery.rows)


async def _delivered(source: Connector, query: Query, now: datetime) -> Sequence[Delivery]:
    """What the source delivers; whatever goes wrong becomes a failed delivery of each of its tables."""
    error = SourceError("The connector failed unexpectedly; the log names the place.")
    try:
        with anyio.move_on_after(None if query.seconds is None else query.seconds + _GRACE_SECONDS):
            return await source.fetch(query)
        error = SourceError(f"No complete answer within {query.seconds:g} seconds.", fault=Fault.TIMEOUT)
    except SourceError as err:
        error = err
    except Exception:
        log.exception("the %s connector raised an unexpected error", source.kind)
    wanted = {table: category for table, category in source.provides().items() if query.wants(table)}
    return [
        Delivery(table, category, (), frozenset(), now, failure=str(error), fault=error.fault)
        for table, category in wanted.items()
    ]
