"""How far a question has come: told to clients that want to know, step by step, never backwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client

from doors import ERAS, configured, server_over

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ROWS = "account_id,name\n" + "".join(f"A-{n},Account {n}\n" for n in range(30))
Step = tuple[float, float | None, str | None]


async def steps(folder: Path, era: Any, tool: str, **arguments: Any) -> list[Step]:
    """What a client is told while the tool answers, on a server that has read nothing yet."""
    heard: list[Step] = []

    async def listen(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with Client(server_over(configured(folder, account=ROWS)), mode=era) as client:
        result = await client.call_tool(tool, arguments, progress_callback=listen)
    assert not result.is_error
    return heard


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("find_accounts", {}),
        ("list_at_risk_accounts", {}),
        ("get_portfolio_health", {}),
        ("score_account", {"account": "A-1"}),
        ("fetch_inputs", {"account": "A-1"}),
    ],
)
async def test_each_source_that_is_read_is_a_step_and_so_is_the_score(
    era: Any, tool: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    heard = await steps(tmp_path, era, tool, **arguments)
    messages = [message for _, _, message in heard]
    assert messages[0] == "Read: files"
    assert messages[-2:] == ["All sources are read.", "Scores are computed."]


@pytest.mark.parametrize("era", ERAS)
async def test_what_is_done_grows_with_every_step_and_no_share_of_an_unknown_whole_is_claimed(
    era: Any, tmp_path: Path
) -> None:
    heard = await steps(tmp_path, era, "list_at_risk_accounts")
    assert [(done, total) for done, total, _ in heard] == [(number, None) for number in range(1, len(heard) + 1)]


@pytest.mark.parametrize("era", ERAS)
async def test_steps_are_told_in_the_language_of_the_call(era: Any, tmp_path: Path) -> None:
    heard = await steps(tmp_path, era, "score_account", account="A-1", language="fr")
    assert heard[0][2] == "Lu\xa0: fichiers"


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_does_not_ask_is_told_nothing(era: Any, tmp_path: Path) -> None:
    told: list[Any] = []

    async def hear(message: Any) -> None:
        told.append(message)

    async with Client(server_over(configured(tmp_path, account=ROWS)), mode=era, message_handler=hear) as client:
        await client.call_tool("list_at_risk_accounts")
    assert told == []
