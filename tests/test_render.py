"""The summary: risk flags first, always the same headings, and nothing said that is not known."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from account_health.model import FlagState, State
from account_health.policy import default_document, load_policy, parse_policy
from account_health.render import render, render_summary
from account_health.tables import Ticket
from given import AS_OF, Given, account, ago, assessments_of, demo_assessments, supplied

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from account_health.model import Assessment

POLICY = load_policy()
DEMO = demo_assessments()
NOTHING = assessments_of(Given([account()], columns={"account": ["account_id", "name"]}))[0]
EVERY = [pytest.param(a, id=a.account.id) for a in (*DEMO, NOTHING)]

LABELS = (
    "## Health: ",
    "### Risk Flags",
    "**Score:** ",
    "### Factors",
    "**Positive:**",
    "**Negative:**",
    "**Missing data:**",
    "### Inputs Used",
    "Policy default 1.0 (",
)
SOURCES = ["CRM", "Support platform", "Product analytics", "Billing", "Surveys"]


def summary(assessment: Assessment) -> str:
    return render_summary(assessment, POLICY)


def section(text: str, label: str, following: str) -> list[str]:
    """The lines between two labels, without the blank ones."""
    return [
        line for line in text.split(f"\n{label}\n")[1].split(f"\n{following}\n", maxsplit=1)[0].splitlines() if line
    ]


@pytest.mark.parametrize("a", EVERY)
def test_the_summary_of_every_demo_account_stays_as_it_is(a: Assessment, snapshot: SnapshotAssertion) -> None:
    assert summary(a) == snapshot(name="markdown")
    assert json.dumps(a.as_json(), indent=2, ensure_ascii=False) == snapshot(name="json")


@pytest.mark.parametrize("a", EVERY)
def test_all_headings_and_labels_stand_once_and_in_order(a: Assessment) -> None:
    lines = summary(a).splitlines()
    places = [[i for i, line in enumerate(lines) if line.startswith(label)] for label in LABELS]

    assert [len(found) for found in places] == [1] * len(LABELS)
    assert places == sorted(places)
    assert [line for line in lines if line.startswith("#")] == [
        lines[0],
        "### Risk Flags",
        "### Factors",
        "### Inputs Used",
    ]
    assert lines[-1].endswith(" · as of 2026-11-21 09:00 UTC")


@pytest.mark.parametrize("a", EVERY)
def test_a_blank_line_stands_around_each_label_and_never_two(a: Assessment) -> None:
    text = summary(a)
    lines = text.splitlines()

    assert "\n\n\n" not in text
    assert text == text.strip() + "\n"
    assert [line for line in lines if line != line.rstrip()] == []
    for i, line in enumerate(lines):
        if line.startswith(LABELS):
            assert i == 0 or lines[i - 1] == "", line
            assert i + 1 == len(lines) or lines[i + 1] == "", line
    for before, after in pairwise(lines):
        assert not (after.startswith("- ") and before and not before.startswith("- ")), after


@pytest.mark.parametrize("a", EVERY)
def test_no_word_of_the_machine_leaks(a: Assessment) -> None:
    text = re.sub(r"^None\.$", "", summary(a), flags=re.MULTILINE)

    assert re.findall(r"\b(?:None|null|nan|NaN|NaT|inf|undefined|Decimal|datetime|array|True|False)\b", text) == []
    assert re.findall(r"\(\)|\[\]|, ,|;;|\.\.(?!\.)| ,| \.|: \.|\.;", text) == []


@pytest.mark.parametrize("a", EVERY)
def test_raised_flags_stand_before_the_score_with_severity_and_action(a: Assessment) -> None:
    flags = section(summary(a).split("\n**Score:**")[0] + "\n", "### Risk Flags", "nothing")
    raised = [f for f in a.flags if f.state is FlagState.RAISED]

    assert [line for line in flags if line.startswith("- ")] == [
        f"- **{f.name}** ({f.severity}): {f.detail}. {f.action}" for f in raised
    ]


@pytest.mark.parametrize("a", EVERY)
def test_no_risk_flags_is_said_only_when_all_seven_are_clear(a: Assessment) -> None:
    states = {f.state for f in a.flags}
    lines = summary(a).splitlines()
    unchecked = [line for line in lines if line.startswith("Could not be checked: ")]

    assert ("No risk flags." in lines) == (states == {FlagState.CLEAR})
    assert ("No risk flags raised." in lines) == (FlagState.UNKNOWN in states and FlagState.RAISED not in states)
    assert len(unchecked) == (FlagState.UNKNOWN in states)
    for f in a.flags:
        if f.state is FlagState.UNKNOWN:
            assert f"{f.name} ({f.detail})" in unchecked[0]


@pytest.mark.parametrize("a", EVERY)
def test_every_category_of_source_is_named_in_order(a: Assessment) -> None:
    named = [m[1] for line in summary(a).splitlines() if (m := re.match(r"- \*\*([^*]+)\*\*(?: \([^)]*\))?: \S", line))]
    inputs = [name for name in named if name in SOURCES]

    assert list(dict.fromkeys(inputs)) == SOURCES
    for r in a.inputs:
        assert (r.sentence == "Not connected") == (r.state is State.NOT_CONNECTED)


@pytest.mark.parametrize("a", EVERY)
def test_long_lists_are_capped_with_a_count_and_empty_ones_say_none(a: Assessment) -> None:
    text, most = summary(a), POLICY.limits.factors_shown
    counts = {
        ("**Positive:**", "**Negative:**"): sum(f.direction == "positive" for f in a.factors),
        ("**Negative:**", "**Missing data:**"): sum(f.direction == "negative" for f in a.factors),
        ("**Missing data:**", "### Inputs Used"): len(a.gaps),
    }
    for labels, count in counts.items():
        lines = section(text, *labels)
        assert len(lines) == min(max(count, 1), most + 1), labels
        assert (lines == ["None."]) == (count == 0)
        assert (lines[-1] == f"- and {count - most} more") == (count > most)


@pytest.mark.parametrize("a", [pytest.param(a, id=a.account.id) for a in DEMO if a.scored])
def test_a_scored_account_shows_number_colour_coverage_and_points(a: Assessment) -> None:
    text = summary(a)
    assert a.band is not None
    assert f"\n**Score:** {a.score_rounded} ({a.band.capitalize()}) — {a.interpretation}\n" in text
    assert f"\nBased on {int(100 * a.coverage + 1e-9)}% of the evidence." in text
    shown = [line for line in section(text, "**Negative:**", "**Missing data:**") if line.startswith("- ")]
    assert all("points; " in line and line.endswith(" lost)") for line in shown if " more" not in line)


@pytest.mark.parametrize("a", [pytest.param(a, id=a.account.id) for a in (*DEMO, NOTHING) if not a.scored])
def test_an_account_without_a_score_shows_factors_only(a: Assessment) -> None:
    text = summary(a)
    score = next(line for line in text.splitlines() if line.startswith("**Score:**"))

    assert re.fullmatch(
        r"\*\*Score:\*\* not available — factors only \(\d+% of the evidence known, 30% needed\)", score
    )
    assert "With complete evidence it would lie between" in text
    assert "points)" not in text
    assert "Based on" not in text


def test_coverage_is_rounded_down_so_that_incomplete_never_reads_as_complete() -> None:
    known = {m: 1.0 for m in POLICY.weighted if m != "expansions_12m"}
    rest = {m: 1.0 for m in POLICY.weighted if m != "open_downgrade"}

    for values, coverage, shown in [(known, 0.9925, "99%"), (rest, 0.985, "98%")]:
        a = assessments_of(Given([account(), *supplied(values)]))[0]
        assert a.coverage == coverage
        assert f"Based on {shown} of the evidence." in summary(a)


def test_complete_evidence_has_no_range() -> None:
    a = assessments_of(Given([account(), *supplied(dict.fromkeys(POLICY.weighted, 1.0))]))[0]

    assert a.range.low == a.range.high == a.score
    assert "\nBased on 100% of the evidence.\n" in summary(a)


def test_the_range_says_what_to_connect_first() -> None:
    northwind = next(a for a in DEMO if a.account.id == "northwind")

    assert (
        "Based on 65% of the evidence. With the rest it would lie between 40 (Red) and 75 (Green); "
        "connect product analytics first.\n"
    ) in summary(northwind)


def test_a_long_name_is_cut() -> None:
    a = assessments_of(Given([account(name="Very " * 100 + "Long")]))[0]
    heading = summary(a).splitlines()[0]

    assert len(heading) <= len("## Health: ") + POLICY.limits.name_characters
    assert heading.endswith("…")


def test_the_score_of_the_crm_can_stand_on_the_score_line() -> None:
    document = default_document()
    document["headline"] = "crm"
    policy = parse_policy(document, "crm.toml")
    profile = {"crm_score": 2, "crm_score_low": 0, "crm_score_high": 10, "crm_score_higher_is": "healthier"}
    good = supplied(dict.fromkeys(POLICY.weighted, 1.0))
    a, b = assessments_of(Given([account(**profile), account(account_id="beta", name="Beta"), *good]), policy=policy)
    text = render_summary(a, policy)

    assert text.count("**Score:** ") == 1
    assert "\n**Score:** 20 (Red) — the CRM's own score, 2 on its scale of 0 to 10 (higher is healthier).\n" in text
    assert f"\nComputed here: {a.score_rounded} " in text
    assert "\n\n\n" not in text
    assert "\n**Score:** not available — factors only" in render_summary(b, policy), "without one ours stands"


def test_a_template_that_names_an_unknown_fact_fails_loudly() -> None:
    with pytest.raises(Exception, match="is undefined"):
        render("summary.md.j2", a=NOTHING)


def test_tickets_of_an_open_escalation_stand_in_code_spans() -> None:
    ticket = Ticket(account_id="acme", ticket_id="T|1`", opened_at=ago(9), escalated_at=ago(8))
    text = summary(assessments_of(Given([account(), ticket]))[0])

    assert "**Escalation in last 90 days** (critical): `` T│1` ``: 1 escalation in the last 90 days" in text


def test_the_demo_is_asked_at_the_instant_of_the_tests() -> None:
    assert {a.as_of.replace(tzinfo=None) for a in DEMO} == {AS_OF}
