"""SKILL.md: a valid, small Agent Skill that names what exists, and whose example is what the tools really answer."""

from __future__ import annotations

import re
from datetime import UTC
from pathlib import Path

import anyio

from account_health.config import DEMO
from account_health.policy import load_policy
from account_health.render import render_summary
from account_health.server import create_server
from account_health.server.tools import tools
from account_health.tables import TABLES, columns
from account_health.workspace import Workspace
from given import AS_OF

ROOT = Path(__file__).parents[1]
SKILL = (ROOT / "SKILL.md").read_text("utf-8")
REFERENCE = (ROOT / "REFERENCE.md").read_text("utf-8")
_, HEAD, BODY = SKILL.split("---\n", 2)
FIELDS = dict(line.split(": ", 1) for line in HEAD.splitlines())
CODE = re.findall(r"`([^`\n]+)`", BODY)


def test_the_frontmatter_is_what_the_format_allows() -> None:
    assert list(FIELDS) == ["name", "description", "license", "compatibility"]
    assert FIELDS["name"] == "account-health"
    assert FIELDS["license"] == "Apache-2.0"
    assert 0 < len(FIELDS["compatibility"]) <= 500


def test_the_description_says_what_and_when_within_its_limit() -> None:
    description = FIELDS["description"]
    assert len(description) <= 1024
    assert "how healthy a customer account is" in description
    assert "Use when" in description


def test_the_body_is_small_enough_to_be_read_whole() -> None:
    assert len(BODY.splitlines()) < 500
    assert len(BODY) / 3 < 5000  # three characters a token is fewer than English has


def test_every_tool_is_named() -> None:
    assert [tool.name for tool in tools("confirm", publishes=True) if f"`{tool.name}" not in BODY] == []


def test_no_name_is_invented() -> None:
    policy = load_policy()
    known = {
        *(tool.name for tool in tools("confirm", publishes=True)),
        *(argument for tool in tools("confirm", publishes=True) for argument in tool.parameters["properties"]),
        *("next_cursor", *TABLES, *(column for table in TABLES for column in columns(table))),
        *(*policy.metrics, *policy.flags),
    }
    named = {word for code in CODE for word in re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", code)}
    assert named - known == set()
    assert named & set(policy.metrics)


def test_every_resource_and_command_it_names_exists() -> None:
    server = create_server(lambda: DEMO, lambda: AS_OF)
    served = {uri for found in anyio.run(server.list_resources) if (uri := str(found.uri)).startswith("health://")}
    assert set(re.findall(r"health://[a-z]+", BODY)) == served
    named = {*re.findall(r"account-health ([a-z]+)", " ".join(CODE)), *re.findall(r"account-health ([a-z]+)\)", HEAD)}
    assert named == {"assess", "report", "serve"}
    assert [verb for verb in named if f"### `account-health {verb}`" not in REFERENCE] == []


def test_skill_and_reference_use_the_same_placeholders() -> None:
    rows = re.findall(r"^\| `(~~.+?~~)`", REFERENCE, re.MULTILINE)
    assert set(re.findall(r"~~.+?~~", BODY)) == set(rows)
    assert len(rows) == 5


def test_every_line_of_the_example_is_one_of_the_real_summary() -> None:
    async def real() -> str:
        workspace = Workspace.open(DEMO, lambda: AS_OF.replace(tzinfo=UTC))
        return render_summary(await workspace.assess("northwind"), workspace.policy)

    shown = re.findall(r"^```markdown\n(.*?)^```", BODY, re.MULTILINE | re.DOTALL)
    lines = "".join(shown).splitlines()
    assert lines
    assert set(lines) - set(anyio.run(real).splitlines()) == set()
