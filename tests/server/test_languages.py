"""Tools speak the language they are asked in, else that of the configuration; data stays comparable in all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client

from account_health.config import DEMO
from account_health.language import ENGLISH, languages
from account_health.server import create_server
from doors import CANARY, DAY, ERAS, clock, configured, said, server_over

if TYPE_CHECKING:
    from pathlib import Path

    from mcp.types import CallToolResult

    from account_health.config import Config

pytestmark = pytest.mark.anyio

OTHERS = [code for code in languages() if code != ENGLISH]
CALLS: dict[str, dict[str, Any]] = {
    "find_accounts": {"as_of": DAY},
    "fetch_inputs": {"account": "northwind", "as_of": DAY},
    "score_account": {"account": "northwind", "as_of": DAY},
    "render_health_summary": {"account": "northwind", "as_of": DAY},
    "score_supplied_inputs": {"metrics": {"nps_latest": 3}, "as_of": DAY},
    "check_sources": {"as_of": DAY},
    "list_at_risk_accounts": {"as_of": DAY},
    "get_portfolio_health": {"as_of": DAY},
    "explain_change": {"account": "northwind", "as_of": DAY},
    "list_health_changes": {},
}


async def asked(client: Client, tool: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool(tool, {**CALLS[tool], **arguments})


def keys(what: Any) -> Any:
    """The shape of an answer: its keys, without what they hold."""
    if isinstance(what, dict):
        return {key: keys(value) for key, value in what.items()}
    return [keys(value) for value in what] if isinstance(what, list) else type(what)


async def test_every_tool_can_be_asked_in_a_language(client: Client) -> None:
    listed = {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}

    assert listed.keys() == CALLS.keys()
    assert all("language" in properties for properties in listed.values())


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("tool", CALLS)
async def test_an_answer_in_another_language_has_the_shape_it_has_in_english(
    client: Client, tool: str, code: str
) -> None:
    english, other = await asked(client, tool), await asked(client, tool, language=code)

    assert other.is_error == english.is_error
    assert keys(other.structured_content) == keys(english.structured_content)
    assert said(other) != said(english), "nothing in it was said in the other language"
    assert said(await asked(client, tool)) == said(english), "the language of one call stays with it"


async def everything(client: Client, code: str) -> dict[str, Any]:
    """What every tool answers in a language: its text and its data."""
    answers = {tool: await asked(client, tool, language=code) for tool in CALLS}
    return {tool: (said(answer), answer.structured_content) for tool, answer in answers.items()}


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("first", ["", ENGLISH])
async def test_what_is_kept_between_calls_is_told_in_the_language_of_the_call(first: str, code: str) -> None:
    before, after = (first, code) if first else (code, ENGLISH)
    async with Client(create_server(lambda: DEMO, clock)) as fresh:
        expected = await everything(fresh, after)
        assert "Northwind Traders" in expected["score_account"][0]
    async with Client(create_server(lambda: DEMO, clock)) as kept:
        await everything(kept, before)

        assert await everything(kept, after) == expected


async def test_files_keep_their_name_in_the_language_of_the_call(tmp_path: Path) -> None:
    ticket = "account_id,ticket_id,opened_at\nacme,1,2026-11-01\nacme,2,yesterday"
    configuration = configured(tmp_path, account="account_id,name\nacme,Acme", ticket=ticket)
    named = {"account": "acme", "as_of": DAY}
    async with Client(server_over(configuration)) as client:
        await client.call_tool("fetch_inputs", {**named, "language": "fr"})
        inputs = said(await client.call_tool("fetch_inputs", {**named, "language": "en"}))
        await client.call_tool("check_sources", {"language": "fr"})
        checked = said(await client.call_tool("check_sources", {"language": "en"}))

    assert '"connector":"CSV files"' in inputs
    assert '"matched_by":"account id"' in inputs
    assert "fichiers" not in inputs + checked


async def test_a_summary_in_french_has_its_labels_in_french(client: Client) -> None:
    text = said(await asked(client, "render_health_summary", language="fr"))

    assert text.startswith("## Santé\xa0: Northwind Traders\n\n### Signaux d'alerte\n")
    assert "\n**Score\xa0:** 62 (Jaune) — " in text
    assert "\n### Données utilisées\n" in text


@pytest.mark.parametrize("code", ["klingon", "../fr", 7, ["fr"], {"fr": 1}, None, [], {}, 0, False])
async def test_a_language_there_is_not_is_refused_with_those_there_are(client: Client, code: object) -> None:
    result = await asked(client, "score_account", language=code)
    known = ", ".join(languages())

    assert result.is_error
    assert f"- language: there is no such language; there is {known}\n" in said(result)


async def test_errors_are_told_in_the_asked_language(client: Client) -> None:
    unknown = await asked(client, "score_account", account="nobody at all", language="fr")
    invalid = await asked(client, "score_account", colour="blue", language="fr")

    assert "No account" not in said(unknown)
    assert "Invalid arguments" not in said(invalid)
    assert "colour" in said(invalid)


@pytest.mark.parametrize("era", ERAS)
async def test_the_configuration_says_what_is_spoken_without_an_argument(era: Any, tmp_path: Path) -> None:
    configuration = configured(tmp_path, 'language = "fr"\n', account="account_id,name\nacme,Acme")
    async with Client(server_over(configuration), mode=era) as client:
        french = said(await client.call_tool("render_health_summary", {"account": "acme"}))
        english = said(await client.call_tool("render_health_summary", {"account": "acme", "language": "en"}))
        missing = said(await client.call_tool("render_health_summary", {"account": "nobody"}))
        resource = (await client.read_resource("health://accounts/acme/summary")).contents[0]
        policy = (await client.read_resource("health://policy")).contents[0]

    assert french.startswith("## Santé\xa0: Acme")
    assert english.startswith("## Health: Acme")
    assert "No account" not in missing
    assert getattr(resource, "text", "") == french
    assert "Politique" in getattr(policy, "text", "")


async def test_calls_at_the_same_time_do_not_mix_their_languages(client: Client) -> None:
    titles: dict[str, set[str]] = {"en": set(), "fr": set()}

    async def ask(code: str) -> None:
        for _ in range(5):
            text = said(await asked(client, "render_health_summary", language=code))
            titles[code].add(text.partition("\n")[0])

    async with anyio.create_task_group() as group:
        for code in titles:
            group.start_soon(ask, code)

    assert titles == {"en": {"## Health: Northwind Traders"}, "fr": {"## Santé\xa0: Northwind Traders"}}


async def test_a_configuration_that_fails_in_an_unforeseen_way_shows_nothing_of_it() -> None:
    def broken() -> Config:
        raise RuntimeError(CANARY)

    async with Client(create_server(broken, clock)) as client:
        result = await asked(client, "score_account")

    assert result.is_error
    assert CANARY not in said(result)
