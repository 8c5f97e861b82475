"""The Tasks extension (SEP-2663): a client that knows it does not wait for a long answer, but comes back for it.

It is this side that decides: an answer that is there within a moment is given at once, as to any client. Otherwise the
client gets a task, whose work goes on whether or not the client stays connected, until it ends, is cancelled, outlives
its time, or the server stops. Tasks and their results are kept in the memory of this process and nowhere else: another
process does not know them, and a restart forgets them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
from mcp import MCPError
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import authenticated_principal, require_client_extension
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp.types import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    RequestParams,
    TextContent,
)

from account_health.language import ENGLISH, UnknownLanguage, language, say, speaking
from account_health.server.running import Task, TaskSession

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

    from account_health.connectors.base import Clock

COMPUTES_ALL = frozenset({"find_accounts", "get_portfolio_health", "list_at_risk_accounts"})
"""The tools that compute every account, which with live sources takes longer than anybody wants to wait."""

_ERAS = frozenset({"2026-07-28"})


class ById(RequestParams):
    """Which task is meant."""

    task_id: str


class Answers(ById):
    """Which task is meant, and answers to what it asks."""

    input_responses: dict[str, Any]


class Tasks(Extension):
    """Lets tools go on as tasks: those of `may` if they take longer than a moment, those of `must` in any case.

    Times are seconds: a task is kept for `keeps` from its beginning, and clients are asked to come back every `poll`.
    At most `limit` are kept; finished ones make room, the oldest first, and when all are running the next call that
    would need one is refused. `language` is the code of the language in which all that is said.
    """

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(
        self,
        clock: Clock,
        may: Collection[str] = COMPUTES_ALL,
        must: Collection[str] = (),
        *,
        moment: float = 1,
        keeps: float = 3600,
        poll: float = 1,
        limit: int = 100,
        language: Callable[[], str] = lambda: ENGLISH,
    ) -> None:
        self._clock = clock
        self._must = frozenset(must)
        self._may = self._must | frozenset(may)
        self._moment = moment
        self._keeps = timedelta(seconds=keeps)
        self._told = {"ttlMs": round(keeps * 1000), "pollIntervalMs": round(poll * 1000)}
        self._limit = limit
        self._language = language
        self._tasks: dict[str, Task] = {}
        self._groups: list[TaskGroup] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """For as long as the server runs; at its end no work is left."""
        failure = None
        async with anyio.create_task_group() as group:
            self._groups.append(group)
            try:
                yield
            except Exception as err:  # noqa: BLE001 - raised below, outside of the group, which would wrap it
                failure = err
            finally:
                self._groups.remove(group)
                group.cancel_scope.cancel()
        if failure:
            raise failure

    def methods(self) -> Sequence[MethodBinding]:
        """The three methods of the extension, in the era that knows of extensions."""
        return [
            MethodBinding("tasks/get", ById, self._get, _ERAS),
            MethodBinding("tasks/update", Answers, self._update, _ERAS),
            MethodBinding("tasks/cancel", ById, self._cancel, _ERAS),
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """The answer if it is there within a moment, else a task; always the answer for who knows no tasks."""
        if params.name in self._must:
            require_client_extension(ctx, self.identifier)
        if params.name not in self._may or not self._knows_tasks(ctx):
            return await call_next(ctx)
        task = Task(self._clock, authenticated_principal(ctx))
        inside = replace(ctx, session=TaskSession(ctx.session, task))
        self._group().start_soon(task.run, lambda: call_next(inside))
        try:
            with anyio.move_on_after(self._moment):
                await task.has_news.wait()
            if task.is_over and (params.name not in self._must or task.asks_anew):
                return task.outcome()
            return self._handed_out(task) if self._has_room() else self._refused(params)
        finally:
            # Whoever went away before there was a task wants no answer.
            if not task.handed_out:
                task.cancel()

    def _group(self) -> TaskGroup:
        if not self._groups:
            raise RuntimeError("the lifespan of the server must be within `serving`")
        return self._groups[-1]

    def _knows_tasks(self, ctx: ServerRequestContext[Any, Any]) -> bool:
        capabilities = ctx.session.client_capabilities
        declared = (capabilities and capabilities.extensions) or {}
        return ctx.protocol_version in _ERAS and self.identifier in declared

    def _handed_out(self, task: Task) -> dict[str, Any]:
        self._tasks[task.id] = task
        task.handed_out = True
        return {"resultType": "task", **task.brief(), **self._told}

    def _has_room(self) -> bool:
        self._forget_old()
        over = [task for task in self._tasks.values() if task.is_over]
        for task in over[: max(0, len(self._tasks) - self._limit + 1)]:
            del self._tasks[task.id]
        return len(self._tasks) < self._limit

    def _forget_old(self) -> None:
        now = self._clock()
        for task in [task for task in self._tasks.values() if now - task.created >= self._keeps]:
            task.cancel()
            del self._tasks[task.id]

    def _refused(self, params: CallToolRequestParams) -> CallToolResult:
        with speaking(self._asked(params)):
            text = say("As many tasks are running as may run at once. Cancel one, or try again when one has ended.")
        return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)

    def _asked(self, params: CallToolRequestParams) -> str:
        """The language that a call asks for, else that of the configuration."""
        code = str((params.arguments or {}).get("language", ""))
        try:
            return language(code).code if code else self._language()
        except UnknownLanguage:
            return self._language()

    async def _get(self, ctx: ServerRequestContext[Any, Any], params: ById) -> dict[str, Any]:
        return {"resultType": "complete", **self._found(ctx, params).told(), **self._told}

    async def _update(self, ctx: ServerRequestContext[Any, Any], params: Answers) -> dict[str, Any]:
        self._found(ctx, params).answer(params.input_responses)
        return {"resultType": "complete"}

    async def _cancel(self, ctx: ServerRequestContext[Any, Any], params: ById) -> dict[str, Any]:
        self._found(ctx, params).cancel()
        return {"resultType": "complete"}

    def _found(self, ctx: ServerRequestContext[Any, Any], params: ById) -> Task:
        """The task, for who may have it; nobody is told of those of others."""
        require_client_extension(ctx, self.identifier)
        with speaking(self._language()):
            headers = getattr(ctx.request, "headers", None)
            if headers is not None and decode_header_value(headers.get(MCP_NAME_HEADER)) != params.task_id:
                raise MCPError(HEADER_MISMATCH, say("The header Mcp-Name must name the task."))
            self._forget_old()
            task = self._tasks.get(params.task_id)
            if task is None or task.principal != authenticated_principal(ctx):
                message = say("There is no such task, or no longer. Call the tool again.")
                raise MCPError(INVALID_PARAMS, message, {"taskId": params.task_id})
            return task
