"""Workbench: one computation of a workspace after the other; large ones beside the event loop, so that it stays free.

While a portfolio is laid out and scored, other questions whose answers are at hand are answered, and one whose client
has gone away is given up at once; what was begun for it comes to its end unnoticed, and is kept for whoever asks next.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from anyio import to_thread

_Made = TypeVar("_Made")


class Workbench:
    """Where what is computed from rows is computed; nothing else may change what was laid out."""

    def __init__(self) -> None:
        self._taken = Lock()

    async def make(self, work: Callable[[], _Made], *, is_large: bool) -> _Made:
        """What the work makes, once nobody else is at it; small work is done where it is, if nobody is."""
        if not is_large and self._taken.acquire(blocking=False):
            try:
                return work()
            finally:
                self._taken.release()
        return await to_thread.run_sync(self._in_turn, work, abandon_on_cancel=True)

    def _in_turn(self, work: Callable[[], _Made]) -> _Made:
        with self._taken:
            return work()
