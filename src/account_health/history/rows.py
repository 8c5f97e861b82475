"""Rows: records as rows of the tables, and back."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from account_health.history.records import Activity, Flags, Kind, Packed, Profile, Reading, Run
from account_health.model import Severity

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import RowMapping

_DIGITS = 16
_PROFILE = ("name", "segment", "owner", "lifecycle", "arr", "currency", "renewal_date")
_PLAIN = ("as_of", "policy", "score", "low", "high", "coverage", "band", "announced_band", "pending", "is_present")


def digest(reading: Reading) -> str:
    """Tells two readings apart that say something different of an account, whenever they were made."""
    said = (
        *(getattr(reading.profile, field) for field in _PROFILE),
        *(getattr(reading, field) for field in _PLAIN if field != "as_of"),
        reading.tier.value,
        _flags_text(reading.flags),
    )
    packed = reading.packed
    text = repr(said).encode() + packed.values + packed.marks + packed.states
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


def of_reading(reading: Reading, recorded_at: datetime, asked_by: str) -> dict[str, Any]:
    """The row of a reading."""
    return {
        "account_id": reading.account,
        "recorded_at": recorded_at,
        "asked_by": asked_by,
        "digest": reading.digest,
        **{field: getattr(reading.profile, field) for field in _PROFILE},
        **{field: getattr(reading, field) for field in _PLAIN},
        "tier": reading.tier.value,
        "flags": _flags_text(reading.flags),
        "metric_values": reading.packed.values,
        "metric_marks": reading.packed.marks,
        "table_states": reading.packed.states,
    }


def to_reading(row: RowMapping) -> Reading:
    """The reading of a row."""
    return Reading(
        account=row["account_id"],
        profile=Profile(**{field: row[field] for field in _PROFILE}),
        tier=Severity(row["tier"]),
        flags=_flags(row["flags"]),
        packed=Packed(row["metric_values"], row["metric_marks"], row["table_states"]),
        digest=row["digest"],
        **{field: row[field] for field in _PLAIN},
    )


def of_activity(activity: Activity) -> dict[str, Any]:
    """The row of an activity, without its number."""
    row = {name: value for name, value in vars(activity).items() if name not in ("id", "account", "name")}
    return {**row, "kind": activity.kind.value, "account_id": activity.account, "account_name": activity.name}


def to_activity(row: RowMapping) -> Activity:
    """The activity of a row."""
    rest = {name: value for name, value in row.items() if name not in ("account_id", "account_name", "kind")}
    return Activity(account=row["account_id"], name=row["account_name"], kind=Kind(row["kind"]), **rest)


def to_run(row: RowMapping) -> Run:
    """The run of a row."""
    rest = {name: value for name, value in row.items() if name not in ("problems", "asked_by")}
    return Run(problems=tuple(json.loads(row["problems"])), **rest)


def _flags_text(flags: Flags) -> str:
    raised = {flag: severity.value for flag, severity in flags.raised.items()}
    since = {flag: day.isoformat() for flag, day in sorted(flags.since.items())}
    return json.dumps({"raised": raised, "unknown": flags.unknown, "since": since}, separators=(",", ":"))


@lru_cache(maxsize=4096)
def _flags(text: str) -> Flags:
    found = json.loads(text)
    return Flags(
        raised={flag: Severity(severity) for flag, severity in found["raised"].items()},
        unknown=tuple(found["unknown"]),
        since={flag: date.fromisoformat(day) for flag, day in found["since"].items()},
    )
