"""The overview: recorded standings while they are fresh, computed ones else, and the answer says which."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from account_health.chronicle import Phase
from account_health.config import DEMO, Config, HistorySettings
from account_health.errors import SourceError
from account_health.manual_status import prepare_flag, prepare_status, write
from account_health.overview import Overview
from account_health.recording import record_one
from account_health.said import FlagWish, StatusWish
from account_health.workspace import Workspace
from doors import DAY, NOW, clock, configured, workspace_over
from given import DEFAULT_POLICY, account
from moving import clock_before, customer, history_of, recorded_by, rows_in, workspace_given, workspace_on

if TYPE_CHECKING:
    from pathlib import Path

    from account_health.overview import View

pytestmark = pytest.mark.anyio

RECORDED = "As recorded at 2026-11-21 09:00 UTC by `assess --all`."
HOURS = 1 / 24
LAST = NOW.replace(tzinfo=None)


def with_fresh_hours(config: Config, hours: float) -> Config:
    return replace(config, history=replace(config.history, fresh_hours=hours))


def damaged(config: Config) -> Config:
    """The configuration with a history that is none."""
    history_of(config).write_bytes(b"This was never a database. " * 100)
    return config


async def view_on(config: Config, days_before: float = 0) -> View:
    return await Overview(workspace_on(config, days_before)).view()


# --- Which of the two -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [0, 1, 25.5, 26])
async def test_a_recorded_run_answers_while_it_is_fresh_and_the_answer_says_so(recorded: Config, hours: float) -> None:
    view = await view_on(recorded, -hours * HOURS)
    assert view.standings.is_recorded
    assert view.notices == (RECORDED,)
    assert (view.as_of, view.standings.as_of) == (NOW, LAST)


@pytest.mark.parametrize("hours", [26.1, 24 * 30])
async def test_an_older_run_is_not_used(recorded: Config, hours: float) -> None:
    view = await view_on(recorded, -hours * HOURS)
    assert not view.standings.is_recorded
    assert not [notice for notice in view.notices if "recorded" in notice]
    assert view.as_of > NOW


@pytest.mark.parametrize(("hours", "is_recorded"), [(0, False), (0.5, False), (1, True), (48, True)])
async def test_how_long_a_run_is_fresh_is_a_setting(recorded: Config, hours: float, *, is_recorded: bool) -> None:
    view = await view_on(with_fresh_hours(recorded, hours), -HOURS)
    assert view.standings.is_recorded is is_recorded


async def test_a_setting_of_no_hours_means_never_even_at_the_instant_of_the_run(recorded: Config) -> None:
    assert not (await view_on(with_fresh_hours(recorded, 0))).standings.is_recorded


async def test_another_day_or_a_wish_for_fresh_data_is_computed_anew(recorded: Config) -> None:
    overview = Overview(workspace_on(recorded))
    for view in (await overview.view(DAY), await overview.view(refresh=True), await overview.view("2026-11-20")):
        assert not view.standings.is_recorded
        assert view.notices == ()
    assert (await overview.view("2026-11-20")).as_of.isoformat().startswith("2026-11-20T23:59:59")


async def test_both_ways_give_the_same_standings_at_the_instant_of_the_run(recorded: Config) -> None:
    overview = Overview(workspace_on(recorded))
    then, now = (await overview.view()).standings, (await overview.view(refresh=True)).standings
    assert (then.accounts, then.rounded.tolist()) == (now.accounts, pytest.approx(now.rounded.tolist(), nan_ok=True))
    assert then.tiers.tolist() == now.tiers.tolist()
    assert then.profiles == now.profiles


async def test_what_is_recorded_after_the_asked_instant_is_not_used(recorded: Config) -> None:
    overview = Overview(workspace_on(recorded, 7 - HOURS))
    view = await overview.view()
    assert view.standings.is_recorded
    assert view.standings.as_of == LAST - timedelta(days=7)
    before = await overview.before(LAST - timedelta(days=7))
    assert before
    assert view.standings.rounded.tolist() == pytest.approx(before.standings.rounded.tolist(), nan_ok=True)
    frozen = Overview(Workspace.open(replace(recorded, as_of="2026-11-14T09:30:00Z"), clock))
    assert (await frozen.view()).standings.as_of == LAST - timedelta(days=7)


async def test_an_account_that_was_read_after_the_run_is_as_it_was_read_last(recorded_copy: Config) -> None:
    (recorded_copy.folder / "survey_response.jsonl").write_text("", "utf-8")
    assert (await record_one(workspace_on(recorded_copy, -2 * HOURS), "northwind", "tester")).added == 1
    view = await view_on(recorded_copy, -2 * HOURS)
    assert view.notices == (RECORDED,)
    assert view.as_of == NOW + timedelta(hours=2)
    row, column = view.standings.rows["northwind"], view.standings.matrix.column("nps_latest")
    assert not view.standings.matrix.known[row, column]


async def test_a_run_that_was_cut_off_is_not_used(tmp_path: Path) -> None:
    workspace = workspace_given(customer("a"), history=tmp_path / "history.sqlite")
    store, instant = workspace.memory.store(), workspace.instant()
    store.begin(instant, workspace.policy, "tester", 1, ())
    assert not (await Overview(workspace).view()).standings.is_recorded


async def test_a_run_that_found_nothing_new_still_says_how_things_stood_at_its_own_instant(tmp_path: Path) -> None:
    history = tmp_path / "history.sqlite"
    for days in (3, 0):
        workspace = workspace_given([account()], history=history)
        earlier = replace(
            workspace, clock=clock_before(days), memory=replace(workspace.memory, clock=clock_before(days))
        )
        await recorded_by(earlier)
    assert rows_in(workspace.config, "assessment") == 1
    view = await Overview(workspace).view()
    assert view.standings.is_recorded
    assert view.as_of == NOW
    assert view.notices == (RECORDED,)


async def test_what_a_recorded_run_could_not_read_is_said_with_it(tmp_path: Path) -> None:
    config = configured(tmp_path, account="account_id,name\nA,Acme\n", ticket="ticket_id,who\n1,A\n")
    workspace = workspace_over(config)
    run = await recorded_by(workspace)
    assert len(run.problems) == 1
    notices = (await Overview(workspace).view()).notices
    assert "ticket.csv" in " ".join(notices)
    assert len(notices) == 2


async def test_what_cannot_be_read_now_is_said_with_what_is_computed(tmp_path: Path) -> None:
    rows = "".join(f"{i},Acme {i},{i}\n" for i in range(9))
    tables = {"account": f"account_id,name,arr\n{rows}B,Beta,-1\n", "ticket": "ticket_id,who\n1,A\n"}
    view = await Overview(workspace_over(configured(tmp_path, **tables))).view()
    assert len(view.standings.accounts) == 9
    text = " ".join(view.notices)
    assert "ticket.csv" in text
    assert "1 accounts could not be read and are missing here." in text


async def test_without_a_list_of_accounts_there_is_no_overview(tmp_path: Path) -> None:
    workspace = workspace_over(configured(tmp_path, ticket="ticket_id,account_id,opened_at\n"))
    with pytest.raises(SourceError, match="No source lists the accounts"):
        await Overview(workspace).view()


# --- The history ----------------------------------------------------------------------------------------------------


async def test_without_a_history_everything_is_computed_and_none_is_made(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite"
    overview = Overview(workspace_given(customer("a"), history=path))
    view = await overview.view()
    assert not view.standings.is_recorded
    assert (view.notices, view.said) == ((), {})
    assert await overview.before(view.standings.as_of) is None
    assert not path.exists()


async def test_a_history_that_cannot_be_read_is_a_notice_and_no_failure(recorded_copy: Config) -> None:
    expected = (await view_on(recorded_copy)).standings
    overview = Overview(workspace_on(damaged(recorded_copy)))
    view = await overview.view()
    assert not view.standings.is_recorded
    assert view.standings.tiers.tolist() == expected.tiers.tolist()
    (notice,) = view.notices
    assert notice.startswith("Answered without history: The history cannot be used: the file is no history.")
    assert await overview.before(LAST) is None


async def test_standings_are_read_once_until_something_is_recorded(recorded_copy: Config) -> None:
    overview = Overview(workspace_on(recorded_copy))
    first = (await overview.view()).looked
    assert (await overview.view()).looked is first
    with closing(sqlite3.connect(history_of(recorded_copy))) as database:
        assert database.execute("SELECT count(*) FROM run WHERE finished_at IS NOT NULL").fetchone() == (7,)
    await recorded_by(workspace_on(recorded_copy, -HOURS))
    later = Overview(workspace_on(recorded_copy, -2 * HOURS), overview._kept)  # noqa: SLF001 - the same server, later
    assert (await later.view()).as_of == NOW + timedelta(hours=1)
    assert (await later.view()).looked is not first


async def test_few_standings_are_kept_however_many_days_are_asked_about(recorded: Config) -> None:
    overview = Overview(workspace_on(recorded))
    for days in range(1, 40):
        await overview.before(LAST - timedelta(days=days))
    assert 0 < len(overview._kept) <= 4  # noqa: SLF001 - memory is what the test is about


async def test_the_demo_says_first_that_it_is_one(tmp_path: Path) -> None:
    demo = replace(DEMO, history=HistorySettings(path=tmp_path / "demo.sqlite"))
    workspace = Workspace.open(demo, clock)
    await recorded_by(workspace)
    view = await Overview(workspace).view()
    assert view.notices == ("Demo data: these accounts are fictional.", RECORDED)


# --- Earlier --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "found"), [(30, 30), (29.5, 30), (30.5, 40), (0, 0)])
async def test_what_was_before_is_the_last_run_up_to_that_instant(recorded: Config, days: float, found: float) -> None:
    before = await Overview(workspace_on(recorded)).before(LAST - timedelta(days=days))
    assert before
    assert before.standings.as_of == LAST - timedelta(days=found)
    assert len(before.standings.accounts) == 13


async def test_before_the_first_run_there_was_nothing(recorded: Config) -> None:
    assert await Overview(workspace_on(recorded)).before(LAST - timedelta(days=41)) is None


async def test_what_was_before_is_scored_by_the_policy_of_today(recorded: Config, tmp_path: Path) -> None:
    (tmp_path / "strict.toml").write_text('extends = "default"\nversion = "2"\n[bands]\ngreen = 99\n', "utf-8")
    overview = Overview(workspace_on(replace(recorded, policy=tmp_path / "strict.toml")))
    before = await overview.before(LAST)
    assert before
    assert before.standings.policy.ref.version == "2"
    assert not (before.standings.bands == 0).any()
    view = await overview.view()
    assert view.standings.is_recorded
    assert not (view.standings.bands == 0).any()


# --- What people said -----------------------------------------------------------------------------------------------


async def test_a_status_holds_until_its_day_is_over_or_it_is_withdrawn(recorded_copy: Config) -> None:
    workspace = workspace_on(recorded_copy, 5)
    wishes = [
        StatusWish("northwind", "Fair", expires="2026-11-18"),
        StatusWish("kestrel", "Poor"),
        StatusWish("lanternfish", "Good"),
        StatusWish("lanternfish", "none"),
    ]
    for wish in wishes:
        await write(workspace, await prepare_status(workspace, wish))

    def statuses(view: View) -> dict[str, str | None]:
        found = {account: view.status(account) for account in view.standings.accounts}
        return {account: status.after for account, status in found.items() if status}

    assert statuses(await view_on(recorded_copy, 4)) == {"northwind": "Fair", "kestrel": "Poor"}
    assert statuses(await view_on(recorded_copy)) == {"kestrel": "Poor"}
    overview = Overview(workspace_on(recorded_copy))
    assert statuses(await overview.view("2026-11-15")) == {}
    assert statuses(await overview.view("2026-11-18")) == {"northwind": "Fair", "kestrel": "Poor"}
    assert statuses(await overview.view("2026-11-19T00:00:00Z")) == {"kestrel": "Poor"}


async def test_what_was_said_later_is_unknown_on_an_earlier_day(recorded_copy: Config) -> None:
    workspace = workspace_on(recorded_copy)
    wish = FlagWish("northwind", "renewal_soon", Phase.ACKNOWLEDGED)
    await write(workspace, await prepare_flag(workspace, wish))
    overview = Overview(workspace)
    assert list((await overview.view()).said) == ["northwind"]
    assert list((await overview.view(DAY)).said) == ["northwind"]
    assert (await overview.view("2026-11-20")).said == {}


def test_the_default_of_fresh_hours_is_the_one_of_the_reference() -> None:
    assert HistorySettings().fresh_hours == 26
    assert DEFAULT_POLICY.changes.since_days == 30
    assert datetime(2026, 11, 21, 9) == LAST
