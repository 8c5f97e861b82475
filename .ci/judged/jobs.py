"""Fixtures of the Tasks extension: work that takes a while, that fails, and that asks a person on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from mcp import MCPError
from mcp.server.mcpserver import Context  # noqa: TC002 - the SDK reads annotations when it builds a tool
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import INTERNAL_ERROR, ElicitResult, InputRequiredResult

from account_health.server.desk import Desk  # noqa: TC001 - the SDK reads annotations when it builds a tool
from account_health.server.running import running_task
from account_health.server.tasks import COMPUTES_ALL, Tasks
from judged.rounds import NAME, filled, form

if TYPE_CHECKING:
    from mcp.server import MCPServer
    from mcp.types import ElicitRequest

    from account_health.connectors.base import Clock

A_MOMENT = 0.02
"""How long an answer may take that is given at once; less than any job here takes."""
A_WHILE = 0.5


async def greet(name: str) -> str:
    """Answers at once."""
    return f"Hello, {name}!"


async def slow_compute(seconds: float = 1) -> str:
    """Answers after so many seconds."""
    await anyio.sleep(seconds)
    return f"computed for {seconds} s"


async def failing_job() -> str:
    """Fails after a while."""
    await anyio.sleep(A_WHILE)
    raise ToolError("The job failed")


async def protocol_error_job() -> str:
    """Ends in an error of the protocol."""
    await anyio.sleep(A_WHILE)
    raise MCPError(code=INTERNAL_ERROR, message="The job broke")


async def confirm_delete(filename: str = "nothing") -> str:
    """Asks for a confirmation while it is a task."""
    (answer,) = await _answers(confirm=form(f"Delete {filename}?", confirm={"type": "boolean"}))
    return f"deleted {filename}: {answer}"


async def multi_input() -> str:
    """Asks two things at once while it is a task."""
    age = form("How old are you?", age={"type": "integer"})
    return f"got {await _answers(name=form('What is your name?', **NAME), age=age)}"


async def test_tool_with_task(ctx: Context[Desk]) -> str | InputRequiredResult:
    """Asks first, and becomes a task once it is answered."""
    if answer := filled(ctx, "user_name"):
        await anyio.sleep(A_WHILE)
        return f"Hello, {answer.get('name')}!"
    return InputRequiredResult(input_requests={"user_name": form("What is your name?", **NAME)}, request_state="asked")


async def _answers(**questions: ElicitRequest) -> list[Any]:
    task = running_task()
    if task is None:
        raise ToolError("This job asks on the way, which only a task can")
    answers = await task.ask(**questions)
    return [answer.content for answer in answers.values() if isinstance(answer, ElicitResult)]


MAY_BE_TASKS = (slow_compute, protocol_error_job, confirm_delete, multi_input)
MUST_BE_TASKS = (failing_job, test_tool_with_task)


def tasks(clock: Clock) -> Tasks:
    """The product's extension, which knows of the jobs of this module besides its own."""
    may = COMPUTES_ALL | {tool.__name__ for tool in MAY_BE_TASKS}
    return Tasks(clock, may, {tool.__name__ for tool in MUST_BE_TASKS}, moment=A_MOMENT)


def add_jobs(server: MCPServer[Desk]) -> None:
    """Adds the tools of this module."""
    for tool in (greet, *MAY_BE_TASKS, *MUST_BE_TASKS):
        server.add_tool(tool)
