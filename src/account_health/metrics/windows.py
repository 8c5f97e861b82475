"""The instants and days that metric windows start and end at.

Windows are half-open and end at the asked instant; usage windows are made of whole days and end with the last
complete one.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from account_health.policy import Policy


def local_day(instant: datetime, time_zone: str) -> date:
    """The calendar day of a naive UTC instant in a time zone."""
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(time_zone)).date()


def _end(as_of: datetime) -> datetime:
    """Where windows end: the asked instant, or the midnight that the last instant of a day stands before.

    So an export of the last 90 days covers a window of 90 days when a day is asked for.
    """
    midnight = as_of + timedelta(microseconds=1)
    return midnight if midnight.time() == time() else as_of


def parameters(policy: Policy, as_of: datetime, usage_end: date) -> dict[str, Any]:
    """Every parameter a metric's SQL may name, for one policy and one instant (naive UTC)."""
    windows = policy.windows
    recent = timedelta(days=windows.recent)
    end = _end(as_of)
    starts = {
        "recent": end - recent,
        "previous": end - 2 * recent,
        "quarter": end - timedelta(days=windows.quarter),
        "year": end - timedelta(days=windows.year),
        "survey": end - timedelta(days=min(windows.survey, policy.freshness.survey)),
    }
    return {
        "as_of": as_of,
        "today": local_day(as_of, policy.time_zone),
        "time_zone": policy.time_zone,
        **{f"{window}_start": start for window, start in starts.items()},
        **{f"{window}_day": local_day(start, policy.time_zone) for window, start in starts.items()},
        "usage_end": usage_end,
        "usage_recent_start": usage_end - recent,
        "usage_previous_start": usage_end - 2 * recent,
        "contract_levels": list(policy.metrics["contract_standing"].levels)
        if "contract_standing" in policy.metrics
        else [],
    }
