"""Tasks: who gets one, how it goes on, what it may ask, how it ends, and that nothing of it is left over."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client import advertise
from mcp.client.extension import ClientExtension, ResultClaim
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import Context  # noqa: TC002 - the SDK reads annotations when it builds a tool
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import (
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    Request,
    Result,
)
from pydantic import ConfigDict, Field

from account_health.config import DEMO, load_config
from account_health.language import say, speaking
from account_health.server import create_server
from account_health.server.running import running_task
from account_health.server.tasks import COMPUTES_ALL, Answers, ById, Tasks
from doors import CANARY, DAY, ERAS, NOW, PATIENCE, clock, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from mcp.client.extension import ClaimContext
    from starlette.applications import Starlette

pytestmark = pytest.mark.anyio

IDENTIFIER = "io.modelcontextprotocol/tasks"
INTERNAL_ERROR = -32603
INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601
MISSING_CAPABILITY = -32021
HEADER_MISMATCH = -32020
LONG = PATIENCE
"""A moment in which every answer is there that is not held up."""


class Created(Result):
    """A task instead of an answer."""

    model_config = ConfigDict(extra="allow")
    result_type: Literal["task"] = "task"
    task_id: str = ""
    status: str = ""


class Told(Result):
    """A task that was asked for."""

    model_config = ConfigDict(extra="allow")
    result_type: str = ""
    task_id: str = ""
    status: str = ""
    status_message: str = ""
    created_at: str = ""
    last_updated_at: str = ""
    ttl_ms: int = 0
    poll_interval_ms: int = 0
    result: dict[str, Any] = Field(default_factory=dict)
    error: dict[str, Any] = Field(default_factory=dict)
    input_requests: dict[str, Any] = Field(default_factory=dict)


class Get(Request[ById, Literal["tasks/get"]]):
    """Asks for a task."""

    method: Literal["tasks/get"] = "tasks/get"
    name_param = "taskId"


class Update(Request[Answers, Literal["tasks/update"]]):
    """Answers what a task asks."""

    method: Literal["tasks/update"] = "tasks/update"
    name_param = "taskId"


class Cancel(Request[ById, Literal["tasks/cancel"]]):
    """Wants a task to end."""

    method: Literal["tasks/cancel"] = "tasks/cancel"
    name_param = "taskId"


class Knowing(ClientExtension):
    """A client that knows tasks, and whose users need not."""

    identifier = IDENTIFIER

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """Says what to do with a task: come back until it has ended."""
        return [ResultClaim(result_type="task", model=Created, resolve=self._comes_back)]

    async def _comes_back(self, created: Created, within: ClaimContext) -> CallToolResult:
        request = Get(params=ById(task_id=created.task_id))
        told = await within.session.send_request(request, Told)
        while told.status == "working":
            told = await within.session.send_request(request, Told)
        return CallToolResult.model_validate(told.result)


@dataclass
class Bench:
    """Tools that wait until they are told, and what became of them."""

    started: anyio.Event = field(default_factory=anyio.Event)
    gate: anyio.Event = field(default_factory=anyio.Event)
    left: anyio.Event = field(default_factory=anyio.Event)
    now: datetime = NOW

    async def wait(self, ctx: Context[Any], ending: str = "done", words: str = "") -> str:
        """Waits at the gate, says how far it is, and ends as it is told."""
        self.started.set()
        try:
            await self.gate.wait()
            await ctx.report_progress(3, 12, words or None)
        finally:
            self.left.set()
        if ending == "tool error":
            raise ToolError("not today")
        if ending == "protocol error":
            raise MCPError(INVALID_PARAMS, "not like this")
        if ending == "crash":
            raise KeyError(CANARY)
        return ending

    async def ask(self, rounds: int = 1) -> str:
        """Asks two things at once, as often as it is told."""
        task = running_task()
        if task is None:
            return "nobody to ask"
        names = []
        for _ in range(rounds):
            answers = await task.ask(name=question("Who?"), again=question("Sure?"))
            names += [answer.content for answer in answers.values() if isinstance(answer, ElicitResult)]
        return json.dumps(names)

    async def ask_first(self, ctx: Context[Any]) -> str | InputRequiredResult:
        """Asks before there is a task, then waits."""
        if not ctx.input_responses:
            return InputRequiredResult(input_requests={"name": question("Who?")}, request_state="1")
        return await self.wait(ctx)

    async def ask_late(self, ctx: Context[Any]) -> InputRequiredResult:
        """Waits, then asks as if the call could still be repeated."""
        await self.wait(ctx)
        return InputRequiredResult(input_requests={"name": question("Who?")}, request_state="1")

    def server(self, moment: float = 0, must: Sequence[str] = (), limit: int = 100) -> MCPServer[Any]:
        """A server with these tools."""
        names = {"wait", "ask", "ask_first", "ask_late"}
        tasks = Tasks(lambda: self.now, names - set(must), must, moment=moment, keeps=60, poll=0.5, limit=limit)

        @asynccontextmanager
        async def lifespan(_: MCPServer[Any]) -> AsyncIterator[None]:
            async with tasks.serving():
                yield

        server: MCPServer[Any] = MCPServer("bench", extensions=[tasks], lifespan=lifespan)
        for tool in (self.wait, self.ask, self.ask_first, self.ask_late):
            server.add_tool(tool)
        return server


def question(message: str) -> ElicitRequest:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def answer(name: str) -> dict[str, Any]:
    return {"action": "accept", "content": {"name": name}}


def knowing(server: MCPServer[Any]) -> Client:
    """A client that knows tasks."""
    return Client(server, extensions=[Knowing()])


async def created(client: Client, tool: str, **arguments: Any) -> Created:
    """The task that a call gets."""
    result = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(result, Created)
    return result


async def get(client: Client, task: Created) -> Told:
    return await client.session.send_request(Get(params=ById(task_id=task.task_id)), Told)


async def cancel(client: Client, task: Created) -> Told:
    return await client.session.send_request(Cancel(params=ById(task_id=task.task_id)), Told)


async def update(client: Client, task: Created, answers: dict[str, Any]) -> Told:
    params = Answers(task_id=task.task_id, input_responses=answers)
    return await client.session.send_request(Update(params=params), Told)


async def until(client: Client, task: Created, *statuses: str) -> Told:
    """The task once it has one of these statuses."""
    with anyio.fail_after(PATIENCE):
        while (told := await get(client, task)).status not in statuses:
            pass
    return told


@pytest.mark.parametrize("tool", sorted(COMPUTES_ALL))
async def test_an_answer_that_comes_as_a_task_is_the_one_that_others_wait_for(tool: str) -> None:
    server = create_server(lambda: DEMO, clock, Tasks(clock, must=[tool], moment=0))
    async with Client(create_server(lambda: DEMO, clock)) as client:
        waited = await client.call_tool(tool, {"as_of": DAY})
    async with knowing(server) as client:
        told = await until(client, await created(client, tool, as_of=DAY), "completed", "failed")
        # A client whose users need not know of tasks has the same in its hands.
        plain = await client.call_tool(tool, {"as_of": DAY})

    assert CallToolResult.model_validate(told.result).content == waited.content == plain.content
    assert told.result["structuredContent"] == waited.structured_content == plain.structured_content


@pytest.mark.parametrize("tool", ["find_accounts", "get_portfolio_health", "list_at_risk_accounts", "score_account"])
async def test_only_questions_about_all_accounts_become_tasks_in_the_product(tool: str) -> None:
    bench, answers = Bench(), []
    server = create_server(lambda: DEMO, clock, Tasks(clock, moment=0))
    server.remove_tool(tool)
    server.add_tool(bench.wait, name=tool)
    async with knowing(server) as client, anyio.create_task_group() as group:

        async def call() -> None:
            answers.append(await client.session.call_tool(tool, {}, allow_claimed=True))

        group.start_soon(call)
        await bench.started.wait()
        await client.list_tools()
        assert [type(answer) for answer in answers] == ([Created] if tool in COMPUTES_ALL else [])
        bench.gate.set()


async def test_the_server_says_that_it_has_tasks() -> None:
    async with Client(create_server(lambda: DEMO, clock)) as client:
        assert (client.server_capabilities.extensions or {})[IDENTIFIER] == {}


async def test_an_answer_that_is_there_within_a_moment_is_given_at_once() -> None:
    bench = Bench()
    bench.gate.set()
    async with knowing(bench.server(moment=LONG)) as client:
        result = await client.session.call_tool("wait", {}, allow_claimed=True)
    assert isinstance(result, CallToolResult)
    assert said(result) == "done"


async def test_an_error_that_is_there_within_a_moment_is_the_one_that_others_get() -> None:
    bench = Bench()
    bench.gate.set()
    async with knowing(bench.server(moment=LONG)) as client:
        with pytest.raises(MCPError, match="not like this") as refusal:
            await client.call_tool("wait", {"ending": "protocol error"})
        assert refusal.value.error.code == INVALID_PARAMS


async def waits(server: MCPServer[Any], bench: Bench, **options: Any) -> None:
    """A client of this kind has no answer before there is one, and then has it."""
    answers: list[str] = []
    async with Client(server, **options) as client, anyio.create_task_group() as group:

        async def call() -> None:
            answers.append(said(await client.call_tool("wait", {})))

        group.start_soon(call)
        await bench.started.wait()
        await client.list_tools()
        assert answers == []
        bench.gate.set()
    assert answers == ["done"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_knows_no_tasks_waits_for_its_answer(era: Any) -> None:
    bench = Bench()
    await waits(bench.server(), bench, mode=era)


async def test_the_older_era_knows_no_tasks_whatever_a_client_declares() -> None:
    bench = Bench()
    declared: dict[str, Any] = {"mode": "legacy", "extensions": [advertise(IDENTIFIER)]}
    await waits(bench.server(), bench, **declared)
    async with Client(bench.server(), **declared) as client:
        with pytest.raises(MCPError) as refusal:
            await get(client, Created(task_id="any"))
    assert refusal.value.error.code == METHOD_NOT_FOUND


async def test_a_task_tells_when_it_began_how_long_it_is_kept_and_when_to_come_back() -> None:
    bench = Bench()
    async with knowing(bench.server()) as client:
        one, other = await created(client, "wait"), await created(client, "wait")
        bench.now += timedelta(seconds=5)
        bench.gate.set()
        told = await until(client, one, "completed")

    assert one.status == "working"
    assert one.task_id != other.task_id
    assert len(one.task_id) >= 32
    assert one.model_extra == {
        "createdAt": "2026-11-21T09:00:00Z",
        "lastUpdatedAt": "2026-11-21T09:00:00Z",
        "ttlMs": 60_000,
        "pollIntervalMs": 500,
    }
    assert (told.created_at, told.last_updated_at) == ("2026-11-21T09:00:00Z", "2026-11-21T09:00:05Z")
    assert (told.ttl_ms, told.poll_interval_ms, told.result_type) == (60_000, 500, "complete")


async def test_a_refusal_of_the_tool_is_a_result_like_any_other() -> None:
    bench = Bench()
    async with knowing(bench.server()) as client:
        task = await created(client, "wait", ending="tool error")
        bench.gate.set()
        told = await until(client, task, "completed", "failed")

    result = CallToolResult.model_validate(told.result)
    assert (told.status, result.is_error) == ("completed", True)
    assert said(result).endswith("not today")


async def test_an_error_of_the_protocol_fails_the_task_with_that_error() -> None:
    bench = Bench()
    async with knowing(bench.server()) as client:
        task = await created(client, "wait", ending="protocol error")
        bench.gate.set()
        told = await until(client, task, "completed", "failed")

    assert (told.status, told.error, told.status_message) == (
        "failed",
        {"code": INVALID_PARAMS, "message": "not like this"},
        "not like this",
    )


async def test_what_an_unexpected_error_says_stays_inside() -> None:
    bench = Bench()
    async with knowing(bench.server()) as client:
        task = await created(client, "wait", ending="crash")
        bench.gate.set()
        told = await until(client, task, "completed", "failed")
    assert CANARY not in told.model_dump_json()
    assert told.result["isError"]


@pytest.mark.parametrize(("words", "message"), [("", "3 of 12"), ("nearly there", "nearly there")])
async def test_progress_is_told_by_the_task_once_there_is_one(words: str, message: str) -> None:
    bench, heard = Bench(), []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with knowing(bench.server()) as client:
        arguments = {"words": words}
        task = await client.session.call_tool("wait", arguments, progress_callback=hear, allow_claimed=True)
        assert isinstance(task, Created)
        assert (await get(client, task)).status_message == ""
        bench.gate.set()
        assert (await until(client, task, "completed")).status_message == message
    assert heard == []


async def test_progress_before_there_is_a_task_reaches_the_client_as_ever() -> None:
    bench, heard = Bench(), []
    bench.gate.set()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with knowing(bench.server(moment=LONG)) as client:
        await client.call_tool("wait", {"words": "nearly there"}, progress_callback=hear)
    assert heard == [(3, 12, "nearly there")]


async def test_a_task_asks_its_client_and_goes_on_with_the_answers() -> None:
    async with knowing(Bench().server()) as client:
        task = await created(client, "ask")
        asked = await until(client, task, "input_required")
        assert [request["params"]["message"] for request in asked.input_requests.values()] == ["Who?", "Sure?"]
        assert {request["method"] for request in asked.input_requests.values()} == {"elicitation/create"}
        one, other = asked.input_requests

        acknowledged = await update(client, task, {one: answer("Mara")})
        assert (acknowledged.result_type, acknowledged.status) == ("complete", "")
        assert list((await get(client, task)).input_requests) == [other]
        await update(client, task, {one: answer("too late"), "unknown": {"ignored": True}, other: answer("Ben")})

        told = await until(client, task, "completed")
    assert said(CallToolResult.model_validate(told.result)) == '[{"name": "Mara"}, {"name": "Ben"}]'


async def test_a_task_that_asks_is_given_out_without_waiting() -> None:
    async with knowing(Bench().server(moment=LONG)) as client:
        task = await created(client, "ask")
    assert task.status == "input_required"


async def test_no_two_questions_of_a_task_have_the_same_key() -> None:
    async with knowing(Bench().server()) as client:
        task, keys = await created(client, "ask", rounds=3), []
        for _ in range(3):
            asked = await until(client, task, "input_required")
            keys += list(asked.input_requests)
            await update(client, task, {key: answer("Mara") for key in asked.input_requests})
        await until(client, task, "completed")
    assert len(set(keys)) == 6


async def test_what_is_no_answer_to_its_question_is_refused_and_the_question_stays() -> None:
    async with knowing(Bench().server()) as client:
        task = await created(client, "ask")
        one, other = (await until(client, task, "input_required")).input_requests
        with pytest.raises(MCPError) as refusal:
            await update(client, task, {one: answer("Mara"), other: {"action": "perhaps"}})
        assert list((await get(client, task)).input_requests) == [one, other]
    assert refusal.value.error.code == INVALID_PARAMS


async def test_a_tool_outside_of_a_task_has_nobody_to_ask() -> None:
    async with Client(Bench().server()) as client:
        assert said(await client.call_tool("ask", {})) == "nobody to ask"


@pytest.mark.parametrize("era", ERAS)
async def test_a_tool_that_must_be_a_task_is_not_run_for_a_client_that_knows_none(era: Any) -> None:
    bench = Bench()
    async with Client(bench.server(must=["wait"]), mode=era) as client:
        with pytest.raises(MCPError) as refusal:
            await client.call_tool("wait", {})
    assert refusal.value.error.code == MISSING_CAPABILITY
    assert refusal.value.error.data == {"requiredCapabilities": {"extensions": {IDENTIFIER: {}}}}
    assert not bench.started.is_set()


@pytest.mark.parametrize("ending", ["done", "protocol error"])
async def test_a_tool_that_must_be_a_task_is_one_however_quick_it_is(ending: str) -> None:
    bench = Bench()
    bench.gate.set()
    async with knowing(bench.server(moment=LONG, must=["wait"])) as client:
        task = await created(client, "wait", ending=ending)
        told = await get(client, task)
    assert task.status == told.status == ("completed" if ending == "done" else "failed")
    assert "result" not in (task.model_extra or {})


async def test_what_a_tool_asks_first_is_asked_before_there_is_a_task() -> None:
    bench = Bench()
    async with knowing(bench.server(moment=LONG, must=["ask_first"])) as client:
        first = await client.session.call_tool("ask_first", {}, allow_claimed=True, allow_input_required=True)
        assert isinstance(first, InputRequiredResult)
        bench.gate.set()
        then = await client.session.call_tool(
            "ask_first",
            {},
            input_responses={"name": ElicitResult.model_validate(answer("Mara"))},
            request_state=first.request_state,
            allow_claimed=True,
        )
        assert isinstance(then, Created)
        assert (await get(client, then)).status == "completed"


async def test_a_question_that_comes_too_late_to_repeat_the_call_fails_the_task() -> None:
    bench = Bench()
    async with knowing(bench.server()) as client:
        task = await created(client, "ask_late")
        bench.gate.set()
        told = await until(client, task, "completed", "failed")
    assert (told.status, told.error["code"]) == ("failed", INTERNAL_ERROR)
    assert "too late" in told.error["message"]


async def test_to_cancel_a_task_of_the_product_hangs_up_on_the_system_it_asks(tmp_path: Path) -> None:
    asked, hung_up = anyio.Event(), anyio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            asked.set()
        hung_up.set()
        writer.close()

    system = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    toml = (
        "[sources.billing]\nconnector = 'stripe'\nlists_accounts = true\napi_key = { env = 'KEY' }\n"
        f"base_url = 'http://127.0.0.1:{system.sockets[0].getsockname()[1]}'\n"
    )
    (tmp_path / "account-health.toml").write_text(toml, "utf-8")
    config = load_config(tmp_path / "account-health.toml", {"KEY": "any"})
    server = create_server(lambda: config, clock, Tasks(clock, moment=0))
    async with system, knowing(server) as client:
        with anyio.fail_after(PATIENCE):
            task = await created(client, "list_at_risk_accounts")
            await asked.wait()
            await cancel(client, task)
            await hung_up.wait()
        assert (await get(client, task)).status == "cancelled"


async def test_to_cancel_a_task_interrupts_its_work() -> None:
    bench = Bench()
    async with knowing(bench.server()) as client:
        task = await created(client, "wait")
        await bench.started.wait()
        acknowledged = await cancel(client, task)
        with anyio.fail_after(PATIENCE):
            await bench.left.wait()
        told = await get(client, task)
    assert (acknowledged.result_type, acknowledged.status) == ("complete", "")
    assert (told.status, told.result) == ("cancelled", {})


async def test_a_task_that_waits_for_an_answer_can_be_cancelled() -> None:
    async with knowing(Bench().server()) as client:
        task = await created(client, "ask")
        asked = await until(client, task, "input_required")
        await cancel(client, task)
        await update(client, task, {key: answer("Mara") for key in asked.input_requests})
        told = await get(client, task)
    assert (told.status, told.input_requests) == ("cancelled", {})


async def test_a_task_that_has_ended_cannot_be_cancelled_any_more() -> None:
    bench = Bench()
    async with knowing(bench.server()) as client:
        task = await created(client, "wait")
        bench.gate.set()
        await until(client, task, "completed")
        await cancel(client, task)
        told = await get(client, task)
    assert told.status == "completed"
    assert said(CallToolResult.model_validate(told.result)) == "done"


async def test_an_unknown_task_is_refused_whatever_is_wanted_of_it() -> None:
    async with knowing(Bench().server()) as client:
        unknown = Created(task_id="nobody's")
        for wanted in (get(client, unknown), cancel(client, unknown), update(client, unknown, {})):
            with pytest.raises(MCPError, match="no such task") as refusal:
                await wanted
            assert refusal.value.error.code == INVALID_PARAMS


async def test_a_client_that_does_not_declare_tasks_may_not_ask_for_one() -> None:
    server = Bench().server()
    async with knowing(server) as client, Client(server) as other:
        task = await created(client, "wait")
        for wanted in (get(other, task), cancel(other, task), update(other, task, {})):
            with pytest.raises(MCPError) as refusal:
                await wanted
            assert refusal.value.error.code == MISSING_CAPABILITY
        assert (await get(client, task)).status == "working"


@asynccontextmanager
async def signed_in(server: MCPServer[Any], subject: str) -> AsyncIterator[Client]:
    """A client that knows tasks, of somebody who has signed in."""
    access = AccessToken.model_validate({"token": "any", "client_id": "any", "scopes": [], "subject": subject})
    token = auth_context_var.set(AuthenticatedUser(access))
    try:
        async with knowing(server) as client:
            yield client
    finally:
        auth_context_var.reset(token)


async def test_a_task_belongs_to_whoever_called_and_others_do_not_learn_of_it() -> None:
    server = Bench().server()
    async with signed_in(server, "mara") as client:
        task = await created(client, "wait")
        async with signed_in(server, "ben") as other:
            for wanted in (get(other, task), cancel(other, task), update(other, task, {})):
                with pytest.raises(MCPError, match="no such task") as refusal:
                    await wanted
                assert refusal.value.error.code == INVALID_PARAMS
        async with signed_in(server, "mara") as again:
            assert (await get(again, task)).status == "working"


async def test_a_task_that_outlives_its_time_is_interrupted_and_forgotten() -> None:
    bench = Bench()
    async with knowing(bench.server()) as client:
        task = await created(client, "wait")
        await bench.started.wait()
        bench.now += timedelta(seconds=59)
        assert (await get(client, task)).status == "working"
        bench.now += timedelta(seconds=1)
        with pytest.raises(MCPError, match="no such task"):
            await get(client, task)
        with anyio.fail_after(PATIENCE):
            await bench.left.wait()


async def test_where_there_are_too_many_tasks_the_oldest_that_has_ended_makes_room() -> None:
    bench = Bench()
    async with knowing(bench.server(limit=3)) as client:
        running = await created(client, "ask")
        one, other = await created(client, "wait"), await created(client, "wait")
        bench.gate.set()
        await until(client, one, "completed")
        await until(client, other, "completed")
        await created(client, "ask")

        assert (await get(client, other)).status == "completed"
        assert (await get(client, running)).status == "input_required"
        with pytest.raises(MCPError, match="no such task"):
            await get(client, one)


async def test_where_all_run_the_next_is_refused_and_its_work_interrupted() -> None:
    bench = Bench()
    async with knowing(bench.server(limit=1)) as client:
        task = await created(client, "ask")
        refused = await client.session.call_tool("wait", {}, allow_claimed=True)
        assert isinstance(refused, CallToolResult)
        assert refused.is_error
        assert said(refused).startswith("As many tasks are running as may run at once.")
        with anyio.fail_after(PATIENCE):
            await bench.left.wait()

        await cancel(client, task)
        assert (await created(client, "wait")).status == "working"


@pytest.mark.parametrize(("asked", "spoken"), [("fr", "fr"), ("", "en"), ("tlh", "en"), ([1], "en")])
async def test_the_refusal_is_in_the_language_of_the_call_if_there_is_such_a_language(asked: Any, spoken: str) -> None:
    with speaking(spoken):
        text = say("As many tasks are running as may run at once. Cancel one, or try again when one has ended.")
    async with knowing(Bench().server(limit=0)) as client:
        assert said(await client.call_tool("wait", {"language": asked})) == text


async def test_when_the_server_stops_no_work_is_left() -> None:
    bench = Bench()
    async with knowing(bench.server()) as client:
        await created(client, "wait")
        await bench.started.wait()
        assert not bench.left.is_set()
    assert bench.left.is_set()


async def test_what_goes_wrong_while_serving_is_raised_as_it_is() -> None:
    with pytest.raises(KeyError, match="itself"):
        async with Tasks(clock).serving():
            raise KeyError("itself")


async def test_a_lifespan_without_tasks_is_told_of_at_the_first_call() -> None:
    tasks = Tasks(clock, {"wait"})
    server: MCPServer[Any] = MCPServer("bench", extensions=[tasks])
    server.add_tool(Bench().wait)
    async with Client(server, extensions=[Knowing()], raise_exceptions=True) as client:
        with pytest.raises(Exception, match="must be within `serving`"):
            await client.call_tool("wait", {})


CALL = {"name": "wait", "arguments": {}}


async def post(
    app: Starlette, method: str, params: dict[str, Any], header: str, left: anyio.Event | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and answer of a request over HTTP that names in its header what it is about.

    Its client goes away when `left` is set.
    """
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {IDENTIFIER: {}}},
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}).encode()
    headers = {
        "host": "127.0.0.1:8000",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
        "mcp-name": header,
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "query_string": b"",
        "headers": [(key.encode(), value.encode()) for key, value in headers.items() if value],
    }
    incoming, sent = [{"type": "http.request", "body": body}], list[Any]()

    async def receive() -> dict[str, Any]:
        if not incoming:
            await (left or anyio.Event()).wait()
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    text = b"".join(message.get("body", b"") for message in sent)
    return (sent[0]["status"], json.loads(text)) if text else (0, {})


async def test_a_client_that_goes_away_before_it_has_a_task_takes_its_question_with_it() -> None:
    bench, left, answers = Bench(), anyio.Event(), []
    server = bench.server(moment=LONG)
    app = server.streamable_http_app()
    async with server.session_manager.run(), anyio.create_task_group() as group:

        async def call() -> None:
            answers.append(await post(app, "tools/call", CALL, "wait", left))

        group.start_soon(call)
        await bench.started.wait()
        left.set()
        with anyio.fail_after(PATIENCE):
            await bench.left.wait()
    assert answers == [(0, {})]


async def test_a_task_goes_on_when_the_client_that_called_is_gone() -> None:
    bench, left = Bench(), anyio.Event()
    server = bench.server()
    app = server.streamable_http_app()
    async with server.session_manager.run():
        _, called = await post(app, "tools/call", CALL, "wait", left)
        left.set()
        task = called["result"]["taskId"]
        bench.gate.set()
        with anyio.fail_after(PATIENCE):
            told: dict[str, Any] = {"status": "working"}
            while told["status"] == "working":
                told = (await post(app, "tasks/get", {"taskId": task}, task))[1]["result"]
    assert (called["result"]["resultType"], told["status"]) == ("task", "completed")
    assert told["result"]["content"] == [{"type": "text", "text": "done"}]


@pytest.mark.parametrize("header", ["", "another"])
async def test_over_http_the_header_names_the_task_or_nothing_is_done(header: str) -> None:
    bench = Bench()
    server = bench.server()
    app = server.streamable_http_app()
    async with server.session_manager.run():
        task = (await post(app, "tools/call", CALL, "wait"))[1]["result"]["taskId"]
        for method in ("tasks/get", "tasks/cancel", "tasks/update"):
            status, refused = await post(app, method, {"taskId": task, "inputResponses": {}}, header)
            assert (status, refused["error"]["code"]) == (400, HEADER_MISMATCH)
        assert (await post(app, "tasks/get", {"taskId": task}, task))[1]["result"]["status"] == "working"
