"""Completion: what is offered can be used as it is, nothing is read anew for a keystroke, and no fault ever shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from mcp import Client
from mcp.types import PromptReference, ResourceTemplateReference

from account_health.config import DEMO, find_config, load_config
from account_health.directory import folded
from account_health.language import languages
from account_health.renewal_window import RenewalWindow
from account_health.server import create_server
from account_health.server.completion import add_completion
from account_health.server.desk import Desk
from account_health.server.strict_prompt import PromptServer
from beacon import CRM, Beacon, account, hang, opened, refuse
from doors import CANARY, ERAS, NOW, clock, configured, said, server_over, workspace_over

if TYPE_CHECKING:
    from pathlib import Path

    from mcp.types import Completion

    from account_health.config import Config
    from account_health.workspace import Workspace

pytestmark = pytest.mark.anyio

ADDRESS = ResourceTemplateReference(uri="health://accounts/{account}/summary")
CHECK, AT_RISK = "check-account-health", "find-at-risk-accounts"
PLAN, REVIEW = "plan-interventions", "prepare-business-review"


async def completion(
    client: Client, where: str | ResourceTemplateReference, argument: str, typed: str = "", **chosen: str
) -> Completion:
    """What is offered for the argument of a prompt or an address."""
    ref = PromptReference(name=where) if isinstance(where, str) else where
    return (await client.complete(ref, {"name": argument, "value": typed}, context_arguments=chosen)).completion


async def offered(client: Client, where: str | ResourceTemplateReference, *what: str, **chosen: str) -> list[str]:
    """The values alone; there are no more of them than it says."""
    found = await completion(client, where, *what, **chosen)
    assert found.total == len(found.values)
    assert not found.has_more
    return found.values


def accounts(*rows: str, columns: str = "account_id,name") -> str:
    return "\n".join((columns, *rows, ""))


GROUPED = accounts(
    "a1,Alder,Enterprise,Mara",
    "a2,Birch,enterprise ,Jun",
    "a3,Cedar,SMB,Mara",
    "a4,Alder Two,SMB,mara",
    "a5,Dogwood,,",
    columns="account_id,name,segment,owner",
)


async def test_in_a_prompt_an_account_is_offered_by_name_and_in_an_address_by_id(client: Client) -> None:
    for prompt in (CHECK, PLAN, REVIEW):
        assert await offered(client, prompt, "account", "northw") == ["Northwind Traders"]
    assert await offered(client, ADDRESS, "account", "northw") == ["northwind"]


async def test_an_account_is_found_by_name_id_or_domain_whatever_the_case(client: Client) -> None:
    for typed in ("NORTHWIND", " northwind  traders ", "traders", "northwind.ex"):
        assert "Northwind Traders" in await offered(client, CHECK, "account", typed)


async def test_what_begins_with_the_typed_comes_before_what_only_holds_it(client: Client) -> None:
    found = await offered(client, ADDRESS, "account", "k")

    assert found[0] == "kestrel"
    assert {"blank-ledger", "copperkettle", "moonbeam"} < set(found[1:])


async def test_before_anything_is_typed_everything_is_offered_in_the_order_of_names(client: Client) -> None:
    listed = (await client.call_tool("find_accounts", {"limit": 100})).structured_content or {}
    assert await offered(client, ADDRESS, "account") == [found["id"] for found in listed["accounts"]]


async def test_what_fits_nothing_gets_no_value(client: Client) -> None:
    assert await offered(client, CHECK, "account", "xyzzy") == []


TRICKY = (
    ("A-1", "Acme"),
    ("A-2", "ACME"),
    ("A-3", "A-1"),
    ("a-3", "Lower"),
    ("C-1", "Unique"),
    ("C-2", "C-1"),
    ("D 1", " Padded   Name "),
    ("E-1", "Zero\u200bWidth"),
    ("F-1", "\u200b"),
    ("G-1", "L" * 201),
    ("H/1?x=%20&y#z", "Slash/Name?"),
    ("Ü-1", "Straße 7"),
    ("I-1", "I | J `x`"),
    ("J-1", "Evil\u202eeman"),
    ("N" * 201, "Long Id"),
)


def tricky(folder: Path) -> Path:
    rows = [f'"{number}","{name}"' for number, name in TRICKY]
    return configured(folder, account=accounts(*rows))


@pytest.mark.parametrize("era", ERAS)
async def test_every_offered_account_is_found_by_what_is_offered_for_it(era: Any, tmp_path: Path) -> None:
    directory = await workspace_over(tricky(tmp_path)).directory(NOW.replace(tzinfo=None))
    expected = {entry.id for entry in directory.entries}
    async with Client(server_over(tmp_path / "account-health.toml"), mode=era) as client:
        names, ids = await offered(client, CHECK, "account"), await offered(client, ADDRESS, "account")
        found = []
        for value in names:
            result = await client.call_tool("score_account", {"account": value})
            found.append((result.structured_content or {"account": {"id": said(result)}})["account"]["id"])
        for value in ids:
            await client.read_resource(ADDRESS.uri.replace("{account}", quote(value, safe="")))

    assert len(set(found)) == len(found)
    assert set(found) == expected
    assert {directory.find(value).id for value in ids} == expected - {"N" * 201}


@pytest.mark.parametrize("era", ERAS)
async def test_a_name_that_means_several_accounts_gives_way_to_the_ids(era: Any, tmp_path: Path) -> None:
    configuration = configured(tmp_path, account=accounts("A-1,Acme", "A-2,ACME", "B-1,Bolt"))
    async with Client(server_over(configuration), mode=era) as client:
        assert await offered(client, CHECK, "account", "ac") == ["A-1", "A-2"]
        assert await offered(client, CHECK, "account", "b") == ["Bolt"]


async def test_nothing_invisible_is_offered(tmp_path: Path) -> None:
    async with Client(server_over(tricky(tmp_path))) as client:
        values = await offered(client, CHECK, "account") + await offered(client, ADDRESS, "account")
    assert [value for value in values if not value.isprintable()] == []


@pytest.mark.parametrize("era", ERAS)
async def test_of_many_a_hundred_are_offered_and_the_number_of_all_is_told(era: Any, tmp_path: Path) -> None:
    rows = [f"a-{number:03},Account {number:03}" for number in range(250)]
    configuration = configured(tmp_path, account=accounts(*rows))
    async with Client(server_over(configuration), mode=era) as client:
        every, exact = await completion(client, CHECK, "account"), await completion(client, CHECK, "account", "a-1")
        few = await completion(client, CHECK, "account", "account 24")

    assert (len(every.values), every.total, every.has_more) == (100, 250, True)
    assert (len(exact.values), exact.total, exact.has_more) == (100, 100, False)
    assert (few.values[0], few.total, few.has_more) == ("Account 240", 10, False)


@pytest.mark.parametrize("era", ERAS)
async def test_a_changed_file_changes_what_is_offered(era: Any, tmp_path: Path) -> None:
    configuration = configured(tmp_path, account=accounts("a,Alder"))
    async with Client(server_over(configuration), mode=era) as client:
        before = await offered(client, CHECK, "account")
        configured(tmp_path, account=accounts("a,Alder", "b,Birch"))
        after = await offered(client, CHECK, "account")

    assert (before, after) == (["Alder"], ["Alder", "Birch"])


@pytest.mark.parametrize("era", ERAS)
async def test_segments_and_owners_are_offered_once_as_first_written(era: Any, tmp_path: Path) -> None:
    async with Client(server_over(configured(tmp_path, account=GROUPED)), mode=era) as client:
        for prompt in (AT_RISK, PLAN):
            assert await offered(client, prompt, "segment") == ["Enterprise", "SMB"]
            assert await offered(client, prompt, "owner") == ["Jun", "Mara"]
            assert await offered(client, prompt, "owner", "AR") == ["Mara"]


async def test_an_owner_who_is_called_like_a_segment_keeps_the_own_spelling(tmp_path: Path) -> None:
    rows = ("a1,Alder,SMB,smb", "a2,Birch,,\u200b", f"a3,Cedar,{'s' * 101},{'o' * 101}")
    configuration = configured(tmp_path, account=accounts(*rows, columns="account_id,name,segment,owner"))
    async with Client(server_over(configuration)) as client:
        assert await offered(client, AT_RISK, "segment") == ["SMB"]
        assert await offered(client, AT_RISK, "owner") == ["smb"]


@pytest.mark.parametrize("era", ERAS)
async def test_what_is_chosen_already_narrows_what_is_offered(era: Any, tmp_path: Path) -> None:
    async with Client(server_over(configured(tmp_path, account=GROUPED)), mode=era) as client:
        assert await offered(client, AT_RISK, "owner", segment="ENTERPRISE") == ["Jun", "Mara"]
        assert await offered(client, AT_RISK, "owner", segment="smb") == ["Mara"]
        assert await offered(client, AT_RISK, "segment", owner="Jun") == ["Enterprise"]
        assert await offered(client, PLAN, "account", segment="smb") == ["Alder Two", "Cedar"]
        assert await offered(client, PLAN, "account", "al", owner="mara") == ["Alder", "Alder Two"]
        assert await offered(client, PLAN, "account", owner="Mara", segment="Enterprise") == ["Alder"]
        assert await offered(client, AT_RISK, "segment", segment="SMB", owner="") == ["Enterprise", "SMB"]


@pytest.mark.parametrize("argument", ["segment", "owner"])
async def test_every_offered_group_is_one_that_the_list_knows(client: Client, argument: str) -> None:
    values = await offered(client, AT_RISK, argument)
    for value in values:
        found = (await client.call_tool("find_accounts", {argument: value})).structured_content or {}
        assert found["total"]
        assert {folded(one[argument]) for one in found["accounts"]} == {folded(value)}
    assert values


async def test_renewal_windows_are_offered_from_today_on_and_the_tool_takes_each(client: Client) -> None:
    today = NOW.date()
    values = await offered(client, AT_RISK, "renewing")

    assert values[:7] == ["30", "60", "90", "Q4", "Q1", "Q2", "Q3"]
    assert values[7:] == ["2026-11", "2026-12", *(f"2027-{month:02}" for month in range(1, 11))]
    assert all(RenewalWindow.parse(value, today).last >= today for value in values)
    assert await offered(client, AT_RISK, "renewing", "q") == ["Q4", "Q1", "Q2", "Q3"]
    assert await offered(client, AT_RISK, "renewing", "2027-1") == ["2027-10"]
    for value in values:
        assert not (await client.call_tool("list_at_risk_accounts", {"renewing": value})).is_error


async def test_languages_are_those_there_are(client: Client) -> None:
    for prompt in (CHECK, AT_RISK, PLAN, REVIEW):
        assert await offered(client, prompt, "language") == list(languages())
    assert await offered(client, CHECK, "language", "F") == ["fr"]


@pytest.mark.parametrize(
    ("where", "argument"),
    [
        ("tell-fortune", "account"),
        (CHECK, "owner"),
        (CHECK, "colour"),
        (REVIEW, "since"),
        (ADDRESS, "owner"),
        (ResourceTemplateReference(uri="health://accounts/{account}/secrets"), "account"),
        (ResourceTemplateReference(uri="health://policy"), "account"),
    ],
)
async def test_what_nobody_asks_for_is_not_offered(
    client: Client, where: str | ResourceTemplateReference, argument: str
) -> None:
    assert await offered(client, where, argument, "n") == []


@pytest.mark.parametrize("era", ERAS)
async def test_without_a_configuration_only_languages_are_offered(era: Any, tmp_path: Path) -> None:
    server = create_server(lambda: load_config(find_config(None, {}, tmp_path)), clock)
    async with Client(server, mode=era) as client:
        for argument in ("account", "owner", "segment"):
            assert await offered(client, PLAN, argument) == []
        assert await offered(client, AT_RISK, "renewing") == []
        assert await offered(client, PLAN, "language") == list(languages())


@pytest.mark.parametrize("era", ERAS)
async def test_a_list_that_cannot_be_read_offers_nothing(era: Any, tmp_path: Path) -> None:
    async with Client(server_over(configured(tmp_path, account="colour\nblue\n")), mode=era) as client:
        assert (await client.call_tool("score_account", {"account": "a"})).is_error
        for argument in ("account", "owner", "segment"):
            assert (await completion(client, PLAN, argument, "abc")).values == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_fault_of_ours_offers_nothing_and_shows_nothing(era: Any, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Config:
        raise RuntimeError(CANARY)

    async with Client(create_server(broken, clock), mode=era) as client:
        assert await offered(client, CHECK, "account", "n") == []

    assert "completion failed unexpectedly: RuntimeError in broken" in caplog.text
    assert CANARY not in caplog.text


class Prepared(Desk):
    """A desk with a workspace of the test's own."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(lambda: DEMO, clock)
        self._prepared = workspace

    def workspace(self) -> Workspace:
        """The prepared one."""
        return self._prepared


def over(workspace: Workspace) -> PromptServer:
    """A server that only completes."""
    server = PromptServer("completing")
    add_completion(server, Prepared(workspace))
    return server


def crm() -> Beacon:
    return Beacon(accounts=[account("A-1", "Acme", "acme.example"), account("B-2", "Bolt")])


def searched(beacon: Beacon) -> list[dict[str, str]]:
    """What was asked for since this was asked last."""
    asked = [dict(request.url.params) for request in beacon.asked]
    beacon.asked.clear()
    return asked


@pytest.mark.usefixtures("beacon_installed")
@pytest.mark.parametrize("era", ERAS)
async def test_a_live_list_that_is_not_at_hand_is_never_read_whole_for_a_keystroke(era: Any, tmp_path: Path) -> None:
    beacon = crm()
    async with Client(over(opened(tmp_path, beacon, CRM)), mode=era) as client:
        for typed in ("", "A", "Ac"):
            assert (await completion(client, CHECK, "account", typed)).values == []
        for argument in ("owner", "segment"):
            assert (await completion(client, PLAN, argument, "mara")).values == []

    assert searched(beacon) == []


@pytest.mark.usefixtures("beacon_installed")
@pytest.mark.parametrize("era", ERAS)
async def test_once_enough_is_typed_the_system_is_searched_for_it_once(era: Any, tmp_path: Path) -> None:
    beacon = crm()
    async with Client(over(opened(tmp_path, beacon, CRM)), mode=era) as client:
        first = await completion(client, CHECK, "account", "Acme")
        again = await completion(client, CHECK, "account", " Acme ")

    assert first == again
    assert first.values == ["Acme"]
    assert (first.total, first.has_more) == (None, True), "there may be accounts that the system did not search"
    assert searched(beacon) == [{"search": "Acme"}]


@pytest.mark.usefixtures("beacon_installed")
@pytest.mark.parametrize("era", ERAS)
async def test_a_live_list_that_was_read_lately_serves_every_keystroke(era: Any, tmp_path: Path) -> None:
    beacon = crm()
    workspace = opened(tmp_path, beacon, CRM)
    await workspace.directory(workspace.instant())
    searched(beacon)
    async with Client(over(workspace), mode=era) as client:
        assert await offered(client, CHECK, "account") == ["Acme", "Bolt"]
        assert await offered(client, CHECK, "account", "a") == ["Acme"]
        assert await offered(client, CHECK, "account", "example") == ["Acme"]

    assert searched(beacon) == []


@pytest.mark.usefixtures("beacon_installed")
@pytest.mark.parametrize("mishap", [refuse(500), refuse(403), hang], ids=["fails", "refuses", "hangs"])
async def test_a_live_system_that_fails_or_hangs_offers_nothing(tmp_path: Path, mishap: Any) -> None:
    beacon = crm()
    beacon.mishaps["accounts"] = mishap
    hasty = "[gather]\ndeadline_seconds = 0.2\n"
    async with Client(over(opened(tmp_path, beacon, hasty + CRM))) as client:
        assert (await completion(client, CHECK, "account", "Acme")).values == []
    assert searched(beacon)


@pytest.mark.usefixtures("beacon_installed")
async def test_accounts_of_files_are_offered_although_a_live_list_is_not_at_hand(tmp_path: Path) -> None:
    beacon = crm()
    files = '[sources.file]\nconnector = "files"\nfolder = "."\n'
    workspace = opened(tmp_path, beacon, CRM + files, accounts=accounts("C-3,Acorn"))
    async with Client(over(workspace)) as client:
        begun, typed = (
            await completion(client, CHECK, "account", "Ac"),
            await completion(client, CHECK, "account", "Acme"),
        )

    assert (begun.values, begun.total, begun.has_more) == (["Acorn"], None, True)
    assert typed.values == ["Acme"]


async def test_sections_of_the_reference_are_offered_where_one_is_asked_for(client: Client) -> None:
    section = ResourceTemplateReference(uri="health://reference/{section}")
    assert await offered(client, section, "section", "conn") == ["connectors"]
    assert "tables" in await offered(client, section, "section")
