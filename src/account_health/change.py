"""Change: why a score moved, in four steps that add up: policy, coverage, time, data.

From the recorded score one goes to the same values under today's policy (*policy*), then lets the sources that came
or went do so (*coverage*), then lets today's clock look at what had happened by then (*time*), then at everything
(*data*).
What a source tells without a date, and what is measured over whole days of use, time alone does not move.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from account_health.chronicle import ChangeParts, Driver
from account_health.history.packing import STATES, unpack, unpack_states
from account_health.language import say
from account_health.model import State
from account_health.scoring import Rubric, rated, weighed
from account_health.tables import TABLES
from account_health.wording import sentence, trimmed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from account_health.evaluation import Evaluation
    from account_health.history.records import Reading
    from account_health.metrics.matrix import MetricMatrix
    from account_health.policy import Policy

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]

_THERE = tuple(STATES.index(state) for state in (State.OBSERVED, State.EMPTY, State.STALE))
"""States of a table whose source is there and knows the account."""


@dataclass(frozen=True)
class Step:
    """The weighted metrics of one account at one step of the way: values, and which are known; (m,) arrays."""

    values: Floats
    known: Bools

    def replaced(self, other: Step, where: Bools) -> Step:
        """This step with some metrics as another step has them."""
        return Step(np.where(where, other.values, self.values), np.where(where, other.known, self.known))


@dataclass(frozen=True)
class Explained:
    """The parts of a change, and what each metric did."""

    parts: ChangeParts
    drivers: tuple[Driver, ...]


def explained(reading: Reading, metrics: tuple[str, ...], then: Evaluation, now: Evaluation) -> Explained | None:
    """Why the score went from the reading's to that of `now`; None without a score at both ends.

    `metrics` are those of the reading's policy, `then` is today's clock over what had happened by the reading. Both
    evaluations hold the one account in their first row. The parts add up to the difference, and the drivers to all of
    it but its policy part.
    """
    if reading.score is None or not now.scores.scored[0]:
        return None
    rubric, policy = now.rubric, now.policy
    stored = unpack([reading.account], [(reading.packed.values, reading.packed.marks, metrics)], policy)
    end = _step(now.matrix, rubric)
    moved = _came_or_went(reading, metrics, stored, then, now)
    # What the policy of then did not measure moves with the policy, not with sources that were there all the time.
    new = np.array([name not in metrics for name in rubric.metrics], dtype=bool) & ~moved
    start = _step(stored, rubric).replaced(end, new)
    covered = start.replaced(end, moved)
    aged = _step(then.matrix, rubric).replaced(start, _untouched_by_time(then, now)).replaced(end, moved | new)
    scores, drivers = _along([start, covered, aged, end], rubric)
    parts = _parts([reading.score, *scores[:-1], trimmed(now.scores.score[0])])
    return Explained(parts, _said(drivers, start, end, rubric, policy))


def whole_points(parts: Sequence[float], total: int) -> list[int]:
    """The parts as whole points that add up to the total, each as close as can be to what it is."""
    floors = [int(np.floor(part)) for part in parts]
    missing = total - sum(floors)
    by_remainder = sorted(range(len(parts)), key=lambda i: floors[i] - parts[i])
    if missing < 0:
        by_remainder.reverse()
    for i in range(abs(missing)):
        floors[by_remainder[i % len(parts)]] += 1 if missing > 0 else -1
    return floors


def _step(matrix: MetricMatrix, rubric: Rubric) -> Step:
    columns = [matrix.column(name) for name in rubric.metrics]
    return Step(matrix.values[0, columns], matrix.known[0, columns] & matrix.applicable[0, columns])


def _along(steps: Sequence[Step], rubric: Rubric) -> tuple[list[float], Floats]:
    """The score at every step, and what each metric did from the first to the last.

    A metric's share is how far its points lie from the score before the step, times its weight; so one that comes or
    goes counts for what it changes and not for what it is worth. Where nothing at all is known the score stays.
    """
    drivers = np.zeros(len(rubric.metrics))
    points, weights = _rated(steps[0], rubric)
    scores = [float((weights * points).sum())]
    for step in steps[1:]:
        if not step.known.any():
            scores.append(scores[-1])
            continue
        after, heavier = _rated(step, rubric)
        drivers += heavier * (after - scores[-1]) - weights * (points - scores[-1])
        points, weights = after, heavier
        scores.append(float((weights * points).sum()))
    return scores, drivers


def _rated(step: Step, rubric: Rubric) -> tuple[Floats, Floats]:
    known = step.known[np.newaxis, :]
    return rated(step.values[np.newaxis, :], known, rubric)[0], weighed(known, rubric)[0]


def _parts(scores: Sequence[float]) -> ChangeParts:
    """The differences between the scores on the way, rounded as they are published."""
    points = [trimmed(b - a) for a, b in pairwise(scores)]
    # What rounding leaves over goes to the largest part, so that they add up to the last digit and none is made of it.
    largest = max(range(len(points)), key=lambda i: abs(points[i]))
    points[largest] += scores[-1] - scores[0] - sum(points)
    policy, coverage, time, data = (trimmed(part) + 0.0 for part in points)  # + 0.0: there is no minus zero
    return ChangeParts(policy=policy, coverage=coverage, time=time, data=data)


def _came_or_went(
    reading: Reading, metrics: tuple[str, ...], stored: MetricMatrix, then: Evaluation, now: Evaluation
) -> Bools:
    """Which weighted metrics have a source at one end only."""
    tables = unpack_states([reading.packed.states])[0]
    was_there = {table: bool(np.isin(tables[place], _THERE)) for place, table in enumerate(TABLES)}
    current = now.states[now.accounts[0]]
    is_there = {table: STATES.index(current[table].state) in _THERE for table in TABLES}

    def told(name: str, there: dict[str, bool], matrix: MetricMatrix, unusable: Collection[tuple[str, str]]) -> bool:
        column = matrix.column(name)
        has_tables = all(any(there[table] for table in entry) for entry in _tables_of(name, now.policy))
        is_too_old = there["metric_value"] and (now.accounts[0], name) in unusable
        can_tell = bool(matrix.provided[column]) or name not in metrics
        return bool(matrix.known[0, column]) or is_too_old or (has_tables and can_tell)

    # A value that was too old for the reading still is today.
    ends = ((was_there, stored, then.matrix.unusable), (is_there, now.matrix, now.matrix.unusable))
    return np.array([len({told(name, *end) for end in ends}) > 1 for name in now.rubric.metrics], dtype=bool)


def _untouched_by_time(then: Evaluation, now: Evaluation) -> Bools:
    """Which weighted metrics the clock alone does not move."""

    def is_timeless(name: str) -> bool:
        tables = {table for entry in _tables_of(name, now.policy) for table in entry}
        cell, key = (0, then.matrix.column(name)), (now.accounts[0], name)
        # A source may keep only its newest value; that its older one is gone is no effect of time.
        was_replaced = key in now.matrix.supplied and not (key in then.matrix.supplied or key in then.matrix.unusable)
        is_window_of_use = "usage_day" in tables and now.policy.metrics[name].window is not None
        return tables == {"account"} or was_replaced or (is_window_of_use and bool(then.matrix.known[cell]))

    return np.array([is_timeless(name) for name in now.rubric.metrics], dtype=bool)


def _tables_of(name: str, policy: Policy) -> list[list[str]]:
    """The tables a metric reads: of each entry one is enough."""
    return [[part.partition(".")[0] for part in entry.split("|")] for entry in policy.metrics[name].reads]


def _said(drivers: Floats, start: Step, end: Step, rubric: Rubric, policy: Policy) -> tuple[Driver, ...]:
    order = sorted(range(len(drivers)), key=lambda i: (-abs(drivers[i]), i))
    return tuple(
        Driver(
            metric=rubric.metrics[i],
            change=trimmed(drivers[i]),
            before=trimmed(start.values[i]) if start.known[i] else None,
            after=trimmed(end.values[i]) if end.known[i] else None,
            sentence=_sentence(rubric.metrics[i], end, i, policy),
        )
        for i in order
        if trimmed(drivers[i])
    )


def _sentence(name: str, end: Step, at: int, policy: Policy) -> str:
    metric = policy.metrics[name]
    if end.known[at]:
        return sentence(metric, float(end.values[at]), policy)
    return say("{metric} no longer known", metric=say(metric.name))
