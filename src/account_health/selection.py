"""Selection: the customers of a segment or an owner, and the groups that accounts fall into."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from account_health.directory import folded
from account_health.money import Money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from account_health.standings import Standings

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int_]


@dataclass(frozen=True)
class Groups:
    """Accounts by segment or by owner: the names as first written, and to which an account belongs (-1: none)."""

    names: tuple[str, ...]
    codes: Ints


@dataclass(frozen=True)
class Selection:
    """What is looked up in the profiles of the same standings again and again."""

    standings: Standings

    @cached_property
    def segments(self) -> Groups:
        """Accounts by segment."""
        return _grouped([profile.segment for profile in self.standings.profiles])

    @cached_property
    def owners(self) -> Groups:
        """Accounts by owner."""
        return _grouped([profile.owner for profile in self.standings.profiles])

    @cached_property
    def currencies(self) -> Groups:
        """Accounts by the currency of their ARR; those without an amount belong to none."""
        return _grouped([None if p.arr is None else p.currency or "unknown" for p in self.standings.profiles])

    def money(self, rows: Ints) -> tuple[Money, ...]:
        """The ARR of some accounts: all that has a rate in the base currency first, then each other currency."""
        base, factors = self.standings.policy.currency.base, self.standings.policy.currency.factors()
        groups, chosen = self.currencies, rows[self.currencies.codes[rows] >= 0]
        codes = groups.codes[chosen]
        sums = np.bincount(codes, self._amounts[chosen], len(groups.names))
        counts = np.bincount(codes, minlength=len(groups.names))
        found: dict[str, tuple[float, int]] = {}
        for name, total, count in zip(groups.names, sums.tolist(), counts.tolist(), strict=True):
            into = base if name in factors else name
            before, accounts = found.get(into, (0.0, 0))
            found[into] = before + total * factors.get(name, 1.0), accounts + count
        order = sorted((code for code in found if found[code][1]), key=lambda code: (code != base, code))
        return tuple(Money(currency=code, amount=round(found[code][0], 2), accounts=found[code][1]) for code in order)

    @cached_property
    def _amounts(self) -> NDArray[np.float64]:
        return np.array([p.arr or 0.0 for p in self.standings.profiles], dtype=np.float64)

    def among(self, segment: str = "", owner: str = "") -> Bools:
        """Which accounts are of that segment and owner, compared as `find_accounts` does; empty: any."""
        chosen = np.ones(len(self.standings.accounts), dtype=bool)
        for wanted, groups in ((segment, self.segments), (owner, self.owners)):
            if wanted:
                named = ((-1, ""), *enumerate(groups.names))
                chosen &= np.isin(groups.codes, [code for code, name in named if folded(name) == folded(wanted)])
        return chosen

    def customers(self, segment: str = "", owner: str = "") -> Bools:
        """Which of these are customers."""
        return self.among(segment, owner) & self.standings.is_customer


def _grouped(words: Sequence[str | None]) -> Groups:
    """Words that differ only in case or blanks are one group, named as it is first written."""
    names: dict[str, int] = {"": -1}  # what a reader cannot see names nothing
    written: dict[str, int] = {}
    shown: list[str] = []
    codes = np.full(len(words), -1, dtype=np.int_)
    for row, text in enumerate(words):
        if text is None:
            continue
        if text not in written:
            key = folded(text)
            if key not in names:
                names[key] = len(shown)
                shown.append(text)
            written[text] = names[key]
        codes[row] = written[text]
    return Groups(tuple(shown), codes)
