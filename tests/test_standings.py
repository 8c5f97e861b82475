"""Standings: the same arrays whether they were computed a moment ago or read from the history."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest

from account_health.config import DEMO
from account_health.flags import SEVERITIES
from account_health.model import State
from account_health.readings import profiles_of, readings_of
from account_health.standings import Standings
from account_health.workspace import Workspace
from doors import clock
from given import DEFAULT_POLICY, Given, account, ago, evaluation_of
from history.readings import other_policy
from moving import customer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.evaluation import Evaluation
    from account_health.policy import Policy
    from account_health.tables import Row

ALL_ARRAYS = ("rounded", "bands", "tiers", "arr", "is_customer", "is_unmatched", "states")


@cache
def demo() -> Evaluation:
    """The evaluation of the demo accounts."""
    workspace = Workspace.open(DEMO, clock)
    return anyio.run(workspace.evaluate, workspace.instant())


def computed(evaluation: Evaluation) -> Standings:
    return Standings.of_evaluation(evaluation, profiles_of(evaluation))


def read(evaluation: Evaluation, policy: Policy = DEFAULT_POLICY) -> Standings:
    """The standings of what the history would hold of an evaluation."""
    metrics = {evaluation.policy.ref.hash: tuple(evaluation.policy.metrics)}
    return Standings.of_readings(list(readings_of(evaluation)), metrics, policy)


def standings_of(rows: Sequence[Row], **given: Any) -> Standings:
    return computed(evaluation_of(Given(rows, **given)))


def is_same(one: Any, other: Any) -> bool:
    """Whether two arrays are the same to the last bit; NaN is NaN."""
    return bool(np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f"))


# --- Computed and read ----------------------------------------------------------------------------------------------


def test_what_was_computed_and_what_was_read_score_the_same_to_the_last_bit() -> None:
    now, then = computed(demo()), read(demo())
    assert (now.is_recorded, then.is_recorded) == (False, True)
    assert (now.accounts, now.as_of, now.rows) == (then.accounts, then.as_of, then.rows)
    assert len(now.accounts) == 13
    for part in ("scores", "contributions"):
        for name, array in vars(getattr(now, part)).items():
            assert is_same(array, getattr(getattr(then, part), name)), f"{part}.{name}"
    for name in ALL_ARRAYS:
        assert is_same(getattr(now, name), getattr(then, name)), name


def test_what_was_computed_and_what_was_read_raise_the_same_flags() -> None:
    now, then = computed(demo()).flags, read(demo()).flags
    assert now.flags == then.flags
    for name in ("raised", "clear", "severity"):
        assert is_same(getattr(now, name), getattr(then, name)), name
    assert all(is_same(holds, then.lines[flag]) for flag, holds in now.lines.items())


def test_what_was_computed_and_what_was_read_say_the_same_of_people_and_sources() -> None:
    now, then = computed(demo()), read(demo())
    assert tuple(now.profiles) == tuple(then.profiles)
    assert {source: told.tolist() for source, told in now.told.items()} == {
        source: told.tolist() for source, told in then.told.items()
    }
    assert now.completeness() == then.completeness()
    for chosen in (now.is_customer, ~now.is_customer, now.scores.scored, ~now.scores.scored):
        assert now.completeness(chosen) == then.completeness(chosen)
        assert now.data_gaps(chosen) == then.data_gaps(chosen)


def test_the_matrix_comes_back_as_it_went() -> None:
    now, then = computed(demo()).matrix, read(demo()).matrix
    for name in ("known", "applicable", "at_least", "provided", "seen_at_most"):
        assert is_same(getattr(now, name), getattr(then, name)), name
    assert is_same(now.values[now.known], then.values[then.known])
    assert is_same(now.seen[~now.known], then.seen[~then.known])


def test_standings_agree_with_what_each_account_is_told() -> None:
    evaluation = demo()
    for standings in (computed(evaluation), read(evaluation)):
        for row in range(len(evaluation.accounts)):
            rounded = standings.rounded[row]
            assert (None if np.isnan(rounded) else int(rounded)) == evaluation.score_rounded(row)
            assert standings.band(row) is evaluation.band(row)
            assert SEVERITIES[standings.tiers[row]] is evaluation.tier(row)
            assert standings.profiles[row].renewal_date == evaluation.renewal_date(row)


def test_raised_flags_come_the_worst_first() -> None:
    standings = computed(demo())
    for row in range(len(standings.accounts)):
        raised = standings.raised(row)
        places = [standings.flags.severity[row, standings.flags.flags.index(flag)] for flag in raised]
        assert places == sorted(places)
        assert len(raised) == standings.flags.raised[row].sum()


def test_what_was_read_is_scored_by_the_policy_of_today() -> None:
    strict = other_policy(bands=DEFAULT_POLICY.bands.model_copy(update={"green": 99}))
    then = read(demo(), strict)
    assert then.policy.ref.hash != demo().policy.ref.hash
    assert is_same(then.scores.score, demo().scores.score)
    assert not (then.bands == 0).any()
    fewer = read(demo(), other_policy(["nps_latest"]))
    assert "nps_latest" not in fewer.matrix.metrics
    assert not is_same(fewer.scores.score, demo().scores.score)


def test_standings_hold_for_the_newest_of_their_readings() -> None:
    readings = list(readings_of(evaluation_of(Given(customer("a")), as_of=ago(3))))
    readings += readings_of(evaluation_of(Given(customer("b")), as_of=ago(1)))
    metrics = {DEFAULT_POLICY.ref.hash: tuple(DEFAULT_POLICY.metrics)}
    assert Standings.of_readings(readings, metrics, DEFAULT_POLICY).as_of == ago(1)


# --- Profiles -------------------------------------------------------------------------------------------------------


def test_money_is_in_the_base_currency_and_unknown_without_a_rate() -> None:
    currency = DEFAULT_POLICY.currency.model_copy(update={"base": "EUR", "rates": {"USD": 0.9}})
    policy = other_policy(currency=currency)
    rows = [
        account(account_id="a", arr=100, currency="USD"),
        account(account_id="b", arr=100, currency="EUR"),
        account(account_id="c", arr=100, currency="GBP"),
        account(account_id="d"),
    ]
    arr = computed(evaluation_of(Given(rows), policy=policy)).arr
    assert is_same(arr, np.array([90, 100, np.nan, np.nan]))


def test_who_is_said_to_be_no_customer_is_none_and_who_is_said_to_be_nothing_is_one() -> None:
    words = ["customer", " Customer ", "ONBOARDING", "prospect", "churned", None]
    standings = standings_of([account(account_id=str(i), lifecycle=word) for i, word in enumerate(words)])
    assert standings.is_customer.tolist() == [True, True, True, False, False, True]


def test_the_renewal_of_a_profile_is_that_of_the_contract_where_the_crm_has_none() -> None:
    assert standings_of([account(renewal_date=date(2026, 12, 15))]).profiles[0].renewal_date == date(2026, 12, 15)
    assert standings_of([account()]).profiles[0].renewal_date is None


# --- Words ----------------------------------------------------------------------------------------------------------


def test_completeness_says_how_many_are_scored_and_why_the_others_are_not() -> None:
    rows = [*customer("a"), *customer("b", "not_scored"), *customer("c", "not_scored")]
    states = {"ticket": {"b": State.NOT_MATCHED}, "usage_day": {"b": State.NOT_MATCHED}}
    standings = standings_of(rows, tables=("ticket", "usage_day", "metric_value"), states=states)
    assert standings.completeness() == "scored 1 of 3, 1 not matched and 1 with too little evidence"

    def said(*chosen: int) -> str:
        return standings.completeness(np.isin(range(3), chosen))

    assert said(0) == "scored 1 of 1"
    assert said(0, 1) == "scored 1 of 2, 1 not matched"
    assert said(2) == "scored 0 of 1, 1 with too little evidence"
    assert said() == "scored 0 of 0"


def test_completeness_separates_thousands() -> None:
    rows = [row for i in range(1001) for row in customer(f"{i:04}", "not_scored")]
    assert standings_of(rows).completeness() == "scored 0 of 1,001, 1,001 with too little evidence"


def test_an_account_that_any_source_knows_is_not_called_unmatched() -> None:
    rows = customer("a", "not_scored")
    states = {"ticket": {"a": State.NOT_MATCHED}, "usage_day": {"a": State.EMPTY}}
    standings = standings_of(rows, tables=("ticket", "usage_day"), states=states)
    assert standings.completeness() == "scored 0 of 1, 1 with too little evidence"


def test_data_gaps_name_each_source_with_the_accounts_it_tells_nothing_of() -> None:
    rows = [*customer("a"), *customer("b")]
    tables = ("ticket", "usage_day", "invoice", "survey_response", "touchpoint")
    states = {table: dict.fromkeys("ab", State.OBSERVED) for table in tables}
    assert not standings_of(rows, tables=tables, states=states).data_gaps(np.ones(2, dtype=bool))
    states |= {"ticket": dict.fromkeys("ab", State.FAILED)}
    states["usage_day"] |= {"a": State.NOT_MATCHED}
    standings = standings_of(rows, tables=tables, states=states)
    assert standings.data_gaps(np.ones(2, dtype=bool)) == "the support platform for all and product analytics for 1"
    assert standings.data_gaps(np.array([False, True])) == "the support platform for all"


@pytest.mark.parametrize("state", [State.STALE, State.PARTIAL, State.FAILED, State.NOT_CONNECTED, State.NOT_MATCHED])
def test_a_source_that_tells_nothing_certain_is_a_gap(state: State) -> None:
    standings = standings_of(customer("a"), tables=("ticket",), states={"ticket": {"a": state}})
    assert "the support platform for all" in standings.data_gaps(np.ones(1, dtype=bool))
