"""Writing back: a plan carried out, one customer after the other; each write is on record before the next begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from account_health.errors import CallerError, Fault, HistoryError, SourceError
from account_health.history.records import Activity, Kind
from account_health.language import mark, say
from account_health.markup import visible
from account_health.metrics.windows import local_day
from account_health.publish.plan import Entry, Plan, entries_by
from account_health.publish.report import Outcome
from account_health.publish.target import LABEL, mark_of
from account_health.publish.target_settings import SECTION

if TYPE_CHECKING:
    from account_health.connectors.http.writing import WritingConnection
    from account_health.workspace import Workspace

Progress = Callable[[int, int], None]

_CONCERNS_ALL = frozenset({Fault.AUTHENTICATION})
_REASONS = {
    Fault.PERMISSION: mark(
        "{system} does not let these credentials change this customer. Permit its user to edit customers."
    ),
    Fault.NOT_FOUND: mark("{system} no longer has this customer. Look again."),
    Fault.REFUSED: mark(
        "{system} did not accept these values for this customer. See in its own screens what it says of them."
    ),
}
"""What a failure means for a change; the others are the same as for a question."""


@dataclass
class _Progressing:
    """How far a plan is carried out."""

    plan: Plan
    last: dict[str, int]
    done: dict[tuple[str, str | None], Entry] = field(default_factory=dict)

    @property
    def written(self) -> int:
        """How many customers were written."""
        return sum(entry.outcome is Outcome.WRITTEN for entry in self.done.values())


async def carried_out(workspace: Workspace, plan: Plan, author: str, progress: Progress = lambda _, __: None) -> Plan:
    """The plan with what became of each customer; one that fails does not stop the others.

    Raises CallerError, before anything is written, if somebody published one of the accounts since the plan was made;
    SourceError if the credentials are not accepted any more, HistoryError if a write cannot be put on record.
    """
    wanted, memory = plan.to_write, workspace.memory
    progressing = _Progressing(plan, dict(plan.last))
    if wanted:
        known = await memory.ask(lambda store: store.last_published())
        accounts = {entry.standing.account for entry in wanted}
        if any(known.get(account, 0) != plan.last.get(account, 0) for account in accounts):
            raise CallerError(
                say("Somebody else published one of these accounts in the meantime; nothing was written."),
                say("Look again first."),
            )
        async with plan.target.open() as connection:
            for number, entry in enumerate(wanted):
                progress(number, len(wanted))
                became = await _written(workspace, progressing, entry, author, connection)
                progressing.done[entry.standing.account, entry.customer] = became
        progress(len(wanted), len(wanted))
    return replace(plan, entries=entries_by(plan.entries, progressing.done), applied=True)


async def _written(
    workspace: Workspace, progressing: _Progressing, entry: Entry, author: str, connection: WritingConnection
) -> Entry:
    """One customer written and put on record."""
    plan, account = progressing.plan, entry.standing.account
    changes = plan.fields.changes(entry.before, entry.after) if entry.before and entry.after else {}
    day = local_day(plan.view.standings.as_of, workspace.policy.time_zone)
    last = progressing.last.get(account, 0)
    # What stood there and the last publication are part of it: back and forth within a day is no repetition.
    key = mark_of(plan.target.settings.company, entry.key, changes, str(entry.before), day.isoformat(), last)
    try:
        await plan.target.write(connection, entry.key, changes, key)
    except SourceError as err:
        if err.fault in _CONCERNS_ALL:
            raise SourceError(
                say("{problem} Customers written before: {n}.", problem=err.message, n=progressing.written),
                err.next_step,
                fault=err.fault,
            ) from err
        reason = _REASONS.get(err.fault) if err.fault else None
        sentence = say(reason, system=LABEL) if reason else err.sentence
        return replace(entry, outcome=Outcome.FAILED, fault=err.fault, sentence=sentence)
    await _recorded(workspace, progressing, entry, author)
    return replace(entry, outcome=Outcome.WRITTEN)


async def _recorded(workspace: Workspace, progressing: _Progressing, entry: Entry, author: str) -> None:
    """Puts a write on record, unless somebody who asked for the same at the same time has done so."""
    standing = entry.standing
    activity = Activity(
        at=workspace.instant(),
        account=standing.account,
        name=standing.name,
        kind=Kind.PUBLISHED,
        after=str(entry.after),
        author=visible(author, workspace.policy.limits.name_characters) or workspace.user,
        owner=standing.owner,
        band=standing.band,
        subject=SECTION,
        before=str(entry.before),
        score_before=entry.before.score if entry.before else None,
        score_after=standing.score,
        description=entry.customer if entry.customer != standing.account else None,
    )
    expected = progressing.last.get(standing.account, 0)
    try:
        number = await workspace.memory.ask(lambda store: store.say(activity, expected))
    except HistoryError as err:
        raise HistoryError(
            say(
                "The last customer was written to {system}, but that could not be put on record: {problem} "
                "Customers written before: {n}.",
                system=LABEL,
                problem=err.message,
                n=progressing.written,
            ),
            err.next_step,
        ) from err
    if number is not None:
        progressing.last[standing.account] = number
