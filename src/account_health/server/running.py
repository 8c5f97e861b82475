"""Calls that may go on after they were answered: what one is doing, what it asks, and how it ended.

A tool reaches the task it runs as with `running_task()`, and may ask the client through it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
from mcp import MCPError
from mcp.server.session import ServerSession
from mcp.types import (
    INTERNAL_ERROR,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    InputResponse,
    ListRootsResult,
)
from pydantic import BaseModel, TypeAdapter

from account_health.language import figure, say

if TYPE_CHECKING:
    from mcp.server.context import HandlerResult

    from account_health.connectors.base import Clock

_ID_BYTES = 24
_ANSWERS: dict[str, Any] = {
    "elicitation/create": ElicitResult,
    "roots/list": ListRootsResult,
    "sampling/createMessage": CreateMessageResult | CreateMessageResultWithTools,
}
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Question:
    request: InputRequest
    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: InputResponse | None = None


class Task:
    """A call under way; `principal` is whose it is, None where clients are not told apart.

    It is `handed_out` once the client has its id instead of an answer: from then on only `cancel` ends it early.
    """

    def __init__(self, clock: Clock, principal: str | None) -> None:
        self.id = secrets.token_urlsafe(_ID_BYTES)
        self.principal = principal
        self.created = clock()
        self.handed_out = False
        self.has_news = anyio.Event()
        self._clock = clock
        self._updated = self.created
        self._message = ""
        self._questions: dict[str, _Question] = {}
        self._scope = anyio.CancelScope()
        self._ending = ""
        self._result: HandlerResult = None
        self._failure: MCPError | None = None

    @property
    def status(self) -> str:
        """One of the five that the extension knows."""
        return self._ending or ("input_required" if self._open() else "working")

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return bool(self._ending)

    async def run(self, work: Callable[[], Awaitable[HandlerResult]]) -> None:
        """Does the work to its end; the end is kept and never raised."""
        _RUNNING.set(self)
        try:
            with self._scope:
                self._result = await work()
                if self.handed_out and self.asks_anew:
                    # The call that could be repeated with the answers has been answered with the task.
                    self._fail(_internal(say("The tool asked something when it was too late to ask.")))
                self._end("completed")
        except MCPError as err:
            self._fail(err)
        except Exception:  # noqa: BLE001 - whatever it is, the client learns that it happened and the log learns what
            _log.exception("A task failed unexpectedly")
            self._fail(_internal(say("Something went wrong on this side; the log says what.")))
        finally:
            self._end("cancelled")

    @property
    def asks_anew(self) -> bool:
        """Whether the work returned a question, after whose answer the call is to be made once more."""
        return isinstance(self._result, InputRequiredResult)

    def outcome(self) -> HandlerResult:
        """What the work returned; raises MCPError if it failed or was interrupted."""
        if self._failure:
            raise self._failure
        if self._ending == "cancelled":
            raise _internal(say("The server is stopping."))
        return self._result

    async def ask(self, **requests: InputRequest) -> dict[str, InputResponse]:
        """Asks the client, which is told of the task if it was not yet, and waits until every answer is there."""
        asked = {name: _Question(request) for name, request in requests.items()}
        # Never the same key twice in a task: a late answer must not pass for one to a later question.
        self._questions |= {f"{name}-{len(self._questions)}": question for name, question in asked.items()}
        self._touch()
        self.has_news.set()
        for question in asked.values():
            await question.answered.wait()
        return {name: question.answer for name, question in asked.items() if question.answer is not None}

    def answer(self, answers: Mapping[str, Any]) -> None:
        """Takes answers to open questions; any other is ignored, as the extension wants it.

        Raises ValidationError, and takes none, if one is no answer to its question.
        """
        asked = {key: question for key, question in self._open().items() if key in answers}
        read = {key: _reader(question.request.method).validate_python(answers[key]) for key, question in asked.items()}
        for key, question in asked.items():
            question.answer = read[key]
            question.answered.set()
            self._touch()

    def progressed(self, progress: float, total: float | None, message: str | None) -> None:
        """Notes how far the tool says it is."""
        counted = (
            say("{done} of {total}", done=figure(progress, 2, trim=True), total=figure(total, 2, trim=True))
            if total
            else ""
        )
        self._message = message or counted or self._message
        self._touch()

    def cancel(self) -> None:
        """Ends it now, if it has not ended yet; the work is interrupted at the next point at which it can be."""
        self._end("cancelled")
        self._scope.cancel()

    def brief(self) -> dict[str, Any]:
        """The task as the client that gets it is told of it."""
        told: dict[str, Any] = {
            "taskId": self.id,
            "status": self.status,
            "createdAt": _written(self.created),
            "lastUpdatedAt": _written(self._updated),
        }
        if self._message:
            told["statusMessage"] = self._message
        return told

    def told(self) -> dict[str, Any]:
        """The task as a client that comes back is told of it: with what it asks, its result or its error."""
        told = self.brief()
        if self.status == "input_required":
            told["inputRequests"] = {key: _wire(question.request) for key, question in self._open().items()}
        if self.status == "completed":
            told["result"] = {"resultType": "complete", **_wire(self._result)}
        if self._failure:
            told["error"] = _wire(self._failure.error)
        return told

    def _open(self) -> dict[str, _Question]:
        return {key: question for key, question in self._questions.items() if not question.answered.is_set()}

    def _fail(self, error: MCPError) -> None:
        if not self._ending:
            self._failure = error
            self._message = error.error.message
        self._end("failed")

    def _end(self, ending: str) -> None:
        if not self._ending:
            self._ending = ending
            self._touch()
            self.has_news.set()

    def _touch(self) -> None:
        self._updated = self._clock()


class TaskSession(ServerSession):
    """The session of a call that may become a task: then progress is part of the task, and no longer a message."""

    def __init__(self, session: ServerSession, task: Task) -> None:
        # The SDK makes sessions itself and has no way to wrap one, so this is the same one with another method.
        self.__dict__.update(vars(session))
        self._task = task

    async def report_progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Notes the progress, and sends it as long as the call has no answer."""
        self._task.progressed(progress, total, message)
        if not self._task.handed_out:
            await super().report_progress(progress, total, message)


def running_task() -> Task | None:
    """The task that the tool which asks is running as; None in a call that cannot become one."""
    return _RUNNING.get()


_RUNNING: ContextVar[Task | None] = ContextVar("task", default=None)


@cache
def _reader(method: str) -> TypeAdapter[InputResponse]:
    return TypeAdapter(_ANSWERS[method])


def _internal(message: str) -> MCPError:
    return MCPError(INTERNAL_ERROR, message)


def _wire(part: BaseModel | dict[str, Any] | None) -> dict[str, Any]:
    if isinstance(part, BaseModel):
        return part.model_dump(mode="json", by_alias=True, exclude_none=True)
    return part or {}


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
