"""Accounts at risk: whom somebody has to look after, in which order, why, by when; and who is left out is counted."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from markdown_it import MarkdownIt

from account_health.at_risk import WantedAtRisk, at_risk
from account_health.chronicle import Phase
from account_health.config import DEMO, Config
from account_health.errors import CallerError
from account_health.flags import SEVERITIES
from account_health.manual_status import prepare_flag, prepare_status, write
from account_health.model import FlagState, Severity, State
from account_health.overview import Overview
from account_health.render import render_at_risk
from account_health.said import FlagWish, StatusWish
from account_health.tables import MetricValue
from account_health.workspace import Workspace
from doors import DAY, NOW, clock
from given import DEFAULT_POLICY, supplied
from history.readings import other_policy
from moving import clock_before, customer, recorded_by, workspace_given, workspace_on
from test_markup import OWN, structure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from account_health.at_risk_accounts import AtRiskAccount, AtRiskAccounts
    from account_health.tables import Row

pytestmark = pytest.mark.anyio

TODAY = date(2026, 11, 21)
NORTHWIND_FLAGS = ("escalation_90d", "renewal_soon")
RAISING: dict[str, dict[str, float]] = {
    "critical": {"escalations_90d": 1, "open_escalations": 1},
    "high": {"escalations_90d": 1, "open_escalations": 0},
    "medium": {"days_since_executive_touch": 100},
    "watch": {"days_to_renewal": 60},
}
"""Values that raise one flag of that severity."""
CLEARED = {"escalations_90d": 0, "open_escalations": 0}


def _as_of(row: Row, instant: datetime) -> Row:
    """A metric value of that instant; other rows as they are."""
    return row.model_copy(update={"as_of": instant}) if isinstance(row, MetricValue) else row


async def listed(workspace: Workspace, limit: int = 100, as_of: str | None = None, **wanted: Any) -> AtRiskAccounts:
    return await at_risk(Overview(workspace), WantedAtRisk(**wanted), limit, as_of=as_of)


async def ids(workspace: Workspace, **wanted: Any) -> list[str]:
    return [account.id for account in (await listed(workspace, **wanted)).accounts]


async def entry(workspace: Workspace, account: str, as_of: str | None = None) -> AtRiskAccount | None:
    """The account in the list, if it is there."""
    return next((found for found in (await listed(workspace, as_of=as_of)).accounts if found.id == account), None)


async def say(workspace: Workspace, account: str, flag: str, phase: Phase, until: str = "") -> None:
    await write(workspace, await prepare_flag(workspace, FlagWish(account, flag, phase, until)))


def urgent(account_id: str, tier: str, band: str = "green", **said: object) -> list[Row]:
    """A customer that one flag puts into a tier."""
    return [*customer(account_id, band, **said), *supplied(RAISING.get(tier, {}), account_id)]


# --- Whom and in which order ----------------------------------------------------------------------------------------


async def test_exactly_the_customers_with_a_tier_are_listed_with_the_tier_they_are_told(recorded: Config) -> None:
    workspace = workspace_on(recorded)
    for as_of in (None, DAY):
        found = {account.id: account.tier for account in (await listed(workspace, as_of=as_of)).accounts}
        directory = await workspace.directory(workspace.instant(as_of))
        told = {account.id: (await workspace.assess(account.id, as_of)).tier for account in directory.entries}
        assert len(told) == 13
        del told["moonbeam"]
        assert found == {account: tier for account, tier in told.items() if tier is not Severity.NONE}


async def test_the_most_urgent_come_first_then_the_most_money_then_the_id() -> None:
    chance = random.Random(7)  # noqa: S311 - no secret, and the same every time
    rates = {"EUR": 1.1}
    policy = other_policy(currency=DEFAULT_POLICY.currency.model_copy(update={"rates": rates}))
    rows: list[Row] = []
    for number in chance.sample(range(100), 40):
        money = chance.choice([(None, None), (0, "USD"), (100, "USD"), (100, "EUR"), (105, "USD"), (10**9, "GBP")])
        rows += urgent(f"a{number:02}", chance.choice(list(RAISING)), arr=money[0], currency=money[1])
    accounts = (await listed(workspace_given(rows, policy))).accounts

    def place(found: AtRiskAccount) -> tuple[int, float, str]:
        rate = {"USD": 1.0, **rates}.get(found.currency or "")
        worth = -1.0 if found.arr is None or rate is None else found.arr * rate
        return SEVERITIES.index(found.tier), -worth, found.id

    assert len(accounts) == 40
    assert {account.tier.value for account in accounts} == set(RAISING)
    assert [place(account) for account in accounts] == sorted(place(account) for account in accounts)


async def test_money_of_unknown_worth_comes_last_within_its_tier() -> None:
    rows = [
        *urgent("a", "high", arr=10**9, currency="GBP"),
        *urgent("b", "high"),
        *urgent("c", "high", arr=1, currency="USD"),
        *urgent("d", "critical"),
    ]
    assert await ids(workspace_given(rows)) == ["d", "c", "a", "b"]


async def test_a_red_score_without_any_flag_is_a_reason() -> None:
    found = await entry(workspace_given(customer("a", "red")), "a")
    assert found
    (signal,) = found.signals
    assert (signal.flag, signal.name, signal.severity, signal.detail) == (None, "Red score", "high", "score of 13")
    assert found.tier == DEFAULT_POLICY.tier.red
    assert found.action == "Find out what keeps the score red; agree on a recovery plan."


async def test_signals_are_the_raised_flags_the_worst_first_and_the_action_is_that_of_the_first(
    recorded: Config,
) -> None:
    workspace = workspace_on(recorded)
    for account in (await listed(workspace)).accounts:
        told = await workspace.assess(account.id)
        raised = {flag.flag: flag for flag in told.flags if flag.state is FlagState.RAISED}
        said = {signal.flag: signal for signal in account.signals if signal.flag}
        assert {flag: signal.severity for flag, signal in said.items()} == {
            flag: found.severity for flag, found in raised.items()
        }
        assert (None in [signal.flag for signal in account.signals]) == (told.band == "red")
        places = [SEVERITIES.index(signal.severity) for signal in account.signals]
        assert places == sorted(places)
        assert account.tier == account.signals[0].severity
        assert account.action == raised[account.signals[0].flag or ""].action
        assert (account.score_rounded, account.band) == (told.score_rounded, told.band)
        assert all(signal.detail for signal in account.signals)


async def test_a_word_of_a_vocabulary_is_the_one_that_the_account_is_told(recorded: Config) -> None:
    workspace = workspace_on(recorded)
    for vocabulary in DEFAULT_POLICY.vocabularies:
        found = await at_risk(Overview(workspace), WantedAtRisk(), 100, vocabulary=vocabulary)
        for account in found.accounts:
            told = (await workspace.assess(account.id, vocabulary=vocabulary)).status
            assert told
            assert account.word == told.word, account.id


# --- Filters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"segment": "SMB"}, ["junipervale", "kestrel"]),
        ({"segment": "smb"}, ["junipervale", "kestrel"]),
        ({"segment": "none of ours"}, []),
        ({"owner": "mara"}, ["copperkettle", "northwind", "worshipful-guild"]),
        ({"owner": "Mara", "segment": "Enterprise"}, ["worshipful-guild"]),
        ({"renewing": "Q4"}, ["northwind", "worshipful-guild"]),
        ({"renewing": "2026-12"}, ["northwind"]),
        ({"renewing": "90"}, ["fernhollow", "copperkettle", "northwind", "trickster"]),
        ({"renewing": "next 24 days"}, ["northwind"]),
        ({"renewing": "23"}, []),
        ({"tier": "critical"}, ["fernhollow", "copperkettle", "northwind"]),
        ({"tier": "critical", "owner": "Mara"}, ["copperkettle", "northwind"]),
        ({"top_by_arr": 3}, ["fernhollow", "copperkettle"]),
        ({"top_by_arr": 1, "owner": "Mara"}, ["copperkettle"]),
        ({"top_by_arr": 1000}, ["fernhollow", "copperkettle", "trickster", "junipervale"]),
    ],
)
async def test_a_list_holds_what_fits_all_that_is_wanted(
    recorded: Config, wanted: dict[str, Any], expected: list[str]
) -> None:
    assert await ids(workspace_on(recorded), **wanted) == expected


async def test_a_tier_is_the_least_urgent_one_that_is_listed() -> None:
    workspace = workspace_given([row for tier in RAISING for row in urgent(tier, tier)])
    for place, tier in enumerate(RAISING):
        found = await listed(workspace, tier=tier)
        assert [account.id for account in found.accounts] == list(RAISING)[: place + 1]
        assert found.tiers == {other: int(at <= place) for at, other in enumerate(RAISING)}
        assert found.summary.startswith(f"{place + 1} of 4 accounts need attention (tier {tier} or more urgent): ")


async def test_the_accounts_with_the_highest_arr_are_taken_before_asking_who_is_at_risk() -> None:
    rows = [
        *customer("a", arr=300, currency="USD"),
        *urgent("b", "high", arr=200, currency="USD"),
        *urgent("c", "high", arr=100, currency="USD"),
        *urgent("d", "high"),
    ]
    workspace = workspace_given(rows)
    assert await ids(workspace, top_by_arr=1) == []
    assert await ids(workspace, top_by_arr=2) == ["b"]
    found = await listed(workspace, top_by_arr=4)
    assert [account.id for account in found.accounts] == ["b", "c"]
    assert found.summary.startswith("2 of 3 accounts need attention")


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"tier": "none"}, "There is no such tier. Tiers: critical, high, medium, watch."),
        ({"tier": "Critical"}, "There is no such tier."),
        ({"renewing": "soon"}, "There is no such renewal window. Write e.g. Q4"),
        ({"renewing": "2026-13"}, "There is no such renewal window."),
    ],
)
async def test_a_wish_that_means_nothing_is_refused_with_what_there_is(wanted: dict[str, Any], problem: str) -> None:
    with pytest.raises(CallerError) as refused:
        await listed(workspace_given(customer("a")), **wanted)
    assert str(refused.value).startswith(problem)


async def test_a_vocabulary_that_is_none_is_refused() -> None:
    with pytest.raises(CallerError, match=r"There is no such vocabulary. Vocabularies: colours, uman"):
        await at_risk(Overview(workspace_given(customer("a"))), WantedAtRisk(), 5, vocabulary="klingon")


# --- Pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 4, 9, 100])
async def test_all_pages_together_are_the_one_big_page(recorded: Config, limit: int) -> None:
    overview = Overview(workspace_on(recorded))
    for wanted in (WantedAtRisk(), WantedAtRisk(owner="Mara")):
        whole = await at_risk(overview, wanted, 100)
        assert whole.next_cursor is None
        seen: list[AtRiskAccount] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await at_risk(overview, wanted, limit, cursor)
            assert (page.total, page.tiers, page.summary) == (whole.total, whole.tiers, whole.summary)
            assert page.arr_at_risk == whole.arr_at_risk
            seen += page.accounts
            cursor = page.next_cursor
        assert tuple(seen) == whole.accounts
        assert len(seen) == whole.total


async def test_a_cursor_of_another_list_is_refused(recorded: Config) -> None:
    overview = Overview(workspace_on(recorded))
    cursor = (await at_risk(overview, WantedAtRisk(), 2)).next_cursor or ""
    for wanted in (WantedAtRisk(owner="Mara"), WantedAtRisk(tier="high"), WantedAtRisk(top_by_arr=5)):
        with pytest.raises(CallerError, match="This cursor belongs to no page of this search"):
            await at_risk(overview, wanted, 2, cursor)


# --- What to do and when --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tier", "renewal", "due"),
    [
        ("critical", None, 7),
        ("high", None, 14),
        ("medium", None, 30),
        ("critical", 8, 7),
        ("critical", 7, 6),
        ("critical", 2, 1),
        ("critical", 1, 0),
        ("critical", 0, 7),
        ("critical", -5, 7),
        ("high", 15, 14),
        ("high", 10, 9),
        ("watch", 60, 59),
        ("watch", 90, 89),
        ("watch", 1, 0),
        ("watch", 0, 90),
        ("watch", -30, 90),
    ],
)
async def test_an_action_is_due_by_its_tier_and_never_later_than_the_day_before_a_renewal(
    tier: str, renewal: int | None, due: int
) -> None:
    values = {} if tier == "watch" else RAISING[tier]
    day = None if renewal is None else TODAY + timedelta(days=renewal)
    rows = [*customer("a", renewal_date=day), *supplied(values, "a")]
    found = await entry(workspace_given(rows), "a")
    assert found
    assert (found.tier, found.renewal_date) == (tier, day)
    assert found.due == TODAY + timedelta(days=due)


async def test_days_are_those_of_the_time_zone_of_the_policy() -> None:
    policy = other_policy(time_zone="Pacific/Kiritimati")
    found = await entry(workspace_given(urgent("a", "critical"), policy), "a")
    assert found
    assert found.due == date(2026, 11, 28)
    late = await entry(workspace_given(urgent("a", "critical"), policy), "a", "2026-11-21T12:00:00Z")
    assert late
    assert late.due == date(2026, 11, 29)


async def test_an_account_without_an_owner_has_one_to_be_decided() -> None:
    found = await listed(workspace_given([*urgent("a", "high"), *urgent("b", "high", owner="Ann")]))
    assert [account.owner for account in found.accounts] == [None, "Ann"]
    assert "owner" not in found.accounts[0].as_json()
    text = render_at_risk(found, DEFAULT_POLICY)
    assert "Owner: to be decided; due 2026-12-05." in text
    assert "Owner: Ann; due 2026-12-05." in text


# --- What people said -----------------------------------------------------------------------------------------------


async def test_a_snoozed_flag_counts_for_nothing_while_it_is_snoozed(recorded_copy: Config) -> None:
    workspace = workspace_on(recorded_copy, 1)
    before = await entry(workspace, "northwind")
    assert before
    assert (before.tier, before.due) == ("critical", date(2026, 11, 27))
    await say(workspace, "northwind", "escalation_90d", Phase.SNOOZED, DAY)
    after = await entry(workspace, "northwind")
    assert after
    assert (after.tier, after.due) == ("watch", date(2026, 12, 14))
    assert {signal.flag: signal.phase for signal in after.signals} == {
        "escalation_90d": "snoozed",
        "renewal_soon": None,
    }
    assert after.action == DEFAULT_POLICY.flags["renewal_soon"].action
    assert (await workspace.assess("northwind")).tier == "critical"


async def test_an_account_whose_flags_are_all_snoozed_drops_out_and_is_counted(recorded_copy: Config) -> None:
    workspace = workspace_on(recorded_copy, 1)
    before = await listed(workspace)
    for flag in NORTHWIND_FLAGS:
        await say(workspace, "northwind", flag, Phase.SNOOZED, DAY)
    after = await listed(workspace)
    assert "northwind" not in [account.id for account in after.accounts]
    assert after.total == before.total - 1
    assert after.tiers["critical"] == before.tiers["critical"] - 1
    assert "; 1 left out because all of their flags are snoozed;" in after.summary
    assert "snoozed" not in (await listed(workspace, owner="Jun")).summary


@pytest.mark.parametrize("refresh", [False, True])
async def test_a_snoozed_account_comes_back_after_its_day(recorded_copy: Config, *, refresh: bool) -> None:
    for flag in NORTHWIND_FLAGS:
        await say(workspace_on(recorded_copy, 1), "northwind", flag, Phase.SNOOZED, DAY)

    async def is_listed(days_before: float) -> bool:
        workspace = workspace_on(recorded_copy, days_before)
        found = await at_risk(Overview(workspace), WantedAtRisk(), 100, refresh=refresh)
        return "northwind" in [account.id for account in found.accounts]

    assert not await is_listed(0)
    await recorded_by(workspace_on(recorded_copy, -1))
    assert await is_listed(-1)


async def test_a_snooze_holds_to_the_end_of_its_last_day(recorded_copy: Config) -> None:
    for flag in NORTHWIND_FLAGS:
        await say(workspace_on(recorded_copy, 1), "northwind", flag, Phase.SNOOZED, DAY)
    workspace = workspace_on(recorded_copy)
    assert await entry(workspace, "northwind", DAY) is None
    assert await entry(workspace, "northwind", "2026-11-22T00:00:00Z") is not None


async def test_an_acknowledged_flag_stays_listed_and_says_so(recorded_copy: Config) -> None:
    workspace = workspace_on(recorded_copy)
    await say(workspace, "northwind", "escalation_90d", Phase.ACKNOWLEDGED)
    found = await entry(workspace, "northwind")
    assert found
    assert found.tier == "critical"
    assert {signal.flag: signal.phase for signal in found.signals} == {
        "escalation_90d": "acknowledged",
        "renewal_soon": None,
    }
    text = render_at_risk(await listed(workspace), workspace.policy)
    assert "Escalation in last 90 days (critical, acknowledged): 1 escalation in the last 90 days;" in text


async def test_a_flag_that_is_reset_counts_again(recorded_copy: Config) -> None:
    workspace = workspace_on(recorded_copy)
    for flag in NORTHWIND_FLAGS:
        await say(workspace, "northwind", flag, Phase.SNOOZED, "2026-12-31")
    assert await entry(workspace, "northwind") is None
    await say(workspace, "northwind", "renewal_soon", Phase.PERSISTING)
    found = await entry(workspace, "northwind")
    assert found
    assert found.tier == "watch"


async def test_what_was_said_of_a_flag_ends_when_the_flag_has_cleared_in_between(tmp_path: Path) -> None:
    def workspace_at(days: float, tier: str) -> Workspace:
        at = clock_before(days)
        rows = [*customer("a"), *supplied(RAISING.get(tier, CLEARED), "a")]
        opened = workspace_given(
            [_as_of(row, at().replace(tzinfo=None)) for row in rows], history=tmp_path / "history.sqlite"
        )
        return replace(opened, clock=at, memory=replace(opened.memory, clock=at))

    await recorded_by(workspace_at(9, "critical"))
    await say(workspace_at(8, "critical"), "a", "escalation_90d", Phase.SNOOZED, "2026-12-31")
    assert await entry(workspace_at(8, "critical"), "a") is None
    await recorded_by(workspace_at(6, "cleared"))
    await recorded_by(workspace_at(3, "critical"))
    last = workspace_at(0, "critical")
    raised = [flag for flag in (await last.assess("a")).flags if flag.flag == "escalation_90d"]
    assert [flag.life and flag.life.phase for flag in raised] == [Phase.PERSISTING]
    await recorded_by(last)
    for as_of, refresh in ((None, False), (None, True), (DAY, False)):
        found = await at_risk(Overview(last), WantedAtRisk(), 10, as_of=as_of, refresh=refresh)
        assert [(a.id, [signal.phase for signal in a.signals]) for a in found.accounts] == [("a", [None])]


async def test_what_was_said_of_a_flag_before_anything_was_recorded_holds(tmp_path: Path) -> None:
    workspace = workspace_given(urgent("a", "critical"), history=tmp_path / "history.sqlite")
    await say(workspace, "a", "escalation_90d", Phase.ACKNOWLEDGED)
    for refresh in (False, True):
        (found,) = (await at_risk(Overview(workspace), WantedAtRisk(), 10, refresh=refresh)).accounts
        assert [signal.phase for signal in found.signals] == ["acknowledged"]


async def test_a_status_that_a_person_set_stands_beside_the_score(recorded_copy: Config) -> None:
    workspace = workspace_on(recorded_copy)
    await write(workspace, await prepare_status(workspace, StatusWish("northwind", "Good")))
    found = await entry(workspace, "northwind")
    assert found
    assert (found.manual_status, found.score_rounded) == ("Good", 63)
    assert "63 (Yellow), set to Good, EUR 48,000" in render_at_risk(await listed(workspace), workspace.policy)


# --- How complete ---------------------------------------------------------------------------------------------------


async def test_the_summary_says_how_complete_the_list_is(recorded: Config) -> None:
    assert (await listed(workspace_on(recorded))).summary == (
        "9 of 12 accounts need attention: 3 critical, 4 high, 2 medium; "
        "scored 11 of 12, 1 with too little evidence; "
        "data missing from product analytics for 5 and the survey tool for 3; "
        "1 left out as no customers."
    )


async def test_the_summary_tells_unmatched_accounts_from_those_with_too_little_evidence() -> None:
    rows = [*urgent("a", "high"), *customer("b", "not_scored"), *customer("c", "not_scored")]
    states = {"ticket": {"b": State.NOT_MATCHED}}
    found = await listed(workspace_given(rows, tables=("ticket", "metric_value"), states=states))
    assert "; scored 1 of 3, 1 not matched and 1 with too little evidence; data missing from" in found.summary


async def test_who_is_no_customer_is_left_out_and_counted_where_it_would_have_been() -> None:
    rows = [
        *urgent("a", "high", lifecycle="customer", segment="SMB", owner="Ann"),
        *urgent("b", "critical", lifecycle="prospect", segment="SMB", owner="Bo"),
        *urgent("c", "critical", lifecycle="churned", segment="Big", owner="Bo"),
    ]
    workspace = workspace_given(rows)
    assert await ids(workspace) == ["a"]
    assert (await listed(workspace)).summary.endswith("; 2 left out as no customers.")
    assert (await listed(workspace, segment="SMB")).summary.endswith("; 1 left out as no customers.")
    assert "no customers" not in (await listed(workspace, owner="Ann")).summary


async def test_a_list_of_nobody_says_none(tmp_path: Path) -> None:
    workspace = workspace_given(customer("a"), history=tmp_path / "none.sqlite")
    found = await listed(workspace)
    assert (found.accounts, found.total, found.arr_at_risk, found.next_cursor) == ((), 0, (), None)
    assert found.summary.startswith("0 of 1 accounts need attention; scored 1 of 1;")
    assert "\n\nNone.\n\n" in render_at_risk(found, DEFAULT_POLICY)


async def test_the_arr_at_risk_is_summed_where_a_rate_allows_and_told_apart_elsewhere() -> None:
    policy = other_policy(currency=DEFAULT_POLICY.currency.model_copy(update={"rates": {"EUR": 2}}))
    rows = [
        *urgent("a", "high", arr=100, currency="EUR"),
        *urgent("b", "high", arr=50, currency="USD"),
        *urgent("c", "high", arr=70, currency="GBP"),
        *urgent("d", "high"),
        *customer("e", arr=1000, currency="USD"),
    ]
    found = await listed(workspace_given(rows, policy))
    assert [money.as_json() for money in found.arr_at_risk] == [
        {"currency": "USD", "amount": 250.0, "accounts": 2},
        {"currency": "GBP", "amount": 70.0, "accounts": 1},
    ]


# --- As text --------------------------------------------------------------------------------------------------------


def at_risk_text(texts: Sequence[str]) -> str:
    """The list of accounts that show the texts wherever text from outside can stand in it."""
    rows = [row for i, t in enumerate(texts) for row in urgent(f"a{i:02}", "high", name=t, owner=t, segment=t)]
    workspace = workspace_given(rows, label=texts[0], changes={"ticket": {"failure": texts[0]}}, tables=["ticket"])
    return render_at_risk(anyio.run(at_risk, Overview(workspace), WantedAtRisk(), 100), DEFAULT_POLICY)


def test_hostile_text_changes_no_structure_of_the_list() -> None:
    texts = [text for text in OWN if text.strip()]
    for at in range(0, len(texts) - 10, 10):
        hostile = texts[at : at + 10]
        assert structure(at_risk_text(hostile)) == structure(at_risk_text(["hello world"] * 10)), hostile


def test_the_hostile_demo_account_makes_neither_headings_nor_links() -> None:
    found = anyio.run(at_risk, Overview(Workspace.open(DEMO, clock)), WantedAtRisk(), 100, "", DAY)
    text = render_at_risk(found, DEFAULT_POLICY)
    assert "Trickster" in text
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "## Accounts at Risk",
        "### Critical",
        "### High",
        "### Medium",
    ]
    tokens = [child for token in MarkdownIt("gfm-like").parse(text) for child in (token, *(token.children or ()))]
    assert {token.type for token in tokens} & {"link_open", "image", "html_block", "html_inline"} == set()
    assert "\n\n\n" not in text
    assert text.endswith(" UTC\n")


def test_the_list_of_the_demo_stays_as_it_is(snapshot: SnapshotAssertion) -> None:
    found = anyio.run(at_risk, Overview(Workspace.open(DEMO, clock)), WantedAtRisk(), 100, "", DAY)
    assert render_at_risk(found, DEFAULT_POLICY) == snapshot(name="markdown")
    assert json.dumps(found.as_json(), indent=2, ensure_ascii=False) == snapshot(name="json")


def test_a_page_that_is_not_the_last_says_how_to_go_on() -> None:
    found = anyio.run(at_risk, Overview(Workspace.open(DEMO, clock)), WantedAtRisk(), 3, "", DAY)
    assert found.next_cursor
    text = render_at_risk(found, DEFAULT_POLICY)
    assert f"3 of {found.total} shown; the next page: cursor `{found.next_cursor}`." in text
    assert clock() == NOW
