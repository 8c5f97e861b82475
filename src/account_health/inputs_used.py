"""Inputs Used: one report per source, saying what was used, how fresh it is, how it was matched, and what was wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from account_health.language import clauses, count, mark, retold, say
from account_health.markup import code, prose
from account_health.model import InputReport, Source, State
from account_health.nouns import NOUNS, ROWS
from account_health.provenance import is_current, state_phrase
from account_health.tables import TABLES
from account_health.wording import day, listed, minute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.evaluation import Evaluation, Held

_FIELDS = {
    "renewal_date": mark("renewal date"),
    "arr": mark("ARR"),
    "owner": mark("owner"),
    "segment": mark("segment"),
    "licensed_seats": mark("licensed seats"),
    "contract_status": mark("contract status"),
    "champion_active": mark("champion"),
    "customer_since": mark("customer since"),
    "crm_score": mark("the CRM's own score"),
}
_SAID_BY_SQL = (mark("dated before the account became a customer"),)
"""What `census.sql` finds doubtful, for the catalogues."""
_SUMMARY = (State.OBSERVED, State.EMPTY, State.STALE, State.FAILED, State.NOT_MATCHED, State.NOT_APPLICABLE)


def input_reports(evaluation: Evaluation, row: int) -> tuple[InputReport, ...]:
    """One report per connected system, and one per category that nothing is connected for, in the order of Source."""
    account = evaluation.accounts[row]
    reports = []
    for source in Source:
        held = [
            h for h in evaluation.held[account] if h.holding.category is source and h.state is not State.NOT_CONNECTED
        ]
        if not held:
            reports.append(InputReport(source=source, state=State.NOT_CONNECTED, sentence=say("Not connected")))
        by_label = sorted(held, key=_label)
        reports += [_report(evaluation, row, source, list(group)) for _, group in groupby(by_label, key=_label)]
    return tuple(reports)


def _report(evaluation: Evaluation, row: int, source: Source, held: Sequence[Held]) -> InputReport:
    account = evaluation.accounts[row]
    held = sorted(held, key=lambda h: list(TABLES).index(h.holding.table))
    dates = [date for h in held if (date := _dated(h))]
    matched = retold(
        next((h.holding.matched[account] for h in held if account in h.holding.matched), held[0].holding.matched_by)
    )
    is_likely = any(account in h.holding.likely for h in held)
    state = _summary(held)
    as_of = min(max(dates), evaluation.inputs.as_of) if dates else None
    present = any(h.rows for h in held)
    is_matched = state not in (State.NOT_MATCHED, State.FAILED, State.NOT_APPLICABLE)
    return InputReport(
        source=source,
        connector=_label(held[0]),
        state=state,
        as_of=as_of.replace(tzinfo=UTC) if as_of else None,
        rows=sum(h.rows for h in held),
        rejected=sum(_rejected(h, account) for h in held),
        doubtful=sum(h.doubtful for h in held),
        matched_by=(matched or None) if is_matched else None,
        confidence=("likely" if is_likely else "certain") if is_matched and matched else None,
        sentence=_sentence(
            evaluation, row, held, as_of, _match(matched, is_likely=is_likely) if is_matched and present else None
        ),
    )


def _label(held: Held) -> str:
    """What its system is called, in the language that is spoken."""
    return retold(held.holding.label)


def _dated(held: Held) -> datetime | None:
    """How fresh it is; of what failed, when."""
    return held.holding.fetched_at if held.state is State.FAILED else held.holding.as_of


def _summary(held: Sequence[Held]) -> State:
    states = {h.state for h in held}
    useful = states & {State.OBSERVED, State.EMPTY}
    if State.PARTIAL in states or (useful and states & {State.FAILED, State.STALE}):
        return State.PARTIAL
    return next(state for state in _SUMMARY if state in states)


def _sentence(
    evaluation: Evaluation, row: int, held: Sequence[Held], as_of: datetime | None, matched: str | None
) -> str:
    account = evaluation.accounts[row]
    limit = evaluation.policy.limits.text_characters
    parts = [text for h in held if (text := _used(evaluation, row, h))]
    parts = [listed(parts, most=len(parts))] if parts else [say("name only")] if _is_named(held) else []
    parts += dict.fromkeys(_wrong(evaluation, account, h) for h in held if h.state not in (State.OBSERVED, State.EMPTY))
    if as_of:
        when = minute(as_of)
        has_failed = all(h.state is State.FAILED for h in held)
        parts.append(say("failed at {when}", when=when) if has_failed else say("as of {when}", when=when))
    if matched:
        parts.append(say("matched by {how}", how=prose(matched, limit)))
    waited = max(round(h.holding.waited.total_seconds()) for h in held)
    if waited:
        parts.append(say("waited {seconds} s, because the system limits how often it may be asked", seconds=waited))
    parts += [text for h in held if (text := _trouble(h, account, limit))]
    parts += dict.fromkeys(prose(h.holding.note, limit).rstrip(".") for h in held if h.holding.note and h.rows)
    text = clauses(parts) or say("nothing")
    return text[:1].upper() + text[1:] if held[0].state in (State.FAILED, State.NOT_MATCHED) else text


def _match(how: str, *, is_likely: bool) -> str:
    return say("{how} (likely)", how=how) if is_likely else how


def _is_named(held: Sequence[Held]) -> bool:
    return any(h.rows for h in held if h.holding.table == "account")


def _used(evaluation: Evaluation, row: int, held: Held) -> str:
    """What was used of one table, e.g. `14 tickets since 2026-08-23`."""
    table = held.holding.table
    if table == "account":
        profile = evaluation.profiles[evaluation.accounts[row]]
        fields = [say(words) for column, words in _FIELDS.items() if profile[column] is not None]
        undated = is_current(evaluation, evaluation.accounts[row], table)
        text = listed(fields, most=len(fields))
        return say("{fields} (current values)", fields=text) if undated and fields else text
    words = NOUNS[table]
    if held.state is State.EMPTY:
        return say(words.none)
    if not held.rows:
        return ""
    counted = count(*words.rows, held.rows)
    since = held.first_at and table not in ("subscription", "metric_value", "opportunity")
    if since and held.first_at:
        counted = say("{rows} since {day}", rows=counted, day=day(held.first_at, evaluation.policy.time_zone))
    is_past = held.holding.fetched_at.date() > evaluation.inputs.as_of.date()
    if not (is_past and held.undated):
        return counted
    return count(
        "{rows} ({n} with their current status, which has no date)",
        "{rows} ({n} with their current status, which has no date)",
        held.undated,
        rows=counted,
    )


def _wrong(evaluation: Evaluation, account: str, held: Held) -> str:
    if held.state is State.STALE:
        return say(NOUNS.get(held.holding.table, ROWS).stale)
    if held.state is State.NOT_APPLICABLE:
        detail = held.holding.details.get(account) or say("does not apply to this account")
        return prose(detail, 300).rstrip(".")
    return state_phrase(evaluation, account, held.holding.table, held.state)


def _trouble(held: Held, account: str, limit: int) -> str:
    """Rows that could not be read and rows that contradict others, counted and named."""
    parts = []
    rejected = _rejected(held, account)
    if rejected:
        shown = (held.holding.rejected.get(account) or held.holding.rejected.get(None) or ("",))[0]
        reason = code(shown, limit)
        parts.append(
            count(
                "{n} row could not be read ({reason})", "{n} rows could not be read ({reason})", rejected, reason=reason
            )
            if held.holding.rejected.get(account)
            else count(
                "{n} row of the whole file could not be read ({reason})",
                "{n} rows of the whole file could not be read ({reason})",
                rejected,
                reason=reason,
            )
        )
    if held.doubtful:
        doubts = dict.fromkeys(doubt for text in held.doubts for doubt in text.split("; "))
        reasons = prose(clauses(say(doubt) for doubt in doubts), limit)
        texts = NOUNS.get(held.holding.table, ROWS).doubtful
        parts.append(count(*texts, held.doubtful, all=held.rows, reasons=reasons))
    return ", ".join(parts)


def _rejected(held: Held, account: str) -> int:
    """Rows of this account that could not be read, plus those of nobody knows whom."""
    unknown_whose = held.holding.rejected_total - sum(len(v) for k, v in held.holding.rejected.items() if k is not None)
    return len(held.holding.rejected.get(account, ())) + max(unknown_whose, 0)
