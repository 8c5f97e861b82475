"""The server for the tests of others: any transport, any era, a fixed day, nobody's history; and what tools cost."""

from __future__ import annotations

import hashlib
import re
from contextlib import AsyncExitStack
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client
from mcp.types import ElicitResult, TextResourceContents

from account_health.config import DEMO, HistorySettings
from account_health.errors import CallerError, ConfigurationError
from account_health.server import create_server
from account_health.server.tools import tools
from account_health.testing import DEMO_DAY, Answer, Caller, Serving, ToolRefusedError, calling, fixtures
from account_health.testing.costs import ToolCosts, tool_costs
from doors import ERAS, LONGEST_LINE, PATIENCE, configured, request, wired

if TYPE_CHECKING:
    from account_health.testing.serving import Era, Transport

pytest_plugins = ["account_health.testing.fixtures"]

MANUAL = (Path(__file__).parents[2] / "REFERENCE.md").read_text("utf-8")
TRANSPORTS: tuple[Transport, ...] = ("memory", "stdio")
WAYS = [Serving(transport=transport, era=era) for transport in TRANSPORTS for era in ("auto", "legacy")]
PAIRS = [Serving(era="legacy"), Serving(transport="stdio")]
NORTHWIND = {"account": "northwind"}
ACCOUNTS = "account_id,name,domains,customer_since\nA-1,Acme Ltd,acme.example,2024-01-01\n"
LONGEST_LIST = 24 * 1024
LONGEST_SUMMARY = 2_500
SUPPLIED = {"metrics": {"nps_latest": 9, "overdue_invoices": 0, "escalations_90d": 1}}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("find_accounts", {}),
    ("fetch_inputs", NORTHWIND),
    ("score_account", NORTHWIND),
    ("render_health_summary", NORTHWIND),
    ("score_supplied_inputs", SUPPLIED),
    ("check_sources", {}),
    ("list_at_risk_accounts", {}),
    ("get_portfolio_health", {}),
    ("explain_change", NORTHWIND),
    ("list_health_changes", {}),
]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way.transport}-{way.era}")
def account_health_serving(request: pytest.FixtureRequest) -> Serving:
    """Every way to reach the server in turn, in place of the plugin's own fixture."""
    serving: Serving = request.param
    return serving


@pytest.fixture(scope="module")
def costs() -> ToolCosts:
    """What the tools cost, measured once."""
    return anyio.run(tool_costs)


def test_a_test_that_does_not_await_gets_the_same_score_whichever_way_it_asks(account_health: Caller) -> None:
    answer = account_health.call("score_account", account="northwind")
    assert (answer.data["score_rounded"], answer.data["as_of"][:10]) == (62, DEMO_DAY)
    assert list(account_health.tools()) == [tool.name for tool in tools()]


@pytest.mark.anyio
async def test_a_test_that_awaits_gets_a_client_whichever_way_it_asks(account_health_client: Client) -> None:
    answer = Answer(await account_health_client.call_tool("render_health_summary", NORTHWIND))
    assert answer.text.startswith("## Health: Northwind Traders\n")


def test_without_a_word_the_demo_is_served_in_memory() -> None:
    assert fixtures.account_health_serving._get_wrapped_function()() == Serving()  # noqa: SLF001 - pytest hides what it wraps


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_refusal_fails_a_test_with_the_words_of_the_tool(transport: Transport, tmp_path: Path) -> None:
    with calling(Serving(transport=transport).connected(tmp_path)) as server:
        with pytest.raises(ToolRefusedError, match="No account has this id, name or domain"):
            server.call("score_account", account="nobody")
        with pytest.raises(ToolRefusedError, match="acount"):
            server.call("score_account", acount="northwind")
        assert server.call("score_account", account="northwind").data["score_rounded"] == 62


def test_a_caller_reaches_whatever_else_the_server_has(tmp_path: Path) -> None:
    with calling(Serving().connected(tmp_path)) as server:
        (policy,) = server.ask(server.client.read_resource, "health://policy").contents
    assert isinstance(policy, TextResourceContents)
    assert policy.text.startswith("# Scoring policy")


def test_an_answer_without_data_says_so_instead_of_handing_out_nothing(tmp_path: Path) -> None:
    with calling(Serving().connected(tmp_path)) as server:
        answer = server.call("render_health_summary", account="northwind")
    with pytest.raises(AssertionError, match="only text: '## Health: Northwind Traders"):
        assert answer.data
    assert answer.wire == answer.result.model_dump_json(by_alias=True, exclude_none=True).encode()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_configuration_is_served_without_a_touch_on_its_history(transport: Transport, tmp_path: Path) -> None:
    kept = '[history]\npath = "kept.sqlite"\nrecord = "answers"\n'
    config = configured(tmp_path / "project", kept, account=ACCOUNTS)
    serving = Serving(config=config, as_of="2026-06-30", transport=transport)
    with calling(serving.connected(tmp_path / "apart")) as server:
        answer = server.call("score_account", account="acme.example")
    assert (answer.data["account"]["id"], answer.data["as_of"][:10]) == ("A-1", "2026-06-30")
    assert answer.data.get("notices", []) == []
    assert (tmp_path / "apart" / "history.sqlite").is_file()
    assert sorted(path.name for path in (tmp_path / "project").iterdir()) == ["account-health.toml", "data"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_secrets_come_from_the_test_and_from_nowhere_else(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stripe = (
        '[sources.money]\nconnector = "stripe"\nbase_url = "http://127.0.0.1:9"\napi_key = { env = "STRIPE_KEY" }\n'
    )
    config = configured(tmp_path, f"as_of = '{DEMO_DAY}'\ngather.deadline_seconds = 1\n{stripe}", account=ACCOUNTS)
    monkeypatch.setenv("STRIPE_KEY", "the key of whoever runs the tests")

    def told(**environment: str) -> str:
        serving = Serving(config=config, transport=transport, environment=environment)
        with calling(serving.connected(tmp_path / "apart")) as server:
            inputs = server.call("score_account", account="A-1").data["inputs"]
        (sentence,) = [one["sentence"] for one in inputs if one["source"] == "billing"]
        return str(sentence)

    assert "STRIPE_KEY" in told()
    assert "STRIPE_KEY" not in told(STRIPE_KEY="sk_test_of_this_test")


@pytest.mark.parametrize("serving", PAIRS, ids=lambda way: f"{way.transport}-{way.era}")
def test_earlier_days_can_be_on_record_in_a_history_of_the_tests_own(serving: Serving, tmp_path: Path) -> None:
    untouched = _digest(DEMO.history.path)
    with calling(replace(serving, recorded=("2026-10-21", "2026-11-20")).connected(tmp_path)) as server:
        change = server.call("explain_change", account="northwind").data
        server.call("list_health_changes")
    assert change["change"]["since"].startswith("2026-10-21")
    assert (tmp_path / "history.sqlite").is_file()
    assert _digest(DEMO.history.path) == untouched


def test_a_day_nobody_named_or_that_is_none_is_refused_before_a_test_begins(tmp_path: Path) -> None:
    config = configured(tmp_path, account=ACCOUNTS)
    for serving, error in (
        (Serving(config=config), ValueError),
        (Serving(config=config, as_of="yesterday"), CallerError),
        (Serving(as_of="yesterday"), CallerError),
    ):
        with pytest.raises(error), calling(serving.connected(tmp_path)):
            pass


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_configuration_that_cannot_be_used_fails_before_a_test_begins(transport: Transport, tmp_path: Path) -> None:
    config = configured(tmp_path, "no_such_key = 1", account=ACCOUNTS)
    serving = Serving(config=config, as_of=DEMO_DAY, transport=transport)
    with pytest.raises(ConfigurationError, match="no_such_key"), calling(serving.connected(tmp_path)):
        pass


@pytest.mark.anyio
@pytest.mark.parametrize("serving", PAIRS, ids=lambda way: f"{way.transport}-{way.era}")
async def test_a_write_is_confirmed_by_the_person_a_test_plays(serving: Serving, tmp_path: Path) -> None:
    config = configured(tmp_path, "writes = 'confirm'", account=ACCOUNTS)
    status = {"account": "A-1", "status": "Fair", "author": "Mara"}
    asked = []

    async def person(_: object, question: Any) -> ElicitResult:
        asked.append(question)
        return ElicitResult(action="accept", content={"write": True})

    served = replace(serving, config=config, as_of=DEMO_DAY)
    async with served.connected(tmp_path / "apart", elicitation_callback=person) as client:
        written = await client.call_tool("set_health_status", status)
        scored = Answer(await client.call_tool("score_account", {"account": "A-1"}))
    assert (written.is_error, len(asked)) == (False, 1)
    assert scored.data["manual_status"]["status"] == "Fair"


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_at_a_fixed_day_no_tool_cares_what_time_it_is(era: Era, tmp_path: Path) -> None:
    config = replace(DEMO, as_of=DEMO_DAY, history=HistorySettings(path=tmp_path / "none.sqlite"))
    told = []
    for now in (datetime(2026, 11, 22, 7, 1, tzinfo=UTC), datetime(2031, 2, 3, 4, 5, tzinfo=UTC)):
        async with Client(create_server(lambda: config, lambda now=now: now), mode=era) as client:  # type: ignore[misc] # each turn its own clock
            told.append([Answer(await client.call_tool(tool, arguments)).wire for tool, arguments in CALLS])
    assert [tool for tool, _ in CALLS] == [tool.name for tool in tools()]
    assert [tool for (tool, _), one, other in zip(CALLS, *told, strict=True) if one != other] == []


@pytest.mark.anyio
async def test_two_processes_started_at_different_moments_answer_with_the_same_bytes(tmp_path: Path) -> None:
    command = ("serve", "--demo", "--as-of", DEMO_DAY)
    async with AsyncExitStack() as stack:
        earlier = await stack.enter_async_context(wired(*command, here=tmp_path))
        first = [await _line(earlier, number, *call) for number, call in enumerate(CALLS)]
        later = await stack.enter_async_context(wired(*command, here=tmp_path))
        second = [await _line(later, number, *call) for number, call in enumerate(CALLS)]
    assert all(b'"result"' in line for line in first)
    assert [tool for (tool, _), one, other in zip(CALLS, first, second, strict=True) if one != other] == []


def test_the_list_of_tools_is_short(costs: ToolCosts) -> None:
    assert costs.listed <= LONGEST_LIST
    assert costs.listed > sum(cost.entry for cost in costs.tools if cost.whole)


def test_a_summary_of_middle_size_is_short(costs: ToolCosts, tmp_path: Path) -> None:
    with calling(Serving().connected(tmp_path)) as server:
        accounts = [account["id"] for account in server.call("find_accounts", limit=100).data["accounts"]]
        summaries = [server.call("render_health_summary", account=account).text for account in accounts]
    assert median_low(len(text.encode()) for text in summaries) <= LONGEST_SUMMARY
    (told,) = [cost.text for cost in costs.tools if cost.tool == "render_health_summary"]
    assert told in {len(text.encode()) for text in summaries}


def test_every_tool_has_its_price_and_only_those_that_write_were_not_called(costs: ToolCosts) -> None:
    assert [cost.tool for cost in costs.tools] == [tool.name for tool in tools("confirm", publishes=True)]
    assert [cost.tool for cost in costs.tools if cost.whole] == [tool.name for tool in tools()]
    assert [cost.tool for cost in costs.tools if cost.whole and not 0 < cost.text < cost.whole] == []
    section = MANUAL.split("\n## What tools cost\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [cost.tool for cost in costs.tools]


def test_prices_are_the_same_wherever_the_temporary_folder_is(
    costs: ToolCosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "a-folder-with-quite-a-long-name"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    assert anyio.run(tool_costs) == costs


def test_the_manual_names_every_fixture_and_every_field() -> None:
    section = MANUAL.split("\n## Tests of tool calls\n")[1].split("\n## ")[0]
    named = {name for name in vars(fixtures) if name.startswith("account_health")} - {"account_health_"}
    wanted = {field.name for field in fields(Serving)} | named
    assert named == {"account_health", "account_health_client", "account_health_serving"}
    assert [name for name in sorted(wanted) if f"\n| `{name}` |" not in section] == []


async def _line(wire: Any, number: int, tool: str, arguments: dict[str, Any]) -> bytes:
    """What the process writes in answer to one call, as it is."""
    await wire.send(request(number, "tools/call", name=tool, arguments=arguments))
    with anyio.fail_after(PATIENCE):
        line: bytes = await wire.answers.receive_until(b"\n", LONGEST_LINE)
    return line


def _digest(path: Path | None) -> str:
    """What stands in a file; empty without one."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else ""
