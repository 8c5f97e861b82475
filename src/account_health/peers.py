"""Peers: how an account or a group does against the others, metric by metric.

Compared are points, not values, and only among accounts of which the metric is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from account_health.language import figure, say
from account_health.wording import lower_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from account_health.standings import Standings

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Peers:
    """The points of all accounts on every weighted metric; NaN where unknown."""

    standings: Standings

    @cached_property
    def known(self) -> Bools:
        """Which weighted metrics are known, (n, m)."""
        return self.standings.contributions.effective > 0

    @cached_property
    def mean(self) -> Floats:
        """Per metric the mean points of everybody of whom it is known; NaN where that is nobody."""
        return _mean(self.standings.contributions.points, self.known)

    @cached_property
    def _by_metric(self) -> tuple[Floats, Floats]:
        """Points and what is known, a row for each metric, so that sums run along memory."""
        points = np.ascontiguousarray(self.standings.contributions.points.T)
        return points, np.ascontiguousarray(self.known.T, dtype=np.float64)

    def of_account(self, row: int) -> tuple[str, ...]:
        """The metrics in which an account lies farthest below its peers, as far as they carry weight."""
        gap = np.where(self.known[row], self.mean - self.standings.contributions.points[row], np.nan)
        return self._named(gap, gap * self.standings.contributions.effective[row])

    def of_groups(self, codes: NDArray[np.int_], groups: int) -> Sequence[tuple[str, ...]]:
        """The same for the mean of each group; `codes` say to which group an account belongs, -1 to none."""
        members = codes + 1  # group 0: those that belong to none
        points, known = self._by_metric
        sums = np.column_stack([np.bincount(members, column, groups + 1)[1:] for column in points])
        counts = np.column_stack([np.bincount(members, column, groups + 1)[1:] for column in known])
        with np.errstate(invalid="ignore", divide="ignore"):
            gaps = self.mean - sums / counts
        share = self.standings.rubric.weights * (
            self.standings.rubric.membership @ self.standings.rubric.dimension_weights
        )
        return [self._named(gap, gap * share) for gap in gaps]

    def _named(self, gap: Floats, importance: Floats) -> tuple[str, ...]:
        settings = self.standings.policy.portfolio
        worth = np.nan_to_num(np.where(gap >= settings.peer_distance, importance, 0.0))
        best = [int(m) for m in np.argsort(-worth, kind="stable")[: settings.drivers_shown] if worth[m] > 0]
        names = [say(self.standings.policy.metrics[self.standings.rubric.metrics[m]].name) for m in best]
        return tuple(
            say("{metric} {points} points below", metric=lower_first(name), points=figure(gap[m]))
            for m, name in zip(best, names, strict=True)
        )


def _mean(points: Floats, known: Bools) -> Floats:
    counts = known.sum(axis=0)
    means: Floats = np.divide(
        (points * known).sum(axis=0), counts, out=np.full(points.shape[1], np.nan), where=counts > 0
    )
    return means
