"""as_of: the instant a question is asked at. A date means the end of that day in the policy's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from account_health.errors import CallerError


def asked_instant(text: str | None, time_zone: str, now: datetime) -> datetime:
    """The asked instant as naive UTC: `text` as a date or ISO 8601 instant, or without text the current minute.

    Raises CallerError for anything else. The current time is cut to the minute so that the date an answer prints is
    exactly the one it was computed for.
    """
    if not text:
        return now.astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None)
    try:
        if len(text) == len("2026-11-21"):
            end = datetime.combine(date.fromisoformat(text), time.max, ZoneInfo(time_zone))
            return end.astimezone(UTC).replace(tzinfo=None)
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as err:
        raise CallerError("as_of is no date.", "Write e.g. 2026-11-21 or 2026-11-21T09:00:00Z.") from err
