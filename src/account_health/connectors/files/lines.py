"""Lines: cuts a text file into sound records, and says of every other line what is wrong with it.

DuckDB's reader is fast but forgiving: after a quote that is never closed it loses rows without a word. So each line is
judged here, and DuckDB reads only records that are known to be whole.
"""

from __future__ import annotations

import csv
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from account_health.errors import SourceError
from account_health.language import count, figure, mark, say

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 100_000
"""Characters of a record: below the csv module's own limit for a cell, and beyond any honest row."""
DELIMITERS = ",;\t|"
LISTED = 1_000
"""Bad lines or rows that are kept one by one; beyond that they are only counted."""


@dataclass(frozen=True)
class BadLine:
    """A line that starts no sound record."""

    number: int
    problem: str


@dataclass
class BadLines:
    """The lines that were left out of a copy: the first of them, and how many in all."""

    first: list[BadLine] = field(default_factory=list)
    total: int = 0

    def add(self, number: int, problem: str) -> None:
        """Counts one more."""
        self.total += 1
        if len(self.first) < LISTED:
            self.first.append(BadLine(number, problem))


@dataclass(frozen=True)
class Header:
    """The names in the first line, and what separates them."""

    names: tuple[str, ...]
    delimiter: str


_LINE_END = "\r\n"


_QUOTES = mark("has quotes that do not pair up")
_ENCODING = mark("is not UTF-8; save the file as CSV UTF-8")
_LENGTH = mark("is longer than {most} characters")
_HEADERS = {
    _QUOTES: mark("{file} has a first line that has quotes that do not pair up; it must name the columns."),
    _ENCODING: mark("{file} has a first line that is not UTF-8; save the file as CSV UTF-8; it must name the columns."),
    _LENGTH: mark("{file} has a first line that is longer than {most} characters; it must name the columns."),
}
"""What is wrong with a line, and the same of a file's first one."""


class _MalformedError(Exception):
    """Why a line starts no sound record."""

    def __init__(self, flaw: str, cells: int = 0, expected: int | None = None) -> None:
        super().__init__(flaw)
        self.flaw = flaw
        self._cells = cells
        self._expected = expected

    @property
    def problem(self) -> str:
        """The same to a reader."""
        if not self._cells:
            return _said(self.flaw)
        return count(
            "has {n} columns; expected {expected}",
            "has {n} columns; expected {expected}",
            self._cells,
            expected=self._expected,
        )


class _Lines:
    """Numbered lines that can be put back, so that one unclosed quote does not cost the lines after it."""

    def __init__(self, file: TextIO) -> None:
        self._numbered = enumerate(file, 1)
        self._waiting: deque[tuple[int, str]] = deque()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> tuple[int, str]:
        return self._waiting.popleft() if self._waiting else next(self._numbered)

    def put_back(self, lines: list[tuple[int, str]]) -> None:
        self._waiting.extendleft(reversed(lines))


def copy_csv(source: TextIO, target: TextIO, name: str) -> tuple[Header, BadLines]:
    """Copies every sound record behind its row number, without the header; raises SourceError without a header."""
    lines, bad = _Lines(source), BadLines()
    header = _header(lines, name)
    target.writelines(_records(lines, header, bad))
    return header, bad


def copy_lines(source: TextIO, target: TextIO) -> BadLines:
    """Copies every line that is not blank, as one quoted CSV cell behind its line number."""
    bad = BadLines()
    target.writelines(_quoted_lines(source, bad))
    return bad


def _header(lines: _Lines, name: str) -> Header:
    line = next((text for _, text in lines if text.strip()), "")
    if not line:
        raise SourceError(say("{file} is empty; its first line must name the columns.", file=name))
    delimiter = max(DELIMITERS, key=lambda d: len(next(csv.reader([line], delimiter=d))))
    try:
        cells = _cells_of(lines, line, delimiter)
    except _MalformedError as err:
        raise SourceError(say(_HEADERS[err.flaw], file=name, most=figure(LONGEST))) from err
    names = tuple(cell.strip() or f"column {position}" for position, cell in enumerate(cells, 1))
    return Header(names, delimiter)


def _records(lines: _Lines, header: Header, bad: BadLines) -> Iterator[str]:
    delimiter, separators, blank = header.delimiter, len(header.names) - 1, header.delimiter + " \t\r\n"
    row = 0
    for number, line in lines:
        if not line.strip(blank):
            continue
        row += 1
        if '"' not in line and line.count(delimiter) == separators and len(line) <= LONGEST and line.isascii():
            yield f"{row}{delimiter}{line.rstrip(_LINE_END)}\n"
            continue
        try:
            cells = _cells_of(lines, line, delimiter, separators + 1)
        except _MalformedError as err:
            bad.add(number, err.problem)
        else:
            yield delimiter.join((str(row), *map(_quoted, cells))) + "\n"


def _cells_of(lines: _Lines, first: str, delimiter: str, width: int | None = None) -> list[str]:
    """The cells of the record that starts with `first`; takes the lines its quotes span, or none if it is malformed."""
    taken: list[tuple[int, str]] = []

    def record() -> Iterator[str]:
        length = len(first)
        yield first
        for numbered in lines:
            taken.append(numbered)
            length += len(numbered[1])
            if length > LONGEST:
                return
            yield numbered[1]

    cells: list[str] = []
    flaw = _flaw(first)
    if not flaw:
        try:
            cells = next(csv.reader(record(), delimiter=delimiter, strict=True))
        except csv.Error:
            flaw = _QUOTES
        else:
            flaw = next(filter(None, (_flaw(line) for _, line in taken)), "")
    if flaw or width not in (None, len(cells)):
        lines.put_back(taken)
        raise _MalformedError(flaw, 0 if flaw else len(cells), width)
    return cells


def _quoted_lines(source: TextIO, bad: BadLines) -> Iterator[str]:
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        if flaw := _flaw(line):
            bad.add(number, _said(flaw))
        else:
            yield f"{number},{_quoted(line.strip())}\n"


def _flaw(line: str) -> str:
    if len(line) > LONGEST:
        return _LENGTH
    try:
        line.encode()
    except UnicodeEncodeError:
        return _ENCODING
    return ""


def _said(flaw: str) -> str:
    return say(flaw, most=figure(LONGEST))


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'
