"""The asked instant: a date is the end of that day where the policy lives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from account_health.as_of import asked_instant
from account_health.errors import CallerError
from given import Given, account, assessments_of

NOW = datetime(2026, 11, 21, 9, 30, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2026-11-21", "UTC", datetime(2026, 11, 21, 23, 59, 59, 999_999)),
        ("20261121", "UTC", datetime(2026, 11, 21, 23, 59, 59, 999_999)),
        ("2026-11-21", "America/New_York", datetime(2026, 11, 22, 4, 59, 59, 999_999)),
        ("2026-11-21", "Asia/Tokyo", datetime(2026, 11, 21, 14, 59, 59, 999_999)),
        ("2026-10-25", "Europe/Berlin", datetime(2026, 10, 25, 22, 59, 59, 999_999)),  # a day of 25 hours
        ("2024-02-29", "UTC", datetime(2024, 2, 29, 23, 59, 59, 999_999)),
    ],
)
def test_a_date_means_the_end_of_that_day_in_the_time_zone_of_the_policy(
    text: str, zone: str, instant: datetime
) -> None:
    assert asked_instant(text, zone, NOW) == instant


@pytest.mark.parametrize("text", ["2026-11-21T09:00:00Z", "2026-11-21T10:00:00+01:00", "2026-11-21 09:00"])
def test_an_instant_is_taken_as_it_is_and_without_a_zone_as_utc(text: str) -> None:
    assert asked_instant(text, "America/New_York", NOW) == datetime(2026, 11, 21, 9)


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_a_date_the_current_minute_is_asked(nothing: str | None) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=5)))

    assert asked_instant(nothing, "UTC", there) == datetime(2026, 11, 21, 9, 30)


@pytest.mark.parametrize(
    "garbage",
    [
        "yesterday",
        " ",
        "2026-13-01",
        "2026-02-30",
        "21.11.2026",
        "2026-11-21T25:00",
        "NaN",
        "2026-11-21\n",
    ],
)
def test_anything_else_is_refused_with_an_example(garbage: str) -> None:
    with pytest.raises(CallerError, match=r"as_of is no date\. Write e\.g\. 2026-11-21"):
        asked_instant(garbage, "UTC", NOW)


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31", "1899-12-31", "9999-12-31T23:59:59-12:00"])
def test_years_that_no_window_can_look_back_from_are_refused(text: str) -> None:
    with pytest.raises(CallerError):
        asked_instant(text, "UTC", NOW)


@pytest.mark.parametrize("text", ["1900-01-01", "8999-12-31"])
def test_the_first_and_the_last_day_can_be_answered(text: str) -> None:
    answer = assessments_of(Given([account()], history_from={}), as_of=asked_instant(text, "UTC", NOW))

    assert [a.as_of.year for a in answer] == [int(text[:4])]
