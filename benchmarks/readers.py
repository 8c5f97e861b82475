"""Readers: `readers.py PORT READERS SECONDS` asks the questions on its input, round about, and prints what came of it.

Each reader has a connection of its own, kept open, and asks the next question as soon as the last one is answered. The
questions are whole HTTP requests, made beforehand, and an answer is only looked through for what it must hold: the load
comes out of one process that takes as little of a shared machine as it can.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

_WELL = b"HTTP/1.1 200 "
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_PART = b"\r\n0\r\n\r\n"
_FAILED = b'"isError":true'


@dataclass(frozen=True)
class Question:
    """A request as it travels, under a name for the figures, and what its answer must hold."""

    name: str
    request: bytes
    holds: bytes

    @classmethod
    def read(cls, facts: dict[str, str]) -> Question:
        """As it was written to the input."""
        return cls(facts["name"], base64.b64decode(facts["request"]), facts["holds"].encode())

    def written(self) -> dict[str, str]:
        """For the input."""
        request = base64.b64encode(self.request).decode()
        return {"name": self.name, "request": request, "holds": self.holds.decode()}


@dataclass
class Tally:
    """What came of all questions; those that are still open at the end do not count."""

    until: float
    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def facts(self, began: float) -> dict[str, Any]:
        """Requests a second, quantiles of all and of each name, and how often this process could have asked."""
        every = [took for times in self.milliseconds.values() for took in times]
        took = time.perf_counter() - began
        return {
            "a second": len(every) / took,
            "a second of its own": len(every) / time.process_time(),
            "answers": len(every),
            "problems": len(self.problems),
            "first problem": self.problems[0] if self.problems else "",
            "of all": _quantiles(every),
            "of each": {name: _quantiles(times) for name, times in self.milliseconds.items()},
        }


def _quantiles(milliseconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(milliseconds, n=100)
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


class _Reader(asyncio.Protocol):
    """One reader: a question, its answer, the next question."""

    def __init__(self, questions: Iterator[Question], tally: Tally) -> None:
        self._questions = questions
        self._tally = tally
        self._received = bytearray()
        self.is_over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._is_whole():
            took = (time.perf_counter() - self._asked_at) * 1000
            if self._is_right():
                self._tally.milliseconds.setdefault(self._question.name, []).append(took)
                self._ask()
            else:
                self._transport.close()
        elif len(self._received) > len(_WELL) and not self._received.startswith(_WELL):
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self._tally.until:
            seen = bytes(self._received[:300]).decode(errors="replace")
            self._tally.problems.append(f"{self._question.name}: {exc or seen or 'hung up'}")
        self.is_over.set_result(None)

    def _is_whole(self) -> bool:
        """Whether the answer has ended: a stream with its last part, any other as long as its head says."""
        if self._received.endswith(_LAST_PART):
            return True
        head = self._received.find(_HEAD_END)
        length = _LENGTH.search(self._received, 0, head) if head > 0 else None
        return length is not None and len(self._received) >= head + len(_HEAD_END) + int(length[1])

    def _is_right(self) -> bool:
        found = self._received
        return found.startswith(_WELL) and self._question.holds in found and _FAILED not in found

    def _ask(self) -> None:
        self._received.clear()
        self._asked_at = time.perf_counter()
        if self._asked_at >= self._tally.until:
            self._transport.close()
            return
        self._question = next(self._questions)
        self._transport.write(self._question.request)


async def _read(port: int, questions: Iterator[Question], tally: Tally) -> None:
    """Reads until it is time to end, over a new connection after each problem."""
    while time.perf_counter() < tally.until:
        try:
            _, reader = await asyncio.get_running_loop().create_connection(
                lambda: _Reader(questions, tally), "127.0.0.1", port
            )
        except OSError as err:
            tally.problems.append(f"connecting: {err}")
            await asyncio.sleep(0.1)
            continue
        await reader.is_over


async def _read_all(port: int, readers: int, seconds: float, questions: Sequence[Question]) -> None:
    """Every reader begins somewhere else, so that they do not all ask the same at once."""
    began = time.perf_counter()
    tally = Tally(began + seconds)
    starts = (islice(cycle(questions), number, None) for number in range(readers))
    await asyncio.gather(*(_read(port, start, tally) for start in starts))
    print(json.dumps(tally.facts(began)))


if __name__ == "__main__":
    asked = [Question.read(facts) for facts in json.load(sys.stdin)]
    asyncio.run(_read_all(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), asked))
