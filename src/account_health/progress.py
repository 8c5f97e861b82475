"""Progress: how far a question has come, told to whoever asked it and wants to know.

Who listens is a property of the call: an edge (a tool, a command) says so with `heard_by`, and everything below it,
tasks included, counts its steps. Nobody listening costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

Listener = Callable[[float, float | None, str | None], Awaitable[None]]
"""Is told how many steps are done, how many there are (None: nobody knows yet), and what was done."""


@dataclass
class _Course:
    """One call on its way. How many steps there are is known only once they are done: a source may need several."""

    listener: Listener
    done: int = 0


_COURSE: ContextVar[_Course | None] = ContextVar("course", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Within it the listener is told of every step."""
    token = _COURSE.set(_Course(listener))
    try:
        yield
    finally:
        _COURSE.reset(token)


@asynccontextmanager
async def step(note: str) -> AsyncIterator[None]:
    """A step that is done at its end, unless it failed; `note` says what was done."""
    yield
    if course := _COURSE.get():
        course.done += 1
        await course.listener(course.done, None, note)
