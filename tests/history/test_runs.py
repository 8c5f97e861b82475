"""Runs over all accounts: cut off and resumed, accounts that leave and come back, and what is forgotten with time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from account_health.errors import HistoryError
from account_health.history.packing import unpack
from account_health.history.store import Store
from account_health.readings import readings_of
from given import Given, account, evaluation_of
from history.readings import (
    POLICY,
    WRITER,
    activity,
    announcing_after,
    assert_consistent,
    clock,
    content,
    counts,
    flagged,
    keep,
    on,
    other_policy,
    reading,
    run_of,
)

if TYPE_CHECKING:
    from account_health.config import HistorySettings
    from account_health.history.records import Reading
    from history.conftest import OpenStore
    from history.postgres import Postgres

ACCOUNTS = 7
PART = 3


def day_of(day: int) -> list[Reading]:
    """All accounts on a day: every third one changes its band each day, every second one has a flag every other day."""
    bands = ("green", "yellow", "red")
    return [
        reading(
            f"account-{number}",
            day,
            band=bands[day % 3] if number % 3 == 0 else "green",
            score=90.0 - day if number % 3 == 0 else 80.0,
            flags=flagged("support_spike") if number % 2 and day % 2 else flagged(),
        )
        for number in range(ACCOUNTS)
    ]


def record_part(store: Store, day: int, start: int, end: int) -> None:
    """Begins the run of a day, or goes on with it, and records some of its accounts."""
    readings = day_of(day)
    run = store.begin(on(day), POLICY, WRITER, len(readings), ("one source failed",))
    assert run.done == start
    store.record(readings[start:end], POLICY, WRITER, on(day).date(), run, min(end, len(readings)))


def end(store: Store, day: int) -> None:
    run = store.begin(on(day), POLICY, WRITER, ACCOUNTS, ("one source failed",))
    store.finish(run, POLICY, WRITER, on(day).date(), {read.account for read in day_of(day)})


def test_a_run_that_is_cut_off_anywhere_ends_like_one_that_is_not(
    sqlite_settings: HistorySettings, postgres: Postgres, open_store: OpenStore, store_settings: HistorySettings
) -> None:
    whole = open_store()
    for day in range(4):
        for start in range(0, ACCOUNTS, PART):
            record_part(whole, day, start, start + PART)
        end(whole, day)
    expected = content(store_settings)
    is_sqlite = store_settings.path is not None
    with postgres.database() as name:
        path = sqlite_settings.path
        assert path is not None
        other = replace(sqlite_settings, path=path.with_name("cut.sqlite")) if is_sqlite else postgres.settings(name)
        cut_off_after_each_part(other)
        found = content(other)
    assert found == expected
    assert [row["added"] for row in found["run"]] == [7, 5, 5, 5]


def cut_off_after_each_part(settings: HistorySettings) -> None:
    """Records four days; whoever does it is gone after each part, and once before the first and before the end."""
    for day in range(4):
        for start in range(0, ACCOUNTS, PART):
            for attempt in (False, True):
                store = Store.open(settings, clock())
                if attempt:
                    record_part(store, day, start, start + PART)
                else:
                    assert store.begin(on(day), POLICY, WRITER, ACCOUNTS, ("one source failed",)).done == start
                store.close()
        store = Store.open(settings, clock())
        end(store, day)
        store.close()


def test_a_part_counts_as_done_only_if_it_was_kept(store: Store, store_settings: HistorySettings) -> None:
    run = store.begin(on(0), POLICY, WRITER, 3, ())
    store.record([reading("a")], POLICY, WRITER, on(0).date(), run, 1)
    with pytest.raises(HistoryError):
        store.record([reading("b"), reading("b")], POLICY, WRITER, on(0).date(), run, 3)
    again = store.begin(on(0), POLICY, WRITER, 3, ())
    assert (again.id, again.done, again.added, again.finished_at) == (run.id, 1, 1, None)
    assert counts(store_settings)["assessment"] == 1


def test_a_run_is_resumed_only_for_the_same_instant_policy_and_number_of_accounts(store: Store) -> None:
    changed = other_policy(version="another")
    first = store.begin(on(0), POLICY, WRITER, 3, ())
    others = [
        store.begin(on(1), POLICY, WRITER, 3, ()),
        store.begin(on(0), changed, WRITER, 3, ()),
        store.begin(on(0), POLICY, WRITER, 4, ()),
    ]
    assert len({first.id, *(run.id for run in others)}) == 4
    assert store.begin(on(0), POLICY, WRITER, 3, ()).id == first.id


def test_the_last_run_is_found_whether_it_ended_or_not(open_store: OpenStore) -> None:
    store = open_store(clock(9))
    assert store.last_run() is None
    run = store.begin(on(1), POLICY, WRITER, 2, ("the CRM: it did not answer", "Ölmühle"))
    assert store.last_run() is None
    assert store.last_run(finished=False) == run
    assert (run.as_of, run.started_at, run.policy, run.accounts) == (on(1), on(9), POLICY.ref.hash, 2)
    assert run.problems == ("the CRM: it did not answer", "Ölmühle")
    store.record([reading(day=1)], POLICY, WRITER, on(1).date(), run, 2)
    store.finish(run, POLICY, WRITER, on(1).date(), None)
    run_of(store, reading(day=3, score=1.0))
    store.begin(on(4), POLICY, WRITER, 2, ())
    found = [store.last_run(until=None if day is None else on(day)) for day in (0, 1, 2, 3, None)]
    assert [run and run.as_of for run in found] == [None, on(1), on(1), on(3), on(3)]
    assert found[1] == replace(run, finished_at=on(9), done=2, added=1)
    unfinished = store.last_run(finished=False)
    assert unfinished is not None
    assert unfinished.as_of == on(4)


def test_an_account_that_was_read_later_already_stays_as_it_is(store: Store) -> None:
    run = store.begin(on(1), POLICY, WRITER, 2, ())
    keep(store, reading("a", 2, score=50.0))
    store.record([reading("a", 1), reading("b", 1)], POLICY, WRITER, on(1).date(), run, 2)
    store.finish(run, POLICY, WRITER, on(1).date(), {"b"})
    assert [(found.account, found.score) for found in store.all_at()] == [("a", 50.0), ("b", 80.0)]


def test_an_account_in_no_list_any_more_leaves_and_comes_back(store: Store, store_settings: HistorySettings) -> None:
    raised = flagged("support_spike")
    run_of(store, reading("goes", band="red", flags=raised), reading("stays"))
    run_of(store, reading("stays", 1))
    run_of(store, reading("stays", 2))
    assert counts(store_settings)["assessment"] == 3
    assert [found.account for found in store.all_at()] == [found.account for found in store.all_at(on(1))] == ["stays"]
    assert [store.latest("goes"), store.before("goes", on(1))] == [None, None]
    assert store.before("goes", on(0.5)) is not None
    assert store.scores("goes", on(0), on(9)) == [(on(0), 80.0)]
    run_of(store, reading("goes", 3, band="green", flags=raised), reading("stays", 3))
    back = store.latest("goes")
    assert back is not None
    # What is read of it now is its first reading again: nothing to wait for, and its flag is open since today.
    assert (back.announced_band, back.pending, back.flags.since) == ("green", 0, {"support_spike": on(3).date()})
    assert [(a.kind.value, a.after, a.at) for a in store.activities(accounts=["goes"])] == [
        ("flag", "opened", on(3)),
        ("flag", "opened", on(0)),
    ]
    assert_consistent(store_settings)


def test_nobody_leaves_while_it_cannot_be_told_who_is_listed(store: Store) -> None:
    run_of(store, reading("a"), reading("b"))
    run = store.begin(on(1), POLICY, WRITER, 1, ())
    store.finish(run, POLICY, WRITER, on(1).date(), None)
    assert [found.account for found in store.all_at()] == ["a", "b"]


def test_nobody_leaves_by_a_run_that_is_older_than_their_reading(store: Store) -> None:
    keep(store, reading("new", 2))
    run_of(store, reading("a", 1))
    assert [found.account for found in store.all_at()] == ["a", "new"]


def test_what_is_left_of_an_account_that_went_is_still_readable(store: Store, store_settings: HistorySettings) -> None:
    evaluation = evaluation_of(Given([account()]))
    run_of(store, *readings_of(evaluation))
    fewer = other_policy(["nps_latest", "csat_90d"], version="fewer")
    later = evaluation.inputs.as_of + timedelta(days=1)
    run_of(store, replace(reading("b", policy=fewer.ref.hash), as_of=later), policy=fewer)
    rows = content(store_settings)["assessment"]
    gone = next(row for row in rows if not row["is_present"])
    metrics = store.metrics_of([gone["policy"]])[gone["policy"]]
    matrix = unpack(["acme"], [(gone["metric_values"], gone["metric_marks"], metrics)], POLICY)
    assert (matrix.known == evaluation.matrix.known).all()


def test_pruning_keeps_the_newest_of_each_account_and_what_held_at_the_cut(
    open_store: OpenStore, store_settings: HistorySettings
) -> None:
    store = open_store(clock(100), 10)
    keep(store, reading("old", 1))
    for day in (1, 50, 89, 90.5, 95):
        keep(store, reading("busy", day, score=day))
    keep(store, reading("edge", 80), reading("busy", 95, score=96.0))
    keep(store, reading("edge", 90, score=1.0))
    store.say(activity("old", 1))
    run = store.begin(on(99), POLICY, WRITER, 3, ())
    held = [replace(found, digest="") for found in store.all_at(on(90))]
    store.finish(run, POLICY, WRITER, on(99).date(), None)
    left = [(row["account_id"], (row["as_of"] - on(0)).days) for row in content(store_settings)["assessment"]]
    assert sorted(left) == [("busy", 89), ("busy", 90), ("busy", 95), ("busy", 95), ("edge", 90), ("old", 1)]
    assert [replace(found, digest="") for found in store.all_at(on(90))] == held
    assert store.count_activities() == 1
    assert_consistent(store_settings)


def test_numbers_are_never_used_again_after_pruning(open_store: OpenStore, store_settings: HistorySettings) -> None:
    store = open_store(clock(100), 1)
    for day in range(5):
        keep(store, reading(day=day, score=float(day)))
    run_of(store, reading(day=5, score=4.0))
    assert counts(store_settings)["assessment"] == 1
    before = store.version()
    keep(store, reading(day=6, score=9.0))
    assert store.version() > before
    assert_consistent(store_settings)


def test_a_run_over_unchanged_accounts_adds_a_run_and_nothing_else(
    store: Store, store_settings: HistorySettings
) -> None:
    readings = [reading("a", flags=flagged("support_spike")), reading("b", band="red", score=3.0)]
    run_of(store, *readings)
    before: dict[str, Any] = dict(counts(store_settings))
    for day in (1, 2, 3):
        run_of(store, *(replace(read, as_of=on(day)) for read in readings))
    assert counts(store_settings) == {**before, "run": 4}
    last = store.last_run()
    assert last is not None
    assert (last.done, last.added) == (2, 0)


def test_a_finished_run_can_be_recorded_once_more(store: Store, store_settings: HistorySettings) -> None:
    policy = announcing_after(2)
    run_of(store, reading("a"), reading("b"), policy=policy)
    run_of(store, reading("a", 1, band="red"), reading("b", 1), policy=policy)
    before = content(store_settings)
    run_of(store, reading("a", 1, band="red"), reading("b", 1), policy=policy)
    assert content(store_settings) == before
