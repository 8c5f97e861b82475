"""Readings, activities and clocks for a history, and what lies in its tables. Imports nothing that is slow to load."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from account_health.history import schema
from account_health.history.database import Database
from account_health.history.packing import STATES, Mark
from account_health.history.records import Activity, Flags, Kind, Packed, Profile, Reading
from account_health.model import Severity, State
from account_health.policy import Policy, load_policy
from account_health.tables import TABLES

if TYPE_CHECKING:
    from account_health.config import HistorySettings
    from account_health.history.store import Store

POLICY = load_policy()
START = datetime(2026, 11, 1, 9)
"""The first day of these histories, naive UTC."""
WRITER = "somebody"
"""Who asks for readings."""

Content = Mapping[str, list[dict[str, Any]]]


def on(day: float) -> datetime:
    """The instant some days after the start."""
    return START + timedelta(days=day)


def clock(day: float = 0) -> Callable[[], datetime]:
    """A clock that stands still some days after the start."""
    return lambda: on(day)


def packed(values: Mapping[str, float] | None = None, policy: Policy = POLICY) -> Packed:
    """The packed row of an account of which these metrics are known."""
    known = values or {}
    marks = [Mark.APPLICABLE | (Mark.KNOWN | Mark.PROVIDED if name in known else 0) for name in policy.metrics]
    numbers = [known.get(name, float("nan")) for name in policy.metrics]
    states = bytes([STATES.index(State.OBSERVED)]) * len(TABLES)
    return Packed(struct.pack(f"<{len(numbers)}d", *numbers), bytes(marks), states)


def reading(account: str = "acme", day: float = 0, **said: Any) -> Reading:
    """A reading of an account, green unless told otherwise."""
    plain: dict[str, Any] = {
        "profile": Profile(name=f"{account} Ltd", owner="Ada", arr=12_000.0, currency="EUR"),
        "score": 80.0,
        "low": 70.0,
        "high": 90.0,
        "coverage": 0.75,
        "band": "green",
        "tier": Severity.NONE,
        "flags": Flags({}, (), {}),
        "packed": packed({"nps_latest": 9.0}),
        "policy": POLICY.ref.hash,
    }
    return Reading(account=account, as_of=on(day), **{**plain, **said})


def flagged(*raised: str, unknown: Iterable[str] = ()) -> Flags:
    """Flags as they are read: these are raised, those cannot be checked, the others are clear."""
    return Flags(dict.fromkeys(raised, Severity.HIGH), tuple(unknown), {})


def activity(account: str = "acme", day: float = 0, **said: Any) -> Activity:
    """A status that a person set."""
    plain: dict[str, Any] = {
        "name": f"{account} Ltd",
        "kind": Kind.STATUS,
        "after": "Champion",
        "author": "Ada",
        "subject": "vitally",
    }
    return Activity(at=on(day), account=account, **{**plain, **said})


def keep(store: Store, *readings: Reading, policy: Policy = POLICY, today: date | None = None) -> int:
    """Records readings as the command line would; how many said something new."""
    day = today or max(read.as_of for read in readings).date()
    return store.record(readings, policy, WRITER, day)


def run_of(store: Store, *readings: Reading, policy: Policy = POLICY, listed: set[str] | None = None) -> None:
    """Records a whole run: these are all accounts, unless `listed` says otherwise."""
    instant = readings[0].as_of
    run = store.begin(instant, policy, WRITER, len(readings), ())
    store.record(readings, policy, WRITER, instant.date(), run, len(readings))
    store.finish(run, policy, WRITER, instant.date(), {r.account for r in readings} if listed is None else listed)


def said(kept: Reading) -> Reading:
    """What was read, without what the store adds to it: to compare with what was written."""
    return replace(kept, digest="", announced_band="", pending=0, flags=replace(kept.flags, since={}))


def other_policy(drop: Iterable[str] = (), **changes: Any) -> Policy:
    """The default policy with other values, or with fewer metrics and the flags that need none of those."""
    gone = set(drop)
    left = {
        "metrics": {name: metric for name, metric in POLICY.metrics.items() if name not in gone},
        "flags": {name: flag for name, flag in POLICY.flags.items() if gone.isdisjoint(flag.metrics)},
    }
    copied = POLICY.model_copy(update={**left, **changes})
    for name in ("ref", "weighted"):  # what the original has computed of itself
        vars(copied).pop(name, None)
    return copied


def announcing_after(readings: int) -> Policy:
    """The default policy, which announces a band after so many readings in a row."""
    return other_policy(changes=POLICY.changes.model_copy(update={"readings": readings}))


def content(settings: HistorySettings) -> Content:
    """Every row of every table but the list of migrations, by number."""
    database = Database.open(settings, lambda: datetime.now(UTC).replace(tzinfo=None))
    try:
        with database.reading() as connection:
            return {
                table.name: [
                    dict(row)
                    for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
                ]
                for table in schema.metadata.sorted_tables
                if table is not schema.migration
            }
    finally:
        database.close()


def counts(settings: HistorySettings) -> Mapping[str, int]:
    """How many rows each table has."""
    return {table: len(rows) for table, rows in content(settings).items()}


def assert_consistent(settings: HistorySettings) -> None:
    """Every account's `latest` points to its newest row, and every row has its account there."""
    database = Database.open(settings, clock())
    a, kept = schema.assessment.c, schema.latest.c
    try:
        with database.reading() as connection:
            newest = connection.execute(select(a.account_id, func.max(a.id)).group_by(a.account_id)).all()
            pointed = connection.execute(select(kept.account_id, kept.assessment_id)).all()
    finally:
        database.close()
    assert sorted(map(tuple, pointed)) == sorted(map(tuple, newest))
