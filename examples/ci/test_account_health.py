"""Tests of tool calls: copy this file and `northwind.md` beside your tests, then ask what matters to you.

They run against the demo on a fixed day, whose answers stay the same as long as the version does. For accounts of
your own define a fixture `account_health_serving`; the section "Tests of tool calls" of REFERENCE.md says how.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mcp import StdioServerParameters
from mcp.client import Client

from account_health.testing import DEMO_DAY, Serving, ToolRefusedError, calling

if TYPE_CHECKING:
    from collections.abc import Callable

    from account_health.testing import Answer, Caller

pytest_plugins = ["account_health.testing.fixtures"]  # with several files of tests once, in conftest.py

AGREED = Path(__file__).with_name("northwind.md")
LARGEST_LIST = 24 * 1024


def test_risk_flags_come_before_the_score(account_health: Caller) -> None:
    text = account_health.call("render_health_summary", account="northwind").text
    assert text.startswith("## Health: Northwind Traders\n\n### Risk Flags\n\n- **Escalation in last 90 days**")
    assert text.index("### Risk Flags") < text.index("**Score:** 62 (Yellow)") < text.index("### Factors")


def test_the_score_is_explained_to_the_last_point(account_health: Caller) -> None:
    answer = account_health.call("score_account", account="northwind").data
    assert (answer["score_rounded"], answer["band"]) == (62, "yellow")
    assert sum(factor.get("earned", 0) for factor in answer["factors"]) == pytest.approx(answer["score"])
    assert all(factor["sentence"] and factor["source"] for factor in answer["factors"])


def test_what_is_missing_is_named_and_never_guessed(account_health: Caller) -> None:
    answer = account_health.call("score_account", account="northwind").data
    assert [gap["source"] for gap in answer["gaps"]] == ["analytics"]
    assert answer["range"]["low"] < answer["score"] < answer["range"]["high"]
    assert {flag["flag"] for flag in answer["flags"] if flag["state"] == "unknown"} == {"usage_drop"}


def test_without_enough_evidence_there_is_no_score(account_health: Caller) -> None:
    answer = account_health.call("score_account", account="moonbeam").data
    assert not answer["scored"]
    assert "score" not in answer


def test_an_account_that_does_not_exist_is_refused_with_a_next_step(account_health: Caller) -> None:
    with pytest.raises(ToolRefusedError, match="find_accounts"):
        account_health.call("score_account", account="nobody")


def test_the_report_is_the_one_that_was_agreed_on(account_health: Caller) -> None:
    """Byte for byte. After an upgrade that changes it on purpose: delete the file, run again, read it, commit it."""
    text = account_health.call("render_health_summary", account="northwind").text
    if not AGREED.exists():
        AGREED.write_text(text, "utf-8", newline="\n")
        pytest.fail(f"{AGREED.name} was not there and is written now: read it before you commit it.")
    assert text == AGREED.read_text("utf-8")


def agent(question: str, call: Callable[..., Answer]) -> str:
    """Stands for your agent: it gets a question and a way to call tools, and returns what a person would see."""
    found = call("find_accounts", query=question.removeprefix("How is ").removesuffix(" doing?")).data["accounts"]
    return call("render_health_summary", account=found[0]["id"]).text


def test_the_agent_looks_the_account_up_and_shows_the_summary_unchanged(account_health: Caller) -> None:
    calls = []

    def call(tool: str, **arguments: object) -> Answer:
        calls.append((tool, arguments))
        return account_health.call(tool, **arguments)

    shown = agent("How is Northwind doing?", call)
    assert calls == [("find_accounts", {"query": "Northwind"}), ("render_health_summary", {"account": "northwind"})]
    assert shown == account_health.call("render_health_summary", account="northwind").text


def test_the_tools_leave_room_in_the_context_of_the_agent(account_health: Caller) -> None:
    tools = account_health.tools()
    assert {"find_accounts", "render_health_summary"} <= set(tools)
    assert sum(len(tool.model_dump_json(by_alias=True, exclude_none=True)) for tool in tools.values()) < LARGEST_LIST


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_a_process_of_its_own_says_the_same_in_both_versions_of_the_protocol(era: str, account_health: Caller) -> None:
    command = ["-m", "account_health", "serve", "--demo", "--as-of", DEMO_DAY]
    with calling(Client(StdioServerParameters(command=sys.executable, args=command), mode=era)) as server:
        answer = server.call("score_account", account="northwind")
    assert answer.data["factors"] == account_health.call("score_account", account="northwind").data["factors"]


@pytest.mark.anyio
async def test_tools_that_need_a_history_have_one_of_their_own(tmp_path: Path) -> None:
    async with Serving(recorded=("2026-10-21",)).connected(tmp_path) as client:
        result = await client.call_tool("explain_change", {"account": "northwind"})
    assert not result.is_error
    assert result.structured_content
    assert result.structured_content["change"]["since"].startswith("2026-10-21")
