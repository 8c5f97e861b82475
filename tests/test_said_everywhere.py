"""Everything the command line prints for people is said: nothing of ours stays English on the pages about a history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from account_health.errors import CallerError
from account_health.explained_change import as_markdown as explained
from account_health.explained_change import explain_change
from account_health.fetched import fetch_inputs
from account_health.health_changes import WantedChanges, as_markdown, health_changes
from account_health.language import speaking
from account_health.manual_status import prepare_status, write
from account_health.markup import visible
from account_health.said import StatusWish
from account_health.search import Wanted, as_table, heads, search
from account_health.source_check import check_sources
from account_health.terminal import print_sources
from doors import CANARY
from moving import workspace_on
from other_tongues import WIDE, unsaid

if TYPE_CHECKING:
    from account_health.config import Config

pytestmark = pytest.mark.anyio

OUTSIDE = "UTC USD EUR GBP default id"


async def names(config: Config) -> tuple[str, ...]:
    """What the rows themselves say: accounts, whole and cut, owners, and the ids of flags."""
    workspace = workspace_on(config)
    found = await search(workspace, Wanted(), 100)
    flags = " ".join(workspace.policy.flags).replace("_", " ")
    most = workspace.policy.limits.name_characters
    return (OUTSIDE, flags, *(f"{a.id} {a.name} {visible(a.name, most)} {a.owner}" for a in found.accounts))


async def test_a_list_is_said(recorded: Config) -> None:
    outside, workspace = await names(recorded), workspace_on(recorded)
    with speaking(WIDE):
        found = await search(workspace, Wanted(), 100, vocabulary="uman")
        cells = [*heads(found), *(cell for row in as_table(found, workspace.policy) for cell in row)]

    assert unsaid(" ".join(cells).replace("_", " "), *outside) == []


async def test_changes_and_statuses_are_said(recorded_copy: Config) -> None:
    outside, workspace = await names(recorded_copy), workspace_on(recorded_copy)
    with speaking(WIDE):
        wish = StatusWish("northwind", "Good", author=CANARY, expires="2099-12-31")
        told = await write(workspace, await prepare_status(workspace, wish))
        page = as_markdown(await health_changes(workspace, WantedChanges(), 100), workspace.policy)

    assert unsaid(f"{told.sentence}\n{page}", CANARY, *outside) == []


async def test_an_explained_change_is_said(recorded: Config) -> None:
    outside, workspace = await names(recorded), workspace_on(recorded)
    with speaking(WIDE):
        page = explained(await explain_change(workspace, "northwind"), workspace.policy)

    assert unsaid(page, *outside) == []


async def test_inputs_are_said(recorded: Config) -> None:
    workspace = workspace_on(recorded)
    with speaking(WIDE):
        found = await fetch_inputs(workspace, "northwind", "all", 20, None)
    labels = [line.connector or "" for line in found.inputs]

    assert unsaid(" ".join(line.sentence for line in found.inputs), *labels, OUTSIDE) == []


async def test_a_check_of_sources_is_said(recorded: Config, capfdbinary: Any) -> None:
    workspace = workspace_on(recorded)
    with speaking(WIDE):
        checked = await check_sources(workspace)
        print_sources(checked)
    printed = b"".join(capfdbinary.readouterr()).decode()
    keys = [f"{s.source} {s.connector} {t.table}" for s in checked.sources for t in s.tables]

    assert unsaid(printed.replace("_", " "), " ".join(keys).replace("_", " "), checked.history, OUTSIDE) == []


@pytest.mark.parametrize(
    "wish",
    [
        StatusWish("northwind", "Splendid"),
        StatusWish("northwind", "Good", vocabulary="klingon"),
        StatusWish("nobody at all", "Good"),
        StatusWish("northwind", "Good", expires="2001-01-01"),
        StatusWish("northwind", "Good", expires="soon"),
        StatusWish("northwind", "Good", description="see www.example.com"),
    ],
)
async def test_refusals_of_a_status_are_said(recorded: Config, wish: StatusWish) -> None:
    workspace = workspace_on(recorded)
    with speaking(WIDE):
        with pytest.raises(CallerError) as refused:
            await prepare_status(workspace, wish)
        sentence = refused.value.sentence

    assert unsaid(sentence, *workspace.policy.vocabularies, "find_accounts list TZ", OUTSIDE) == []
