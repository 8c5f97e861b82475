"""Recording: what was computed becomes readings of the history, for one account or all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
from pydantic import Field

from account_health.errors import SourceError
from account_health.history.packing import pack, pack_states
from account_health.history.records import NOT_SCORED, Flags, Packed, Profile, Reading
from account_health.metrics.windows import local_day
from account_health.model import PolicyRef, Published
from account_health.standings import SEVERITIES, Standings
from account_health.wording import trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from account_health.evaluation import Evaluation
    from account_health.history.records import Run
    from account_health.history.store import Store
    from account_health.workspace import Workspace

_AT_ONCE = 2000
"""Readings that are kept together; a run that is cut off goes on after the last of these parts."""
_RESUMED_FOR = timedelta(hours=12)
"""An unfinished run that is older stays unfinished: its day is over."""


class RecordedRun(Published):
    """One reading of all accounts into the history, and how complete it is."""

    as_of: datetime = Field(description="The instant it holds for")
    accounts: int = Field(description="Accounts that were read")
    scored: int = Field(description="Accounts with a score")
    added: int = Field(description="Assessments added; the others said what they said before")
    resumed_after: int = Field(default=0, description="Accounts that an earlier run, which was cut off, had read already")
    completeness: str = Field(description="The same in words, with what could not be scored and why")
    problems: tuple[str, ...] = Field(default=(), description="What could not be read")
    policy: PolicyRef = Field(description="Name, version and hash of the policy that scored")
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")


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


async def record_account(workspace: Workspace, store: Store, evaluation: Evaluation, asked_by: str) -> int:
    """Keeps the one account of an evaluation; 1 if it said something new, else 0."""
    today = local_day(evaluation.inputs.as_of, workspace.policy.time_zone)
    readings = list(readings_of(evaluation))
    return await anyio.to_thread.run_sync(lambda: store.record(readings, workspace.policy, asked_by, today))


async def record_all(
    workspace: Workspace, store: Store, asked_by: str, progress: Callable[[int, int], None]
) -> RecordedRun:
    """Reads and keeps every account; goes on where a run that was cut off within the last hours stopped.

    Raises SourceError without a list of accounts, HistoryError if the store cannot be written; what was kept stays.
    """
    instant = await _instant(workspace, store)
    evaluation = await workspace.evaluate(instant)
    if not evaluation.accounts:
        raise SourceError("No source lists an account, so there is nothing to record.", "See `sources check`.")
    problems = problems_of(evaluation)
    policy, today = workspace.policy, local_day(instant, workspace.policy.time_zone)
    run = await anyio.to_thread.run_sync(
        lambda: store.begin(instant, policy, asked_by, len(evaluation.accounts), problems)
    )
    start = 0 if run.finished_at else run.done
    added = 0
    for readings, done in _parts(evaluation, start):
        added += await anyio.to_thread.run_sync(
            lambda readings=readings, done=done: store.record(readings, policy, asked_by, today, run, done)  # type: ignore[misc] # bound per turn
        )
        progress(done, len(evaluation.accounts))
    listed = None if _is_list_incomplete(evaluation) else set(evaluation.accounts)
    await anyio.to_thread.run_sync(lambda: store.finish(run, policy, asked_by, today, listed))
    return _recorded(workspace, evaluation, run, added, start)


def problems_of(evaluation: Evaluation) -> tuple[str, ...]:
    """Sources that could not be read, one sentence each."""
    failed = {f"{h.label}: {h.failure}": None for h in evaluation.inputs.holdings if h.failure}
    return (*evaluation.inputs.problems, *failed)


def _parts(evaluation: Evaluation, start: int) -> Iterator[tuple[list[Reading], int]]:
    """The readings from a row on, some at once, each with how many are read then."""
    part: list[Reading] = []
    for done, reading in enumerate(readings_of(evaluation, start), start + 1):
        part.append(reading)
        if len(part) == _AT_ONCE:
            yield part, done
            part = []
    if part:
        yield part, len(evaluation.accounts)


def _is_list_incomplete(evaluation: Evaluation) -> bool:
    """Whether an account may be missing from the lists although it is still there."""
    lists = [h for h in evaluation.inputs.holdings if h.table == "account"]
    return bool(evaluation.inputs.problems) or any(h.failure or h.rejected_total or h.is_cut for h in lists)


async def _instant(workspace: Workspace, store: Store) -> datetime:
    """The instant to record: now, or that of a run that was cut off a moment ago."""
    now = workspace.instant()
    unfinished: Run | None = await anyio.to_thread.run_sync(lambda: store.last_run(finished=False))
    if unfinished and unfinished.policy == workspace.policy.ref.hash and timedelta() <= now - unfinished.as_of < _RESUMED_FOR:
        finished: Run | None = await anyio.to_thread.run_sync(store.last_run)
        if finished is None or finished.as_of < unfinished.as_of:
            return unfinished.as_of
    return now


def _recorded(workspace: Workspace, evaluation: Evaluation, run: Run, added: int, start: int) -> RecordedRun:
    standings = Standings.of_evaluation(evaluation, profiles_of(evaluation))
    return RecordedRun(
        as_of=run.as_of.replace(tzinfo=UTC),
        accounts=len(evaluation.accounts),
        scored=int(standings.scores.scored.sum()),
        added=added,
        resumed_after=start,
        completeness=standings.completeness(),
        problems=problems_of(evaluation),
        policy=workspace.policy.ref,
        notices=workspace.notices,
    )
