"""Workbench: one computation of a workspace after the other; large ones beside the event loop, so that it stays free.

While a portfolio is laid out and scored, questions whose answers are at hand are answered, and small ones wait for it
but not for those in line behind it. One whose client has gone away is given up at once: if it was still waiting it is
never begun, and what was begun is kept for whoever asks next.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

_MANY = 2_000
"""Work over more rows or accounts than that is large."""
_LOOK_SECONDS = 0.05
"""How often a thread that waits looks whether somebody still wants what it waits for."""

_Made = TypeVar("_Made")


class Workbench:
    """Where what is computed from rows is computed; nothing else may change what was laid out."""

    def __init__(self) -> None:
        self._taken = Lock()
        # Those in line wait on the event loop, so that they take no threads from others.
        self._lines = {is_large: CapacityLimiter(1) for is_large in (False, True)}

    async def make(self, work: Callable[[], _Made], *, size: int) -> _Made:
        """What the work makes of so many rows or accounts, once nobody else is at the bench.

        Small work is done where it is, if the bench is free.
        """
        is_large = size > _MANY
        if not is_large and self._taken.acquire(blocking=False):
            try:
                return work()
            finally:
                self._taken.release()
        is_left = Event()
        try:
            line = self._lines[is_large]
            return await to_thread.run_sync(self._in_turn, work, is_left, abandon_on_cancel=True, limiter=line)
        finally:
            is_left.set()

    def _in_turn(self, work: Callable[[], _Made], is_left: Event) -> _Made:
        while not self._taken.acquire(timeout=_LOOK_SECONDS):
            if is_left.is_set():
                raise TimeoutError
        try:
            return work()
        finally:
            self._taken.release()
