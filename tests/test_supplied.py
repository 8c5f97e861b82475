"""Metric values that the caller already has: checked, marked as the caller's, and judged like any others."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from account_health.errors import CallerError
from account_health.policy import load_policy
from account_health.render import render_summary
from account_health.workspace import SuppliedValue, assess_supplied
from given import AS_OF, SHARED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from account_health.model import Assessment, Factor

POLICY = load_policy()
CORPUS = SHARED / "corpora" / "json" / "test_parsing"
ENOUGH: dict[str, SuppliedValue] = {"logins_change_pct": 5, "csat_90d": 90, "nps_latest": 9, "open_urgent_tickets": 0}


def assessed(values: Mapping[str, SuppliedValue], name: str = "Acme") -> Assessment:
    return anyio.run(assess_supplied, name, values, POLICY, AS_OF)


def factor(assessment: Assessment, metric: str) -> Factor:
    (found,) = [factor for factor in assessment.factors if factor.metric == metric]
    return found


def refusal(values: Mapping[str, Any]) -> str:
    with pytest.raises(CallerError) as refused:
        assessed(values)
    return str(refused.value)


def test_every_metric_of_the_policy_can_be_supplied() -> None:
    values = {name: float(not metric.levels) for name, metric in POLICY.metrics.items()}
    assessment = assessed(values)
    weighted = {factor.metric for factor in assessment.factors if factor.points is not None}
    assert weighted == set(POLICY.weighted)
    assert (assessment.coverage, assessment.scored, assessment.gaps) == (1.0, True, ())
    assert {flag.state for flag in assessment.flags} <= {"raised", "clear"}


def test_values_score_as_the_policy_says() -> None:
    assessment = assessed({**ENOUGH, "csat_90d": 80})
    assert assessment.scored
    assert assessment.score is not None
    assert math.isclose(sum(f.earned or 0 for f in assessment.factors), assessment.score)
    assert math.isclose(sum(f.lost or 0 for f in assessment.factors), 100 - assessment.score)


def test_each_value_is_marked_as_supplied_by_the_caller() -> None:
    assessment = assessed(ENOUGH)
    assert {found.source for found in assessment.factors} == {"caller"}
    assert all("supplied by caller" in found.sentence for found in assessment.factors)
    known = [report for report in assessment.inputs if report.state == "observed"]
    assert {report.connector for report in known} == {"supplied by caller"}
    assert "supplied by caller" in render_summary(assessment, POLICY).split("### Inputs Used")[1]


def test_what_was_not_supplied_is_unknown_and_not_zero() -> None:
    assessment = assessed({"nps_latest": 9})
    assert not assessment.scored
    assert [factor.metric for factor in assessment.factors] == ["nps_latest"]
    assert {flag.flag for flag in assessment.flags if flag.state == "clear"} <= {"nps_detractor"}
    assert {gap.source for gap in assessment.gaps} == {"crm", "support", "analytics", "billing", "surveys"}


@pytest.mark.parametrize(
    ("values", "flag"),
    [
        ({"tickets_30d": 8, "tickets_prev_30d": 0}, "support_spike"),
        ({"escalations_30d": 1, "escalations_prev_30d": 0}, "support_spike"),
        ({"logins_change_pct": -42}, "usage_drop"),
        ({"nps_lowest_180d": 6}, "nps_detractor"),
        ({"overdue_invoices": 1}, "payment_issue"),
        ({"unrecovered_payments": 1}, "payment_issue"),
        ({"days_to_renewal": 30}, "renewal_soon"),
        ({"days_since_executive_touch": 90}, "no_executive_touch"),
        ({"escalations_90d": 1}, "escalation_90d"),
    ],
)
def test_supplied_facts_raise_flags(values: dict[str, SuppliedValue], flag: str) -> None:
    assert [found.flag for found in assessed(values).flags if found.state == "raised"] == [flag]


@pytest.mark.parametrize(
    ("metric", "given", "meant"),
    [
        ("contract_standing", "active", 4),
        ("contract_standing", "Month_To_Month", 3),
        ("contract_standing", 0, 0),
        ("champion_active", "no", 0),
        ("champion_active", "YES", 1),
        ("champion_active", True, 1),
        ("champion_active", False, 0),
        ("champion_active", 1, 1),
        ("nps_latest", 7, 7),
        ("nps_latest", 7.5, 7.5),
    ],
)
def test_levels_may_be_given_by_name_and_yes_and_no_as_truth(metric: str, given: SuppliedValue, meant: float) -> None:
    assert factor(assessed({metric: given}), metric).value == meant


@pytest.mark.parametrize(
    ("metric", "value", "problem"),
    [
        ("nps_latest", math.nan, "nps_latest must be finite. Leave out what is not known."),
        ("nps_latest", math.inf, "nps_latest must be finite."),
        ("nps_latest", -math.inf, "nps_latest must be finite."),
        ("nps_latest", "9", "nps_latest must be a number. Its unit is of 10."),
        ("nps_latest", "", "nps_latest must be a number."),
        ("nps_latest", "nan", "nps_latest must be a number."),
        ("nps_latest", True, "nps_latest must be a number."),
        ("contract_standing", True, "contract_standing has no such level. Levels: cancelled, expired"),
        ("contract_standing", "great", "contract_standing has no such level."),
        ("contract_standing", 5, "contract_standing has no level 5."),
        ("contract_standing", 1.5, "contract_standing has no level 1.5."),
        ("champion_active", 2, "champion_active has no level 2. Levels: no, yes."),
    ],
)
def test_a_value_that_means_nothing_is_refused_with_what_is_expected(metric: str, value: object, problem: str) -> None:
    assert refusal({**ENOUGH, metric: value}).startswith(problem)


def test_an_unknown_metric_is_refused_with_the_nearest_and_the_known_ones() -> None:
    text = refusal({"nps": 9, "csat": 3})
    assert text.startswith("2 of the metrics are not in the policy.")
    assert "Nearest: nps_latest" in refusal({"nps_last": 9})
    assert all(metric in text for metric in POLICY.metrics)


def test_no_values_at_all_are_refused() -> None:
    assert refusal({}).startswith("No metric values were given.")


@pytest.mark.parametrize("name", ["", "  ", "\n"])
def test_an_account_without_a_name_gets_one(name: str) -> None:
    assert assessed(ENOUGH, name).account.name == "Supplied account"


def test_a_hostile_name_changes_nothing_but_the_name() -> None:
    hostile = "Acme\n\n## Health: Green\n<script> {{ 7*7 }} {% raw %} \u202e\x1b[31m [x](https://x.example)"
    hurt, plain = assessed(ENOUGH, hostile), assessed(ENOUGH)
    assert hurt.model_copy(update={"account": plain.account}) == plain
    lines = render_summary(hurt, POLICY).splitlines()
    assert [line.split(" ")[0] for line in lines if line.startswith("#")] == ["##", "###", "###", "###"]
    assert "\x1b" not in "".join(lines)


def test_any_json_value_is_scored_or_refused_in_words() -> None:
    if not CORPUS.is_dir():
        pytest.skip("The JSON test suite is not laid beside the repository: nothing was checked.")
    values: list[Any] = []
    for file in sorted(CORPUS.iterdir()):
        try:
            values.append(json.loads(file.read_bytes()))
        except (ValueError, RecursionError):
            continue
    assert len(values) > 90
    words = [value for value in values if isinstance(value, str)]
    numbers = [part for value in values if isinstance(value, list) for part in value if isinstance(part, (int, float))]
    names = [name for value in values if isinstance(value, dict) for name in value]
    for value in (*words, *names):
        assert refusal({"nps_latest": value}).startswith("nps_latest must be a number.")
        assert refusal({value: 1}).startswith("1 of the metrics are not in the policy.")
    for number in numbers:
        if isinstance(number, bool) or not math.isfinite(number):
            assert refusal({"days_to_renewal": number}).startswith("days_to_renewal must be")
        else:
            value = factor(assessed({"days_to_renewal": number}), "days_to_renewal").value
            assert value == pytest.approx(float(number), abs=1e-9)


def test_a_value_outside_what_the_metric_can_be_is_refused_with_its_bounds() -> None:
    for values, bounds in (({"nps_latest": 45}, "0 or more and 10 or less"), ({"overdue_invoices": -1}, "0 or more")):
        with pytest.raises(CallerError, match=bounds):
            assessed(values)
