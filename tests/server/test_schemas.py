"""What the server publishes about its tools: a contract, so every change of it shows in a snapshot."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types
from mcp import Client
from syrupy.extensions.json import JSONSnapshotExtension

from doors import ERAS, demo_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syrupy.assertion import SnapshotAssertion

TOOLS = [
    "find_accounts",
    "fetch_inputs",
    "score_account",
    "render_health_summary",
    "score_supplied_inputs",
    "check_sources",
    "list_at_risk_accounts",
    "get_portfolio_health",
    "explain_change",
    "list_health_changes",
]
MARKDOWN_ONLY = {"render_health_summary"}


@cache
def listed(era: Literal["auto", "legacy"] = "auto") -> dict[str, Any]:
    """The answer to tools/list, as it travels."""

    async def ask() -> dict[str, Any]:
        async with Client(demo_server(), mode=era) as client:
            answer = await client.list_tools()
        return answer.model_dump(mode="json", by_alias=True, exclude_none=True)

    return anyio.run(ask)


def tool(name: str) -> dict[str, Any]:
    return next(dict(found) for found in listed()["tools"] if found["name"] == name)


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema; names of properties are no schemas."""
    if isinstance(schema, list):
        for item in schema:
            yield from nodes(item)
    elif isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            yield from nodes(list(value.values()) if key in {"properties", "$defs"} else value)


@pytest.mark.parametrize("era", ERAS)
def test_tools_are_listed_by_their_names_in_a_fixed_order(era: Literal["auto", "legacy"]) -> None:
    assert [found["name"] for found in listed(era)["tools"]] == TOOLS


def test_both_eras_publish_the_same_tools() -> None:
    assert listed("auto")["tools"] == listed("legacy")["tools"]


def test_the_list_of_tools_stays_within_24_kilobytes() -> None:
    assert len(json.dumps(listed(), ensure_ascii=False, separators=(",", ":")).encode()) <= 24 * 1024


@pytest.mark.parametrize("name", TOOLS)
def test_a_schema_changes_only_on_purpose(name: str, snapshot: SnapshotAssertion) -> None:
    assert tool(name) == snapshot(extension_class=JSONSnapshotExtension)


@pytest.mark.parametrize("name", TOOLS)
def test_all_four_hints_are_explicit_and_none_promises_to_write(name: str) -> None:
    assert tool(name)["annotations"] == {
        "readOnlyHint": True,
        "destructiveHint": False,
        "idempotentHint": True,
        "openWorldHint": name != "score_supplied_inputs",
    }


@pytest.mark.parametrize("name", TOOLS)
def test_a_description_is_short_tidy_and_shows_a_call(name: str) -> None:
    description = tool(name)["description"]
    assert len(description) <= 1000
    assert f"Example: {name}(" in description
    assert [line for line in description.splitlines() if line != line.strip()] == []
    assert tool(name)["title"]


@pytest.mark.parametrize("name", TOOLS)
def test_every_argument_is_described_with_an_example(name: str) -> None:
    properties = tool(name)["inputSchema"]["properties"]
    assert [key for key, schema in properties.items() if "e.g. " not in schema.get("description", "")] == []


@pytest.mark.parametrize("name", TOOLS)
def test_no_argument_beyond_the_published_ones_is_admitted(name: str) -> None:
    assert tool(name)["inputSchema"]["additionalProperties"] is False


def test_every_tool_but_the_markdown_one_publishes_the_shape_of_its_answer() -> None:
    assert {name for name in TOOLS if "outputSchema" not in tool(name)} == MARKDOWN_ONLY


def test_only_the_assessment_is_described_down_to_its_last_field() -> None:
    described = {name: tool(name).get("outputSchema", {}) for name in TOOLS}
    assert {name for name, schema in described.items() if "$defs" in schema} == {"score_account"}
    assert [name for name, schema in described.items() if "$ref" in json.dumps(schema) and "$defs" not in schema] == []


@pytest.mark.parametrize("name", TOOLS)
def test_schemas_are_valid_and_hold_neither_null_nor_generated_titles(name: str) -> None:
    for kind in {"inputSchema", "outputSchema"} & set(tool(name)):
        schema = tool(name)[kind]
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert [node for node in nodes(schema) if node.get("type") == "null" or "title" in node] == []
        assert {node["$ref"] for node in nodes(schema) if "$ref" in node} == {
            f"#/$defs/{key}" for key in schema.get("$defs", {})
        }
