"""Scoring: metric matrix + policy -> scores, as matrix arithmetic; one account is a matrix of one row.

The central quantity is the weight each metric really carries for each account once what is unknown has been left out
(`effective`; rows sum to 1). Score, earned and lost points are products with it. `low` and `high` use the weights the
account would have with everything known (`nominal`), with the unknown at 0 and at 100: low <= score <= high, always.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from account_health.metrics.matrix import MetricMatrix
    from account_health.policy import Policy

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rubric:
    """The policy as arrays: weighted metrics, weights inside and of the dimensions, curves."""

    metrics: tuple[str, ...]
    weights: Floats
    membership: Floats
    """(metrics, dimensions): 1 where the metric belongs to the dimension."""
    dimension_weights: Floats
    curves: tuple[tuple[Floats, Floats], ...]
    minimum_coverage: float
    minimum_dimensions: int
    tolerance: float
    rows_at_once: int

    @classmethod
    def of(cls, policy: Policy) -> Rubric:
        """The arrays of a policy."""
        names, dimensions = policy.weighted, tuple(policy.dimensions)
        chosen = [policy.metrics[name] for name in names]
        return cls(
            metrics=names,
            weights=np.array([m.weight for m in chosen]),
            membership=np.array([[m.dimension == d for d in dimensions] for m in chosen], dtype=float),
            dimension_weights=np.array([policy.dimensions[d].weight for d in dimensions]),
            curves=tuple((np.array([v for v, _ in m.curve]), np.array([p for _, p in m.curve])) for m in chosen),
            minimum_coverage=policy.minimum.coverage,
            minimum_dimensions=policy.minimum.dimensions,
            tolerance=policy.arithmetic.tolerance,
            rows_at_once=policy.arithmetic.rows_at_once,
        )


@dataclass(frozen=True)
class Scores:
    """Scores of n accounts. `score` means something only where `scored`; (n, m) arrays follow `Rubric.metrics`."""

    score: Floats
    scored: Bools
    coverage: Floats
    low: Floats
    high: Floats
    dimension_score: Floats
    dimension_coverage: Floats
    dimension_weight: Floats


@dataclass(frozen=True)
class Contributions:
    """Where each point of a score comes from, (n, m): earned sums to the score, lost to 100 minus it."""

    points: Floats
    nominal: Floats
    effective: Floats

    @property
    def earned(self) -> Floats:
        """Points each metric contributes."""
        return self.effective * self.points

    @property
    def lost(self) -> Floats:
        """Points each metric withholds."""
        return self.effective * (100 - self.points)


def rated(values: Floats, known: Bools, rubric: Rubric) -> Floats:
    """Points from 0 to 100 of each value on its metric's curve; 0 where unknown."""
    points = np.zeros_like(values)
    for column, (at, worth) in enumerate(rubric.curves):
        points[:, column] = np.interp(values[:, column], at, worth)
    return np.where(known, points, 0)


def weighed(included: Bools, rubric: Rubric) -> Floats:
    """Weights of the included metrics, renormalised inside and over the dimensions; rows sum to 1, or 0 with none."""
    within = included * rubric.weights
    per_dimension = within @ rubric.membership
    shares = np.where(per_dimension > 0, rubric.dimension_weights, 0)
    total = shares.sum(axis=1, keepdims=True)
    factor = np.divide(shares, per_dimension * total, out=np.zeros_like(shares), where=per_dimension * total > 0)
    weights: Floats = within * (factor @ rubric.membership.T)
    return weights


def contributions(values: Floats, known: Bools, applicable: Bools, rubric: Rubric) -> Contributions:
    """Points and weights of n accounts."""
    return Contributions(rated(values, known, rubric), weighed(applicable, rubric), weighed(known, rubric))


def score(values: Floats, known: Bools, applicable: Bools, rubric: Rubric) -> Scores:
    """Scores of n accounts from (n, m) arrays in the order of `rubric.metrics`; bounded memory for any n."""
    pieces = [
        _scored(
            values[at : at + rubric.rows_at_once],
            known[at : at + rubric.rows_at_once],
            applicable[at : at + rubric.rows_at_once],
            rubric,
        )
        for at in range(0, max(len(values), 1), rubric.rows_at_once)
    ]
    return Scores(*(np.concatenate(column) for column in zip(*(vars(piece).values() for piece in pieces), strict=True)))


def score_matrix(matrix: MetricMatrix, rubric: Rubric) -> tuple[Scores, Contributions]:
    """Scores and contributions of every account of a metric matrix."""
    columns = [matrix.column(name) for name in rubric.metrics]
    parts = matrix.values[:, columns], matrix.known[:, columns], matrix.applicable[:, columns]
    return score(*parts, rubric), contributions(*parts, rubric)


def _scored(values: Floats, known: Bools, applicable: Bools, rubric: Rubric) -> Scores:
    known = known & applicable
    parts = contributions(values, known, applicable, rubric)
    coverage = (parts.nominal * known).sum(axis=1)
    low = (parts.nominal * parts.points).sum(axis=1)
    has_any = (known @ rubric.membership) > 0
    within = parts.effective @ rubric.membership
    earned = parts.earned @ rubric.membership
    nominal = parts.nominal @ rubric.membership
    enough = coverage >= rubric.minimum_coverage - rubric.tolerance
    return Scores(
        score=parts.earned.sum(axis=1),
        scored=enough & (has_any.sum(axis=1) >= rubric.minimum_dimensions),
        coverage=coverage,
        low=low,
        high=low + 100 * (1 - coverage),
        dimension_score=np.divide(earned, within, out=np.full_like(within, np.nan), where=within > 0),
        dimension_coverage=np.divide(
            (parts.nominal * known) @ rubric.membership, nominal, out=np.zeros_like(nominal), where=nominal > 0
        ),
        dimension_weight=nominal,
    )
