"""What was acknowledged is kept, whatever happens to the process, the disk or the database; faults are in our words."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from account_health.history.database import Database
from account_health.history.store import Store
from history.processes import writing
from history.readings import assert_consistent, clock, content, keep
from history.writer import TOGETHER, address_of, turn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from account_health.config import HistorySettings
    from history.postgres import Postgres

KILLS = 10
WRITERS = 4
TIMES = 50


def assert_kept(settings: HistorySettings, acknowledged: Sequence[int]) -> None:
    """Every acknowledged turn is there, every turn is there as a whole, and none twice."""
    rows = content(settings)["assessment"]
    found = Counter((int(row["score"]), row["account_id"]) for row in rows)
    assert set(found.values()) <= {1}
    by_turn = Counter(number for number, _ in found)
    assert set(by_turn.values()) <= {TOGETHER}
    assert sorted(by_turn) == list(range(1, len(by_turn) + 1))
    assert set(acknowledged) <= by_turn.keys()
    # Of what was not acknowledged no more is there than the turn in which somebody was cut off.
    assert len(by_turn) - len(acknowledged) <= KILLS
    assert_consistent(settings)


def test_what_was_acknowledged_survives_kill_minus_nine(sqlite_settings: HistorySettings) -> None:
    chance, acknowledged = random.Random(9), list[int]()  # noqa: S311 - where the axe falls, not a secret
    assert sqlite_settings.path is not None
    for _ in range(KILLS):
        with writing("forever", address_of(sqlite_settings)) as writer:
            heard = [writer.hear() for _ in range(chance.randint(1, 12))]
            acknowledged += [int(line) for line in (*heard, *writer.kill())]
        with closing(sqlite3.connect(sqlite_settings.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert_kept(sqlite_settings, acknowledged)
        # A run whose accounts were kept says so, and no other does.
        runs = content(sqlite_settings)["run"]
        assert {(run["done"], run["added"]) for run in runs} <= {(0, 0), (TOGETHER, TOGETHER)}
        assert {run["done"] for run in runs if run["finished_at"]} <= {TOGETHER}
    assert len(acknowledged) == len(set(acknowledged)) >= KILLS


def test_a_file_is_flushed_to_the_disk_before_anything_is_acknowledged(sqlite_settings: HistorySettings) -> None:
    """What a loss of power would show, which no test can bring about, is up to these two settings of SQLite."""
    with closing(Database.open(sqlite_settings, clock())) as database, database.reading() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("journal_mode", "synchronous")]
    assert found == ["wal", 2]


def test_a_killed_client_of_postgresql_leaves_nothing_half_written(postgres_settings: HistorySettings) -> None:
    acknowledged: list[int] = []
    for round_ in range(3):
        with writing("forever", address_of(postgres_settings)) as writer:
            heard = [writer.hear() for _ in range(3 + round_)]
            acknowledged += [int(line) for line in (*heard, *writer.kill())]
        assert_kept(postgres_settings, acknowledged)


def test_writers_at_once_lose_and_double_nothing(store_settings: HistorySettings) -> None:
    with ExitStack() as running:
        writers = [
            running.enter_context(writing("together", address_of(store_settings), str(number), str(TIMES)))
            for number in range(WRITERS)
        ]
        assert [writer.hear() for writer in writers] == ["ready"] * WRITERS
        for writer in writers:
            writer.tell("go")
        added = [list(map(int, writer.rest())) for writer in writers]
    assert [len(lines) for lines in added] == [TIMES] * WRITERS
    rows = content(store_settings)["assessment"]
    assert sum(map(sum, added)) == len(rows)
    by_account: dict[str, list[float]] = {}
    for row in rows:
        by_account.setdefault(row["account_id"], []).append(row["score"])
    everything = [float(number) for number in range(TIMES)]
    assert {name: scores for name, scores in by_account.items() if name != "shared"} == {
        f"own-{number}": everything for number in range(WRITERS)
    }
    # Whoever comes with an older reading than is there has nothing to add, so some may be left out, but none doubled.
    assert by_account["shared"] == sorted(set(by_account["shared"]))
    assert by_account["shared"][-1] == everything[-1]
    assert_consistent(store_settings)


# --- PostgreSQL that goes away ----------------------------------------------------------------------------------------


def test_an_open_store_does_not_notice_that_postgresql_was_restarted(
    postgres: Postgres, postgres_settings: HistorySettings
) -> None:
    with closing(Store.open(postgres_settings, clock())) as store:
        for number in range(1, 4):
            assert keep(store, *turn(number)) == TOGETHER
            postgres.restart()
            assert store.all_at()[0].score == number
            postgres.restart()
    assert_kept(postgres_settings, [1, 2, 3])


def test_nothing_acknowledged_is_lost_when_postgresql_crashes_during_writes(
    postgres: Postgres, postgres_settings: HistorySettings
) -> None:
    acknowledged: list[int] = []
    failed = 0
    with writing("patiently", address_of(postgres_settings)) as writer:
        for _ in range(4):
            heard = [writer.hear() for _ in range(5)]
            postgres.restart()
            there = int(content(postgres_settings)["assessment"][-1]["score"])
            while str(there + 1) not in heard:  # which is begun after the crash, or goes on after it
                heard.append(writer.hear())
                assert heard[-1]
            acknowledged += [int(line) for line in heard if line.isdecimal()]
            failed += sum(line.startswith("failed: The history cannot be used: ") for line in heard)
            assert all(line.isdecimal() or line.startswith("failed: ") for line in heard)
        acknowledged += [int(line) for line in writer.kill() if line.isdecimal()]
    assert failed
    assert_kept(postgres_settings, acknowledged)


# --- Disks ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="NOT RUN: this system cannot limit the size of files.")
def test_a_file_that_may_not_grow_keeps_what_it_has_and_goes_on_later(sqlite_settings: HistorySettings) -> None:
    with writing("limited", address_of(sqlite_settings)) as writer:
        failed, *then = writer.rest()
    assert failed.startswith(
        ("The history cannot be used: the disk cannot be written.", "The history cannot be used: the disk is full.")
    )
    assert then == ["True", "True"]
    assert_consistent(sqlite_settings)


def own_mounts() -> list[str]:
    """How a process gets mounts that no other process sees; skips where this system or its owner does not allow it."""
    for start in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        if shutil.which(start[0]):
            probe = subprocess.run([*start, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
            if probe.returncode == 0:
                return start
    pytest.skip("NOT RUN: this system does not let us make a small disk.")


def test_a_full_disk_keeps_what_it_has_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with writing("mounted", str(tmp_path), before=own_mounts()) as writer:
        failed, *then = writer.rest()
    assert failed.startswith("The history cannot be used: the disk is full. Scores go on without it")
    assert then == ["True", "True"]
