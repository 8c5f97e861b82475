"""server.json: what the MCP registry would take, about this version, with variables that are really read."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # it ships no types
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]  # it ships no types

from account_health.config import VARIABLE
from account_health.connectors.registry import available
from account_health.starter import starter
from installable.judges import BESIDE_PYTHON, ROOT, judged

if TYPE_CHECKING:
    from pathlib import Path

SERVER = json.loads((ROOT / "server.json").read_text("utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
(PACKAGE,) = SERVER["packages"]


def schema() -> Draft7Validator:
    """The registry's own schema of the version that server.json names; `skillsaw` carries it unchanged."""
    found = files("skillsaw") / "schemas" / "mcp_registry" / "v2025_12_11" / "server.schema.json"
    document = json.loads(found.read_text("utf-8"))
    assert document["$id"] == SERVER["$schema"]
    return Draft7Validator(document)


def test_the_registrys_schema_accepts_it() -> None:
    schema().validate(SERVER)


def test_the_registrys_schema_refuses_what_it_should() -> None:
    with pytest.raises(ValidationError, match="too long"):
        schema().validate(SERVER | {"description": "x" * 101})


def test_the_registrys_rules_beyond_its_schema_hold(tmp_path: Path) -> None:
    rules = ("mcp-registry-server-json-valid", "mcp-registry-version-semver")
    copy = tmp_path / "server.json"
    copy.write_text(json.dumps(SERVER), "utf-8")
    asked: list[str | Path] = [BESIDE_PYTHON / "skillsaw", "lint", tmp_path, "--strict"]
    asked += [f"--rule={rule}" for rule in rules]
    assert "mcp-registry" in judged(*asked, home=tmp_path)
    copy.write_text(json.dumps(SERVER | {"version": "latest"}), "utf-8")
    with pytest.raises(AssertionError, match="must identify one exact release"):
        judged(*asked, home=tmp_path)


def test_it_is_about_this_version_of_this_package() -> None:
    assert (SERVER["version"], PACKAGE["version"], PACKAGE["identifier"]) == (
        PROJECT["version"],
        PROJECT["version"],
        PROJECT["name"],
    )


def test_the_readme_says_who_owns_the_name() -> None:
    (named,) = re.findall(r"<!-- mcp-name: (\S+) -->", (ROOT / "README.md").read_text("utf-8"))
    assert named == SERVER["name"]


def test_its_variables_are_those_that_a_new_configuration_names_and_secrets_are_marked() -> None:
    variables = {variable["name"]: variable.get("isSecret", False) for variable in PACKAGE["environmentVariables"]}
    written = starter([kind for kind in available() if kind not in {"demo", "files"}])
    secrets = set(re.findall(r'env = "([A-Z_]+)"', written)) - {"NAME"}
    assert variables == {VARIABLE: False} | dict.fromkeys(secrets, True)
    assert len(variables) == len(PACKAGE["environmentVariables"])
