"""A month in the life of the demo portfolio: assessed every morning, with statuses set and sources lost and found."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import pytest

from account_health.at_risk import WantedAtRisk, at_risk
from account_health.chronicle import Phase
from account_health.explained_change import as_markdown as change_as_markdown
from account_health.explained_change import explain_change
from account_health.health_changes import WantedChanges, as_markdown, health_changes
from account_health.language import ENGLISH, languages, speaking
from account_health.manual_status import prepare_flag, prepare_status, write
from account_health.markup import visible
from account_health.overview import Overview
from account_health.portfolio import portfolio_health
from account_health.render import render_at_risk, render_portfolio, render_summary
from account_health.said import FlagWish, StatusWish
from moving import moving_config, recorded_by, rows_in, workspace_on
from other_tongues import WIDE, unsaid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from account_health.config import Config

FIRST_DAY = 30
"""Days before the last one."""

HELPDESK_DOWN = range(20, 17, -1)
"""Days on which the export of tickets is missing."""

KESTREL_AWAY = range(12, 9, -1)
"""Days on which one account is missing from the CRM's list."""

SAID: dict[int, Sequence[StatusWish | FlagWish]] = {
    25: [StatusWish("northwind", "Good", description="The sponsor is happy", author="Mara")],
    15: [
        StatusWish("northwind", "At Risk", "uman", "4711 is still open", "Mara", "2026-11-16"),
        FlagWish("copperkettle", "nps_detractor", Phase.ACKNOWLEDGED, author="Mara", note="Call is planned"),
    ],
    8: [FlagWish("copperkettle", "nps_detractor", Phase.SNOOZED, "2026-11-18", author="Mara")],
    5: [
        StatusWish("fernhollow", "Escalated", "intacct", author="Ines"),
        StatusWish("quillmark", "Good", author="Tomas"),
    ],
    2: [StatusWish("quillmark", "none", author="Tomas")],
}
"""What people say, by days before the last one."""

SPEAKERS = ("Mara", "Ines", "Tomas")
EXPLAINED = ("fernhollow", "northwind", "kestrel")


@dataclass(frozen=True)
class Month:
    """What was printed day by day, and the configuration whose history holds it."""

    config: Config
    pages: tuple[str, ...]


@contextmanager
def _without(path: Path, *, keep: Callable[[str], bool] | None = None) -> Iterator[None]:
    """For one day the file is gone, or only some of its lines are kept."""
    content = path.read_text("utf-8")
    if keep is None:
        path.unlink()
    else:
        path.write_text("\n".join(line for line in content.splitlines() if keep(line)), "utf-8")
    yield
    path.write_text(content, "utf-8")


async def _day(config: Config, days_before: int) -> str:
    """The morning's run, what people say later, and what the day's report says of it all."""
    workspace = workspace_on(config, days_before)
    recorded = await recorded_by(workspace)
    for wish in SAID.get(days_before, ()):
        if isinstance(wish, StatusWish):
            await write(workspace, await prepare_status(workspace, wish))
        else:
            await write(workspace, await prepare_flag(workspace, wish))
    since = recorded.as_of.date().isoformat()
    changes = await health_changes(workspace, WantedChanges(since=since), 100)
    return f"# {since}\n\n{recorded.sentence}\n\n{as_markdown(changes, workspace.policy)}\n"


async def _last_day(config: Config) -> list[str]:
    """Every report on the last day."""
    workspace = workspace_on(config)
    overview, policy = Overview(workspace), workspace.policy
    pages = [
        render_at_risk(await at_risk(overview, WantedAtRisk(), 100, vocabulary="uman"), policy),
        render_portfolio(await portfolio_health(overview, vocabulary="pipeline"), policy),
    ]
    for account in EXPLAINED:
        change = await explain_change(workspace, account)
        pages.append(f"# {account}\n\n{change_as_markdown(change, policy)}\n")
        pages.append(render_summary(await workspace.assess(account), policy))
    return pages


def lived(folder: Path) -> Month:
    """The whole month, in a folder of its own."""
    config = moving_config(folder)
    pages = []
    for days_before in range(FIRST_DAY, -1, -1):
        if days_before in HELPDESK_DOWN:
            with _without(folder / "ticket.jsonl"):
                pages.append(anyio.run(_day, config, days_before))
        elif days_before in KESTREL_AWAY:
            with _without(folder / "account.jsonl", keep=lambda line: '"kestrel"' not in line):
                pages.append(anyio.run(_day, config, days_before))
        else:
            pages.append(anyio.run(_day, config, days_before))
    return Month(config, (*pages, *anyio.run(_last_day, config)))


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return lived(tmp_path_factory.mktemp("month"))


def test_the_month_reads_byte_for_byte_as_it_did(month: Month, snapshot: SnapshotAssertion) -> None:
    assert "\n".join(month.pages) == snapshot


@pytest.mark.parametrize("code", [code for code in languages() if code != ENGLISH])
def test_the_last_day_of_the_month_stays_as_it_was_read_in_another_language(
    month: Month, code: str, snapshot: SnapshotAssertion
) -> None:
    async def told() -> list[str]:
        workspace = workspace_on(month.config)
        changes = await health_changes(workspace, WantedChanges(), 100)
        return [*await _last_day(month.config), as_markdown(changes, workspace.policy)]

    with speaking(code):
        assert "\n".join(anyio.run(told)) == snapshot


def test_the_last_day_of_the_month_says_every_word_of_ours(month: Month) -> None:
    with speaking(WIDE):
        pages = anyio.run(_last_day, month.config)

    accounts = [json.loads(line) for line in (month.config.folder / "account.jsonl").read_text("utf-8").splitlines()]
    policy = workspace_on(month.config).policy
    most, names = policy.limits.name_characters, ("account_id", "name", "owner", "segment")
    outside = [visible(str(account.get(name) or ""), most) for account in accounts for name in names]
    known = (*outside, *SPEAKERS, policy.ref.hash, "UTC USD EUR default id JSON lines")
    assert [unsaid(page, *known) for page in pages] == [[]] * len(pages)


def test_a_helpdesk_that_is_down_clears_no_flag(month: Month) -> None:
    down = month.pages[FIRST_DAY - HELPDESK_DOWN.start : FIRST_DAY - HELPDESK_DOWN.stop]

    assert all("scored 10 of 13" in page for page in down)
    assert [
        page for page in down if "Support spike cleared" in page or "Escalation in last 90 days cleared" in page
    ] == []


def test_an_account_that_leaves_the_list_comes_back_with_its_history(month: Month) -> None:
    kestrel = next(page for page in month.pages if page.startswith("# kestrel"))

    assert "Since 2026-10-22: 79 → 72" in kestrel


def test_every_day_is_a_run_and_no_reading_is_kept_twice(month: Month) -> None:
    assert rows_in(month.config, "run") == FIRST_DAY + 1
    assert rows_in(month.config, "assessment") <= 13 * (FIRST_DAY + 1) + 1
    before = rows_in(month.config, "assessment")
    anyio.run(recorded_by, workspace_on(month.config))
    assert rows_in(month.config, "assessment") == before
