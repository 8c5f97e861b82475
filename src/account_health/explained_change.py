"""Explained change: why the score of one account moved since a recorded day."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from account_health.as_of import asked_instant
from account_health.errors import CallerError, HistoryError, NoHistory
from account_health.explained import ExplainedChange
from account_health.remembered import driver_sentences, trend_line
from account_health.wording import band_title, day

if TYPE_CHECKING:
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
        raise CallerError("since has to lie before the instant of the answer.", "Give an earlier day.")
    assessment, _ = await workspace.assessed(account, as_of, start, refresh=refresh)
    change = assessment.change
    if change is None or (start and change.since.astimezone(UTC).replace(tzinfo=None) > start):
        if unread := next((notice for notice in assessment.notices if notice.startswith("Answered without")), ""):
            raise HistoryError(unread, "The score itself can be had: score_account.")
        first = await workspace.memory.ask(lambda store: store.first(assessment.account.id))
        if first is None:
            raise NoHistory("Nothing was recorded of this account by then.")
        known = f"The first reading is of {day(first.as_of, workspace.policy.time_zone)}."
        raise NoHistory(
            f"Nothing was recorded of this account by then. {known}", "It shows changes from the next day on."
        )
    return ExplainedChange(
        account=assessment.account,
        as_of=assessment.as_of,
        band=assessment.band,
        change=change,
        summary=f"{change.sentence} {driver_sentences(change, workspace.policy.changes.drivers_shown)}".strip(),
        notices=assessment.notices,
        policy=assessment.policy,
    )


def as_markdown(found: ExplainedChange, policy: Policy) -> str:
    """The change as text for people: the sentence, the parts in points, the drivers, flags, and the trend."""
    change = found.change
    lines = [found.change.sentence]
    if change.parts:
        parts = change.parts
        lines += ["", "| part | points |", "|---|---|"]
        lines += [
            f"| {name} | {getattr(parts, name):+.2f} |".replace("+0.00", "0.00").replace("-0.00", "0.00")
            for name in ("policy", "coverage", "time", "data")
        ]
    moved = driver_sentences(change, policy.changes.drivers_shown)
    lines += ["", moved] if moved else []
    for word, flags in (("New flags", change.opened), ("Cleared flags", change.cleared)):
        if flags:
            names = [policy.flags[flag].name if flag in policy.flags else flag for flag in flags]
            lines += ["", f"{word}: {', '.join(names)}."]
    if line := trend_line(change, policy.time_zone):
        lines += ["", f"Trend: {line}"]
    now = band_title(found.band.value if found.band else "not_scored")
    return "\n".join([*lines, "", f"Now: {now}."])
