"""Explained change: why the score of an account moved since a recorded day, over a history that really moves."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from account_health.config import HistorySettings
from account_health.errors import AccountHealthError, CallerError, HistoryError, NoHistory
from account_health.explained_change import as_markdown, explain_change
from account_health.language import read, speaking
from account_health.memory import Memory
from account_health.policy import load_policy
from account_health.render import render_summary
from doors import NOW
from moving import moving_config, recorded_over, workspace_on

if TYPE_CHECKING:
    from pathlib import Path

    from account_health.chronicle import ChangeParts
    from account_health.config import Config
    from account_health.explained import ExplainedChange
    from account_health.workspace import Workspace

POLICY = load_policy()
ACCOUNTS = (
    "brightloom", "copperkettle", "fernhollow", "junipervale", "kestrel", "lanternfish", "northwind",
    "quillmark", "saltmarsh", "trickster", "worshipful-guild",
)  # fmt: skip
UNSCORED = ("blank-ledger", "moonbeam")
PARTS = ("policy", "coverage", "time", "data")
EXACT = 1e-9
"""How far published parts may be from the published difference: their last digit."""


@pytest.fixture(scope="module")
def today(recorded: Config) -> Workspace:
    """The demo accounts on the last day, with a history of them as they stood still while the days passed."""
    return workspace_on(recorded)


def explained(workspace: Workspace, account: str, since: str = "", as_of: str | None = None) -> ExplainedChange:
    return anyio.run(explain_change, workspace, account, since, as_of)


def refused(
    kind: type[AccountHealthError], workspace: Workspace, account: str, since: str = "", as_of: str = ""
) -> str:
    """What is said to a question that has no answer."""
    with pytest.raises(kind) as refusal:
        explained(workspace, account, since, as_of)
    return str(refusal.value)


def with_history(workspace: Workspace, path: Path) -> Workspace:
    """The same accounts with another history."""
    return replace(workspace, memory=Memory(HistorySettings(path=path), workspace.clock))


def day(days: float) -> datetime:
    """The instant so many days before the last one."""
    return NOW - timedelta(days)


def parts_of(found: ExplainedChange) -> ChangeParts:
    assert found.change.parts is not None
    return found.change.parts


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_parts_of_every_account_add_up_to_the_difference(today: Workspace, account: str) -> None:
    for since in ("", "2026-10-12", "2026-11-14", "2026-11-20"):
        found = explained(today, account, since)
        change, parts = found.change, parts_of(found)

        assert change.from_ is not None
        assert change.to is not None
        assert sum(getattr(parts, part) for part in PARTS) == pytest.approx(change.to - change.from_, abs=EXACT, rel=0)
        assert (parts.policy, parts.coverage) == (0, 0)
        assert sum(driver.change for driver in change.drivers) == pytest.approx(parts.time + parts.data, abs=1e-6)
        assert {driver.metric for driver in change.drivers} <= set(POLICY.weighted)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_text_holds_four_parts_that_add_up(today: Workspace, account: str) -> None:
    found = explained(today, account)
    text = as_markdown(found, POLICY)
    rows = dict(re.findall(r"^\| (\w+) \| ([+-]?\d+\.\d\d) \|$", text, re.MULTILINE))

    assert tuple(rows) == PARTS
    assert sum(map(float, rows.values())) == pytest.approx(
        (found.change.to or 0) - (found.change.from_ or 0), abs=4 * 0.005
    )
    assert text.startswith(found.change.sentence)
    assert found.summary.startswith(found.change.sentence)
    assert "-0.00" not in text
    assert "+0.00" not in text


def test_the_text_says_flags_trend_and_where_the_account_stands_now(today: Workspace) -> None:
    text = as_markdown(explained(today, "fernhollow"), POLICY)

    assert (
        "\n\nNew flags: Escalation in last 90 days, NPS detractor, Payment issue, Support spike, Usage drop.\n" in text
    )
    assert re.search(r"\n\nTrend: [▁▂▃▄▅▆▇█]{6} \d\d → 20 since 2026-10-17\n", text)
    assert text.endswith("\n\nNow: Red.")
    assert "Cleared flags: Support spike." in as_markdown(explained(today, "northwind"), POLICY)


def test_the_summary_of_an_account_says_the_same(today: Workspace) -> None:
    found = explained(today, "kestrel")
    assessment = anyio.run(today.assess, "kestrel")

    assert assessment.change == found.change
    assert f"\n{found.summary}\n" in render_summary(assessment, POLICY)
    assert (assessment.band, assessment.policy, assessment.account) == (found.band, found.policy, found.account)


@pytest.mark.parametrize(
    ("since", "days"),
    [
        pytest.param("", 30, id="about a month without a day"),
        pytest.param("2026-10-31", 21, id="the end of a day that was recorded"),
        pytest.param("2026-11-05", 21, id="a day that was not"),
        pytest.param("2026-11-20T12:00:00+00:00", 1, id="an instant"),
        pytest.param("2026-11-07T08:59:59Z", 21, id="an instant just before a reading"),
        pytest.param("2026-10-12", 40, id="the first day"),
    ],
)
def test_the_change_is_since_the_reading_that_held(today: Workspace, since: str, days: int) -> None:
    assert explained(today, "kestrel", since).change.since == day(days)


def test_a_reading_that_was_confirmed_later_is_dated_by_its_confirmation(tmp_path: Path) -> None:
    config = moving_config(tmp_path)
    recorded_over(config, (9, 9 - 1 / 24, 2))

    # Within an hour of a morning nothing happened, so the second run added nothing.
    assert explained(workspace_on(config), "kestrel", "2026-11-12").change.since == day(9 - 1 / 24)


def test_without_a_reading_of_a_month_before_the_first_one_is_taken(tmp_path: Path) -> None:
    config = moving_config(tmp_path)
    recorded_over(config, (9, 2))

    assert explained(workspace_on(config), "kestrel").change.since == day(9)


def test_a_day_before_the_first_reading_names_that_one(today: Workspace) -> None:
    told = refused(NoHistory, today, "kestrel", "2026-10-11")

    assert "The first reading is of 2026-10-12." in told
    assert refused(NoHistory, today, "kestrel", as_of="2026-10-11") == told


def test_an_account_that_was_never_recorded_has_no_first_reading(today: Workspace, tmp_path: Path) -> None:
    empty = with_history(today, tmp_path / "empty.sqlite")
    empty.memory.store()

    assert refused(NoHistory, empty, "kestrel").startswith("Nothing was recorded of this account by then.")
    assert "first reading" not in refused(NoHistory, empty, "kestrel")


def test_without_any_history_it_says_how_to_begin_one(today: Workspace, tmp_path: Path) -> None:
    nothing = with_history(today, tmp_path / "none.sqlite")

    assert "account-health assess --all" in refused(NoHistory, nothing, "kestrel")
    assert not (tmp_path / "none.sqlite").exists()


def test_a_history_that_cannot_be_read_is_no_missing_one(today: Workspace, tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_bytes(b"This is no database." * 1000)
    damaged = with_history(today, tmp_path / "history.sqlite")

    told = refused(HistoryError, damaged, "kestrel")
    assert "the file is no history" in told
    assert told.endswith("The score itself can be had: score_account.")


def test_what_a_language_says_first_of_such_a_history_does_not_matter(today: Workspace, tmp_path: Path) -> None:
    empty = with_history(today, tmp_path / "empty.sqlite")
    empty.memory.store()
    made = Catalog(locale="tr")
    made.add("Answered without history: {error}", "{error} (geçmişsiz)")
    turkish = BytesIO()
    write_po(turkish, made)

    with speaking(read("tr", turkish.getvalue())):
        assert "Nothing was recorded" in refused(NoHistory, empty, "junipervale")
        (tmp_path / "history.sqlite").write_bytes(b"This is no database." * 1000)
        damaged = with_history(today, tmp_path / "history.sqlite")
        assert "(geçmişsiz)" in refused(HistoryError, damaged, "junipervale")


@pytest.mark.parametrize("since", ["yesterday", "2026-02-30"])
def test_what_is_no_day_is_refused(today: Workspace, since: str) -> None:
    assert "is no date" in refused(CallerError, today, "kestrel", since)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_what_was_asked_in_the_past_is_what_was_recorded_then(today: Workspace, account: str) -> None:
    past = explained(today, account, "2026-10-22", day(14).isoformat())
    later = explained(today, account, day(14).isoformat())

    assert past.as_of == day(14)
    assert past.change.to == later.change.from_
    assert past.change.since == day(30)
    assert later.change.since == day(14)
    assert [point.as_of for point in past.change.trend] == [day(14 + 7 * weeks) for weeks in (3, 2, 1, 0)]


def test_changes_one_after_the_other_add_up_to_the_whole_one(today: Workspace) -> None:
    ends = [day(days).isoformat() for days in (40, 21, 7, 0)]
    steps = [explained(today, "fernhollow", since, as_of) for since, as_of in pairwise(ends)]
    whole = explained(today, "fernhollow", ends[0], ends[-1])

    total = sum(getattr(parts_of(step), part) for step in steps for part in PARTS)
    assert total == pytest.approx(sum(getattr(parts_of(whole), part) for part in PARTS), abs=1e-8)


@pytest.mark.parametrize("account", UNSCORED)
def test_an_account_without_a_score_has_no_parts_and_says_so(today: Workspace, account: str) -> None:
    found = explained(today, account)
    text = as_markdown(found, POLICY)

    assert (found.change.parts, found.change.drivers, found.band) == (None, (), None)
    assert found.summary == "Since 2026-10-22: not scored → not scored (nothing to compare)."
    assert "| part |" not in text
    assert text.endswith("Now: Not scored.")


def test_what_nobody_did_to_an_account_did_not_move_it(today: Workspace) -> None:
    found = explained(today, "kestrel", day(1).isoformat(), (day(1) + timedelta(minutes=1)).isoformat())

    assert list(parts_of(found).as_json().values()) == [0, 0, 0, 0]
    assert found.summary.endswith("(unchanged).")


def test_another_policy_is_a_part_of_its_own(recorded: Config, tmp_path: Path) -> None:
    weights = "[dimensions.usage]\nweight = 25\n[dimensions.support]\nweight = 30\n"
    (tmp_path / "ours.toml").write_text(f'extends = "default"\nname = "ours"\n{weights}', "utf-8")
    ours = workspace_on(replace(recorded, policy=tmp_path / "ours.toml"))
    found = explained(ours, "northwind", day(0).isoformat(), (day(0) + timedelta(minutes=1)).isoformat())

    assert {part for part in PARTS if getattr(parts_of(found), part)} == {"policy"}
    assert found.change.since == day(0)
    assert found.policy.name == "ours"
    assert "all a changed policy)" in found.summary
