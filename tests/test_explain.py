"""The published answer: one flat JSON without nulls, in which every number carries its reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from account_health.model import Assessment, Band, Direction, FlagState, Severity, Source, State
from account_health.policy import default_document, load_policy, parse_policy
from account_health.render import render_summary
from account_health.tables import SurveyResponse, Ticket, Touchpoint
from given import AS_OF, Given, account, ago, assessments_of, demo_assessments, supplied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from account_health.model import RiskFlag
    from account_health.tables import Row

DEMO = demo_assessments()
NOTHING = assessments_of(Given([account()], columns={"account": ["account_id", "name"]}))[0]
EVERY = [pytest.param(a, id=a.account.id) for a in (*DEMO, NOTHING)]

KEYS = {
    "": "schema_version account as_of scored score score_rounded band tier interpretation range coverage dimensions "
    "factors flags gaps inputs crm_score notices policy",
    "dimensions": "name weight score coverage",
    "factors": "metric dimension value unit points weight earned lost direction source as_of evidence sentence",
    "flags": "flag name state severity value threshold source as_of evidence detail action",
    "gaps": "source metrics state low high sentence",
    "inputs": "source connector state as_of rows rejected doubtful matched_by confidence sentence",
}


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)
    else:
        yield value


def is_in_order(keys: list[str], expected: str) -> bool:
    return keys == [key for key in expected.split() if key in keys]


def answer(*rows: Row, **given: Any) -> Assessment:
    return assessments_of(Given([*rows], **given))[0]


def flag(assessment: Assessment, name: str) -> RiskFlag:
    return next(f for f in assessment.flags if f.flag == name)


@pytest.mark.parametrize("a", EVERY)
def test_what_does_not_apply_is_absent_and_never_null(a: Assessment) -> None:
    assert None not in leaves(a.as_json())


@pytest.mark.parametrize("a", EVERY)
def test_keys_stand_in_the_order_of_the_schema(a: Assessment) -> None:
    document = a.as_json()

    assert is_in_order([*document], KEYS[""])
    for part in ("dimensions", "factors", "flags", "gaps", "inputs"):
        for entry in document[part]:
            assert is_in_order([*entry], KEYS[part]), part


@pytest.mark.parametrize("a", EVERY)
def test_numbers_have_at_most_nine_decimals(a: Assessment) -> None:
    numbers = [n for n in leaves(a.as_json()) if isinstance(n, float)]

    assert numbers
    assert [n for n in numbers if n != round(n, 9)] == []


@pytest.mark.parametrize("a", EVERY)
def test_the_answer_fits_its_published_schema(a: Assessment) -> None:
    for mode in ("validation", "serialization"):
        schema = Assessment.model_json_schema(mode=mode)
        jsonschema.validate(a.as_json(), schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("a", EVERY)
def test_the_answer_survives_its_own_json(a: Assessment) -> None:
    assert Assessment.model_validate_json(json.dumps(a.as_json())) == a


def test_the_same_question_gives_the_same_bytes() -> None:
    again = demo_assessments.__wrapped__()

    assert [json.dumps(a.as_json()) for a in again] == [json.dumps(a.as_json()) for a in DEMO]


def test_between_them_the_demo_accounts_show_every_band_flag_state_and_source_state() -> None:
    assert {a.band for a in DEMO} == {*Band, None}
    for name in load_policy().flags:
        assert {flag(a, name).state for a in DEMO} == {*FlagState}, name
    assert {r.state for a in DEMO for r in a.inputs} == {*State}


@pytest.mark.parametrize("a", EVERY)
def test_every_metric_is_either_explained_or_missing_or_inapplicable(a: Assessment) -> None:
    known = [f.metric for f in a.factors]
    missing = [metric for gap in a.gaps for metric in gap.metrics]

    assert len({*known, *missing}) == len(known) + len(missing)
    assert {*known, *missing} <= {*load_policy().metrics}
    assert all(f.sentence and f.source for f in a.factors)
    assert all(f.detail and f.threshold for f in a.flags)


@pytest.mark.parametrize("a", EVERY)
def test_raised_flags_come_first_worst_first_and_say_what_to_do(a: Assessment) -> None:
    order = [(list(FlagState).index(f.state), list(Severity).index(f.severity)) for f in a.flags if f.severity]
    states = [f.state for f in a.flags]

    assert len(a.flags) == 7
    assert order == sorted(order)
    assert states == sorted(states, key=[FlagState.RAISED, FlagState.UNKNOWN, FlagState.CLEAR].index)
    for f in a.flags:
        assert (f.state is FlagState.RAISED) == bool(f.severity) == bool(f.action)


@pytest.mark.parametrize("a", EVERY)
def test_the_tier_is_the_worst_of_the_raised_flags_and_the_band(a: Assessment) -> None:
    severities = [f.severity for f in a.flags if f.severity] + ([Severity.HIGH] if a.band is Band.RED else [])

    assert a.tier is min(severities, key=list(Severity).index, default=Severity.NONE)


def test_directions_follow_the_points() -> None:
    for a in DEMO:
        for f in a.factors:
            points = f.points
            expected = (
                Direction.NEUTRAL
                if points is None or 50 <= points < 75
                else Direction.POSITIVE
                if points >= 75
                else Direction.NEGATIVE
            )
            assert f.direction is expected


def test_facts_carry_no_points() -> None:
    facts = {f.metric: f for a in DEMO if a.scored for f in a.factors if f.metric in ("tickets_30d", "days_to_renewal")}

    assert facts.keys() == {"tickets_30d", "days_to_renewal"}
    assert all(f.points is f.earned is f.lost is None and f.weight == 0 for f in facts.values())


def test_evidence_is_named_newest_first_and_capped() -> None:
    tickets = [
        Ticket(account_id="acme", ticket_id=f"t{i}", opened_at=ago(50), escalated_at=ago(i + 1)) for i in range(8)
    ]
    raised = flag(answer(account(), *tickets), "escalation_90d")

    assert raised.evidence == ("t0", "t1", "t2", "t3", "t4")
    assert raised.detail.startswith("`t0`, `t1`, `t2`, `t3`, `t4`: 8 escalations in the last 90 days")
    assert (raised.value, raised.threshold, raised.source) == (8, "escalations_90d >= 1", Source.SUPPORT)


def test_of_several_lowest_answers_the_newest_is_dated_whatever_the_order() -> None:
    answers = [
        SurveyResponse(account_id="acme", respondent=str(days), kind="nps", score=3, responded_at=ago(days))
        for days in (40, 10, 70)
    ]
    for rows in (answers, answers[::-1]):
        detail = flag(answer(account(), *rows), "nps_detractor").detail
        assert detail.startswith("lowest latest NPS answer is 3 of 10, from 2026-11-11")


def test_a_value_of_the_caller_says_so_and_comes_before_ours() -> None:
    nps = SurveyResponse(account_id="acme", respondent="r", kind="nps", score=2, responded_at=ago(9))
    a = answer(account(), nps, *supplied({"nps_latest": 9}))
    factor = next(f for f in a.factors if f.metric == "nps_latest")

    assert (factor.value, factor.source, factor.evidence) == (9, "caller", ())
    assert factor.sentence.endswith("(supplied by caller)")


def test_numbers_from_outside_are_published_rounded() -> None:
    profile = {"crm_score": 1 / 3, "crm_score_low": 0, "crm_score_high": 2 / 3, "crm_score_higher_is": "healthier"}
    a = answer(account(**profile), *supplied({"logins_change_pct": -100 / 3}))

    assert a.crm_score is not None
    assert (a.crm_score.value, a.crm_score.high) == (0.333333333, 0.666666667)
    assert flag(a, "usage_drop").value == -33.333333333


def test_a_source_that_does_not_apply_is_never_the_reason_for_a_gap() -> None:
    rows = [
        account(contract_status="active"),
        Touchpoint(account_id="acme", at=ago(5), kind="qbr", executive=True, attended=True),
        *supplied({m: 3 for m in load_policy().weighted if load_policy().metrics[m].dimension == "usage"}),
    ]
    states = {"survey_response": {"acme": State.NOT_APPLICABLE}, "ticket": {"acme": State.FAILED}}
    a = answer(*rows, tables=["ticket", "survey_response", "touchpoint", "metric_value"], states=states)
    csat = next(gap for gap in a.gaps if "csat_90d" in gap.metrics)

    assert a.scored
    assert (csat.source, csat.state) == (Source.SUPPORT, State.FAILED)
    assert "restore the support platform first" in render_summary(a, load_policy())
    assert not any("nps_latest" in gap.metrics for gap in a.gaps)


def test_a_whole_dimension_is_named_by_its_name_and_parts_by_theirs() -> None:
    a = answer(account(contract_status="active"), *supplied({"nps_latest": 9}))
    sentences = {gap.source: gap.sentence for gap in a.gaps}

    assert sentences["analytics"] == "Usage not available: product analytics is not connected."
    assert "CSAT not available: the survey tool is not connected." in sentences["surveys"]


def test_the_gap_that_could_move_the_score_most_comes_first() -> None:
    assert NOTHING.gaps[0].source == "analytics"


@pytest.mark.parametrize(
    ("values", "interpretation"),
    [
        (
            {"nps_latest": 10, "csat_90d": 99, "active_users_change_pct": 25},
            "Healthy: more active users and strong NPS answers, and no known factor speaks against it.",
        ),
        (
            {"nps_latest": 1, "csat_90d": 30, "active_users_change_pct": -70},
            "At risk: fewer active users and low NPS answers, and no known factor speaks for it.",
        ),
        (
            {"nps_latest": 10, "csat_90d": 50, "active_users_change_pct": -70},
            "At risk: fewer active users and poor satisfaction ratings against strong NPS answers.",
        ),
        (
            {"nps_latest": 10, "csat_90d": 50, "active_users_change_pct": 25},
            "Healthy: more active users and strong NPS answers; watch poor satisfaction ratings.",
        ),
        (
            {"nps_latest": 7, "csat_90d": 72, "active_users_change_pct": -10},
            "Needs attention: nothing known stands out either way.",
        ),
    ],
)
def test_one_line_names_the_heaviest_reasons(values: dict[str, float], interpretation: str) -> None:
    document = default_document()
    document["minimum"]["coverage"] = 0.2
    policy = parse_policy(document, "lenient.toml")

    assert assessments_of(Given([account(), *supplied(values)]), policy=policy)[0].interpretation == interpretation


@pytest.mark.parametrize(
    ("value", "low", "high", "higher_is", "band", "agrees"),
    [
        (9, 0, 10, "healthier", Band.GREEN, True),
        (9, 0, 10, "riskier", Band.RED, False),
        (1, 1, 5, "healthier", Band.RED, False),
        (60, 0, 100, "healthier", Band.YELLOW, False),
        (700, 0, 100, "healthier", Band.GREEN, True),
    ],
)
def test_a_score_of_the_crm_is_read_with_its_own_scale(  # noqa: PLR0913, PLR0917 - a table
    value: float,
    low: float,
    high: float,
    higher_is: str,
    band: Band,
    agrees: bool,  # noqa: FBT001 - a table
) -> None:
    profile = {"crm_score": value, "crm_score_low": low, "crm_score_high": high, "crm_score_higher_is": higher_is}
    good = supplied({"nps_latest": 9.9, "csat_90d": 99, "active_users_change_pct": 99, "logins_change_pct": 99})
    a = answer(account(**profile), *good)

    assert a.band is Band.GREEN
    assert a.crm_score is not None
    assert (a.crm_score.band, a.crm_score.agrees) == (band, agrees)


def test_a_score_of_the_crm_without_a_scale_is_mentioned_and_not_compared() -> None:
    a = answer(account(crm_score=8, crm_status="All good"))

    assert a.crm_score is None
    assert a.notices == (
        "The CRM carries a score of 8 without scale and direction; not compared.",
        "The CRM's own status is `All good`.",
    )


def test_the_answer_names_its_policy_and_its_instant() -> None:
    assert NOTHING.policy == load_policy().ref
    assert NOTHING.as_of.replace(tzinfo=None) == AS_OF
