"""Searching accounts: what fits, in which order, page by page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from account_health.config import DEMO, Config
from account_health.errors import CallerError
from account_health.language import speaking
from account_health.manual_status import prepare_status, write
from account_health.model import Severity
from account_health.said import StatusWish
from account_health.search import BANDS, TIERS, FoundAccounts, Wanted, as_table, columns, heads, search
from account_health.workspace import Workspace
from doors import DAY, clock, configured, workspace_over
from given import DEFAULT_POLICY
from moving import history_of, rows_in, workspace_on

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ACCOUNTS = """account_id,name,domains,segment,owner,arr,currency,renewal_date
C,Öko Werke,oeko.example,SMB,Ann,100,EUR,2026-11-20
A,acme,acme.example,Enterprise,Ann,200,USD,2026-11-21
B,Acme,shared.example,Enterprise,Bo,,,2026-12-21
D,Beta,shared.example,smb,Bo,,,2026-12-22
E,"Evil\u202e\u200b

# Corp",,SMB,Bo,,,
"""
FIRST_DAY = "2026-11-21"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_over(configured(tmp_path, account=ACCOUNTS))


@pytest.fixture(scope="module")
def demo() -> Workspace:
    return Workspace.open(DEMO, clock)


async def ids(workspace: Workspace, as_of: str = FIRST_DAY, **wanted: Any) -> list[str]:
    """Ids of everything that fits."""
    return [found.id for found in (await search(workspace, Wanted(**wanted), 100, as_of=as_of)).accounts]


async def test_accounts_are_sorted_by_name_then_id_whatever_their_case(workspace: Workspace) -> None:
    assert await ids(workspace) == ["A", "B", "D", "E", "C"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"query": "ACM"}, ["A", "B"]),
        ({"query": "shared"}, ["B", "D"]),
        ({"query": "öko"}, ["C"]),
        ({"query": "d"}, ["B", "D"]),
        ({"query": "nothing"}, []),
        ({"segment": "SMB"}, ["D", "E", "C"]),
        ({"segment": "smb", "owner": "BO"}, ["D", "E"]),
        ({"renews_within_days": 30}, ["A", "B"]),
        ({"renews_within_days": 31}, ["A", "B", "D"]),
        ({"renews_within_days": 31, "owner": "Bo"}, ["B", "D"]),
        ({"band": "not_scored"}, ["A", "B", "D", "E", "C"]),
        ({"band": "green"}, []),
        ({"flag": "renewal_soon"}, ["A", "B", "D", "C"]),
        ({"tier": "watch"}, ["A", "B", "D", "C"]),
        ({"tier": "watch", "owner": "Ann"}, ["A", "C"]),
        ({"tier": "none"}, ["E"]),
        ({"tier": "critical"}, []),
        ({"status": "none"}, ["A", "B", "D", "E", "C"]),
        ({"status": "Good"}, []),
    ],
)
async def test_a_search_finds_what_fits_all_its_fields(
    workspace: Workspace, wanted: dict[str, Any], expected: list[str]
) -> None:
    assert await ids(workspace, **wanted) == expected


async def test_renewals_count_from_the_asked_day(workspace: Workspace) -> None:
    assert await ids(workspace, as_of="2026-12-22", renews_within_days=1) == ["D"]
    assert await ids(workspace, as_of="2026-12-23", renews_within_days=1) == []


async def test_an_entry_carries_what_the_source_and_the_scores_say(workspace: Workspace) -> None:
    found = await search(workspace, Wanted(query="acme", owner="Ann"), 1, as_of=FIRST_DAY)
    assert found.as_json() == {
        "accounts": [
            {
                "id": "A",
                "name": "acme",
                "segment": "Enterprise",
                "owner": "Ann",
                "arr": 200.0,
                "currency": "USD",
                "renewal_date": "2026-11-21",
                "tier": "watch",
                "flags": ["renewal_soon"],
            }
        ],
        "total": 1,
        "notices": [],
    }


async def test_a_name_is_shown_on_one_visible_line(workspace: Workspace) -> None:
    (found,) = (await search(workspace, Wanted(query="evil # corp"), 5)).accounts
    assert found.name == "Evil # Corp"


@pytest.mark.parametrize("band", BANDS)
async def test_searching_by_band_agrees_with_what_each_account_shows(demo: Workspace, band: str) -> None:
    everyone = (await search(demo, Wanted(), 100, as_of=DAY)).accounts
    expected = [a.id for a in everyone if (a.band or "not_scored") == band]
    assert expected
    assert await ids(demo, as_of=DAY, band=band) == expected


async def test_searching_by_flag_agrees_with_what_each_account_shows(demo: Workspace) -> None:
    everyone = (await search(demo, Wanted(), 100, as_of=DAY)).accounts
    for flag in demo.policy.flags:
        expected = [a.id for a in everyone if flag in a.flags]
        assert expected
        assert await ids(demo, as_of=DAY, flag=flag) == expected


@pytest.mark.parametrize("tier", Severity)
async def test_searching_by_tier_agrees_with_what_each_account_shows(demo: Workspace, tier: str) -> None:
    everyone = (await search(demo, Wanted(), 100, as_of=DAY)).accounts
    assert await ids(demo, as_of=DAY, tier=tier) == [a.id for a in everyone if a.tier == tier]
    assert {a.tier.value for a in everyone} == set(TIERS) - {"watch"}


async def test_what_is_found_agrees_with_the_assessments(demo: Workspace) -> None:
    for found in (await search(demo, Wanted(), 100, as_of=DAY)).accounts:
        assessed = await demo.assess(found.id, DAY)
        raised = {flag.flag for flag in assessed.flags if flag.state == "raised"}
        expected = (assessed.score_rounded, assessed.band, assessed.tier, raised)
        assert (found.score_rounded, found.band, found.tier, set(found.flags)) == expected


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"band": "purple"}, "There is no such band. Bands: green, yellow, red, not_scored."),
        ({"band": "Green"}, "There is no such band."),
        ({"flag": "usage-drop"}, "There is no such flag. Flags: usage_drop, support_spike"),
        ({"tier": "urgent"}, "There is no such tier. Tiers: critical, high, medium, watch, none."),
        ({"tier": "High"}, "There is no such tier."),
    ],
)
async def test_a_band_flag_or_tier_that_is_none_is_refused_with_those_there_are(
    workspace: Workspace, wanted: dict[str, Any], problem: str
) -> None:
    with pytest.raises(CallerError) as refused:
        await search(workspace, Wanted(**wanted), 5)
    assert str(refused.value).startswith(problem)


async def test_the_last_page_has_no_cursor_and_an_empty_search_is_a_page_too(workspace: Workspace) -> None:
    assert (await search(workspace, Wanted(), 5)).next_cursor is None
    first = await search(workspace, Wanted(), 4)
    assert first.next_cursor
    rest = await search(workspace, Wanted(), 4, first.next_cursor)
    assert ([found.id for found in rest.accounts], rest.total, rest.next_cursor) == (["C"], 5, None)
    assert await search(workspace, Wanted(query="nothing"), 5) == FoundAccounts(accounts=(), total=0)


async def test_a_cursor_outlives_other_limits_and_days_but_no_other_search(workspace: Workspace) -> None:
    cursor = (await search(workspace, Wanted(), 2)).next_cursor or ""
    assert [found.id for found in (await search(workspace, Wanted(), 1, cursor, "2026-11-20")).accounts] == ["D"]
    with pytest.raises(CallerError, match="This cursor belongs to no page of this search"):
        await search(workspace, Wanted(owner="Bo"), 2, cursor)


async def test_a_table_says_not_scored_in_words(workspace: Workspace) -> None:
    found = await search(workspace, Wanted(query="acme", owner="Ann"), 1, as_of=FIRST_DAY)
    rows = as_table(found, workspace.policy)
    assert rows == [("A", "acme", "-", "not scored", "watch", "renewal_soon", "2026-11-21")]


# --- Words and statuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vocabulary", DEFAULT_POLICY.vocabularies)
async def test_a_word_of_a_vocabulary_is_the_one_that_the_account_is_told(demo: Workspace, vocabulary: str) -> None:
    found = await search(demo, Wanted(), 100, as_of=DAY, vocabulary=vocabulary)
    assert len(found.accounts) == 13
    for account in found.accounts:
        told = (await demo.assess(account.id, DAY, vocabulary=vocabulary)).status
        assert told
        assert account.word == told.word
    assert "word" in columns(found)
    assert {row[7] for row in as_table(found, demo.policy)} == {account.word or "" for account in found.accounts}


async def test_without_a_vocabulary_no_word_is_said_and_one_that_is_none_is_refused(demo: Workspace) -> None:
    found = await search(demo, Wanted(), 100, as_of=DAY)
    assert {account.word for account in found.accounts} == {None}
    with pytest.raises(CallerError, match=r"There is no such vocabulary. Vocabularies: colours, uman"):
        await search(demo, Wanted(), 100, vocabulary="klingon")


async def set_by_hand(config: Config, days_before: float, **statuses: str) -> None:
    """Sets the statuses of these accounts so many days before the last one."""
    workspace = workspace_on(config, days_before)
    for account, words in statuses.items():
        word, _, expires = words.partition(" until ")
        await write(workspace, await prepare_status(workspace, StatusWish(account, word, expires=expires)))


async def test_accounts_are_found_by_the_status_that_somebody_set_whatever_its_case(recorded_copy: Config) -> None:
    await set_by_hand(recorded_copy, 1, northwind="Good", kestrel="Good", fernhollow="Poor")
    workspace = workspace_on(recorded_copy)
    for word in ("Good", "good", " GOOD "):
        assert await ids(workspace, as_of="", status=word) == ["kestrel", "northwind"]
    assert await ids(workspace, as_of="", status="Poor") == ["fernhollow"]
    assert await ids(workspace, as_of="", status="Good", band="yellow", owner="Mara") == ["northwind"]
    assert await ids(workspace, as_of="", status="Good", tier="none") == []
    without = await ids(workspace, as_of="", status="none")
    assert len(without) == 10
    assert not {"northwind", "kestrel", "fernhollow"} & set(without)


async def test_a_list_shows_and_finds_statuses_in_the_words_of_the_language(recorded_copy: Config) -> None:
    await set_by_hand(recorded_copy, 1, northwind="Good", kestrel="Fair")
    workspace = workspace_on(recorded_copy)
    with speaking("fr"):
        found = await search(workspace, Wanted(status="bon"), 100)

        assert [account.manual_status for account in found.accounts] == ["Good"]
        assert [row[7] for row in as_table(found, workspace.policy)] == ["Bon"]
        assert heads(found)[1:4] == ("nom", "score", "tranche")
        assert await ids(workspace, as_of="", status="Good") == ["northwind"]
        assert await ids(workspace, as_of="", status="Aucun") == await ids(workspace, as_of="", status="none")

    assert await ids(workspace, as_of="", status="bon") == []


async def test_a_list_shows_words_in_the_language(demo: Workspace) -> None:
    with speaking("fr"):
        found = await search(demo, Wanted(query="northwind"), 1, as_of=DAY, vocabulary="pipeline")

        assert [row[7] for row in as_table(found, demo.policy)] == ["Moyen"]


async def test_a_status_that_is_over_or_withdrawn_or_not_yet_set_is_none(recorded_copy: Config) -> None:
    await set_by_hand(recorded_copy, 5, northwind="Good until 2026-11-18", kestrel="Fair", fernhollow="Poor")
    await set_by_hand(recorded_copy, 2, fernhollow="none")
    workspace = workspace_on(recorded_copy)

    async def statuses(as_of: str) -> dict[str, str | None]:
        found = (await search(workspace, Wanted(), 100, as_of=as_of)).accounts
        return {account.id: account.manual_status for account in found if account.manual_status}

    assert await statuses("") == {"kestrel": "Fair"}
    assert await statuses("2026-11-17") == {"northwind": "Good", "kestrel": "Fair", "fernhollow": "Poor"}
    assert await statuses("2026-11-15") == {}
    assert await ids(workspace, as_of="2026-11-15", status="Fair") == []


async def test_a_status_of_a_vocabulary_that_the_policy_has_no_more_is_none(recorded_copy: Config) -> None:
    await set_by_hand(recorded_copy, 1, northwind="Good")
    workspace = workspace_on(recorded_copy)
    kept = {key: words for key, words in workspace.policy.vocabularies.items() if key != "pipeline"}
    other = replace(workspace, policy=workspace.policy.model_copy(update={"vocabularies": kept}))
    assert await ids(workspace, as_of="", status="Good") == ["northwind"]
    assert await ids(other, as_of="", status="Good") == []


async def test_a_page_of_accounts_with_a_status_has_a_column_for_it(recorded_copy: Config) -> None:
    await set_by_hand(recorded_copy, 1, northwind="Good")
    found = await search(workspace_on(recorded_copy), Wanted(owner="Mara"), 100, vocabulary="uman")
    assert columns(found)[7:] == ("word", "manual_status")
    assert {row[0]: row[7:] for row in as_table(found, workspace_on(recorded_copy).policy)} == {
        "copperkettle": ("Positive", ""),
        "northwind": ("Neutral", "Good"),
        "worshipful-guild": ("Positive", ""),
    }


async def test_a_history_that_cannot_be_read_is_a_notice_of_the_search(recorded_copy: Config) -> None:
    history_of(recorded_copy).write_bytes(b"This was never a database. " * 100)
    found = await search(workspace_on(recorded_copy), Wanted(), 100)
    assert len(found.accounts) == 13
    (notice,) = found.notices
    assert notice.startswith("Answered without history: The history cannot be used: the file is no history.")


async def test_a_search_makes_no_history(recorded_copy: Config) -> None:
    history_of(recorded_copy).unlink()
    assert (await search(workspace_on(recorded_copy), Wanted(status="none"), 100)).total == 13
    assert rows_in(recorded_copy, "run") == 0
    assert not history_of(recorded_copy).exists()
