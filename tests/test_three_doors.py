"""The same question from every door gets the same answer."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from anyio import to_thread
from mcp import Client
from typer.testing import CliRunner

from account_health import cli
from account_health.at_risk import WantedAtRisk, at_risk
from account_health.config import DEMO
from account_health.overview import Overview
from account_health.portfolio import portfolio_health
from account_health.workspace import Workspace
from doors import DAY, ERAS, clock, demo_server
from given import demo_assessments

pytestmark = pytest.mark.anyio

END_OF_DAY = datetime(2026, 11, 21, 23, 59, 59, 999999)
AT_RISK: list[dict[str, Any]] = [
    {},
    {"owner": "Mara", "renewing": "Q4"},
    {"segment": "SMB", "tier": "high"},
    {"top_by_arr": 4, "limit": 2, "vocabulary": "uman"},
]
PORTFOLIO: list[dict[str, Any]] = [{}, {"segment": "Enterprise"}, {"owner": "mara", "vocabulary": "pipeline"}]


def from_the_pipeline() -> dict[str, Any]:
    """By account, what `assess(...)` gives over the demo source."""
    return {found.account.id: found.as_json() for found in demo_assessments(END_OF_DAY)}


def test_the_command_line_gives_what_the_pipeline_gives() -> None:
    for account, expected in from_the_pipeline().items():
        done = CliRunner().invoke(cli.app, ["report", account, "--demo", "--as-of", DAY, "--format", "json"])
        assert json.loads(done.stdout) == expected


async def test_a_workspace_gives_what_the_pipeline_gives(expected: dict[str, Any]) -> None:
    workspace = Workspace.open(DEMO, clock)
    assert {account: (await workspace.assess(account, DAY)).as_json() for account in expected} == expected


async def test_an_answer_does_not_depend_on_what_was_asked_before(expected: dict[str, Any]) -> None:
    workspace = Workspace.open(DEMO, clock)
    for before in (None, "2026-11-20", "2026-11-21T12:00:00Z"):
        await workspace.assess("moonbeam", before)
    assert (await workspace.assess("moonbeam", DAY)).as_json() == expected["moonbeam"]


@pytest.mark.parametrize("era", ERAS)
async def test_the_server_gives_what_the_pipeline_gives(era: Any, expected: dict[str, Any]) -> None:
    async with Client(demo_server(), mode=era) as client:
        for account, assessment in expected.items():
            asked = {"account": account, "as_of": DAY}
            assert (await client.call_tool("score_account", asked)).structured_content == assessment
            meta = (await client.call_tool("render_health_summary", asked)).meta
            assert meta
            assert meta["account-health/assessment"] == assessment


def printed(verb: str, asked: dict[str, Any]) -> Any:
    """What the command line prints for programs."""
    options = [part for name, value in asked.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    done = CliRunner().invoke(cli.app, [verb, "--demo", "--as-of", DAY, "--format", "json", *options])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("asked", AT_RISK)
async def test_accounts_at_risk_are_the_same_from_every_door(asked: dict[str, Any]) -> None:
    fields = {name: value for name, value in asked.items() if name not in ("limit", "vocabulary")}
    limit, vocabulary = asked.get("limit", 20), asked.get("vocabulary", "")
    overview = Overview(Workspace.open(DEMO, clock))
    found = await at_risk(overview, WantedAtRisk(**fields), limit, as_of=DAY, vocabulary=vocabulary)
    assert found.total > 0
    for era in ("auto", "legacy"):
        async with Client(demo_server(), mode=era) as client:
            answer = await client.call_tool("list_at_risk_accounts", {**asked, "as_of": DAY})
            assert answer.structured_content == found.as_json()
    assert await to_thread.run_sync(printed, "at-risk", asked) == found.as_json()


@pytest.mark.parametrize("asked", PORTFOLIO)
async def test_the_health_of_the_portfolio_is_the_same_from_every_door(asked: dict[str, Any]) -> None:
    found = await portfolio_health(Overview(Workspace.open(DEMO, clock)), as_of=DAY, **asked)
    assert found.accounts > 0
    for era in ("auto", "legacy"):
        async with Client(demo_server(), mode=era) as client:
            answer = await client.call_tool("get_portfolio_health", {**asked, "as_of": DAY})
            assert answer.structured_content == found.as_json()
    assert await to_thread.run_sync(printed, "portfolio", asked) == found.as_json()


def test_the_demo_has_a_dozen_accounts_to_compare() -> None:
    assert len(from_the_pipeline()) >= 12


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """By account, what the pipeline gives; asked outside of any event loop."""
    return from_the_pipeline()
