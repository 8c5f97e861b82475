"""The tool that writes health back: absent unless it is configured and allowed, and one write for each yes."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client

from account_health.config import SourceConfig
from account_health.publish import plan as planning
from account_health.server import create_server
from doors import CANARY, ERAS, clock, said
from intacct_company import Company
from moving import workspace_on
from publishing import settings_for
from server.test_writing_tools import Person, wire_to, yes_to

if TYPE_CHECKING:
    from mcp.types import CallToolResult

    from account_health.config import Config, Writes

pytestmark = pytest.mark.anyio

TOOL = "publish_health"
STATUS = "customerAccountHealth.healthStatus"


@pytest.fixture
def company(monkeypatch: pytest.MonkeyPatch) -> Company:
    """A company that has three of the demo's accounts as its customers, and is where everything is written to."""
    company = Company()
    for name in ("northwind", "kestrel", "brightloom"):
        company.add_customer(name)
    monkeypatch.setattr(planning, "target_of", partial(planning.target_of, transport=company))
    return company


@pytest.fixture
def configured(recorded_copy: Config, company: Company) -> Config:
    """The recorded accounts, and where they are written to."""
    return replace(recorded_copy, publish=(SourceConfig("intacct", "intacct", settings_for(company)),))


async def call(config: Config, writes: Writes, era: Any, person: Person | None, **arguments: Any) -> CallToolResult:
    server = create_server(lambda: replace(config, writes=writes), clock)
    async with Client(server, mode=era, elicitation_callback=person) as client:
        return await client.call_tool(TOOL, arguments)


async def names(config: Config, writes: Writes) -> list[str]:
    async with Client(create_server(lambda: replace(config, writes=writes), clock)) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


def published(config: Config) -> list[str]:
    """The accounts that were published, by the record."""
    return sorted(a.account for a in workspace_on(config).memory.store().activities(kind="published"))


# --- Off, confirm, allow ----------------------------------------------------------------------------------------------


async def test_the_tool_is_there_only_where_it_is_configured_and_writing_is_not_off(
    configured: Config, recorded_copy: Config
) -> None:
    assert TOOL not in await names(configured, "off")
    assert TOOL not in await names(recorded_copy, "confirm")
    assert TOOL not in await names(recorded_copy, "allow")
    csv_only = replace(recorded_copy, publish=(SourceConfig("intacct_csv", "intacct_csv", {}),))
    assert TOOL not in await names(csv_only, "allow")
    for writes in ("confirm", "allow"):
        assert (await names(configured, writes))[-1] == TOOL


@pytest.mark.parametrize("writes", ["confirm", "allow"])
async def test_the_tool_says_that_it_overwrites_and_takes_the_same_arguments_both_ways(
    configured: Config, writes: Any
) -> None:
    async with Client(create_server(lambda: replace(configured, writes=writes), clock)) as client:
        listed = (await client.list_tools()).tools
    tool = listed[-1]
    assert tool.annotations
    hints = tool.annotations
    assert (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint) == (False, True, True)
    assert list(tool.input_schema["properties"]) == ["account", "apply", "author", "language"]
    assert tool.input_schema["additionalProperties"] is False
    assert [k for k, part in tool.input_schema["properties"].items() if "e.g. " not in part["description"]] == []
    assert f"Example: {TOOL}(" in (tool.description or "")
    dumped = json.dumps(tool.model_dump(mode="json", by_alias=True, exclude_none=True), separators=(",", ":"))
    assert len(dumped) <= 2 * 1024


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("writes", ["confirm", "allow"])
async def test_a_dry_run_asks_nobody_and_writes_nothing(
    era: Any, writes: Any, configured: Config, company: Company
) -> None:
    for arguments in ({}, {"account": "Northwind Traders"}, {"apply": False}):
        person = Person("decline")
        result = await call(configured, writes, era, person, **arguments)
        assert not result.is_error, said(result)
        assert result.structured_content
        assert result.structured_content["applied"] is False
        assert result.structured_content["counts"]["to_write"] >= 1
        assert json.loads(said(result)) == result.structured_content
        assert person.asked == []
    assert company.patches == []
    assert published(configured) == []


@pytest.mark.parametrize("era", ERAS)
async def test_where_the_client_is_trusted_nobody_is_asked(era: Any, configured: Config, company: Company) -> None:
    person = Person("decline")
    result = await call(configured, "allow", era, person, apply=True, author="Mara")
    assert not result.is_error, said(result)
    assert result.structured_content
    assert result.structured_content["counts"]["written"] == len(company.patches) == 3
    assert company.customer("northwind")[STATUS] == "escalated"
    assert published(configured) == ["brightloom", "kestrel", "northwind"]
    assert person.asked == []


# --- Confirm ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ERAS)
async def test_a_yes_writes_what_the_question_named(era: Any, configured: Config, company: Company) -> None:
    person = Person()
    result = await call(configured, "confirm", era, person, apply=True, author="Mara")
    assert not result.is_error, said(result)
    (question,) = person.asked
    assert question.startswith("Write the health of 3 customers to Sage Intacct?\n- ")
    for text in ("Northwind Traders (`northwind`): - → 63, Healthy → Escalated, no → yes", "Said by: Mara", "no. 0;"):
        assert text in question
    assert len(company.patches) == 3
    (first, *_) = workspace_on(configured).memory.store().activities(kind="published")
    assert first.author == "Mara"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "person", [Person("decline"), Person("cancel"), Person(content={"write": False})], ids=["decline", "cancel", "no"]
)
async def test_anything_but_a_yes_writes_nothing(
    era: Any, person: Person, configured: Config, company: Company
) -> None:
    result = await call(configured, "confirm", era, replace(person, asked=[]), apply=True)
    assert result.is_error
    assert said(result) == "The person did not confirm it. Nothing was written. Ask again only if they want it."
    assert company.patches == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_cannot_ask_is_refused_with_what_to_do(
    era: Any, configured: Config, company: Company
) -> None:
    result = await call(configured, "confirm", era, None, apply=True)
    assert result.is_error
    assert "this client cannot ask one. Nothing was written. Use the command line (account-health publish" in said(
        result
    )
    assert company.patches == []


@pytest.mark.parametrize("era", ERAS)
async def test_where_nothing_differs_nobody_is_asked(era: Any, configured: Config, company: Company) -> None:
    await call(configured, "allow", era, None, apply=True)
    person, before = Person("decline"), len(company.patches)
    result = await call(configured, "confirm", era, person, apply=True)
    assert not result.is_error, said(result)
    assert (person.asked, len(company.patches)) == ([], before)


async def test_the_question_says_what_a_reader_has_to_know_of_the_scores(configured: Config, company: Company) -> None:
    person = Person("decline")
    await call(configured, "confirm", "auto", person, apply=True)
    (question,) = person.asked
    assert "\nAs recorded at 2026-11-2" in question
    assert len(company.patches) == 0


async def test_a_long_list_is_shown_by_its_beginning_and_counted(configured: Config, company: Company) -> None:
    for name in ("copperkettle", "fernhollow", "junipervale", "lanternfish"):
        company.add_customer(name)
    person = Person("decline")
    await call(configured, "confirm", "auto", person, apply=True)
    (question,) = person.asked
    assert question.startswith("Write the health of 7 customers to Sage Intacct?")
    assert question.count("\n- ") == 5
    assert "\nand 2 more\n" in question


async def test_a_yes_that_is_sent_twenty_times_at_once_writes_once(configured: Config, company: Company) -> None:
    arguments = {"account": "northwind", "apply": True}
    async with wire_to(configured) as wire:
        state, question = await wire.asked(TOOL, arguments)
        assert company.patches == []

        async def repeat() -> None:
            await wire.call(TOOL, arguments, requestState=state, inputResponses=yes_to(question))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(repeat)
    assert published(configured) == ["northwind"]
    assert len({asked.idempotency_key for asked in company.requests if asked.method == "PATCH"}) == 1


async def test_a_yes_to_what_was_undone_since_writes_nothing(configured: Config, company: Company) -> None:
    arguments = {"account": "northwind", "apply": True}
    async with wire_to(configured) as wire:
        state, question = await wire.asked(TOOL, arguments)
        await wire.call(TOOL, arguments, requestState=state, inputResponses=yes_to(question))
        was = len(company.patches)
        company.customer("northwind")[STATUS] = "healthy"
        again = await wire.call(TOOL, arguments, requestState=state, inputResponses=yes_to(question))
    assert again["resultType"] == "input_required"
    assert len(company.patches) == was == 1


async def test_a_yes_to_one_account_is_no_yes_to_all(configured: Config, company: Company) -> None:
    async with wire_to(configured) as wire:
        state, question = await wire.asked(TOOL, {"account": "northwind", "apply": True})
        for other in ({"apply": True}, {"account": "kestrel", "apply": True}):
            result = await wire.call(TOOL, other, requestState=state, inputResponses=yes_to(question))
            assert "structuredContent" not in result
    assert company.patches == []


@pytest.mark.parametrize("writes", ["confirm", "allow"])
async def test_what_is_filled_in_behind_the_scenes_cannot_be_passed(
    writes: Any, configured: Config, company: Company
) -> None:
    for hidden in ("prepared", "answer", "ctx"):
        result = await call(configured, writes, "auto", Person(), apply=True, **{hidden: CANARY})
        assert result.is_error
        assert f"- {hidden}: unknown argument" in said(result)
        assert CANARY not in said(result)
    assert company.patches == []


async def test_what_is_wrong_with_the_company_is_said_in_words_of_ours(configured: Config, company: Company) -> None:
    wrong = settings_for(company, health_score_field="nsp::HEALTH")
    broken = replace(configured, publish=(SourceConfig("intacct", "intacct", wrong),))
    result = await call(broken, "allow", "auto", None, apply=True)
    assert result.is_error
    assert "A customer has no field `nsp::HEALTH`; correct `health_score_field`." in said(result)
    company.client_secret = CANARY
    result = await call(configured, "allow", "auto", None)
    assert "does not accept the credentials" in said(result)
    assert CANARY not in said(result)


async def test_a_publication_shows_in_the_recent_updates(configured: Config, company: Company) -> None:
    await call(configured, "allow", "auto", None, account="northwind", apply=True, author="Mara")
    assert len(company.patches) == 1
    async with Client(create_server(lambda: configured, clock)) as client:
        result = await client.call_tool("list_health_changes", {"account": "northwind", "limit": 1})
    (change,) = (result.structured_content or {})["changes"]
    assert (change["kind"], change["subject"], change["author"]) == ("published", "intacct", "Mara")
    assert change["sentence"] == (
        "written to Sage Intacct by Mara: 63 / Escalated / at risk of churn, "
        "before no score / Healthy / not at risk of churn"
    )
