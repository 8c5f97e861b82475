"""Change: four parts that add up, each holding what it is named after; and what had happened by an instant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from account_health.assess import evaluated
from account_health.change import explained, whole_points
from account_health.chronicle import ChangeParts
from account_health.evaluation import TableState
from account_health.history.packing import STATES, pack
from account_health.history.records import Packed, Reading
from account_health.model import Source, State
from account_health.policy import default_document, load_policy, parse_policy
from account_health.readings import readings_of
from account_health.scoring import Rubric, score_matrix
from account_health.tables import (
    TABLES,
    Invoice,
    MetricValue,
    Opportunity,
    Row,
    Subscription,
    SurveyResponse,
    Ticket,
    Touchpoint,
    UsageDay,
)
from account_health.wording import trimmed
from given import AS_OF, Given, account, ago, evaluation_of, gatherer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from account_health.change import Explained
    from account_health.connectors.base import Connector
    from account_health.evaluation import Evaluation
    from account_health.policy import Policy

POLICY = load_policy()
METRICS = tuple(POLICY.metrics)
PARTS = tuple(ChangeParts.model_fields)
EXACT = 1e-9
"""How far published parts may be from the published difference: their last digit."""
DRIVERS_SUM = 1e-6
DAYS = 30
"""Between the two readings of the cases below."""
THEN = ago(DAYS)


def policy_of(change: Callable[[dict[str, Any]], None]) -> Policy:
    """The default policy with something changed."""
    document = default_document()
    change(document)
    return parse_policy(document, "changed.toml")


def _weigh_otherwise(document: dict[str, Any]) -> None:
    weights = {"usage": 10, "support": 40, "satisfaction": 5, "commercial": 30, "relationship": 15}
    for name, weight in weights.items():
        document["dimensions"][name]["weight"] = weight
    for place, metric in enumerate(document["metrics"].values()):
        metric["weight"] = metric.get("weight", 0) * (1 + place % 3)


def _curve_otherwise(document: dict[str, Any]) -> None:
    for metric in document["metrics"].values():
        if metric.get("weight"):
            metric["curve"] = [[value, 20 + points / 2] for value, points in metric["curve"]]


UNMEASURED = ("features_adopted", "tickets_change_ratio", "nps_latest", "open_downgrade", "champion_active")


def _measure_less(document: dict[str, Any]) -> None:
    del document["flags"]["nps_detractor"]
    for name in UNMEASURED:
        del document["metrics"][name]


OTHERS = {
    "weights": policy_of(_weigh_otherwise),
    "curves": policy_of(_curve_otherwise),
    "fewer metrics": policy_of(_measure_less),
}
POLICIES = (POLICY, *OTHERS.values())
WITHOUT_SILENCE = policy_of(lambda document: document["metrics"].pop("days_since_last_activity"))
"""Of product use it measures windows alone."""


# --- Any values, any states, any policies ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """What was measured of one account, in the order of the default policy, and the states of its tables."""

    values: NDArray[np.float64]
    known: NDArray[np.bool_]
    applicable: NDArray[np.bool_]
    provided: NDArray[np.bool_]
    states: tuple[State, ...]


BARE = evaluation_of(Given([account()]))
UNREAD = next(readings_of(BARE))


def evaluation(measured: Measured, policy: Policy) -> Evaluation:
    """The evaluation under a policy of what was measured."""
    columns = [METRICS.index(name) for name in policy.metrics]
    matrix = replace(
        BARE.matrix,
        metrics=tuple(policy.metrics),
        values=measured.values[np.newaxis, columns],
        known=(measured.known & measured.applicable)[np.newaxis, columns],
        applicable=measured.applicable[np.newaxis, columns],
        seen=np.full((1, len(columns)), np.nan),
        at_least=np.zeros((1, len(columns)), dtype=bool),
        provided=measured.provided[columns],
    )
    rubric = Rubric.of(policy)
    scores, contributions = score_matrix(matrix, rubric)
    found = replace(BARE, policy=policy, rubric=rubric, matrix=matrix, scores=scores, contributions=contributions)
    # What a query would find: the rows behind these numbers do not exist.
    tables = {table: TableState(state) for table, state in zip(TABLES, measured.states, strict=True)}
    vars(found)["states"] = {"acme": tables}
    return found


def reading(measured: Measured, policy: Policy) -> Reading:
    """The same as the history would hold it."""
    read = evaluation(measured, policy)
    values, marks = pack(read.matrix)
    return replace(
        UNREAD,
        score=trimmed(read.scores.score[0]) if read.scores.scored[0] else None,
        packed=Packed(values[0], marks[0], bytes(STATES.index(state) for state in measured.states)),
        policy=policy.ref.hash,
    )


@st.composite
def measurements(draw: st.DrawFn) -> Measured:
    """Any values of which any are known, and usually enough for a score."""
    size = len(METRICS)

    def some(share: float) -> NDArray[np.bool_]:
        return draw(arrays(np.float64, size, elements=st.floats(0, 1))) < share

    return Measured(
        values=draw(arrays(np.float64, size, elements=st.floats(-150, 400))),
        known=some(draw(st.sampled_from([0.9, 0.5]))),
        applicable=some(0.9),
        provided=some(0.9),
        states=tuple(draw(st.lists(st.sampled_from(State), min_size=len(TABLES), max_size=len(TABLES)))),
    )


Journeys = st.tuples(measurements(), measurements(), measurements(), *[st.sampled_from(POLICIES)] * 2)
"""What was read, what had happened by then as today's clock sees it, what there is now, and the policies."""


@given(Journeys)
def test_the_parts_add_up_to_the_published_difference(
    journey: tuple[Measured, Measured, Measured, Policy, Policy],
) -> None:
    read, then, now, old, new = journey
    start, end = reading(read, old), evaluation(now, new)
    found = explained(start, tuple(old.metrics), evaluation(then, new), end)

    assume(found is not None)
    assert found is not None
    assert start.score is not None
    published = found.parts.as_json()
    assert sum(published[part] for part in PARTS) == pytest.approx(
        trimmed(end.scores.score[0]) - start.score, abs=EXACT, rel=0
    )
    moved = sum(driver.as_json()["change"] for driver in found.drivers)
    assert moved == pytest.approx(found.parts.coverage + found.parts.time + found.parts.data, abs=DRIVERS_SUM)
    names = [driver.metric for driver in found.drivers]
    assert set(names) <= set(new.weighted)
    assert len(set(names)) == len(names)


@given(Journeys)
def test_without_a_score_at_either_end_there_are_no_parts(
    journey: tuple[Measured, Measured, Measured, Policy, Policy],
) -> None:
    read, then, now, old, new = journey
    start, end = reading(read, old), evaluation(now, new)
    unknown = replace(now, known=np.zeros_like(now.known))

    assert explained(replace(start, score=None), tuple(old.metrics), evaluation(then, new), end) is None
    assert explained(start, tuple(old.metrics), evaluation(then, new), evaluation(unknown, new)) is None


@given(measurements(), st.sampled_from(POLICIES))
def test_where_nothing_changed_every_part_is_zero(measured: Measured, policy: Policy) -> None:
    same = evaluation(measured, policy)
    found = explained(reading(measured, policy), tuple(policy.metrics), same, same)

    assume(found is not None)
    assert found is not None
    assert list(found.parts.as_json().values()) == [0, 0, 0, 0]
    assert found.drivers == ()


@st.composite
def parts_and_totals(draw: st.DrawFn) -> tuple[list[float], int]:
    """Four parts, and a whole number within 1 of their sum."""
    parts = draw(st.lists(st.sampled_from([0.0, 1.0, -0.5]) | st.floats(-100, 100), min_size=4, max_size=4))
    whole = math.fsum(parts)
    return parts, draw(st.integers(math.ceil(whole - 1), math.floor(whole + 1)))


@given(parts_and_totals())
def test_whole_points_add_up_and_each_is_within_one_of_its_part(found: tuple[list[float], int]) -> None:
    parts, total = found
    points = whole_points(parts, total)

    assert all(isinstance(point, int) for point in points)
    assert sum(points) == total
    for part, point in zip(parts, points, strict=True):
        assert abs(point - part) <= 1 + EXACT


@given(parts_and_totals())
def test_what_moved_nothing_is_given_no_point(found: tuple[list[float], int]) -> None:
    parts, total = found
    assume(abs(math.fsum(parts) - total) < 1 - EXACT)

    assert all(point == 0 for part, point in zip(parts, whole_points(parts, total), strict=True) if part == 0)


# --- One reason at a time -------------------------------------------------------------------------------------------

STANDING = account(contract_status="active", champion_active=True, licensed_seats=100)
"""With nothing in its tables, an account that is scored and that time alone does not move."""
EVENTS = ("ticket", "invoice", "opportunity")


def standing(*rows: Row, tables: Sequence[str] = ()) -> Given:
    """That account with further rows and tables."""
    held = {row.table for row in rows}
    return Given([*(() if "account" in held else (STANDING,)), *rows], tables={*EVENTS, *tables, *held})


def change_between(
    before: Sequence[Connector], after: Sequence[Connector], old: Policy = POLICY, new: Policy = POLICY
) -> Explained:
    """The change of the account from what the sources said at the reading to what they say now."""
    start = next(readings_of(evaluation_of(*before, policy=old, as_of=THEN)))
    then, now = evaluations(after, new)
    found = explained(start, tuple(old.metrics), then, now)
    assert found is not None
    assert start.score is not None
    assert sum(found.parts.as_json().values()) == pytest.approx(
        trimmed(now.scores.score[0]) - start.score, abs=EXACT, rel=0
    )
    return found


def evaluations(sources: Sequence[Connector], policy: Policy = POLICY) -> tuple[Evaluation, Evaluation]:
    """Today's clock over what had happened by the reading, and over everything."""

    async def ask() -> tuple[Evaluation, Evaluation]:
        gathered = gatherer(*sources)
        then = await evaluated(gathered, policy, AS_OF, ["acme"], known_until=THEN)
        return then, await evaluated(gathered, policy, AS_OF, ["acme"])

    return anyio.run(ask)


def only(part: str, found: Explained) -> float:
    """The points of this part, which is not zero, while the others are."""
    parts = found.parts.as_json()
    assert {name for name in PARTS if parts[name]} == {part}, parts
    return float(parts[part])


def moved(found: Explained) -> dict[str, float]:
    """The metrics that moved the score."""
    return {driver.metric: driver.change for driver in found.drivers}


def survey(days: float, score: float = 9) -> SurveyResponse:
    return SurveyResponse(account_id="acme", respondent="ada", responded_at=ago(days), kind="nps", score=score)


def ticket(**values: object) -> Ticket:
    """An urgent ticket, opened long before both readings and their windows."""
    return Ticket.model_validate(
        {"account_id": "acme", "ticket_id": "t-1", "opened_at": ago(140), "priority": "urgent", **values}
    )


def invoice(**values: object) -> Invoice:
    """An invoice that was so long overdue at the reading that further days make it no worse."""
    return Invoice.model_validate(
        {"account_id": "acme", "invoice_id": "i-1", "issued_at": ago(140), "due_at": ago(100), **values}
    )


def downgrade(**values: object) -> Opportunity:
    return Opportunity.model_validate(
        {
            "account_id": "acme",
            "opportunity_id": "o-1",
            "kind": "downgrade",
            "stage_kind": "open",
            "created_at": ago(80),
            **values,
        }
    )


def term(**values: object) -> Subscription:
    """A contract term that began two years ago."""
    return Subscription.model_validate(
        {
            "account_id": "acme",
            "subscription_id": "s-1",
            "started_at": ago(730),
            "arr": 1000,
            "currency": "EUR",
            **values,
        }
    )


def use(first: float, last: float, logins: int) -> list[UsageDay]:
    """Days of product use, from and to so many days ago."""
    return [
        UsageDay(account_id="acme", day=(AS_OF - timedelta(day)).date(), logins=logins, active_users=logins)
        for day in range(int(first), int(last) - 1, -1)
    ]


@pytest.mark.parametrize("name", OTHERS)
def test_another_policy_alone_is_all_policy(name: str) -> None:
    rows = standing(ticket())

    assert only("policy", change_between([rows], [rows], new=OTHERS[name])) != 0


@pytest.mark.parametrize("name", OTHERS)
def test_going_back_to_the_policy_before_is_all_policy_too(name: str) -> None:
    rows = standing(ticket())

    there = change_between([rows], [rows], new=OTHERS[name])
    back = change_between([rows], [rows], old=OTHERS[name])
    assert only("policy", back) == pytest.approx(-there.parts.policy)
    assert back.drivers == ()


def test_a_metric_that_is_new_in_the_policy_counts_as_policy_unless_its_source_came_too() -> None:
    less, answers = OTHERS["fewer metrics"], _alone(survey(100, 2))
    known = change_between([standing(), answers], [standing(), answers], old=less)
    new = change_between([standing()], [standing(), answers], old=less)

    assert only("policy", known) < 0
    assert "nps_latest" not in moved(known)
    assert (new.parts.time, new.parts.data) == (0, 0)
    assert new.parts.coverage < 0 < new.parts.policy
    assert new.drivers[0].metric == "nps_latest"


@pytest.mark.parametrize("days", [DAYS + 1, DAYS - 1])
def test_a_source_that_is_newly_connected_is_all_coverage_whatever_the_age_of_its_rows(days: float) -> None:
    found = change_between([standing()], [standing(), _alone(survey(days, 2))])

    assert only("coverage", found) < 0
    most = found.drivers[0]
    assert (most.metric, most.before, most.after) == ("nps_latest", None, 2)


def test_a_source_that_is_lost_is_all_coverage() -> None:
    found = change_between([standing(), _alone(survey(100, 2))], [standing()])

    assert only("coverage", found) > 0
    most = found.drivers[0]
    assert (most.metric, most.before, most.after) == ("nps_latest", 2, None)
    assert most.sentence == "Latest NPS answers no longer known"


def test_a_source_that_fails_is_all_coverage() -> None:
    answers = _alone(survey(100, 2))
    failed = replace(answers, changes={"survey_response": {"failure": "It cannot be reached.", "rows": ()}})

    assert only("coverage", change_between([standing(), answers], [standing(), failed])) > 0
    assert only("coverage", change_between([standing(), failed], [standing(), answers])) < 0


def test_a_source_that_no_longer_knows_the_account_is_all_coverage() -> None:
    answers = _alone(survey(100, 2))
    unmatched = replace(answers, rows=[], states={"survey_response": {"acme": State.NOT_MATCHED}})

    assert only("coverage", change_between([standing(), answers], [standing(), unmatched])) > 0


class _OneTable(Given):
    """A source without a list of accounts."""

    def provides(self) -> dict[str, Source]:
        return {table: source for table, source in super().provides().items() if table != "account"}


def _alone(*rows: Row, tables: Sequence[str] | None = None) -> Given:
    return _OneTable(rows, tables, label="Another system")


@pytest.mark.parametrize(
    ("row", "metric"),
    [
        pytest.param(survey(190, 2), "nps_latest", id="an answer ages out"),
        pytest.param(
            Touchpoint(account_id="acme", at=ago(60), kind="meeting", executive=True, attended=True),
            "days_since_executive_touch",
            id="an executive touch gets older",
        ),
        pytest.param(invoice(due_at=ago(DAYS - 10)), "overdue_invoices", id="an invoice falls due"),
        pytest.param(ticket(escalated_at=ago(100)), "escalations_90d", id="an escalation is forgotten"),
        pytest.param(
            MetricValue(account_id="acme", metric="nps_latest", value=2, as_of=ago(DAYS + 160)),
            "nps_latest",
            id="a supplied value gets too old",
        ),
        pytest.param(
            Opportunity(
                account_id="acme", opportunity_id="o", kind="expansion", stage_kind="won", close_date=ago(370).date()
            ),
            "expansions_12m",
            id="an expansion leaves the year",
        ),
    ],
)
def test_days_alone_are_all_time(row: Row, metric: str) -> None:
    found = change_between([standing(row)], [standing(row)])

    assert only("time", found)
    assert metric in moved(found)


def test_days_alone_do_not_move_what_they_cannot_move() -> None:
    rows = [
        ticket(),
        ticket(ticket_id="t-2", status="solved"),
        invoice(),
        invoice(invoice_id="i-2", status="void"),
        downgrade(),
        downgrade(opportunity_id="o-2", stage_kind="lost"),
        term(),
        *use(200, 0, 10),
    ]
    found = change_between([standing(*rows)], [standing(*rows)], old=WITHOUT_SILENCE, new=WITHOUT_SILENCE)

    assert found.parts == ChangeParts(policy=0, coverage=0, time=0, data=0)
    assert found.drivers == ()


NEWS = [
    pytest.param([], [survey(DAYS - 1, 2)], "nps_latest", id="a first answer"),
    pytest.param([survey(100, 9)], [survey(100, 9), survey(DAYS - 1, 2)], "nps_latest", id="a later answer"),
    pytest.param([], [ticket(opened_at=ago(20))], "open_urgent_tickets", id="a ticket is opened"),
    pytest.param([ticket()], [ticket(solved_at=ago(20), status="solved")], "open_urgent_tickets", id="it is solved"),
    pytest.param([ticket()], [ticket(escalated_at=ago(20))], "escalations_90d", id="it is escalated"),
    pytest.param(
        [ticket(priority="low")],
        [ticket(priority="low", solved_at=ago(20), csat=1, csat_low=0, csat_high=10)],
        "csat_90d",
        id="it is rated",
    ),
    pytest.param([invoice()], [invoice(paid_at=ago(20), status="paid")], "days_overdue", id="an invoice is paid"),
    pytest.param([invoice()], [invoice(last_failed_at=ago(20))], "failed_payments_90d", id="a payment fails"),
    pytest.param([], [downgrade(created_at=ago(20))], "open_downgrade", id="a downgrade begins"),
    pytest.param(
        [downgrade()], [downgrade(stage_kind="lost", close_date=ago(20).date())], "open_downgrade", id="it is lost"
    ),
    pytest.param(
        [downgrade(close_date=ago(20).date())],
        [downgrade(stage_kind="won", close_date=ago(20).date())],
        "open_downgrade",
        id="it is won on the expected day",
    ),
    pytest.param([term()], [term(ended_at=ago(20))], "arr_change_pct_12m", id="a contract term ends"),
    pytest.param(
        [term(subscription_id="s-0")],
        [
            term(subscription_id="s-0", ended_at=ago(20)),
            term(subscription_id="s-1", started_at=ago(20), arr=2000),
        ],
        "arr_change_pct_12m",
        id="a contract is renewed",
    ),
    pytest.param([], use(20, 0, 10), "days_since_last_activity", id="the product is used for the first time"),
    pytest.param(
        [],
        [Touchpoint(account_id="acme", at=ago(20), kind="qbr", attended=False)],
        "qbr_attendance_12m",
        id="a business review is missed",
    ),
    pytest.param(
        [account(contract_status="active", champion_active=True, licensed_seats=100)],
        [account(contract_status="notice", champion_active=True, licensed_seats=100)],
        "contract_standing",
        id="the contract changes, without a date",
    ),
    pytest.param(
        [account(contract_status="active", champion_active=True, licensed_seats=100)],
        [account(contract_status="active", champion_active=False, licensed_seats=100)],
        "champion_active",
        id="the champion leaves, without a date",
    ),
    pytest.param(
        [MetricValue(account_id="acme", metric="csat_90d", value=90, as_of=ago(DAYS))],
        [MetricValue(account_id="acme", metric="csat_90d", value=20, as_of=ago(DAYS - 10))],
        "csat_90d",
        id="a supplied value is replaced",
    ),
]


@pytest.mark.parametrize(("before", "after", "metric"), NEWS)
def test_what_happened_after_the_reading_is_all_data(before: list[Row], after: list[Row], metric: str) -> None:
    tables = [row.table for row in (*before, *after)]
    found = change_between([standing(*before, tables=tables)], [standing(*after, tables=tables)])

    assert only("data", found)
    assert metric in moved(found)


def test_what_had_happened_before_the_reading_counts_as_it_did_then() -> None:
    rows = [
        ticket(solved_at=ago(DAYS + 60), status="solved", escalated_at=ago(DAYS + 61)),
        invoice(paid_at=ago(DAYS + 1), status="paid"),
        downgrade(stage_kind="lost", close_date=ago(DAYS + 1).date()),
        term(ended_at=ago(DAYS + 1)),
    ]
    then, now = evaluations([standing(*rows)])

    assert_same(then, now)


def test_windows_of_product_use_are_moved_by_data_and_not_by_the_clock() -> None:
    before, after = use(200, DAYS, 10), use(200, DAYS, 10) + use(DAYS - 1, 1, 4)
    found = change_between([standing(*before)], [standing(*after)], old=WITHOUT_SILENCE, new=WITHOUT_SILENCE)

    assert only("data", found) < 0
    assert moved(found).keys() == {"logins_change_pct", "active_users_change_pct"}


def test_an_export_that_gets_too_old_is_all_time() -> None:
    export = replace(standing(*use(200, DAYS + 5, 10)), changes={"usage_day": {"live": False}})
    found = change_between([export], [export])

    assert only("time", found)
    assert {"logins_change_pct", "days_since_last_activity"} <= moved(found).keys()


def test_of_a_product_that_nobody_uses_any_more_the_clock_moves_the_days_since() -> None:
    rows = use(200, DAYS, 10)
    quiet = change_between([standing(*rows)], [standing(*rows)])
    windows = change_between([standing(*rows)], [standing(*rows)], old=WITHOUT_SILENCE, new=WITHOUT_SILENCE)

    assert quiet.parts.time < 0
    assert only("data", windows) < 0


# --- What had happened by an instant --------------------------------------------------------------------------------


def assert_same(one: Evaluation, other: Evaluation, metrics: Sequence[str] = METRICS) -> None:
    """Both have measured the same."""
    columns = [one.matrix.column(metric) for metric in metrics]
    for name in ("known", "applicable"):
        np.testing.assert_array_equal(
            getattr(one.matrix, name)[:, columns], getattr(other.matrix, name)[:, columns], name
        )
    ours, theirs = (np.where(found.matrix.known, found.matrix.values, 0)[:, columns] for found in (one, other))
    np.testing.assert_array_equal(ours, theirs, str(metrics))


Hours = st.integers(0, 4 * DAYS * 24).map(lambda hours: AS_OF - timedelta(hours=hours))
"""Instants on both sides of the reading, and sometimes that of the reading itself."""
Dates = Hours.map(datetime.date)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


ROWS = st.one_of(
    st.builds(
        Ticket, account_id=st.just("acme"), ticket_id=st.uuids().map(str), opened_at=Hours, solved_at=maybe(Hours),
        status=maybe(st.sampled_from(["open", "solved"])), priority=st.just("urgent"), escalated_at=maybe(Hours),
        reopened_count=st.integers(0, 1), csat=maybe(st.integers(1, 5)), csat_low=st.just(1), csat_high=st.just(5),
    ),
    st.builds(
        Invoice, account_id=st.just("acme"), invoice_id=st.uuids().map(str), amount=st.none(), currency=st.none(),
        issued_at=Hours, due_at=maybe(Hours), paid_at=maybe(Hours), last_failed_at=maybe(Hours),
        status=maybe(st.sampled_from(["open", "paid", "void"])),
    ),
    st.builds(
        Opportunity, account_id=st.just("acme"), opportunity_id=st.uuids().map(str), amount=st.none(),
        currency=st.none(), created_at=maybe(Hours), close_date=maybe(Dates),
    ),
    st.builds(
        Subscription, account_id=st.just("acme"), subscription_id=st.uuids().map(str), started_at=Hours,
        ended_at=maybe(Hours), arr=st.integers(1, 900), currency=st.just("EUR"), seats=st.integers(1, 90),
        renews_at=st.none(),
    ),
    st.builds(
        SurveyResponse, account_id=st.just("acme"), respondent=st.sampled_from("ab"), responded_at=Hours,
        kind=st.sampled_from(["nps", "csat"]), score=st.integers(0, 10), scale_low=st.just(0), scale_high=st.just(10),
    ),
    st.builds(Touchpoint, account_id=st.just("acme"), at=Hours),
    st.builds(UsageDay, account_id=st.just("acme"), day=Dates, logins=st.integers(0, 9)),
    st.builds(
        MetricValue, account_id=st.just("acme"), metric=st.just("csat_90d"), value=st.integers(0, 99), as_of=Hours
    ),
)  # fmt: skip


def as_it_was(row: Row) -> Row | None:
    """The row as its source had it at the reading, if it had it at all: what the metrics counted then, in Python."""
    undone: dict[str, object] = {}
    begins = getattr(row, TABLES[row.table].occurred)
    if isinstance(row, UsageDay | MetricValue):
        had = begins <= (THEN.date() if isinstance(row, UsageDay) else THEN)
    else:
        had = begins is None or begins < THEN
    if isinstance(row, Ticket):
        if row.solved_at and row.solved_at >= THEN:
            undone |= {"solved_at": None, "status": None, "csat": None}
        if row.escalated_at and row.escalated_at >= THEN:
            undone |= {"escalated_at": None}
    if isinstance(row, Invoice):
        if row.paid_at and row.paid_at >= THEN:
            undone |= {"paid_at": None, "status": None}
        if row.last_failed_at and row.last_failed_at >= THEN:
            undone |= {"last_failed_at": None}
    if isinstance(row, Subscription) and row.ended_at and row.ended_at >= THEN:
        undone |= {"ended_at": None}
    if isinstance(row, Opportunity) and row.close_date and row.close_date > THEN.date():
        undone |= {"stage_kind": "open"}
    return row.model_copy(update=undone) if had else None


WINDOWS_OF_USE = {name for name, metric in POLICY.metrics.items() if metric.window and "usage_day" in str(metric.reads)}
"""They end where use was last seen, so they are compared where the clock stands still."""

# Without shrinking: it would run the whole pipeline for minutes before a failure is told.
pipeline = settings(max_examples=10, phases=set(Phase) - {Phase.shrink, Phase.explain})


@pipeline
@given(st.lists(ROWS, min_size=8, max_size=40))
def test_rows_are_known_as_they_were_when_the_clock_goes_on(rows: list[Row]) -> None:
    had = [was for was in map(as_it_was, rows) if was is not None]
    then, _ = evaluations([Given([STANDING, *rows], TABLES)])

    assert_same(then, evaluation_of(Given([STANDING, *had], TABLES)), [m for m in METRICS if m not in WINDOWS_OF_USE])


@pipeline
@given(st.lists(ROWS, min_size=8, max_size=40))
def test_at_the_instant_itself_nothing_later_counts_anyway(rows: list[Row]) -> None:
    source = Given([STANDING, *rows], TABLES)

    async def ask() -> Evaluation:
        return await evaluated(gatherer(source), POLICY, THEN, known_until=THEN)

    # Whether the source has later rows, its state tells; without any before, there is nothing to be compared.
    having = {row.table for row in rows if as_it_was(row)}
    metrics = [
        name
        for name, metric in POLICY.metrics.items()
        if all(part.partition(".")[0] in {*having, *EVENTS} for entry in metric.reads for part in entry.split("|"))
    ]
    assert_same(anyio.run(ask), evaluation_of(source, as_of=THEN), metrics)


def test_what_happens_later_that_evening_in_the_west_is_known_by_its_day() -> None:
    policy = policy_of(lambda document: document.update(time_zone="America/Los_Angeles"))
    evening, tomorrow = datetime(2026, 10, 22, 2), date(2026, 10, 22)
    rows = [
        *use(40, 30, 5),
        downgrade(stage_kind="lost", close_date=tomorrow),
        downgrade(opportunity_id="o-2", stage_kind="lost", close_date=tomorrow - timedelta(1)),
    ]

    async def ask() -> Evaluation:
        sources = gatherer(standing(*rows))
        return await evaluated(sources, policy, evening + timedelta(5), known_until=evening)

    assert use(30, 30, 5)[0].day == tomorrow
    found = anyio.run(ask).matrix
    silence, open_deals = (found.values[0, found.column(m)] for m in ("days_since_last_activity", "open_downgrade"))
    assert (silence, open_deals) == (5, 1)
