"""Risk flags in words: what raised them, what would have, or what could not be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from account_health.factors import evidence, voice
from account_health.flags import SEVERITIES
from account_health.language import say
from account_health.markup import code
from account_health.model import FlagState, RiskFlag
from account_health.provenance import absence, origin
from account_health.wording import listed, lower_first, trimmed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from account_health.criteria import Condition, Flag
    from account_health.evaluation import Evaluation

_ORDER = (FlagState.RAISED, FlagState.UNKNOWN, FlagState.CLEAR)


def risk_flags(evaluation: Evaluation, row: int) -> tuple[RiskFlag, ...]:
    """Every flag of the policy: raised ones first, worst severity first, then unknown, then clear."""
    flags = [_explained(evaluation, row, column, name) for column, name in enumerate(evaluation.flags.flags)]
    return tuple(
        sorted(flags, key=lambda f: (_ORDER.index(f.state), SEVERITIES.index(f.severity) if f.severity else 0))
    )


def _explained(evaluation: Evaluation, row: int, column: int, name: str) -> RiskFlag:
    flag, state = evaluation.policy.flags[name], evaluation.flags.state(row, column)
    is_raised = state is FlagState.RAISED
    holding = [line for line, holds in zip(flag.lines, evaluation.flags.lines[name][row], strict=True) if holds]
    deciding = _metrics(holding if is_raised else flag.lines)
    told = [metric for metric in deciding if _value(evaluation, row, metric) is not None]
    source, as_of = origin(evaluation, row, (told or deciding)[0])
    return RiskFlag(
        flag=name,
        name=say(flag.name),
        state=state,
        severity=SEVERITIES[evaluation.flags.severity[row, column]] if is_raised else None,
        value=_value(evaluation, row, told[0]) if told else None,
        threshold=_threshold(flag, holding if is_raised else flag.lines),
        source=source,
        as_of=as_of if told else None,
        evidence=_evidence(evaluation, row, (*deciding, *flag.voices)) if is_raised else (),
        detail=_detail(evaluation, row, flag, state, deciding),
        action=say(flag.action) if is_raised else None,
    )


def _metrics(lines: Iterable[Sequence[Condition]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for line in lines for condition in line for name in condition.metrics))


def _threshold(flag: Flag, lines: Sequence[Sequence[Condition]]) -> str:
    """The policy's own text of the lines that decide, in its own language."""
    texts = [texts for texts, line in zip(flag.raise_when, flag.lines, strict=True) if line in lines]
    return " or ".join(" and ".join(line) for line in texts)


def _value(evaluation: Evaluation, row: int, metric: str) -> float | None:
    """The value a flag goes by: the known one, else what rows show although the whole is unknown."""
    matrix, column = evaluation.matrix, evaluation.matrix.column(metric)
    if matrix.known[row, column]:
        return trimmed(matrix.values[row, column])
    shown = float(matrix.seen[row, column])
    return None if np.isnan(shown) or not matrix.applicable[row, column] else trimmed(shown)


def _evidence(evaluation: Evaluation, row: int, metrics: Sequence[str]) -> tuple[str, ...]:
    ids = dict.fromkeys(i for metric in metrics for i in evidence(evaluation, row, metric))
    return tuple(ids)[: evaluation.policy.limits.evidence_ids]


def _detail(evaluation: Evaluation, row: int, flag: Flag, state: FlagState, deciding: Sequence[str]) -> str:
    if state is FlagState.UNKNOWN:
        return _unchecked(evaluation, row, deciding)
    spoken = dict.fromkeys([*deciding, *flag.voices]) if state is FlagState.RAISED else deciding
    known = [m for m in spoken if evaluation.matrix.known[row, evaluation.matrix.column(m)]]
    only_seen = (
        [m for m in spoken if m not in known and _value(evaluation, row, m)] if state is FlagState.RAISED else []
    )
    sentences = [_said(evaluation, row, m) for m in [*known, *only_seen]]
    if not sentences:
        return say("does not apply to this account")
    ids = (
        [code(i, evaluation.policy.limits.name_characters) for i in _evidence(evaluation, row, tuple(spoken))]
        if state is FlagState.RAISED
        else []
    )
    text = ", ".join([sentences[0], *(lower_first(s) for s in sentences[1:])])
    text = say("{ids}: {sentence}", ids=", ".join(ids), sentence=lower_first(text)) if ids else text
    return say("{sentence} (in what could be read)", sentence=text) if only_seen else text


def _said(evaluation: Evaluation, row: int, metric: str) -> str:
    value = _value(evaluation, row, metric)
    return voice(evaluation, row, metric, value if value is not None else 0)


def _unchecked(evaluation: Evaluation, row: int, metrics: Sequence[str]) -> str:
    matrix = evaluation.matrix
    at = {metric: matrix.column(metric) for metric in metrics}
    arises = {m: matrix.applicable[row, at[m]] or not matrix.provided[at[m]] for m in metrics}
    unknown = [m for m in metrics if arises[m] and not matrix.known[row, at[m]]]
    at_least = [m for m in metrics if matrix.at_least[row, at[m]] and m not in unknown]
    reasons = dict.fromkeys(absence(evaluation, row, metric).phrase for metric in unknown)
    return listed([*reasons, *(lower_first(_said(evaluation, row, m)) for m in at_least)]) or say("not enough is known")
