"""Readings: what was computed, as readings of the history."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from account_health.flags import SEVERITIES
from account_health.history.packing import pack, pack_states
from account_health.history.records import NOT_SCORED, Flags, Packed, Profile, Reading
from account_health.metrics.windows import local_day
from account_health.wording import trimmed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from account_health.evaluation import Evaluation
    from account_health.memory import Memory
    from account_health.policy import Policy


def readings_of(evaluation: Evaluation, start: int = 0, end: int | None = None) -> Iterator[Reading]:
    """The evaluated accounts from one row to another as readings, not yet compared with earlier ones."""
    values, marks = pack(evaluation.matrix)
    states = pack_states(evaluation.inputs, evaluation.accounts)
    profiles, scores, policy = profiles_of(evaluation), evaluation.scores, evaluation.policy.ref.hash
    for row in range(len(evaluation.accounts))[start:end]:
        band = evaluation.band(row)
        yield Reading(
            account=evaluation.accounts[row],
            as_of=evaluation.inputs.as_of,
            profile=profiles[row],
            score=trimmed(scores.score[row]) if scores.scored[row] else None,
            low=trimmed(scores.low[row]),
            high=trimmed(scores.high[row]),
            coverage=trimmed(scores.coverage[row]),
            band=band.value if band else NOT_SCORED,
            tier=evaluation.tier(row),
            flags=_flags(evaluation, row),
            packed=Packed(values[row], marks[row], states[row]),
            policy=policy,
        )


def profiles_of(evaluation: Evaluation) -> Sequence[Profile]:
    """Who the evaluated accounts are, with the day of the renewal as the flags go by it."""
    today = local_day(evaluation.inputs.as_of, evaluation.policy.time_zone)
    kept = ("name", "segment", "owner", "lifecycle", "arr", "currency")
    return tuple(
        Profile(
            **{name: evaluation.profiles[account][name] for name in kept},
            renewal_date=None if days is None else today + timedelta(days=days),
        )
        for account, days in zip(
            evaluation.accounts, map(evaluation.days_to_renewal, range(len(evaluation.accounts))), strict=True
        )
    )


def _flags(evaluation: Evaluation, row: int) -> Flags:
    table = evaluation.flags
    raised = {
        name: SEVERITIES[table.severity[row, column]]
        for column, name in enumerate(table.flags)
        if table.raised[row, column]
    }
    checked = table.raised[row] | table.clear[row]
    return Flags(raised, tuple(n for column, n in enumerate(table.flags) if not checked[column]), {})


async def record_account(memory: Memory, evaluation: Evaluation, policy: Policy, asked_by: str) -> int:
    """Keeps the accounts of an evaluation; how many said something new. Raises HistoryError."""
    today = local_day(evaluation.inputs.as_of, policy.time_zone)
    readings = list(readings_of(evaluation))
    return await memory.ask(lambda store: store.record(readings, policy, asked_by, today))
