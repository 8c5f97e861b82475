"""Every number says where it comes from, and every absence says why."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

from account_health.model import State
from account_health.policy import default_document, load_policy, parse_policy
from account_health.render import render_summary
from account_health.tables import MetricValue, Opportunity, Subscription, SurveyResponse, Ticket, Touchpoint, UsageDay
from given import AS_OF, Given, account, ago, assessments_of

if TYPE_CHECKING:
    from account_health.model import Assessment, MissingInput


def test_a_supplied_value_that_is_too_old_is_stale_and_shown_with_value_and_date() -> None:
    old = MetricValue(account_id="acme", metric="logins_change_pct", value=-42, as_of=ago(40))
    gap = _gap_of("logins_change_pct", Given([account(), old]))
    assert gap.state is State.STALE
    assert "too old to count: logins down 42% on the 30 days before" in gap.sentence
    assert "2026-10-12" in gap.sentence


def test_a_supplied_value_that_is_fresh_replaces_nothing_silently() -> None:
    fresh = MetricValue(account_id="acme", metric="logins_change_pct", value=-42, as_of=ago(2))
    factor = _factor_of("logins_change_pct", Given([account(), fresh]))
    assert factor.sentence == "Logins down 42% on the 30 days before (supplied by the source, not computed here)"
    assert factor.as_of is not None
    assert factor.as_of.replace(tzinfo=None) == ago(2)


def test_an_old_survey_answer_is_stale_and_shown_with_value_and_date() -> None:
    answer = SurveyResponse(account_id="acme", respondent="r", kind="nps", score=9, responded_at=ago(200))
    gap = _gap_of("nps_latest", Given([account(), answer]))
    assert gap.state is State.STALE
    assert "latest NPS answers average 9 of 10, newest on 2026-05-05" in gap.sentence


def test_an_undated_field_is_labelled_current_in_an_answer_about_the_past() -> None:
    fetched_later = {"account": {"fetched_at": AS_OF}}
    source = Given([account(contract_status="active")], changes=fetched_later)
    assert "The contract is active (current value)" in _summary(source, as_of=ago(100))
    assert "contract status (current values)" in _summary(source, as_of=ago(100))
    assert "current value" not in _summary(source)


def test_a_missing_column_of_a_connected_source_is_not_called_a_missing_connection() -> None:
    source = Given(
        [account(), Ticket(account_id="acme", ticket_id="1", opened_at=ago(3))], columns={"ticket": ["opened_at"]}
    )
    assert "the support platform does not provide this" in _gap_of("escalations_90d", source).sentence


def test_a_history_that_starts_inside_the_window_is_said_with_its_date() -> None:
    source = Given(
        [account(), Ticket(account_id="acme", ticket_id="1", opened_at=ago(3))], history_from={"ticket": ago(10)}
    )
    gap = _gap_of("escalations_90d", source)
    assert gap.state is State.PARTIAL
    assert "history in the support platform starts on 2026-11-11" in gap.sentence


def test_a_table_that_does_not_apply_makes_its_metrics_not_applicable_instead_of_missing() -> None:
    source = Given([account()], tables=["invoice"], states={"invoice": {"acme": State.NOT_APPLICABLE}})
    (assessment,) = assessments_of(source)
    assert not [gap for gap in assessment.gaps if "overdue_invoices" in gap.metrics]


def test_each_state_of_a_source_is_one_gap_and_one_line_under_inputs_used() -> None:
    for state in (State.FAILED, State.STALE, State.PARTIAL, State.NOT_MATCHED):
        source = Given([account()], tables=["usage_day"], states={"usage_day": {"acme": state}})
        assert _gap_of("logins_change_pct", source).state is state
        (assessment,) = assessments_of(source)
        assert [report.state for report in assessment.inputs if report.source == "analytics"] == [state]


def test_a_detail_of_the_source_is_quoted_and_cannot_become_markdown() -> None:
    details = {"usage_day": {"details": {"acme": "two accounts fit: `a|b` and [x](https://evil.example)"}}}
    source = Given(
        [account()], tables=["usage_day"], states={"usage_day": {"acme": State.NOT_MATCHED}}, changes=details
    )
    sentence = _gap_of("logins_change_pct", source).sentence
    assert "`a│b`" in sentence
    assert "<a " not in MarkdownIt("gfm-like").render(sentence)


def test_days_never_seen_count_from_the_start_of_observation_and_say_at_least() -> None:
    mail = Touchpoint(account_id="acme", at=ago(5), kind="mail")
    source = Given([account(), mail], history_from={"touchpoint": ago(50)})
    factor = _factor_of("days_since_executive_touch", source)
    assert factor.value == 50
    assert factor.sentence == "Last executive touch at least 50 days ago"


def test_evidence_names_the_newest_rows_first_and_at_most_five() -> None:
    tickets = [
        Ticket(account_id="acme", ticket_id=f"t{i}", opened_at=ago(i + 1), escalated_at=ago(i)) for i in range(1, 8)
    ]
    assert _factor_of("escalations_90d", Given([account(), *tickets])).evidence == ("t1", "t2", "t3", "t4", "t5")


def test_the_score_of_the_crm_can_lead_and_the_computed_one_still_stands() -> None:
    crm = account(crm_score=20, crm_score_low=0, crm_score_high=100, crm_score_higher_is="riskier")
    text = _summary(Given([crm, *_use()]), headline="crm")
    assert "**Score:** 80 (Green) — the CRM's own score, 20 on its scale of 0 to 100 (higher is riskier)." in text
    assert "Computed here: " in text
    assert "**Score:** 80" not in _summary(Given([crm, *_use()]))


def test_without_a_score_in_the_crm_the_computed_one_leads_whatever_the_policy_says() -> None:
    text = _summary(Given([account(), *_use()]), headline="crm")
    assert "Computed here" not in text


def test_a_crm_score_without_scale_is_named_but_not_compared() -> None:
    (assessment,) = assessments_of(Given([account(crm_score=8)]))
    assert assessment.crm_score is None
    assert assessment.notices == ("The CRM carries a score of 8 without scale and direction; not compared.",)


def _use() -> list[UsageDay]:
    return [UsageDay(account_id="acme", day=ago(d).date(), logins=9, active_users=4, events=30) for d in range(1, 70)]


def _gap_of(metric: str, source: Given) -> MissingInput:
    (assessment,) = assessments_of(source)
    (gap,) = [gap for gap in assessment.gaps if metric in gap.metrics]
    return gap


def _factor_of(metric: str, source: Given) -> Any:
    (assessment,) = assessments_of(source)
    (factor,) = [factor for factor in assessment.factors if factor.metric == metric]
    return factor


def _summary(source: Given, headline: str = "computed", **asked: Any) -> str:
    policy = parse_policy(default_document() | {"headline": headline}, "test")
    answers: list[Assessment] = assessments_of(replace(source), policy=policy, **asked)
    return render_summary(answers[0], policy)


def test_the_default_policy_puts_the_computed_score_first() -> None:
    assert load_policy().headline == "computed"


def test_stale_tickets_raise_no_flag_and_clear_none() -> None:
    ticket = Ticket(account_id="acme", ticket_id="1", opened_at=ago(60), escalated_at=ago(50))
    stale = Given([account(), ticket], changes={"ticket": {"live": False}})
    assert _flag_of("escalation_90d", stale).state == "unknown"
    assert "newest data in the support platform is from 2026-09-22" in _flag_of("escalation_90d", stale).detail
    assert _flag_of("escalation_90d", Given([account(), ticket])).state == "raised"


def test_a_supplied_mean_of_six_proves_a_detractor_and_a_higher_one_proves_nothing() -> None:
    for mean, state in ((6, "raised"), (9, "unknown")):
        value = MetricValue(account_id="acme", metric="nps_latest", value=mean, as_of=ago(1), provider="caller")
        assert _flag_of("nps_detractor", Given([account(), value])).state == state


def _flag_of(flag: str, source: Given) -> Any:
    (assessment,) = assessments_of(source)
    return next(f for f in assessment.flags if f.flag == flag)


def test_a_crm_scale_without_a_width_is_not_compared() -> None:
    for low, high in ((10, 10), (-1e308, 1e308)):
        endless = account(crm_score=8, crm_score_low=low, crm_score_high=high, crm_score_higher_is="healthier")
        (assessment,) = assessments_of(Given([endless]))
        assert assessment.crm_score is None
        assert "not compared" in assessment.notices[0]


def test_a_huge_number_is_written_short() -> None:
    huge = MetricValue(account_id="acme", metric="days_overdue", value=1e300, as_of=ago(1))
    assert "1e+300 days overdue" in _factor_of("days_overdue", Given([account(), huge])).sentence


def test_a_supplied_value_that_cannot_be_is_refused_and_said() -> None:
    company_nps = MetricValue(account_id="acme", metric="nps_latest", value=45, as_of=ago(1))
    gap = _gap_of("nps_latest", Given([account(), company_nps]))
    assert gap.state is State.FAILED
    assert "the value supplied, 45, is impossible; it must be 0 or more and 10 or less" in gap.sentence


def test_an_executive_touch_that_never_was_is_worded_at_least_and_never_praised() -> None:
    mail = Touchpoint(account_id="acme", at=ago(0.5), kind="mail")
    source = Given([account(), mail], history_from={"touchpoint": ago(1)})
    assert _factor_of("days_since_executive_touch", source).sentence == "Last executive touch at least 1 days ago"
    (assessment,) = assessments_of(Given([account(customer_since="2026-11-01"), mail]))
    assert not [factor for factor in assessment.factors if factor.metric == "days_since_executive_touch"]


def test_an_open_downgrade_counts_although_its_close_date_lies_ahead() -> None:
    deal = Opportunity(
        account_id="acme", opportunity_id="O1", kind="downgrade", stage_kind="open",
        created_at=ago(20), close_date=date(2026, 12, 31),
    )  # fmt: skip
    source = Given([account(), deal], changes={"opportunity": {"live": False, "history_from": None}})
    assert _factor_of("open_downgrade", source).sentence == "1 downgrade under way"


def test_a_contract_term_that_began_long_ago_still_tells_the_renewal() -> None:
    term = Subscription(account_id="acme", subscription_id="S", started_at=ago(200), renews_at=date(2026, 12, 1))
    source = Given([account(), term], changes={"subscription": {"live": False}})
    assert _flag_of("renewal_soon", source).state == "raised"


def test_an_account_confirmed_later_than_the_asked_day_is_labelled_current() -> None:
    later = account(contract_status="active", updated_at=ago(1))
    source = Given([later], changes={"account": {"fetched_at": AS_OF}})
    assert "The contract is active (current value)" in _summary(source, as_of=ago(30))


def test_an_older_escalation_that_is_still_open_is_named_beside_the_recent_one() -> None:
    tickets = [
        Ticket(account_id="acme", ticket_id="new", opened_at=ago(20), escalated_at=ago(19), solved_at=ago(15)),
        Ticket(account_id="acme", ticket_id="old", opened_at=ago(400), escalated_at=ago(390)),
    ]
    flag = _flag_of("escalation_90d", Given([account(), *tickets]))
    assert flag.evidence == ("new", "old")
    assert "1 still open, since 2025-10-27" in flag.detail


def test_overdue_days_alone_prove_a_payment_issue() -> None:
    days = MetricValue(account_id="acme", metric="days_overdue", value=30, as_of=ago(1), provider="caller")
    assert _flag_of("payment_issue", Given([account(), days])).state == "raised"


def test_what_could_not_be_checked_for_a_new_customer_still_says_why() -> None:
    flag = _flag_of("usage_drop", Given([account(customer_since="2026-11-01")]))
    assert (flag.state, flag.detail) == ("unknown", "product analytics is not connected")


def test_a_status_without_a_date_is_labelled_current_in_an_answer_about_the_past() -> None:
    solved = Ticket(account_id="acme", ticket_id="1", opened_at=ago(100), status="solved")
    source = Given([account(), solved], changes={"ticket": {"fetched_at": AS_OF}})
    assert "1 ticket since 2026-08-13 (1 with their current status, which has no date)" in _summary(
        source, as_of=ago(60)
    )
    assert "current status" not in _summary(source)
