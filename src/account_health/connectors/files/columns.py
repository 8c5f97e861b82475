"""Columns: how a cell of a file becomes a value of ours, in SQL, and what is said of a cell that does not.

Everything is read from the text of a cell, whatever the format of the file, so that one rule holds for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticUndefined

from account_health.connectors.files.sheets import identifier, literal
from account_health.language import mark, say
from account_health.tables import TABLES, allowed_words, columns, required_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = "E' \\t\\r\\n'"
_SHOWN = 40
_YES = "('true', 'yes', 'y', '1')"
_NO = "('false', 'no', 'n', '0')"
_EXAMPLES = {"DATE": "2024-05-31", "TIMESTAMP": "2024-05-31T14:30Z"}
_UNREADABLE = {
    "DOUBLE": mark("{column} {cell} is no finite number"),
    "BIGINT": mark("{column} {cell} is no whole number"),
    "BOOLEAN": mark("{column} {cell} is neither true nor false"),
}


@dataclass(frozen=True)
class Problem:
    """What can be wrong with a row: in SQL when it is, and what is said of it then."""

    condition: str
    column: Column
    text: str
    """Holds `{column}` and `{cell}`, and what else `values` name."""
    values: Mapping[str, object] = field(default_factory=dict)

    def case_sql(self, number: int) -> str:
        """`WHEN condition THEN [number of the problem, the cell]`."""
        return f"WHEN {self.condition} THEN ['{number}', {self.column.shown_sql}]"

    def said(self, cell: str) -> str:
        """The problem, as a reader sees it."""
        return say(self.text, column=self.column.name, cell=cell, **self.values)


@dataclass(frozen=True)
class Column:
    """One column of one of our tables, and the date format the operator gave for it."""

    table: str
    name: str
    date_format: str | None = None

    @property
    def text(self) -> str:
        """Name of the column of cell texts, quoted."""
        return identifier(f"text of {self.name}")

    @property
    def value(self) -> str:
        """Name of the column of values, quoted."""
        return identifier(self.name)

    @cached_property
    def kind(self) -> str:
        """DuckDB type of the values."""
        return columns(self.table)[self.name]

    def text_sql(self, cell: str, cell_kind: str, words: Mapping[str, str]) -> str:
        """The text of a cell: the operator's words replaced, empty is NULL, outside text otherwise untouched."""
        text = f"CAST({f'to_json({cell})' if cell_kind.endswith('[]') else cell} AS VARCHAR)"
        if words:
            cases = " ".join(
                f"WHEN {literal(theirs.strip().lower())} THEN {literal(ours)}" for theirs, ours in words.items()
            )
            text = f"CASE lower(trim(coalesce({text}, ''), {_SPACE})) {cases} ELSE {text} END"
        if self._is_prose:
            return f"CASE WHEN trim({text}, {_SPACE}) <> '' THEN {text} END"
        return f"nullif(trim({text}, {_SPACE}), '')"

    def value_sql(self) -> str:
        """The value of the text, or NULL if the text is none."""
        value = self._parsed()
        return value if self._default is None else f"coalesce({value}, {self._default})"

    def problems(self) -> Iterator[Problem]:
        """Everything that can be wrong with a cell."""
        if self.name in required_columns(self.table):
            yield Problem(f"{self.text} IS NULL", self, mark("{column} is empty"))
        if self._pattern:
            condition = f"NOT regexp_full_match({self.text}, {literal(self._pattern)})"
            wanted = mark("{column} {cell} is no currency code; expected three capital letters, e.g. EUR")
            yield Problem(condition, self, wanted)
        if expected := self._expected:
            value = self.value if self._default is None else self._parsed()
            yield Problem(f"{self.text} IS NOT NULL AND {value} IS NULL", self, *expected)
        if self._minimum is not None:
            yield Problem(f"{self.value} < {self._minimum}", self, mark("{column} {cell} is negative"))

    @property
    def shown_sql(self) -> str:
        """The cell in quotes, short and without characters that a terminal might obey."""
        return f"concat(chr(39), left(regexp_replace({self.text}, '\\pC', '', 'g'), {_SHOWN}), chr(39))"

    def _parsed(self) -> str:
        text = self.text
        if self._words:
            return f"CASE WHEN lower({text}) IN ({', '.join(map(literal, self._words))}) THEN lower({text}) END"
        number = f"TRY_CAST({text} AS DOUBLE)"
        array = f"TRY_CAST(CASE WHEN {text} LIKE '[%' THEN TRY_CAST({text} AS JSON) END AS VARCHAR[])"
        return {
            "VARCHAR": text,
            "VARCHAR[]": f"[trim(e) FOR e IN coalesce({array}, string_split_regex({text}, '[;,]')) IF trim(e) <> '']",
            "DOUBLE": f"CASE WHEN isfinite({number}) THEN {number} END",
            # A cast to BIGINT alone would round 5.5 without a word.
            "BIGINT": f"CASE WHEN {number} % 1 = 0 THEN TRY_CAST({text} AS BIGINT) END",
            "BOOLEAN": f"CASE WHEN lower({text}) IN {_YES} THEN true WHEN lower({text}) IN {_NO} THEN false END",
            "DATE": _of_our_era(f"CAST({self._moment('DATE')} AS DATE)"),
            # A time without offset is one of the session's time zone.
            "TIMESTAMP": _of_our_era(f"timezone('UTC', TRY_CAST({self._moment('TIMESTAMPTZ')} AS TIMESTAMPTZ))"),
        }[self.kind]

    def _moment(self, kind: str) -> str:
        if self.date_format is None:
            return f"TRY_CAST({self.text} AS {kind})"
        return f"try_strptime({self.text}, {literal(self.date_format)})"

    @property
    def _is_prose(self) -> bool:
        is_code = self.name.endswith("_id") or self.name == "metric" or self._words or self._pattern
        return self.kind == "VARCHAR" and not is_code

    @property
    def _expected(self) -> tuple[str, Mapping[str, object]] | None:
        if self._words:
            text = mark("{column} {cell} is none of {words}; map it under `values`")
            return text, {"words": ", ".join(self._words)}
        if example := _EXAMPLES.get(self.kind):
            if self.date_format is not None:
                return mark("{column} {cell} is no date; expected {format}"), {"format": self.date_format}
            text = mark("{column} {cell} is no date; expected {example}, or what `date_format` says")
            return text, {"example": example}
        return (_UNREADABLE[self.kind], {}) if self.kind in _UNREADABLE else None

    @cached_property
    def _words(self) -> tuple[str, ...]:
        return allowed_words(self.table, self.name)

    @cached_property
    def _default(self) -> str | None:
        default = TABLES[self.table].model_fields[self.name].default
        if default is None or default is PydanticUndefined:
            return None
        return f"CAST({'[]' if default == () else literal(str(default))} AS {self.kind})"

    @cached_property
    def _constraints(self) -> dict[str, Any]:
        schema = TABLES[self.table].model_json_schema()["properties"][self.name]
        return {key: value for part in schema.get("anyOf", [schema]) for key, value in part.items()}

    @property
    def absent_sql(self) -> str:
        """The value of every row when no file has the column."""
        return self._default or f"NULL::{self.kind}"

    @property
    def _pattern(self) -> str | None:
        return self._constraints.get("pattern")

    @property
    def _minimum(self) -> float | None:
        return self._constraints.get("minimum")


def _of_our_era(moment: str) -> str:
    """Infinite dates, and years that no calendar of Python holds, are no dates."""
    return f"CASE WHEN year({moment}) BETWEEN 1 AND 9999 THEN {moment} END"
