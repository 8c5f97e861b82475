"""Search: a page of the accounts that fit, each with its health in brief."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from account_health.errors import CallerError
from account_health.language import mark, say, word, written
from account_health.markup import visible
from account_health.model import Band, FlagState, Severity
from account_health.pages import cursor_after, start_of
from account_health.published import Published

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from account_health.directory import Directory, Entry
    from account_health.evaluation import Evaluation
    from account_health.history.records import Activity
    from account_health.policy import Policy
    from account_health.workspace import Workspace

NOT_SCORED = "not_scored"
TIERS = tuple(severity.value for severity in Severity)
BANDS = (*(band.value for band in Band), NOT_SCORED)
"""What a search may ask for."""
_SEARCHED = mark("A live list of accounts was searched by its own means, which may miss parts of words.")
_BANDS_SHOWN = {
    Band.GREEN.value: mark("green"),
    Band.YELLOW.value: mark("yellow"),
    Band.RED.value: mark("red"),
    NOT_SCORED: mark("not scored"),
}


class FoundAccount(Published):
    """One account of a search, with its health in brief."""

    id: str = Field(description="Pass this to the other tools")
    name: str = Field(description="Display name (outside text)")
    segment: str | None = Field(default=None, description="Segment")
    owner: str | None = Field(default=None, description="Who looks after the account")
    arr: float | None = Field(default=None, description="Annual recurring revenue, in `currency`")
    currency: str | None = Field(default=None, description="ISO 4217 code of `arr`")
    renewal_date: date | None = Field(default=None, description="Day of the next renewal")
    score_rounded: int | None = Field(default=None, description="Score; absent when not scored")
    band: Band | None = Field(default=None, description="Band of the score")
    word: str | None = Field(default=None, description="The health in the asked vocabulary")
    manual_status: str | None = Field(default=None, description="Status that a person set")
    tier: Severity = Field(description="Worst severity of the raised flags and the band")
    flags: tuple[str, ...] = Field(default=(), description="Ids of raised risk flags")


class FoundAccounts(Published):
    """One page of a search; `next_cursor` is absent on the last one."""

    accounts: tuple[FoundAccount, ...] = Field(description="This page, sorted by name")
    total: int = Field(description="Accounts that fit, on all pages")
    next_cursor: str | None = Field(default=None, description="Pass it back for the next page")
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")


@dataclass(frozen=True)
class Wanted:
    """What a search asks for; empty fields ask for nothing. `renews_within_days` counts from the asked day on."""

    query: str = ""
    segment: str = ""
    owner: str = ""
    band: str = ""
    flag: str = ""
    renews_within_days: int = 0
    tier: str = ""
    status: str = ""
    """A status set by hand; `none` asks for accounts without one."""


async def search(  # noqa: PLR0913, PLR0917 - what the tool and the command line ask for
    workspace: Workspace,
    wanted: Wanted,
    limit: int,
    cursor: str = "",
    as_of: str | None = None,
    vocabulary: str = "",
) -> FoundAccounts:
    """The page of accounts that fit, sorted by name; raises CallerError for a wrong band, tier, flag or cursor."""
    from account_health.overview import not_read
    from account_health.vocabularies import vocabulary_named

    _require_known(wanted, workspace.policy.flags)
    if vocabulary:
        vocabulary_named(workspace.policy, vocabulary)
    instant = workspace.instant(as_of)
    directory, fitting = await _fitting(workspace, wanted, instant)
    statuses, unread = await workspace.memory.statuses(instant, workspace.policy)
    notices = (*workspace.notices, *([] if directory.is_complete else [say(_SEARCHED)]), *unread)
    start = start_of(cursor, wanted)
    if wanted.status:
        policy = workspace.policy
        fitting = [entry for entry in fitting if _has_status(statuses.get(entry.id), wanted.status, policy)]
    if not fitting:
        return FoundAccounts(accounts=(), total=0, notices=notices)
    if wanted.band or wanted.flag or wanted.tier or wanted.renews_within_days:
        evaluation = await workspace.evaluate(instant, sorted(e.id for e in fitting) if wanted.query else None)
        narrowed = partial(_narrowed, fitting, evaluation, wanted)
        fitting = await workspace.compute(narrowed, size=len(fitting))
        page = fitting[start : start + limit]
    else:
        page = fitting[start : start + limit]
        evaluation = await workspace.evaluate(instant, sorted(e.id for e in page))
    end = start + len(page)
    return FoundAccounts(
        accounts=tuple(_brief(evaluation, entry, statuses.get(entry.id), vocabulary) for entry in page),
        total=len(fitting),
        next_cursor=cursor_after(end, wanted) if end < len(fitting) else None,
        notices=(*notices, *not_read(evaluation)),
    )


async def _fitting(workspace: Workspace, wanted: Wanted, instant: datetime) -> tuple[Directory, list[Entry]]:
    """The directory that was searched, and its accounts that fit what it knows of them."""
    from account_health.directory import Search

    fields = Search(wanted.query, wanted.segment, wanted.owner)
    directory = await workspace.directory(instant, wanted.query or None)
    if not directory.is_complete and not any(map(fields.fits, directory.entries)):
        directory = await workspace.directory(instant)
    return directory, [entry for entry in directory.entries if fields.fits(entry)]


def _has_status(status: Activity | None, wanted: str, policy: Policy) -> bool:
    """Whether a status is the wanted one, by its word or by that of the language that is spoken."""
    from account_health.vocabularies import shown_word

    after = status.after if status else None
    words = (after, shown_word(policy, after)) if after else ("none", say("None"))
    return wanted.strip().casefold() in {text.casefold() for text in words}


def _require_known(wanted: Wanted, flags: Iterable[str]) -> None:
    for wish, known, problem, next_step in (
        (wanted.band, BANDS, mark("There is no such band."), mark("Bands: {known}.")),
        (wanted.flag, tuple(flags), mark("There is no such flag."), mark("Flags: {known}.")),
        (wanted.tier, TIERS, mark("There is no such tier."), mark("Tiers: {known}.")),
    ):
        if wish and wish not in known:
            raise CallerError(say(problem), say(next_step, known=", ".join(known)))


def _narrowed(entries: Sequence[Entry], evaluation: Evaluation, wanted: Wanted) -> list[Entry]:
    return [entry for entry in entries if _is_in(evaluation, entry, wanted)]


def _is_in(evaluation: Evaluation, entry: Entry, wanted: Wanted) -> bool:
    row = evaluation.row(entry.id)
    band = evaluation.band(row)
    has_band = not wanted.band or wanted.band == (band.value if band else NOT_SCORED)
    has_flag = not wanted.flag or wanted.flag in _raised(evaluation, row)
    has_tier = not wanted.tier or wanted.tier == evaluation.tier(row)
    days = evaluation.days_to_renewal(row)
    renews = not wanted.renews_within_days or (days is not None and 0 <= days <= wanted.renews_within_days)
    return has_band and has_flag and has_tier and renews


def _brief(evaluation: Evaluation, entry: Entry, status: Activity | None, vocabulary: str) -> FoundAccount:
    row, most = evaluation.row(entry.id), evaluation.policy.limits.text_characters
    return FoundAccount(
        id=entry.id,
        name=visible(entry.name, most),
        segment=entry.segment and visible(entry.segment, most),
        owner=entry.owner and visible(entry.owner, most),
        arr=entry.arr,
        currency=entry.currency,
        renewal_date=entry.renewal_date or evaluation.renewal_date(row),
        score_rounded=evaluation.score_rounded(row),
        band=evaluation.band(row),
        word=_word(evaluation, row, vocabulary) if vocabulary else None,
        manual_status=status.after if status else None,
        tier=evaluation.tier(row),
        flags=_raised(evaluation, row),
    )


def _word(evaluation: Evaluation, row: int, vocabulary: str) -> str | None:
    from account_health.vocabularies import conditions
    from account_health.vocabularies import word as word_of

    chosen = evaluation.policy.vocabularies[vocabulary]
    holds = conditions(chosen, evaluation.matrix)[row].tolist()
    return word_of(chosen, evaluation.score_rounded(row), evaluation.policy, holds)


def _raised(evaluation: Evaluation, row: int) -> tuple[str, ...]:
    flags = evaluation.flags
    return tuple(name for column, name in enumerate(flags.flags) if flags.state(row, column) is FlagState.RAISED)


def columns(found: FoundAccounts) -> tuple[str, ...]:
    """The columns of `as_table`; words and statuses have one only where there are any."""
    names = ("id", "name", "score", "band", "tier", "flags", "renewal")
    return (*names, *(name for name in ("word", "manual_status") if any(getattr(a, name) for a in found.accounts)))


def heads(found: FoundAccounts) -> tuple[str, ...]:
    """What the columns of `as_table` are called."""
    said = {
        "id": word("column", "id"),
        "name": word("column", "name"),
        "score": word("column", "score"),
        "band": word("column", "band"),
        "tier": word("column", "tier"),
        "flags": word("column", "flags"),
        "renewal": word("column", "renewal"),
        "word": word("column", "word"),
        "manual_status": word("column", "manual_status"),
    }
    return tuple(said[name] for name in columns(found))


def as_table(found: FoundAccounts, policy: Policy) -> Sequence[tuple[str, ...]]:
    """The page as rows of text: id, name, score, band, tier, flags, renewal, and what else is known of any."""
    from account_health.vocabularies import shown_word
    from account_health.wording import severity_word

    return [
        (
            a.id,
            a.name,
            "-" if a.score_rounded is None else str(a.score_rounded),
            say(_BANDS_SHOWN[a.band.value if a.band else NOT_SCORED]),
            severity_word(a.tier),
            ", ".join(a.flags),
            written(a.renewal_date) if a.renewal_date else "",
            *(shown_word(policy, getattr(a, name)) for name in columns(found)[_ALWAYS:]),
        )
        for a in found.accounts
    ]


_ALWAYS = 7
"""Columns that every table has."""
