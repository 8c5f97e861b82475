"""Scoring alone, from one account to a million: the default policy, random values, 16 % of them missing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from account_health.policy import load_policy
from account_health.scoring import Rubric, score
from figures import Figure, in_turns, milliseconds, peak_mb

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MISSING = 0.16
_TURNS = {1: 300, 1_000: 50, 100_000: 7}
_PLAIN_TURNS = {1: 300, 1_000: 7}
_MILLION = 1_000_000


def scoring_1() -> Sequence[Figure]:
    """One account."""
    return _compared("scoring_1", 1)


def scoring_1k() -> Sequence[Figure]:
    """A thousand accounts."""
    return _compared("scoring_1k", 1_000)


def scoring_100k() -> Sequence[Figure]:
    """A hundred thousand accounts."""
    return _compared("scoring_100k", 100_000)


def scoring_1m() -> Sequence[Figure]:
    """A million accounts in a process of their own, so that its peak of memory is known."""
    done = subprocess.run([sys.executable, __file__], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    return [
        Figure("scoring_1m", found["score"], "ms", found["floor"]),
        Figure("scoring_1m: peak memory", found["peak"], "MB", found["inputs"]),
    ]


def _compared(name: str, accounts: int) -> Sequence[Figure]:
    rubric = Rubric.of(load_policy())
    values, known = _drawn(accounts, rubric)
    vectors = partial(score, values, known, np.ones_like(known), rubric)
    ours, floor = in_turns(
        _TURNS[accounts], partial(milliseconds, vectors), partial(milliseconds, partial(_floor, values, rubric))
    )
    figures = [Figure(name, ours, "ms", floor)]
    if accounts in _PLAIN_TURNS:
        rows = [
            {m: v for m, (v, k) in enumerate(zip(*row, strict=True)) if k} for row in zip(values, known, strict=True)
        ]
        plainly = partial(_plain_scores, rows, rubric)
        if not np.allclose(vectors().score, plainly(), rtol=0, atol=1e-9):
            raise RuntimeError("Plain Python and NumPy disagree about a score.")
        again, plain = in_turns(_PLAIN_TURNS[accounts], partial(milliseconds, vectors), partial(milliseconds, plainly))
        figures.append(Figure(f"{name}: against plain Python", again, "ms", plain))
    return figures


def _drawn(accounts: int, rubric: Rubric) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Random values from a little below each curve to a little above it, and which of them are known."""
    random = np.random.default_rng(1)
    low = np.array([at.min() for at, _ in rubric.curves])
    spread = np.array([np.ptp(at) for at, _ in rubric.curves])
    values = low + spread * random.uniform(-0.1, 1.1, (accounts, len(rubric.metrics)))
    return values, random.uniform(size=values.shape) >= _MISSING


def _floor(values: NDArray[np.float64], rubric: Rubric) -> None:
    """The least that scoring has to do: each value on its curve."""
    for column, (at, worth) in enumerate(rubric.curves):
        np.interp(values[:, column], at, worth)


def _plain_scores(rows: Sequence[dict[int, float]], rubric: Rubric) -> list[float]:
    """The scores as somebody would write them down without arrays."""
    curves = [list(zip(at.tolist(), worth.tolist(), strict=True)) for at, worth in rubric.curves]
    dimension = rubric.membership.argmax(axis=1).tolist()
    weights, dimension_weights = rubric.weights.tolist(), rubric.dimension_weights.tolist()
    return [_plain_score(row, curves, dimension, weights, dimension_weights) for row in rows]


def _plain_score(
    known: dict[int, float],
    curves: Sequence[Sequence[tuple[float, float]]],
    dimension: Sequence[int],
    weights: Sequence[float],
    dimension_weights: Sequence[float],
) -> float:
    earned: dict[int, float] = {}
    weight: dict[int, float] = {}
    for metric, value in known.items():
        d, w = dimension[metric], weights[metric]
        earned[d] = earned.get(d, 0.0) + w * _on_curve(value, curves[metric])
        weight[d] = weight.get(d, 0.0) + w
    total = sum(dimension_weights[d] for d in weight)
    return sum(dimension_weights[d] * earned[d] / weight[d] for d in weight) / total if total else 0.0


def _on_curve(value: float, curve: Sequence[tuple[float, float]]) -> float:
    if value <= curve[0][0]:
        return curve[0][1]
    for (left, low), (right, high) in pairwise(curve):
        if value <= right:
            return low + (high - low) * (value - left) / (right - left)
    return curve[-1][1]


def _million() -> None:
    """Prints time and memory of a million accounts; the process has nothing else to do."""
    rubric = Rubric.of(load_policy())
    values, known = _drawn(_MILLION, rubric)
    applicable = np.ones_like(known)
    floor = milliseconds(lambda: _floor(values, rubric))
    took = milliseconds(lambda: score(values, known, applicable, rubric))
    inputs = (values.nbytes + known.nbytes + applicable.nbytes) / 2**20
    peak = peak_mb()
    print(json.dumps({"score": took, "floor": floor, "inputs": inputs, "peak": peak}))


if __name__ == "__main__":
    _million()
