"""Figures: what was measured, beside a peer or floor measured in the same run."""

from __future__ import annotations

import json
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Figure:
    """One measured value; the ratio to its peer travels better from machine to machine than the value itself."""

    name: str
    value: float
    unit: str
    peer: float

    @property
    def ratio(self) -> float:
        """How many peers the value is."""
        return self.value / self.peer

    def line(self) -> str:
        """One JSON object on one line."""
        facts: dict[str, float | str] = {"value": self.value, "unit": self.unit, "peer": self.peer, "ratio": self.ratio}
        return json.dumps({"name": self.name} | {k: _short(v) for k, v in facts.items()})


class NotMeasured(Exception):  # noqa: N818 - it says what it is
    """Why a figure cannot be had here."""


def milliseconds(act: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1000


async def awaited_milliseconds(act: Callable[[], Awaitable[object]]) -> float:
    """The same of one call that is awaited."""
    start = time.perf_counter()
    await act()
    return (time.perf_counter() - start) * 1000


def peak_mb() -> float:
    """The most memory that this process has taken up so far.

    Where /proc does not tell, a process that another one started counts what that one had taken up until then.
    """
    if _STATUS.exists():
        return next(int(line.split()[1]) / 1024 for line in _STATUS.read_text("utf-8").splitlines() if "VmHWM" in line)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_turns(times: int, *acts: Callable[[], float]) -> list[float]:
    """The median of what each act measures; they take turns, so that a busy moment of the machine meets them all."""
    rounds = [[act() for act in acts] for _ in range(times)]
    return [statistics.median(values) for values in zip(*rounds, strict=True)]


def _short(value: float | str) -> float | str:
    return value if isinstance(value, str) else float(f"{value:.4g}")


Measurement = Callable[[], Sequence[Figure]]
