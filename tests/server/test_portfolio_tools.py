"""The tools over all accounts and over time say what the functions behind them say, and help on without a history."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types
from mcp import Client

from account_health.at_risk import WantedAtRisk, at_risk
from account_health.explained_change import explain_change
from account_health.health_changes import WantedChanges, health_changes
from account_health.overview import Overview
from account_health.portfolio import portfolio_health
from account_health.server import create_server
from doors import CANARY, DAY, ERAS, clock, configured, said, server_over
from moving import history_of, recorded_by, workspace_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.types import CallToolResult

    from account_health.config import Config

pytestmark = pytest.mark.anyio

TOOLS = ("list_at_risk_accounts", "get_portfolio_health", "explain_change", "list_health_changes")
NOTHING = "Nothing has been recorded yet. Run `account-health assess --all`, best every day."


@pytest.fixture(params=ERAS)
async def lived(request: pytest.FixtureRequest, recorded: Config) -> AsyncIterator[Client]:
    """A client of a server over recorded accounts on their last day."""
    async with Client(create_server(lambda: recorded, clock), mode=request.param) as connected:
        yield connected


async def answer(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured answer, which fits its schema, holds no null and is said in the text too."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, said(result)
    found = result.structured_content
    assert isinstance(found, dict)
    assert json.loads(said(result)) == found
    schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
    Draft202012Validator(schemas[tool]).validate(found)
    assert "null" not in re.sub(r'"[^"]*"', "", said(result))
    return found


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """The text of a refusal, which is short, of our own making and repeats no value it was given."""
    result: CallToolResult = await client.call_tool(tool, arguments)
    assert result.is_error, said(result)
    text = said(result)
    assert len(text) < 500
    assert not re.search(rf"{CANARY}|https?:|pydantic|Traceback|Error executing", text)
    return text


# --- The same as in Python --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "wanted", "options"),
    [
        ({}, WantedAtRisk(), {}),
        ({"owner": "Mara", "renewing": "Q4"}, WantedAtRisk(owner="Mara", renewing="Q4"), {}),
        ({"segment": "SMB", "tier": "high"}, WantedAtRisk(segment="SMB", tier="high"), {}),
        ({"top_by_arr": 3}, WantedAtRisk(top_by_arr=3), {}),
        ({"limit": 2, "vocabulary": "uman"}, WantedAtRisk(), {"limit": 2, "vocabulary": "uman"}),
        ({"as_of": DAY}, WantedAtRisk(), {"as_of": DAY}),
        ({"refresh": True}, WantedAtRisk(), {"refresh": True}),
    ],
)
async def test_accounts_at_risk_are_those_of_the_function(
    lived: Client, recorded: Config, asked: dict[str, Any], wanted: WantedAtRisk, options: dict[str, Any]
) -> None:
    expected = await at_risk(Overview(workspace_on(recorded)), wanted, **{"limit": 20, **options})
    assert expected.total > 0
    assert await answer(lived, "list_at_risk_accounts", **asked) == expected.as_json()


@pytest.mark.parametrize(
    "asked", [{}, {"segment": "Enterprise"}, {"owner": "mara", "vocabulary": "intacct"}, {"as_of": DAY}]
)
async def test_the_health_of_the_portfolio_is_that_of_the_function(
    lived: Client, recorded: Config, asked: dict[str, str]
) -> None:
    expected = await portfolio_health(Overview(workspace_on(recorded)), **asked)  # type: ignore[arg-type] # none is a flag
    assert expected.movers
    assert await answer(lived, "get_portfolio_health", **asked) == expected.as_json()


@pytest.mark.parametrize("asked", [{}, {"since": "2026-11-14"}, {"as_of": "2026-11-14", "since": "2026-10-22"}])
async def test_an_explained_change_is_that_of_the_function_and_adds_up(
    lived: Client, recorded: Config, asked: dict[str, str]
) -> None:
    for account in ("fernhollow", "northwind"):
        expected = await explain_change(workspace_on(recorded), account, asked.get("since", ""), asked.get("as_of"))
        found = await answer(lived, "explain_change", account=account, **asked)
        assert found == expected.as_json()
        change = found["change"]
        assert sum(change["parts"].values()) == pytest.approx(change["to"] - change["from"])


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, WantedChanges()),
        ({"account": "Northwind Traders"}, WantedChanges(account="northwind")),
        ({"owner": "ines", "kind": "flag"}, WantedChanges(owner="ines", kind="flag")),
        ({"band": "red", "since": "2026-11-01"}, WantedChanges(band="red", since="2026-11-01")),
    ],
)
async def test_health_changes_are_those_of_the_function(
    lived: Client, recorded: Config, asked: dict[str, str], wanted: WantedChanges
) -> None:
    expected = await health_changes(workspace_on(recorded), wanted, 100)
    found = await answer(lived, "list_health_changes", limit=100, **asked)
    assert found["changes"] == expected.as_json()["changes"] != []
    assert found["total"] == expected.total


@pytest.mark.parametrize("tool", ["list_at_risk_accounts", "list_health_changes"])
async def test_all_pages_together_are_the_one_big_page(lived: Client, tool: str) -> None:
    part = {"list_at_risk_accounts": "accounts", "list_health_changes": "changes"}[tool]
    whole = await answer(lived, tool, limit=100)
    seen: list[Any] = []
    cursor = ""
    while not seen or cursor:
        page = await answer(lived, tool, limit=7, cursor=cursor)
        assert page["total"] == whole["total"]
        seen += page[part]
        cursor = page.get("next_cursor", "")
    assert seen == whole[part]
    assert len(seen) == whole["total"]


# --- A history that comes later ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ERAS)
async def test_a_running_server_takes_up_what_is_recorded_meanwhile(era: Any, recorded_copy: Config) -> None:
    history_of(recorded_copy).unlink()
    async with Client(create_server(lambda: recorded_copy, clock), mode=era) as client:
        assert (await answer(client, "list_at_risk_accounts"))["notices"] == []
        assert "movers" not in await answer(client, "get_portfolio_health")
        for days in (30, 0):
            await recorded_by(workspace_on(recorded_copy, days))
        (note,) = (await answer(client, "list_at_risk_accounts"))["notices"]
        assert note == "As recorded at 2026-11-21 09:00 UTC by `assess --all`."
        assert (await answer(client, "get_portfolio_health"))["movers"]["worsened"] == 4
        assert (await answer(client, "explain_change", account="fernhollow"))["change"]["to"] < 50
        assert (await answer(client, "list_health_changes"))["total"] > 0


# --- Refusals ---------------------------------------------------------------------------------------------------------


async def test_without_a_history_what_needs_one_says_how_to_get_one(client: Client) -> None:
    assert await refused(client, "explain_change", account="northwind") == NOTHING
    assert await refused(client, "list_health_changes") == NOTHING
    assert (await answer(client, "list_at_risk_accounts", as_of=DAY))["total"] == 8
    assert "movers" not in await answer(client, "get_portfolio_health", as_of=DAY)


async def test_before_the_first_reading_it_is_said_when_that_was(lived: Client) -> None:
    text = await refused(lived, "explain_change", account="northwind", since="2026-10-01")
    assert text.startswith("Nothing was recorded of this account by then. The first reading is of 2026-10-12.")


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("list_at_risk_accounts", {"tier": CANARY}, "'critical', 'high', 'medium' or 'watch'"),
        ("list_at_risk_accounts", {"renewing": CANARY}, "There is no such renewal window. Write e.g. Q4"),
        ("list_at_risk_accounts", {"vocabulary": CANARY}, "Vocabularies: colours, uman, pipeline, intacct."),
        ("list_at_risk_accounts", {"cursor": CANARY}, "This cursor belongs to no page of this search."),
        ("list_at_risk_accounts", {"top_by_arr": -1}, "- top_by_arr: Input should be greater than or equal to 0"),
        ("list_at_risk_accounts", {"limit": 101}, "- limit: Input should be less than or equal to 100"),
        ("list_at_risk_accounts", {"refresh": "yes"}, "- refresh: Input should be a valid boolean"),
        ("list_at_risk_accounts", {"as_of": CANARY}, "as_of is no date."),
        ("get_portfolio_health", {"vocabulary": CANARY}, "Vocabularies: colours, uman, pipeline, intacct."),
        ("get_portfolio_health", {"as_of": CANARY}, "as_of is no date."),
        ("explain_change", {}, "- account: Field required"),
        ("explain_change", {"account": CANARY}, "No account has this id, name or domain."),
        ("explain_change", {"account": "northwind", "since": CANARY}, "is no date."),
        ("list_health_changes", {"kind": CANARY}, "'band', 'flag', 'status' or 'published'"),
        ("list_health_changes", {"band": CANARY}, "'green', 'yellow', 'red' or 'not_scored'"),
        ("list_health_changes", {"account": CANARY}, "No account has this id, name or domain."),
        ("list_health_changes", {"since": CANARY}, "since is no date."),
        ("list_health_changes", {"cursor": CANARY}, "This cursor belongs to no page of this search."),
    ],
)
async def test_a_bad_value_is_refused_with_what_is_expected(
    lived: Client, tool: str, arguments: dict[str, Any], reason: str
) -> None:
    assert reason in await refused(lived, tool, **arguments)


@pytest.mark.parametrize("tool", TOOLS)
async def test_an_unknown_argument_is_refused_and_the_known_ones_are_named(lived: Client, tool: str) -> None:
    text = await refused(lived, tool, account="northwind", colour=CANARY)
    assert "- colour: unknown argument" in text
    assert text.splitlines()[-1].startswith("Known arguments: ")


@pytest.mark.parametrize("era", ERAS)
async def test_without_a_usable_configuration_every_tool_names_what_is_wrong(era: Any, tmp_path: Path) -> None:
    async with Client(server_over(configured(tmp_path, "colour = 1")), mode=era) as client:
        for tool in TOOLS:
            arguments = {"account": "northwind"} if tool == "explain_change" else {}
            assert "- colour: unknown key" in await refused(client, tool, **arguments)


@pytest.mark.parametrize("era", ERAS)
async def test_a_history_that_cannot_be_read_stops_only_what_needs_it(era: Any, recorded_copy: Config) -> None:
    history_of(recorded_copy).write_bytes(f"{CANARY} was never a database. ".encode() * 100)
    async with Client(create_server(lambda: recorded_copy, clock), mode=era) as client:
        for tool in ("list_at_risk_accounts", "get_portfolio_health"):
            (notice,) = (await answer(client, tool))["notices"]
            assert notice.startswith("Answered without history: The history cannot be used: the file is no history.")
        assert "the file is no history" in await refused(client, "explain_change", account="northwind")
        assert "the file is no history" in await refused(client, "list_health_changes")


async def test_texts_of_the_hostile_account_stay_data(lived: Client) -> None:
    (trickster,) = [
        account
        for account in (await answer(lived, "list_at_risk_accounts"))["accounts"]
        if account["id"] == "trickster"
    ]
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]", json.dumps(trickster, ensure_ascii=False))
    assert trickster["tier"] == "high"
