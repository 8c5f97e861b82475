"""Factors: every known metric of an account with its value, points, weight, source, date and evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from account_health.language import say
from account_health.model import Direction, Factor
from account_health.provenance import CALLER, is_current, origin
from account_health.wording import sentence, trimmed

if TYPE_CHECKING:
    from account_health.evaluation import Evaluation


def explain_factors(evaluation: Evaluation, row: int) -> tuple[Factor, ...]:
    """Every known metric and fact, in policy order."""
    matrix = evaluation.matrix
    return tuple(
        _factor(evaluation, row, name) for column, name in enumerate(matrix.metrics) if matrix.known[row, column]
    )


def _factor(evaluation: Evaluation, row: int, name: str) -> Factor:
    policy, matrix, parts = evaluation.policy, evaluation.matrix, evaluation.contributions
    metric, column = policy.metrics[name], matrix.column(name)
    value = float(matrix.values[row, column])
    source, as_of = origin(evaluation, row, name)
    weighted = evaluation.rubric.metrics.index(name) if metric.weight else None
    points = weight = earned = lost = None
    if weighted is not None:
        points = trimmed(parts.points[row, weighted])
        if evaluation.scores.scored[row]:
            weight, earned, lost = (trimmed(a[row, weighted]) for a in (parts.effective, parts.earned, parts.lost))
    elif evaluation.scores.scored[row]:
        weight = 0.0
    return Factor(
        metric=name,
        dimension=metric.dimension,
        value=trimmed(value),
        unit=metric.unit,
        points=points,
        weight=weight,
        earned=earned,
        lost=lost,
        direction=_direction(evaluation, points),
        source=source,
        as_of=as_of,
        evidence=evidence(evaluation, row, name),
        sentence=voice(evaluation, row, name, value),
    )


def voice(evaluation: Evaluation, row: int, name: str, value: float) -> str:
    """The policy's sentence for a metric of an account, with who supplied the value if we did not compute it."""
    matrix = evaluation.matrix
    supplied = matrix.supplied.get((evaluation.accounts[row], name))
    on = matrix.dated[name][row] if name in matrix.dated and not supplied else None
    when = on.item() if on is not None and not np.ma.is_masked(on) else None
    text = sentence(
        evaluation.policy.metrics[name],
        value,
        evaluation.policy,
        when,
        at_least=bool(matrix.at_least[row, matrix.column(name)]),
    )
    if supplied:
        is_by_caller = supplied.provider == CALLER
        return (
            say("{sentence} (supplied by caller)", sentence=text)
            if is_by_caller
            else say("{sentence} (supplied by the source, not computed here)", sentence=text)
        )
    table = evaluation.policy.metrics[name].reads[0].partition(".")[0]
    return (
        say("{sentence} (current value)", sentence=text)
        if is_current(evaluation, evaluation.accounts[row], table)
        else text
    )


def evidence(evaluation: Evaluation, row: int, name: str) -> tuple[str, ...]:
    """Ids of up to the policy's number of rows behind a metric."""
    if name not in evaluation.matrix.evidence or (evaluation.accounts[row], name) in evaluation.matrix.supplied:
        return ()
    ids = evaluation.matrix.evidence[name][row]
    if ids is None or np.ma.is_masked(ids):
        return ()
    return tuple(str(i) for i in ids if i is not None)[: evaluation.policy.limits.evidence_ids]


def _direction(evaluation: Evaluation, points: float | None) -> Direction:
    cuts = evaluation.policy.directions
    if points is None or cuts.negative <= points < cuts.positive:
        return Direction.NEUTRAL
    return Direction.POSITIVE if points >= cuts.positive else Direction.NEGATIVE
