"""Tools that write: absent unless they are wanted, one write for each yes of a person, and none for anything else."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.types import ElicitRequestParams, ElicitResult

from account_health.server import create_server
from doors import CANARY, ERAS, clock, said
from moving import rows_in, workspace_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from mcp.client import ClientRequestContext
    from mcp.server import MCPServer
    from mcp.types import CallToolResult

    from account_health.config import Config, Writes
    from account_health.server.desk import Desk

pytestmark = pytest.mark.anyio

WRITING = ("set_health_status", "set_flag_status")
FAIR = {"account": "northwind", "status": "Fair", "description": "Sponsor left", "author": "Mara"}
KNOWN = {"account": "northwind", "flag": "renewal_soon", "phase": "acknowledged", "note": "In hand", "author": "Mara"}
CALLS = [("set_health_status", FAIR), ("set_flag_status", KNOWN)]
WAYS: list[tuple[Writes, Any]] = [("confirm", "auto"), ("confirm", "legacy"), ("allow", "auto"), ("allow", "legacy")]
URL = "http://127.0.0.1:8766/mcp"
FORMS: dict[str, Any] = {"elicitation": {"form": {}}}
NO_FORM = "A person has to confirm this, and this client cannot ask one. Nothing was written."


def server_with(config: Config, writes: Writes) -> MCPServer[Desk]:
    return create_server(lambda: replace(config, writes=writes), clock)


def written(config: Config) -> int:
    """How often something was written down since these accounts were recorded."""
    return rows_in(config, "activity")


@dataclass
class Person:
    """Somebody at the client, who answers every question the same way."""

    action: Literal["accept", "decline", "cancel"] = "accept"
    content: dict[str, Any] | None = field(default_factory=lambda: {"write": True})
    asked: list[str] = field(default_factory=list)
    schemas: list[Any] = field(default_factory=list)

    async def __call__(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - the SDK passes it by this name
        params: ElicitRequestParams,
    ) -> ElicitResult:
        """The answer to a question, which is remembered."""
        self.asked.append(params.message)
        self.schemas.append(getattr(params, "requested_schema", None))
        return ElicitResult(action=self.action, content=self.content if self.action == "accept" else None)


async def call(config: Config, era: Any, person: Person | None, tool: str, **arguments: Any) -> CallToolResult:
    """One call of a tool where a person has to confirm; without a person the client cannot ask one."""
    async with Client(server_with(config, "confirm"), mode=era, elicitation_callback=person) as client:
        return await client.call_tool(tool, arguments)


# --- Off, confirm, allow ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ERAS)
async def test_writing_is_off_unless_it_is_wanted(era: Any, recorded_copy: Config) -> None:
    assert recorded_copy.writes == "off"
    async with Client(create_server(lambda: recorded_copy, clock), mode=era) as client:
        tools = (await client.list_tools()).tools
        assert not {tool.name for tool in tools} & set(WRITING)
        assert [tool.name for tool in tools if not (tool.annotations and tool.annotations.read_only_hint)] == []
        before = written(recorded_copy)
        for tool, arguments in CALLS:
            assert (await client.call_tool(tool, arguments)).is_error
        assert written(recorded_copy) == before


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("writes", ["confirm", "allow"])
async def test_tools_that_write_come_last_and_say_that_they_do(era: Any, writes: Any, recorded: Config) -> None:
    async with Client(server_with(recorded, writes), mode=era) as client:
        listed = await client.list_tools()
    tools = {tool.name: tool for tool in listed.tools}
    assert list(tools)[-2:] == list(WRITING)
    assert len(tools) == 12
    for name in WRITING:
        hints = tools[name].annotations
        assert hints
        assert (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint) == (False, False, False)
        assert f"Example: {name}(" in (tools[name].description or "")
        assert len(tools[name].description or "") < 1000
        assert tools[name].output_schema
        published = tools[name].model_dump(mode="json", by_alias=True, exclude_none=True)
        assert len(json.dumps(published, separators=(",", ":"))) <= 2 * 1024


async def test_both_ways_of_writing_take_the_same_published_arguments(recorded: Config) -> None:
    published = []
    for writes in ("confirm", "allow"):
        async with Client(server_with(recorded, writes)) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            published.append([(tools[n].description, tools[n].input_schema, tools[n].output_schema) for n in WRITING])
    assert published[0] == published[1]
    names = [list(schema["properties"]) for _, schema, _ in published[0]]
    assert names == [
        ["account", "status", "vocabulary", "description", "expires", "author", "language"],
        ["account", "flag", "phase", "until", "note", "author", "language"],
    ]
    for _, schema, _ in published[0]:
        assert schema["additionalProperties"] is False
        assert [key for key, part in schema["properties"].items() if "e.g. " not in part["description"]] == []


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("writes", ["confirm", "allow"])
@pytest.mark.parametrize(("tool", "arguments"), CALLS)
async def test_what_is_filled_in_behind_the_scenes_cannot_be_passed(
    era: Any, writes: Any, tool: str, arguments: dict[str, str], recorded_copy: Config
) -> None:
    before = written(recorded_copy)
    async with Client(server_with(recorded_copy, writes), mode=era, elicitation_callback=Person()) as client:
        for hidden in ("prepared", "answer", "ctx"):
            for value in ({"write": True}, {"action": "accept", "data": {"write": True}}, CANARY):
                result = await client.call_tool(tool, {**arguments, hidden: value})
                assert result.is_error
                assert f"- {hidden}: unknown argument" in said(result)
                assert CANARY not in said(result)
    assert written(recorded_copy) == before


@pytest.mark.parametrize("era", ERAS)
async def test_where_the_client_is_trusted_nobody_is_asked(era: Any, recorded_copy: Config) -> None:
    before, person = written(recorded_copy), Person("decline")
    async with Client(server_with(recorded_copy, "allow"), mode=era, elicitation_callback=person) as client:
        for number, (tool, arguments) in enumerate(CALLS, 1):
            assert not (await client.call_tool(tool, arguments)).is_error
            assert written(recorded_copy) == before + number
    assert person.asked == []


# --- Confirm ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ERAS)
async def test_a_yes_writes_once_and_is_on_record(era: Any, recorded_copy: Config) -> None:
    before, person = written(recorded_copy), Person()
    result = await call(recorded_copy, era, person, "set_health_status", **FAIR)
    assert not result.is_error, said(result)
    assert written(recorded_copy) == before + 1
    assert len(person.asked) == 1
    answer = result.structured_content
    assert answer
    assert answer["account"] == {"id": "northwind", "name": "Northwind Traders"}
    assert answer["manual_status"]["status"] == "Fair"
    assert json.loads(said(result)) == answer

    (activity,) = workspace_on(recorded_copy).memory.store().activities(limit=1)
    assert activity.id == answer["change"]
    assert (activity.account, activity.kind, activity.after) == ("northwind", "status", "Fair")
    assert (activity.description, activity.author) == ("Sponsor left", "Mara")
    assessed = (await workspace_on(recorded_copy).assess("northwind")).manual_status
    assert assessed
    assert (assessed.status, assessed.author) == ("Fair", "Mara")


@pytest.mark.parametrize("era", ERAS)
async def test_a_yes_about_a_flag_writes_once_and_is_on_record(era: Any, recorded_copy: Config) -> None:
    before = written(recorded_copy)
    snoozed = {**KNOWN, "phase": "snoozed", "until": "2026-11-30"}
    for number, (arguments, phase) in enumerate(
        [(KNOWN, "acknowledged"), (snoozed, "snoozed"), ({**KNOWN, "phase": "reset"}, "persisting")], 1
    ):
        result = await call(recorded_copy, era, Person(), "set_flag_status", **arguments)
        assert not result.is_error, said(result)
        assert written(recorded_copy) == before + number
        flags = (await workspace_on(recorded_copy).assess("northwind")).flags
        assert [flag.life and flag.life.phase for flag in flags if flag.flag == "renewal_soon"] == [phase]


@pytest.mark.parametrize("era", ERAS)
async def test_the_question_shows_the_account_both_statuses_the_reason_and_who_says_so(
    era: Any, recorded_copy: Config
) -> None:
    person = Person()
    await call(recorded_copy, era, person, "set_health_status", **FAIR)
    later = {"account": "northwind", "status": "at risk", "vocabulary": "uman", "expires": "2026-12-31"}
    await call(recorded_copy, era, person, "set_health_status", **later, author="Ines")
    first, second = person.asked
    for text in ("Northwind Traders", "Fair (Pipeline CRM", "(before: none)", "Sponsor left", "Said by: Mara"):
        assert text in first
    for text in ("Northwind Traders", "At Risk (uman", "until 2026-12-31", "(before: Fair, set by Mara)", "by: Ines"):
        assert text in second
    assert [schema["properties"]["write"]["type"] for schema in person.schemas] == ["boolean", "boolean"]


@pytest.mark.parametrize("era", ERAS)
async def test_the_question_about_a_flag_shows_what_is_said_of_it(era: Any, recorded_copy: Config) -> None:
    person = Person("decline")
    arguments = {**KNOWN, "phase": "snoozed", "until": "2026-11-30"}
    await call(recorded_copy, era, person, "set_flag_status", **arguments)
    (question,) = person.asked
    for text in ("Northwind Traders", "Renewal soon snoozed until 2026-11-30", "In hand", "Said by: Mara"):
        assert text in question


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("tool", "arguments"), CALLS)
@pytest.mark.parametrize(
    "person", [Person("decline"), Person("cancel"), Person(content={"write": False})], ids=["decline", "cancel", "no"]
)
async def test_anything_but_a_yes_writes_nothing(
    era: Any, tool: str, arguments: dict[str, str], person: Person, recorded_copy: Config
) -> None:
    before = written(recorded_copy)
    result = await call(recorded_copy, era, replace(person, asked=[]), tool, **arguments)
    assert result.is_error
    assert said(result) == "The person did not confirm it. Nothing was written. Ask again only if they want it."
    assert written(recorded_copy) == before


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "content",
    [None, {}, {"write": CANARY}, {"write": "yes"}, {"write": "true"}, {"write": 1}, {"write": 1.0}, {"yes": True}],
)
async def test_a_yes_that_cannot_be_read_writes_nothing(
    era: Any, content: dict[str, Any] | None, recorded_copy: Config
) -> None:
    before = written(recorded_copy)
    result = await call(recorded_copy, era, Person(content=content), "set_health_status", **FAIR)
    assert result.is_error
    assert CANARY not in said(result)
    assert written(recorded_copy) == before


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("tool", "arguments"), CALLS)
async def test_a_client_that_cannot_ask_is_refused_with_what_to_do(
    era: Any, tool: str, arguments: dict[str, str], recorded_copy: Config
) -> None:
    before = written(recorded_copy)
    result = await call(recorded_copy, era, None, tool, **arguments)
    assert result.is_error
    assert said(result) == (
        f"{NO_FORM} "
        "Use the command line (account-health status set, account-health flag), or a client with elicitation."
    )
    assert written(recorded_copy) == before


@pytest.mark.parametrize(
    ("tool", "change", "reason"),
    [
        ("set_health_status", {"account": "moonbeam"}, "Only customers have a health status"),
        ("set_health_status", {"account": CANARY}, "No account has this id, name or domain."),
        ("set_health_status", {"status": CANARY}, "has no such status. Statuses: Good, Fair, Poor"),
        ("set_health_status", {"status": ""}, "- status: String should have at least 1 character"),
        ("set_health_status", {"vocabulary": CANARY}, "Vocabularies: colours, uman, pipeline, intacct."),
        ("set_health_status", {"expires": "2026-11-20"}, "The day lies in the past."),
        ("set_health_status", {"description": f"https://{CANARY}"}, "A description holds no links"),
        ("set_health_status", {"description": CANARY * 50}, "- description: String should have at most 500"),
        ("set_flag_status", {"flag": CANARY}, "There is no such flag. Flags: usage_drop"),
        ("set_flag_status", {"flag": "usage_drop"}, "This flag is not raised. Raised: "),
        ("set_flag_status", {"phase": "snoozed"}, "A flag is snoozed until a day, and only then."),
        ("set_flag_status", {"phase": CANARY}, "'acknowledged', 'snoozed' or 'reset'"),
    ],
)
async def test_what_cannot_be_said_is_refused_before_anybody_is_asked(
    tool: str, change: dict[str, str], reason: str, recorded: Config
) -> None:
    before, arguments = written(recorded), {**dict(CALLS)[tool], **change}
    for writes, era in WAYS:
        person = Person()
        async with Client(server_with(recorded, writes), mode=era, elicitation_callback=person) as client:
            result = await client.call_tool(tool, arguments)
        text = said(result)
        assert result.is_error
        assert reason in text
        assert CANARY not in text
        assert len(text) < 500
        assert person.asked == []
    assert written(recorded) == before


@pytest.mark.parametrize("era", ERAS)
async def test_a_person_is_asked_in_the_language_of_the_call_and_so_is_what_they_tick(
    era: Any, recorded_copy: Config
) -> None:
    forms = []
    for code in ("en", "fr"):
        person = Person()
        tool, arguments = CALLS[0]
        result = await call(recorded_copy, era, person, tool, **arguments, language=code)
        assert not result.is_error, said(result)
        forms.append((person.asked[0].partition(" ")[0], person.schemas[0]["properties"]["write"]))

    assert forms == [
        ("Write", {"type": "boolean", "title": "Write", "description": "Write this down?"}),
        ("Enregistrer", {"type": "boolean", "title": "Enregistrer", "description": "Enregistrer cela\xa0?"}),
    ]


# --- Raw calls of the modern era: what a client sends that does not keep to the rules ---------------------------------


@dataclass
class Wire:
    """Raw requests to a server inside this process, over HTTP without a socket."""

    http: httpx2.AsyncClient

    async def call(
        self, tool: str, arguments: Mapping[str, Any], can: Mapping[str, Any] = FORMS, **extra: Any
    ) -> dict[str, Any]:
        """The result or the error of a tool call."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "forger", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": can,
        }
        params = {"name": tool, "arguments": arguments, "_meta": meta, **extra}
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": tool,
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        body = (await self.http.post(URL, json=message, headers=headers)).json()
        return dict(body.get("result") or body["error"])

    async def asked(self, tool: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
        """The sealed state and the name of the question that a call gets."""
        question = await self.call(tool, arguments)
        assert question["resultType"] == "input_required", question
        (name,) = question["inputRequests"]
        return question["requestState"], name


@asynccontextmanager
async def wire_to(config: Config, writes: Writes = "confirm") -> AsyncIterator[Wire]:
    server = server_with(config, writes)
    app = server.streamable_http_app(json_response=True, stateless_http=True)
    async with server.session_manager.run(), httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as http:
        yield Wire(http)


def yes_to(question: str, **content: object) -> dict[str, Any]:
    return {question: {"action": "accept", "content": content or {"write": True}}}


def text_of(result: Mapping[str, Any]) -> str:
    return str(result["content"][0]["text"] if "content" in result else result.get("message", ""))


@pytest.mark.parametrize(("tool", "arguments"), CALLS)
async def test_a_yes_that_is_sent_twenty_times_writes_once(
    tool: str, arguments: dict[str, str], recorded_copy: Config
) -> None:
    before = written(recorded_copy)
    async with wire_to(recorded_copy) as wire:
        state, question = await wire.asked(tool, arguments)
        assert written(recorded_copy) == before
        results = [
            await wire.call(tool, arguments, requestState=state, inputResponses=yes_to(question)) for _ in range(20)
        ]
    assert written(recorded_copy) == before + 1
    assert not results[0].get("isError")
    assert results[0]["structuredContent"]["change"] > 0
    assert not [result for result in results[1:] if "structuredContent" in result]


async def test_a_yes_that_is_sent_twenty_times_at_once_writes_once(recorded_copy: Config) -> None:
    before = written(recorded_copy)
    results: list[dict[str, Any]] = []
    async with wire_to(recorded_copy) as wire:
        state, question = await wire.asked("set_health_status", FAIR)

        async def repeat() -> None:
            answers = yes_to(question)
            results.append(await wire.call("set_health_status", FAIR, requestState=state, inputResponses=answers))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(repeat)
    assert written(recorded_copy) == before + 1
    assert len(results) == 20
    assert len([result for result in results if "structuredContent" in result and not result.get("isError")]) == 1


async def test_a_yes_to_a_status_that_was_set_and_taken_back_since_writes_nothing(recorded_copy: Config) -> None:
    async with wire_to(recorded_copy) as wire:
        state, question = await wire.asked("set_health_status", FAIR)
        await wire.call("set_health_status", FAIR, requestState=state, inputResponses=yes_to(question))
        back = {"account": "northwind", "status": "none"}
        other, about = await wire.asked("set_health_status", back)
        await wire.call("set_health_status", back, requestState=other, inputResponses=yes_to(about))
        before = written(recorded_copy)
        again = await wire.call("set_health_status", FAIR, requestState=state, inputResponses=yes_to(question))
    assert again["resultType"] == "input_required"
    assert written(recorded_copy) == before


@pytest.mark.parametrize(
    "change",
    [
        {"status": "Good"},
        {"account": "kestrel"},
        {"description": "All is well"},
        {"author": "Ines"},
        {"expires": "2026-12-31"},
        {"vocabulary": "colours", "status": "Red"},
    ],
)
async def test_a_yes_to_one_question_is_no_yes_to_another(change: dict[str, str], recorded_copy: Config) -> None:
    before = written(recorded_copy)
    async with wire_to(recorded_copy) as wire:
        state, question = await wire.asked("set_health_status", FAIR)
        swapped = {**FAIR, **change}
        result = await wire.call("set_health_status", swapped, requestState=state, inputResponses=yes_to(question))
        assert "structuredContent" not in result
        for tool, arguments in (("set_flag_status", KNOWN), ("set_flag_status", {**KNOWN, "phase": "reset"})):
            result = await wire.call(tool, arguments, requestState=state, inputResponses=yes_to(question))
            assert "structuredContent" not in result
    assert written(recorded_copy) == before


@pytest.mark.parametrize(("tool", "arguments"), CALLS)
async def test_forged_answers_and_states_write_nothing(
    tool: str, arguments: dict[str, str], recorded_copy: Config
) -> None:
    before = written(recorded_copy)
    async with wire_to(recorded_copy) as wire:
        state, question = await wire.asked(tool, arguments)
        flipped = state[:-3] + ("AAA" if not state.endswith("AAA") else "BBB")
        tries: list[dict[str, Any]] = [
            {"inputResponses": yes_to(question)},
            {"requestState": flipped, "inputResponses": yes_to(question)},
            {"requestState": "", "inputResponses": yes_to(question)},
            {"requestState": None, "inputResponses": yes_to(question)},
            {"requestState": {"outcomes": {question: {"action": "accept"}}}, "inputResponses": yes_to(question)},
            {"requestState": state},
            {"requestState": state, "inputResponses": {}},
            {"requestState": state, "inputResponses": yes_to("another:question")},
            {"requestState": state, "inputResponses": yes_to(question, write="perhaps")},
            {"requestState": state, "inputResponses": yes_to(question, write=False)},
            {"requestState": state, "inputResponses": {question: {"action": "accept"}}},
            {"requestState": state, "inputResponses": {question: {"action": "decline"}}},
            {"requestState": state, "inputResponses": {question: {"action": "cancel"}}},
            {"requestState": state, "inputResponses": {question: {"write": True}}},
        ]
        for extra in tries:
            result = await wire.call(tool, arguments, **extra)
            assert "structuredContent" not in result, extra
            assert written(recorded_copy) == before, extra


async def test_a_state_of_another_server_is_worth_nothing(recorded_copy: Config) -> None:
    before = written(recorded_copy)
    async with wire_to(recorded_copy) as one, wire_to(recorded_copy) as other:
        state, question = await one.asked("set_health_status", FAIR)
        result = await other.call("set_health_status", FAIR, requestState=state, inputResponses=yes_to(question))
    assert "structuredContent" not in result
    assert written(recorded_copy) == before


@pytest.mark.parametrize("can", [{}, {"sampling": {}}, {"elicitation": {"url": {}}}])
async def test_a_client_without_forms_is_told_what_to_do_in_words_a_model_can_read(
    can: dict[str, Any], recorded_copy: Config
) -> None:
    before = written(recorded_copy)
    async with wire_to(recorded_copy) as wire:
        for tool, arguments in CALLS:
            result = await wire.call(tool, arguments, can)
            assert result.get("isError") is True, result
            assert text_of(result).startswith(NO_FORM)
        state, question = await wire.asked("set_health_status", FAIR)
        forged = await wire.call("set_health_status", FAIR, can, requestState=state, inputResponses=yes_to(question))
        assert text_of(forged).startswith(NO_FORM)
    assert written(recorded_copy) == before


async def test_a_client_that_only_says_that_it_can_ask_is_asked(recorded_copy: Config) -> None:
    async with wire_to(recorded_copy) as wire:
        result = await wire.call("set_health_status", FAIR, {"elicitation": {}})
    assert result["resultType"] == "input_required"


async def test_where_the_client_is_trusted_one_raw_call_is_one_write(recorded_copy: Config) -> None:
    before = written(recorded_copy)
    async with wire_to(recorded_copy, "allow") as wire:
        for tool, arguments in CALLS:
            assert "structuredContent" in await wire.call(tool, arguments, {})
    assert written(recorded_copy) == before + 2
