"""`sources check` of live sources: each list is tried once and no further; every fault is named with what to do."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import httpx2
import pytest
from mcp import Client
from typer.testing import CliRunner

from account_health import cli
from account_health.model import State
from account_health.source_check import check_sources
from beacon import (
    CANARY,
    CRM,
    DESK,
    ENVIRONMENT,
    FILES,
    NOW,
    TOKEN,
    Beacon,
    account,
    configured,
    hang,
    meeting,
    opened,
    refuse,
    serving,
    ticket,
    two_customers,
)
from doors import server_over

if TYPE_CHECKING:
    from pathlib import Path

    from account_health.checked import CheckedSources, CheckedTable

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("beacon_installed")]

SOURCES = FILES + DESK
EVERY_LIST = ["organizations", "ratings", "tickets"]


async def checked(folder: Path, beacon: Beacon, toml: str = SOURCES) -> CheckedSources:
    """What the check finds."""
    workspace = opened(folder, beacon, toml, clock=lambda: NOW)
    with anyio.fail_after(30):
        return await check_sources(workspace)


def table(found: CheckedSources, name: str) -> CheckedTable:
    """The only table of this name."""
    (only,) = (table for source in found.sources for table in source.tables if table.table == name)
    return only


def advice(found: CheckedSources) -> list[str]:
    """What to do about the desk."""
    return [line for line in found.advice if line.startswith("Beacon Desk: ")]


async def test_a_source_that_works_is_shown_with_version_clock_and_a_sample(tmp_path: Path) -> None:
    found = await checked(tmp_path, two_customers())

    assert found.is_healthy
    assert advice(found) == []
    assert found.notices == ("Beacon Desk: records: 2 records on the first page.",)
    (support, surveys) = (source for source in found.sources if source.is_live)
    assert (support.source, support.api_version, support.clock_skew_seconds) == ("support", "2", 0)
    assert (surveys.source, surveys.api_version, surveys.clock_skew_seconds) == ("surveys", "2", 0)
    assert [(t.table, t.state, t.rows, t.as_of) for t in support.tables] == [("ticket", State.OBSERVED, 3, NOW)]
    assert [(t.table, t.state, t.rows, t.as_of) for t in surveys.tables] == [
        ("survey_response", State.OBSERVED, 1, NOW)
    ]


async def test_no_list_is_read_beyond_its_first_page(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.tickets += [ticket(n, of=1) for n in range(50)]
    beacon.page_size = 1
    found = await checked(tmp_path, beacon)

    assert found.is_healthy
    assert beacon.paths() == EVERY_LIST
    assert table(found, "ticket").rows == 1


async def test_an_empty_list_works_too(tmp_path: Path) -> None:
    found = await checked(tmp_path, Beacon())

    assert found.is_healthy
    assert table(found, "ticket").state is State.EMPTY


async def test_a_live_list_of_accounts_is_sampled_and_not_counted(tmp_path: Path) -> None:
    beacon = Beacon(accounts=[account("A-1", "Acme"), account("B-2", "Bolt")], meetings=[meeting(1, of="A-1")])
    beacon.page_size = 1
    found = await checked(tmp_path, beacon, CRM)

    assert beacon.paths() == ["accounts", "meetings"]
    assert found.is_healthy
    assert found.accounts is None
    assert table(found, "account").rows == 1


async def test_refused_credentials_are_named_once_with_what_to_do(tmp_path: Path) -> None:
    beacon = two_customers()
    for name in EVERY_LIST:
        beacon.mishaps[name] = refuse(401)
    found = await checked(tmp_path, beacon)

    assert not found.is_healthy
    assert table(found, "ticket").state is State.FAILED
    assert table(found, "ticket").problems == ("Beacon Desk does not accept the credentials (GET /tickets).",)
    assert advice(found) == ["Beacon Desk: Renew or correct them in the settings of this source."]
    assert table(found, "account").state is State.OBSERVED, "the other source is shown"


async def test_a_missing_permission_is_named_and_the_other_tables_are_shown(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.mishaps["tickets"] = refuse(403)
    found = await checked(tmp_path, beacon)

    assert not found.is_healthy
    assert table(found, "ticket").state is State.FAILED
    assert table(found, "survey_response").state is State.OBSERVED
    (line,) = advice(found)
    assert "Grant them the permission `tickets:read`." in line


async def test_records_that_cannot_be_listed_are_a_fault_because_nothing_can_be_matched(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.mishaps["organizations"] = refuse(403)
    found = await checked(tmp_path, beacon)

    assert not found.is_healthy
    assert table(found, "ticket").state is State.OBSERVED
    (line,) = advice(found)
    assert "Grant them the permission `organizations:read`." in line
    (notice,) = found.notices
    assert notice.startswith("Beacon Desk: records: Beacon Desk does not let these credentials read this")


async def test_a_host_that_cannot_be_reached_is_told_from_one_that_refuses(tmp_path: Path) -> None:
    beacon = two_customers()

    async def unreachable(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(CANARY, request=request)

    beacon.mishaps = dict.fromkeys(EVERY_LIST, unreachable)
    found = await checked(tmp_path, beacon)

    assert not found.is_healthy
    assert "Beacon Desk cannot be reached" in table(found, "ticket").problems[0]
    assert advice(found) == ["Beacon Desk: Check the network, base_url and its certificate."]
    assert CANARY not in found.model_dump_json()


async def test_a_version_that_the_system_does_not_know_is_a_matter_of_settings(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.mishaps = dict.fromkeys(EVERY_LIST, refuse(400))
    found = await checked(tmp_path, beacon)

    assert advice(found) == ["Beacon Desk: Check API version and field names in the settings of this source."]


async def test_a_list_that_never_comes_takes_no_other_with_it(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.mishaps["tickets"] = hang
    found = await checked(tmp_path, beacon, SOURCES + "[gather]\ndeadline_seconds = 0.5\n")

    assert table(found, "ticket").state is State.FAILED
    assert "Beacon Desk gave no complete answer in time" in table(found, "ticket").problems[0]
    assert table(found, "survey_response").state is State.OBSERVED
    assert advice(found) == ["Beacon Desk: Try again later."]


@pytest.mark.parametrize(
    ("seconds", "is_advised"), [(0, False), (120, False), (-120, False), (121, True), (-600, True)]
)
async def test_clocks_that_differ_are_noticed(tmp_path: Path, seconds: int, is_advised: bool) -> None:  # noqa: FBT001 - a table
    beacon = two_customers()
    beacon.clock.forward(seconds=seconds)
    found = await checked(tmp_path, beacon)

    assert {source.clock_skew_seconds for source in found.sources if source.is_live} == {seconds}
    expected = f"Beacon Desk: its clock and ours differ by {abs(seconds)} seconds; set ours by a time server."
    assert advice(found) == [expected] * is_advised
    assert found.is_healthy


async def test_rows_that_cannot_be_read_are_a_fault_with_an_example(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.tickets.append({**ticket("T-7", of=1), "opened": CANARY})
    found = await checked(tmp_path, beacon)

    assert not found.is_healthy
    assert (table(found, "ticket").state, table(found, "ticket").rows) == (State.OBSERVED, 3)
    (problem,) = table(found, "ticket").problems
    assert problem.startswith("3 rows on the first page. 1 could not be read, e.g. `/tickets T-7: opened: Input")
    assert advice(found) == ["Beacon Desk: Correct them where they come from; until then they are left out."]
    assert CANARY not in found.model_dump_json()


@pytest.mark.parametrize("place", ["records", "ratings", "settings", ""])
async def test_a_mistake_of_a_connector_is_a_finding_and_nothing_of_it_is_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    caplog.set_level(logging.DEBUG)
    toml = SOURCES.replace("beacon-desk", "beacon-faulty") + f'fails_at = "{place}"\n'
    found = await checked(tmp_path, two_customers(), toml)

    assert not found.is_healthy
    assert table(found, "ticket").state is State.OBSERVED
    said = [*found.notices, *table(found, "survey_response").problems]
    assert any("The connector failed unexpectedly" in line for line in said) == bool(place)
    assert place or advice(found) == ["Beacon Desk: Leave it empty."]
    assert CANARY not in caplog.text + found.model_dump_json()


async def test_a_missing_secret_is_named_and_the_source_is_not_asked(tmp_path: Path) -> None:
    beacon = two_customers()
    found = await checked(tmp_path, beacon, SOURCES.replace("BEACON_TOKEN", "OTHER_TOKEN"))

    assert not found.is_healthy
    assert beacon.asked == []
    assert "The environment variable OTHER_TOKEN is not set" in table(found, "ticket").problems[0]


def test_the_command_shows_it_and_leaves_with_0_or_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEACON_TOKEN", ENVIRONMENT["BEACON_TOKEN"])
    beacon = two_customers()
    with serving(beacon) as address:
        path = configured(tmp_path, f'{SOURCES}base_url = "{address}"\n')
        done = CliRunner().invoke(cli.app, ["sources", "check", "--config", str(path)])
        assert done.exit_code == 0, done.output
        head, *rows = (line.split("\t") for line in done.stdout.splitlines())
        assert head == ["source", "connector", "table", "state", "rows", "rejected", "as of (UTC)", "API", "clock"]
        (shown,) = (row for row in rows if row[2] == "ticket")
        assert shown[:6] == ["support", "Beacon Desk", "ticket", "observed", "3", "0"]
        assert shown[7] == "2"
        assert shown[8].endswith(" s")

        beacon.mishaps["tickets"] = refuse(403)
        done = CliRunner().invoke(cli.app, ["sources", "check", "--format", "json", "--config", str(path)])
        assert done.exit_code == 5
        assert json.loads(done.stdout)["is_healthy"] is False
        assert TOKEN not in done.output


async def test_the_server_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEACON_TOKEN", ENVIRONMENT["BEACON_TOKEN"])
    beacon = two_customers()
    beacon.clock.now += timedelta(minutes=5)
    with serving(beacon) as address:
        async with Client(server_over(configured(tmp_path, f'{SOURCES}base_url = "{address}"\n'))) as client:
            answer = await client.call_tool("check_sources", {})

    assert answer.structured_content
    live = [source for source in answer.structured_content["sources"] if source["is_live"]]
    assert [source["source"] for source in live] == ["support", "surveys"]
    assert {source["clock_skew_seconds"] for source in live} == {300}
    assert answer.structured_content["is_healthy"] is True
