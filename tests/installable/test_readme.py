"""README.md, "With an assistant": what it says to copy is understood by clients and starts the server."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from account_health.server.tools import tools
from doors import COMMAND, PATIENCE, configured, environment
from installable.judges import BESIDE_PYTHON, CLAUDE, CODEX, ROOT, surroundings, vendored

if TYPE_CHECKING:
    from pathlib import Path

SECTION = (ROOT / "README.md").read_text("utf-8").split("## With an assistant\n")[1].split("\n## ")[0]
BLOCKS = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)]
LINES = [shlex.split(part) for line in re.findall(r"`((?:claude|codex) [^`]+)`", SECTION) for part in line.split("&&")]
PROGRAMS = {"claude": CLAUDE, "codex": CODEX}
NAMES = [tool.name for tool in tools()]


def started(block: dict[str, Any]) -> list[str]:
    """The words that a block starts the server with, in whichever client's form."""
    ((_, servers),) = block.items()
    server = servers["account-health"]
    return server["command"] if isinstance(server["command"], list) else [server["command"], *server["args"]]


def with_ours(words: list[str], config: Path) -> list[str]:
    """The same with the paths of this machine."""
    ours = {
        "/path/to/.venv/bin/account-health": str(BESIDE_PYTHON / "account-health"),
        "/path/to/account-health.toml": str(config),
    }
    return [ours.get(word, word) for word in words]


async def listed(target: StdioServerParameters | str) -> list[str]:
    """The tools of a server."""
    with anyio.fail_after(PATIENCE):
        async with Client(target) as client:
            return [tool.name for tool in (await client.list_tools()).tools]


def test_each_client_has_its_own_form() -> None:
    assert [next(iter(block)) for block in BLOCKS] == ["mcpServers", "servers", "mcp"]
    assert {line[0] for line in LINES} == set(PROGRAMS)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: next(iter(block)))
def test_each_block_starts_a_server_with_its_tools(block: dict[str, Any], tmp_path: Path) -> None:
    config = configured(tmp_path, account="account_id,name\nA-1,Northpole\n")
    command, *arguments = with_ours(started(block), config)
    server = StdioServerParameters(command=command, args=arguments, env=environment(tmp_path))
    assert anyio.run(listed, server) == NAMES


def test_each_line_is_understood_and_claude_code_reaches_the_server(tmp_path: Path) -> None:
    asked = [with_ours(line, tmp_path) for line in LINES]
    assert len(asked) == 7
    servers: list[tuple[str, Path]] = []
    for program, *words in asked:
        # Every line tells of the same server in another way, and a client has a name but once.
        home = tmp_path / f"{program}-{len(servers)}"
        home.mkdir(exist_ok=True)
        vendored(PROGRAMS[program], *words, home=home)
        if words[:2] == ["mcp", "add"]:
            servers.append((program, home))
    (first, *_) = [home for program, home in servers if program == "claude"]
    assert "Connected" in vendored(CLAUDE, "mcp", "get", "account-health", home=first)
    (codex,) = [home for program, home in servers if program == "codex"]
    (kept,) = json.loads(vendored(CODEX, "mcp", "list", "--json", home=codex))
    command = [kept["transport"]["command"], *kept["transport"]["args"]]
    assert command == [str(BESIDE_PYTHON / "account-health"), "serve", "--demo"]


def test_the_address_for_several_clients_is_the_one_that_is_served(tmp_path: Path) -> None:
    (line,) = re.findall(r"`account-health (serve --transport http --port (\d+))`", SECTION)
    (address,) = set(re.findall(r"http://\S+/mcp\b", SECTION))
    assert address == f"http://127.0.0.1:{line[1]}/mcp"
    words = [*shlex.split(line[0])[:-1], "0", "--demo"]
    with subprocess.Popen(
        [*COMMAND, *words], env=surroundings(tmp_path), stderr=subprocess.PIPE, encoding="utf-8"
    ) as server:
        assert server.stderr
        try:
            (served,) = re.findall(r"http://\S+/mcp\b", server.stderr.readline())
            assert re.sub(r":\d+/", f":{line[1]}/", served) == address
            assert anyio.run(listed, served) == NAMES
        finally:
            server.terminate()
