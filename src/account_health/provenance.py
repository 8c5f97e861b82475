"""Provenance: where a value comes from, and why one is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from account_health.language import mark, say
from account_health.markup import prose
from account_health.model import Source, State
from account_health.tables import TABLES
from account_health.wording import day, lower_first, number, sentence, source_phrase

if TYPE_CHECKING:
    from account_health.criteria import Metric
    from account_health.evaluation import Evaluation
    from account_health.metrics.matrix import Supplied

CALLER = "caller"
_NOT_CONNECTED = {
    Source.CRM: mark("the CRM is not connected"),
    Source.SUPPORT: mark("the support platform is not connected"),
    Source.ANALYTICS: mark("product analytics is not connected"),
    Source.BILLING: mark("billing is not connected"),
    Source.SURVEYS: mark("the survey tool is not connected"),
}
_LACKS = {
    State.NOT_MATCHED: mark("the account is not matched in {source}"),
    State.FAILED: mark("{source} could not be read"),
    State.STALE: mark("the data in {source} is too old"),
    State.PARTIAL: mark("{source} answered only in part"),
}


@dataclass(frozen=True)
class Absence:
    """Why a metric is unknown for an account: which source lacks it, in which state, and a phrase that says so."""

    source: Source
    state: State
    phrase: str


def absence(evaluation: Evaluation, row: int, metric: str) -> Absence:
    """The first thing that a metric reads and that is not there."""
    chosen = evaluation.policy.metrics[metric]
    account = evaluation.accounts[row]
    if unusable := evaluation.matrix.unusable.get((account, metric)):
        return _unusable(evaluation, chosen, unusable)
    table = ""
    for entry in chosen.reads:
        columns = [column.partition(".")[::2] for column in entry.split("|")]
        told = list(dict.fromkeys(table for table, column in columns if column in evaluation.inputs.provided(table)))
        if not told:
            return _not_told(evaluation, account, columns[0][0], chosen.source if entry == chosen.reads[0] else None)
        lacking = {table: found for table in told if (found := _lacking(evaluation, account, table))}
        if len(lacking) == len(told):
            return next((a for a in lacking.values() if a.state is not State.NOT_APPLICABLE), lacking[told[0]])
        table = next(table for table in told if table not in lacking)
    return _unanswered(evaluation, row, metric, table)


def _unanswered(evaluation: Evaluation, row: int, metric: str, table: str) -> Absence:
    """Everything a metric reads is there, and still the rows do not answer it."""
    account = evaluation.accounts[row]
    source = evaluation.source_of(account, table)
    noun = source_phrase(source)
    if metric in evaluation.matrix.last and evaluation.matrix.last[metric][row] == evaluation.matrix.last[metric][row]:
        return Absence(
            source,
            State.STALE,
            say(
                "the newest answer in {source} is too old to count: {answer}",
                source=noun,
                answer=_last(evaluation, row, metric),
            ),
        )
    start = _window_start(evaluation, metric)
    history = evaluation.states[account][table].observed_from
    if table != "account" and start and history and history > start:
        since = day(history, evaluation.policy.time_zone)
        return Absence(
            source,
            State.PARTIAL,
            say("the history in {source} starts on {day}, after the window does", source=noun, day=since),
        )
    if any(h.rows for h in evaluation.held[account] if h.holding.table == table):
        return Absence(source, State.EMPTY, say("the records in {source} do not tell it", source=noun))
    return Absence(source, State.EMPTY, say("nothing is recorded in {source}", source=noun))


def _unusable(evaluation: Evaluation, metric: Metric, value: Supplied) -> Absence:
    """A value was supplied, but it is impossible or too old."""
    source = evaluation.inputs.holdings[value.delivery].category
    if not metric.allows(value.value):
        return Absence(
            source,
            State.FAILED,
            say(
                "the value supplied, {value}, is impossible; it must be {bounds}",
                value=number(value.value),
                bounds=metric.bounds,
            ),
        )
    said = lower_first(sentence(metric, value.value, evaluation.policy))
    since = day(value.as_of, evaluation.policy.time_zone)
    return Absence(
        source,
        State.STALE,
        say("the value supplied on {day} is too old to count: {sentence}", day=since, sentence=said),
    )


def origin(evaluation: Evaluation, row: int, metric: str) -> tuple[str, datetime | None]:
    """Source and date (aware UTC) of a known metric."""
    account = evaluation.accounts[row]
    supplied = evaluation.matrix.supplied.get((account, metric))
    if supplied:
        source = CALLER if supplied.provider == CALLER else evaluation.inputs.holdings[supplied.delivery].category
        return str(source), supplied.as_of.replace(tzinfo=UTC)
    columns = [
        column.partition(".")[0] for entry in evaluation.policy.metrics[metric].reads[:1] for column in entry.split("|")
    ]
    for table in columns:
        for held in evaluation.held[account]:
            if held.holding.table == table and held.rows | (held.state is State.EMPTY):
                as_of = held.holding.as_of
                return str(held.holding.category), min(as_of, evaluation.inputs.as_of).replace(
                    tzinfo=UTC
                ) if as_of else None
    return str(evaluation.policy.metrics[metric].source), None


def is_current(evaluation: Evaluation, account: str, table: str) -> bool:
    """Whether a table shows today's undated values in an answer about an earlier day."""
    held = [h for h in evaluation.held[account] if h.holding.table == table]
    return table == "account" and any(
        h.rows
        and (h.last_at is None or h.last_at >= evaluation.inputs.as_of)
        and h.holding.fetched_at.date() > evaluation.inputs.as_of.date()
        for h in held
    )


def state_phrase(evaluation: Evaluation, account: str, table: str, state: State) -> str:
    """Says in our words what is the matter with a table of an account, e.g. `product analytics did not answer`."""
    held = next(
        (h for h in evaluation.held[account] if h.holding.table == table and h.state in (state, State.FAILED)), None
    )
    source = evaluation.source_of(account, table)
    limit = evaluation.policy.limits.text_characters
    if held and (
        detail := held.holding.details.get(account) or (held.holding.failure if state is State.FAILED else None)
    ):
        return prose(detail, limit).rstrip(".")
    if state is State.STALE and held and held.holding.as_of:
        return say(
            "the newest data in {source} is from {day}",
            source=source_phrase(source),
            day=day(held.holding.as_of, evaluation.policy.time_zone),
        )
    if state is State.NOT_CONNECTED:
        return say(_NOT_CONNECTED[source])
    return say(_LACKS.get(state, "nothing is recorded in {source}"), source=source_phrase(source))


def _lacking(evaluation: Evaluation, account: str, table: str) -> Absence | None:
    state = evaluation.states[account][table].state
    if state is State.OBSERVED or (state is State.EMPTY and TABLES[table].is_event):
        return None
    source = evaluation.source_of(account, table)
    if state is State.NOT_CONNECTED:
        return _not_connected(evaluation, account, source)
    return Absence(source, state, state_phrase(evaluation, account, table, state))


def _not_told(evaluation: Evaluation, account: str, table: str, source: Source | None) -> Absence:
    """No connected source has such a column: either nothing of its kind is connected, or what is cannot tell."""
    connected = [h for h in evaluation.held[account] if h.holding.table == table]
    if connected and (lacking := _lacking(evaluation, account, table)):
        return lacking
    source = connected[0].holding.category if connected else source or TABLES[table].category
    return _not_connected(evaluation, account, source)


def _not_connected(evaluation: Evaluation, account: str, source: Source) -> Absence:
    """Nothing of the kind is connected at all, or what is connected cannot tell this."""
    if any(h.holding.connector == CALLER for h in evaluation.held[account]):
        return Absence(source, State.NOT_CONNECTED, say("it was not supplied"))
    if any(h.holding.category is source and h.state is not State.NOT_CONNECTED for h in evaluation.held[account]):
        return Absence(source, State.NOT_CONNECTED, say("{source} does not provide this", source=source_phrase(source)))
    return Absence(source, State.NOT_CONNECTED, say(_NOT_CONNECTED[source]))


def _window_start(evaluation: Evaluation, metric: str) -> datetime | None:
    chosen = evaluation.policy.metrics[metric]
    if chosen.window is None:
        return None
    return evaluation.inputs.as_of - chosen.periods * timedelta(days=evaluation.policy.windows.days(chosen.window))


def _last(evaluation: Evaluation, row: int, metric: str) -> str:
    on = evaluation.matrix.dated[metric][row].item()
    value = float(evaluation.matrix.last[metric][row])
    return lower_first(sentence(evaluation.policy.metrics[metric], value, evaluation.policy, on))
