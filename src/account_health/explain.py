"""Explain: one evaluated account as an `Assessment`, every number with its value, source, date and points."""

from __future__ import annotations

import math
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np

from account_health.factors import explain_factors
from account_health.gaps import missing_inputs
from account_health.inputs_used import input_reports
from account_health.language import count, mark, retold, say
from account_health.markup import code, visible
from account_health.model import (
    AccountRef,
    Assessment,
    Band,
    CrmScore,
    DimensionScore,
    Direction,
    ScoreRange,
)
from account_health.risks import risk_flags
from account_health.wording import band_meaning, listed, number, percent_down, rounded, trimmed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.evaluation import Evaluation
    from account_health.model import Factor

DEMO_NOTICE = mark("Demo data: these accounts are fictional.")


def explain(evaluation: Evaluation, row: int) -> Assessment:
    """The assessment of the account in one row of an evaluation."""
    scores, policy = evaluation.scores, evaluation.policy
    account = evaluation.accounts[row]
    scored = bool(scores.scored[row])
    value = float(scores.score[row])
    factors = explain_factors(evaluation, row)
    crm = _crm_score(evaluation, row)
    return Assessment(
        account=AccountRef(
            id=account, name=visible(evaluation.profiles[account]["name"], policy.limits.text_characters)
        ),
        as_of=evaluation.inputs.as_of.replace(tzinfo=UTC),
        scored=scored,
        score=trimmed(value) if scored else None,
        score_rounded=rounded(value) if scored else None,
        band=evaluation.band(row),
        tier=evaluation.tier(row),
        interpretation=_interpretation(evaluation, row, factors),
        range=ScoreRange(low=trimmed(scores.low[row]), high=trimmed(scores.high[row])),
        coverage=trimmed(scores.coverage[row]),
        dimensions=_dimensions(evaluation, row),
        factors=factors,
        flags=risk_flags(evaluation, row),
        gaps=missing_inputs(evaluation, row),
        inputs=input_reports(evaluation, row),
        crm_score=crm,
        notices=_notices(evaluation, row, crm),
        policy=policy.ref,
    )


def _dimensions(evaluation: Evaluation, row: int) -> tuple[DimensionScore, ...]:
    scores = evaluation.scores
    return tuple(
        DimensionScore(
            name=name,
            weight=trimmed(scores.dimension_weight[row, i]),
            score=None if np.isnan(scores.dimension_score[row, i]) else trimmed(scores.dimension_score[row, i]),
            coverage=trimmed(scores.dimension_coverage[row, i]),
        )
        for i, name in enumerate(evaluation.policy.dimensions)
    )


def _interpretation(evaluation: Evaluation, row: int, factors: Sequence[Factor]) -> str:
    """One line: the two heaviest reasons on the side of the band, and the heaviest on the other."""
    band = evaluation.band(row)
    if band is None:
        known, needed = percent_down(evaluation.scores.coverage[row]), percent_down(evaluation.policy.minimum.coverage)
        sides = int((evaluation.scores.dimension_coverage[row] > 0).sum())
        if evaluation.scores.coverage[row] >= evaluation.rubric.minimum_coverage - evaluation.rubric.tolerance:
            wanted = evaluation.policy.minimum.dimensions
            return count(
                "factors only ({n} dimension known, {needed} needed)",
                "factors only ({n} dimension known, {needed} needed)",
                sides,
                needed=wanted,
            )
        return say("factors only ({known}% of the evidence known, {needed}% needed)", known=known, needed=needed)
    metrics = evaluation.policy.metrics
    against = [f for f in sorted(factors, key=lambda f: -(f.lost or 0)) if f.direction is Direction.NEGATIVE]
    speaking = [f for f in sorted(factors, key=lambda f: -(f.earned or 0)) if f.direction is Direction.POSITIVE]
    bad = [say(metrics[f.metric].weakness) for f in against]
    good = [say(metrics[f.metric].strength) for f in speaking]
    return say("{band}: {reasons}.", band=band_meaning(band), reasons=_balance(band, good, bad))


def _balance(band: Band, good: Sequence[str], bad: Sequence[str]) -> str:
    if not good and not bad:
        return say("nothing known stands out either way")
    if not bad:
        return say("{reasons}, and no known factor speaks against it", reasons=listed(good[:2]))
    if not good:
        return say("{reasons}, and no known factor speaks for it", reasons=listed(bad[:2]))
    if band is Band.GREEN:
        return say("{reasons}; watch {weakness}", reasons=listed(good[:2]), weakness=bad[0])
    return say("{reasons} against {strength}", reasons=listed(bad[:2]), strength=good[0])


def _crm_score(evaluation: Evaluation, row: int) -> CrmScore | None:
    """The CRM's own score on our scale; None unless it says its scale and direction."""
    profile = evaluation.profiles[evaluation.accounts[row]]
    low, high, higher_is = (profile[f"crm_score_{part}"] for part in ("low", "high", "higher_is"))
    if profile["crm_score"] is None or low is None or high is None or higher_is is None:
        return None
    if high <= low or not math.isfinite(high - low):
        return None
    share = min(max((profile["crm_score"] - low) / (high - low), 0.0), 1.0)
    rescaled = 100 * (share if higher_is == "healthier" else 1 - share)
    band, ours = evaluation.policy.bands.of(rounded(rescaled)), evaluation.band(row)
    return CrmScore(
        value=trimmed(profile["crm_score"]),
        low=trimmed(low),
        high=trimmed(high),
        higher_is=higher_is,
        rescaled=trimmed(rescaled),
        band=band,
        agrees=None if ours is None else ours is band,
    )


def _notices(evaluation: Evaluation, row: int, crm: CrmScore | None) -> tuple[str, ...]:
    profile = evaluation.profiles[evaluation.accounts[row]]
    notices = [*([say(DEMO_NOTICE)] if evaluation.inputs.is_demo else []), *map(retold, evaluation.inputs.problems)]
    if crm is None and profile["crm_score"] is not None:
        notices.append(
            say(
                "The CRM carries a score of {score} without scale and direction; not compared.",
                score=number(profile["crm_score"]),
            )
        )
    if profile["crm_status"]:
        status = code(profile["crm_status"], evaluation.policy.limits.name_characters)
        notices.append(say("The CRM's own status is {status}.", status=status))
    return tuple(notices)
