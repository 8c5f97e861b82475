"""Log: what a running server says of itself on stderr: plain lines, few of a kind, none that steers a terminal."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections import Counter

from account_health.markup import visible

_CHARACTERS = 300
_LINES = 80
_SECONDS = 10
_OF_A_KIND = 5
"""So many from one place of the code within that time; who floods a server must not flood its log."""


class _Plain(logging.Formatter):
    """One visible line for each line; what is quoted may be anybody's text."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).splitlines()[:_LINES]
        return "\n".join(line[: len(line) - len(line.lstrip())] + visible(line, _CHARACTERS) for line in lines)


class _Sparing(logging.Filter):
    """Leaves out what was said often a moment ago, and that work was given up because somebody left or it ended."""

    def __init__(self) -> None:
        super().__init__()
        self._since = 0.0
        self._said: Counter[tuple[str, int]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0] and issubclass(record.exc_info[0], CancelledError):
            return False
        if record.created - self._since > _SECONDS:
            self._since = record.created
            self._said.clear()
        place = record.pathname, record.lineno
        self._said[place] += 1
        return self._said[place] <= _OF_A_KIND


def log_plainly() -> None:
    """From now on the log of this process is plain; whoever configured one before keeps it."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Plain("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(_Sparing())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
