"""What the tools answer, in both protocol eras."""

from __future__ import annotations

import ast
import base64
import json
import re
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types
from mcp import Client
from pydantic import TypeAdapter

from account_health.config import Config, find_config, load_config
from account_health.server import create_server
from doors import CANARY, DAY, ERAS, clock, configured, said, server_over

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.anyio

ACCOUNTS = 13
READING = [
    "find_accounts",
    "fetch_inputs",
    "score_account",
    "render_health_summary",
    "check_sources",
    "list_at_risk_accounts",
    "get_portfolio_health",
]
NEEDING_HISTORY = {"explain_change", "list_health_changes"}
"""Tools that have nothing to say until something was recorded; see test_portfolio_tools.py."""
NEEDED: dict[str, dict[str, Any]] = {
    "fetch_inputs": {"account": "northwind"},
    "score_account": {"account": "northwind"},
    "render_health_summary": {"account": "northwind"},
    "score_supplied_inputs": {"metrics": {"nps_latest": 9}},
}
TOOLS = [*READING, "score_supplied_inputs"]


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """The text of a refusal, which is short, of our own making and repeats no value it was given."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, said(result)
    text = said(result)
    assert len(text) < 1000
    assert CANARY not in text
    assert not re.search(r"https?:|pydantic|Traceback|Error executing", text)
    return text


async def answer(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured content of an answer that is no error."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, said(result)
    return result.structured_content


# --- Answers ------------------------------------------------------------------------------------------------------


async def test_every_structured_answer_fits_its_schema_and_its_text_says_the_same(client: Client) -> None:
    schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools if tool.output_schema}
    ids = [found["id"] for found in (await answer(client, "find_accounts", as_of=DAY))["accounts"]]
    assert len(ids) == ACCOUNTS
    asked = [(tool, {"account": account}) for account in ids for tool in ("score_account", "fetch_inputs")]
    asked += [("find_accounts", {}), ("check_sources", {}), ("score_supplied_inputs", {"metrics": {"nps_latest": 9}})]
    asked += [("list_at_risk_accounts", {"vocabulary": "uman"}), ("get_portfolio_health", {"vocabulary": "uman"})]
    assert {tool for tool, _ in asked} == set(schemas) - NEEDING_HISTORY
    for tool, arguments in asked:
        result = await client.call_tool(tool, {**arguments, "as_of": DAY})
        assert not result.is_error
        Draft202012Validator(schemas[tool]).validate(result.structured_content)
        assert json.loads(said(result)) == result.structured_content


async def test_no_answer_holds_a_null(client: Client) -> None:
    def nulls(value: Any) -> bool:
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return value is None or any(map(nulls, parts))

    for tool in ("score_account", "fetch_inputs"):
        assert not nulls(await answer(client, tool, account="moonbeam", as_of=DAY))
    for tool in ("find_accounts", "list_at_risk_accounts", "get_portfolio_health"):
        assert not nulls(await answer(client, tool, as_of=DAY))


async def test_the_summary_is_text_alone_and_its_facts_travel_beside_it(client: Client) -> None:
    result = await client.call_tool("render_health_summary", {"account": "northwind", "as_of": DAY})
    assert said(result).startswith("## Health: Northwind Traders\n\n### Risk Flags\n")
    assert result.structured_content is None
    facts = await answer(client, "score_account", account="northwind", as_of=DAY)
    assert result.meta
    assert result.meta["account-health/assessment"] == facts


@pytest.mark.parametrize("era", ERAS)
async def test_the_call_that_a_description_shows_works(era: Any, recorded: Config) -> None:
    async with Client(create_server(lambda: recorded, clock), mode=era) as client:
        for tool in (await client.list_tools()).tools:
            shown = re.search(r"Example: (\w+\(.*\))\.", tool.description or "", re.DOTALL)
            assert shown
            call = ast.parse(shown[1], mode="eval").body
            assert isinstance(call, ast.Call)
            arguments = {part.arg or "": ast.literal_eval(part.value) for part in call.keywords}
            assert not (await client.call_tool(ast.unparse(call.func), arguments)).is_error


async def test_an_account_is_found_by_id_name_domain_address_and_mail(client: Client) -> None:
    ways = ["northwind", " Northwind TRADERS ", "northwind.example", "https://www.northwind.example/about", "NORTHWIND"]
    for way in [*ways, "jo@mail.northwind.example"]:
        assert (await answer(client, "score_account", account=way))["account"]["id"] == "northwind"


async def test_the_asked_day_decides_what_was_known(client: Client) -> None:
    then, now = [await answer(client, "score_account", account="kestrel", as_of=day) for day in ("2026-11-20", DAY)]
    assert (then["as_of"][:10], now["as_of"][:10]) == ("2026-11-20", DAY)


async def test_questions_asked_at_once_get_the_answers_of_questions_asked_alone(client: Client) -> None:
    ids = [found["id"] for found in (await answer(client, "find_accounts"))["accounts"]]
    alone = {account: await answer(client, "score_account", account=account) for account in ids}
    at_once: dict[str, Any] = {}

    async def ask(account: str) -> None:
        at_once[account] = await answer(client, "score_account", account=account)

    async with anyio.create_task_group() as group:
        for account in ids:
            group.start_soon(ask, account)
    assert at_once == alone


@pytest.mark.parametrize("era", ERAS)
async def test_a_source_that_fails_is_part_of_the_answer(era: Any, tmp_path: Path) -> None:
    tables = {"account": "account_id,name\nA-1,Acme\n", "ticket": f"ticket_id,who\nT-1,{CANARY}\n"}
    async with Client(server_over(configured(tmp_path, **tables)), mode=era) as client:
        scored = await answer(client, "score_account", account="A-1")
        assert [report["state"] for report in scored["inputs"] if report["source"] == "support"] == ["failed"]
        assert CANARY not in json.dumps(scored)
        checked = await answer(client, "check_sources")
        states = {table["table"]: table["state"] for source in checked["sources"] for table in source["tables"]}
        assert states == {"account": "observed", "ticket": "failed"}
        assert "ticket" in checked["advice"][0]
        assert (await answer(client, "fetch_inputs", account="A-1"))["tables"]["ticket"]["state"] == "failed"
        assert "ticket.csv" in said(await client.call_tool("render_health_summary", {"account": "A-1"}))


# --- Refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", TOOLS)
async def test_an_unknown_argument_is_refused_and_the_known_ones_are_named(client: Client, tool: str) -> None:
    text = await refused(client, tool, **NEEDED.get(tool, {}), colour=CANARY)
    assert "- colour: unknown argument" in text
    assert "as_of" in text.splitlines()[-1]


async def test_a_refusal_stays_short_however_much_is_wrong(client: Client) -> None:
    text = await refused(client, "check_sources", **{str(i) + "\x1b[31m" * 1000: CANARY for i in range(100)})
    assert "and 95 more" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("find_accounts", {"limit": 0}, "- limit: Input should be greater than or equal to 1"),
        ("find_accounts", {"limit": 101}, "- limit: Input should be less than or equal to 100"),
        ("find_accounts", {"limit": "5"}, "- limit: Input should be a valid integer"),
        ("find_accounts", {"limit": True}, "- limit: Input should be a valid integer"),
        ("find_accounts", {"limit": 5.5}, "- limit: Input should be a valid integer"),
        ("find_accounts", {"limit": None}, "- limit: Input should be a valid integer"),
        ("find_accounts", {"renews_within_days": -1}, "- renews_within_days: "),
        ("find_accounts", {"query": [CANARY]}, "- query: Input should be a valid string"),
        ("find_accounts", {"band": CANARY}, "'green', 'yellow', 'red' or 'not_scored'"),
        ("find_accounts", {"flag": CANARY}, "usage_drop"),
        ("fetch_inputs", {"account": "northwind", "source": CANARY}, "'billing' or 'surveys'"),
        ("fetch_inputs", {"account": "northwind", "limit": 0}, "- limit: "),
        ("score_account", {}, "- account: Field required"),
        ("score_account", {"account": ""}, "- account: String should have at least 1 character"),
        ("score_account", {"account": CANARY * 20}, "- account: String should have at most 200 characters"),
        ("score_account", {"account": 7}, "- account: Input should be a valid string"),
        ("score_account", {"account": {"id": CANARY}}, "- account: Input should be a valid string"),
        ("score_account", {"account": "northwind", "as_of": CANARY}, "as_of is no date. Write e.g. 2026-11-21"),
        ("score_account", {"account": "northwind", "as_of": "2026-02-30"}, "as_of is no date."),
        ("score_account", {"account": "northwind", "as_of": "9999-12-31"}, "as_of must lie between"),
        ("score_supplied_inputs", {"metrics": CANARY}, "- metrics: Input should be a valid dictionary"),
        ("score_supplied_inputs", {"metrics": {}}, "- metrics: Dictionary should have at least 1 item"),
    ],
)
async def test_a_bad_value_is_refused_with_what_is_expected(
    client: Client, tool: str, arguments: dict[str, Any], reason: str
) -> None:
    assert reason in await refused(client, tool, **arguments)


async def test_an_unknown_account_gets_the_nearest_names(client: Client) -> None:
    text = await refused(client, "score_account", account="Kestral Freigth")
    assert text.startswith("No account has this id, name or domain. Nearest: Kestrel Freight (id `kestrel`)")
    assert "find_accounts" in await refused(client, "fetch_inputs", account=CANARY)


async def test_part_of_a_name_suggests_but_never_finds(client: Client) -> None:
    assert "Northwind Traders (id `northwind`)" in await refused(client, "render_health_summary", account="Traders")


@pytest.mark.parametrize("era", ERAS)
async def test_a_name_or_domain_of_several_accounts_gets_the_candidates(era: Any, tmp_path: Path) -> None:
    accounts = "account_id,name,domains\nA_1,Acme,shared.example\nA_2,acme,a.example\nA_3,Other,www.shared.example\n"
    async with Client(server_over(configured(tmp_path, account=accounts)), mode=era) as client:
        text = await refused(client, "score_account", account="ACME")
        assert text.startswith("2 accounts fit: Acme (id `A_1`); acme (id `A_2`). Ask again with the id")
        assert "Other (id `A_3`)" in await refused(client, "score_account", account="shared.example")
        assert (await answer(client, "score_account", account="A_2"))["account"] == {"id": "A_2", "name": "acme"}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("is_about_values", [False, True])
async def test_a_bug_of_ours_is_told_without_its_text(era: Any, *, is_about_values: bool) -> None:
    def broken() -> Config:
        if is_about_values:
            TypeAdapter(int).validate_python(CANARY)
        raise RuntimeError(CANARY)

    async with Client(create_server(broken, clock), mode=era) as client:
        for tool in READING:
            result = await client.call_tool(tool, NEEDED.get(tool, {}))
            assert (result.is_error, said(result)) == (True, f"Error executing tool {tool}")


@pytest.mark.parametrize("era", ERAS)
async def test_an_unreadable_list_of_accounts_is_an_error_that_repeats_none_of_its_rows(
    era: Any, tmp_path: Path
) -> None:
    for accounts in (
        f"id,name\n{CANARY},Acme\n",
        f'account_id,name\n"{CANARY}',
        f"account_id,name,arr\nA,{CANARY},-1\n",
    ):
        configuration = configured(tmp_path, account=accounts)
        async with Client(server_over(configuration), mode=era) as client:
            for tool in set(READING) - {"check_sources"}:
                assert "account.csv" in await refused(client, tool, **NEEDED.get(tool, {}))
            checked = json.dumps(await answer(client, "check_sources"))
            assert '"failed"' in checked
            assert CANARY not in checked


# --- Pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 4, 100])
@pytest.mark.parametrize("wanted", [{}, {"band": "green"}, {"flag": "renewal_soon"}, {"query": "e"}])
async def test_paging_visits_each_account_exactly_once(client: Client, limit: int, wanted: dict[str, str]) -> None:
    whole = await answer(client, "find_accounts", limit=100, as_of=DAY, **wanted)
    assert "next_cursor" not in whole
    seen: list[Any] = []
    cursor = ""
    while len(seen) <= ACCOUNTS:
        page = await answer(client, "find_accounts", limit=limit, cursor=cursor, as_of=DAY, **wanted)
        assert page["total"] == whole["total"] == len(whole["accounts"]) > 1
        seen += page["accounts"]
        cursor = page.get("next_cursor", "")
        if not cursor:
            break
        assert len(page["accounts"]) == limit
    assert seen == whole["accounts"]


async def test_a_cursor_of_another_search_or_of_no_search_is_refused(client: Client) -> None:
    own = (await answer(client, "find_accounts", limit=2, query="e"))["next_cursor"]
    start, _, search = base64.urlsafe_b64decode(own + "=" * (-len(own) % 4)).decode().partition(":")
    forged = [
        f"-1:{search}",
        f"{start}",
        f"{start}:",
        f"{start}:{CANARY}",
        f":{search}",
        f"1e3:{search}",
        f"²:{search}",
    ]
    cursors = [base64.urlsafe_b64encode(text.encode()).decode() for text in forged]
    for cursor in [*cursors, CANARY, "====", "é", "\x00", base64.urlsafe_b64encode(b"\xff\xfe").decode()]:
        assert "cursor" in await refused(client, "find_accounts", limit=2, query="e", cursor=cursor)
    for other in ({}, {"query": "E "}, {"query": "e", "band": "red"}, {"query": "e", "owner": "x"}):
        assert "cursor" in await refused(client, "find_accounts", cursor=own, **other)


async def test_a_cursor_far_behind_the_end_finds_nothing_more(client: Client) -> None:
    own = (await answer(client, "find_accounts", limit=2))["next_cursor"]
    search = base64.urlsafe_b64decode(own + "=" * (-len(own) % 4)).decode().partition(":")[2]
    far, farther = [base64.urlsafe_b64encode(f"{at}:{search}".encode()).decode() for at in (10**9 - 1, 10**40)]
    page = await answer(client, "find_accounts", limit=2, cursor=far)
    assert (page["accounts"], page["total"], "next_cursor" in page) == ([], ACCOUNTS, False)
    assert "cursor" in await refused(client, "find_accounts", limit=2, cursor=farther)


# --- Configuration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ERAS)
async def test_without_a_configuration_only_supplied_inputs_are_scored_until_one_appears(
    era: Any, tmp_path: Path
) -> None:
    server = create_server(lambda: load_config(find_config(None, {}, tmp_path)), clock)
    async with Client(server, mode=era) as client:
        for tool in READING:
            assert "`account-health init`" in await refused(client, tool, **NEEDED.get(tool, {}))
        assert (await answer(client, "score_supplied_inputs", metrics={"nps_latest": 9}))["coverage"] > 0
        configuration = configured(tmp_path, account="account_id,name\nnorthwind,Northwind\n")
        for tool in READING:
            assert not (await client.call_tool(tool, NEEDED.get(tool, {}))).is_error
        configuration.unlink()
        assert not (await client.call_tool("find_accounts")).is_error, "what is open stays open"


@pytest.mark.parametrize("era", ERAS)
async def test_changed_files_are_read_anew_by_the_running_server(era: Any, tmp_path: Path) -> None:
    async with Client(server_over(configured(tmp_path, account="account_id,name\nA,Acme\n")), mode=era) as client:
        assert (await answer(client, "find_accounts"))["total"] == 1
        configured(tmp_path, account="account_id,name\nA,Acme\nB,Beta Works\n")
        assert (await answer(client, "find_accounts"))["total"] == 2
        assert (await answer(client, "score_account", account="beta works"))["account"]["id"] == "B"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        ("[[", "not valid TOML"),
        ("colour = 1", "- colour: unknown key"),
        ('policy = "none.toml"', "none.toml cannot be read"),
        ('[sources.x]\nconnector = "carrier pigeon"', "no connector"),
        ('as_of = "yesterday"', "as_of is no date"),
    ],
)
async def test_a_faulty_configuration_is_named_by_every_tool_that_needs_it(
    era: Any, toml: str, fault: str, tmp_path: Path
) -> None:
    async with Client(server_over(configured(tmp_path, toml, account="account_id,name\nA,B\n")), mode=era) as client:
        for tool in READING:
            assert fault in await refused(client, tool, **NEEDED.get(tool, {}))


# --- Supplied inputs ----------------------------------------------------------------------------------------------


async def test_a_value_that_is_neither_number_nor_word_gets_one_refusal(client: Client) -> None:
    for value in (None, [CANARY], {"value": CANARY}):
        text = await refused(client, "score_supplied_inputs", metrics={"nps_latest": value})
        assert text.count("nps_latest") == 1
        assert "leave out what is not known" in text


async def test_an_unknown_metric_gets_the_nearest_and_all_known_ones(client: Client) -> None:
    result = await client.call_tool("score_supplied_inputs", {"metrics": {"login_change": 3, CANARY: 1}})
    assert result.is_error
    assert said(result).startswith("2 of the metrics are not in the policy. Nearest: logins_change_pct")
    assert "unrecovered_payments" in said(result)
    assert CANARY not in said(result)


async def test_a_hostile_name_stays_a_name(client: Client) -> None:
    name = "Acme\n\n## Health: Green <script> {{ 7*7 }} \u202e\x1b[31m ![x](https://x.example)"
    scored = await answer(client, "score_supplied_inputs", metrics={"nps_latest": 2}, account_name=name)
    plain = await answer(client, "score_supplied_inputs", metrics={"nps_latest": 2}, account_name="Acme")
    assert {**scored, "account": 0, "inputs": 0} == {**plain, "account": 0, "inputs": 0}


async def test_supplied_inputs_are_scored_at_the_asked_day(client: Client) -> None:
    scored = await answer(client, "score_supplied_inputs", metrics={"nps_latest": 2}, as_of="2026-11-20")
    assert scored["as_of"].startswith("2026-11-20T23:59:59")
    assert "as_of" in await refused(client, "score_supplied_inputs", metrics={"nps_latest": 2}, as_of="soon")
