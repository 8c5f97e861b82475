"""The history answers what it was told: readings, activities and what people said, the same in both databases."""

from __future__ import annotations

import math
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from account_health.chronicle import Phase
from account_health.errors import HistoryError
from account_health.history import database as database_module
from account_health.history import schema
from account_health.history.database import Database
from account_health.history.records import NOT_SCORED, Activity, Flags, Kind, Packed, Profile, Reading
from account_health.history.store import Store
from account_health.model import Severity
from account_health.readings import readings_of
from given import Given, account, evaluation_of
from history.readings import (
    POLICY,
    START,
    WRITER,
    activity,
    assert_consistent,
    clock,
    counts,
    flagged,
    keep,
    on,
    other_policy,
    packed,
    reading,
    run_of,
    said,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.config import HistorySettings
    from history.conftest import OpenStore

ODD_NAME = "Zoë Ölmühle 株式会社 🦆 \u202etxt.exe \u2019"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
"""What a database can hold: Unicode without halves of letters, and without NUL, which PostgreSQL does not know."""
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PROFILES = st.builds(
    Profile,
    name=TEXT,
    segment=st.none() | TEXT,
    owner=st.none() | TEXT,
    lifecycle=st.none() | TEXT,
    arr=st.none() | FINITE,
    currency=st.none() | TEXT,
    renewal_date=st.none() | st.dates(),
)
FLAGS = st.builds(
    Flags,
    raised=st.dictionaries(TEXT, st.sampled_from(Severity), max_size=3),
    unknown=st.lists(TEXT, max_size=3).map(tuple),
    since=st.just({}),
)
READINGS = st.builds(
    Reading,
    account=TEXT,
    as_of=st.datetimes(),
    profile=PROFILES,
    score=st.none() | FINITE,
    low=FINITE,
    high=FINITE,
    coverage=FINITE,
    band=TEXT,
    tier=st.sampled_from(Severity),
    flags=FLAGS,
    packed=st.builds(Packed, st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40)),
    policy=TEXT,
)

CHANGED: dict[str, dict[str, Any]] = {
    "name": {"profile": Profile("New name")},
    "owner": {"profile": Profile("acme Ltd", owner="Grace", arr=12_000.0, currency="EUR")},
    "no arr": {"profile": Profile("acme Ltd", owner="Ada", currency="EUR")},
    "renewal": {
        "profile": Profile("acme Ltd", owner="Ada", arr=12_000.0, currency="EUR", renewal_date=date(2027, 1, 1))
    },
    "score": {"score": 80.000000001},
    "no score": {"score": None, "band": NOT_SCORED},
    "low": {"low": 69.0},
    "high": {"high": 91.0},
    "coverage": {"coverage": 0.5},
    "band": {"band": "yellow"},
    "tier": {"tier": Severity.HIGH},
    "flag": {"flags": flagged("support_spike")},
    "unknown flag": {"flags": flagged(unknown=["support_spike"])},
    "value": {"packed": packed({"nps_latest": 8.0})},
    "another metric": {"packed": packed({"nps_latest": 9.0, "days_to_renewal": 3.0})},
    "marks": {"packed": replace(packed({"nps_latest": 9.0}), marks=bytes(len(POLICY.metrics)))},
    "states": {"packed": replace(packed({"nps_latest": 9.0}), states=b"\0\1\2")},
    "policy": {"policy": "another"},
}
"""Whatever may differ from one reading to the next, by what it is."""


# --- What was read ----------------------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(READINGS, min_size=1, max_size=4, unique_by=lambda read: read.account))
def test_every_reading_comes_back_as_it_was_written(open_store: OpenStore, readings: list[Reading]) -> None:
    store = open_store()
    written = [replace(read, account=f"{read.account}-{store.version()[0]}") for read in readings]
    assert keep(store, *written, today=date(2026, 11, 1)) == len(written)
    for read in written:
        kept = store.latest(read.account)
        assert kept is not None
        assert said(kept) == read
        assert (kept.announced_band, kept.pending) == (read.band, 0)
        assert kept.flags.since == dict.fromkeys(read.flags.raised, date(2026, 11, 1))
    store.close()


def test_odd_names_absent_fields_and_packed_nothing_survive(store: Store) -> None:
    profile = Profile(ODD_NAME, owner="Ōtomo", arr=0.1 + 0.2)
    nothing = packed()
    written = reading(ODD_NAME, profile=profile, score=None, band=NOT_SCORED, packed=nothing)
    keep(store, written)
    kept = store.latest(ODD_NAME)
    assert kept is not None
    assert said(kept) == written
    assert (kept.profile.renewal_date, kept.profile.segment, kept.score) == (None, None, None)
    assert kept.packed.values == b"".join([nothing.values[:8]] * len(POLICY.metrics))
    assert type(kept.packed.values) is bytes


def test_a_name_with_a_nul_is_kept_with_a_sign_in_its_place(store: Store) -> None:
    evaluation = evaluation_of(Given([account(name="Ac\0me", owner="\0")]))
    assert keep(store, *readings_of(evaluation)) == 1
    assert keep(store, *readings_of(evaluation)) == 0
    kept = store.latest("acme")
    assert kept is not None
    assert (kept.profile.name, kept.profile.owner) == ("Ac�me", "�")
    store.say(activity("x\0y", description="quoted\0", author="A\0"))
    assert store.last_said("x\0y") > 0
    assert keep(store, reading("x\0y"), reading("other")) == 2
    assert [found.account for found in store.all_at()] == ["acme", "other", "x�y"]
    assert [(a.description, a.author) for a in store.said_by_people()] == [("quoted�", "A�")]


def test_an_account_that_was_never_read_is_not_known(store: Store) -> None:
    assert [store.latest("acme"), store.first("acme"), store.before("acme", on(9)), store.last_run()] == [None] * 4
    assert [*store.all_at(), *store.all_at(on(9)), *store.scores("acme", on(0), on(9)), *store.activities()] == []
    assert store.version() == (0, 0)
    assert store.last_said("acme") == 0
    assert store.metrics_of(["nothing"]) == {}


def test_a_reading_that_says_the_same_adds_no_row(store: Store, store_settings: HistorySettings) -> None:
    first = reading(flags=flagged("support_spike", unknown=["no_champion"]))
    assert keep(store, first, reading("other")) == 2
    kept, version = counts(store_settings), store.version()
    for day in (0, 0, 1, 2):
        assert keep(store, replace(first, as_of=on(day)), reading("other", day)) == 0
    assert counts(store_settings) == kept
    assert store.version() == version


def test_the_same_reading_twice_announces_nothing_new(store: Store, store_settings: HistorySettings) -> None:
    changed = reading(day=1, band="red", score=20.0)
    keep(store, reading())
    assert keep(store, changed) == 1
    kept = counts(store_settings)
    assert [keep(store, changed) for _ in range(5)] == [0] * 5
    assert counts(store_settings) == kept
    newest = store.latest("acme")
    assert newest is not None
    assert (newest.announced_band, newest.pending) == ("green", 1)


def test_a_reading_that_says_something_new_adds_one_row(store: Store, store_settings: HistorySettings) -> None:
    profile = reading("acme").profile
    keep(store, *(reading(name, profile=profile) for name in CHANGED), reading("other"))
    before = counts(store_settings)["assessment"]
    for number, (name, changes) in enumerate(CHANGED.items(), 1):
        changed = reading(name, 1, **{"profile": profile, **changes})
        assert keep(store, changed, reading("other", 1)) == 1, name
        assert counts(store_settings)["assessment"] == before + number, name
        kept = store.latest(name)
        assert kept is not None
        assert said(kept) == changed
        assert keep(store, replace(changed, as_of=on(1))) == 0, name
    assert_consistent(store_settings)


def test_an_older_reading_after_a_newer_one_is_left_out(store: Store, store_settings: HistorySettings) -> None:
    keep(store, reading(day=2))
    before = counts(store_settings)
    assert keep(store, reading(day=1, score=10.0, band="red")) == 0
    assert counts(store_settings) == before
    assert keep(store, reading(day=2, score=81.0)) == 1


def test_many_accounts_are_kept_in_one_turn(store: Store, store_settings: HistorySettings) -> None:
    readings = [reading(f"{number:04}") for number in range(1201)]
    assert keep(store, *readings) == 1201
    assert (
        keep(store, *(replace(r, as_of=on(1), score=50.0 if r.account < "0700" else r.score) for r in readings)) == 700
    )
    assert [found.account for found in store.all_at()] == [read.account for read in readings]
    assert_consistent(store_settings)


def test_a_part_that_cannot_be_kept_leaves_nothing_behind(store: Store, store_settings: HistorySettings) -> None:
    keep(store, reading())
    before = counts(store_settings)
    with pytest.raises(HistoryError, match="cannot be used"):
        keep(store, reading("other"), reading("twice"), reading("twice"))
    assert counts(store_settings) == before
    assert keep(store, reading("other")) == 1


# --- What is asked of it ----------------------------------------------------------------------------------------------


@pytest.fixture
def told(store: Store) -> Store:
    """A history of a fortnight: acme falls and recovers, other is left alone, late comes on the sixth day."""
    keep(store, reading(), reading("other"))
    keep(store, reading(day=2, score=40.0))
    keep(store, reading(day=4, score=None, band=NOT_SCORED))
    keep(store, reading(day=6, score=90.0), reading("late", 6))
    return store


def score_of(read: Reading | None) -> float | None:
    assert read is not None
    return read.score


def test_the_reading_that_held_at_an_instant_is_found(told: Store) -> None:
    assert told.before("acme", on(-0.1)) is None
    assert [score_of(told.before("acme", on(day))) for day in (0, 1.9, 2, 3, 4, 5.9, 6, 60)] == [
        80.0, 80.0, 40.0, 40.0, None, None, 90.0, 90.0,
    ]  # fmt: skip
    assert told.before("late", on(5)) is None


def test_a_reading_is_dated_when_a_whole_run_last_found_it_to_hold(told: Store) -> None:
    assert [told.before("acme", on(day)).as_of for day in (7, 9)] == [on(6), on(6)]  # type: ignore[union-attr] # it is there
    run_of(told, reading(day=8, score=90.0), reading("late", 8), reading("other", 8))
    told.begin(on(8.5), POLICY, WRITER, 3, ())
    assert [told.before("acme", on(day)).as_of for day in (7, 8, 9)] == [on(6), on(8), on(8)]  # type: ignore[union-attr] # as above


def test_the_first_reading_is_the_oldest_one(told: Store) -> None:
    assert [told.first(name).as_of for name in ("acme", "late")] == [on(0), on(6)]  # type: ignore[union-attr] # both are there


def test_scores_begin_with_the_one_that_held_at_the_start(told: Store) -> None:
    assert told.scores("acme", on(3), on(6)) == [(on(2), 40.0), (on(4), None), (on(6), 90.0)]
    assert told.scores("acme", on(2), on(5)) == [(on(2), 40.0), (on(4), None)]
    assert told.scores("acme", on(-9), on(1)) == [(on(0), 80.0)]
    assert told.scores("late", on(-9), on(5)) == []


def test_all_accounts_are_listed_as_they_were_at_an_instant(told: Store) -> None:
    def listed(day: float | None) -> list[tuple[str, float | None]]:
        return [(found.account, found.score) for found in told.all_at(None if day is None else on(day))]

    assert listed(-1) == []
    assert listed(3) == [("acme", 40.0), ("other", 80.0)]
    assert listed(None) == listed(6) == [("acme", 90.0), ("late", 80.0), ("other", 80.0)]


def test_of_two_readings_of_one_instant_the_later_one_holds(store: Store) -> None:
    keep(store, reading(day=1, score=10.0))
    keep(store, reading(day=1, score=11.0))
    assert score_of(store.latest("acme")) == score_of(store.before("acme", on(1))) == 11.0
    assert [found.score for found in store.all_at(on(1))] == [11.0]
    assert store.scores("acme", on(1), on(2)) == [(on(1), 11.0)]


def test_the_version_differs_whenever_something_was_added(store: Store) -> None:
    seen = [store.version()]
    for read in (reading(), reading(day=1, score=70.0), reading(day=2, flags=flagged("support_spike"))):
        keep(store, read)
        seen.append(store.version())
        store.say(activity())
        seen.append(store.version())
    assert len(set(seen)) == len(seen)
    assert seen == sorted(seen)


def test_metrics_are_named_in_the_order_that_their_policy_packs_them(store: Store) -> None:
    backwards = other_policy(metrics=dict(reversed(POLICY.metrics.items())), version="backwards")
    for policy in (POLICY, backwards):
        keep(store, reading(policy.ref.hash, policy=policy.ref.hash), policy=policy)
    found = store.metrics_of([POLICY.ref.hash, backwards.ref.hash, "nothing"])
    assert found == {POLICY.ref.hash: tuple(POLICY.metrics), backwards.ref.hash: tuple(backwards.metrics)}


# --- What happened ----------------------------------------------------------------------------------------------------


@pytest.fixture
def told_activities(store: Store) -> list[Activity]:
    """Twelve statuses over six days, for two accounts of two owners; oldest first, with their numbers."""
    kept = []
    for number in range(12):
        name, owner = ("acme", "Özil Ada") if number % 3 else ("other", "Grace")
        wanted = activity(name, number / 2, owner=owner, band="red" if number % 2 else "green", description=f"{number}")
        told = store.say(wanted)
        assert told is not None
        kept.append(replace(wanted, id=told))
    return kept


WANTED: list[tuple[dict[str, Any], Sequence[int]]] = [
    ({}, range(12)),
    ({"accounts": ["acme"]}, (1, 2, 4, 5, 7, 8, 10, 11)),
    ({"accounts": ["acme", "other"]}, range(12)),
    ({"accounts": []}, ()),
    ({"accounts": ["nobody"]}, ()),
    ({"owner": "grace"}, (0, 3, 6, 9)),
    ({"owner": "GRACE"}, (0, 3, 6, 9)),
    ({"owner": "Özil Ada"}, (1, 2, 4, 5, 7, 8, 10, 11)),
    ({"owner": "öZIL aDA"}, (1, 2, 4, 5, 7, 8, 10, 11)),
    ({"owner": "Özil"}, ()),
    ({"band": "red"}, range(1, 12, 2)),
    ({"kind": "status"}, range(12)),
    ({"kind": "flag"}, ()),
    ({"since": on(5)}, (10, 11)),
    ({"until": on(0.5)}, (0, 1)),
    ({"since": on(1), "until": on(2)}, (2, 3, 4)),
    ({"limit": 2}, (10, 11)),
    ({"limit": 0}, ()),
    ({"accounts": ["other"], "band": "red", "owner": "Grace", "limit": 1}, (9,)),
]
"""What may be wanted of those activities, and the numbers of those that fit."""


@pytest.mark.usefixtures("told_activities")
def test_activities_are_found_by_what_is_wanted(store: Store) -> None:
    for wanted, numbers in WANTED:
        found = store.activities(**wanted)
        assert [int(a.description or "") for a in found] == list(reversed(numbers)), wanted
        assert store.count_activities(**wanted) == len(found), wanted


def test_activities_come_back_whole_and_page_by_page(store: Store, told_activities: list[Activity]) -> None:
    pages: list[list[Activity]] = []
    before = None
    while page := store.activities(limit=5, before=before):
        pages.append(page)
        before = page[-1].id
        store.say(activity("acme", 100, description="new ones move no page"))
    assert [len(page) for page in pages] == [5, 5, 2]
    assert [a for page in pages for a in page] == told_activities[::-1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    st.builds(
        Activity,
        at=st.datetimes(),
        account=TEXT,
        name=TEXT,
        kind=st.just(Kind.STATUS),
        after=st.none() | TEXT,
        author=TEXT,
        owner=st.none() | TEXT,
        band=st.none() | TEXT,
        subject=st.none() | TEXT,
        before=st.none() | TEXT,
        score_before=st.none() | FINITE,
        score_after=st.none() | FINITE,
        description=st.none() | TEXT,
        expires_at=st.none() | st.datetimes(),
    )
)
def test_every_activity_comes_back_as_it_was_written(open_store: OpenStore, wanted: Activity) -> None:
    store = open_store()
    told = store.say(wanted)
    assert told is not None
    assert store.activities(limit=1) == [replace(wanted, id=told)]
    assert store.last_said(wanted.account) == told
    store.close()


def test_what_people_said_is_told_apart_from_what_was_computed(store: Store) -> None:
    keep(store, reading(flags=flagged("support_spike")), reading("other"))
    store.say(activity("other"))
    store.say(activity("acme", 1, kind=Kind.FLAG, subject="support_spike", after=Phase.SNOOZED.value))
    store.say(activity("acme", 2, kind=Kind.FLAG, subject="support_spike", after=Phase.ACKNOWLEDGED.value))
    keep(store, reading(day=3))
    assert store.count_activities() == 5
    assert [(a.account, a.after) for a in store.said_by_people()] == [
        ("other", "Champion"),
        ("acme", "snoozed"),
        ("acme", "acknowledged"),
    ]
    assert [a.after for a in store.said_by_people(["acme"])] == ["snoozed", "acknowledged"]
    assert store.said_by_people([]) == []
    assert store.last_said("acme") == store.said_by_people(["acme"])[-1].id


def test_what_people_said_of_any_number_of_accounts_can_be_asked(store: Store) -> None:
    for name in ("0", "69999", "nobody"):
        store.say(activity(name))
    assert [a.account for a in store.said_by_people([str(number) for number in range(70_000)])] == ["0", "69999"]


# --- Saying it once ---------------------------------------------------------------------------------------------------


def test_a_confirmation_counts_once_however_often_it_is_repeated(store: Store, store_settings: HistorySettings) -> None:
    store.say(activity(day=-1))
    store.say(activity("other"))
    expected = store.last_said("acme")
    told = store.say(activity(description="confirmed"), expected)
    assert told is not None
    kept = counts(store_settings)
    assert [store.say(activity(description="confirmed"), expected) for _ in range(20)] == [None] * 20
    assert counts(store_settings) == kept
    assert store.say(activity(), told) is not None


def test_computed_activities_do_not_stand_in_the_way_of_a_confirmation(store: Store) -> None:
    expected = store.last_said("acme")
    keep(store, reading(flags=flagged("support_spike")))
    assert store.say(activity(), expected) is not None


def test_of_eight_confirmations_at_once_one_counts(store: Store) -> None:
    together = Barrier(8)

    def confirm(number: int) -> int | None:
        together.wait(30)
        return store.say(activity(description=f"{number}"), 0)

    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(confirm, range(8)))
    (won,) = [number for number in told if number is not None]
    assert [(a.id, a.description) for a in store.activities()] == [(won, str(told.index(won)))]


# --- Turns ------------------------------------------------------------------------------------------------------------


def test_one_look_sees_one_state_of_the_store(store: Store, store_settings: HistorySettings) -> None:
    database = Database.open(store_settings, clock())
    counted = select(func.count()).select_from(schema.assessment)
    try:
        with database.reading() as connection:
            before = connection.execute(counted).scalar_one()
            keep(store, reading())
            assert connection.execute(counted).scalar_one() == before
        with database.reading() as connection:
            assert connection.execute(counted).scalar_one() == before + 1
    finally:
        database.close()


def test_who_waits_too_long_for_a_turn_is_told_so_while_reading_goes_on(
    open_store: OpenStore, store_settings: HistorySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_BUSY_SECONDS", 1)
    store, slow = open_store(), Database.open(store_settings, clock())
    keep(store, reading())
    try:
        with slow.writing():
            with pytest.raises(HistoryError, match="somebody else has been writing for too long"):
                keep(store, reading(day=1, score=1.0))
            assert score_of(store.latest("acme")) == 80.0
    finally:
        slow.close()
    assert keep(store, reading(day=1, score=1.0)) == 1


def half_done(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(schema.latest.insert().values(account_id="half", assessment_id=1))
        raise ZeroDivisionError


def test_an_error_inside_a_turn_leaves_nothing_behind(store: Store, store_settings: HistorySettings) -> None:
    database = Database.open(store_settings, clock())
    try:
        with pytest.raises(ZeroDivisionError):
            half_done(database)
    finally:
        database.close()
    assert counts(store_settings)["latest"] == 0
    assert keep(store, reading()) == 1


@pytest.mark.skipif(os.name != "posix", reason="Elsewhere files have no such modes: nothing was checked.")
def test_nobody_else_on_this_machine_can_read_the_file(sqlite_settings: HistorySettings) -> None:
    assert sqlite_settings.path is not None
    store = Store.open(
        replace(sqlite_settings, path=sqlite_settings.path.parent / "new" / "folder" / "h.sqlite"), clock()
    )
    try:
        keep(store, reading())
        modes = {
            stat.S_IMODE(file.stat().st_mode) for file in (sqlite_settings.path.parent / "new" / "folder").iterdir()
        }
    finally:
        store.close()
    assert modes == {0o600}


def test_instants_are_kept_to_the_microsecond(store: Store) -> None:
    exact = START.replace(microsecond=1)
    keep(store, replace(reading(), as_of=exact))
    assert store.before("acme", START) is None
    kept = store.before("acme", exact)
    assert kept is not None
    assert kept.as_of == exact
    assert math.isclose(kept.score or 0, 80.0)
