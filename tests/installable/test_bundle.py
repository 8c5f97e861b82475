"""The MCP bundle: its own packer takes it, its manifest names the real tools, and it starts from what was packed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from account_health.config import load_config
from account_health.server.tools import tools
from doors import CANARY, DAY, PATIENCE, configured, demo_server
from installable.judges import BESIDE_PYTHON, MCPB, REQUIRED, ROOT, surroundings, vendored
from vendors.prism import NODE, needed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

MANIFEST = json.loads((ROOT / "mcpb" / "manifest.json").read_text("utf-8"))
HOST = """
import { readFileSync } from "node:fs";
const [packer, folder, filledIn] = process.argv.slice(2);
const { getMcpConfigForManifest } = await import(packer);
const manifest = JSON.parse(readFileSync(`${folder}/manifest.json`, "utf8"));
const userConfig = JSON.parse(filledIn);
const options = { manifest, extensionPath: folder, systemDirs: {}, userConfig, pathSeparator: "/" };
console.log(JSON.stringify(await getMcpConfigForManifest(options)));
"""
"""How a host fills in a manifest, by the code that the packer offers for it."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed bundle, unpacked again as a host does it."""
    needed([NODE, MCPB], required=REQUIRED)
    folder = tmp_path_factory.mktemp("bundle")
    packed = folder / "account-health.mcpb"
    subprocess.run([ROOT / ".ci" / "bundle", packed], check=True, capture_output=True, timeout=PATIENCE)
    vendored(MCPB / "cli" / "cli.js", "unpack", packed, folder / "unpacked", home=folder)
    return folder / "unpacked"


def filled_in(bundle: Path, home: Path, **values: Any) -> StdioServerParameters:
    """How a host starts the server after somebody filled in the form; uv takes what this environment has."""
    script = home / "host.mjs"
    script.write_text(HOST, "utf-8")
    config = json.loads(vendored(script, (MCPB / "index.js").as_uri(), bundle, json.dumps(values), home=home))
    offline = {"UV_OFFLINE": "1", "UV_NO_SYNC": "1", "UV_PROJECT_ENVIRONMENT": str(BESIDE_PYTHON.parent)}
    # The sources of the bundle come first, so that they are what is tried, and not the ones that are installed.
    env = {**surroundings(home), **offline, "PYTHONPATH": str(bundle / "src")}
    command = shutil.which(config["command"], path=env["PATH"])
    assert command
    return StdioServerParameters(command=command, args=config["args"], env=env)


async def answer(server: StdioServerParameters, tool: str, **arguments: Any) -> tuple[list[str], str]:
    """The tools of the server, and what one of them says."""
    with anyio.fail_after(PATIENCE):
        async with Client(server) as client:
            listed = [found.name for found in (await client.list_tools()).tools]
            (block, *_) = (await client.call_tool(tool, arguments)).content
    assert block.type == "text"
    return listed, block.text


def test_the_packers_own_validator_accepts_the_manifest(tmp_path: Path) -> None:
    said = vendored(MCPB / "cli" / "cli.js", "validate", ROOT / "mcpb" / "manifest.json", home=tmp_path)
    assert "Manifest schema validation passes!" in said


def test_the_packers_own_validator_refuses_a_manifest_that_lacks_something(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST | {"user_config": {"demo": {}}}), "utf-8")
    with pytest.raises(AssertionError, match="user_config"):
        vendored(MCPB / "cli" / "cli.js", "validate", tmp_path / "manifest.json", home=tmp_path)


async def test_the_manifest_names_the_tools_prompts_and_version_that_there_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert [tool["name"] for tool in MANIFEST["tools"]] == [tool.name for tool in tools()]
    assert [tool["description"] for tool in MANIFEST["tools"]] == [tool.description.splitlines()[0] for tool in tools()]
    assert (MANIFEST["version"], MANIFEST["manifest_version"]) == (project["version"], "0.4")
    assert MANIFEST["compatibility"]["runtimes"]["python"] == project["requires-python"]
    assert MANIFEST["prompts_generated"] == bool(await demo_server().list_prompts())


def test_the_form_says_how_secrets_reach_a_server_that_no_shell_starts(tmp_path: Path) -> None:
    about = MANIFEST["user_config"]["configuration"]["description"]
    (written,) = re.findall(r"{ file = .+? }", about)
    secret = tmp_path / "token.txt"
    secret.write_text(f"{CANARY}\n", "utf-8")
    secret.chmod(0o600)
    path = tmp_path / "account-health.toml"
    named = written.replace("PATH", secret.name)
    path.write_text(f'[sources.crm]\nconnector = "hubspot"\ntoken = {named}\n', "utf-8")
    (source,) = load_config(path, {}).sources
    assert source.settings["token"].get_secret_value() == CANARY
    assert "variables of your shell" in about


def test_the_bundle_holds_what_the_package_is_built_from_and_nothing_else(unpacked: Path) -> None:
    assert {path.name for path in unpacked.iterdir()} == {
        *("manifest.json", "server.py", "pyproject.toml", "src", "templates"),
        *("LICENSE", "README.md", "REFERENCE.md", "SKILL.md"),
    }
    assert list(unpacked.rglob("__pycache__")) == []


async def test_the_demo_answers_from_the_unpacked_bundle(unpacked: Path, tmp_path: Path) -> None:
    server = filled_in(unpacked, tmp_path, demo=True)
    listed, said = await answer(server, "render_health_summary", account="northwind", as_of=DAY)
    assert listed == [tool["name"] for tool in MANIFEST["tools"]]
    assert said.startswith("## Health: Northwind Traders")
    where = "import account_health; print(account_health.__file__)"
    run = [server.command, "run", "--directory", str(unpacked), "python", "-c", where]
    found = await anyio.run_process(run, env=server.env)
    assert found.stdout.decode().startswith(str(unpacked))


async def test_the_configuration_that_was_filled_in_is_used(unpacked: Path, tmp_path: Path) -> None:
    path = configured(tmp_path / "with a space", account="account_id,name\nA-1,Northpole\n")
    _, said = await answer(filled_in(unpacked, tmp_path, configuration=str(path)), "find_accounts")
    assert "Northpole" in said


async def test_an_empty_form_starts_a_server_that_says_what_is_missing(unpacked: Path, tmp_path: Path) -> None:
    _, said = await answer(filled_in(unpacked, tmp_path), "find_accounts")
    assert "There is no configuration" in said
