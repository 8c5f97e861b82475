"""Attention: which accounts need somebody, how urgently, why, what to do first and by when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from account_health.chronicle import Phase
from account_health.flags import SEVERITIES
from account_health.history.records import Kind
from account_health.language import mark, say
from account_health.metrics.windows import local_day
from account_health.model import Band, Severity
from account_health.wording import lower_first, sentence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from account_health.criteria import Flag
    from account_health.overview import View

_NONE = SEVERITIES.index(Severity.NONE)
_RED_ACTION = mark("Find out what keeps the score red; agree on a recovery plan.")


@dataclass(frozen=True)
class Signal:
    """One reason to act: a raised flag with what raised it, or (without a flag) a red score."""

    flag: str
    name: str
    severity: Severity
    detail: str
    phase: Phase | None = None


@dataclass(frozen=True)
class Attention:
    """The accounts of a view by how urgently they need somebody. Snoozed flags are shown and do not count."""

    view: View

    @cached_property
    def today(self) -> date:
        """The day it holds for."""
        return local_day(self.view.standings.as_of, self.view.standings.policy.time_zone)

    @cached_property
    def tiers(self) -> NDArray[np.int_]:
        """Per account the position of its tier in `SEVERITIES`, snoozed flags left out."""
        standings = self.view.standings
        if not self._snoozed:
            return standings.tiers
        severities = standings.flags.severity.copy()
        for account, flags in self._snoozed.items():
            row = standings.rows[account]
            severities[row, [standings.flags.flags.index(flag) for flag in flags]] = _NONE
        return standings.tiers_of(severities)

    @cached_property
    def order(self) -> NDArray[np.int_]:
        """Rows of the accounts that need somebody: by tier, then by ARR, unknown money last, then by id."""
        arr = np.where(np.isnan(self.view.standings.arr), -1.0, self.view.standings.arr)
        rows = np.lexsort((np.arange(len(arr)), -arr, self.tiers))
        needed: NDArray[np.int_] = rows[self.tiers[rows] < _NONE]
        return needed

    @cached_property
    def _snoozed(self) -> dict[str, list[str]]:
        """Per listed account the flags that are snoozed now."""
        found: dict[str, list[str]] = {}
        standings = self.view.standings
        for account in self.view.said.keys() & standings.rows.keys():
            for flag in standings.raised(standings.rows[account]):
                if self.phase(account, flag) is Phase.SNOOZED:
                    found.setdefault(account, []).append(flag)
        return found

    @property
    def quieted(self) -> NDArray[np.bool_]:
        """Accounts that would need somebody if nothing were snoozed."""
        quiet: NDArray[np.bool_] = (self.tiers == _NONE) & (self.view.standings.tiers < _NONE)
        return quiet

    def phase(self, account: str, flag: str) -> Phase | None:
        """What people last said of a raised flag, if that still holds."""
        standings = self.view.standings
        last = next(
            (a for a in reversed(self.view.said.get(account, ())) if a.kind is Kind.FLAG and a.subject == flag), None
        )
        if last is None or last.after == Phase.PERSISTING:
            return None
        if standings.since:
            since = standings.since[standings.rows[account]].get(flag)
            if since and local_day(last.at, standings.policy.time_zone) < since:
                return None
        if last.after == Phase.SNOOZED and (last.expires_at is None or last.expires_at < self.view.now):
            return None
        return Phase(str(last.after))

    def signals(self, row: int) -> tuple[Signal, ...]:
        """Why an account needs somebody, the worst first."""
        standings = self.view.standings
        policy, account = standings.policy, standings.accounts[row]
        found = [
            Signal(
                flag=flag,
                name=say(policy.flags[flag].name),
                severity=SEVERITIES[standings.flags.severity[row, standings.flags.flags.index(flag)]],
                detail=self._detail(row, flag, policy.flags[flag]),
                phase=self.phase(account, flag),
            )
            for flag in standings.raised(row)
        ]
        if standings.band(row) is Band.RED:
            detail = say("score of {score}", score=int(standings.rounded[row]))
            found.append(Signal("", say("Red score"), policy.tier.red, detail))
        return tuple(sorted(found, key=lambda signal: SEVERITIES.index(signal.severity)))

    def action(self, row: int) -> str:
        """The one thing to do first: what the worst signal that is not snoozed asks for."""
        awake = [signal for signal in self.signals(row) if signal.phase is not Phase.SNOOZED]
        first = awake[0] if awake else None
        return say(self.view.standings.policy.flags[first.flag].action if first and first.flag else _RED_ACTION)

    def due(self, row: int) -> date | None:
        """When that is due: by the tier, and before the renewal if that comes first; on watch before the renewal."""
        tier = SEVERITIES[self.tiers[row]]
        days = self.view.standings.policy.urgency.days(tier)
        if days is None:
            return None
        due, renewal = self.today + timedelta(days=days), self.view.standings.profiles[row].renewal_date
        if renewal is None or renewal <= self.today:
            return due
        return min(due, renewal - timedelta(days=1))

    def _detail(self, row: int, name: str, flag: Flag) -> str:
        """The value that raised the flag, in the policy's words."""
        standings = self.view.standings
        holding = standings.flags.lines[name][row]
        line = next(line for line, holds in zip(flag.lines, holding, strict=True) if holds)
        column = standings.matrix.column(line[0].metric)
        known = standings.matrix.known[row, column]
        value = float((standings.matrix.values if known else standings.matrix.seen)[row, column])
        at_least = bool(standings.matrix.at_least[row, column])
        metric = standings.policy.metrics[line[0].metric]
        return lower_first(sentence(metric, value, standings.policy, at_least=at_least))
