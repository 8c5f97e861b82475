"""What a reading means after those before it, against the rules in plain Python: as values, and through a store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from account_health.history.lifecycle import activities, followed
from account_health.history.records import Kind
from history.readings import announcing_after, flagged, keep, on, reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.history.records import Activity, Reading
    from account_health.history.store import Store
    from history.conftest import OpenStore

FLAGS = ("no_champion", "payment_trouble", "support_spike")


@dataclass(frozen=True)
class Step:
    """What one day's reading says of an account: its band, and of each flag whether it is raised (None: unknown)."""

    band: str
    flags: tuple[bool | None, ...]
    is_present: bool = True

    def reading(self, day: int) -> Reading:
        """The reading of that day."""
        raised = [flag for flag, state in zip(FLAGS, self.flags, strict=True) if state]
        unknown = [flag for flag, state in zip(FLAGS, self.flags, strict=True) if state is None]
        flags = flagged(*raised, unknown=unknown)
        return reading(day=day, score=float(day), band=self.band, flags=flags, is_present=self.is_present)


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(("green", "yellow", "red", "not_scored")),
        st.tuples(*[st.sampled_from((True, False, None))] * len(FLAGS)),
        st.sampled_from((True, True, True, False)),
    ),
    min_size=1,
    max_size=12,
)
HISTORIES = st.tuples(STEPS, st.integers(1, 4))


def followed_through(steps: Sequence[Step], readings: int) -> tuple[list[Reading], list[list[Activity]]]:
    """Every reading of a history and what there is to say about it."""
    kept: list[Reading] = []
    told: list[list[Activity]] = []
    for day, step in enumerate(steps):
        before = kept[-1] if kept else None
        now = followed(step.reading(day), before, readings, on(day).date())
        told.append(list(activities(now, before, "somebody")) if now.is_present else [])
        kept.append(now)
    return kept, told


def since_it_came(steps: Sequence[Step]) -> list[int]:
    """The days since the account came, or came back, up to the last one."""
    absent = [day for day, step in enumerate(steps[:-1]) if not step.is_present]
    return list(range(absent[-1] + 1 if absent else 0, len(steps)))


def announced(steps: Sequence[Step], readings: int) -> str:
    """The rule: the first band at once, then every band that was read so many times in a row."""
    found = steps[since_it_came(steps)[0]].band
    days = since_it_came(steps)
    for end in range(1, len(days) + 1):
        last = [steps[day].band for day in days[max(end - readings, 0) : end]]
        if len(last) == readings and len(set(last)) == 1:
            found = last[0]
    return found


def open_since(steps: Sequence[Step], flag: int) -> date | None:
    """The rule: a flag opens when it is raised, stays while nobody can tell, clears when it is surely not raised."""
    opened = None
    for day in since_it_came(steps):
        state = steps[day].flags[flag]
        if state is False:
            opened = None
        elif state and opened is None:
            opened = on(day).date()
    return opened


@settings(max_examples=400)
@given(HISTORIES)
def test_bands_and_flags_follow_their_rules_through_any_history(history: tuple[list[Step], int]) -> None:
    steps, readings = history
    kept, _ = followed_through(steps, readings)
    for day, now in enumerate(kept):
        so_far = steps[: day + 1]
        assert now.announced_band == announced(so_far, readings)
        assert 0 <= now.pending < readings
        assert (now.pending == 0) == (now.band == now.announced_band)
        since = {flag: open_since(so_far, place) for place, flag in enumerate(FLAGS)}
        assert now.flags.since == {flag: opened for flag, opened in since.items() if opened}


@settings(max_examples=200)
@given(HISTORIES)
def test_activities_say_exactly_what_differs_from_the_day_before(history: tuple[list[Step], int]) -> None:
    kept, told = followed_through(*history)
    earlier: Reading | None = None
    for now, happened in zip(kept, told, strict=True):
        bands = [(a.before, a.after) for a in happened if a.kind is Kind.BAND]
        flags = {(a.subject, a.after) for a in happened if a.kind is Kind.FLAG}
        if not now.is_present:
            assert happened == []
            earlier = None
            continue
        is_announced = earlier is not None and earlier.announced_band != now.announced_band
        assert bands == ([(earlier.announced_band, now.announced_band)] if earlier and is_announced else [])
        was = earlier.flags.since.keys() if earlier else set()
        assert flags == {(flag, "opened") for flag in now.flags.since.keys() - was} | {
            (flag, "cleared") for flag in was - now.flags.since.keys()
        }
        assert len(happened) == len(bands) + len(flags)
        assert {(a.at, a.account, a.name, a.owner, a.band) for a in happened} <= {
            (now.as_of, "acme", "acme Ltd", "Ada", now.announced_band)
        }
        assert {(a.score_before, a.score_after) for a in happened} <= {(earlier.score if earlier else None, now.score)}
        earlier = now


@settings(max_examples=100)
@given(HISTORIES, st.data())
def test_reading_the_same_instant_again_changes_nothing(history: tuple[list[Step], int], data: st.DataObject) -> None:
    steps, readings = history
    kept, _ = followed_through(steps, readings)
    day = data.draw(st.integers(0, len(kept) - 1))
    again = followed(steps[day].reading(day), kept[day], readings, on(day).date())
    if steps[day].is_present:
        assert again == kept[day]
        assert list(activities(again, kept[day], "somebody")) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.lists(STEPS, min_size=1, max_size=3), st.integers(1, 3))
def test_a_store_keeps_what_the_rules_say(open_store: OpenStore, histories: list[list[Step]], readings: int) -> None:
    store, policy = open_store(), announcing_after(readings)
    first, fresh = store.activities(limit=1), store.version()[0]
    for number, steps in enumerate(histories):
        name = f"{fresh}-{number}"
        for day, step in enumerate(steps):
            keep(store, replace(step.reading(day), account=name), policy=policy)
        kept, told = followed_through(steps, readings)
        newest = store.latest(name)
        assert (newest is not None) == steps[-1].is_present
        if newest is not None:
            assert (newest.announced_band, newest.pending) == (kept[-1].announced_band, kept[-1].pending)
            assert newest.flags == kept[-1].flags
        found = store.activities(accounts=[name])[::-1]
        assert [replace(a, id=0, account="acme") for a in found] == [a for day in told for a in day]
    store.close()
    assert first == [] or first[0].id > 0


def test_a_band_is_announced_when_it_was_read_twice_in_a_row(store: Store) -> None:
    for day, band in enumerate(("green", "yellow", "green", "yellow", "red", "red", "red")):
        keep(store, reading(day=day, band=band), policy=announcing_after(2))
    (told,) = store.activities()
    assert (told.kind, told.before, told.after, told.at, told.band) == (Kind.BAND, "green", "red", on(5), "red")


def test_a_flag_opens_persists_while_unknown_and_clears(store: Store) -> None:
    states = (
        flagged(),
        flagged("support_spike"),
        flagged(unknown=["support_spike"]),
        flagged("support_spike"),
        flagged(),
    )
    since = []
    for day, flags in enumerate(states):
        keep(store, reading(day=day, flags=flags))
        newest = store.latest("acme")
        assert newest is not None
        since.append(newest.flags.since.get("support_spike"))
    assert since == [None, *[on(1).date()] * 3, None]
    assert [(a.subject, a.before, a.after, a.at) for a in store.activities()] == [
        ("support_spike", "opened", "cleared", on(4)),
        ("support_spike", None, "opened", on(1)),
    ]
