"""The resources: methodology, reference and summaries, as a client reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError

from account_health.config import find_config, load_config
from account_health.policy import load_policy
from account_health.reference import sections
from account_health.server import create_server
from account_health.server.limits import MOST_BYTES
from doors import ERAS, clock, configured, demo_server, said, server_over

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
INVALID_PARAMS = -32602
SECTION = "health://reference/{section}"
SUMMARY = "health://accounts/{account}/summary"


async def read(client: Client, uri: str) -> str:
    """The only text of a resource, which is Markdown."""
    (content,) = (await client.read_resource(uri)).contents
    assert content.mime_type == "text/markdown"
    return str(getattr(content, "text", ""))


async def test_every_resource_is_listed_with_name_title_and_description(client: Client) -> None:
    listed = (await client.list_resources()).resources
    templates = (await client.list_resource_templates()).resource_templates
    ours = ["health://policy", "health://reference"]
    assert [resource.uri for resource in listed if not resource.uri.startswith("skill://")] == ours
    assert {template.uri_template for template in templates} == {SUMMARY, SECTION}
    assert all(resource.name and resource.title and resource.description for resource in listed)
    assert all(template.name and template.title and template.description for template in templates)


async def test_the_policy_tells_every_metric_flag_dimension_weight_curve_band_and_reason(client: Client) -> None:
    text, policy = await read(client, "health://policy"), load_policy()
    rows = [line for line in text.splitlines() if line.startswith("| ")]

    def row(key: str) -> str:
        (found,) = [row for row in rows if f"| `{key}` |" in row]
        return found

    for name, metric in policy.metrics.items():
        assert metric.reason in row(name)
        assert f"| {metric.unit} |" in row(name)
        if metric.weight:
            assert f"| {metric.weight:g} |" in row(name)
            assert row(name).count("→") == len(metric.curve)
    for name, flag in policy.flags.items():
        assert flag.action in row(name)
        assert flag.reason in row(name)
        assert all(f"`{condition}`" in row(name) for line in flag.raise_when for condition in line)
        assert all(rule.is_.value in row(name) for rule in flag.severity)
    for name, dimension in policy.dimensions.items():
        assert f"| {dimension.weight:g} | {dimension.reason} |" in row(name)
    assert text.startswith(f"# Scoring policy {policy.name} {policy.version} ({policy.ref.hash})\n")
    assert f"green from {policy.bands.green}, yellow from {policy.bands.yellow}" in text


async def test_the_reference_says_where_each_of_its_sections_is(client: Client) -> None:
    contents = await read(client, "health://reference")
    assert contents.startswith("# Reference")
    addresses = re.findall(r"\]\((health://[^)]+)\)", contents)
    pages = [await read(client, address) for address in addresses]
    whole = (ROOT / "REFERENCE.md").read_text("utf-8")
    titles = re.findall(r"^## .*", whole, re.MULTILINE)
    assert sorted(page.splitlines()[0] for page in pages) == sorted(titles)
    lines = whole.splitlines()
    assert [line for page in pages for line in page.splitlines() if line not in lines and "health://" not in line] == []
    assert sum(map(len, pages)) + len(contents) >= len(whole)


async def test_every_section_is_small_enough_to_be_read_whole(client: Client) -> None:
    for section in sections():
        page = await read(client, SECTION.format(section=section))
        assert len(page.encode()) < MOST_BYTES / 2
        assert "Shortened" not in page


async def test_a_section_that_is_not_there_is_refused_with_those_that_are(client: Client) -> None:
    with pytest.raises(MCPError, match=r"There is no such section\. Sections: sources, tables, ") as refusal:
        await client.read_resource(SECTION.format(section="nothing"))
    assert refusal.value.code == INVALID_PARAMS


async def test_clients_may_keep_what_is_the_same_for_all_and_account_data_only_for_themselves() -> None:
    async with Client(demo_server()) as client:
        lists: Any = [
            await client.list_tools(),
            await client.list_prompts(),
            await client.list_resources(),
            await client.list_resource_templates(),
        ]
        summary: Any = await client.read_resource(SUMMARY.format(account="northwind"))
    assert {(found.ttl_ms, found.cache_scope) for found in lists} == {(300_000, "public")}
    assert (summary.ttl_ms, summary.cache_scope) == (60_000, "private")


async def test_a_summary_is_what_the_tool_renders(client: Client) -> None:
    for account in ("northwind", "trickster", "moonbeam", "northwind.example"):
        rendered = said(await client.call_tool("render_health_summary", {"account": account}))
        assert await read(client, SUMMARY.format(account=account)) == rendered


async def test_a_name_with_blanks_is_found_by_its_encoded_address(client: Client) -> None:
    assert (await read(client, SUMMARY.format(account="Northwind%20Traders"))).startswith("## Health: Northwind")


@pytest.mark.parametrize("account", ["nobody", "..", "Kestrel%20Frieght"])
async def test_a_summary_of_no_account_does_not_exist(client: Client, account: str) -> None:
    with pytest.raises(MCPError) as refusal:
        await client.read_resource(SUMMARY.format(account=account))
    assert refusal.value.code == INVALID_PARAMS


async def test_the_nearest_names_are_named(client: Client) -> None:
    with pytest.raises(MCPError, match="Nearest: Kestrel Freight"):
        await client.read_resource(SUMMARY.format(account="Kestral"))


@pytest.mark.parametrize("era", ERAS)
async def test_without_a_configuration_methodology_and_reference_can_still_be_read(era: Any, tmp_path: Path) -> None:
    server = create_server(lambda: load_config(find_config(None, {}, tmp_path)), clock)
    async with Client(server, mode=era) as client:
        assert load_policy().ref.hash in await read(client, "health://policy")
        assert (await read(client, "health://reference")).startswith("# Reference")
        with pytest.raises(MCPError, match="account-health init"):
            await client.read_resource(SUMMARY.format(account="A"))


@pytest.mark.parametrize("era", ERAS)
async def test_the_methodology_is_that_of_the_configured_policy(era: Any, tmp_path: Path) -> None:
    own = 'extends = "default"\nname = "ours"\nversion = "7"\n[bands]\ngreen = 80\n'
    (tmp_path / "ours.toml").write_text(own)
    configuration = configured(tmp_path, 'policy = "ours.toml"', account="account_id,name\nA,Acme\n")
    async with Client(server_over(configuration), mode=era) as client:
        text = await read(client, "health://policy")
    assert text.startswith("# Scoring policy ours 7 (")
    assert "green from 80" in text


@pytest.mark.parametrize("era", ERAS)
async def test_a_faulty_policy_is_named_with_its_fault(era: Any, tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text('extends = "default"\ncolour = 1\n')
    configuration = configured(tmp_path, 'policy = "ours.toml"', account="account_id,name\nA,Acme\n")
    async with Client(server_over(configuration), mode=era) as client:
        for uri in ("health://policy", SUMMARY.format(account="A")):
            with pytest.raises(MCPError, match="colour: unknown key"):
                await client.read_resource(uri)


@pytest.mark.parametrize("era", ERAS)
async def test_a_name_of_several_accounts_gets_the_candidates(era: Any, tmp_path: Path) -> None:
    configuration = configured(tmp_path, account="account_id,name\nA,Acme\nB,Acme\n")
    async with Client(server_over(configuration), mode=era) as client:
        with pytest.raises(MCPError, match="2 accounts fit: Acme \\(id `A`\\); Acme \\(id `B`\\)"):
            await client.read_resource(SUMMARY.format(account="Acme"))
