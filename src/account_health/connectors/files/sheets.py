"""Sheets: files, and SELECTs over files, as DuckDB tables in which every cell still says what the file said."""

# ruff: noqa: S608 - every name and text put into SQL goes through `identifier` or `literal`

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from account_health.borrowed import why
from account_health.connectors.base import RejectedRow
from account_health.connectors.files.lines import BadLines, copy_csv, copy_lines
from account_health.errors import SourceError
from account_health.language import count, figure, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from duckdb import DuckDBPyConnection

ROW = "row number of the file"
"""Column that every sheet has beside those of its file; no file names one like this by accident."""
_MOST_KEYS = 1_000


@dataclass(frozen=True)
class Sheet:
    """One file or SELECT as a DuckDB table, without the lines that could not be cut into cells."""

    table: str
    name: str
    columns: Mapping[str, str]
    """Column of the file to its DuckDB type."""
    is_lined: bool = False
    """Whether its rows are known by the lines they stand on."""
    bad: tuple[RejectedRow, ...] = ()
    bad_total: int = 0

    def place(self, row: int) -> str:
        """Where a row stands, as a person would look for it."""
        return _line(self.name, row) if self.is_lined else say("{file} row {number}", file=self.name, number=row)


def identifier(name: str) -> str:
    """A name as SQL reads it, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL reads it."""
    return "'" + text.replace("'", "''") + "'"


def read_file(database: DuckDBPyConnection, path: Path, table: str) -> Sheet:
    """The file as a sheet; raises SourceError that names it when it cannot be read as its ending says."""
    readers: Mapping[str, Callable[[DuckDBPyConnection, Path, str], Sheet]]
    readers = {".csv": _read_csv, ".jsonl": _read_json_lines, ".ndjson": _read_json_lines, ".parquet": _read_parquet}
    try:
        return readers[path.suffix.lower()](database, path, table)
    except OSError as err:
        raise SourceError(
            say("{file} cannot be read: {reason}.", file=path.name, reason=why(err)),
            say("Check the path and its permissions."),
        ) from err


def read_select(
    database: DuckDBPyConnection, sql: str, inputs: Mapping[str, Sequence[Sheet]], name: str, schema: str
) -> Sheet:
    """What the operator's SELECT yields over the named sheets, always in one order; raises SourceError with the cause.

    It runs as it was written, inside `schema`, where each named input is a view.
    """
    import duckdb  # noqa: PLC0415 - only its exceptions, and the connection has loaded it long since

    yielded, numbered = (f"{identifier(schema)}.{identifier(table)}" for table in ("yielded rows", "numbered rows"))
    for view, sheets in inputs.items():
        database.execute(f"CREATE VIEW {identifier(schema)}.{identifier(view)} AS {_union(sheets)}")
    try:
        if [statement.type for statement in database.extract_statements(sql)] != [duckdb.StatementType.SELECT]:
            raise SourceError(
                say("{select} must be exactly one SELECT.", select=name), say("Correct `sql` in the configuration.")
            )
        database.execute(f"USE {identifier(schema)}")
        database.execute(f"CREATE TABLE {yielded} AS {sql}")
    except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as err:
        first = str(err).partition("\n")[0]
        raise SourceError(
            say("{select} does not run: {reason}", select=name, reason=first),
            say("Correct `sql` in the configuration."),
        ) from err
    except duckdb.Error as err:
        raise SourceError(
            say("{select} fails on a value in its files.", select=name),
            say("Use TRY_CAST or try_strptime where values may be bad."),
        ) from err
    finally:
        database.execute("USE main")
    database.execute(
        f"CREATE TABLE {numbered} AS SELECT row_number() OVER () AS {identifier(ROW)}, * "
        f"FROM (SELECT * FROM {yielded} ORDER BY ALL)"
    )
    used = [sheet for sheets in inputs.values() for sheet in sheets]
    bad = tuple(row for sheet in used for row in sheet.bad)
    return Sheet(numbered, name, _columns(database, numbered), bad=bad, bad_total=sum(s.bad_total for s in used))


def _read_csv(database: DuckDBPyConnection, path: Path, table: str) -> Sheet:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "records.csv"
        with _text(path) as source, copy.open("w", encoding="utf-8", newline="") as target:
            header, bad = copy_csv(source, target, path.name)
        _require_unique(header.names, path.name)
        _load(database, copy, table, header.names, header.delimiter)
    return _sheet(database, table, path, bad)


def _read_json_lines(database: DuckDBPyConnection, path: Path, table: str) -> Sheet:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "lines.csv"
        with _text(path) as source, copy.open("w", encoding="utf-8", newline="") as target:
            bad = copy_lines(source, target)
        _load(database, copy, table, ("line",), ",")
    row = identifier(ROW)
    is_object = "json_type(TRY_CAST(line AS JSON)) IS NOT DISTINCT FROM 'OBJECT'"
    for (number,) in database.execute(f"SELECT {row} FROM {table} WHERE NOT {is_object} ORDER BY 1").fetchall():
        bad.add(number, say("is no JSON object"))
    objects = f"SELECT {row}, line::JSON AS document FROM {table} WHERE {is_object}"
    keys = database.execute(f"SELECT DISTINCT unnest(json_keys(document)) FROM ({objects})").fetchall()
    names = sorted(key for (key,) in keys if key.isprintable() and key)
    if not names:
        raise SourceError(say("{file} holds no JSON object; every line must be one.", file=path.name))
    if len(names) > _MOST_KEYS:
        raise SourceError(_too_many_keys(path.name))
    _require_unique(names, path.name)
    cells = ", ".join(f"document ->> {literal(_pointer(name))} AS {identifier(name)}" for name in names)
    database.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {row}, {cells} FROM ({objects})")
    return _sheet(database, table, path, bad, is_lined=True)


def _read_parquet(database: DuckDBPyConnection, path: Path, table: str) -> Sheet:
    import duckdb  # noqa: PLC0415 - only its exceptions, and the connection has loaded it long since

    with path.open("rb"):  # for the system's own words when the file cannot be opened
        pass
    try:
        database.execute(
            f"CREATE TABLE {table} AS SELECT row_number() OVER () AS {identifier(ROW)}, * "
            f"FROM read_parquet({literal(_exactly(path))})"
        )
    except duckdb.Error as err:
        raise SourceError(
            say("{file} cannot be read as Parquet.", file=path.name), say("Write it again, or correct its ending.")
        ) from err
    return _sheet(database, table, path, BadLines())


def _text(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _load(database: DuckDBPyConnection, path: Path, table: str, names: Sequence[str], delimiter: str) -> None:
    columns = {ROW: "BIGINT", **dict.fromkeys(names, "VARCHAR")}
    shape = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns.items())
    database.execute(
        f"CREATE TABLE {table} AS SELECT * FROM read_csv({literal(_exactly(path))}, "
        f"auto_detect = false, header = false, delim = {literal(delimiter)}, "
        f"quote = '\"', escape = '\"', new_line = '\\n', parallel = false, columns = {{{shape}}})"
    )


def _sheet(database: DuckDBPyConnection, table: str, path: Path, bad: BadLines, *, is_lined: bool = False) -> Sheet:
    rows = tuple(RejectedRow(_line(path.name, line.number), line.problem) for line in bad.first)
    return Sheet(table, path.name, _columns(database, table), is_lined, rows, bad.total)


def _line(name: str, number: int) -> str:
    return say("{file} line {number}", file=name, number=number)


def _too_many_keys(name: str) -> str:
    return count(
        "{file} has more than {n} different keys; expected one row with the same keys per line.",
        "{file} has more than {n} different keys; expected one row with the same keys per line.",
        _MOST_KEYS,
        n=figure(_MOST_KEYS),
        file=name,
    )


def _columns(database: DuckDBPyConnection, table: str) -> dict[str, str]:
    described = database.execute(f"DESCRIBE {table}").fetchall()
    return {name: kind for name, kind, *_ in described if name != ROW}


def _union(sheets: Sequence[Sheet]) -> str:
    return " UNION ALL BY NAME ".join(f"SELECT * EXCLUDE ({identifier(ROW)}) FROM {sheet.table}" for sheet in sheets)


def _require_unique(names: Sequence[str], file: str) -> None:
    seen: set[str] = {ROW}
    for name in names:
        if name.casefold() in seen:
            raise SourceError(
                say("{file} has the column {column} twice.", file=file, column=repr(name)), say("Rename one of them.")
            )
        seen.add(name.casefold())


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _exactly(path: Path) -> str:
    """The path such that DuckDB takes no character of it for a pattern."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))
