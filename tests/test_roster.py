"""Roster: several sources may list accounts, and a search asks live sources for those it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from account_health.assess import assess
from account_health.model import Source, State
from account_health.search import Wanted, search
from beacon import CRM, DESK, FILES, Beacon, account, meeting, opened, rating, refuse, report, state_of, two_customers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("beacon_installed")]

BOTH = FILES + CRM.replace("sources.crm", "sources.second")


def crm() -> Beacon:
    """A second CRM: it knows one account of the files and one of its own."""
    known = [account("A-1", "Acme", "acme.example"), account("Z-9", "Zeta", "zeta.example")]
    return Beacon(accounts=known, meetings=[meeting(1, of="Z-9")])


async def test_an_account_that_only_another_source_lists_is_not_matched_and_not_without_meetings(
    tmp_path: Path,
) -> None:
    workspace = opened(tmp_path, crm(), BOTH)
    assert [await state_of(workspace, a, "touchpoint") for a in ("A-1", "B-2", "Z-9")] == [
        State.EMPTY,
        State.NOT_MATCHED,
        State.OBSERVED,
    ]
    every = {a.account.id: a for a in await assess(workspace.sources, workspace.policy, workspace.instant())}
    assert every["B-2"] == await workspace.assess("B-2")
    assert {r.state for r in every["B-2"].inputs if r.connector == "Beacon CRM"} == {State.NOT_MATCHED}


async def test_a_source_that_does_not_list_the_account_is_not_asked_for_its_rows(tmp_path: Path) -> None:
    beacon = crm()
    await opened(tmp_path, beacon, BOTH).assess("B-2")
    assert beacon.paths() == ["accounts"]


async def test_a_search_for_a_name_asks_for_what_it_finds_and_reads_no_list_of_everything(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.accounts = [account("A-1", "Acme", "acme.example"), account("B-2", "Bolt", "bolt.example")]
    workspace = opened(tmp_path, beacon, CRM + DESK)
    found = await search(workspace, Wanted(query="Acme"), limit=20)
    assert [(a.id, a.name) for a in found.accounts] == [("A-1", "Acme")]
    assert all("search" in request.url.params for request in beacon.asked if request.url.path == "/accounts")
    rows = [request.url.params for request in beacon.asked if request.url.path in ("/meetings", "/ratings", "/tickets")]
    assert [bool(params.keys() & {"account", "organization"}) for params in rows] == [True, True, True]


async def test_a_few_accounts_together_have_the_health_that_each_has_alone(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.accounts = [account("A-1", "Acme", "acme.example"), account("B-2", "Bolt", "bolt.example")]
    beacon.organizations[1] = {**beacon.organizations[1], "domains": ["bolt.example"]}
    workspace = opened(tmp_path, beacon, CRM + DESK)
    together = await assess(workspace.sources, workspace.policy, workspace.instant(), ["A-1", "B-2"])
    assert not [r for r in beacon.asked if r.url.path == "/tickets" and "organization" not in r.url.params]
    alone = opened(tmp_path, beacon, CRM + DESK)
    assert together == [await alone.assess("A-1"), await alone.assess("B-2")]
    assert report(together[1], Source.SUPPORT).rows == 1


async def test_after_a_question_about_one_account_the_list_of_all_is_complete(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.accounts = [account("A-1", "Acme", "acme.example"), account("B-2", "Bolt", "bolt.example")]
    workspace = opened(tmp_path, beacon, CRM + DESK)
    await workspace.assess("A-1")
    for wanted, limit in ((Wanted(), 20), (Wanted(query="Acme"), 1), (Wanted(band="not_scored"), 20)):
        assert (await search(workspace, wanted, limit)).total == (1 if wanted.query else 2)


async def test_a_list_says_which_sources_were_not_read(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.mishaps["tickets"] = refuse(403)
    beacon.page_size = 1
    found = await search(opened(tmp_path, beacon, FILES + DESK + "max_pages = 2\n"), Wanted(), 20)
    assert [a.id for a in found.accounts] == ["A-1", "B-2"]
    assert any("Beacon Desk failed" in notice and "(ticket)" in notice for notice in found.notices)
    beacon.mishaps.clear()
    beacon.ratings += [rating(n, of=1) for n in range(50, 60)]
    again = await search(opened(tmp_path, beacon, FILES + DESK + "max_pages = 2\n"), Wanted(), 20)
    assert any(notice.startswith("Beacon Desk, survey_response: ") for notice in again.notices)
