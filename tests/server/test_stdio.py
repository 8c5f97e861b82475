"""The server as a process of its own: real clients, hostile lines, and a quiet end."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client, StdioServerParameters

from doors import CANARY, DAY, ERAS, configured, environment, request, said, wired
from given import SHARED

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

CORPUS = SHARED / "corpora" / "json" / "test_parsing"
HOSTILE = {
    "nothing": b"",
    "no JSON": b"not json",
    "no object": b"[]",
    "no request": b'{"jsonrpc": "2.0"}',
    "50,000 deep": b"[" * 50_000 + b"]" * 50_000,
    "not UTF-8": b"\xff\xfe{}",
    "NUL": b"\x00",
    "5 MB": request("long", "tools/call", name="check_sources", arguments={"a": "A" * 5_000_000}),
    "unknown method": request("method", "tools/burn"),
    "unknown tool": request("tool", "tools/call", name=CANARY, arguments={}),
    "unknown version": b'{"jsonrpc":"2.0","id":"v","method":"tools/list","params":{"_meta":'
    b'{"io.modelcontextprotocol/protocolVersion":"1999-01-01"}}}',
}


def process(*arguments: str, here: Path) -> StdioServerParameters:
    """The command as clients start it."""
    return StdioServerParameters(
        command=sys.executable, args=["-m", "account_health", *arguments], env=environment(here), cwd=here
    )


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_finds_and_reads_an_account_over_stdio(era: Any, tmp_path: Path) -> None:
    async with Client(process("serve", "--demo", here=tmp_path), mode=era) as client:
        found = await client.call_tool("find_accounts", {"query": "northwind", "as_of": DAY})
        assert found.structured_content
        (account,) = found.structured_content["accounts"]
        summary = said(await client.call_tool("render_health_summary", {"account": account["id"], "as_of": DAY}))
    assert summary.startswith("## Health: Northwind Traders\n\n### Risk Flags\n")
    assert "Demo data" in summary


@pytest.mark.parametrize("era", ERAS)
async def test_a_running_server_takes_up_the_configuration_once_it_is_written(era: Any, tmp_path: Path) -> None:
    async with Client(process("serve", here=tmp_path), mode=era) as client:
        before = await client.call_tool("find_accounts")
        assert before.is_error
        assert "account-health init" in said(before)
        supplied = await client.call_tool("score_supplied_inputs", {"metrics": {"nps_latest": 9}})
        assert not supplied.is_error
        configured(tmp_path, account="account_id,name\nA-1,Acme\n")
        after = await client.call_tool("find_accounts")
        assert after.structured_content
        assert [found["name"] for found in after.structured_content["accounts"]] == ["Acme"]


async def test_hostile_lines_neither_stop_the_server_nor_spoil_its_output(tmp_path: Path) -> None:
    async with wired("serve", "--demo", here=tmp_path) as wire:
        for label, line in HOSTILE.items():
            await wire.send(line)
            assert len((await wire.ask(f"after {label}", "tools/list"))["result"]["tools"]) == 10
        assert await wire.hang_up() == 0


async def test_the_server_leaves_in_peace_when_nobody_ever_spoke(tmp_path: Path) -> None:
    async with wired("serve", here=tmp_path) as wire:
        assert await wire.hang_up() == 0


async def test_numbers_that_are_none_are_refused_on_the_wire_too(tmp_path: Path) -> None:
    async with wired("serve", here=tmp_path) as wire:
        for text in (b"NaN", b"Infinity", b"-Infinity", b"1e400", b"1" + b"0" * 400):
            line = request("n", "tools/call", name="score_supplied_inputs", arguments={"metrics": {"nps_latest": 7.25}})
            await wire.send(line.replace(b"7.25", text))
            assert "nps_latest" in refusal(await wire.answer("n"))


async def test_any_json_as_a_supplied_value_is_scored_or_refused_but_never_a_crash(tmp_path: Path) -> None:
    if not CORPUS.is_dir():
        pytest.skip("The JSON test suite is not laid beside the repository: nothing was checked.")
    answered = 0
    async with wired("serve", here=tmp_path) as wire:
        for number, file in enumerate(sorted(CORPUS.iterdir())):
            value = file.read_bytes().replace(b"\n", b" ").replace(b"\r", b" ")
            for metrics in (b'{"nps_latest": %b}' % value, value):
                line = request("j", "tools/call", name="score_supplied_inputs", arguments={"metrics": 7.25})
                await wire.send(line.replace(b"7.25", metrics).replace(b'"j"', str(number).encode()))
            # What is no JSON gets no answer, so the next question tells that the server is still there.
            for answer in await wire.earlier(f"after {file.name}"):
                answered += 1
                assert "Error executing" not in json.dumps(answer)
        assert await wire.hang_up() == 0
    assert answered > 200


def refusal(answer: dict[str, Any]) -> str:
    """The text of a tool's refusal."""
    assert answer["result"]["isError"]
    return str(answer["result"]["content"][0]["text"])
