"""Gaps: what is unknown, why, and what knowing it could do to the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from account_health.language import say
from account_health.model import MissingInput, Source, State
from account_health.provenance import Absence, absence
from account_health.scoring import weighed
from account_health.wording import listed, lower_first, trimmed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.evaluation import Evaluation


def missing_inputs(evaluation: Evaluation, row: int) -> tuple[MissingInput, ...]:
    """One gap per source and reason, the one that could move the score most first.

    The span of a gap is that of everything its source lacks, whatever the reasons.
    """
    matrix, names = evaluation.matrix, evaluation.rubric.metrics
    unknown = [m for m in names if not matrix.known[row, (c := matrix.column(m))] and matrix.applicable[row, c]]
    groups: dict[Absence, list[str]] = {}
    for metric in unknown:
        groups.setdefault(absence(evaluation, row, metric), []).append(metric)
    merged: dict[tuple[Source, State], list[tuple[Absence, list[str]]]] = {}
    for reason, metrics in groups.items():
        merged.setdefault((reason.source, reason.state), []).append((reason, metrics))
    lacking = {
        s: [m for (of, _), parts in merged.items() if of is s for _, names in parts for m in names] for s in Source
    }
    gaps = [_gap(evaluation, row, (source, state), parts, lacking[source]) for (source, state), parts in merged.items()]
    return tuple(sorted(gaps, key=lambda gap: -_weight(evaluation, row, gap.metrics)))


def _gap(
    evaluation: Evaluation,
    row: int,
    gap: tuple[Source, State],
    parts: Sequence[tuple[Absence, list[str]]],
    lacking: Sequence[str],
) -> MissingInput:
    metrics = tuple(m for _, names in parts for m in names)
    low, high = span(evaluation, row, lacking) if evaluation.scores.scored[row] else (None, None)
    sentences = [
        say("{subject} not available: {reason}.", subject=subject(evaluation, row, names), reason=reason.phrase)
        for reason, names in parts
    ]
    text = " ".join(sentence[:1].upper() + sentence[1:] for sentence in sentences)
    return MissingInput(source=gap[0], metrics=metrics, state=gap[1], low=low, high=high, sentence=text)


def span(evaluation: Evaluation, row: int, metrics: Sequence[str]) -> tuple[float, float]:
    """The score with these unknown metrics all at 0 points, and all at 100; lies inside the account's range."""
    rubric = evaluation.rubric
    columns = [evaluation.matrix.column(m) for m in rubric.metrics]
    known = evaluation.matrix.known[row, columns]
    added = np.isin(rubric.metrics, metrics)
    weights = weighed((known | added)[np.newaxis, :], rubric)[0]
    low = float((weights * evaluation.contributions.points[row]).sum())
    return trimmed(low), trimmed(low + 100 * float(weights[added].sum()))


def subject(evaluation: Evaluation, row: int, metrics: Sequence[str]) -> str:
    """Whole dimensions by their name, single metrics by theirs: `Usage`, or `NPS, latest answers and CSAT`."""
    policy, matrix = evaluation.policy, evaluation.matrix
    said: list[str] = []
    for key, dimension in policy.dimensions.items():
        arising = [
            m
            for m in policy.weighted
            if policy.metrics[m].dimension == key and matrix.applicable[row, matrix.column(m)]
        ]
        missing = [m for m in metrics if policy.metrics[m].dimension == key]
        if missing and set(missing) == set(arising):
            said.append(say(dimension.name))
        else:
            said += [say(policy.metrics[m].name) for m in missing]
    return said[0] if len(said) == 1 else listed([said[0], *(lower_first(s) for s in said[1:])], most=4)


def _weight(evaluation: Evaluation, row: int, metrics: Sequence[str]) -> float:
    """How far the score could still move with these metrics: their share of the full evidence."""
    nominal = evaluation.contributions.nominal[row]
    return float(nominal[np.isin(evaluation.rubric.metrics, metrics)].sum())
