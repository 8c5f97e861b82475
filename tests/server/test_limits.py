"""How large an answer may be: 100 KB as it travels; what was cut is said, and a list that was cut can be read on."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp.types import CallToolResult, ResourceLink, TextContent

from account_health.config import load_config
from account_health.errors import CallerError
from account_health.recording import record_all
from account_health.server.limits import MOST_BYTES, answer, cut_text, weight, within_limits
from account_health.workspace import Workspace
from doors import ERAS, NOW, configured, said, server_over

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ACCOUNTS = 120
RICH = 150
"""Rows of the first account in each of its tables."""
DAY = "2026-11-20"
BEFORE = datetime(2026, 7, 1, 9, tzinfo=UTC)


def lines(header: str, *rows: str) -> str:
    return "\n".join([header, *rows]) + "\n"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many accounts that all need somebody, with names, segments and subjects as long as they come."""

    def many(account: str, usual: int) -> range:
        return range(RICH if account == ids[0] else usual)

    long = "Wide " * 30
    ids = [f"A-{number:03}" for number in range(ACCOUNTS)]
    return configured(
        tmp_path_factory.mktemp("crowd"),
        account=lines(
            "account_id,name,segment,owner,arr,currency,renewal_date,contract_status",
            *(f"{i},{i} {long},{i} segment {long},{i} owner {long},1000,USD,2026-12-15,active" for i in ids),
        ),
        invoice=lines(
            "account_id,invoice_id,amount,currency,issued_at,due_at,status",
            *(f"{i},{i}-{n} {long},10,USD,2026-08-01,2026-09-01,open" for i in ids for n in many(i, 9)),
        ),
        survey_response=lines(
            "account_id,respondent,kind,score,responded_at",
            *(f"{i},{i}-{n} {long},nps,2,2026-11-01" for i in ids for n in many(i, 9)),
        ),
        ticket=lines(
            "account_id,ticket_id,opened_at,status,priority,subject,escalated_at",
            *(
                f'{i},{i}-{n} {long},2026-11-{n % 19 + 1:02},open,urgent,"{long * 4}",2026-11-{n % 19 + 1:02}'
                for i in ids
                for n in many(i, 6)
            ),
        ),
    )


@pytest.fixture(scope="module")
def remembered(crowd: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same accounts, recorded twice: on a day on which they were quiet, and on one on which all have flags."""
    path = tmp_path_factory.mktemp("remembered") / crowd.name
    shutil.copytree(crowd.parent, path.parent, dirs_exist_ok=True)
    with path.open("a", encoding="utf-8") as configuration:
        configuration.write('[history]\npath = "history.sqlite"\n')
    for day in (BEFORE, NOW):
        anyio.run(recorded, path, day)
    return path


async def recorded(path: Path, day: datetime) -> None:
    """Records all accounts as they stood."""
    await record_all(Workspace.open(load_config(path), lambda: day), "tester", lambda _done, _total: None)


def bytes_of(result: Any) -> int:
    return len(result.model_dump_json(by_alias=True, exclude_none=True).encode())


async def pages(client: Client, tool: str, **arguments: Any) -> list[CallToolResult]:
    """Every page of a list, one after the other."""
    found: list[CallToolResult] = []
    cursor = ""
    while not found or cursor:
        result = await client.call_tool(tool, {**arguments, "cursor": cursor})
        assert not result.is_error, said(result)
        assert result.structured_content
        found.append(result)
        cursor = result.structured_content.get("next_cursor", "")
    return found


@pytest.mark.parametrize("tool", ["list_at_risk_accounts", "find_accounts"])
async def test_a_page_that_would_be_too_large_is_smaller_says_so_and_loses_no_account(crowd: Path, tool: str) -> None:
    async with Client(server_over(crowd)) as client:
        found = await pages(client, tool, limit=100, as_of=DAY)
    assert [bytes_of(page) for page in found if bytes_of(page) > MOST_BYTES] == []
    contents = [page.structured_content or {} for page in found]
    accounts = [account["id"] for content in contents for account in content["accounts"]]
    assert sorted(accounts) == [f"A-{number:03}" for number in range(ACCOUNTS)]
    (told,) = [notice for notice in contents[0]["notices"] if "at a time" in notice]
    assert told == f"Only {len(contents[0]['accounts'])} at a time fit into 100 KB."


async def test_rows_that_do_not_fit_are_counted_and_the_answer_says_how_many_it_shows(crowd: Path) -> None:
    async with Client(server_over(crowd)) as client:
        result = await client.call_tool("fetch_inputs", {"account": "A-000", "limit": 100, "as_of": DAY})
    assert result.structured_content
    assert bytes_of(result) <= MOST_BYTES
    tickets = result.structured_content["tables"]["ticket"]
    assert tickets["total"] == RICH
    assert result.structured_content["notices"] == [f"Only {len(tickets['rows'])} at a time fit into 100 KB."]


ASKED: dict[str, dict[str, Any]] = {
    "find_accounts": {"limit": 100},
    "fetch_inputs": {"account": "A-001", "limit": 100},
    "score_account": {"account": "A-000"},
    "render_health_summary": {"account": "A-000"},
    "score_supplied_inputs": {"metrics": {"nps_latest": 2}, "account_name": "W" * 200},
    "check_sources": {},
    "list_at_risk_accounts": {"limit": 100},
    "get_portfolio_health": {},
    "explain_change": {"account": "A-000", "since": f"{BEFORE:%Y-%m-%d}"},
    "list_health_changes": {"limit": 100},
}
"""Every tool that reads, asked for as much as it gives."""


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", ASKED)
async def test_no_tool_answers_with_more(era: Any, tool: str, remembered: Path) -> None:
    async with Client(server_over(remembered), mode=era) as client:
        assert {listed.name for listed in (await client.list_tools()).tools} == set(ASKED)
        day = {} if tool == "list_health_changes" else {"as_of": DAY}
        result = await client.call_tool(tool, {**ASKED[tool], **day})
    assert not result.is_error, said(result)
    assert bytes_of(result) <= MOST_BYTES


async def test_what_happened_to_many_accounts_is_a_page_that_says_how_to_go_on(remembered: Path) -> None:
    async with Client(server_over(remembered)) as client:
        found = await pages(client, "list_health_changes", limit=100)
    assert [bytes_of(page) for page in found if bytes_of(page) > MOST_BYTES] == []
    contents = [page.structured_content or {} for page in found]
    assert sum(len(content["changes"]) for content in contents) == contents[0]["total"] > ACCOUNTS


def json_values() -> st.SearchStrategy[Any]:
    texts = st.text(st.characters(codec="utf-8"), max_size=2_000)
    return st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | texts,
        lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=10), inner, max_size=6),
        max_leaves=60,
    )


CUT: dict[str, Any] = {
    "many rows": {"rows": [{"text": "long " * 500} for _ in range(100)], "notices": ["kept"]},
    "signs that travel as several": {"rows": ["\u0001" * 50 for _ in range(2_000)]},
    "huge notices": {"notices": ["x" * 2_000 for _ in range(100)]},
}
REFUSED: dict[str, Any] = {
    "one text": {"text": "x" * 400_000},
    "many fields": {f"field {number}": "x" * 50 for number in range(5_000)},
    "lists of one": {"rows": [["x" * 100_000]]},
    "many lists of two": {f"list {number}": ["x" * 20, "y" * 20] for number in range(3_000)},
}


@pytest.mark.parametrize("facts", CUT.values(), ids=CUT)
def test_lists_of_any_shape_are_cut_until_they_fit(facts: dict[str, Any]) -> None:
    cut = within_limits(answer(facts))
    assert weight(cut) <= MOST_BYTES
    assert cut.structured_content
    assert cut.structured_content["notices"][-1].startswith("Shortened to 100 KB: ")
    assert " of " in cut.structured_content["notices"][-1]


@pytest.mark.parametrize("facts", REFUSED.values(), ids=REFUSED)
def test_what_has_no_part_worth_having_is_refused_with_what_to_do(facts: dict[str, Any]) -> None:
    with pytest.raises(CallerError, match=r"The answer would be larger than 100 KB\. Ask for less"):
        within_limits(answer(facts))


@settings(max_examples=50, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["a", "b", "notices"]), st.lists(json_values(), max_size=100), max_size=3))
def test_whatever_is_cut_fits_stays_whole_json_and_says_what_was_cut(facts: dict[str, Any]) -> None:
    facts |= {"notices": [], "many": [{"text": "long " * 500} for _ in range(100)]}
    cut = within_limits(answer(facts))
    assert weight(cut) <= MOST_BYTES
    (block,) = cut.content
    assert isinstance(block, TextContent)
    assert json.loads(block.text) == cut.structured_content
    assert cut.structured_content
    assert "many (" in cut.structured_content["notices"][-1]


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), st.integers(1, 60_000))
def test_a_text_of_any_signs_is_cut_to_what_travels(text: str, times: int) -> None:
    cut = cut_text(text * times)
    assert len(json.dumps(cut, ensure_ascii=False).encode()) <= MOST_BYTES
    assert cut == text * times or cut.endswith("\n\nShortened to 100 KB: this text.\n".removeprefix("\n"))


async def test_links_are_weighed_as_they_travel(tmp_path: Path) -> None:
    wide = "".join(f"{'漢' * 150}{number:05},Wide\n" for number in range(100))
    async with Client(server_over(configured(tmp_path, account=f"account_id,name\n{wide}"))) as client:
        for result in await pages(client, "find_accounts", limit=100):
            assert bytes_of(result) <= MOST_BYTES


def test_an_answer_that_fits_is_left_as_it_is() -> None:
    small = answer({"rows": [1, 2, 3], "notices": ["as it is"]})
    assert within_limits(small) is small


def test_what_only_a_host_reads_goes_before_anything_else_does() -> None:
    text = [TextContent(type="text", text="# Title")]
    whole = CallToolResult(content=text, _meta={"account-health/assessment": {"text": "x" * MOST_BYTES}})
    assert within_limits(whole) == CallToolResult(content=text)


def test_a_long_text_keeps_whole_lines_and_ends_with_what_happened() -> None:
    long = "".join(f"- line {number} é\n" for number in range(20_000))
    cut = cut_text(long)
    assert len(cut.encode()) <= MOST_BYTES
    kept, said_last = cut.removesuffix("\n").rsplit("\n\n", 1)
    assert long.startswith(f"{kept}\n")
    assert said_last == "Shortened to 100 KB: this text."
    assert cut_text("short\n") == "short\n"


async def test_lists_link_to_the_summary_of_each_account_and_concise_ones_do_not(crowd: Path) -> None:
    async with Client(server_over(crowd)) as client:
        for tool in ("find_accounts", "list_at_risk_accounts"):
            result = await client.call_tool(tool, {"limit": 3, "as_of": DAY})
            links = [block for block in result.content if isinstance(block, ResourceLink)]
            assert result.structured_content
            ids = [account["id"] for account in result.structured_content["accounts"]]
            assert [link.uri for link in links] == [f"health://accounts/{account}/summary" for account in ids]
            assert all(link.mime_type == "text/markdown" for link in links)
        (content,) = (await client.read_resource(links[0].uri)).contents
        assert str(getattr(content, "text", "")).startswith(f"## Health: {links[0].name[:5]}")
        brief = await client.call_tool("list_at_risk_accounts", {"limit": 3, "response_format": "concise"})
        assert [block.type for block in brief.content] == ["text"]


async def test_an_id_with_any_sign_in_it_is_linked_so_that_it_is_found(tmp_path: Path) -> None:
    path = configured(tmp_path, account='account_id,name\n"a/b?c#d é%41",Odd\n')
    async with Client(server_over(path)) as client:
        result = await client.call_tool("find_accounts")
        (link,) = [block for block in result.content if isinstance(block, ResourceLink)]
        (content,) = (await client.read_resource(link.uri)).contents
        assert str(getattr(content, "text", "")).startswith("## Health: Odd")
