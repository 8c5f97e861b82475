"""The plugin: the programs that install it take it, its skill is the one skill, and its server starts.

Claude Code and Codex are asked themselves. Cursor has no program for this: `agnix` and `skillsaw` know its format.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import anyio
import pytest
from mcp import Client, StdioServerParameters

from account_health.server.tools import tools
from doors import PATIENCE
from installable.judges import BESIDE_PYTHON, CLAUDE, CODEX, ROOT, judged, surroundings, vendored

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = ROOT / "plugins" / "account-health"
SKILL = PLUGIN / "skills" / "account-health"
PLACES = (".claude-plugin", ".cursor-plugin", ".agents", "plugins")


@pytest.fixture
def laid_out(tmp_path: Path) -> Path:
    """A copy of all that belongs to the plugin, without the rest of the repository, which judges would read too."""
    for place in PLACES:
        shutil.copytree(ROOT / place, tmp_path / "copy" / place)
    return tmp_path / "copy"


def broken(manifest: Path) -> None:
    """Takes the name out of a manifest."""
    document = json.loads(manifest.read_text("utf-8"))
    del document["name"]
    manifest.write_text(json.dumps(document), "utf-8")


def test_the_skill_is_the_one_skill_with_its_reference() -> None:
    assert (SKILL / "SKILL.md").read_bytes() == (ROOT / "SKILL.md").read_bytes()
    assert (SKILL / "references" / "REFERENCE.md").read_bytes() == (ROOT / "REFERENCE.md").read_bytes()


def test_the_skill_is_valid_where_it_lies(tmp_path: Path) -> None:
    assert "Valid skill" in judged(BESIDE_PYTHON / "agentskills", "validate", SKILL, home=tmp_path)


@pytest.mark.parametrize("place", [".", "plugins/account-health"])
def test_claude_codes_own_validator_accepts_marketplace_and_plugin(place: str, tmp_path: Path) -> None:
    assert "Validation passed" in vendored(CLAUDE, "plugin", "validate", "--strict", place, home=tmp_path)


def test_claude_codes_own_validator_refuses_a_marketplace_without_a_name(laid_out: Path, tmp_path: Path) -> None:
    broken(laid_out / ".claude-plugin" / "marketplace.json")
    with pytest.raises(AssertionError, match="name"):
        vendored(CLAUDE, "plugin", "validate", laid_out, home=tmp_path)


def test_codex_installs_the_plugin_with_skill_and_server(tmp_path: Path) -> None:
    vendored(CODEX, "plugin", "marketplace", "add", ROOT, home=tmp_path)
    vendored(CODEX, "plugin", "add", "account-health@account-health", home=tmp_path)
    (server,) = json.loads(vendored(CODEX, "mcp", "list", "--json", home=tmp_path))
    assert (server["transport"]["command"], server["transport"]["args"]) == ("account-health", ["serve"])
    (skill,) = (tmp_path / ".codex").rglob("SKILL.md")
    assert skill.read_bytes() == (ROOT / "SKILL.md").read_bytes()


@pytest.mark.parametrize("target", ["generic", "claude-code", "cursor", "codex"])
def test_agnix_finds_no_fault_in_it(target: str, laid_out: Path, tmp_path: Path) -> None:
    said = judged(BESIDE_PYTHON / "agnix", "--strict", "--target", target, ".", home=tmp_path, here=laid_out)
    assert "Found 0 errors, 0 warnings" in said or "No issues found" in said


@pytest.mark.parametrize("host", [".claude-plugin", ".cursor-plugin", ".codex-plugin"])
def test_skillsaw_finds_no_fault_in_it_and_would(host: str, laid_out: Path, tmp_path: Path) -> None:
    asked = (BESIDE_PYTHON / "skillsaw", "lint", laid_out, "--strict", "--no-plugins")
    assert "Errors:   0\n  Warnings: 0" in judged(*asked, home=tmp_path)
    broken(laid_out / "plugins" / "account-health" / host / "plugin.json")
    with pytest.raises(AssertionError, match="name"):
        judged(*asked, home=tmp_path)


def test_the_server_of_the_plugin_starts_by_its_own_lines(tmp_path: Path) -> None:
    (server,) = json.loads((PLUGIN / ".mcp.json").read_text("utf-8"))["mcpServers"].values()
    env = surroundings(tmp_path)
    command = shutil.which(server["command"], path=env["PATH"])
    assert command

    async def listed() -> list[str]:
        with anyio.fail_after(PATIENCE):
            async with Client(StdioServerParameters(command=command, args=server["args"], env=env)) as client:
                return [tool.name for tool in (await client.list_tools()).tools]

    assert anyio.run(listed) == [tool.name for tool in tools()]
