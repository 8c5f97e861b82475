"""Recording: every account once a day, honest about what could not be read, and going on where it was cut off."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client
from typer.testing import CliRunner

from account_health import cli, recording
from account_health.at_risk import WantedAtRisk, at_risk
from account_health.config import Config, load_config
from account_health.errors import HistoryError, SourceError
from account_health.history.store import Store
from account_health.overview import Overview
from account_health.recording import record_one
from account_health.server import create_server
from account_health.workspace import Workspace
from doors import DAY, ERAS, NOW, clock, configured, workspace_over
from given import DEFAULT_POLICY, account
from history.readings import content, other_policy
from moving import (
    TESTER,
    copied,
    customer,
    left_out,
    moving_config,
    recorded_by,
    rows_in,
    workspace_given,
    workspace_on,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from typer.testing import Result

pytestmark = pytest.mark.anyio

LAST = NOW.replace(tzinfo=None)
WHEN = ("recorded_at", "started_at", "finished_at", "at")
ACCOUNTS = "account_id,name,renewal_date\nA,Acme,2026-12-01\nB,Beta,2026-12-02\n"
HISTORY = '[history]\npath = "history.sqlite"\n'


@pytest.fixture
def fresh(recorded: Config, tmp_path: Path) -> Config:
    """The demo accounts of the last day, of which nothing was recorded yet."""
    folder = tmp_path / "fresh"
    folder.mkdir()
    config = copied(recorded, folder)
    (folder / "history.sqlite").unlink()
    return config


def kept(config: Config) -> Mapping[str, list[dict[str, Any]]]:
    """What the history holds, whenever it was written."""
    return {
        table: [{name: value for name, value in row.items() if name not in WHEN} for row in rows]
        for table, rows in content(config.history).items()
    }


def cut_off_after(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the store fail once, when so many parts are kept."""
    record, calls = Store.record, iter(range(1000))

    def failing(store: Store, *arguments: Any, **options: Any) -> int:
        if next(calls) == parts:
            raise HistoryError("The history cannot be used: the disk is full.")
        return record(store, *arguments, **options)

    monkeypatch.setattr(Store, "record", failing)
    monkeypatch.setattr(recording, "_AT_ONCE", 5)


def said(config: Path, *arguments: str) -> Result:
    """A command of the command line over a configuration."""
    return CliRunner().invoke(cli.app, [*arguments, "--config", str(config)])


# --- All accounts -----------------------------------------------------------------------------------------------------


async def test_a_run_says_how_many_it_read_scored_and_added(fresh: Config) -> None:
    found = await recorded_by(workspace_on(fresh))
    assert (found.as_of, found.accounts, found.scored, found.added) == (NOW, 13, 11, 13)
    assert (found.resumed_after, found.problems, found.notices) == (0, (), ())
    assert found.completeness == "scored 11 of 13, 2 with too little evidence"
    assert found.sentence.startswith("As of 2026-11-21 09:00 UTC: scored 11 of 13, 2 with too little evidence; 13 new")
    assert found.policy == DEFAULT_POLICY.ref
    (run,) = kept(fresh)["run"]
    assert (run["asked_by"], run["accounts"], run["done"], run["added"]) == (TESTER, 13, 13, 13)


async def test_a_second_run_over_the_same_adds_nothing(fresh: Config) -> None:
    await recorded_by(workspace_on(fresh))
    before = kept(fresh)
    again = await recorded_by(workspace_on(fresh))
    assert (again.accounts, again.added, again.resumed_after) == (13, 0, 0)
    assert "; 0 new assessments" in again.sentence
    assert {**kept(fresh), "run": 0} == {**before, "run": 0}
    assert rows_in(fresh, "run") == 1


async def test_a_later_run_adds_only_what_says_something_new(tmp_path: Path) -> None:
    rows = [*customer("a"), account(account_id="b"), account(account_id="c")]
    workspace = workspace_given(rows, history=tmp_path / "history.sqlite")
    assert (await recorded_by(workspace)).added == 3
    later = replace(workspace, clock=lambda: NOW + timedelta(hours=1))
    assert (await recorded_by(later)).added == 0
    assert rows_in(workspace.config, "run") == 2
    assert rows_in(workspace.config, "assessment") == 3


async def test_progress_is_told_from_nothing_to_everything(fresh: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_AT_ONCE", 5)
    seen: list[tuple[int, int]] = []
    await recording.record_all(workspace_on(fresh), TESTER, lambda done, total: seen.append((done, total)))
    assert {total for _, total in seen} == {13}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (13, 13)


async def test_a_list_without_any_account_is_no_run(tmp_path: Path) -> None:
    workspace = workspace_over(configured(tmp_path, HISTORY, account="account_id,name\n"))
    with pytest.raises(SourceError, match="nothing to record"):
        await recorded_by(workspace)
    assert rows_in(workspace.config, "run") == 0


async def test_the_demo_says_that_it_is_one(tmp_path: Path, recorded: Config) -> None:
    config = replace(copied(recorded, tmp_path), is_demo=True)
    found = await recorded_by(Workspace.open(config, clock))
    assert found.notices == ("Demo data: these accounts are fictional.",)


async def test_one_account_is_recorded_alone_and_is_no_run(fresh: Config) -> None:
    found = await record_one(workspace_on(fresh), "Northwind Traders", TESTER)
    assert (found.accounts, found.scored, found.added) == (1, 1, 1)
    assert found.sentence.startswith("As of 2026-11-21 09:00 UTC: scored 1 of 1; 1 new")
    assert (rows_in(fresh, "assessment"), rows_in(fresh, "run")) == (1, 0)
    assert (await record_one(workspace_on(fresh), "northwind", TESTER)).added == 0


# --- Cut off ----------------------------------------------------------------------------------------------------------


async def test_a_run_that_was_cut_off_goes_on_and_leaves_the_same_as_one_that_was_not(
    fresh: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    other = moved_aside(fresh, whole)
    await recorded_by(workspace_on(other))

    cut_off_after(1, monkeypatch)
    with pytest.raises(HistoryError, match="disk is full"):
        await recorded_by(workspace_on(fresh))
    assert rows_in(fresh, "assessment") == 5
    (run,) = content(fresh.history)["run"]
    assert (run["done"], run["finished_at"]) == (5, None)

    resumed = await recorded_by(workspace_on(fresh, -0.2))
    assert (resumed.as_of, resumed.resumed_after, resumed.accounts, resumed.added) == (NOW, 5, 13, 8)
    assert resumed.sentence.endswith("; 5 of them were read by a run that was cut off.")
    assert kept(fresh) == kept(other)
    assert content(fresh.history)["run"][0]["finished_at"] == LAST + timedelta(days=0.2)


def moved_aside(config: Config, folder: Path) -> Config:
    """The same accounts with another history."""
    return replace(config, history=replace(config.history, path=folder / "history.sqlite"))


@pytest.mark.parametrize("hours", [12, 30])
async def test_a_run_that_was_cut_off_long_ago_stays_as_it_is(
    fresh: Config, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    cut_off_after(1, monkeypatch)
    with pytest.raises(HistoryError):
        await recorded_by(workspace_on(fresh))
    later = await recorded_by(workspace_on(fresh, -hours / 24))
    assert (later.as_of, later.resumed_after) == (NOW + timedelta(hours=hours), 0)
    assert [run["finished_at"] is None for run in content(fresh.history)["run"]] == [True, False]


async def test_a_run_under_another_policy_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for i in range(7) for row in customer(f"a{i}")]
    workspace = workspace_given(rows, history=tmp_path / "history.sqlite")
    cut_off_after(1, monkeypatch)
    with pytest.raises(HistoryError):
        await recorded_by(workspace)
    strict = other_policy(bands=DEFAULT_POLICY.bands.model_copy(update={"green": 99}))
    later = replace(workspace, policy=strict, clock=lambda: NOW + timedelta(hours=1))
    found = await recorded_by(later)
    assert (found.as_of, found.resumed_after, found.added) == (NOW + timedelta(hours=1), 0, 7)


async def test_a_run_over_another_list_begins_anew_at_the_same_instant(
    fresh: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off_after(1, monkeypatch)
    with pytest.raises(HistoryError):
        await recorded_by(workspace_on(fresh))
    left_out(fresh, "saltmarsh")
    found = await recorded_by(workspace_on(fresh, -0.1))
    assert (found.as_of, found.accounts, found.resumed_after, found.added) == (NOW, 12, 0, 7)
    assert rows_in(fresh, "latest") == 12


# --- What could not be read -------------------------------------------------------------------------------------------


async def test_what_could_not_be_read_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    config = configured(tmp_path, HISTORY, account=ACCOUNTS, ticket="ticket_id,who\n1,A\n")
    workspace = workspace_over(config)
    found = await recorded_by(workspace)
    assert found.added == 2
    (problem,) = found.problems
    assert "ticket.csv" in problem
    assert json.loads(content(workspace.config.history)["run"][0]["problems"]) == [problem]


def test_the_command_names_what_could_not_be_read_and_leaves_with_5(tmp_path: Path) -> None:
    config = configured(tmp_path, HISTORY, account=ACCOUNTS, ticket="ticket_id,who\n1,A\n")
    result = said(config, "assess", "--all")
    assert result.exit_code == 5, result.output
    assert "scored 0 of 2" in result.stdout
    assert "ticket.csv" in result.stderr
    assert rows_in(load_config(config), "assessment") == 2
    assert said(config, "assess", "A").exit_code == 5


def test_the_command_leaves_with_0_when_everything_was_read(tmp_path: Path) -> None:
    config = configured(tmp_path, HISTORY, account=ACCOUNTS)
    result = said(config, "assess", "--all", "--format", "json")
    assert (result.exit_code, result.stderr.strip()) == (0, "")
    assert json.loads(result.stdout)["accounts"] == 2


# --- Accounts that come and go ----------------------------------------------------------------------------------------


async def test_an_account_that_left_the_list_is_gone_from_the_accounts_at_risk(recorded_copy: Config) -> None:
    async def at_risk_now(days_before: float) -> list[str]:
        found = await at_risk(Overview(workspace_on(recorded_copy, days_before)), WantedAtRisk(), 100)
        assert "As recorded at" in found.notices[0]
        return [account.id for account in found.accounts]

    before = await at_risk_now(0)
    assert "northwind" in before
    left_out(recorded_copy, "northwind")
    await recorded_by(workspace_on(recorded_copy, -1))
    assert await at_risk_now(-1) == [account for account in before if account != "northwind"]


async def test_an_account_that_a_broken_list_misses_is_not_taken_for_gone(tmp_path: Path) -> None:
    def configured_with(arr: int) -> Path:
        rows = "".join(f"{name},{name},2026-12-01,1\n" for name in "ABCDEFGHI")
        return configured(tmp_path, HISTORY, account=f"account_id,name,renewal_date,arr\n{rows}J,J,2026-12-01,{arr}\n")

    await recorded_by(workspace_over(configured_with(1)))
    config = configured_with(-1)
    workspace = Workspace.open(load_config(config), lambda: NOW + timedelta(hours=1))
    found = await recorded_by(workspace)
    assert found.accounts == 9
    listed = await at_risk(Overview(workspace), WantedAtRisk(), 100)
    assert "J" in [account.id for account in listed.accounts]


# --- Answers ----------------------------------------------------------------------------------------------------------


def recording_answers(config: Config) -> Config:
    return replace(config, history=replace(config.history, record="answers"))


async def test_a_replay_is_never_recorded(fresh: Config) -> None:
    for config in (fresh, recording_answers(fresh)):
        workspace = workspace_on(config)
        for as_of in (DAY, "2026-11-01", "2026-11-21T09:00:00Z"):
            await workspace.assess("northwind", as_of)
        assert rows_in(config, "assessment") == 0


async def test_answers_are_recorded_where_the_configuration_says_so_and_only_there(fresh: Config) -> None:
    plain = workspace_on(fresh)
    before = await plain.assess("northwind")
    assert rows_in(fresh, "assessment") == 0
    config = recording_answers(fresh)
    first = await workspace_on(config).assess("northwind")
    assert first == before
    assert rows_in(config, "assessment") == 1
    await workspace_on(config).assess("northwind")
    await workspace_on(config).assess("kestrel")
    assert (rows_in(config, "assessment"), rows_in(config, "run")) == (2, 0)


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_that_records_answers_says_so_in_the_hints_of_those_tools(era: Any, fresh: Config) -> None:
    async with Client(create_server(lambda: recording_answers(fresh), clock), mode=era) as client:
        tools = (await client.list_tools()).tools
        hints = {tool.name: tool.annotations and tool.annotations.read_only_hint for tool in tools}
        assert {name for name, reads_only in hints.items() if not reads_only} == {
            "score_account",
            "render_health_summary",
        }
        for number, tool in enumerate(("score_account", "render_health_summary")):
            await client.call_tool(tool, {"account": "northwind", "as_of": DAY})
            assert rows_in(fresh, "assessment") == number
            account_id = ("northwind", "kestrel")[number]
            assert not (await client.call_tool(tool, {"account": account_id})).is_error
            assert rows_in(fresh, "assessment") == number + 1
        for tool in ("find_accounts", "check_sources", "list_at_risk_accounts", "get_portfolio_health"):
            assert not (await client.call_tool(tool, {})).is_error
        assert rows_in(fresh, "assessment") == 2


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_that_records_nothing_promises_to_read_only(era: Any, fresh: Config) -> None:
    async with Client(create_server(lambda: fresh, clock), mode=era) as client:
        tools = (await client.list_tools()).tools
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        await client.call_tool("score_account", {"account": "northwind"})
        assert rows_in(fresh, "assessment") == 0


def test_a_report_is_recorded_where_the_configuration_says_so_and_a_replay_is_not(tmp_path: Path) -> None:
    plain = configured(tmp_path / "plain", HISTORY, account=ACCOUNTS)
    answers = configured(tmp_path / "answers", f'{HISTORY}record = "answers"\n', account=ACCOUNTS)
    for config, expected in ((plain, 0), (answers, 1)):
        assert said(config, "report", "A", "--as-of", DAY).exit_code == 0
        assert rows_in(load_config(config), "assessment") == 0
        assert said(config, "report", "A").exit_code == 0
        assert rows_in(load_config(config), "assessment") == expected


# --- A store that cannot be used --------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", ["assess", "answers"])
def test_a_history_that_is_none_stops_recording_and_no_report(tmp_path: Path, record: str) -> None:
    config = configured(tmp_path, f'{HISTORY}record = "{record}"\n', account=ACCOUNTS)
    (tmp_path / "history.sqlite").write_bytes(b"This was never a database. " * 100)
    for arguments in (("assess", "--all"), ("assess", "A")):
        result = said(config, *arguments)
        assert (result.exit_code, result.stdout) == (6, "")
        assert result.stderr.startswith("The history cannot be used: the file is no history. Scores go on without it;")
    report = said(config, "report", "A")
    assert report.exit_code == 0
    assert report.stdout.startswith("## Health: Acme\n")
    assert "Answered without history: The history cannot be used: the file is no history." in report.stdout
    assert ("Not recorded: The history cannot be used" in report.stdout) is (record == "answers")


def test_a_history_that_cannot_be_made_stops_recording_and_no_report(tmp_path: Path) -> None:
    config = configured(tmp_path, '[history]\npath = "data"\nrecord = "answers"\n', account=ACCOUNTS)
    result = said(config, "assess", "--all")
    assert (result.exit_code, result.stdout) == (6, "")
    assert "cannot be opened" in result.stderr
    report = said(config, "report", "A")
    assert report.exit_code == 0
    assert "Not recorded: The history" in report.stdout


def test_moving_rows_stand_still_while_the_clock_moves(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        moving_config(folder)
    assert {file.name: file.read_bytes() for file in first.iterdir()} == {
        file.name: file.read_bytes() for file in second.iterdir()
    }
    assert datetime(2026, 11, 21, 9) == LAST
