"""The terminal: how the command line prints. Data goes to stdout, words about it to stderr."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from account_health.language import count, mark, say
from account_health.markup import STEERING, visible
from account_health.model import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from account_health.checked import CheckedSources
    from account_health.published import Published

_LINE = 2000
_STATES = {
    State.OBSERVED: mark("observed"),
    State.EMPTY: mark("empty"),
    State.PARTIAL: mark("partial"),
    State.STALE: mark("stale"),
    State.NOT_MATCHED: mark("not matched"),
    State.NOT_CONNECTED: mark("not connected"),
    State.NOT_APPLICABLE: mark("not applicable"),
    State.FAILED: mark("failed"),
}


def print_sources(checked: CheckedSources) -> None:
    """One line per table, its problems below, advice on stderr."""
    rows = [
        (
            s.source,
            visible(s.connector, 60),
            t.table,
            state_word(t.state),
            str(t.rows),
            str(t.rejected),
            t.as_of.strftime("%Y-%m-%d %H:%M") if t.as_of else "",
            s.api_version or "",
            "" if s.clock_skew_seconds is None else f"{s.clock_skew_seconds:+d} s",
        )
        for s in checked.sources
        for t in s.tables
    ]
    print_table(
        (
            say("source"),
            say("connector"),
            say("table"),
            say("state"),
            say("rows"),
            say("rejected"),
            say("as of (UTC)"),
            say("API"),
            say("clock"),
        ),
        rows,
    )
    for source in checked.sources:
        for problem in (p for t in source.tables for p in t.problems):
            write(f"- {problem}")
    aside(_connected(checked), say("history: {history}", history=checked.history), *checked.advice, *checked.notices)


def state_word(state: State) -> str:
    """A state of absence as a reader sees it."""
    return say(_STATES[state])


def _connected(checked: CheckedSources) -> str:
    """How many accounts are known, and what is not connected."""
    sources = ", ".join(checked.not_connected)
    missing = say("not connected: {sources}", sources=sources) if sources else say("not connected: none")
    if checked.accounts is None:
        return missing
    accounts = count("{n} accounts", "{n} accounts", checked.accounts)
    return say("{accounts}; {note}", accounts=accounts, note=missing)


def print_table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; tab-separated lines elsewhere, so that other programs can read it."""
    console = Console()
    cleaned = [tuple(visible(cell, 200) for cell in row) for row in rows]
    if not console.is_terminal:
        for row in (names, *cleaned):
            write("\t".join(row))
        return
    table = Table(*names)
    for row in cleaned:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def print_json(answer: Published) -> None:
    """The published JSON of an answer, indented; what could steer a terminal is written as an escape."""
    text = json.dumps(answer.as_json(), ensure_ascii=False, indent=2)
    write(STEERING.sub(lambda found: json.dumps(found[0])[1:-1], text))


def write(text: str) -> None:
    """A line on stdout, UTF-8 whatever the terminal says."""
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()


def write_bytes(content: bytes) -> None:
    """Content as it is on stdout, byte for byte."""
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr that is told how many of how many are done; silent where stderr is no terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console,
        transient=True, disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def aside(*lines: str) -> None:
    """Lines on stderr; nothing for none."""
    for line in "\n".join(lines).split("\n") if lines else ():
        sys.stderr.write(visible(line, _LINE) + "\n")
