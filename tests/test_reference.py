"""REFERENCE.md and `health://policy` name everything there is, and nothing else."""

from __future__ import annotations

import inspect
import os
import re
import runpy
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import anyio
import duckdb
import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from account_health import errors
from account_health.cli import EXIT_CODES, app
from account_health.config import DEMO, ConfigFile, GatherSettings, HistoryTable
from account_health.connectors.base import Context
from account_health.connectors.live import LiveSettings
from account_health.connectors.registry import available, load
from account_health.errors import AccountHealthError
from account_health.manual import items
from account_health.model import Source, State
from account_health.policy import default_document, load_policy, parse_policy
from account_health.recording import RecordedRun
from account_health.reference import methodology
from account_health.server import create_server
from account_health.server.http import CONNECTIONS, HEALTH_PATH, PATH, SESSIONS
from account_health.server.limits import MOST_BYTES
from account_health.server.tasks import COMPUTES_ALL
from account_health.server.tools import tools
from account_health.settings_form import example_settings
from account_health.tables import TABLES, Row, allowed_words, columns, required_columns
from account_health.testing import Serving, calling
from given import AS_OF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer import Typer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "REFERENCE.md").read_text("utf-8")
POLICY = load_policy()
SETTINGS = {kind: load(kind).settings_model for kind in available()}
CONNECTORS = {
    kind: load(kind)(
        kind,
        example_settings(settings),
        Context(Path(), duckdb.connect(), lambda: datetime(2026, 11, 21, tzinfo=UTC)),
    )
    for kind, settings in SETTINGS.items()
}


def _section(heading: str, text: str = PAGE) -> str:
    """What stands below a heading, up to the next one that is not deeper."""
    level = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{level}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _tables(text: str) -> Iterator[list[list[str]]]:
    """The tables of a text as rows of cells, heads and rules included."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        yield [_cells(line) for line in block.splitlines()]


def _rows(text: str) -> dict[str, list[str]]:
    """The rows of all tables of a text by their first cell."""
    return {row[0].strip("`"): row[1:] for table in _tables(text) for row in table[2:]}


def _headings(text: str, level: int = 3) -> list[str]:
    return re.findall(rf"^#{{{level}}} `?(.+?)`?$", text, re.MULTILINE)


def test_generated_pages_are_what_the_code_would_write_even_in_a_narrow_terminal() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "docs.py"), "--check"]
    narrow = {**os.environ, "COLUMNS": "20", "TERM": "dumb"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=narrow)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_page_is_told_by_its_first_differences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / ".ci")
    page = tmp_path / "PAGE.md"
    page.write_text("same\nold\n", "utf-8")
    differences = runpy.run_path(str(ROOT / ".ci" / "docs.py"))["differences"]
    assert differences(page, "same\nold\n") == []
    assert differences(page, "same\nnew\n")[-2:] == ["-old", "+new"]
    assert 0 < len(differences(page, "line\n" * 1000)) <= 40


def test_every_table_of_the_page_is_whole() -> None:
    tables = list(_tables(PAGE))
    assert [table[0] for table in tables if {len(row) for row in table} != {len(table[0])}] == []
    assert [row for table in tables for row in table if "" in row] == []


def test_placeholders_stand_for_every_category_its_tables_and_connectors() -> None:
    rows = _rows(_section("## Sources"))
    assert list(rows) == ["~~CRM~~", "~~support platform~~", "~~product analytics~~", "~~billing~~", "~~surveys~~"]
    assert [row[0] for row in rows.values()] == [f"`{source}`" for source in Source]
    named = [re.findall(r"`(\w+)`", row[1]) for row in rows.values()]
    assert sorted(table for tables in named for table in tables) == sorted(TABLES)
    serving = [re.findall(r"`(\w+)`", row[2]) for row in rows.values()]
    assert serving == [
        [kind for kind, connector in CONNECTORS.items() if source in connector.provides().values()] for source in Source
    ]


def test_the_page_names_every_table_and_column_and_no_other() -> None:
    section = _section("## Tables")
    assert _headings(section) == list(TABLES)
    shared = list(_rows(section.partition("\n### ")[0]))
    assert shared == list(Row.model_fields)
    for table in TABLES:
        rows = _rows(_section(f"### `{table}`", section))
        assert [*shared, *rows] == list(columns(table))
        assert {name for name, row in rows.items() if row[1] == "required"} == set(required_columns(table)) - set(
            shared
        )
        for name, (kind, _, meaning) in rows.items():
            assert kind == columns(table)[name]
            assert all(f"`{word}`" in meaning for word in allowed_words(table, name))


def test_the_page_gives_every_state_its_meaning() -> None:
    assert list(_rows(_section("## States"))) == list(State)


@pytest.mark.parametrize(
    "text",
    [methodology(POLICY), re.sub("^##", "#", _section("## Scoring policy"), flags=re.MULTILINE)],
    ids=["policy", "page"],
)
def test_the_methodology_names_every_metric_with_its_weight_and_reason(text: str) -> None:
    named: dict[str, tuple[float, str]] = {}
    for key, dimension in POLICY.dimensions.items():
        rows = _rows(_section(f"## {dimension.name} metrics", text))
        assert rows
        assert {POLICY.metrics[name].dimension for name in rows} == {key}
        named |= {name: (float(row[0]), row[-1]) for name, row in rows.items()}
    named |= {name: (0, row[-1]) for name, row in _rows(_section("## Facts", text)).items()}
    assert named == {name: (metric.weight, metric.reason) for name, metric in POLICY.metrics.items()}


def test_the_methodology_names_every_dimension_and_flag_with_its_reason() -> None:
    text = methodology(POLICY)
    weights = {row[0]: (float(row[1]), row[2]) for row in _rows(_section("## Dimensions", text)).values()}
    assert weights == {f"`{key}`": (d.weight, d.reason) for key, d in POLICY.dimensions.items()}
    flags = {row[0]: (name, row[3], row[4]) for name, row in _rows(_section("## Risk flags", text)).items()}
    assert flags == {f"`{key}`": (f.name, f.action, f.reason) for key, f in POLICY.flags.items()}


def test_the_methodology_says_every_threshold_of_a_flag() -> None:
    rows = _rows(_section("## Risk flags", methodology(POLICY)))
    for flag in POLICY.flags.values():
        raised_when, severity = rows[flag.name][1:3]
        assert re.findall(r"`(.+?)`", raised_when) == [text for line in flag.raise_when for text in line]
        assert re.findall(r"`(.+?)`", severity) == [text for rule in flag.severity for text in rule.when]
        assert [rule.is_ for rule in flag.severity if rule.is_ not in severity] == []


def test_the_methodology_shows_curves_with_the_words_of_their_levels() -> None:
    rows = _rows(_section("## Commercial metrics", methodology(POLICY)))
    assert rows["contract_standing"][2].startswith("cancelled → 0, expired → 10,")
    assert rows["days_overdue"][2] == "0 → 100, 14 → 60, 45 → 0"


def test_a_bar_or_line_break_in_a_policy_cannot_break_a_table() -> None:
    document = default_document()
    document["dimensions"]["usage"]["reason"] = "either | or\nboth"
    rows = _rows(_section("## Dimensions", methodology(parse_policy(document, "test"))))
    assert rows["Usage"][-1] == "either \\| or both"


def test_the_page_names_every_tool_and_argument_and_no_other() -> None:
    section = _section("## Tools")
    assert _headings(section) == [tool.name for tool in tools("confirm", publishes=True)]
    for tool in tools("confirm", publishes=True):
        rows = _rows(_section(f"### `{tool.name}`", section))
        assert list(rows) == list(tool.parameters["properties"])
        assert [name for name, row in rows.items() if row[1] == "required"] == tool.parameters.get("required", [])


def test_the_page_names_every_resource() -> None:
    server = create_server(lambda: DEMO, lambda: AS_OF)
    fixed = [str(found.uri) for found in anyio.run(server.list_resources)]
    templates = [found.uri_template for found in anyio.run(server.list_resource_templates)]
    assert list(_rows(_section("## Resources"))) == fixed + templates


def _objects(schema: dict[str, Any], name: str) -> dict[str, list[str]]:
    named = {name: schema, **schema.get("$defs", {})}
    return {key: list(part["properties"]) for key, part in named.items() if "properties" in part}


def test_the_page_names_every_field_of_every_answer() -> None:
    expected: dict[str, list[str]] = {}
    models = [tool.fn_metadata.output_model for tool in tools("confirm", publishes=True)]
    for model in (*filter(None, models), RecordedRun):
        expected |= _objects(model.model_json_schema(), model.__name__)
    section = _section("## Answers")
    assert {part: list(_rows(_section(f"### {part}", section))) for part in _headings(section)} == expected


def _told(model: type[BaseModel], node: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """Every part of an answer: its name on the page, and the fields it has."""
    yield model.__name__, set(node)
    for name, field in model.model_fields.items():
        kinds = {field.annotation, *get_args(field.annotation)}
        inner = [kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BaseModel)]
        value = node.get(field.serialization_alias or name)
        if isinstance(value, dict):
            children = list(value.values()) if get_origin(field.annotation) is dict else [value]
        else:
            children = value if isinstance(value, list) else []
        for kind in inner:
            for child in children:
                yield from _told(kind, child)


@pytest.mark.parametrize("tool", ["score_account", "fetch_inputs", "list_at_risk_accounts"])
def test_the_page_says_which_fields_a_concise_answer_does_without(tool: str, tmp_path: Path) -> None:
    present = {
        part: {name: row[1] for name, row in _rows(_section(f"### {part}", _section("## Answers"))).items()}
        for part in _headings(_section("## Answers"))
    }
    model = next(one.fn_metadata.output_model for one in tools() if one.name == tool)
    about = {} if tool == "list_at_risk_accounts" else {"account": "northwind"}
    assert model
    with calling(Serving().connected(tmp_path)) as server:
        whole = list(_told(model, server.call(tool, **about).data))
        brief = list(_told(model, server.call(tool, **about, response_format="concise").data))
    for part, fields in whole:
        assert {name for name, when in present[part].items() if when in {"always", "detailed only"}} <= fields, part
    for part, fields in brief:
        assert {name for name, when in present[part].items() if when == "always"} <= fields, part
        assert [name for name in fields if present[part][name].startswith("detailed only")] == [], part
    assert any(when.startswith("detailed only") for part, _ in brief for when in present[part].values())


def test_the_page_says_how_it_is_served_in_the_figures_that_hold() -> None:
    section = _section("## Serving")
    named = {"`find_accounts`, `get_portfolio_health`, `list_at_risk_accounts`", f"http://127.0.0.1:8765{PATH}"}
    held = {f"GET {HEALTH_PATH}", f"{SESSIONS:,} sessions", f"{CONNECTIONS:,} connections", f"{MOST_BYTES // 1000} KB"}
    assert [text for text in (*named, *held) if text not in section] == []
    assert set(re.findall(r"`(\w+_\w+)`", section)) == COMPUTES_ALL
    shown = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert set(re.findall(r"--[a-z][a-z-]*", section)) == {"--transport", "--host", "--port", "--as-of"}
    assert [option for option in re.findall(r"--[a-z][a-z-]*", section) if option not in shown] == []
    assert "8765" in shown


def _command_names(owner: Typer = app, prefix: str = "account-health ") -> list[str]:
    """Every command as it is typed; those of a part without a name stand among the others."""
    own = [command.name or getattr(command.callback, "__name__", "") for command in owner.registered_commands]
    names = [f"{prefix}{name}" for name in own]
    for group in owner.registered_groups:
        if group.typer_instance:
            inner = f"{prefix}{group.name} " if isinstance(group.name, str) else prefix
            names += _command_names(group.typer_instance, inner)
    return names


def test_the_page_names_every_command_and_each_takes_the_options_it_names() -> None:
    section = _section("## Commands")
    assert _headings(section) == _command_names()
    for path in _headings(section):
        words = [*path.split()[1:], "--help"]
        shown = CliRunner().invoke(app, words, env={"COLUMNS": "200", "TERM": "dumb"}).output
        named = {name for name in _rows(_section(f"### `{path}`", section)) if name.startswith("--")}
        assert named == set(re.findall(r"--[a-z][a-z-]*", shown)) - {"--help"}


def test_the_page_names_every_exit_code() -> None:
    assert sorted(map(int, _rows(_section("## Exit codes")))) == [0, 1, 2, *sorted(EXIT_CODES.values())]


def test_the_page_names_every_key_of_the_configuration() -> None:
    keys = list(_rows(_section("## Configuration")))
    inner = [
        *(f"gather.{name}" for name in GatherSettings.model_fields),
        *(f"history.{name}" for name in HistoryTable.model_fields),
    ]
    assert [key for key in keys if key not in inner] == [*ConfigFile.model_fields, "sources.NAME.connector"]
    assert set(inner) < set(keys)


def test_the_page_names_every_setting_of_every_connector() -> None:
    section = _section("## Connectors")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert _headings(section) == sorted(project["entry-points"]["account_health.connectors"]) == list(SETTINGS)
    for kind, model in SETTINGS.items():
        named = {name.partition(".")[0] for name in _rows(_section(f"### `{kind}`", section))}
        shared = set(LiveSettings.model_fields) if issubclass(model, LiveSettings) else set()
        assert named | shared == set(model.model_fields)
    common = section.partition("\n### ")[0]
    assert set(_rows(common)) == set(LiveSettings.model_fields)
    tables = SETTINGS["files"].model_json_schema()["$defs"]["TableSettings"]["properties"]
    named = {name.removeprefix("tables.NAME.") for name in _rows(section) if name.startswith("tables.NAME.")}
    assert named == set(tables)


def test_a_set_is_shown_as_a_list_in_order() -> None:
    class Model(BaseModel):
        none: frozenset[str] = frozenset()
        some: frozenset[str] = frozenset("cab")
        numbers: list[int] = []

    assert [(item.kind, item.default) for item in items(Model)] == [
        ("list of text", "`[]`"),
        ("list of text", '`["a", "b", "c"]`'),
        ("list of whole number", "`[]`"),
    ]


def test_the_page_names_every_error_with_its_exit_code() -> None:
    kinds = [k for k in vars(errors).values() if inspect.isclass(k) and issubclass(k, AccountHealthError)]
    rows = _rows(_section("## Errors"))
    assert list(rows) == [kind.__name__ for kind in kinds]
    codes = {family.__name__: str(code) for family, code in EXIT_CODES.items()}
    assert {name: row[-1] for name, row in rows.items() if name in codes} == codes
    assert rows["AccountNotFound"][-1] == codes["CallerError"]
