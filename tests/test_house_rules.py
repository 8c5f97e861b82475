"""The rules of the house that neither ruff nor mypy nor import-linter can hold."""

from __future__ import annotations

import ast
import os
import re
import socket
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from functools import cache
from importlib.metadata import version
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import account_health
from account_health import errors
from account_health.policy import load_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "account_health"
TESTS = ROOT / "tests"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

LONGEST_MODULE = 300
LONGEST_FUNCTION = 40
CATCH_ALLS = {"common", "helper", "helpers", "misc", "shared", "util", "utils"}
CLOCKS = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time")
CLOCK_READERS = {"cli/asking.py"}
FREE_NUMBERS = {0, 1, 100}
SHARED_BY_CONNECTORS = {"__init__", "base", "http", "live", "registry"}
SPEAKERS = {"say", "count", "mark", "forms", "word"}
OUR_ERRORS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.AccountHealthError)
}
HEAVY = {"duckdb", "jinja2", "numpy", "sqlalchemy", "tldextract"}

# Older ones have known holes. httpx2 and starlette come with mcp, which admits older ones.
FLOORS = {"httpx2": "2.16", "jinja2": "3.1.6", "mcp": "2.3", "starlette": "1.0.1"}

MACHINE_PATH = r"(?<![\w./-])/(?:home|opt|root|tmp|Users|work)/\w"
REGISTRY_HOST = r"\b(?:crates|npmjs|pypi|pythonhosted|rubygems)\.(?:com|io|org)\b"
LEFT_TO_DO = r"\b(?:FIX[M]E|TO[D]O|XX[X])\b"

LINT_RULE = r"[A-Z]+[0-9]+"
BARE_NOQA = rf"#\s*noqa(?!: {LINT_RULE}(?:, ?{LINT_RULE})*\W+\w)"
BARE_TYPE_IGNORE = r"#\s*type:\s*ignore(?!\[[\w, -]+\]\W+\w)"
BARE_RUFF_IGNORE = rf'"{LINT_RULE}"(?!,? +# \w)'


Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _modules(folder: Path = PACKAGE) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def _nodes(paths: list[Path], is_wrong: Callable[[ast.AST], bool]) -> list[str]:
    """Where a wrong node stands, as `file:line`."""
    return [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
        for path in paths
        for node in ast.walk(_tree(path))
        if is_wrong(node)
    ]


def _calls(node: ast.AST) -> str:
    """The name of what a call calls; empty for anything else."""
    called = node.func if isinstance(node, ast.Call) else None
    return called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""


def _is_plain(node: ast.AST) -> bool:
    """A text in the code itself that nobody says."""
    return isinstance(node, ast.JoinedStr | ast.BinOp) or (isinstance(node, ast.Constant) and bool(node.value))


def _matches(paths: list[Path], pattern: str) -> list[str]:
    """Where a forbidden text stands, as `file:line: text`."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if re.search(pattern, line)
    ]


def _project_files() -> Iterator[Path]:
    """Every file of the checkout but those that .gitignore names."""
    ignored = [".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").split())]
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not any(fnmatch(name, pattern) for pattern in ignored)]
        yield from (Path(folder, name) for name in sorted(names))


def test_no_module_is_longer_than_a_reader_bears() -> None:
    lengths = {str(path): len(path.read_text("utf-8").splitlines()) for path in _modules()}
    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    def is_long(node: ast.AST) -> bool:
        return isinstance(node, Function) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION

    assert _nodes(_modules(), is_long) == []


def test_no_module_is_a_catch_all() -> None:
    assert [path for path in PACKAGE.rglob("*") if path.stem in CATCH_ALLS] == []


def test_nothing_is_left_to_do_in_the_text_of_the_project() -> None:
    assert _matches(list(_project_files()), LEFT_TO_DO) == []


def test_only_the_command_line_prints() -> None:
    silent = [path for path in _modules() if path.relative_to(PACKAGE).parts[0] not in {"cli", "cli.py"}]
    assert _nodes(silent, lambda node: isinstance(node, ast.Call) and ast.unparse(node.func) == "print") == []


def test_the_time_is_read_in_one_place_and_passed_on() -> None:
    def reads_clock(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and ast.unparse(node).endswith(CLOCKS)

    timeless = [path for path in _modules() if str(path.relative_to(PACKAGE)) not in CLOCK_READERS]
    assert _nodes(timeless, reads_clock) == []


def test_only_config_reads_the_environment() -> None:
    def reads_environment(node: ast.AST) -> bool:
        if isinstance(node, ast.ImportFrom):
            return node.module == "os" and any(name.name in {"environ", "getenv"} for name in node.names)
        return isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}

    assert _nodes([path for path in _modules() if path.name != "config.py"], reads_environment) == []


def test_scores_and_flags_hold_no_numbers_of_their_own() -> None:
    def is_number(node: ast.AST) -> bool:
        return isinstance(node, ast.Constant) and type(node.value) in {int, float} and node.value not in FREE_NUMBERS

    assert _nodes([PACKAGE / "scoring.py", PACKAGE / "flags.py"], is_number) == []


def test_every_metric_has_its_case_table_and_back() -> None:
    assert {path.stem for path in (TESTS / "cases").glob("*.toml")} == set(load_policy().metrics)


def test_default_weights_read_as_percentages_on_both_levels() -> None:
    policy = load_policy()
    within = dict.fromkeys(policy.dimensions, 0.0)
    for metric in policy.metrics.values():
        within[metric.dimension] += metric.weight
    assert within == dict.fromkeys(policy.dimensions, 100)
    assert sum(dimension.weight for dimension in policy.dimensions.values()) == 100


def test_every_connector_module_is_registered_and_back() -> None:
    registered = PROJECT["entry-points"]["account_health.connectors"]
    found = {path.stem for path in (PACKAGE / "connectors").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert found - SHARED_BY_CONNECTORS - {"__pycache__"} == set(registered)
    assert [resolve_name(target).kind for target in registered.values()] == list(registered)


def test_the_version_is_said_once() -> None:
    assert account_health.__version__ == version("account-health") == PROJECT["version"]


def test_every_dependency_has_a_floor() -> None:
    wanted = [Requirement(text) for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]]
    assert [str(need) for need in wanted if not any(part.operator in {">=", "~="} for part in need.specifier)] == []


def test_declared_floors_lie_above_known_holes() -> None:
    wanted = [Requirement(text) for text in PROJECT["dependencies"]]
    floors = {need.name: part.version for need in wanted for part in need.specifier if part.operator == ">="}
    assert [name for name in FLOORS if name in floors and Version(floors[name]) < Version(FLOORS[name])] == []


@pytest.mark.parametrize("name", FLOORS)
def test_installed_versions_have_no_known_holes(name: str) -> None:
    assert Version(version(name)) >= Version(FLOORS[name])


def test_no_file_names_one_machine_or_a_package_registry() -> None:
    assert _matches(list(_project_files()), f"{MACHINE_PATH}|{REGISTRY_HOST}") == []


def test_every_ignored_rule_says_why() -> None:
    assert _matches([ROOT / "pyproject.toml"], BARE_RUFF_IGNORE) == []
    assert _matches(_modules() + _modules(TESTS) + _modules(ROOT / ".ci"), f"{BARE_NOQA}|{BARE_TYPE_IGNORE}") == []


def test_heavy_modules_stay_off_the_way_to_the_list_of_tools() -> None:
    code = f"import sys, account_health.cli, account_health.server; print(sorted({HEAVY | {'mcp'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "['mcp']\n", done.stderr


def test_a_text_that_is_said_is_written_out_where_the_catalogues_find_it() -> None:
    def is_built(node: ast.AST) -> bool:
        texts = node.args[:2] if isinstance(node, ast.Call) and _calls(node) in SPEAKERS else []
        return any(isinstance(text, ast.JoinedStr | ast.BinOp) for text in texts)

    assert _nodes(_modules(), is_built) == []


def test_nothing_is_said_inside_of_another_text_where_the_catalogues_do_not_look() -> None:
    def holds_said(node: ast.AST) -> bool:
        return isinstance(node, ast.JoinedStr) and any(
            _calls(inner) in SPEAKERS and any(map(_is_plain, getattr(inner, "args", ()))) for inner in ast.walk(node)
        )

    assert _nodes(_modules(), holds_said) == []


def test_errors_are_said_so_that_they_can_be_translated() -> None:
    def is_unsaid(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and _calls(node) in OUR_ERRORS and any(_is_plain(arg) for arg in node.args)

    assert _nodes([path for path in _modules() if path.parent.name != "testing"], is_unsaid) == []


def test_names_of_tests_are_sentences() -> None:
    def is_no_sentence(node: ast.AST) -> bool:
        return isinstance(node, Function) and bool(re.fullmatch(r"test_[^_]*(_[^_]*)?", node.name))

    assert _nodes(_modules(TESTS), is_no_sentence) == []


def test_no_test_can_leave_this_machine() -> None:
    with pytest.raises(BaseException, match="only reach loopback"):
        socket.create_connection(("192.0.2.1", 9), timeout=1)
