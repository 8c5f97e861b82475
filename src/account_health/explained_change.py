"""Explained change: why the score of one account moved since a recorded day."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from account_health.as_of import asked_instant
from account_health.errors import CallerError, HistoryError, NoHistory
from account_health.explained import ExplainedChange
from account_health.language import figure, mark, say, together, word
from account_health.markup import prose
from account_health.memory import UNREAD
from account_health.remembered import driver_sentences, trend_line
from account_health.wording import band_title, day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from account_health.chronicle import ChangeParts
    from account_health.history.records import Reading
    from account_health.policy import Policy
    from account_health.workspace import Workspace


async def explain_change(
    workspace: Workspace, account: str, since: str = "", as_of: str | None = None, *, refresh: bool = False
) -> ExplainedChange:
    """The change of one account since a day (empty: about a month before) up to now or another day.

    Raises CallerError for a day that is none or not earlier, NoHistory if nothing was recorded of it by then,
    HistoryError if the history cannot be read.
    """
    if not workspace.memory.exists:
        raise NoHistory
    start = asked_instant(since, workspace.policy.time_zone, workspace.clock(), "since") if since else None
    if start and start >= workspace.instant(as_of):
        raise CallerError(say("since has to lie before the instant of the answer."), say("Give an earlier day."))
    assessment, _ = await workspace.assessed(account, as_of, start, refresh=refresh)
    change = assessment.change
    if change is None or (start and change.since.astimezone(UTC).replace(tzinfo=None) > start):
        first = await _first(workspace, assessment.account.id)
        nothing = say("Nothing was recorded of this account by then.")
        if first is None:
            raise NoHistory(nothing)
        known = say("The first reading is of {day}.", day=day(first.as_of, workspace.policy.time_zone))
        raise NoHistory(together(nothing, known), say("It shows changes from the next day on."))
    return ExplainedChange(
        account=assessment.account,
        as_of=assessment.as_of,
        band=assessment.band,
        change=change,
        summary=together(change.sentence, driver_sentences(change, workspace.policy.changes.drivers_shown)),
        notices=assessment.notices,
        policy=assessment.policy,
    )


async def _first(workspace: Workspace, account: str) -> Reading | None:
    """The first reading of an account; raises HistoryError if the history cannot be read."""
    try:
        return await workspace.memory.ask(lambda store: store.first(account))
    except HistoryError as err:
        unread = prose(say(UNREAD, error=err.sentence), workspace.policy.limits.text_characters)
        raise HistoryError(unread, say("The score itself can be had: score_account.")) from err


def as_markdown(found: ExplainedChange, policy: Policy) -> str:
    """The change as text for people: the sentence, the parts in points, the drivers, flags, and the trend."""
    change = found.change
    lines = [found.change.sentence]
    if change.parts:
        heads = say("part"), say("points")
        lines += ["", f"| {' | '.join(heads)} |", "|---|---|"]
        lines += [f"| {name} | {_signed(points)} |" for name, points in _parts(change.parts)]
    moved = driver_sentences(change, policy.changes.drivers_shown)
    lines += ["", moved] if moved else []
    for text, flags in (
        (mark("New flags: {flags}."), change.opened),
        (mark("Cleared flags: {flags}."), change.cleared),
    ):
        if flags:
            names = [say(policy.flags[flag].name) if flag in policy.flags else flag for flag in flags]
            lines += ["", say(text, flags=", ".join(names))]
    if line := trend_line(change, policy.time_zone):
        lines += ["", say("Trend: {trend}", trend=line)]
    now = band_title(found.band.value if found.band else "not_scored")
    return "\n".join([*lines, "", say("Now: {band}.", band=now)])


def _parts(parts: ChangeParts) -> Iterator[tuple[str, float]]:
    """The parts of a change by name."""
    yield word("part of a change", "policy"), parts.policy
    yield word("part of a change", "coverage"), parts.coverage
    yield word("part of a change", "time"), parts.time
    yield word("part of a change", "data"), parts.data


def _signed(points: float) -> str:
    """Points to the hundredth, with their sign as programs write it."""
    text = figure(points, 2)
    return f"+{text}" if round(points, 2) > 0 else text
