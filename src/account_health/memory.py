"""Memory: what the history knows about one account at the moment of an answer; without one, answers go on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import anyio

from account_health.errors import HistoryError
from account_health.language import mark, say
from account_health.metrics.windows import local_day
from account_health.wording import minute

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from account_health.config import HistorySettings
    from account_health.connectors.base import Clock
    from account_health.history.records import Activity, Reading
    from account_health.history.store import Store
    from account_health.policy import Policy

log = logging.getLogger(__name__)
# NOTE: the error comes last; the notice is known by the words before it.
UNREAD = mark("Answered without history: {error}")
_KEPT = 64
"""Recollections that are kept."""
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Recalled:
    """What is known of one account from before: a reading to compare with, its trend, what people said."""

    reading: Reading | None = None
    metrics: tuple[str, ...] = ()
    """The metrics of that reading's policy."""
    newest: Reading | None = None
    """The last reading up to the asked instant."""
    trend: Sequence[tuple[datetime, float | None]] = ()
    said: Sequence[Activity] = ()
    notices: tuple[str, ...] = ()


@dataclass
class Memory:
    """The history of one configuration, opened when it is first needed; it may come to exist at any time."""

    settings: HistorySettings
    clock: Clock
    _stores: list[Store] = field(default_factory=list)
    _recalled: dict[Hashable, Recalled] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Whether there is a history to read; a look at the disk, no more."""
        if self.settings.url is not None or self.settings.problem:
            return True
        return self.settings.path is not None and self.settings.path.is_file()

    def store(self) -> Store:
        """The open store, made if there is none yet; raises HistoryError."""
        if not self._stores:
            from account_health.history.store import Store

            self._stores.append(Store.open(self.settings, self.now))
        return self._stores[0]

    def now(self) -> datetime:
        """The current instant, naive UTC."""
        return self.clock().astimezone(UTC).replace(tzinfo=None)

    async def ask(self, question: Callable[[Store], _Found]) -> _Found:
        """What the store answers, asked beside the event loop; raises HistoryError."""
        return await anyio.to_thread.run_sync(lambda: question(self.store()))

    async def described(self) -> str:
        """Where the history is and when all accounts were last recorded, or what is wrong with it."""
        where = "PostgreSQL" if self.settings.url else str(self.settings.path)
        if not self.exists:
            return say("nothing recorded yet; `account-health assess --all` would make {history}", history=where)
        try:
            run = await self.ask(lambda store: store.last_run())
        except HistoryError as err:
            return err.sentence
        if run is None:
            return say("{history}, no run over all accounts yet", history=where)
        return say("{history}, all accounts last recorded as of {when}", history=where, when=minute(run.as_of))

    async def statuses(self, as_of: datetime, policy: Policy) -> tuple[Mapping[str, Activity], tuple[str, ...]]:
        """Per account the status that somebody set and that holds at an instant; and what is wrong with the history."""
        if not self.exists:
            return {}, ()
        try:
            said = await self.ask(lambda store: store.said_by_people())
        except HistoryError as err:
            log.warning("answered without history: %s", err)
            return {}, (say(UNREAD, error=err.sentence),)
        last = {a.account: a for a in said if a.kind == "status" and a.at <= as_of}
        known = {account: a for account, a in last.items() if a.after and a.subject in policy.vocabularies}
        return {account: a for account, a in known.items() if not a.expires_at or a.expires_at >= as_of}, ()

    async def recall(self, account: str, as_of: datetime, policy: Policy, since: datetime | None = None) -> Recalled:
        """What the history knows of an account as of an instant, compared with `since` or about a month before.

        A history that cannot be read is a notice and no failure; where there is none, nothing is known.
        """
        if not self.exists:
            return Recalled()
        try:
            return await self.ask(lambda store: self._kept(store, account, as_of, policy, since))
        except HistoryError as err:
            log.warning("answered without history: %s", err)
            return Recalled(notices=(say(UNREAD, error=err.sentence),))

    def _kept(self, store: Store, account: str, as_of: datetime, policy: Policy, since: datetime | None) -> Recalled:
        """What was recalled before, unless something was added to the history since."""
        key = (store.version(), account, as_of, policy.ref.hash, since)
        found = self._recalled.get(key)
        if found is None:
            found = _recalled(store, account, as_of, policy, since)
            # Several threads ask at once: none may stumble over what another has just forgotten.
            for old in list(self._recalled)[: max(0, len(self._recalled) - _KEPT)]:
                self._recalled.pop(old, None)
            self._recalled[key] = found
        return found


def _recalled(store: Store, account: str, as_of: datetime, policy: Policy, since: datetime | None) -> Recalled:
    reading = _compared(store, account, as_of, since, policy)
    metrics: Mapping[str, tuple[str, ...]] = store.metrics_of([reading.policy]) if reading else {}
    said = [activity for activity in store.said_by_people([account]) if activity.at <= as_of]
    return Recalled(
        reading=reading,
        metrics=metrics[reading.policy] if reading else (),
        newest=store.before(account, as_of),
        trend=_trend(store, account, as_of, policy),
        said=said,
    )


def _compared(store: Store, account: str, as_of: datetime, since: datetime | None, policy: Policy) -> Reading | None:
    """The reading that held then, or else about a month before; where the history is younger, its first one.

    Unless somebody asks for an instant, only a reading of an earlier day says anything.
    """
    month_before = as_of - timedelta(days=policy.changes.since_days)
    found = store.before(account, since or month_before) or store.first(account)
    if found is None or not found.is_present or found.as_of >= as_of:
        return None
    days = [local_day(instant, policy.time_zone) for instant in (found.as_of, as_of)]
    return found if since or days[0] < days[1] else None


def _trend(store: Store, account: str, as_of: datetime, policy: Policy) -> Sequence[tuple[datetime, float | None]]:
    """The scores that held at regular instants up to now, as far back as there are any."""
    step, points = timedelta(days=policy.changes.trend_step_days), policy.changes.trend_points
    read = store.scores(account, as_of - step * points, as_of)
    instants = [as_of - step * back for back in range(points - 1, 0, -1)]
    held = [next((found for found in reversed(read) if found[0] <= instant), None) for instant in instants]
    return [(instant, found[1]) for instant, found in zip(instants, held, strict=True) if found]
