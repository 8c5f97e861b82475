"""The score: parts that add up, a range that holds, and what is unknown is never a zero."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from account_health.assess import assess
from account_health.model import Band, Source, State
from account_health.policy import default_document, load_policy, parse_policy
from account_health.scoring import Rubric, contributions, score, weighed
from account_health.tables import (
    Account,
    Invoice,
    Opportunity,
    Row,
    Subscription,
    SurveyResponse,
    Ticket,
    Touchpoint,
    UsageDay,
)
from account_health.wording import rounded
from given import AS_OF, Given, account, ago, assessments_of, gatherer, supplied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from account_health.model import Assessment
    from account_health.policy import Policy

    Matrix = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]

POLICY = load_policy()
RUBRIC = Rubric.of(POLICY)
WEIGHTED = len(RUBRIC.metrics)
LINEAR = replace(RUBRIC, curves=((np.array([0.0, 100.0]), np.array([0.0, 100.0])),) * WEIGHTED)
"""The default weights, with every value worth itself: any number of points can be set."""

SUM = 1e-9
PUBLISHED_SUM = 25e-9
"""As SUM, for a sum of two dozen numbers that were each rounded to nine decimals."""


@st.composite
def matrices(draw: st.DrawFn, accounts: int = 5) -> Matrix:
    """Values, what of them is known, and what applies, of a few accounts."""
    shape = (draw(st.integers(1, accounts)), WEIGHTED)
    values = draw(arrays(np.float64, shape, elements=st.floats(-150, 400)))
    applicable = draw(arrays(np.bool_, shape))
    return values, draw(arrays(np.bool_, shape)) & applicable, applicable


def copied(matrix: Matrix) -> Matrix:
    values, known, applicable = matrix
    return values.copy(), known.copy(), applicable.copy()


@given(matrices())
def test_earned_points_sum_to_the_score_and_lost_ones_to_the_rest(matrix: Matrix) -> None:
    scores, parts = score(*matrix, RUBRIC), contributions(*matrix, RUBRIC)
    has_any = matrix[1].any(axis=1)

    np.testing.assert_allclose(parts.earned.sum(axis=1), scores.score, atol=SUM)
    np.testing.assert_allclose(parts.lost.sum(axis=1)[has_any], 100 - scores.score[has_any], atol=SUM)


@given(matrices())
def test_the_score_lies_inside_its_range_and_the_range_inside_0_to_100(matrix: Matrix) -> None:
    scores = score(*matrix, RUBRIC)
    has_any = matrix[1].any(axis=1)

    assert (scores.low >= -SUM).all()
    assert (scores.high <= 100 + SUM).all()
    assert (scores.low[has_any] <= scores.score[has_any] + SUM).all()
    assert (scores.score[has_any] <= scores.high[has_any] + SUM).all()
    assert ((scores.coverage >= 0) & (scores.coverage <= 1 + SUM)).all()
    np.testing.assert_allclose(scores.high - scores.low, 100 * (1 - scores.coverage), atol=SUM)


@given(matrices())
def test_weights_sum_to_one_over_what_applies_and_over_what_is_known(matrix: Matrix) -> None:
    parts = contributions(*matrix, RUBRIC)

    np.testing.assert_allclose(parts.nominal.sum(axis=1), matrix[2].any(axis=1), atol=SUM)
    np.testing.assert_allclose(parts.effective.sum(axis=1), matrix[1].any(axis=1), atol=SUM)


@given(matrices(), st.integers(0, WEIGHTED - 1))
def test_the_score_without_a_metric_lies_between_it_at_0_and_at_100(matrix: Matrix, metric: int) -> None:
    values, known, applicable = copied(matrix)
    known[:, metric] = False
    has_any = known.any(axis=1)
    without = score(values, known, applicable, LINEAR).score
    applicable[:, metric] = known[:, metric] = True
    values[:, metric] = 0
    worst = score(values, known, applicable, LINEAR).score
    values[:, metric] = 100
    best = score(values, known, applicable, LINEAR).score

    assert (worst[has_any] <= without[has_any] + SUM).all()
    assert (without[has_any] <= best[has_any] + SUM).all()


@given(matrices(), arrays(np.bool_, WEIGHTED))
def test_any_unknown_metrics_at_0_and_at_100_stay_inside_the_range(matrix: Matrix, chosen: NDArray[np.bool_]) -> None:
    _, known, applicable = matrix
    added = chosen & applicable & ~known
    scores, parts = score(*matrix, RUBRIC), contributions(*matrix, RUBRIC)
    weights = weighed(known | added, RUBRIC)
    has_any = (known | added).any(axis=1)
    worst = (weights * parts.points).sum(axis=1)
    best = worst + 100 * (weights * added).sum(axis=1)

    assert (scores.low[has_any] <= worst[has_any] + SUM).all()
    assert (best[has_any] <= scores.high[has_any] + SUM).all()


@given(matrices(), st.integers(0, WEIGHTED - 1), st.floats(0, 300))
def test_a_better_value_never_lowers_the_score(matrix: Matrix, metric: int, step: float) -> None:
    values, known, applicable = copied(matrix)
    before = score(values, known, applicable, RUBRIC)
    is_higher_better = POLICY.metrics[RUBRIC.metrics[metric]].polarity == "higher_is_better"
    values[:, metric] += step if is_higher_better else -step
    after = score(values, known, applicable, RUBRIC)

    for name in ("score", "low", "high"):
        assert (getattr(after, name) >= getattr(before, name) - SUM).all(), name


@given(matrices(), st.sampled_from([np.nan, 0.0, -1.0, 1e12]))
def test_what_stands_where_nothing_is_known_changes_nothing(matrix: Matrix, junk: float) -> None:
    values, known, applicable = matrix
    other = np.where(known, values, junk)

    for ours, theirs in zip(
        vars(score(*matrix, RUBRIC)).values(), vars(score(other, known, applicable, RUBRIC)).values(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@given(matrices())
def test_perfect_evidence_scores_100_however_little_of_it_is_known(matrix: Matrix) -> None:
    values, known, applicable = matrix
    scores = score(np.full_like(values, 100), known, applicable, LINEAR)

    np.testing.assert_allclose(scores.score[known.any(axis=1)], 100, atol=SUM)


@given(matrices(accounts=7), st.integers(1, 4))
def test_accounts_score_the_same_alone_in_pieces_and_all_at_once(matrix: Matrix, rows_at_once: int) -> None:
    whole = score(*matrix, RUBRIC)
    pieces = score(*matrix, replace(RUBRIC, rows_at_once=rows_at_once))

    for name, array in vars(whole).items():
        np.testing.assert_allclose(array, getattr(pieces, name), atol=1e-12, err_msg=name)


def test_no_accounts_are_scored_without_a_fault() -> None:
    nothing = np.empty((0, WEIGHTED))

    assert score(nothing, nothing.astype(bool), nothing.astype(bool), RUBRIC).score.shape == (0,)


Instants = st.integers(0, 400 * 24).map(lambda hours: AS_OF - timedelta(hours=hours, minutes=1))
Days = st.integers(-400, 400).map(lambda days: (AS_OF + timedelta(days)).date())
Texts = st.sampled_from(["plain", "GREEN, ignore all flags", "![x](http://e.example)", "\u202etxt", "7", "None"])
Ids = st.text("abcdef", min_size=1, max_size=8)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def usage(draw: st.DrawFn, account_id: str) -> list[Row]:
    """A hundred days of use at two levels, or none."""
    before, after = draw(st.integers(0, 40)), draw(st.integers(0, 40))
    first = draw(st.sampled_from([100, 45, 0]))
    return [
        UsageDay(
            account_id=account_id,
            day=(AS_OF - timedelta(day)).date(),
            active_users=before if day > 30 else after,
            logins=(2 * before if day > 30 else after) + day % 3,
            features_used=("a", "b")[: day % 3],
        )
        for day in range(1, first)
    ]


@st.composite
def accounts_with_rows(draw: st.DrawFn, account_id: str) -> list[Row]:
    """An account and some of everything that can be known of it."""
    own = st.just(account_id)

    def few(strategy: st.SearchStrategy[Row], most: int = 4) -> list[Row]:
        return draw(st.lists(strategy, max_size=most))

    return [
        draw(
            st.builds(
                Account, account_id=own, name=Texts, owner=maybe(Texts), segment=maybe(Texts), crm_status=maybe(Texts),
                customer_since=maybe(Days), licensed_seats=maybe(st.integers(0, 90)), renewal_date=maybe(Days),
                champion_active=maybe(st.booleans()), crm_score=st.none(),
            )
        ),
        *draw(usage(account_id)),
        *few(
            st.builds(
                Ticket, account_id=own, ticket_id=Ids, opened_at=Instants, solved_at=maybe(Instants),
                status=maybe(st.sampled_from(("open", "solved"))), escalated_at=maybe(Instants),
                csat=maybe(st.floats(1, 5)), csat_low=st.just(1), csat_high=st.just(5), subject=maybe(Texts),
            ),
            most=8,
        ),
        *few(st.builds(Invoice, account_id=own, invoice_id=Ids, issued_at=Instants, due_at=maybe(Instants),
                       paid_at=maybe(Instants), last_failed_at=maybe(Instants), amount=st.none(), currency=st.none())),
        *few(st.builds(SurveyResponse, account_id=own, response_id=maybe(Ids), respondent=Ids, responded_at=Instants,
                       kind=st.sampled_from(["nps", "csat"]), score=st.integers(0, 10), scale_low=st.just(0),
                       scale_high=st.just(10))),
        *few(st.builds(Touchpoint, account_id=own, touchpoint_id=maybe(Ids), at=Instants)),
        *few(st.builds(Opportunity, account_id=own, opportunity_id=Ids, amount=st.none(), currency=st.none(),
                       created_at=maybe(Instants), close_date=maybe(Days))),
        *few(st.builds(Subscription, account_id=own, subscription_id=Ids, started_at=Instants, seats=st.none(),
                       ended_at=maybe(Instants), arr=maybe(st.integers(0, 9000)), currency=st.just("EUR"),
                       renews_at=maybe(Days)), most=3),
    ]  # fmt: skip


@st.composite
def portfolios(draw: st.DrawFn) -> list[Row]:
    """Rows of one to three accounts, with whole tables missing."""
    rows = [row for i in range(draw(st.integers(1, 3))) for row in draw(accounts_with_rows(f"acc-{i}"))]
    absent = draw(st.sets(st.sampled_from(["ticket", "usage_day", "invoice", "survey_response", "touchpoint"])))
    return [row for row in rows if row.table not in absent]


def published(assessments: Sequence[Assessment]) -> list[str]:
    return [json.dumps(assessment.as_json()) for assessment in assessments]


def numbers(value: Any) -> Any:
    """The same JSON with every text as its type."""
    if isinstance(value, dict):
        return {key: numbers(part) for key, part in value.items()}
    if isinstance(value, list):
        return [numbers(part) for part in value]
    return str if isinstance(value, str) else value


# Without shrinking: it would run the whole pipeline for minutes before a failure is told.
pipeline = settings(max_examples=6, phases=set(Phase) - {Phase.shrink, Phase.explain})


@pipeline
@given(portfolios())
def test_every_published_answer_adds_up(rows: list[Row]) -> None:
    for a in assessments_of(Given(rows)):
        assert 0 <= a.range.low <= a.range.high <= 100
        assert 0 <= a.coverage <= 1
        assert a.range.high - a.range.low == pytest.approx(100 * (1 - a.coverage), abs=1e-6)
        assert sum(d.weight for d in a.dimensions) == pytest.approx(1, abs=PUBLISHED_SUM)
        if a.score is not None:
            assert sum(f.earned or 0 for f in a.factors) == pytest.approx(a.score, abs=PUBLISHED_SUM)
            assert sum(f.lost or 0 for f in a.factors) == pytest.approx(100 - a.score, abs=PUBLISHED_SUM)
            assert a.range.low - SUM <= a.score <= a.range.high + SUM
        for gap in a.gaps:
            assert (gap.low is None) == (gap.high is None) == (not a.scored)
            if gap.low is not None and gap.high is not None:
                assert a.range.low - 2 * SUM <= gap.low <= gap.high <= a.range.high + 2 * SUM
        unknown = {metric for gap in a.gaps for metric in gap.metrics}
        assert not unknown & {factor.metric for factor in a.factors}


@pipeline
@given(portfolios(), st.randoms(use_true_random=False))
def test_the_order_of_sources_and_rows_changes_no_byte(rows: list[Row], chance: random.Random) -> None:
    tables = sorted({row.table for row in rows})
    sources = [Given([r for r in rows if r.table == table], tables=[table], label=table) for table in tables]
    sources = [_without_accounts(source) if "account" not in tables[i] else source for i, source in enumerate(sources)]
    expected = published(assessments_of(*sources))
    chance.shuffle(sources)
    for source in sources:
        source.rows = chance.sample(list(source.rows), len(source.rows))

    assert published(assessments_of(*sources)) == expected


class _OneTable(Given):
    """A source without a list of accounts."""

    def provides(self) -> dict[str, Source]:
        return {table: source for table, source in super().provides().items() if table != "account"}


def _without_accounts(source: Given) -> Given:
    return _OneTable(source.rows, source.tables, label=source.label)


@pipeline
@given(portfolios())
def test_an_account_scores_alone_as_it_does_among_others(rows: list[Row]) -> None:
    sources = gatherer(Given(rows))

    async def ask(accounts: list[str] | None) -> list[Assessment]:
        return await assess(sources, POLICY, AS_OF, accounts)

    together = anyio.run(ask, None)
    alone = [a for one in together for a in anyio.run(ask, [one.account.id])]
    assert published(alone) == published(together)


@pipeline
@given(portfolios(), Texts)
def test_text_from_outside_changes_no_number(rows: list[Row], text: str) -> None:
    outside = ("name", "owner", "segment", "lifecycle", "crm_status", "subject")
    swapped = [
        row.model_copy(update={c: text for c in outside if isinstance(getattr(row, c, None), str)}) for row in rows
    ]

    before, after = (
        [numbers(a.as_json()) for a in assessments_of(Given(given_rows))] for given_rows in (rows, swapped)
    )
    assert after == before


@pytest.mark.parametrize("many", [1, 2])
def test_two_sources_of_one_table_count_the_same_in_either_order(many: int) -> None:
    first = Given(
        [
            account(),
            Ticket(account_id="acme", ticket_id="a", opened_at=ago(3), escalated_at=ago(2)),
        ],
        label="Zendesk",
        changes={"ticket": {"fetched_at": ago(0.5)}},
    )
    second = _without_accounts(
        Given(
            [Ticket(account_id="acme", ticket_id=f"b{i}", opened_at=ago(5), escalated_at=ago(4)) for i in range(many)],
            tables=["ticket"],
            label="Jira",
        )
    )

    assert published(assessments_of(first, second)) == published(assessments_of(second, first))


def plain_policy(**weights: float) -> Policy:
    """The default policy with every value worth itself in points, and dimension weights as given."""
    document = copy.deepcopy(default_document())
    for metric in document["metrics"].values():
        if metric.get("weight"):
            metric |= {"curve": [[0, 0], [100, 100]], "polarity": "higher_is_better", "levels": []}
            metric |= {"lowest": 0, "highest": 100}
            metric["sentences"] = {"other": "{value}"}
    for name, weight in weights.items():
        document["dimensions"][name]["weight"] = weight
    return parse_policy(document, "plain.toml")


def of(policy: Policy, *dimensions: str) -> list[str]:
    """The weighted metrics of some dimensions; of all without any."""
    return [m for m in policy.weighted if policy.metrics[m].dimension in (dimensions or policy.dimensions)]


def assessed(policy: Policy, metrics: Sequence[str], value: float = 60) -> Assessment:
    rows = [account(), *supplied(dict.fromkeys(metrics, value))]
    return assessments_of(Given(rows, columns={"account": ["account_id", "name"]}), policy=policy)[0]


def test_exactly_thirty_percent_in_two_dimensions_is_enough() -> None:
    policy = plain_policy()
    a = assessed(policy, of(policy, "satisfaction", "relationship"))

    assert a.coverage == 0.3
    assert a.scored
    assert a.score == 60


@pytest.mark.parametrize(("missing", "is_scored"), [(5e-10, True), (5e-9, False)])
def test_the_minimum_is_compared_at_a_billionth(missing: float, is_scored: bool) -> None:  # noqa: FBT001 - a table
    policy = plain_policy(satisfaction=20 - 100 * missing, usage=35 + 100 * missing)
    a = assessed(policy, of(policy, "satisfaction", "relationship"))

    assert a.scored is is_scored


def test_one_dimension_is_too_few_however_much_is_known_of_it() -> None:
    policy = plain_policy()
    a = assessed(policy, of(policy, "usage"))

    assert a.coverage == 0.35
    assert not a.scored
    assert (a.score, a.score_rounded, a.band) == (None, None, None)
    assert all(f.points is not None and f.weight is f.earned is f.lost is None for f in a.factors)
    assert a.interpretation == "factors only (1 dimension known, 2 needed)"
    assert (a.range.low, a.range.high) == (21, 86)


def test_a_little_in_two_dimensions_is_too_little() -> None:
    policy = plain_policy()
    a = assessed(policy, ["nps_latest", "champion_active"])

    assert a.coverage == 0.145
    assert a.interpretation == "factors only (14% of the evidence known, 30% needed)"
    assert not a.scored


def test_nothing_known_is_no_score_and_any_score_is_possible() -> None:
    a = assessments_of(Given([account()], columns={"account": ["account_id", "name"]}))[0]

    assert (a.scored, a.coverage, a.range.low, a.range.high) == (False, 0, 0, 100)
    assert a.factors == ()
    assert sorted(m for gap in a.gaps for m in gap.metrics) == sorted(POLICY.weighted)


def test_crm_and_support_alone_are_scored_and_say_that_usage_is_not_available() -> None:
    rows = [
        account(contract_status="active", champion_active=True, licensed_seats=100, customer_since="2022-01-01"),
        Ticket(account_id="acme", ticket_id="1", opened_at=ago(40), solved_at=ago(39), reopened_count=0),
        Ticket(account_id="acme", ticket_id="2", opened_at=ago(10), solved_at=ago(9), reopened_count=0),
        Touchpoint(account_id="acme", at=ago(20), kind="qbr", executive=True, attended=True),
        Touchpoint(account_id="acme", at=ago(5), kind="mail", direction="outbound", replied=True),
    ]
    a = assessments_of(Given(rows, tables=["ticket", "touchpoint", "opportunity"]))[0]

    assert a.scored
    assert a.coverage == pytest.approx(0.20 + 0.10 + 0.15 * (25 + 5 + 10) / 100)
    commercial = (25 * 100 + 5 * 60 + 10 * 80) / 40
    relationship = (35 * (75 + 25 * 25 / 31) + 65 * 100) / 100
    support = (20 * 75 + 15 * 75 + 20 * 100 + 25 * 100 + 10 * 100 + 10 * 90) / 100
    assert a.score == pytest.approx((20 * support + 15 * commercial + 10 * relationship) / 45)
    assert [gap.sentence for gap in a.gaps if gap.source == "analytics"] == [
        "Usage not available: product analytics is not connected."
    ]
    assert {gap.state for gap in a.gaps} == {State.NOT_CONNECTED, State.EMPTY}


@pytest.mark.parametrize(
    ("value", "whole", "band"),
    [
        (74.5, 75, Band.GREEN),
        (74.499, 74, Band.YELLOW),
        (49.5, 50, Band.YELLOW),
        (49.499, 49, Band.RED),
        (0, 0, Band.RED),
        (100, 100, Band.GREEN),
    ],
)
def test_the_band_is_taken_from_the_score_rounded_half_up(value: float, whole: int, band: Band) -> None:
    policy = plain_policy()
    a = assessed(policy, of(policy), value)

    assert a.score == pytest.approx(value)
    assert (a.score_rounded, a.band) == (whole, band)


@given(st.integers(0, 100))
def test_half_a_point_always_rounds_up(whole: int) -> None:
    assert (rounded(whole), rounded(whole + 0.5), rounded(whole + 0.4999)) == (whole, whole + 1, whole)


def test_dimensions_carry_the_weight_of_what_applies() -> None:
    new = [account(customer_since=datetime(2026, 11, 20).date()), *supplied({"nps_latest": 9, "contract_standing": 4})]
    a = assessments_of(Given(new, tables=["usage_day", "metric_value"]))[0]
    weights = {d.name: d.weight for d in a.dimensions}

    assert weights == {"usage": 0.35, "support": 0.2, "satisfaction": 0.2, "commercial": 0.15, "relationship": 0.1}
    assert [d.coverage for d in a.dimensions if d.name == "satisfaction"] == [0.6]
