"""The portfolio: counts, sums, shares and movers, each against the same worked out in plain Python, one by one."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from account_health.config import DEMO, Config
from account_health.errors import CallerError
from account_health.model import Band, Severity
from account_health.overview import Overview
from account_health.portfolio import portfolio_health
from account_health.render import render_portfolio
from account_health.workspace import Workspace
from doors import DAY, clock
from given import DEFAULT_POLICY
from history.readings import other_policy
from moving import customer, workspace_given, workspace_on
from test_markup import OWN, structure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from account_health.model import Assessment
    from account_health.money import Money
    from account_health.policy import Policy
    from account_health.portfolio_report import Group, PortfolioHealth
    from account_health.search import FoundAccount
    from account_health.tables import Row

pytestmark = pytest.mark.anyio

BANDS = ("green", "yellow", "red", "not_scored")


async def health_of(workspace: Workspace, segment: str = "", owner: str = "", **asked: Any) -> PortfolioHealth:
    return await portfolio_health(Overview(workspace), segment, owner, **asked)


async def told(workspace: Workspace) -> dict[str, tuple[FoundAccount, Assessment]]:
    """By id, every customer as the search and as the assessment of each account tell it."""
    from account_health.search import Wanted, search  # noqa: PLC0415 - another way to the same facts

    found = (await search(workspace, Wanted(), 100)).accounts
    return {a.id: (a, await workspace.assess(a.id)) for a in found if a.id != "moonbeam"}


def sums(accounts: Iterable[FoundAccount], rates: Mapping[str, float]) -> list[tuple[str, object, int]]:
    """Currency, sum and number of accounts, all that has a rate in US dollars."""
    found: dict[str, list[float]] = {}
    for account in accounts:
        if account.arr is not None:
            code = str(account.currency)
            found.setdefault("USD" if code in rates else code, []).append(account.arr * rates.get(code, 1))
    order = sorted(found, key=lambda code: (code != "USD", code))
    return [(code, pytest.approx(sum(found[code])), len(found[code])) for code in order]


def parts(money: Sequence[Money]) -> list[tuple[str, object, int]]:
    return [(part.currency, part.amount, part.accounts) for part in money]


def with_rates(**rates: float) -> Policy:
    return other_policy(currency=DEFAULT_POLICY.currency.model_copy(update={"rates": rates}))


def aiming_at(percent: float, *bands: str) -> Policy:
    wanted = {"percent": percent, "bands": tuple(Band(band) for band in bands or ("green",))}
    return other_policy(target=DEFAULT_POLICY.target.model_copy(update=wanted))


def customers(**counts: int) -> list[Row]:
    """So many customers of each band, none with anything else to them."""
    return [row for band, count in counts.items() for i in range(count) for row in customer(f"{band}-{i}", band)]


# --- Counts -----------------------------------------------------------------------------------------------------------


async def test_counts_are_those_of_the_assessments_of_every_customer(recorded: Config) -> None:
    workspace = workspace_on(recorded)
    found, everyone = await health_of(workspace), await told(workspace)
    assessments = [assessment for _, assessment in everyone.values()]
    bands = Counter(a.band.value if a.band else "not_scored" for a in assessments)
    scored = [a for a in assessments if a.scored]

    assert found.accounts == len(everyone) == 12
    assert found.scored == len(scored) == 11
    assert {share.band: share.accounts for share in found.bands} == {band: bands[band] for band in BANDS}
    assert found.tiers == {tier.value: sum(a.tier is tier for a in assessments) for tier in Severity}
    assert found.score == pytest.approx(sum(a.score or 0 for a in scored) / len(scored))
    assert found.coverage == pytest.approx(sum(a.coverage for a in assessments) / len(assessments))


async def test_accounts_without_a_score_are_counted_apart_and_are_in_no_share_and_no_mean(recorded: Config) -> None:
    found = await health_of(workspace_on(recorded))
    shares = {share.band: share.share for share in found.bands}
    assert shares.pop("not_scored") is None
    assert sum(share or 0 for share in shares.values()) == pytest.approx(1)
    counted = {share.band: share.accounts for share in found.bands}
    assert shares == {band: pytest.approx(counted[band] / found.scored) for band in shares}
    assert sum(counted.values()) == found.accounts == found.scored + counted["not_scored"]

    workspace = workspace_given(customers(green=1, not_scored=3))
    alone = await health_of(workspace)
    assert (alone.accounts, alone.scored, alone.target.actual) == (4, 1, 100)
    assert alone.score == pytest.approx(100)


@pytest.mark.parametrize("rates", [{}, {"EUR": 1.1}])
async def test_money_per_band_is_summed_where_a_rate_allows(
    recorded: Config, rates: dict[str, float], tmp_path: Path
) -> None:
    lines = "".join(f"{code} = {rate}\n" for code, rate in rates.items())
    (tmp_path / "rates.toml").write_text(f'extends = "default"\nversion = "2"\n[currency.rates]\n{lines}', "utf-8")
    workspace = workspace_on(replace(recorded, policy=tmp_path / "rates.toml"))
    found, everyone = await health_of(workspace), await told(workspace)
    known = {"USD": 1.0, **rates}
    for share in found.bands:
        of_band = [a for a, _ in everyone.values() if (a.band or "not_scored") == share.band]
        assert parts(share.arr) == sums(of_band, known), share.band
    assert [part.currency for part in found.bands[0].arr] == (["USD"] if rates else ["USD", "EUR"])


async def test_segments_and_owners_are_those_of_their_accounts(recorded: Config) -> None:
    workspace = workspace_on(recorded)
    found, everyone = await health_of(workspace), await told(workspace)

    def check(group: Group, members: Sequence[tuple[FoundAccount, Assessment]]) -> None:
        bands = Counter(a.band.value if a.band else "not_scored" for _, a in members)
        scores = [a.score for _, a in members if a.score is not None]
        assert group.accounts == len(members) > 0
        assert group.bands == {band: bands[band] for band in BANDS}
        assert group.score == (pytest.approx(sum(scores) / len(scores)) if scores else None)
        assert group.coverage == pytest.approx(sum(a.coverage for _, a in members) / len(members))
        assert parts(group.arr) == sums([a for a, _ in members], {"USD": 1.0})

    for groups, name in ((found.segments, "segment"), (found.owners, "owner")):
        assert len(groups) == len({getattr(a, name) for a, _ in everyone.values()} - {None})
        for group in groups:
            check(group, [pair for pair in everyone.values() if getattr(pair[0], name) == group.name])


async def test_one_segment_or_owner_can_be_looked_at_alone(recorded: Config) -> None:
    workspace = workspace_on(recorded)
    whole, everyone = await health_of(workspace), await told(workspace)
    for group in whole.segments:
        alone = await health_of(workspace, segment=group.name.upper())
        assert alone.accounts == group.accounts
        assert {share.band: share.accounts for share in alone.bands} == group.bands
        assert [other.name for other in alone.segments] == [group.name]
    both = await health_of(workspace, "Enterprise", "Tomas")
    assert both.accounts == sum((a.segment, a.owner) == ("Enterprise", "Tomas") for a, _ in everyone.values())
    nobody = await health_of(workspace, "none of ours")
    assert (nobody.accounts, nobody.score, nobody.coverage, nobody.segments) == (0, None, 0, ())
    assert nobody.target.actual is None


async def test_who_is_no_customer_is_left_out_and_counted_where_it_would_have_been() -> None:
    rows = [
        *customer("a", lifecycle="customer", segment="SMB"),
        *customer("b", "red", lifecycle="prospect", segment="SMB"),
        *customer("c", "red", lifecycle="churned", segment="Big"),
    ]
    workspace = workspace_given(rows)
    found = await health_of(workspace)
    assert (found.accounts, found.tiers["high"]) == (1, 0)
    assert found.summary.endswith("; 2 left out as no customers.")
    assert (await health_of(workspace, "SMB")).summary.endswith("; 1 left out as no customers.")
    assert (await health_of(workspace, "Big")).accounts == 0


# --- Target -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "green", "yellow", "actual", "missing"),
    [
        (80, 8, 2, 80, 0),
        (80, 7, 3, 70, 1),
        (80, 0, 10, 0, 8),
        (80, 10, 0, 100, 0),
        (80, 4, 1, 80, 0),
        (80, 2, 1, 66.666666667, 1),
        (80, 159, 41, 79.5, 1),
        (80, 3, 0, 100, 0),
        (0, 0, 3, 0, 0),
        (100, 9, 1, 90, 1),
        (66.7, 2, 1, 66.666666667, 1),
        (66.6, 2, 1, 66.666666667, 0),
        (33.3, 0, 1, 0, 1),
    ],
)
async def test_the_target_says_what_is_wanted_what_there_is_and_how_many_are_missing(
    percent: float, green: int, yellow: int, actual: float, missing: int
) -> None:
    workspace = workspace_given(customers(green=green, yellow=yellow), aiming_at(percent))
    target = (await health_of(workspace)).target
    assert (target.percent, target.bands) == (percent, ("green",))
    assert (target.actual, target.missing, target.is_met) == (actual, missing, missing == 0)


async def test_with_nothing_scored_a_target_is_neither_met_nor_missed() -> None:
    found = await health_of(workspace_given(customers(not_scored=2)))
    assert found.target.as_json() == {"percent": 80.0, "bands": ["green"]}
    assert "target" not in found.summary
    assert "Target: 80% green; nothing is scored." in render_portfolio(found, DEFAULT_POLICY)


async def test_accounts_without_a_score_do_not_count_against_the_target() -> None:
    target = (await health_of(workspace_given(customers(green=4, yellow=1, not_scored=20)))).target
    assert (target.actual, target.is_met) == (80, True)


async def test_a_target_may_want_several_bands_and_another_share() -> None:
    workspace = workspace_given(customers(green=1, yellow=1, red=2), aiming_at(75, "green", "yellow"))
    found = await health_of(workspace)
    assert found.target.as_json() == {
        "percent": 75.0,
        "bands": ["green", "yellow"],
        "actual": 50.0,
        "is_met": False,
        "missing": 1,
    }
    assert "50% green and yellow against a target of 75%, 1 short" in found.summary
    assert "Target: 75% green or yellow; actual 50%" in render_portfolio(found, workspace.policy)


async def test_the_target_weighed_by_arr_takes_scored_accounts_with_money_in_the_base_currency() -> None:
    rows = [
        *customer("a", "green", arr=100, currency="USD"),
        *customer("b", "red", arr=200, currency="EUR"),
        *customer("c", "green", arr=10**6, currency="GBP"),
        *customer("d", "not_scored", arr=10**6, currency="USD"),
        *customer("e", "red"),
    ]
    assert (await health_of(workspace_given(rows, with_rates(EUR=1.5)))).target.actual_by_arr == 25
    assert (await health_of(workspace_given(rows))).target.actual_by_arr == 100
    assert (await health_of(workspace_given(customers(green=2)))).target.actual_by_arr is None


@pytest.mark.parametrize(("green", "yellow"), [(159, 41), (799, 201)])
async def test_a_target_that_is_missed_never_reads_as_reached(green: int, yellow: int) -> None:
    found = await health_of(workspace_given(customers(green=green, yellow=yellow)))
    assert "79% green against a target of 80%, 1 short" in found.summary
    text = render_portfolio(found, DEFAULT_POLICY)
    assert "Target: 80% green; actual 79% of the scored accounts. 1 more account would meet it." in text


async def test_a_target_of_half_a_percent_is_said_as_it_is() -> None:
    workspace = workspace_given(customers(green=4, yellow=1), aiming_at(79.5))
    found = await health_of(workspace)
    assert "; 80% green against a target of 79.5%." in found.summary
    assert "Target: 79.5% green; actual 80% of the scored accounts. Met." in render_portfolio(found, workspace.policy)


# --- Groups -----------------------------------------------------------------------------------------------------------


async def test_groups_come_the_largest_first_and_no_more_than_the_policy_shows() -> None:
    sizes = {f"S{i}": i % 5 + 1 for i in range(12)}
    rows = [row for name, n in sizes.items() for i in range(n) for row in customer(f"{name}-{i}", segment=name)]
    policy = other_policy(portfolio=DEFAULT_POLICY.portfolio.model_copy(update={"groups_shown": 4}))
    found = await health_of(workspace_given(rows, policy))
    assert [(group.name, group.accounts) for group in found.segments] == [("S4", 5), ("S9", 5), ("S3", 4), ("S8", 4)]
    assert (found.segments_total, found.owners, found.owners_total) == (12, (), 0)
    assert "\nAnd 8 more.\n\n### Owners\n" in render_portfolio(found, policy)
    assert len((await health_of(workspace_given(rows))).segments) == 12


async def test_words_that_differ_in_case_or_blanks_are_one_group_named_as_first_written() -> None:
    rows = [row for i, s in enumerate(["Big", " big ", "BIG", "small"]) for row in customer(f"a{i}", segment=s)]
    found = await health_of(workspace_given(rows))
    assert [(group.name, group.accounts) for group in found.segments] == [("Big", 3), ("small", 1)]


# --- Movers -----------------------------------------------------------------------------------------------------------


async def test_movers_are_measured_against_the_run_about_a_month_before(recorded: Config) -> None:
    workspace = workspace_on(recorded)
    found = (await health_of(workspace)).movers
    assert found
    assert found.since.isoformat() == "2026-10-22T09:00:00+00:00"
    then = workspace_on(recorded, 30)
    changes: dict[str, tuple[int, int]] = {}
    improved = worsened = 0
    order = list(BANDS)
    for account in await told(workspace):
        old, new = await then.assess(account), await workspace.assess(account)
        if old.score_rounded is None or new.score_rounded is None or old.band is None or new.band is None:
            continue
        changes[account] = (old.score_rounded, new.score_rounded)
        improved += order.index(new.band) < order.index(old.band)
        worsened += order.index(new.band) > order.index(old.band)
    assert (found.improved, found.worsened) == (improved, worsened)
    assert worsened > 0
    for mover in (*found.up, *found.down):
        assert (mover.before, mover.after) == changes[mover.id]
        assert mover.change == mover.after - mover.before
    gains = sorted((b - a for a, b in changes.values() if b > a), reverse=True)
    losses = sorted(b - a for a, b in changes.values() if b < a)
    most = DEFAULT_POLICY.portfolio.movers_shown
    assert [mover.change for mover in found.up] == gains[:most]
    assert [mover.change for mover in found.down] == losses[:most]


async def test_movers_are_only_those_of_the_wanted_accounts(recorded: Config) -> None:
    found = (await health_of(workspace_on(recorded), owner="Ines")).movers
    assert found
    assert {mover.id for mover in (*found.up, *found.down)} == {"fernhollow", "junipervale"}
    assert found.worsened <= 2


async def test_where_the_history_is_younger_movers_are_measured_against_its_first_run(recorded: Config) -> None:
    found = (await health_of(workspace_on(recorded), as_of="2026-11-10")).movers
    assert found
    assert found.since.isoformat() == "2026-10-12T09:00:00+00:00"
    assert (await health_of(workspace_on(recorded), as_of="2026-10-12")).movers is None, "a run of today tells nothing"


async def test_without_a_run_of_an_earlier_day_there_are_no_movers(tmp_path: Path) -> None:
    new = await health_of(workspace_given(customers(green=1), history=tmp_path / "none.sqlite"))
    assert new.movers is None
    assert "Nothing recorded to compare with." in render_portfolio(new, DEFAULT_POLICY)


async def test_an_account_that_was_not_there_or_not_scored_then_is_no_mover(recorded_copy: Config) -> None:
    file = recorded_copy.folder / "account.jsonl"
    newcomer = file.read_text("utf-8").splitlines()[0].replace('"blank-ledger"', '"newcomer"')
    assert "newcomer" in newcomer
    file.write_text(f"{file.read_text('utf-8')}\n{newcomer}", "utf-8")
    found = (await health_of(workspace_on(recorded_copy), refresh=True)).movers
    assert found
    assert {"newcomer", "blank-ledger", "moonbeam"} & {mover.id for mover in (*found.up, *found.down)} == set()


# --- Words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vocabulary", DEFAULT_POLICY.vocabularies)
async def test_words_of_a_vocabulary_are_those_of_each_account_and_sum_to_all(
    recorded: Config, vocabulary: str
) -> None:
    workspace = workspace_on(recorded)
    words = (await health_of(workspace, vocabulary=vocabulary)).words
    assert words
    expected: Counter[str] = Counter()
    for account in await told(workspace):
        status = (await workspace.assess(account, vocabulary=vocabulary)).status
        assert status
        expected[status.word or "not_scored"] += 1
    assert {word: count for word, count in words.items() if count} == expected
    assert sum(words.values()) == 12
    assert {word.word for word in DEFAULT_POLICY.vocabularies[vocabulary].words} < set(words)


async def test_a_vocabulary_that_is_none_is_refused() -> None:
    with pytest.raises(CallerError, match=r"There is no such vocabulary. Vocabularies: colours, uman"):
        await health_of(workspace_given(customers(green=1)), vocabulary="klingon")


async def test_without_a_vocabulary_no_words_are_said(recorded: Config) -> None:
    assert (await health_of(workspace_on(recorded))).words is None


# --- As text ----------------------------------------------------------------------------------------------------------


async def test_the_summary_says_how_complete_the_numbers_are(recorded: Config) -> None:
    found = await health_of(workspace_on(recorded))
    assert found.summary == (
        "Scored 11 of 12, 1 with too little evidence; 45% green against a target of 80%, 4 short; "
        "1 left out as no customers."
    )
    assert found.data_gaps == "Data missing from product analytics for 5 and the survey tool for 3."
    assert found.notices == ("As recorded at 2026-11-21 09:00 UTC by `assess --all`.",)


def portfolio_text(texts: Sequence[str]) -> str:
    """The portfolio of accounts that show the texts wherever text from outside can stand in it."""
    rows = [row for i, t in enumerate(texts) for row in customer(f"a{i:02}", name=t, owner=t, segment=t)]
    workspace = workspace_given(rows, label=texts[0], changes={"ticket": {"failure": texts[0]}}, tables=["ticket"])
    return render_portfolio(anyio.run(portfolio_health, Overview(workspace)), DEFAULT_POLICY)


def test_hostile_text_changes_no_structure_of_the_portfolio() -> None:
    texts = [text for text in OWN if text.strip()]
    for at in range(0, len(texts) - 10, 10):
        hostile = texts[at : at + 10]
        groups = anyio.run(
            portfolio_health,
            Overview(workspace_given([row for i, t in enumerate(hostile) for row in customer(f"a{i:02}", segment=t)])),
        ).segments
        plain = [f"hello world {i}" for i in range(len(groups))] + ["\u200b"] * (10 - len(groups))
        assert structure(portfolio_text(hostile)) == structure(portfolio_text(plain)), hostile


def demo_portfolio(vocabulary: str = "") -> PortfolioHealth:
    async def ask() -> PortfolioHealth:
        return await health_of(Workspace.open(DEMO, clock), as_of=DAY, vocabulary=vocabulary)

    return anyio.run(ask)


def test_the_portfolio_of_the_demo_stays_as_it_is(snapshot: SnapshotAssertion) -> None:
    found = demo_portfolio("intacct")
    assert render_portfolio(found, DEFAULT_POLICY) == snapshot(name="markdown")
    assert json.dumps(found.as_json(), indent=2, ensure_ascii=False) == snapshot(name="json")


def test_the_portfolio_has_the_same_headings_whatever_is_in_it(recorded: Config) -> None:
    headings = ["## Portfolio Health", "### Segments", "### Owners", "### Movers"]
    empty = anyio.run(portfolio_health, Overview(workspace_given(customers(not_scored=1))))
    moving = anyio.run(portfolio_health, Overview(workspace_on(recorded)))
    for found in (demo_portfolio(), empty, moving):
        text = render_portfolio(found, DEFAULT_POLICY)
        assert [line for line in text.splitlines() if line.startswith("#")] == headings
        assert "\n\n\n" not in text
        assert "None" not in text.replace("None.", "")
