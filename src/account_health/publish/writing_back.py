"""Writing back: a plan carried out, one customer after the other; each write is on record before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio

from account_health.errors import CallerError, Fault, HistoryError, SourceError
from account_health.history.records import Activity, Kind
from account_health.language import mark, say
from account_health.markup import visible
from account_health.metrics.windows import local_day
from account_health.progress import step
from account_health.publish.plan import Entry, Plan, entries_by
from account_health.publish.report import Outcome
from account_health.publish.target import LABEL, mark_of
from account_health.publish.target_settings import SECTION

if TYPE_CHECKING:
    from account_health.connectors.http.writing import WritingConnection
    from account_health.history.store import Store
    from account_health.workspace import Workspace

Progress = Callable[[int, int], None]

_CONCERNS_ALL = frozenset({Fault.AUTHENTICATION})
_UNCERTAIN = frozenset({Fault.BAD_RESPONSE, Fault.SERVER, Fault.TIMEOUT, Fault.UNREACHABLE})
"""After one of these nobody knows whether the change was carried out."""
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

    workspace: Workspace
    plan: Plan
    author: str
    connection: WritingConnection
    last: dict[str, int]
    done: dict[tuple[str, str | None], Entry] = field(default_factory=dict)

    def note(self, entry: Entry) -> None:
        """Keeps what became of a customer."""
        self.done[entry.standing.account, entry.customer] = entry

    @property
    def written(self) -> int:
        """How many customers were written."""
        return sum(entry.outcome is Outcome.WRITTEN for entry in self.done.values())

    @property
    def uncertain(self) -> list[Entry]:
        """The customers of which nobody knows whether they were."""
        return [entry for entry in self.done.values() if entry.fault in _UNCERTAIN]


async def carried_out(workspace: Workspace, plan: Plan, author: str, progress: Progress = lambda _, __: None) -> Plan:
    """The plan with what became of each customer; one that fails does not stop the others.

    Raises CallerError, before anything is written, if somebody published one of the accounts since the plan was made;
    SourceError if the credentials are not accepted any more, HistoryError if a write cannot be put on record.
    """
    wanted = plan.to_write
    if not wanted:
        return replace(plan, applied=True)
    await _require_unpublished(workspace, plan)
    async with plan.target.open() as connection:
        progressing = _Progressing(workspace, plan, author, connection, dict(plan.last))
        for number, entry in enumerate(wanted):
            progress(number, len(wanted))
            async with step(say("Written to {target}", target=LABEL)):
                await _undivided(progressing, entry)
            if progressing.done[entry.standing.account, entry.customer].fault is Fault.THROTTLED:
                _leave(progressing, wanted[number + 1 :])
                break
        await _look_again(progressing)
    progress(len(wanted), len(wanted))
    return replace(plan, entries=entries_by(plan.entries, progressing.done), applied=True)


async def _require_unpublished(workspace: Workspace, plan: Plan) -> None:
    """Raises CallerError if an account was published since the plan was made, HistoryError if none can be recorded."""

    def published(store: Store) -> dict[str, int]:
        store.require_writable()
        return store.last_published()

    known = await workspace.memory.ask(published)
    accounts = {entry.standing.account for entry in plan.to_write}
    if any(known.get(account, 0) != plan.last.get(account, 0) for account in accounts):
        raise CallerError(
            say("Somebody else published one of these accounts in the meantime; nothing was written."),
            say("Look again first."),
        )


async def _undivided(progressing: _Progressing, entry: Entry) -> None:
    """Writes one customer and puts it on record; whoever interrupts waits for that, so that no write goes unrecorded.

    A task of its own is what a keyboard's interruption, which ends only the task it hits, does not reach.
    """
    failed: list[Exception] = []

    async def go() -> None:
        with anyio.CancelScope(shield=True):
            try:
                progressing.note(await _written(progressing, entry))
            except (SourceError, HistoryError) as err:
                failed.append(err)

    async with anyio.create_task_group() as group:
        group.start_soon(go)
    for err in failed:
        raise err


async def _written(progressing: _Progressing, entry: Entry) -> Entry:
    """One customer written and put on record."""
    plan, account = progressing.plan, entry.standing.account
    changes = plan.fields.changes(entry.before, entry.after) if entry.before and entry.after else {}
    day = local_day(plan.view.standings.as_of, progressing.workspace.policy.time_zone)
    last = progressing.last.get(account, 0)
    # What stood there and the last publication are part of it: back and forth within a day is no repetition.
    key = mark_of(plan.target.settings.company, entry.key, changes, str(entry.before), day.isoformat(), last)
    try:
        await plan.target.write(progressing.connection, entry.key, changes, key)
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
    await _recorded(progressing, entry)
    return replace(entry, outcome=Outcome.WRITTEN)


def _leave(progressing: _Progressing, entries: Sequence[Entry]) -> None:
    """Notes customers that are not tried: the limit that one ran into is the limit of all."""
    sentence = say(
        "Not tried, because {system} asks us to slow down. Repeat it later: it goes on from here.", system=LABEL
    )
    for entry in entries:
        progressing.note(replace(entry, outcome=Outcome.FAILED, fault=Fault.THROTTLED, sentence=sentence))


async def _look_again(progressing: _Progressing) -> None:
    """Puts those changes on record too that were carried out although their answer was lost or cannot be read."""
    plan, uncertain = progressing.plan, progressing.uncertain
    if not uncertain:
        return
    ids = [entry.customer for entry in uncertain if entry.customer]
    try:
        found = await plan.target.customers(progressing.connection, plan.fields, ids)
    except SourceError:
        return
    for entry in uncertain:
        there = found.get(entry.customer or "")
        if there and there.health == entry.after:
            await _recorded(progressing, entry)
            progressing.note(replace(entry, outcome=Outcome.WRITTEN, fault=None, sentence=None))


async def _recorded(progressing: _Progressing, entry: Entry) -> None:
    """Puts a write on record, unless somebody who wrote the same at the same time has done so."""
    standing, workspace = entry.standing, progressing.workspace
    activity = Activity(
        at=workspace.instant(),
        account=standing.account,
        name=standing.name,
        kind=Kind.PUBLISHED,
        after=str(entry.after),
        author=visible(progressing.author, workspace.policy.limits.name_characters) or workspace.user,
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
        number = await workspace.memory.ask(lambda store: _said(store, activity, expected))
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


def _said(store: Store, activity: Activity, expected: int) -> int | None:
    """The number that a write is on record under; None if the last one on record is the same write of somebody else."""
    number = store.say(activity, expected)
    if number is not None:
        return number
    (other,) = store.activities(accounts=[activity.account], kind=Kind.PUBLISHED, limit=1)
    is_same = (other.before, other.after, other.description) == (activity.before, activity.after, activity.description)
    return None if is_same else store.say(activity)
