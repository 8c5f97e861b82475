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

from account_health.markup import STEERING, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from account_health.checked import CheckedSources
    from account_health.published import Published

_LINE = 2000


def print_sources(checked: CheckedSources) -> None:
    """One line per table, its problems below, advice on stderr."""
    rows = [
        (
            s.source,
            visible(s.connector, 60),
            t.table,
            t.state.value,
            str(t.rows),
            str(t.rejected),
            t.as_of.strftime("%Y-%m-%d %H:%M") if t.as_of else "",
            s.api_version or "",
            "" if s.clock_skew_seconds is None else f"{s.clock_skew_seconds:+d} s",
        )
        for s in checked.sources
        for t in s.tables
    ]
    print_table(("source", "connector", "table", "state", "rows", "rejected", "as of (UTC)", "API", "clock"), rows)
    for source in checked.sources:
        for problem in (p for t in source.tables for p in t.problems):
            write(f"- {problem}")
    known = "" if checked.accounts is None else f"{checked.accounts} accounts; "
    aside(
        f"{known}not connected: {', '.join(checked.not_connected) or 'none'}",
        f"history: {checked.history}",
        *checked.advice,
        *checked.notices,
    )


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
