"""Searching accounts: what fits, in which order, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from account_health.config import DEMO
from account_health.errors import CallerError
from account_health.search import BANDS, FoundAccounts, Wanted, as_table, search
from account_health.workspace import Workspace
from doors import DAY, clock, configured, workspace_over

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
    ],
)
async def test_a_band_or_flag_that_is_none_is_refused_with_those_there_are(
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
    rows = as_table(await search(workspace, Wanted(query="acme", owner="Ann"), 1, as_of=FIRST_DAY))
    assert rows == [("A", "acme", "-", "not scored", "watch", "renewal_soon", "2026-11-21")]
