"""Manual status: what people say of an account beside its score, and of its flags; each saying is an activity.

A status is a word of any vocabulary, with an optional description and expiry. It never replaces the computed score.
Only customers have one. Notes are data: shown as quoted text, capped, and without addresses, so that nobody can be
sent away by them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from account_health.as_of import asked_instant
from account_health.chronicle import Phase
from account_health.errors import CallerError
from account_health.history.records import Activity, Kind
from account_health.language import mark, say, written
from account_health.language import word as translated
from account_health.markup import code, visible
from account_health.markup import name as markdown_name
from account_health.metrics.windows import local_day
from account_health.model import FlagState
from account_health.remembered import manual_status
from account_health.said import FlagWish, Prepared, SaidOfAccount, StatusWish
from account_health.vocabularies import canonical, vocabulary_named

if TYPE_CHECKING:
    from account_health.evaluation import Evaluation
    from account_health.model import Assessment
    from account_health.policy import Policy
    from account_health.workspace import Workspace

MOST_CHARACTERS = 500
_FLAG_SENTENCES = {
    Phase.ACKNOWLEDGED: mark("{name}: {flag} acknowledged"),
    Phase.SNOOZED: mark("{name}: {flag} snoozed until {day}"),
    Phase.PERSISTING: mark("{name}: {flag} neither acknowledged nor snoozed"),
}
_ADDRESS = re.compile(r"://|//\w|\w@\w|\bwww\.|\]\(|\bmailto:", re.IGNORECASE)


async def prepare_status(workspace: Workspace, wish: StatusWish) -> Prepared:
    """Checks a wish against the account, which has to be a customer; raises CallerError for what cannot be."""
    vocabulary = vocabulary_named(workspace.policy, wish.vocabulary)
    word = canonical(vocabulary, wish.status, wish.vocabulary)
    description = _note(wish.description)
    assessment, evaluation = await workspace.assessed(wish.account)
    if word:
        _require_customer(evaluation, workspace)
    expires = _expiry(wish.expires, workspace)
    before = assessment.manual_status
    activity = replace(
        _activity(workspace, assessment, evaluation, wish.author),
        kind=Kind.STATUS,
        subject=wish.vocabulary,
        before=before.status if before else None,
        after=word or None,
        description=description,
        expires_at=expires,
    )
    sentence = _status_sentence(assessment, activity, workspace.policy)
    return await _prepared(workspace, activity, sentence, assessment, evaluation)


async def prepare_flag(workspace: Workspace, wish: FlagWish) -> Prepared:
    """The same for what is said of a raised flag; one that is not raised cannot be acknowledged."""
    policy = workspace.policy
    if wish.flag not in policy.flags:
        raise CallerError(say("There is no such flag."), say("Flags: {flags}.", flags=", ".join(policy.flags)))
    note, expires = _note(wish.note), _expiry(wish.until, workspace)
    if (wish.phase is Phase.SNOOZED) != (expires is not None):
        raise CallerError(
            say("A flag is snoozed until a day, and only then."),
            say("Give the day, e.g. 2026-12-31, or acknowledge it instead."),
        )
    assessment, evaluation = await workspace.assessed(wish.account)
    if not any(f.flag == wish.flag and f.state is FlagState.RAISED for f in assessment.flags):
        raised = [f.flag for f in assessment.flags if f.state is FlagState.RAISED]
        raise CallerError(
            say("This flag is not raised."),
            say("Raised: {flags}.", flags=", ".join(raised)) if raised else say("Raised: none."),
        )
    activity = replace(
        _activity(workspace, assessment, evaluation, wish.author),
        kind=Kind.FLAG,
        subject=wish.flag,
        after=wish.phase.value,
        description=note,
        expires_at=expires,
    )
    sentence = say(
        _FLAG_SENTENCES[wish.phase],
        name=markdown_name(assessment.account.name, policy.limits.name_characters),
        flag=say(policy.flags[wish.flag].name),
        day=written(local_day(expires, policy.time_zone)) if expires else "",
    )
    return await _prepared(workspace, activity, sentence, assessment, evaluation)


async def write(workspace: Workspace, prepared: Prepared) -> SaidOfAccount:
    """Writes what was prepared, unless somebody said something of the account in between; raises HistoryError.

    So a confirmation that is repeated writes nothing a second time.
    """
    number = await workspace.memory.ask(lambda store: store.say(prepared.activity, prepared.last))
    if number is None:
        raise CallerError(
            say("Somebody said something else of this account in the meantime; nothing was written."),
            say("Look again first."),
        )
    said = await workspace.memory.ask(lambda store: store.said_by_people([prepared.activity.account]))
    return SaidOfAccount(
        account=prepared.assessment.account,
        change=number,
        sentence=say("{sentence}.", sentence=prepared.sentence),
        manual_status=manual_status(said, prepared.evaluation),
        notices=workspace.notices,
    )


def _status_sentence(assessment: Assessment, activity: Activity, policy: Policy) -> str:
    """What is about to be set, and what was set before."""
    key, before, most = str(activity.subject), assessment.manual_status, policy.limits.name_characters
    now = say("no manual status")
    if activity.after:
        vocabulary = say(policy.vocabularies[key].name)
        now = say("{status} ({vocabulary})", status=translated(key, activity.after), vocabulary=vocabulary)
    if activity.expires_at:
        now = say("{status} until {day}", status=now, day=written(local_day(activity.expires_at, policy.time_zone)))
    name = markdown_name(assessment.account.name, most)
    if before is None:
        return say("{name}: {status} (before: none)", name=name, status=now)
    return say(
        "{name}: {status} (before: {before}, set by {author})",
        name=name,
        status=now,
        before=translated(before.vocabulary, before.status),
        author=markdown_name(before.author, most),
    )


async def _prepared(
    workspace: Workspace, activity: Activity, sentence: str, assessment: Assessment, evaluation: Evaluation
) -> Prepared:
    last = await workspace.memory.ask(lambda store: store.last_said(activity.account))
    return Prepared(activity, last, sentence, assessment, evaluation)


def _activity(workspace: Workspace, assessment: Assessment, evaluation: Evaluation, author: str) -> Activity:
    """Who says something of which account at what moment."""
    profile = evaluation.profiles[assessment.account.id]
    return Activity(
        at=workspace.instant(),
        account=assessment.account.id,
        name=profile["name"],
        kind=Kind.STATUS,
        after=None,
        author=visible(author, workspace.policy.limits.name_characters) or workspace.user,
        owner=profile["owner"],
        band=assessment.band.value if assessment.band else None,
        score_after=assessment.score,
    )


def _require_customer(evaluation: Evaluation, workspace: Workspace) -> None:
    """Only customers have a status; where nobody records a lifecycle at all, every listed account is one."""
    lifecycle = evaluation.profiles[evaluation.accounts[0]]["lifecycle"]
    customers = workspace.policy.customers
    if customers.include(lifecycle) or "lifecycle" not in evaluation.inputs.provided("account"):
        return
    problem = (
        say(
            "Only customers have a health status, and the lifecycle of this account is {lifecycle}.",
            lifecycle=code(lifecycle, workspace.policy.limits.name_characters),
        )
        if lifecycle
        else say("Only customers have a health status, and the lifecycle of this account is not recorded.")
    )
    raise CallerError(
        problem, say("The policy counts as customers: {lifecycles}.", lifecycles=", ".join(customers.lifecycles))
    )


def _note(text: str) -> str | None:
    """What somebody wrote, on one line; nothing that leads elsewhere."""
    # Far enough beyond the limit that what was cut is still too long.
    line = visible(text, 2 * MOST_CHARACTERS)
    if len(line) > MOST_CHARACTERS:
        raise CallerError(say("A description has at most {most} characters.", most=MOST_CHARACTERS), say("Shorten it."))
    if _ADDRESS.search(line):
        raise CallerError(say("A description holds no links or addresses."), say("Say it in words."))
    return line or None


def _expiry(text: str, workspace: Workspace) -> datetime | None:
    """The end of the day, which has to lie ahead."""
    if not text:
        return None
    until = asked_instant(text, workspace.policy.time_zone, workspace.clock(), say("The last day"))
    if until <= workspace.instant():
        raise CallerError(say("The day lies in the past."), say("Give one that is still to come, or none."))
    return until
