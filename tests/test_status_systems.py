"""The table of what other status systems do: every command and tool in it exists, and every test that proves a line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from account_health.server.tools import tools

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "REFERENCE.md").read_text("utf-8")
SECTION = REFERENCE.partition("\n## Status systems\n")[2].partition("\n## ")[0]
LINES = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if line.startswith("| ") and "`" in line]
SYSTEMS = {"uman.ai": 11, "Pipeline CRM": 8, "Sage Intacct": 14}
"""How many capabilities each of them describes to its users."""


def test_every_capability_of_each_system_has_a_line() -> None:
    assert {system: sum(line[0] == system for line in LINES) for system in SYSTEMS} == SYSTEMS
    assert len(LINES) == sum(SYSTEMS.values())


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[1])
def test_what_a_line_names_exists(line: list[str]) -> None:
    _, _, doers, proof = line
    for doer in re.findall(r"`([^`]+)`", doers):
        command, *options = doer.split(" --")
        if command.startswith("account-health "):
            section = REFERENCE.partition(f"\n### `{command}`\n")[2].partition("\n### ")[0]
            assert section, f"there is no command {command}"
            assert [option for option in options if f"`--{option.split()[0]}`" not in section] == []
        else:
            assert command in {tool.name for tool in tools("confirm", publishes=True)}
    path, _, name = proof.strip("`").partition("::")
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), proof
