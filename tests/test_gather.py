"""Gathering: a source that fails is a state and not an exception; fresh, stale and partial are told apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from account_health.assess import assess
from account_health.connectors.base import RejectedRow
from account_health.errors import SourceError
from account_health.model import FlagState, Source, State
from account_health.policy import load_policy
from account_health.tables import TABLES, Row, SurveyResponse, Ticket, Touchpoint, UsageDay
from given import AS_OF, Given, account, ago, assessments_of, evaluation_of, gatherer

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from account_health.connectors.base import Connector, Delivery, Query
    from account_health.model import Assessment, InputReport


@dataclass
class Failing(Given):
    """A source of tickets that cannot deliver."""

    rows: Sequence[Row] = ()
    tables: Sequence[str] = ("ticket",)
    error: Exception = field(default_factory=lambda: SourceError("The helpdesk is down.", "Ask its vendor."))

    def provides(self) -> Mapping[str, Source]:
        """The tables that will fail."""
        return {table: TABLES[table].category for table in self.tables}

    async def fetch(self, query: Query) -> Sequence[Delivery]:  # noqa: ARG002 - the protocol names it
        """Raises."""
        raise self.error


@dataclass
class Tickets(Given):
    """A second helpdesk, without a list of accounts."""

    label: str = "second helpdesk"

    def provides(self) -> Mapping[str, Source]:
        """Tickets alone."""
        return {"ticket": Source.SUPPORT}


def ticket(ticket_id: str = "1", days: float = 3, **values: object) -> Ticket:
    row = {"account_id": "acme", "ticket_id": ticket_id, "opened_at": ago(days), **values}
    return Ticket.model_validate(row)


def touchpoint(days: float) -> Touchpoint:
    return Touchpoint(account_id="acme", at=ago(days), kind="qbr", executive=True, attended=True)


def answer(*sources: Connector) -> Assessment:
    return assessments_of(*sources)[0]


def report(assessment: Assessment, source: Source) -> InputReport:
    return next(r for r in assessment.inputs if r.source is source or r.source == source)


def known(assessment: Assessment) -> set[str]:
    return {factor.metric for factor in assessment.factors}


def test_a_source_that_cannot_deliver_is_a_failed_line_and_the_others_still_count() -> None:
    a = answer(Given([account(), touchpoint(3)]), Failing())

    assert report(a, Source.SUPPORT).state is State.FAILED
    assert report(a, Source.SUPPORT).sentence == "The helpdesk is down. Ask its vendor; failed at 2026-11-21 09:00 UTC"
    assert "days_since_executive_touch" in known(a)
    assert "tickets_30d" not in known(a)
    assert {f.flag for f in a.flags if f.state is FlagState.UNKNOWN} >= {"support_spike", "escalation_90d"}


@pytest.mark.parametrize("error", [ValueError("token=hunter2"), KeyError("x"), TimeoutError()])
def test_an_unexpected_error_is_failed_in_our_words_and_its_own_are_shown_nowhere(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    a = answer(Given([account()]), Failing(error=error))

    assert report(a, Source.SUPPORT).sentence == (
        "The connector failed unexpectedly; the log names the place; failed at 2026-11-21 09:00 UTC"
    )
    assert "hunter2" not in a.model_dump_json()
    assert f"the given connector raised an unexpected error: {type(error).__name__} in fetch, line " in caplog.text
    assert "hunter2" not in caplog.text


def test_every_table_of_a_failed_source_is_failed() -> None:
    a = answer(Given([account()]), Failing(tables=("ticket", "invoice", "usage_day")))

    failed = {r.source for r in a.inputs if r.state is State.FAILED}
    assert failed == {Source.SUPPORT, Source.BILLING, Source.ANALYTICS}


def test_one_of_two_helpdesks_failing_leaves_its_tickets_partial() -> None:
    spike = [ticket(str(i), 2 + i, escalated_at=ago(1)) for i in range(6)]
    a = answer(Given([account(), *spike]), Failing(label="second helpdesk"))
    flags = {flag.flag: flag.state for flag in a.flags}

    assert "tickets_30d" not in known(a), "half of the tickets is no count"
    assert flags["escalation_90d"] is FlagState.RAISED, "what is seen may raise"
    assert [(r.connector, r.state) for r in a.inputs if r.source == Source.SUPPORT] == [
        ("given rows", State.OBSERVED),
        ("second helpdesk", State.FAILED),
    ]

    quiet = answer(Given([account(), ticket(days=200)]), Failing())
    states = {flag.flag: flag.state for flag in quiet.flags}
    assert states["escalation_90d"] is FlagState.UNKNOWN, "and never clears"


def test_two_helpdesks_are_counted_together() -> None:
    a = answer(Given([account(), ticket("1")]), Tickets([ticket("2"), ticket("3")]))

    assert [f.value for f in a.factors if f.metric == "tickets_30d"] == [3]


def test_without_a_list_of_accounts_nothing_can_be_said() -> None:
    with pytest.raises(SourceError, match="No source lists the accounts"):
        answer(Tickets([]))


def test_a_list_of_accounts_that_cannot_be_read_stops_the_answer_with_its_cause() -> None:
    with pytest.raises(SourceError, match="could not be read: The helpdesk is down"):
        answer(Failing(tables=("account",)), Tickets([]))


def test_unknown_accounts_are_absent() -> None:
    async def ask() -> list[Assessment]:
        return await assess(gatherer(Given([account()])), load_policy(), AS_OF, ["acme", "nobody"])

    assert [a.account.id for a in anyio.run(ask)] == ["acme"]


def rejecting(count: int, of: int, *, account_id: str | None = None) -> Given:
    rejected = [RejectedRow(f"tickets.csv, row {i + 2}", "opened_at is no date", account_id) for i in range(count)]
    changes = {"rejected": rejected, "rejected_total": count, "rows_total": of}
    return Given([account(), ticket()], changes={"ticket": changes})


def test_a_bad_row_is_counted_named_and_left_out() -> None:
    support = report(answer(rejecting(1, of=5, account_id="acme")), Source.SUPPORT)

    assert (support.state, support.rows, support.rejected) == (State.OBSERVED, 1, 1)
    assert "1 row could not be read (`tickets.csv, row 2: opened_at is no date`)" in support.sentence


def test_a_bad_row_of_nobody_knows_whom_is_said_of_the_whole_file() -> None:
    support = report(answer(rejecting(1, of=5)), Source.SUPPORT)

    assert "1 row of the whole file could not be read" in support.sentence


def test_more_bad_rows_than_the_policy_bears_fail_the_table_with_a_sentence() -> None:
    a = answer(rejecting(2, of=9))
    support = report(a, Source.SUPPORT)

    assert support.state is State.FAILED
    assert "2 of 9 rows could not be read, more than 20%" in support.sentence
    assert "row 2: opened_at is no date" in support.sentence
    assert "tickets_30d" not in known(a)


def test_bad_rows_without_examples_fail_the_table_all_the_same() -> None:
    changes = {"rejected": (), "rejected_total": 5, "rows_total": 9}
    support = report(answer(Given([account(), ticket()], changes={"ticket": changes})), Source.SUPPORT)

    assert support.state is State.FAILED
    assert "5 of 9 rows could not be read" in support.sentence


def aged(days: float, *, live: bool) -> Assessment:
    """Tickets fetched, or newest, so many days ago."""
    changes = {"ticket": {"live": live, "fetched_at": ago(days) if live else AS_OF}}
    return answer(Given([account(), ticket("1", days if not live else 3)], changes=changes))


@pytest.mark.parametrize("live", [True, False])
def test_data_older_than_the_policy_allows_is_stale_and_unknown(live: bool) -> None:  # noqa: FBT001 - a table
    fresh, stale = aged(29, live=live), aged(31, live=live)

    assert report(fresh, Source.SUPPORT).state is State.OBSERVED
    assert report(stale, Source.SUPPORT).state is State.STALE
    assert "tickets_30d" in known(fresh)
    assert "tickets_30d" not in known(stale)
    assert "tickets too old to count" in report(stale, Source.SUPPORT).sentence


def test_a_live_source_without_new_rows_is_fresh() -> None:
    a = answer(Given([account(), ticket("1", 300)]))

    assert report(a, Source.SUPPORT).state is State.OBSERVED
    assert report(a, Source.SUPPORT).as_of == AS_OF.replace(tzinfo=UTC)


def test_a_file_is_as_fresh_as_its_newest_row_of_any_account() -> None:
    other = account(account_id="other", name="Other Ltd")
    rows = [account(), other, ticket("1", 200), ticket("2", 2, account_id="other")]
    acme, _ = assessments_of(Given(rows, changes={"ticket": {"live": False}}))

    assert report(acme, Source.SUPPORT).state is State.OBSERVED
    assert report(acme, Source.SUPPORT).as_of == ago(2).replace(tzinfo=UTC)


def test_survey_answers_age_one_by_one_and_not_as_a_table() -> None:
    nps = [
        SurveyResponse(account_id="acme", respondent=who, kind="nps", score=score, responded_at=ago(days))
        for who, score, days in [("old", 1, 181), ("new", 9, 170)]
    ]
    a = answer(Given([account(), *nps], changes={"survey_response": {"live": False}}))

    assert [f.value for f in a.factors if f.metric == "nps_latest"] == [9]


def test_a_stale_one_of_two_sources_makes_the_table_partial() -> None:
    a = answer(
        Given([account(), ticket("1")]),
        Tickets([ticket("2")], changes={"ticket": {"fetched_at": ago(40)}}),
    )

    assert {r.connector: r.state for r in a.inputs if r.source == Source.SUPPORT} == {
        "given rows": State.OBSERVED,
        "second helpdesk": State.STALE,
    }
    assert "tickets_30d" not in known(a)


def steady_use(until: int) -> list[UsageDay]:
    """Ten logins every day, up to some days before the asked one."""
    days = [(AS_OF - timedelta(day)).date() for day in range(until, 100)]
    return [UsageDay(account_id="acme", day=day, logins=10, active_users=5, events=20) for day in days]


def usage_change(*, live: bool, until: int = 8) -> float:
    source = Given([account(), *steady_use(until)], changes={"usage_day": {"live": live}})
    return next(f.value for f in answer(source).factors if f.metric == "logins_change_pct")


def test_an_export_that_ended_some_days_ago_is_no_drop() -> None:
    assert usage_change(live=False) == 0
    assert usage_change(live=True) < -20, "a live source knows that nobody came"


@pytest.mark.parametrize(
    ("until", "live", "end"),
    [
        (8, False, date(2026, 11, 14)),
        (0, False, date(2026, 11, 21)),  # today is not over
        (8, True, date(2026, 11, 21)),
    ],
)
def test_usage_windows_end_with_the_last_complete_day(until: int, live: bool, end: date) -> None:  # noqa: FBT001 - a table
    source = Given([account(), *steady_use(until)], changes={"usage_day": {"live": live}})

    assert evaluation_of(source).inputs.usage_end == end


def test_a_day_is_complete_at_its_last_instant() -> None:
    at_midnight = datetime(2026, 11, 21, 23, 59, 59, 999_999)

    assert evaluation_of(Given([account()]), as_of=at_midnight).inputs.usage_end == date(2026, 11, 22)


@dataclass
class Counting(Given):
    """A source that counts how often it is asked."""

    version: int = 0
    asked: int = 0

    def fingerprint(self, as_of: datetime) -> Hashable:  # noqa: ARG002 - the protocol names it
        """The version the test sets."""
        return self.version

    async def fetch(self, query: Query) -> Sequence[Delivery]:
        """The rows, counted."""
        self.asked += 1
        return await super().fetch(query)


def test_sources_are_asked_again_only_when_their_fingerprints_change() -> None:
    source = Counting([account(), ticket()])
    gathered, policy = gatherer(source), load_policy()

    async def ask(as_of: datetime = AS_OF) -> int:
        await assess(gathered, policy, as_of)
        return source.asked

    assert [anyio.run(ask), anyio.run(ask), anyio.run(ask, ago(3))] == [1, 1, 1]
    source.version += 1
    source.rows = [account(name="Renamed"), ticket()]
    assert anyio.run(ask) == 2


def test_a_changed_source_is_seen_at_once_and_the_old_answer_is_found_again() -> None:
    source = Counting([account()])
    gathered, policy = gatherer(source), load_policy()

    async def ask() -> str:
        return (await assess(gathered, policy, AS_OF))[0].account.name

    names = []
    for version, name in enumerate(["A", "B", "C", "D", "E", "F"]):
        source.version, source.rows = version, [account(name=name)]
        names.append(anyio.run(ask))
    assert names == ["A", "B", "C", "D", "E", "F"]
    source.version = 4
    assert anyio.run(ask) == "E"
    assert source.asked == 6
