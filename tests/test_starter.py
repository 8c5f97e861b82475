"""The file that `init` writes works as it is."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from typing import TYPE_CHECKING

import anyio
import pytest
from typer.testing import CliRunner

from account_health.cli import app
from account_health.config import load_config
from account_health.connectors.files import FilesSettings
from account_health.connectors.live import LiveSettings
from account_health.connectors.registry import available, load
from account_health.errors import CallerError, ConfigurationError, SourceError
from account_health.manual import kind_of
from account_health.settings_form import to_fill_in
from account_health.source_check import check_sources
from account_health.starter import STARTER, starter, write_starter
from account_health.tables import TABLES
from doors import workspace_over

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_of_files_beside_the_starter_is_a_working_configuration(tmp_path: Path) -> None:
    configuration = write_starter(tmp_path / "new" / "deep")
    (configuration.parent / "data" / "account.csv").write_text("account_id,name\nA-1,Acme\n")
    workspace = workspace_over(configuration)
    assert anyio.run(workspace.assess, "acme").account.id == "A-1"
    assert anyio.run(check_sources, workspace).accounts == 1


def test_before_any_file_is_there_the_starter_says_what_to_put_where(tmp_path: Path) -> None:
    workspace = workspace_over(write_starter(tmp_path))
    with pytest.raises(SourceError, match=r"'data' holds no file named after a table, such as account\.csv"):
        anyio.run(workspace.assess, "acme")


def test_an_existing_file_is_kept_unless_force_is_used(tmp_path: Path) -> None:
    configuration = tmp_path / "account-health.toml"
    configuration.write_text("mine")
    with pytest.raises(ConfigurationError, match="exists already"):
        write_starter(tmp_path)
    assert configuration.read_text() == "mine"
    assert write_starter(tmp_path, force=True) == configuration
    assert configuration.read_text("utf-8") == starter()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"file.account-health\.toml cannot be written"):
        write_starter(tmp_path / "file")


def test_what_the_starter_shows_in_comments_is_valid_too(tmp_path: Path) -> None:
    mapped = re.sub(r"^# ?(?=\[|[a-z_]+ = )", "", STARTER, flags=re.MULTILINE)
    settings = tomllib.loads(mapped)["sources"]["files"]
    assert set(settings) == {"connector", "folder", "tables"}
    FilesSettings.model_validate({"folder": settings["folder"], "tables": settings["tables"]})
    path = tmp_path / "account-health.toml"
    path.write_text(mapped)
    assert load_config(path).as_of


def test_every_file_the_starter_names_is_a_table() -> None:
    about_files = STARTER[STARTER.index("# Files:") : STARTER.index("# A file with names of its own")]
    named = set(re.findall(r"\b(\w+)\.csv", about_files))
    assert named <= set(TABLES)
    assert "account" in named


LIVE = [kind for kind in available() if issubclass(load(kind).settings_model, LiveSettings)]


@pytest.mark.parametrize("kind", LIVE)
def test_the_section_of_a_live_source_is_a_configuration_that_lacks_only_its_secrets(kind: str, tmp_path: Path) -> None:
    path = write_starter(tmp_path, [kind])
    source = next(s for s in load_config(path, {}).sources if s.connector == kind)
    assert source.missing
    model = load(kind).settings_model
    model.model_validate(source.settings)
    assert set(source.settings) == {name for name, field in model.model_fields.items() if to_fill_in(field)}


@pytest.mark.parametrize("kind", LIVE)
def test_the_section_of_a_live_source_names_every_setting_and_shows_its_default_in_a_comment(kind: str) -> None:
    text = starter([kind])
    section = text[text.index(f"[sources.{kind}]") :]
    written = re.findall(r"^(?:# )?([a-z_]+) = (.+)$", section, flags=re.MULTILINE)
    fields = load(kind).settings_model.model_fields
    assert {name for name, _ in written} == {"connector", *fields}
    for name, value in written:
        if name != "connector" and not to_fill_in(fields[name]):
            default = fields[name].get_default(call_default_factory=True)
            found = tomllib.loads(f"{name} = {value}")[name]
            is_open = default is None or "SecretStr" in str(fields[name].annotation)
            is_many = isinstance(default, tuple | frozenset)
            assert is_open or (set(found) == set(default) if is_many else found == default)


OPEN = {
    f"{kind}.{name}": field
    for kind in LIVE
    for name, field in load(kind).settings_model.model_fields.items()
    if not to_fill_in(field) and field.default is None and "SecretStr" not in str(field.annotation)
}
"""Settings that are off unless somebody writes them."""


@pytest.mark.parametrize("place", OPEN)
def test_a_setting_without_a_default_is_shown_with_a_value_of_its_type(place: str) -> None:
    kind, _, name = place.partition(".")
    (line,) = re.findall(rf"^# ({name} = .+)$", starter([kind]), flags=re.MULTILINE)
    shown = type(tomllib.loads(line)[name])
    wanted = {"number": int, "whole number": int, "day": date, "boolean": bool, "table": dict}
    written = kind_of(OPEN[place].annotation).partition(", ")[0]
    assert shown is (list if written.startswith("list of ") else wanted.get(written, str))


def test_beside_a_live_source_files_are_only_shown(tmp_path: Path) -> None:
    path = write_starter(tmp_path / "new", ["stripe"])
    assert [source.name for source in load_config(path, {}).sources] == ["stripe"]
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    files = re.findall(
        r"^# (\[sources\.files\]|connector = .*|folder = .*)$", path.read_text("utf-8"), flags=re.MULTILINE
    )
    assert files == ["[sources.files]", 'connector = "files"', 'folder = "data"']


@pytest.mark.parametrize(("arguments", "step"), [([], "data folder"), (["--source", "stripe"], "live sources")])
def test_init_says_what_is_to_be_done_next(tmp_path: Path, arguments: list[str], step: str) -> None:
    said = " ".join(CliRunner().invoke(app, ["init", str(tmp_path), *arguments]).stderr.split())
    assert [words for words in ("data folder", "live sources") if words in said] == [step]
    assert said.endswith("then run: account-health sources check")


def test_a_live_source_that_is_not_installed_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match=r"Installed: .*stripe"):
        write_starter(tmp_path, ["salesfarce"])
    assert not (tmp_path / "account-health.toml").exists()
