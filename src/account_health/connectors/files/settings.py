"""What an operator writes about a folder of files; every fault is found here, before any file is opened."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from account_health.connectors.base import Settings, TimeZone
from account_health.language import clauses, mark, say
from account_health.model import Source
from account_health.tables import TABLES, allowed_words, columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FORMATS = {".csv": "CSV", ".jsonl": "JSON", ".ndjson": "JSON", ".parquet": "Parquet"}
"""File name endings that can be read, and the formats they stand for."""
_LABELS = {"CSV": mark("CSV files"), "JSON": mark("JSON files"), "Parquet": mark("Parquet files"), "": mark("files")}
"""How files of a format are named, and those of several or none."""

Constant = str | bool | int | float | date | datetime

_DATE_FORMAT = re.compile(r"(?=.*%)(?:[^%]|%-?[aAbBcdfgGHIjmMnpSuUVwWxXyYzZ%])+")
_NAME = re.compile(r"[A-Za-z_]\w*")


class TableSettings(Settings):
    """How one table is made: from one file (or a glob of files), or by one SELECT over several."""

    file: str | None = Field(default=None, description="File or glob in the folder; its ending says the format")
    files: dict[str, str] = Field(default={}, description="Names that the SELECT may use, each with its file or glob")
    sql: str | None = Field(
        default=None, description="One SELECT over `files` (all columns of CSV are text) that yields our columns"
    )
    category: Source | None = Field(default=None, description="Category it counts for; default: the table's own")
    columns: dict[str, str] = Field(
        default={}, description="Our column = the file's column; columns that carry our names need no entry"
    )
    date_format: str | None = Field(
        default=None, description="strptime format of every date and time; default: ISO 8601"
    )
    date_formats: dict[str, str] = Field(default={}, description="Our column = its own date format")
    values: dict[str, dict[str, str]] = Field(
        default={}, description="Our column = {their word = our word}; an empty word of ours means: not known"
    )
    constants: dict[str, Constant] = Field(default={}, description="Our column = one value for every row")
    match: Literal["account_id", "external_id", "domain"] = Field(
        default="account_id", description="What the column account_id holds: the CRM's id, its external id, or a domain"
    )
    history_from: date | None = Field(
        default=None, description="The export is complete since this day; default: its oldest row"
    )
    note: str = Field(default="", description="What readers should know about this table, shown under Inputs Used")

    @property
    def patterns(self) -> tuple[str, ...]:
        """The files and globs it reads."""
        return (self.file,) if self.file else tuple(self.files.values())

    def problems(self, table: str) -> Iterator[str]:
        """What is wrong with these settings as settings of `table`."""
        yield from self._file_problems()
        known = columns(table)
        named = {*self.columns, *self.date_formats, *self.values, *self.constants}
        for name in sorted(named - set(known)):
            yield say("no column {column}; there are {columns}", column=repr(name), columns=", ".join(known))
        for name in sorted(set(self.columns) & set(self.constants)):
            yield say("{column} is mapped and constant; remove one", column=repr(name))
        for name in sorted(set(self.date_formats) & set(known)):
            if known[name] not in {"DATE", "TIMESTAMP"}:
                yield say("date_formats: {column} is no date", column=repr(name))
        for name in sorted(set(self.values) & set(known)):
            words = allowed_words(table, name)
            if words and not {*self.values[name].values()} <= {*words, ""}:
                yield say("values.{column}: ours are {words}", column=name, words=", ".join(words))
        if table == "account" and self.match != "account_id":
            yield say("match: the account table itself cannot be matched; map its account_id")

    def _file_problems(self) -> Iterator[str]:
        if bool(self.file) == bool(self.sql) or bool(self.files) != bool(self.sql):
            yield say("write either `file`, or `files` and `sql`")
        if self.sql and self.columns:
            yield say("columns: a SELECT names its columns itself")
        for name in self.files:
            if not _NAME.fullmatch(name):
                yield say("files: {name} is no name a SELECT could use", name=repr(name))
        for pattern in self.patterns:
            if PurePath(pattern).suffix.lower() not in FORMATS:
                yield say("{file} must end in {endings}", file=repr(pattern), endings=", ".join(FORMATS))
        for text in (self.date_format, *self.date_formats.values()):
            if text is not None and not _DATE_FORMAT.fullmatch(text):
                yield say("{format} is no date format; write e.g. %d-%m-%Y %H:%M", format=repr(text))


class FilesSettings(Settings):
    """A folder of files and, per table, how to read it."""

    label: str | None = Field(default=None, description='How Inputs Used names it; default: e.g. "CSV files"')
    folder: str = Field(default=".", description="Folder of the files, relative to the configuration file")
    time_zone: TimeZone = Field(default="UTC", description="Zone of times without an offset")
    tables: dict[str, TableSettings] = Field(
        default={}, description="Per table; without any, every file named after a table is taken, e.g. ticket.csv"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        known = ", ".join(TABLES)
        problems = [
            say("no table {table}; there are {tables}", table=repr(name), tables=known)
            for name in self.tables
            if name not in TABLES
        ]
        problems += [
            say("{name}: {note}", name=f"tables.{name}", note=problem)
            for name, table in self.tables.items()
            if name in TABLES
            for problem in table.problems(name)
        ]
        if problems:
            raise ValueError(clauses(problems))
        return self


def label_of(patterns: Sequence[str]) -> str:
    """`CSV files`, `JSON files`, `Parquet files`, or `files` when they are mixed or not known yet."""
    kinds = {FORMATS[PurePath(pattern).suffix.lower()] for pattern in patterns}
    return say(_LABELS[kinds.pop() if len(kinds) == 1 else ""])
