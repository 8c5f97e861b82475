"""Once: what is made of other objects is made once, as long as those are still the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

_Made = TypeVar("_Made")


class Once(Generic[_Made]):
    """Keeps the newest things made, by the identity of what they were made of."""

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._kept: dict[Hashable, tuple[Sequence[object], _Made]] = {}

    def of(self, made_of: Sequence[object], form: Hashable, make: Callable[[], _Made]) -> _Made:
        """What was made of these very objects in this form before, or else now; the oldest is forgotten."""
        key = (*map(id, made_of), form)
        if key not in self._kept:
            while len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
            # What ids belong to is kept beside them, so that no other object can come to have one of them.
            self._kept[key] = (made_of, make())
        return self._kept[key][1]
