"""Rows: checks the rows of sheets in SQL and accounts for each: delivered, rejected or unmatched."""

# ruff: noqa: S608 - every name and text put into SQL goes through `identifier` or `literal`

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from account_health.connectors.base import RejectedRow
from account_health.connectors.files.columns import Column, Problem
from account_health.connectors.files.lines import LISTED
from account_health.connectors.files.sheets import ROW, Sheet, identifier, literal
from account_health.errors import SourceError
from account_health.language import mark, say
from account_health.tables import TABLES, columns, required_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from account_health.connectors.files.matching import Matches
    from account_health.connectors.files.settings import TableSettings

_IN_ORDER = {
    "ticket": (
        ("opened_at", "solved_at", mark("solved_at lies before opened_at")),
        ("opened_at", "escalated_at", mark("escalated_at lies before opened_at")),
    ),
    "invoice": (("issued_at", "paid_at", mark("paid_at lies before issued_at")),),
    "subscription": (("started_at", "ended_at", mark("ended_at lies before started_at")),),
}
"""Per table: a moment, one that cannot come before it, and the doubt about a row where it does."""
_SCALES = {"ticket": ("csat", "csat_low", "csat_high"), "survey_response": ("score", "scale_low", "scale_high")}
"""Per table: a value, and the ends of the scale it must lie on."""

_SHOWN = 40


@dataclass(frozen=True)
class Checked:
    """A DuckDB table of checked rows: our columns, where each row stands, and its problem if it has one.

    A problem is a list of texts: its number and the cell; of a repeated key also sheet and row of the first one.
    """

    relation: str
    table: str
    sheets: tuple[Sheet, ...]
    columns: frozenset[str]
    problems: tuple[Problem, ...]

    def said(self, problem: Sequence[str]) -> str:
        """A problem, as a reader sees it."""
        which, cell, *first = problem
        if not first:
            return self.problems[int(which)].said(cell)
        place = self.sheets[int(first[0])].place(int(first[1]))
        return say("{column} {cell} repeats {place}", column=TABLES[self.table].key, cell=cell, place=place)


@dataclass(frozen=True)
class Sorted:
    """What became of the rows: all but the rejected and the unmatched stand in the delivered relation."""

    rejected: tuple[RejectedRow, ...]
    rejected_total: int
    rows_total: int
    unmatched: int


def check(
    database: DuckDBPyConnection, relation: str, table: str, sheets: Sequence[Sheet], settings: TableSettings
) -> Checked:
    """Every row of the sheets with its values or its problem; raises SourceError when a column is missing."""
    cells = [_cells(table, sheet, settings) for sheet in sheets]
    present = frozenset(name for found in cells for name in found)
    if missing := [name for name in required_columns(table) if name not in present]:
        raise _lacking(sheets[0], table, missing[0])
    chosen = [
        Column(table, name, _date_format(name, sheets, cells, settings)) for name in columns(table) if name in present
    ]
    texts = " UNION ALL ".join(
        _texts(i, sheet, found, chosen, settings) for i, (sheet, found) in enumerate(zip(sheets, cells, strict=True))
    )
    values = [f"{column.value_sql()} AS {column.value}" for column in chosen]
    values += [
        f"{c.absent_sql} AS {c.value}" for name in columns(table) if name not in present for c in [Column(table, name)]
    ]
    problems = [problem for column in chosen for problem in column.problems()] + _scale_problems(table, chosen)
    cases = " ".join(problem.case_sql(number) for number, problem in enumerate(problems))
    database.execute(
        f"CREATE TABLE {relation} AS "
        f"SELECT * REPLACE ({_doubt(table)} AS doubt), CASE {cases} END AS problem "
        f"FROM (SELECT *, {', '.join(values)} FROM ({texts}))"
    )
    checked = Checked(relation, table, tuple(sheets), present, tuple(problems))
    _reject_repeats(database, checked)
    return checked


def sort(database: DuckDBPyConnection, checked: Checked, target: str, matches: Matches | None = None) -> Sorted:
    """Creates the relation of sound rows, their account_id being the CRM's, and accounts for all the others."""
    names = ", ".join(map(identifier, columns(checked.table)))
    join, owner, parameters = "", "c.account_id", []
    if matches:
        join = (
            "LEFT JOIN (SELECT unnest($1::VARCHAR[]) AS key, unnest($2::VARCHAR[]) AS owner) m ON m.key = c.account_id"
        )
        owner, parameters = "m.owner", [list(matches.found), [match.account_id for match in matches.found.values()]]
    source = f"SELECT c.* REPLACE ({owner} AS account_id) FROM {checked.relation} c {join}"
    database.execute(
        f"CREATE TABLE {target} AS SELECT {names} FROM ({source}) WHERE problem IS NULL AND account_id IS NOT NULL",
        parameters,
    )
    rejected = database.execute(
        f"SELECT sheet, row, problem, account_id FROM ({source}) WHERE problem IS NOT NULL "
        f"ORDER BY sheet, row LIMIT {LISTED}",
        parameters,
    ).fetchall()
    rows, bad = _counts(database, checked.relation, "true", "problem IS NOT NULL")
    sound, _ = _counts(database, target, "true", "false")
    bad_lines = sum(sheet.bad_total for sheet in checked.sheets)
    listed = [row for sheet in checked.sheets for row in sheet.bad]
    listed += [
        RejectedRow(checked.sheets[sheet].place(row), checked.said(problem), owner)
        for sheet, row, problem, owner in rejected
    ]
    return Sorted(tuple(listed[:LISTED]), bad + bad_lines, rows + bad_lines, rows - bad - sound)


def keys(database: DuckDBPyConnection, checked: Checked) -> list[str]:
    """Everything the files call an account, in order."""
    found = database.execute(
        f"SELECT DISTINCT account_id FROM {checked.relation} WHERE account_id IS NOT NULL ORDER BY 1"
    )
    return [key for (key,) in found.fetchall()]


def _cells(table: str, sheet: Sheet, settings: TableSettings) -> dict[str, str]:
    """Which column of the sheet each of ours is read from; a constant wins, as the operator wrote it on purpose."""
    theirs = {name.casefold(): name for name in sheet.columns}
    found = {}
    for ours in columns(table):
        wanted = settings.columns.get(ours, ours)
        if wanted.casefold() in theirs:
            found[ours] = theirs[wanted.casefold()]
        elif ours in settings.columns:
            raise SourceError(
                say(
                    "{file} has no column {column} for {ours}; it has {columns}.",
                    file=sheet.name,
                    column=repr(wanted),
                    ours=ours,
                    columns=_listed(sheet.columns),
                ),
                say("Correct [tables.{table}] columns.", table=table),
            )
    if settings.sql and (strangers := set(theirs.values()) - set(found.values())):
        raise SourceError(
            say(
                "{select} yields {column}, which is no column of {table}; there are {columns}.",
                select=sheet.name,
                column=repr(min(strangers)),
                table=table,
                columns=_listed(columns(table)),
            ),
            say("Rename it in `sql`."),
        )
    return found | dict.fromkeys(settings.constants, "")


def _lacking(sheet: Sheet, table: str, column: str) -> SourceError:
    return SourceError(
        say(
            "{file} has no column {column}, which every {table} needs; it has {columns}.",
            file=sheet.name,
            column=repr(column),
            table=table,
            columns=_listed(sheet.columns),
        ),
        say(
            "Map it in the configuration: under the source, `[sources.NAME.tables.{table}]` with "
            '`file = "{file}"` and `columns = {{ {column} = "THEIR NAME" }}`.',
            table=table,
            file=sheet.name,
            column=column,
        ),
    )


def _texts(
    index: int, sheet: Sheet, cells: Mapping[str, str], chosen: Sequence[Column], settings: TableSettings
) -> str:
    """The rows of one sheet as texts of our columns."""
    texts = []
    for column in chosen:
        cell, kind = "NULL", "VARCHAR"
        if column.name in settings.constants:
            cell = literal(_constant(settings.constants[column.name]))
        elif column.name in cells:
            cell, kind = identifier(cells[column.name]), sheet.columns[cells[column.name]]
        texts.append(f"{column.text_sql(cell, kind, settings.values.get(column.name, {}))} AS {column.text}")
    return f"SELECT {index} AS sheet, {identifier(ROW)} AS row, {', '.join(texts)} FROM {sheet.table}"


def _constant(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _date_format(
    name: str, sheets: Sequence[Sheet], cells: Sequence[Mapping[str, str]], settings: TableSettings
) -> str | None:
    """The operator's format of a date column, unless the file itself knows that it holds dates."""
    kind = sheets[0].columns.get(cells[0].get(name, ""), "VARCHAR")
    is_typed = kind.startswith(("DATE", "TIMESTAMP"))
    return None if is_typed else settings.date_formats.get(name, settings.date_format)


def _doubt(table: str) -> str:
    """The doubt a SELECT delivered, and what a row says against itself."""
    found = [
        f"CASE WHEN {late} < if({late} = date_trunc('day', {late}), date_trunc('day', {early}), {early}) "
        f"THEN {literal(doubt)} END"
        for early, late, doubt in _IN_ORDER.get(table, ())
    ]
    return f"nullif(concat_ws('; ', {', '.join(['doubt', *found])}), '')"


def _scale_problems(table: str, chosen: Sequence[Column]) -> list[Problem]:
    """A value without a scale, on a scale that is upside down, or outside of its scale."""
    by_name = {column.name: column for column in chosen}
    value, low, high = _SCALES.get(table, ("", "", ""))
    if value not in by_name:
        return []
    unscaled = f"{value} IS NOT NULL AND ({low} IS NULL OR {high} IS NULL)"
    if table == "survey_response":  # only NPS has one scale the world over
        is_given = {low, high} <= set(by_name)
        some = f" AND ({by_name[low].text} IS NULL OR {by_name[high].text} IS NULL)" if is_given else ""
        unscaled = f"kind <> 'nps'{some}"
    upside_down, outside = f"{value} IS NOT NULL AND {low} >= {high}", f"{value} NOT BETWEEN {low} AND {high}"
    texts = {
        unscaled: mark("{column} {cell} has no scale; map {low} and {high}, or give them as constants"),
        upside_down: mark("{column} {cell} has a scale whose {low} is not below its {high}"),
        outside: mark("{column} {cell} lies outside of {low} to {high}"),
    }
    ends = {"low": low, "high": high}
    return [Problem(condition, by_name[value], text, ends) for condition, text in texts.items()]


def _reject_repeats(database: DuckDBPyConnection, checked: Checked) -> None:
    """The first row with a key stays, whatever the later ones say."""
    key = TABLES[checked.table].key
    if key is None:
        return
    first = (
        f"SELECT {key} AS repeated, min({{'sheet': sheet, 'row': row}}) AS first FROM {checked.relation} "
        f"WHERE problem IS NULL GROUP BY {key} HAVING count(*) > 1"
    )
    repeats = Column(checked.table, key).shown_sql
    database.execute(
        f"UPDATE {checked.relation} SET problem = ['', {repeats}, first.sheet::VARCHAR, first.row::VARCHAR] "
        f"FROM ({first}) "
        f"WHERE {key} = repeated AND problem IS NULL AND {{'sheet': sheet, 'row': row}} > first"
    )


def _counts(database: DuckDBPyConnection, relation: str, *conditions: str) -> Iterator[int]:
    counts = ", ".join(f"count(*) FILTER ({condition})" for condition in conditions)
    found = database.execute(f"SELECT {counts} FROM {relation}").fetchone()
    return iter(found or ())


def _listed(names: Mapping[str, str]) -> str:
    shown = ", ".join(list(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else say("{names} and others", names=shown)
