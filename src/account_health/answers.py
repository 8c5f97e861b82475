"""Answers: what each source says to a question, asked side by side under a deadline and kept for a while.

A source that fails becomes failed deliveries, not an exception. What a file says holds until the file changes; what a
live source says is used again as long as the configuration allows, and when it was read is shown. Whoever asks what
somebody else is asking at that moment waits for the same answer.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import current_token

from account_health.calls import Answer, Call
from account_health.connectors.base import Delivery, Query, Relation
from account_health.directory import Directory, Entry
from account_health.errors import CallerError, Fault, SourceError, place
from account_health.language import count, say
from account_health.markup import name
from account_health.progress import step

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
_HASTY = (Fault.TIMEOUT, Fault.THROTTLED)
"""What may not have failed if there had been more time."""


@dataclass(frozen=True)
class _Question:
    """What one call asks of one source."""

    index: int
    query: Query
    """Of sources that are not live always about everything."""
    call: Call
    fingerprint: Hashable | None
    until: float
    """When it must be answered, on the event loop's clock."""

    @property
    def key(self) -> Hashable:
        """Questions with one key have one answer."""
        live_key = _key(self.index, self.query, self.query.like)
        return live_key if self.fingerprint is None else (self.index, self.fingerprint)


@dataclass
class _Asking:
    """A question that is being put to a source, and in the end the answer; none if whoever asked gave up."""

    until: float
    over: anyio.Event = field(default_factory=anyio.Event)
    answer: Answer | None = None

    def answer_to(self, question: _Question) -> Answer | None:
        """The answer, unless it is lacking for want of time of which this question has more."""
        is_lacking = any(d.fault in _HASTY for d in self.answer.deliveries) if self.answer else True
        return None if is_lacking and question.until > self.until + _GRACE_SECONDS else self.answer


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
    _under_way: dict[Hashable, _Asking] = field(default_factory=dict)
    """The questions that are being put to sources, by event loop and key: one loop cannot wait for another."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count())  # noqa: PLW0108 - a bare `count` is ours to catalogues

    def is_live(self, index: int, as_of: datetime, call: Call | None = None) -> bool:
        """Whether only time can tell if the source's answer still holds."""
        return self._fingerprint(index, as_of, call or Call()) is None

    def _fingerprint(self, index: int, as_of: datetime, call: Call) -> Hashable | None:
        """What the source's answer depends on, looked at once in a call: for files that is a look at each of them."""
        if (index, as_of) not in call.fingerprints:
            call.fingerprints[index, as_of] = self.sources[index].fingerprint(as_of)
        return call.fingerprints[index, as_of]

    async def ask(self, queries: Mapping[int, Query], call: Call) -> dict[int, Answer]:
        """One answer for each source by its index: what is kept at once, the others asked side by side."""
        questions = {index: self._question(index, query, call) for index, query in queries.items()}
        found = {index: kept for index, question in questions.items() if (kept := self._kept(question))}
        call.given.update(answer.token for answer in found.values())

        async def ask(question: _Question) -> None:
            found[question.index] = await self._answer(question, call)

        if len(found) < len(questions):
            async with anyio.create_task_group() as group:
                for index in questions.keys() - found.keys():
                    group.start_soon(ask, questions[index])
        return {index: found[index] for index in queries}

    async def _answer(self, question: _Question, call: Call) -> Answer:
        """What is kept, or what comes of the same question under way, or else what the source says."""
        key = current_token(), question.key, question.query.refresh
        while not (answer := self._kept(question)):
            if not (asking := self._under_way.get(key)):
                with self._put(key, question) as asking:
                    answer = asking.answer = await self._asked(question)
                break
            with anyio.CancelScope(deadline=question.until + _GRACE_SECONDS):
                await asking.over.wait()
            if answer := asking.answer_to(question) if asking.over.is_set() else await self._asked(question):
                break
        call.given.add(answer.token)
        return answer

    def _question(self, index: int, query: Query, call: Call) -> _Question:
        fingerprint = self._fingerprint(index, query.as_of, call)
        is_live = fingerprint is None
        query = query if is_live else Query(query.as_of, known=query.known)
        most = self.settings.all_accounts_seconds if _is_broad(query) else self.settings.deadline_seconds
        seconds = max(0.0, min(most, call.until - anyio.current_time()) if is_live else most)
        query = replace(query, seconds=seconds, refresh=is_live and call.refresh)
        return _Question(index, query, call, fingerprint, anyio.current_time() + seconds)

    @contextmanager
    def _put(self, key: Hashable, question: _Question) -> Iterator[_Asking]:
        """Lets others know that the question is being put, and wakes them in the end, whatever becomes of it."""
        asking = self._under_way[key] = _Asking(question.until)
        try:
            yield asking
        finally:
            del self._under_way[key]
            asking.over.set()

    async def _asked(self, question: _Question) -> Answer:
        """What the source says in the time that is left, which is kept for others if nothing is missing."""
        left, answered_at = max(0.0, question.until - anyio.current_time()), self._now()
        query = replace(question.query, seconds=left)
        async with step(say("Read: {source}", source=name(self.sources[question.index].label, 80))):
            deliveries = await _delivered(self.sources[question.index], query, answered_at)
        token = (question.index, next(self._numbers))
        answer = Answer(token, tuple(deliveries), answered_at, _is_broad(query))
        if question.fingerprint is None:
            self._lately = {key: kept for key, kept in self._lately.items() if self._is_fresh(kept)}
            if not answer.has_failed:
                _keep(self._lately, dict.fromkeys(_keys(question.index, query, answer), answer), _KEPT)
        elif not any(delivery.fault is Fault.TIMEOUT for delivery in deliveries):
            answer = replace(answer, token=question.key)
            _keep(self._whole, {question.key: answer}, _KEPT_WHOLE)
        return answer

    def _kept(self, question: _Question) -> Answer | None:
        """An answer to the question, or a whole one to the same about all accounts, that may be used again."""
        query, call = question.query, question.call
        if question.fingerprint is not None:
            return self._whole.get(question.key)
        for asked in (query, broad := replace(query, accounts=None, like=None)):
            kept = self._lately.get(_key(question.index, asked, asked.like))
            if kept is None or (asked is broad and kept.is_cut(query)):
                continue
            if kept.token in call.given or (self._is_fresh(kept) and not call.refresh):
                return kept
        return None

    def _is_fresh(self, answer: Answer) -> bool:
        return answer.answered_at > self._now() - timedelta(seconds=self.settings.keep_seconds)

    def _now(self) -> datetime:
        return self.clock().astimezone(UTC).replace(tzinfo=None)


def _is_broad(query: Query) -> bool:
    return query.accounts is None and query.like is None


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


def _late(query: Query) -> str:
    text, seconds = query.seconds_shown, query.seconds or 0
    return count("No complete answer within {n} seconds.", "No complete answer within {n} seconds.", seconds, n=text)


async def _delivered(source: Connector, query: Query, now: datetime) -> Sequence[Delivery]:
    """What the source delivers; whatever goes wrong becomes a failed delivery of each of its tables."""
    error = SourceError(say("The connector failed unexpectedly; the log names the place."))
    try:
        with anyio.move_on_after(None if query.seconds is None else query.seconds + _GRACE_SECONDS):
            if query.seconds != 0:
                return await source.fetch(query)
        error = SourceError(
            _late(query) if query.seconds else say("No time was left."),
            say("Ask again later, or raise the deadline under [gather] in account-health.toml."),
            fault=Fault.TIMEOUT,
        )
    except SourceError as err:
        error = err
    except Exception as err:  # noqa: BLE001 - whatever it is, the other sources still answer
        log.error("the %s connector raised an unexpected error: %s", source.kind, place(err))  # noqa: TRY400 - its text may hold another system's words
    wanted = {table: category for table, category in source.provides().items() if query.wants(table)}
    return [
        Delivery(table, category, (), frozenset(), now, failure=error.sentence, fault=error.fault)
        for table, category in wanted.items()
    ]
