"""How much an answer says: everything, or the essential and a word on what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from doors import DAY, said

if TYPE_CHECKING:
    from mcp import Client

pytestmark = pytest.mark.anyio

ASKED = [
    ("score_account", {"account": "northwind"}),
    ("fetch_inputs", {"account": "northwind"}),
    ("list_at_risk_accounts", {}),
]


async def asked(client: Client, tool: str, arguments: dict[str, Any], response_format: str) -> dict[str, Any]:
    result = await client.call_tool(tool, {**arguments, "as_of": DAY, "response_format": response_format})
    assert not result.is_error, said(result)
    return dict(result.structured_content or {})


@pytest.mark.parametrize(("tool", "arguments"), ASKED)
async def test_detailed_is_what_an_answer_is_unless_asked_otherwise(
    client: Client, tool: str, arguments: dict[str, Any]
) -> None:
    usual = await client.call_tool(tool, {**arguments, "as_of": DAY})
    assert await asked(client, tool, arguments, "detailed") == usual.structured_content


@pytest.mark.parametrize(("tool", "arguments"), ASKED)
async def test_a_concise_answer_is_smaller_and_says_what_it_does_without(
    client: Client, tool: str, arguments: dict[str, Any]
) -> None:
    detailed = await asked(client, tool, arguments, "detailed")
    concise = await asked(client, tool, arguments, "concise")
    assert len(str(concise)) < 0.8 * len(str(detailed))
    *notices, last = concise["notices"]
    assert notices == detailed["notices"]
    assert last.startswith("Concise: ")


async def test_a_concise_score_keeps_what_speaks_for_and_against_and_every_flag_that_is_not_clear(
    client: Client,
) -> None:
    detailed = await asked(client, "score_account", {"account": "northwind"}, "detailed")
    concise = await asked(client, "score_account", {"account": "northwind"}, "concise")
    for part, kept in (("factors", {"positive", "negative"}), ("flags", {"raised", "unknown"})):
        key = "direction" if part == "factors" else "state"
        wanted = [found for found in detailed[part] if found[key] in kept]
        assert [found.items() <= whole.items() for found, whole in zip(concise[part], wanted, strict=True)]
    same = ("score", "range", "coverage", "band", "tier", "gaps", "policy", "interpretation")
    assert {key: concise[key] for key in same} == {key: detailed[key] for key in same}
    assert "inputs" not in concise


async def test_concise_inputs_count_their_rows(client: Client) -> None:
    concise = await asked(client, "fetch_inputs", {"account": "northwind"}, "concise")
    assert concise["tables"]["ticket"] == {"state": "observed", "total": 14}
    assert concise["inputs"]


async def test_another_word_for_it_is_refused_with_the_two_there_are(client: Client) -> None:
    result = await client.call_tool("score_account", {"account": "northwind", "response_format": "brief"})
    assert result.is_error
    assert "response_format: Input should be 'detailed' or 'concise'" in said(result)


async def test_forms_and_languages_asked_for_in_turns_do_not_get_into_each_others_way(client: Client) -> None:
    async def ask(tool: str, **arguments: str) -> tuple[str, Any]:
        result = await client.call_tool(tool, {"account": "northwind", "as_of": DAY, **arguments})
        return said(result), result.structured_content

    questions: list[tuple[str, dict[str, str]]] = [
        ("score_account", {}),
        ("score_account", {"response_format": "concise"}),
        ("render_health_summary", {}),
        ("score_account", {"language": "fr"}),
        ("render_health_summary", {"language": "fr"}),
        ("score_account", {"vocabulary": "uman"}),
        ("render_health_summary", {"vocabulary": "uman"}),
    ]
    first = [await ask(tool, **arguments) for tool, arguments in questions]
    assert len({text for text, _ in first}) == len(questions)
    for _ in range(3):
        assert [await ask(tool, **arguments) for tool, arguments in questions] == first
