"""as_of: the instant a question is asked at. A date means the end of that day in the policy's time zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from account_health.errors import CallerError
from account_health.language import mark, say

_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}|\d{4}-?W.*")
_FORMS = mark("Write e.g. 2026-11-21 or 2026-11-21T09:00:00Z.")
_EARLIEST, _LATEST = datetime(1900, 1, 1), datetime(9000, 1, 1)  # noqa: DTZ001 - naive UTC, like every instant inside


def asked_instant(text: str | None, time_zone: str, now: datetime, name: str = "as_of") -> datetime:
    """The asked instant as naive UTC: `text` as a date or ISO 8601 instant, or without text the current minute.

    Raises CallerError for anything else, and for years so far away that no window could look back or ahead from them.
    The current time is cut to the minute so that the date an answer prints is exactly the one it was computed for.
    """
    if not text:
        return now.astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None)
    try:
        asked = _end_of_day(text, time_zone) if _DATE.fullmatch(text) else _instant(text)
    except (ValueError, OverflowError) as err:
        raise CallerError(say("{name} is no date.", name=name), say(_FORMS)) from err
    if not _EARLIEST <= asked < _LATEST:
        years = {"first": _EARLIEST.year, "last": _LATEST.year}
        raise CallerError(say("{name} must lie between the years {first} and {last}.", name=name, **years), say(_FORMS))
    return asked


def asked_since(text: str, time_zone: str) -> datetime:
    """Where a stretch of time begins as naive UTC: the start of a date, or an ISO 8601 instant; raises CallerError."""
    try:
        if not _DATE.fullmatch(text):
            return _instant(text)
        start = datetime.combine(date.fromisoformat(text), time.min, ZoneInfo(time_zone))
        return start.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as err:
        raise CallerError(say("{name} is no date.", name="since"), say(_FORMS)) from err


def _end_of_day(text: str, time_zone: str) -> datetime:
    end = datetime.combine(date.fromisoformat(text), time.max, ZoneInfo(time_zone))
    return end.astimezone(UTC).replace(tzinfo=None)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)
