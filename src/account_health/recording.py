"""Recording: what was computed becomes readings of the history, for one account or all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from pydantic import Field

from account_health.errors import SourceError
from account_health.language import ENGLISH, count, figure, retold, say, speaking
from account_health.metrics.windows import local_day
from account_health.model import PolicyRef
from account_health.published import Published
from account_health.readings import profiles_of, readings_of, record_account
from account_health.standings import Standings
from account_health.wording import minute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from account_health.evaluation import Evaluation
    from account_health.history.records import Reading
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
    resumed_after: int = Field(
        default=0, description="Accounts that an earlier run, which was cut off, had read already"
    )
    sentence: str = Field(description="The whole in words")
    completeness: str = Field(description="The same in words, with what could not be scored and why")
    problems: tuple[str, ...] = Field(default=(), description="What could not be read")
    policy: PolicyRef = Field(description="Name, version and hash of the policy that scored")
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")


async def record_all(workspace: Workspace, asked_by: str, progress: Callable[[int, int], None]) -> RecordedRun:
    """Reads and keeps every account; goes on where a run that was cut off within the last hours stopped.

    Raises SourceError without a list of accounts, HistoryError if the store cannot be written; what was kept stays.
    """
    memory, policy = workspace.memory, workspace.policy
    instant = await _instant(workspace)
    evaluation = await workspace.evaluate(instant)
    accounts = len(evaluation.accounts)
    if not accounts:
        raise SourceError(
            say("No source lists an account, so there is nothing to record."), say("See `sources check`.")
        )
    today = local_day(instant, policy.time_zone)
    with speaking(ENGLISH):  # whoever reads it later may speak any language
        problems = [retold(problem) for problem in problems_of(evaluation)]
    run = await memory.ask(lambda store: store.begin(instant, policy, asked_by, accounts, problems))
    start = 0 if run.finished_at else run.done
    added = 0
    for part in _parts(evaluation, start):
        progress(part.done, accounts)
        added += await memory.ask(
            lambda store, part=part: store.record(part.readings, policy, asked_by, today, run, part.done)  # type: ignore[misc] # each turn its own part
        )
    listed = None if _is_list_incomplete(evaluation) else set(evaluation.accounts)
    await memory.ask(lambda store: store.finish(run, policy, asked_by, today, listed))
    progress(accounts, accounts)
    return _recorded(workspace, evaluation, added, start)


async def record_one(workspace: Workspace, account: str, asked_by: str) -> RecordedRun:
    """Reads and keeps one account by id, name or domain; raises HistoryError if the store cannot be written."""
    instant, call = workspace.instant(), workspace.call()
    entry = await workspace.find(account, instant, call)
    evaluation = await workspace.evaluate(instant, [entry.id], call)
    added = await record_account(workspace.memory, evaluation, workspace.policy, asked_by)
    return _recorded(workspace, evaluation, added)


def problems_of(evaluation: Evaluation) -> tuple[str, ...]:
    """Sources that could not be read, one sentence each."""
    failed = {
        say("{name}: {note}", name=h.label, note=h.failure): None for h in evaluation.inputs.holdings if h.failure
    }
    return (*evaluation.inputs.problems, *failed)


@dataclass(frozen=True)
class _Part:
    """Readings that are kept together, and how many accounts are read with them."""

    readings: list[Reading]
    done: int


def _parts(evaluation: Evaluation, start: int) -> Iterator[_Part]:
    """The readings from a row on, in parts."""
    rest = readings_of(evaluation, start)
    while part := list(islice(rest, _AT_ONCE)):
        start += len(part)
        yield _Part(part, start)


def _is_list_incomplete(evaluation: Evaluation) -> bool:
    """Whether an account may be missing from the lists although it is still there."""
    lists = [h for h in evaluation.inputs.holdings if h.table == "account"]
    return bool(evaluation.inputs.problems) or any(h.failure or h.rejected_total or h.is_cut for h in lists)


async def _instant(workspace: Workspace) -> datetime:
    """The instant to record: now, or that of a run that was cut off a moment ago."""
    now = workspace.instant()
    unfinished, finished = await workspace.memory.ask(lambda store: (store.last_run(finished=False), store.last_run()))
    is_next = unfinished and (finished is None or finished.as_of < unfinished.as_of)
    if unfinished and is_next and unfinished.policy == workspace.policy.ref.hash:
        return unfinished.as_of if timedelta() <= now - unfinished.as_of < _RESUMED_FOR else now
    return now


def _recorded(workspace: Workspace, evaluation: Evaluation, added: int, start: int = 0) -> RecordedRun:
    standings = Standings.of_evaluation(evaluation, profiles_of(evaluation))
    accounts, completeness = len(evaluation.accounts), standings.completeness()
    return RecordedRun(
        as_of=evaluation.inputs.as_of.replace(tzinfo=UTC),
        accounts=accounts,
        scored=int(standings.scores.scored.sum()),
        added=added,
        resumed_after=start,
        sentence=_sentence(evaluation.inputs.as_of, completeness, added, start),
        completeness=completeness,
        problems=problems_of(evaluation),
        policy=workspace.policy.ref,
        notices=workspace.notices,
    )


def _sentence(as_of: datetime, completeness: str, added: int, start: int) -> str:
    values = {"when": minute(as_of), "completeness": completeness, "n": figure(added), "resumed": figure(start)}
    if start:
        return count(
            "As of {when}: {completeness}; {n} new assessments kept; "
            "{resumed} of them were read by a run that was cut off.",
            "As of {when}: {completeness}; {n} new assessments kept; "
            "{resumed} of them were read by a run that was cut off.",
            added,
            **values,
        )
    return count(
        "As of {when}: {completeness}; {n} new assessments kept.",
        "As of {when}: {completeness}; {n} new assessments kept.",
        added,
        **values,
    )
