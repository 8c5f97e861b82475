"""Report: what publishing would change or has changed, as JSON for programs and as Markdown for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import Field

from account_health.language import count, figure, mark, say, word
from account_health.markup import code, prose
from account_health.markup import name as markdown_name
from account_health.model import PolicyRef
from account_health.published import Published

if TYPE_CHECKING:
    from account_health.publish.plan import Plan

_CHARACTERS = 200
_NONE = "-"


class Outcome(StrEnum):
    """What became of one customer."""

    TO_WRITE = "to_write"
    WRITTEN = "written"
    UNCHANGED = "unchanged"
    NOT_SCORED = "not_scored"
    NOT_MATCHED = "not_matched"
    FAILED = "failed"


_OUTCOMES = {
    Outcome.TO_WRITE: mark("would be written"),
    Outcome.WRITTEN: mark("written"),
    Outcome.UNCHANGED: mark("unchanged"),
    Outcome.NOT_SCORED: mark("not scored"),
    Outcome.NOT_MATCHED: mark("not matched"),
    Outcome.FAILED: mark("failed"),
}


class HealthHeld(Published):
    """The three values, as far as there are any."""

    score: int | None = Field(default=None, description="0 to 100; absent: none")
    status: str | None = Field(default=None, description="Word of the vocabulary `intacct`; absent: none, or unknown")
    churn_risk: bool | None = Field(default=None, description="Whether at risk of churn; absent: not said")


class PublishedRecord(Published):
    """One customer: what the other system had, what we say, and what became of it."""

    account: str = Field(description="Id of the account")
    name: str = Field(description="Its display name (outside text)")
    customer: str | None = Field(default=None, description="Its customer id there; absent without one")
    outcome: Outcome = Field(description="What became of it")
    before: HealthHeld | None = Field(default=None, description="What stood there; absent where there is no customer")
    after: HealthHeld | None = Field(default=None, description="What we say; absent without a score")
    fault: str | None = Field(default=None, description="Kind of the failure")
    sentence: str | None = Field(default=None, description="Why it was not written, and what to do")


class Publication(Published):
    """What was or would be published; customers that already stand as they should are only counted."""

    to: str = Field(description="The system")
    applied: bool = Field(description="False: a dry run, nothing was written")
    as_of: datetime = Field(description="The instant the scores hold for")
    counts: dict[Outcome, int] = Field(description="Customers by what became of them")
    records: tuple[PublishedRecord, ...] = Field(description="Those that are more than counted: failures, then changes")
    more: int = Field(default=0, description="How many of those were cut off here")
    sentence: str = Field(description="The whole in words")
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")
    policy: PolicyRef = Field(description="Name, version and hash of the policy that scored")


@dataclass(frozen=True)
class Prepared:
    """A publication that is ready to be carried out, and the number of the last one of its accounts on record."""

    plan: Plan
    report: Publication
    last: int


def summary(counts: dict[Outcome, int], *, applied: bool) -> str:
    """How many customers there are of each outcome, in words."""
    written = counts[Outcome.WRITTEN if applied else Outcome.TO_WRITE]
    if applied:
        first = count("{n} customer written", "{n} customers written", written)
    else:
        first = count("{n} customer would be written", "{n} customers would be written", written)
    rest = [
        say("{outcome}: {n}", outcome=outcome_word(outcome), n=figure(counts[outcome]))
        for outcome in (Outcome.UNCHANGED, Outcome.NOT_SCORED, Outcome.NOT_MATCHED, Outcome.FAILED)
        if counts[outcome] or outcome is Outcome.UNCHANGED
    ]
    return "; ".join([first, *rest]) + "."


def outcome_word(outcome: Outcome) -> str:
    """What became of a customer, as a reader sees it."""
    return say(_OUTCOMES[outcome])


def as_markdown(found: Publication) -> str:
    """The report for people: the sum, a table of differences, and what could not be done."""
    lines = [say("## Health to Sage Intacct"), "", found.sentence]
    shown = [record for record in found.records if record.after or record.before]
    if shown:
        heads = [say("account"), say("customer"), say("score"), say("status"), say("churn risk"), say("outcome")]
        lines += ["", _row(heads), _row(["---"] * len(heads)), *(_row(_cells(record)) for record in shown)]
    if found.more:
        lines += ["", count("{n} more is not shown.", "{n} more are not shown.", found.more)]
    problems = [
        f"- {markdown_name(record.name, _CHARACTERS)}: {prose(record.sentence, _CHARACTERS * 2)}"
        for record in found.records
        if record.sentence
    ]
    lines += ["", *problems] if problems else []
    if not found.applied and found.counts[Outcome.TO_WRITE]:
        lines += ["", say("Nothing was written. The same command with `--apply` writes it.")]
    return "\n".join(lines)


def one_line(record: PublishedRecord) -> str:
    """What changes about one customer, for a question to a person."""
    account, customer, *changes, _ = _cells(record)
    return f"{account} ({customer}): {', '.join(changes)}"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(record: PublishedRecord) -> list[str]:
    before, after = record.before or HealthHeld(), record.after
    return [
        markdown_name(record.name, _CHARACTERS),
        code(record.customer, _CHARACTERS) if record.customer else _NONE,
        _moved(*(None if held is None or held.score is None else str(held.score) for held in (before, after))),
        _moved(*(None if held is None else word("intacct", held.status or "") or None for held in (before, after))),
        _moved(*(None if held is None else _yes(held.churn_risk) for held in (before, after))),
        outcome_word(record.outcome),
    ]


def _yes(risk: bool | None) -> str | None:  # noqa: FBT001 - the value itself
    return None if risk is None else say("yes") if risk else say("no")


def _moved(before: str | None, after: str | None) -> str:
    """Both where they differ; only what stands there where nothing is said of it."""
    if before == after or after is None:
        return before or _NONE
    return f"{before or _NONE} → {after}"
