"""Processes of `writer.py`, each with an end: whatever happens, none outlives the test or makes it wait for long."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TESTS = Path(__file__).parents[1]
PATIENCE = 60
"""Seconds after which a process is taken for stuck, and ended."""


@dataclass(frozen=True)
class Writer:
    """A running writer."""

    process: subprocess.Popen[str]

    def hear(self) -> str:
        """The next line it says; empty if it has ended."""
        return _pipe(self.process.stdout).readline().rstrip("\n")

    def tell(self, line: str) -> None:
        """Sends it a line."""
        pipe = _pipe(self.process.stdin)
        pipe.write(line + "\n")
        pipe.flush()

    def rest(self) -> list[str]:
        """Whatever else it says before it ends by itself; it must end well."""
        _pipe(self.process.stdin).close()
        lines = _pipe(self.process.stdout).read().splitlines()
        assert self.process.wait(PATIENCE) == 0, _pipe(self.process.stderr).read()
        return lines

    def kill(self) -> list[str]:
        """Ends it at once, as `kill -9` does; what it had said by then and nobody had heard, whole lines only."""
        self.process.kill()
        self.process.wait(PATIENCE)
        return [line.rstrip("\n") for line in _pipe(self.process.stdout) if line.endswith("\n")]


@contextmanager
def writing(verb: str, *arguments: str, before: Sequence[str] = ()) -> Iterator[Writer]:
    """A writer that is ended with the block; `before` is what starts it, instead of this process."""
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "history.writer", verb, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(TESTS), "PYTHONIOENCODING": "utf-8"},
    )
    stuck = Timer(PATIENCE, process.kill)
    stuck.start()
    try:
        yield Writer(process)
    finally:
        stuck.cancel()
        process.kill()
        process.wait(PATIENCE)
        for pipe in (process.stdin, process.stdout, process.stderr):
            _pipe(pipe).close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
