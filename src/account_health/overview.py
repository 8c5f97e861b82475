"""Overview: how all accounts stand: from the last recorded run while it is fresh, else computed now.

An answer says which of the two it is. For another day it is computed as the data stood then.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from account_health.errors import HistoryError
from account_health.history.records import Kind
from account_health.peers import Peers
from account_health.readings import profiles_of
from account_health.selection import Selection
from account_health.standings import Standings
from account_health.wording import minute

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from account_health.history.records import Activity
    from account_health.history.store import Store
    from account_health.workspace import Workspace

log = logging.getLogger(__name__)
_KEPT = 4
"""Standings of a hundred thousand accounts take some hundred megabytes, so few are kept."""


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

    def status(self, account: str) -> Activity | None:
        """The status that somebody set and that still holds."""
        last = next((a for a in reversed(self.said.get(account, ())) if a.kind is Kind.STATUS), None)
        if last is None or last.after is None:
            return None
        return None if last.expires_at and last.expires_at <= self.standings.as_of else last


@dataclass
class Overview:
    """The views of one workspace."""

    workspace: Workspace
    _kept: dict[Hashable, Looked] = field(default_factory=dict)

    async def view(self, as_of: str | None = None, *, refresh: bool = False) -> View:
        """How all accounts stand now, or on another day; `refresh` computes although a recorded run is fresh.

        Raises SourceError when no list of accounts can be had.
        """
        workspace = self.workspace
        instant = workspace.instant(as_of)
        said, notices, recorded = await self._recalled(instant, may_be_recorded=not as_of and not refresh)
        if recorded is not None:
            note = f"As recorded at {minute(recorded.standings.as_of)} by `assess --all`."
            return View(recorded, said, (*workspace.notices, note, *notices))
        standings, problems = await self._computed(instant)
        return View(Looked.at(standings), said, (*workspace.notices, *problems, *notices))

    async def before(self, instant: datetime) -> Looked | None:
        """How all accounts stood at an earlier instant, as recorded; None if nothing was, or cannot be read."""
        memory = self.workspace.memory
        if not memory.exists:
            return None
        try:
            run = await memory.ask(lambda store: store.last_run(until=instant))
            if run is None:
                return None
            return await memory.ask(lambda store: self._read(store, run.as_of))
        except HistoryError as err:
            log.warning("answered without history: %s", err)
            return None

    async def _recalled(
        self, instant: datetime, *, may_be_recorded: bool
    ) -> tuple[Mapping[str, Sequence[Activity]], tuple[str, ...], Looked | None]:
        """What people said, what is wrong with the history, and the standings of its last run if that is fresh."""
        memory = self.workspace.memory
        if not memory.exists:
            return {}, (), None
        fresh = timedelta(hours=self.workspace.config.history.fresh_hours)

        def recall(store: Store) -> tuple[list[Activity], Looked | None]:
            run = store.last_run(until=instant) if may_be_recorded and fresh else None
            is_fresh = run is not None and instant - run.as_of <= fresh
            return store.said_by_people(), self._read(store, None) if is_fresh else None

        try:
            said, recorded = await memory.ask(recall)
        except HistoryError as err:
            log.warning("answered without history: %s", err)
            return {}, (f"Answered without history: {err}",), None
        by_account: dict[str, list[Activity]] = {}
        for activity in said:
            if activity.at <= instant:
                by_account.setdefault(activity.account, []).append(activity)
        return by_account, (), recorded

    def _read(self, store: Store, instant: datetime | None) -> Looked | None:
        """The recorded standings at an instant (None: the newest), read once for as long as nothing is added."""
        key = (store.version()[0], instant, self.workspace.policy.ref.hash)
        if key not in self._kept:
            readings = store.all_at(instant)
            if not readings:
                return None
            metrics = store.metrics_of({reading.policy for reading in readings})
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = Looked.at(Standings.of_readings(readings, metrics, self.workspace.policy))
        return self._kept[key]

    async def _computed(self, instant: datetime) -> tuple[Standings, tuple[str, ...]]:
        evaluation = await self.workspace.evaluate(instant)
        standings = Standings.of_evaluation(evaluation, profiles_of(evaluation))
        failed = dict.fromkeys(f"{h.label} failed: {h.failure}" for h in evaluation.inputs.holdings if h.failure)
        return standings, (*evaluation.inputs.problems, *failed)
