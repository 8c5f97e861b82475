"""Overview: how all accounts stand: from the last recorded run while it is fresh, else computed now.

An answer says which of the two it is. For another day it is computed as the data stood then.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from account_health.errors import HistoryError
from account_health.history.records import Kind
from account_health.language import count, say
from account_health.markup import prose, visible
from account_health.metrics.windows import local_day
from account_health.peers import Peers
from account_health.readings import profiles_of
from account_health.selection import Selection
from account_health.standings import Standings
from account_health.wording import minute

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    from account_health.evaluation import Evaluation
    from account_health.history.records import Activity, Run
    from account_health.history.store import Store
    from account_health.workspace import Workspace

log = logging.getLogger(__name__)
_KEPT = 4
"""Standings of a hundred thousand accounts take some hundred megabytes, so few are kept."""
_SENTENCE = 300


@dataclass(frozen=True)
class Looked:
    """Standings with what is looked up in them again and again."""

    standings: Standings
    selection: Selection
    peers: Peers

    @classmethod
    def at(cls, standings: Standings) -> Looked:
        """The standings, nothing looked up yet."""
        return cls(standings, Selection(standings), Peers(standings))


@dataclass(frozen=True)
class View:
    """The standings of all accounts, what people said of them, and what a reader has to know about both."""

    looked: Looked
    said: Mapping[str, Sequence[Activity]]
    """Per account its statuses, acknowledgements and snoozes, oldest first."""
    notices: tuple[str, ...]
    asked: datetime | None = None
    """When it was asked for, naive UTC, if that is later than what it holds for."""

    @property
    def standings(self) -> Standings:
        """How the accounts stand."""
        return self.looked.standings

    @property
    def selection(self) -> Selection:
        """Their segments, owners and money."""
        return self.looked.selection

    @property
    def peers(self) -> Peers:
        """How each does against the others."""
        return self.looked.peers

    @property
    def as_of(self) -> datetime:
        """The instant it holds for, aware."""
        return self.standings.as_of.replace(tzinfo=UTC)

    @property
    def now(self) -> datetime:
        """The instant that decides what people said still holds, naive UTC."""
        return self.asked or self.standings.as_of

    def status(self, account: str) -> Activity | None:
        """The status that somebody set and that still holds."""
        last = next((a for a in reversed(self.said.get(account, ())) if a.kind is Kind.STATUS), None)
        if last is None or last.after is None or last.subject not in self.standings.policy.vocabularies:
            return None
        return None if last.expires_at and last.expires_at < self.now else last


@dataclass(frozen=True)
class _Recalled:
    """What the history knows of all accounts at an instant."""

    said: Mapping[str, Sequence[Activity]] = field(default_factory=dict)
    """Per account what people said of it, oldest first."""
    notices: tuple[str, ...] = ()
    recorded: tuple[Looked, Run] | None = None
    """The standings of the last run, and that run, if it is fresh."""
    lives: Mapping[str, Mapping[str, date]] = field(default_factory=dict)
    """Else per account since when its flags are open, as far as people spoke of flags at all."""


@dataclass
class Overview:
    """The views of one workspace."""

    workspace: Workspace
    _kept: dict[Hashable, Looked] = field(default_factory=dict)
    _said: tuple[int, Sequence[Activity]] | None = None

    async def view(self, as_of: str | None = None, *, refresh: bool = False) -> View:
        """How all accounts stand now, or on another day; `refresh` computes although a recorded run is fresh.

        Raises SourceError when no list of accounts can be had.
        """
        workspace = self.workspace
        instant = workspace.instant(as_of)
        found = await self._recalled(instant, may_be_recorded=not as_of and not refresh)
        if found.recorded is not None:
            looked, run = found.recorded
            unread = (
                say("As recorded at {when} by `assess --all`.", when=minute(run.as_of)),
                *self._shown(run.problems),
            )
        else:
            evaluation = await workspace.evaluate(instant)
            looked = await workspace.compute(lambda: _looked(evaluation, found.lives), size=len(evaluation.accounts))
            unread = self._shown(not_read(evaluation))
        return View(looked, found.said, (*workspace.notices, *unread, *found.notices), instant)

    async def before(self, instant: datetime, now: datetime | None = None) -> Looked | None:
        """How all accounts stood at an earlier instant, as recorded; None if nothing was, or cannot be read.

        With `now`, a history that is younger gives its first run instead, if that is of an earlier day.
        """
        memory = self.workspace.memory
        if not memory.exists:
            return None
        try:
            run = await memory.ask(lambda store: store.last_run(until=instant) or (store.first_run() if now else None))
            zone = self.workspace.policy.time_zone
            if run is None or (now and local_day(run.as_of, zone) >= local_day(now, zone)):
                return None
            return await memory.ask(lambda store: self._read(store, run, run.as_of))
        except HistoryError as err:
            log.warning("answered without history: %s", err)
            return None

    async def _recalled(self, instant: datetime, *, may_be_recorded: bool) -> _Recalled:
        """What the history knows; one that cannot be read is a notice and no failure."""
        memory = self.workspace.memory
        if not memory.exists:
            return _Recalled()
        fresh = timedelta(hours=self.workspace.config.history.fresh_hours)

        def recall(store: Store) -> _Recalled:
            said: dict[str, list[Activity]] = {}
            for activity in self._spoken(store):
                if activity.at <= instant:
                    said.setdefault(activity.account, []).append(activity)
            run = store.last_run(until=instant) if may_be_recorded and fresh else None
            if run is not None and instant - run.as_of <= fresh and (looked := self._newest(store, run, instant)):
                return _Recalled(said, recorded=(looked, run))
            is_about_flags = any(activity.kind is Kind.FLAG for spoken in said.values() for activity in spoken)
            readings = store.all_at(instant) if is_about_flags else ()
            return _Recalled(said, lives={reading.account: reading.flags.since for reading in readings})

        try:
            return await memory.ask(recall)
        except HistoryError as err:
            log.warning("answered without history: %s", err)
            return _Recalled(notices=(say("Answered without history: {error}", error=err.sentence),))

    def _spoken(self, store: Store) -> Sequence[Activity]:
        """What people said of all accounts, read once for as long as nothing happens."""
        version = store.version()[1]
        if self._said is None or self._said[0] != version:
            self._said = version, store.said_by_people()
        return self._said[1]

    def _newest(self, store: Store, run: Run, instant: datetime) -> Looked | None:
        """The newest recorded standings; on a frozen day those of the run, if something was recorded since."""
        looked = self._read(store, run, None)
        return self._read(store, run, run.as_of) if looked and looked.standings.as_of > instant else looked

    def _read(self, store: Store, run: Run, instant: datetime | None) -> Looked | None:
        """The recorded standings at an instant (None: the newest), read once for as long as nothing is added.

        The run found them to hold, whether it had to add anything or not.
        """
        key = (store.version()[0], run.id, instant, self.workspace.policy.ref.hash)
        if key not in self._kept:
            readings = store.all_at(instant)
            if not readings:
                return None
            metrics = store.metrics_of({reading.policy for reading in readings})
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            standings = Standings.of_readings(readings, metrics, self.workspace.policy, run.as_of)
            self._kept[key] = Looked.at(standings)
        return self._kept[key]

    def _shown(self, sentences: Iterable[str]) -> tuple[str, ...]:
        """Sentences that may quote what a source is called, as a reader of Markdown may see them."""
        return tuple(prose(text, self.workspace.policy.limits.text_characters) for text in sentences)


def _looked(evaluation: Evaluation, lives: Mapping[str, Mapping[str, date]]) -> Looked:
    standings = Standings.of_evaluation(evaluation, profiles_of(evaluation))
    return Looked.at(replace(standings, since=_since(standings, lives)))


def _since(standings: Standings, lives: Mapping[str, Mapping[str, date]]) -> Sequence[Mapping[str, date]]:
    """Per account since when its raised flags are open: as recorded, today if new, nothing without a record."""
    today = local_day(standings.as_of, standings.policy.time_zone)
    return tuple(
        {flag: lives[account].get(flag, today) for flag in standings.raised(row)} if account in lives else {}
        for row, account in enumerate(standings.accounts)
    )


def not_read(evaluation: Evaluation) -> Iterator[str]:
    """What was not read, so that an account without flags is not taken for one without trouble."""
    inputs, most = evaluation.inputs, evaluation.policy.limits.name_characters
    yield from inputs.problems
    failed: dict[str, list[str]] = {}
    for holding in inputs.holdings:
        label = visible(holding.label, most)
        if holding.failure:
            failure = say("{source} failed: {error}", source=label, error=visible(holding.failure, _SENTENCE))
            failed.setdefault(failure, []).append(holding.table)
        elif holding.is_cut and holding.note:
            yield say(
                "{source}, {table}: {note}", source=label, table=holding.table, note=visible(holding.note, _SENTENCE)
            )
        if holding.table == "account" and holding.rejected_total and not holding.failure:
            yield count(
                "{source}: {n} accounts could not be read and are missing here.",
                "{source}: {n} accounts could not be read and are missing here.",
                holding.rejected_total,
                source=label,
            )
    for failure, tables in failed.items():
        yield f"{failure} ({', '.join(tables)})"
