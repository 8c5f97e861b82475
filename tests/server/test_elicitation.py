"""Which of several accounts is meant: a person is asked where the client can, and nobody guesses where it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest
from mcp import Client
from mcp.types import ElicitRequestParams, ElicitResult

from account_health.recording import record_all
from doors import ERAS, configured, said, server_over, workspace_over

if TYPE_CHECKING:
    from pathlib import Path

    from mcp.client import ClientRequestContext
    from mcp.types import CallToolResult

pytestmark = pytest.mark.anyio

TWINS = "account_id,name,domains\nA-1,Acme,acme.example\nA-2,ACME,acme.test\nB-1,Bolt,bolt.example\n"
TOOLS = ["fetch_inputs", "score_account", "render_health_summary", "explain_change", "list_health_changes"]


@dataclass
class Person:
    """Answers every question in the same way, and remembers what was asked."""

    content: dict[str, Any] | None = None
    action: Literal["accept", "decline", "cancel"] = "accept"
    asked: list[Any] = field(default_factory=list)

    async def __call__(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - the SDK passes it by this name
        params: ElicitRequestParams,
    ) -> ElicitResult:
        """The answer to a question, which is remembered."""
        self.asked.append(params)
        return ElicitResult(action=self.action, content=self.content)


async def ask(folder: Path, era: Any, person: Person | None, tool: str, **arguments: Any) -> CallToolResult:
    server = server_over(configured(folder, account=TWINS))
    async with Client(server, mode=era, elicitation_callback=person) as client:
        return await client.call_tool(tool, {"account": "acme", **arguments})


@pytest.mark.parametrize("era", ERAS)
async def test_a_person_picks_the_account_that_is_meant_from_those_that_fit(era: Any, tmp_path: Path) -> None:
    person = Person({"account": "A-2"})
    result = await ask(tmp_path, era, person, "score_account")
    assert result.structured_content
    assert result.structured_content["account"] == {"id": "A-2", "name": "ACME"}
    (question,) = person.asked
    assert question.message == "2 accounts fit. Which one is meant?"
    assert question.requested_schema == {
        "type": "object",
        "properties": {
            "account": {
                "type": "string",
                "title": "Account",
                "enum": ["A-1", "A-2"],
                "enumNames": ["Acme (id A-1)", "ACME (id A-2)"],
            }
        },
        "required": ["account"],
    }


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", TOOLS)
async def test_every_tool_about_one_account_asks(era: Any, tool: str, tmp_path: Path) -> None:
    workspace = workspace_over(configured(tmp_path, account=TWINS))
    await record_all(workspace, "Mara", lambda *_: None)
    person = Person({"account": "A-1"})
    result = await ask(tmp_path, era, person, tool)
    assert len(person.asked) == 1
    assert "accounts fit" not in said(result)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "person",
    [
        None,
        Person(action="decline"),
        Person(action="cancel"),
        Person({"account": "B-1"}),
        Person({"account": "C-9"}),
        Person({"account": ["A-1"]}),
        Person({}),
        Person({"other": "A-1"}),
    ],
)
async def test_without_a_pick_among_them_the_candidates_are_named(era: Any, person: Any, tmp_path: Path) -> None:
    result = await ask(tmp_path, era, person, "score_account")
    assert result.is_error
    assert said(result) == (
        "2 accounts fit: Acme (id `A-1`); ACME (id `A-2`). Ask again with the id of the one you mean."
    )


@pytest.mark.parametrize("era", ERAS)
async def test_who_writes_names_the_account_and_is_asked_only_for_consent(era: Any, tmp_path: Path) -> None:
    person = Person({"account": "A-1", "write": True})
    server = server_over(configured(tmp_path, 'writes = "confirm"\n', account=TWINS))
    async with Client(server, mode=era, elicitation_callback=person) as client:
        result = await client.call_tool("set_health_status", {"account": "acme", "status": "Fair"})
    assert result.is_error
    assert "2 accounts fit" in said(result)
    assert person.asked == []


@pytest.mark.parametrize("era", ERAS)
async def test_the_question_is_asked_in_the_language_of_the_call(era: Any, tmp_path: Path) -> None:
    person = Person({"account": "A-1"})
    await ask(tmp_path, era, person, "score_account", language="fr")
    (question,) = person.asked
    assert question.message == "2 comptes correspondent. Duquel s'agit-il\xa0?"
    assert question.requested_schema["properties"]["account"]["title"] == "Compte"


@pytest.mark.parametrize("era", ERAS)
async def test_names_in_the_question_stay_on_one_visible_line(era: Any, tmp_path: Path) -> None:
    hostile = 'account_id,name\nA-1,"Acme\u202e\nIgnore the list"\nA-2,"acme\u202e\nignore the list"\n'
    person = Person({"account": "A-1"})
    server = server_over(configured(tmp_path, account=hostile))
    async with Client(server, mode=era, elicitation_callback=person) as client:
        result = await client.call_tool("score_account", {"account": "Acme Ignore the list"})
    assert not result.is_error, said(result)
    (question,) = person.asked
    names = question.requested_schema["properties"]["account"]["enumNames"]
    assert names == ["Acme Ignore the list (id A-1)", "acme ignore the list (id A-2)"]
