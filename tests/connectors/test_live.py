"""Live systems: whose records are whose, what is read for one account and for all, and what is said when it fails."""

from __future__ import annotations

import json
import logging
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from mcp import Client
from typer.testing import CliRunner

from account_health import cli
from account_health.assess import assess
from account_health.calls import Call
from account_health.connectors.live.ask import iso
from account_health.errors import ConfigurationError
from account_health.language import speaking
from account_health.model import Assessment, Source, State
from beacon import (
    ACCOUNTS,
    CANARY,
    CRM,
    DESK,
    ENVIRONMENT,
    FILES,
    NOW,
    Beacon,
    Watch,
    account,
    configured,
    hang,
    meeting,
    opened,
    organization,
    refuse,
    report,
    serving,
    state_of,
    ticket,
    two_customers,
)
from doors import server_over
from other_tongues import WIDE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from account_health.workspace import Workspace

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("beacon_installed")]


async def everyone(workspace: Workspace, accounts: Sequence[str] | None = None) -> dict[str, Assessment]:
    """The assessments of some accounts, or of all, asked about together."""
    found = await assess(workspace.sources, workspace.policy, workspace.instant(), accounts, workspace.kept)
    return {assessment.account.id: assessment for assessment in found}


def tickets(assessment: Assessment) -> float | None:
    """How many tickets of the last 30 days are known; None: it is unknown."""
    return next((f.value for f in assessment.factors if f.metric == "tickets_30d"), None)


def crosswalk(folder: Path, *lines: str) -> str:
    """Writes a crosswalk; returns the setting that names it."""
    (folder / "crosswalk.csv").write_text("\n".join(["source,record_id,account_id", *lines]), "utf-8")
    return 'crosswalk = "crosswalk.csv"\n'


# --- Asking ---------------------------------------------------------------------------------------------------------


async def test_opening_asks_nobody(tmp_path: Path) -> None:
    beacon = two_customers()
    opened(tmp_path, beacon)
    assert beacon.asked == []


async def test_one_account_is_asked_about_alone(tmp_path: Path) -> None:
    beacon = two_customers()
    await opened(tmp_path, beacon).assess("A-1")

    about = {
        request.url.params.get("organization") for request in beacon.asked if "organizations" not in request.url.path
    }
    assert about == {"1"}
    assert beacon.paths() == ["organizations", "organizations", "ratings", "tickets"]


async def test_an_account_that_the_system_does_not_know_costs_only_the_look_up(tmp_path: Path) -> None:
    beacon = Beacon(tickets=[ticket(1, of=1)])
    found = await opened(tmp_path, beacon).assess("A-1")

    assert beacon.paths() == ["organizations", "organizations"]
    assert report(found, Source.SUPPORT).state is State.NOT_MATCHED
    assert tickets(found) is None


async def test_all_accounts_are_read_by_the_lists_however_many_there_are(tmp_path: Path) -> None:
    numbers = range(300)
    beacon = Beacon(
        organizations=[organization(n, external_id=f"A-{n}") for n in numbers],
        tickets=[ticket(n, of=n) for n in numbers],
        page_size=1000,
    )
    accounts = "account_id,name\n" + "".join(f"A-{n},Name {n}\n" for n in numbers)
    found = await everyone(opened(tmp_path, beacon, accounts=accounts))

    assert {tickets(assessment) for assessment in found.values()} == {1}
    assert beacon.paths() == ["organizations", "ratings", "tickets"]


async def test_an_account_list_of_its_own_is_asked_for_the_account_and_for_all(tmp_path: Path) -> None:
    beacon = Beacon(
        accounts=[account("A-1", "Acme", "acme.example"), account("B-2", "Bolt")],
        meetings=[meeting(1, of="A-1"), meeting(2, of="B-2")],
    )
    found = await opened(tmp_path, beacon, CRM).assess("Acme")
    assert [dict(request.url.params) for request in beacon.asked] == [{"search": "Acme"}, {"account": "A-1"}]
    assert report(found, Source.CRM).sentence.startswith("1 touchpoint since")

    beacon.asked.clear()
    assert [*await everyone(opened(tmp_path, beacon, CRM))] == ["A-1", "B-2"]
    assert [dict(request.url.params) for request in beacon.asked] == [{}, {}]


# --- Linking --------------------------------------------------------------------------------------------------------


async def test_a_record_is_linked_by_crosswalk_external_id_or_domain_and_the_answer_says_how(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.organizations.append(organization(3, "Nobody knows whose"))
    beacon.tickets.append(ticket(99, of=3))
    accounts = f"{ACCOUNTS}C-3,Crane,,,\n"
    setting = crosswalk(tmp_path, "desk,3,C-3")
    found = await everyone(opened(tmp_path, beacon, setting + FILES + DESK, accounts=accounts))

    told = {a: report(assessment, Source.SUPPORT) for a, assessment in found.items()}
    assert {a: (r.matched_by, r.confidence, r.rows) for a, r in told.items()} == {
        "A-1": ("domain `acme.example`", "likely", 2),
        "B-2": ("external id", "certain", 1),
        "C-3": ("crosswalk", "certain", 1),
    }
    assert "; matched by domain `acme.example` (likely)" in told["A-1"].sentence
    assert told["B-2"].sentence.endswith("; matched by external id")
    assert told["A-1"].as_json()["confidence"] == "likely"


async def test_every_door_tells_how_an_account_was_matched_and_how_sure_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with serving(two_customers()) as address:
        path = configured(tmp_path, f'{FILES}{DESK}base_url = "{address}"\n')

        def printed(form: str) -> str:
            words = ["report", "A-1", "--as-of", "2026-11-21", "--format", form, "--config", str(path)]
            return CliRunner().invoke(cli.app, words).stdout

        summary, data = await anyio.to_thread.run_sync(printed, "md"), await anyio.to_thread.run_sync(printed, "json")
        async with Client(server_over(path)) as client:
            asked = {"account": "A-1", "source": "support", "as_of": "2026-11-21"}
            fetched = (await client.call_tool("fetch_inputs", asked)).structured_content

    (line,) = (line for line in summary.splitlines() if line.startswith("- **Support platform** (Beacon Desk): 2 tick"))
    assert line.endswith("; matched by domain `acme.example` (likely)")
    assert fetched
    for (told,) in ([r for r in json.loads(data)["inputs"] if r["source"] == "support"], fetched["inputs"]):
        assert (told["matched_by"], told["confidence"]) == ("domain `acme.example`", "likely")


LINKINGS: dict[str, tuple[list[Mapping[str, Any]], tuple[str, ...], dict[str, float | None]]] = {
    "nobody": ([], (), {"A-1": None, "B-2": None}),
    "two records by id": (
        [organization(1, external_id="A-1"), organization(2, external_id="A-1")],
        (),
        {"A-1": 2, "B-2": None},
    ),
    "an id beats a domain": (
        [organization(1, external_id="b-ext", domains=["acme.example"]), organization(2, domains=["acme.example"])],
        (),
        {"A-1": 1, "B-2": 1},
    ),
    "of an account with an id the domain says nothing": (
        [organization(1, external_id="A-1"), organization(2, domains=["acme.example"])],
        (),
        {"A-1": 1, "B-2": None},
    ),
    "two records share a domain": (
        [organization(1, domains=["acme.example"]), organization(2, domains=["acme.example"])],
        (),
        {"A-1": None, "B-2": None},
    ),
    "a record has the domains of two accounts": (
        [organization(1, domains=["acme.example", "bolt.example"])],
        (),
        {"A-1": None, "B-2": None},
    ),
    "the crosswalk beats everything": (
        [organization(1, external_id="A-1"), organization(2, domains=["acme.example"])],
        ("desk,1,B-2",),
        {"A-1": 1, "B-2": 1},
    ),
    "what the crosswalk gives to an account is all it has": (
        [organization(1, external_id="A-1"), organization(2), organization(3, domains=["acme.example"])],
        ("desk,2,A-1",),
        {"A-1": 1, "B-2": None},
    ),
    "the crosswalk takes away": ([organization(1, external_id="A-1")], ("desk,1,-",), {"A-1": None, "B-2": None}),
    "what is written of another system says nothing": (
        [organization(1, external_id="A-1")],
        ("crm,1,B-2",),
        {"A-1": 1, "B-2": None},
    ),
    "free mail says nothing": ([organization(1, domains=["gmail.com"])], (), {"A-1": None, "B-2": None}),
}


@pytest.mark.parametrize("case", LINKINGS)
async def test_one_account_alone_and_some_or_all_together_get_the_same_answer(tmp_path: Path, case: str) -> None:
    organizations, lines, expected = LINKINGS[case]
    beacon = Beacon(organizations=[*organizations], tickets=[ticket(11, of=1), ticket(21, of=2)])
    toml = (crosswalk(tmp_path, *lines) if lines else "") + FILES + DESK

    every = await everyone(opened(tmp_path, beacon, toml))
    some = await everyone(opened(tmp_path, beacon, toml), [*expected])
    alone = {a: await opened(tmp_path, beacon, toml).assess(a) for a in expected}
    assert {a: tickets(found) for a, found in every.items()} == expected
    assert every == some == alone


async def test_of_several_candidates_none_is_taken_and_all_are_named(tmp_path: Path) -> None:
    beacon = Beacon(
        organizations=[
            organization(1, "Acme <b>East</b>", domains=["acme.example"]),
            organization(2, "Acme West", domains=["acme.example"]),
        ],
        tickets=[ticket(11, of=1)],
    )
    support = report(await opened(tmp_path, beacon).assess("A-1"), Source.SUPPORT)

    assert support.state is State.NOT_MATCHED
    assert support.matched_by is support.confidence is None
    assert support.sentence.startswith("`1` (domain `acme.example`) and `2` (domain `acme.example`) fit equally well")


async def test_records_that_fit_one_account_by_different_domains_are_not_said_to_share_one(tmp_path: Path) -> None:
    beacon = Beacon(organizations=[organization(1, domains=["acme.example"]), organization(2, domains=["acme.test"])])
    accounts = ACCOUNTS.replace("acme.example", "acme.example;acme.test")
    support = report(await opened(tmp_path, beacon, accounts=accounts).assess("A-1"), Source.SUPPORT)

    assert support.state is State.NOT_MATCHED
    assert "`1` (domain `acme.example`) and `2` (domain `acme.test`) fit equally well" in support.sentence


async def test_a_record_that_two_look_ups_find_is_one_record(tmp_path: Path) -> None:
    beacon = Beacon(
        organizations=[organization(1, external_id="unknown here", domains=["acme.example", "support.acme.example"])],
        tickets=[ticket(11, of=1)],
    )
    accounts = ACCOUNTS.replace("2024-01-01,\n", "2024-01-01,unknown\n")
    beacon.organizations.append(organization(1, domains=["acme.example"], external_id="unknown"))
    found = await opened(tmp_path, beacon, accounts=accounts).assess("A-1")

    assert tickets(found) == 1


async def test_a_domain_that_accounts_share_with_others_links_nothing(tmp_path: Path) -> None:
    beacon = Beacon(organizations=[organization(1, domains=["acme.example"])], tickets=[ticket(11, of=1)])
    toml = 'shared_domains = ["www.ACME.example"]\n' + FILES + DESK

    assert await state_of(opened(tmp_path, beacon, toml), "A-1", "ticket") is State.NOT_MATCHED
    assert await state_of(opened(tmp_path, beacon), "A-1", "ticket") is State.OBSERVED


async def test_an_account_is_not_matched_by_a_domain_it_shares_with_one_that_nobody_asked_about(tmp_path: Path) -> None:
    beacon = Beacon(
        accounts=[
            account("A-1", "Acme", "acme.example"),
            account("B-2", "Bolt", "acme.example", "bolt.example"),
            account("C-3", "Crane", "bolt.example"),
        ],
        organizations=[organization(1, domains=["acme.example"]), organization(2, domains=["bolt.example"])],
        tickets=[ticket(11, of=1), ticket(21, of=2)],
    )
    workspace = opened(tmp_path, beacon, CRM + DESK)
    found = [report(await workspace.assess(name), Source.SUPPORT) for name in ("Acme", "Bolt", "Crane")]

    assert [r.state for r in found] == [State.NOT_MATCHED] * 3
    assert "`1` fits `A-1` and `B-2`" in found[0].sentence
    assert "`2` fits `B-2` and `C-3`" in found[2].sentence


async def test_a_matched_account_without_rows_has_none_and_that_is_known(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.tickets.clear()
    found = await opened(tmp_path, beacon).assess("A-1")

    assert report(found, Source.SUPPORT).state is State.EMPTY
    assert tickets(found) == 0


# --- What is missing ------------------------------------------------------------------------------------------------


async def test_a_list_that_is_cut_leaves_counts_unknown_and_says_so(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.page_size = 2
    found = await everyone(opened(tmp_path, beacon, FILES + DESK + "max_pages = 1\n"))

    assert {a: report(f, Source.SUPPORT).state for a, f in found.items()} == dict.fromkeys(found, State.PARTIAL)
    assert {a: tickets(f) for a, f in found.items()} == {"A-1": None, "B-2": None}
    assert "Only the first 1 pages were read" in report(found["A-1"], Source.SUPPORT).sentence
    assert "answered only in part" in report(found["B-2"], Source.SUPPORT).sentence
    assert report(found["A-1"], Source.SURVEYS).state is State.OBSERVED, "its list has one page"


async def test_when_the_records_themselves_are_cut_nobody_is_taken_for_unknown(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.page_size = 1
    beacon.tickets = [ticket(11, of=1)]
    found = await everyone(opened(tmp_path, beacon, FILES + DESK + "max_pages = 1\n"))

    assert report(found["A-1"], Source.SUPPORT).state is State.PARTIAL
    support = report(found["B-2"], Source.SUPPORT)
    assert support.state is State.NOT_MATCHED
    assert "Only the first 1 pages were read" in support.sentence


async def test_a_record_that_cannot_be_read_is_counted_and_named(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.organizations += [organization(n, external_id=f"C-{n}") for n in range(20)]
    beacon.organizations.append({"id": "bad", "domains": 7})
    support = report((await everyone(opened(tmp_path, beacon)))["A-1"], Source.SUPPORT)

    assert "1 of the records that accounts are matched with could not be read" in support.sentence
    assert "`/organizations bad: domains: " in support.sentence


async def test_why_records_could_not_be_read_is_kept_and_told_in_the_language_of_the_call(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.organizations += [organization(n, external_id=f"C-{n}") for n in range(20)]
    beacon.organizations.append({"id": "bad", "domains": 7, "name": []})
    beacon.tickets += [ticket(n, of=1) for n in range(100, 120)]
    beacon.tickets.append({**ticket(13, of=1), "status": 7, "priority": "?"})
    fresh = report((await everyone(opened(tmp_path, beacon)))["A-1"], Source.SUPPORT).sentence

    kept = opened(tmp_path, beacon)
    with speaking(WIDE):
        told = report((await everyone(kept))["A-1"], Source.SUPPORT).sentence
    assert report((await everyone(kept))["A-1"], Source.SUPPORT).sentence == fresh
    assert told != fresh


async def test_an_instant_outside_of_the_calendar_is_no_row(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.tickets += [ticket(n, of=1) for n in range(100, 120)]
    beacon.tickets.append({**ticket(13, of=1), "opened": "9999-12-31T23:59:59-23:59"})
    told = report(await opened(tmp_path, beacon).assess("A-1"), Source.SUPPORT)
    assert (told.rows, told.rejected) == (22, 1)
    assert "an instant outside of the calendar" in told.sentence


async def test_many_readable_records_hide_no_unreadable_rows(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.organizations += [organization(n, external_id=f"C-{n}") for n in range(200)]
    beacon.tickets += [{**ticket(n, of=1), "opened": "soon"} for n in range(100, 150)]
    assert await state_of(opened(tmp_path, beacon), "A-1", "ticket") == State.FAILED


@pytest.mark.parametrize("strange", [{"external_id": "B-2"}, {"domains": ["acme.example", "bolt.example"]}])
async def test_an_account_alone_gets_no_record_that_among_all_is_not_its_own(
    tmp_path: Path, strange: Mapping[str, Any]
) -> None:
    names = [account("A-1", "Acme", "acme.example"), account("B-2", "Bolt", "bolt.example")]
    record = {**organization(1, "Both", domains=["acme.example"]), **strange}
    beacon = Beacon(accounts=names, organizations=[record], tickets=[ticket(11, of=1)])
    alone = await opened(tmp_path, beacon, CRM + DESK).assess("A-1")
    among = (await everyone(opened(tmp_path, beacon, CRM + DESK)))["A-1"]
    assert report(alone, Source.SUPPORT).state == report(among, Source.SUPPORT).state == State.NOT_MATCHED


@pytest.mark.parametrize(
    ("setting", "state"), [("", State.PARTIAL), ('unmatched = "not applicable"\n', State.OBSERVED)]
)
async def test_what_one_of_two_systems_does_not_know_is_unknown_unless_the_operator_says_otherwise(
    tmp_path: Path, setting: str, state: State
) -> None:
    second = DESK.replace("sources.desk", "sources.second") + 'label = "Second Desk"\n' + setting
    (tmp_path / "nobody.csv").write_text("source,record_id,account_id\nsecond,1,-\n")
    workspace = opened(tmp_path, two_customers(), 'crosswalk = "nobody.csv"\n' + FILES + DESK + second)
    assert await state_of(workspace, "A-1", "ticket") == state


async def test_a_table_that_is_not_wanted_is_not_read(tmp_path: Path) -> None:
    beacon = two_customers()
    told = await opened(tmp_path, beacon, FILES + DESK + 'tables = ["ticket"]\n').assess("A-1")
    assert report(told, Source.SURVEYS).state == State.NOT_CONNECTED
    assert "ratings" not in beacon.paths()
    with pytest.raises(ConfigurationError, match=r"sources\.desk\.tables\.0: there are account"):
        opened(tmp_path, beacon, FILES + DESK + 'tables = ["tickets"]\n')


async def test_a_system_that_can_only_list_accounts_is_not_asked_to_match_them(tmp_path: Path) -> None:
    meetings_only = CRM.replace("sources.crm", "sources.second") + 'tables = ["touchpoint"]\n'
    with pytest.raises(ConfigurationError, match=r"Add `account` to the tables of sources\.second"):
        opened(tmp_path, Beacon(), FILES + meetings_only)


async def test_an_account_is_not_without_meetings_in_a_crm_whose_list_cannot_be_read(tmp_path: Path) -> None:
    beacon = Beacon(accounts=[account("A-1", "Acme", "acme.example")], meetings=[meeting(1, of="A-1")])
    beacon.mishaps["accounts"] = refuse(403)
    workspace = opened(tmp_path, beacon, FILES + CRM.replace("sources.crm", "sources.second"))
    assert await state_of(workspace, "B-2", "touchpoint") == State.FAILED


async def test_each_table_fails_alone_and_the_missing_permission_is_named(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.mishaps["ratings"] = refuse(403)
    found = await opened(tmp_path, beacon).assess("A-1")

    assert tickets(found) == 2
    surveys = report(found, Source.SURVEYS)
    assert surveys.state is State.FAILED
    assert "Beacon Desk does not let these credentials read this (403 for GET /ratings)" in surveys.sentence
    assert "`ratings:read`" in surveys.sentence


async def test_without_the_records_every_table_fails_with_their_cause(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.mishaps["organizations"] = refuse(401)
    found = await opened(tmp_path, beacon).assess("A-1")

    for source in (Source.SUPPORT, Source.SURVEYS):
        assert report(found, source).state is State.FAILED
        assert "does not accept the credentials (GET /organizations)" in report(found, source).sentence
    assert beacon.paths() == ["organizations"]


async def test_only_the_table_that_does_not_answer_in_time_fails(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.mishaps["tickets"] = hang
    workspace = opened(tmp_path, beacon, FILES + DESK + "[gather]\ndeadline_seconds = 3\n")
    with anyio.fail_after(20):
        found = await workspace.assess("A-1")

    assert report(found, Source.SURVEYS).state is State.OBSERVED
    assert report(found, Source.SUPPORT).state is State.FAILED
    assert "gave no complete answer in time (GET /tickets)" in report(found, Source.SUPPORT).sentence


async def test_the_time_that_a_system_made_us_wait_is_shown(tmp_path: Path) -> None:
    beacon = two_customers()

    async def once(_: httpx2.Request) -> httpx2.Response:
        del beacon.mishaps["tickets"]
        return httpx2.Response(429, headers={"retry-after": "1"})

    beacon.mishaps["tickets"] = once
    found = await opened(tmp_path, beacon).assess("A-1")

    assert tickets(found) == 2
    said = report(found, Source.SUPPORT).sentence
    assert "; waited 1 s, because the system limits how often it may be asked" in said


async def test_what_lies_before_the_time_that_is_read_is_unknown_and_not_zero(tmp_path: Path) -> None:
    found = await opened(tmp_path, two_customers(), FILES + DESK + "history_days = 20\n").assess("A-1")

    assert tickets(found) is None


@pytest.mark.parametrize("opened_at", ["2026-11-20T09:00:00", "2026-11-20", 7, None])
async def test_an_instant_without_a_zone_is_no_row(tmp_path: Path, opened_at: object) -> None:
    beacon = two_customers()
    beacon.tickets = [ticket(n, of=1) for n in range(9)]
    beacon.tickets.append({**ticket("late", of=1), "opened": opened_at})
    support = report(await opened(tmp_path, beacon).assess("A-1"), Source.SUPPORT)

    assert (support.rows, support.rejected) == ((10, 0) if opened_at == 7 else (9, 1))  # 7 s after 1970 have a zone
    assert (
        opened_at != "2026-11-20T09:00:00"
        or "(`ticket late: opened_at: must be an instant with its time zone`)" in support.sentence
    )


@pytest.mark.parametrize(
    ("place", "states"),
    [
        ("ratings", (State.OBSERVED, State.FAILED)),
        ("records", (State.FAILED, State.FAILED)),
        ("", (State.OBSERVED, State.OBSERVED)),
    ],
)
async def test_a_mistake_of_a_connector_fails_what_it_spoils_and_is_logged_without_its_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str, states: tuple[State, State]
) -> None:
    caplog.set_level(logging.DEBUG)
    toml = FILES + DESK.replace("beacon-desk", "beacon-faulty") + f'fails_at = "{place}"\n'
    found = await opened(tmp_path, two_customers(), toml).assess("A-1")

    assert (report(found, Source.SUPPORT).state, report(found, Source.SURVEYS).state) == states
    assert CANARY not in caplog.text + found.model_dump_json()
    if place:
        assert "The connector failed unexpectedly" in report(found, Source.SURVEYS).sentence
        assert "ValueError in _fail_at, line " in caplog.text


# --- Changes --------------------------------------------------------------------------------------------------------


def changed(number: object, of: object, beacon: Beacon, **changes: Any) -> Mapping[str, Any]:
    """A ticket that changes now."""
    return ticket(number, of=of, changed=beacon.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"), **changes)


async def test_a_later_reading_of_all_accounts_asks_only_for_changes(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon)
    assert {a: tickets(f) for a, f in (await everyone(workspace)).items()} == {"A-1": 2, "B-2": 1}
    beacon.asked.clear()

    beacon.clock.forward(hours=1)
    beacon.tickets[0] = changed(11, of=1, beacon=beacon, deleted=True)
    beacon.tickets[1] = changed(12, of=2, beacon=beacon)
    beacon.tickets.append(changed(22, of=2, beacon=beacon))
    assert {a: tickets(f) for a, f in (await everyone(workspace)).items()} == {"A-1": 0, "B-2": 3}
    asked = {request.url.path: dict(request.url.params) for request in beacon.asked}
    assert asked == {"/organizations": {}, "/ratings": {}, "/tickets": {"changed_since": "2026-11-21T08:55:00Z"}}
    assert len(beacon.asked) == 3


async def test_what_changed_while_the_last_reading_ran_is_not_missed(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon)

    async def late(_: httpx2.Request) -> None:
        beacon.clock.forward(minutes=20)

    beacon.mishaps["tickets"] = late
    await everyone(workspace)
    beacon.asked.clear()
    del beacon.mishaps["tickets"]
    await everyone(workspace)
    (since,) = (r.url.params["changed_since"] for r in beacon.asked if r.url.path == "/tickets")
    assert since <= "2026-11-21T08:55:00Z", "five minutes before the reading began"


async def test_changes_are_asked_for_by_the_clock_of_the_system(tmp_path: Path) -> None:
    beacon = two_customers()
    ours = Watch(NOW + timedelta(minutes=12))
    workspace = opened(tmp_path, beacon, clock=ours)
    await everyone(workspace)
    ours.forward(hours=1)
    await everyone(workspace)
    (since,) = (r.url.params["changed_since"] for r in beacon.asked if "changed_since" in r.url.params)
    assert since == "2026-11-21T08:55:00Z", "their clock showed nine"


async def test_refresh_reads_everything_again_and_not_only_changes(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon)
    await everyone(workspace)
    del beacon.tickets[:2]
    instant = workspace.instant()
    await workspace.sources.gather(workspace.policy, instant, call=Call(refresh=True))
    assert tickets((await everyone(workspace))["A-1"]) == 0


async def test_a_row_that_was_corrected_is_no_longer_counted_as_unreadable(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.tickets += [ticket(n, of=2) for n in range(100, 120)]
    beacon.tickets.append({**ticket(13, of=1), "opened": "soon"})
    workspace = opened(tmp_path, beacon)
    assert report((await everyone(workspace))["A-1"], Source.SUPPORT).rejected == 1
    beacon.clock.forward(hours=1)
    beacon.tickets[-1] = {**ticket(13, of=1), "changed": iso(beacon.clock())}
    told = (await everyone(workspace))["A-1"]
    assert (report(told, Source.SUPPORT).rejected, tickets(told)) == (0, 3)


async def test_a_row_that_became_unreadable_does_not_stay_as_it_was(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.tickets += [ticket(n, of=2) for n in range(100, 120)]
    workspace = opened(tmp_path, beacon)
    await everyone(workspace)
    beacon.clock.forward(hours=1)
    beacon.tickets[0] = {**beacon.tickets[0], "opened": "soon", "changed": iso(beacon.clock())}
    told = report((await everyone(workspace))["A-1"], Source.SUPPORT)
    assert (told.rows, told.rejected) == (1, 1)


async def test_after_a_day_everything_is_read_again(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon, FILES + DESK + "reload_hours = 2\n")
    asked = []
    for _ in range(4):
        beacon.asked.clear()
        await everyone(workspace)
        asked += ["changed_since" in r.url.params for r in beacon.asked if r.url.path == "/tickets"]
        beacon.clock.forward(hours=1)
    assert asked == [False, True, False, True]


async def test_a_row_that_could_not_be_read_is_not_forgotten_by_the_next_reading(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.tickets += [ticket(n, of=2) for n in range(100, 120)]
    beacon.tickets.append({**ticket(13, of=1), "opened": "soon"})
    workspace = opened(tmp_path, beacon)
    rejected = []
    for _ in range(2):
        rejected.append(report((await everyone(workspace))["A-1"], Source.SUPPORT).rejected)
        beacon.clock.forward(hours=1)
    assert rejected == [1, 1]


async def test_a_reading_that_was_cut_is_no_base_for_changes(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.page_size = 2
    workspace = opened(tmp_path, beacon, FILES + DESK + "max_pages = 1\n")
    await everyone(workspace)
    beacon.clock.forward(hours=1)
    beacon.asked.clear()
    beacon.page_size = 100
    found = await everyone(workspace)

    assert [dict(r.url.params) for r in beacon.asked if r.url.path == "/tickets"] == [{}]
    assert tickets(found["B-2"]) == 1


async def test_an_earlier_day_is_read_whole_and_one_account_always_is(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon)
    await everyone(workspace)
    beacon.clock.forward(hours=1)
    beacon.asked.clear()
    before = NOW.astimezone(UTC).replace(tzinfo=None) - timedelta(days=60)
    await assess(workspace.sources, workspace.policy, before)
    await workspace.assess("A-1")

    assert [r for r in beacon.asked if "changed_since" in r.url.params] == []


async def test_answers_about_several_days_stay_usable_side_by_side(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon, FILES + DESK + "[gather]\nkeep_seconds = 80000\n")
    now = NOW.astimezone(UTC).replace(tzinfo=None)
    days = [now - timedelta(days=n) for n in range(7)]
    first = [await assess(workspace.sources, workspace.policy, day) for day in days]
    beacon.asked.clear()
    again = [await assess(workspace.sources, workspace.policy, day, ["A-1", "B-2"]) for day in days]

    assert again == first
    assert beacon.asked == []
