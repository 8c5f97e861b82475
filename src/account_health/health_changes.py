"""Health changes: recent updates, computed and by hand, newest first: bands, flags, statuses, publications."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from account_health.as_of import asked_since
from account_health.csv_cells import safe_cell
from account_health.errors import CallerError, NoHistory
from account_health.history.records import NOT_SCORED, Kind
from account_health.language import mark, say, word
from account_health.markup import code, visible
from account_health.markup import name as markdown_name
from account_health.model import Band
from account_health.pages import cursor_after, start_of
from account_health.published import Published
from account_health.wording import band_title, day, minute, rounded

if TYPE_CHECKING:
    from account_health.history.records import Activity
    from account_health.policy import Policy
    from account_health.workspace import Workspace

_FLAG_SENTENCES = {
    "opened": mark("{flag} opened"),
    "cleared": mark("{flag} cleared"),
    "acknowledged": mark("{flag} acknowledged by {author}"),
    "snoozed": mark("{flag} snoozed by {author}"),
    "persisting": mark("{flag} no longer acknowledged or snoozed by {author}"),
}
KINDS = tuple(kind.value for kind in Kind)
BANDS = (*(band.value for band in Band), NOT_SCORED)


class HealthChange(Published):
    """One thing that happened to the health of an account."""

    number: int = Field(description="Its number in the history")
    at: datetime = Field(description="When")
    account: str = Field(description="Id of the account")
    name: str = Field(description="Its display name then (outside text)")
    owner: str | None = Field(default=None, description="Who looked after it then")
    kind: Literal["band", "flag", "status", "published"] = Field(
        description="A band, a risk flag, a status set by hand, or a health written to another system"
    )
    subject: str | None = Field(
        default=None, description="Id of the flag, of the vocabulary of a status, or of the other system"
    )
    before: str | None = Field(default=None, description="What it was; of a health that was written, JSON")
    after: str | None = Field(default=None, description="What it is; absent: withdrawn")
    band: str | None = Field(default=None, description="Band of the account then")
    description: str | None = Field(default=None, description="Why, in the words of whoever said it (outside text)")
    author: str = Field(description="Who said it, or who ran the assessment")
    until: datetime | None = Field(default=None, description="When a status or a snooze ends by itself")
    sentence: str = Field(description="The same in words")


class HealthChanges(Published):
    """One page of what happened, newest first; `next_cursor` is absent on the last one."""

    changes: tuple[HealthChange, ...] = Field(description="This page")
    total: int = Field(description="How many there are, on all pages")
    next_cursor: str | None = Field(default=None, description="Pass it back for the next page")
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")


@dataclass(frozen=True)
class WantedChanges:
    """What a report asks for; empty fields ask for nothing."""

    account: str = ""
    owner: str = ""
    band: str = ""
    kind: str = ""
    since: str = ""


async def health_changes(workspace: Workspace, wanted: WantedChanges, limit: int, cursor: str = "") -> HealthChanges:
    """The page of changes that fit; raises CallerError for a wrong band, kind or cursor, or NoHistory."""
    if wanted.band and wanted.band not in BANDS:
        raise CallerError(say("There is no such band."), say("Bands: {bands}.", bands=", ".join(BANDS)))
    if wanted.kind and wanted.kind not in KINDS:
        raise CallerError(say("There is no such kind."), say("Kinds: {kinds}.", kinds=", ".join(KINDS)))
    before = start_of(cursor, wanted) or None
    if not workspace.memory.exists:
        raise NoHistory
    accounts = None
    if wanted.account:
        accounts = [(await workspace.find(wanted.account, workspace.instant())).id]
    since = asked_since(wanted.since, workspace.policy.time_zone) if wanted.since else None
    asked = {"accounts": accounts, "owner": wanted.owner, "band": wanted.band, "kind": wanted.kind, "since": since}
    found, total = await workspace.memory.ask(
        lambda store: (store.activities(**asked, limit=limit + 1, before=before), store.count_activities(**asked))
    )
    page = found[:limit]
    return HealthChanges(
        changes=tuple(_change(activity, workspace.policy) for activity in page),
        total=total,
        next_cursor=cursor_after(page[-1].id, wanted) if len(found) > limit else None,
        notices=workspace.notices,
    )


def as_csv(found: HealthChanges) -> str:
    """The changes as CSV; no cell can be taken for a formula."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    names = tuple(HealthChange.model_fields)
    lines.writerow(names)
    for change in found.changes:
        row = change.as_json()
        lines.writerow([row[name] if name == "number" else safe_cell(str(row.get(name, ""))) for name in names])
    return text.getvalue()


def as_markdown(found: HealthChanges, policy: Policy) -> str:
    """The changes as a list, newest first."""
    lines = [
        say(
            "- {when}: {name} ({account}): {sentence}",
            when=minute(c.at.replace(tzinfo=None)),
            name=markdown_name(c.name, policy.limits.name_characters),
            account=code(c.account, policy.limits.name_characters),
            sentence=c.sentence,
        )
        for c in found.changes
    ]
    return "\n".join(lines or [say("None.")])


def _change(activity: Activity, policy: Policy) -> HealthChange:
    limits = policy.limits

    def shown(text: str | None) -> str | None:
        return visible(text, limits.text_characters) if text else None

    return HealthChange(
        number=activity.id,
        at=activity.at.replace(tzinfo=UTC),
        account=activity.account,
        name=visible(activity.name, limits.text_characters),
        owner=shown(activity.owner),
        kind=activity.kind.value,
        subject=activity.subject,
        before=activity.before,
        after=activity.after,
        band=activity.band,
        description=shown(activity.description),
        author=visible(activity.author, limits.name_characters),
        until=activity.expires_at.replace(tzinfo=UTC) if activity.expires_at else None,
        sentence=_sentence(activity, policy),
    )


def _sentence(activity: Activity, policy: Policy) -> str:
    if activity.kind is Kind.BAND:
        return f"{band_title(str(activity.before))} → {band_title(str(activity.after))}{_scores(activity, policy)}"
    who = markdown_name(activity.author, policy.limits.name_characters)
    if activity.kind is Kind.FLAG:
        flag = say(policy.flags[activity.subject].name) if activity.subject in policy.flags else activity.subject
        said = say(_FLAG_SENTENCES[str(activity.after)], flag=flag, author=who)
    elif activity.kind is Kind.PUBLISHED:
        text = mark("written to Sage Intacct by {author}: {after}, before {before}")
        said = say(text, author=who, after=_held(activity.after), before=_held(activity.before))
    elif activity.after:
        said = say("status {status} by {author}", status=word(str(activity.subject), activity.after), author=who)
    else:
        said = say("status withdrawn by {author}", author=who)
    if activity.expires_at:
        said = say("{sentence} until {day}", sentence=said, day=day(activity.expires_at, policy.time_zone))
    if activity.before and activity.kind is Kind.STATUS:
        from account_health.vocabularies import shown_word  # noqa: PLC0415 - NumPy, which a list of tools does not need

        said = say("{sentence}, before {status}", sentence=said, status=shown_word(policy, activity.before))
    if activity.description:
        note = code(activity.description, policy.limits.text_characters)
        said = say("{sentence}: {note}", sentence=said, note=note)
    return said


def _held(text: str | None) -> str:
    """A health that was published, as a reader sees it."""
    held = json.loads(text or "{}")
    parts = [str(held["score"]) if "score" in held else say("no score")]
    parts += [word("intacct", held["status"])] if "status" in held else []
    if "churn_risk" in held:
        parts.append(say("at risk of churn") if held["churn_risk"] else say("not at risk of churn"))
    return " / ".join(parts)


def _scores(activity: Activity, policy: Policy) -> str:
    """The scores behind a band; the one before only if it lay in the band before, since a band is announced late."""
    before, after = (None if s is None else rounded(s) for s in (activity.score_before, activity.score_after))
    if after is None:
        return ""
    was_there = before is not None and policy.bands.of(before) == activity.before
    return f" ({before} → {after})" if was_there else f" ({after})"
