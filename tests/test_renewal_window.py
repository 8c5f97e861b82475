"""Renewal windows: a quarter, a month, a year or the next days, as people write them, are the days they stand for."""

from __future__ import annotations

from calendar import isleap
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_health.errors import CallerError
from account_health.renewal_window import RenewalWindow

TODAY = date(2026, 11, 21)
DAYS = st.dates(date(1900, 1, 1), date(9000, 1, 1))
YEARS = st.integers(1900, 9000)


def window(text: str, today: date = TODAY) -> tuple[str, str]:
    """First and last day of what a text stands for."""
    found = RenewalWindow.parse(text, today)
    return found.first.isoformat(), found.last.isoformat()


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("Q1", "2027-01-01", "2027-03-31"),
        ("Q3", "2027-07-01", "2027-09-30"),
        ("Q4", "2026-10-01", "2026-12-31"),
        (" q4 ", "2026-10-01", "2026-12-31"),
        ("Q4 2026", "2026-10-01", "2026-12-31"),
        ("q1-2025", "2025-01-01", "2025-03-31"),
        ("Q22027", "2027-04-01", "2027-06-30"),
        ("2026 Q3", "2026-07-01", "2026-09-30"),
        ("2026-Q3", "2026-07-01", "2026-09-30"),
        ("2026q3", "2026-07-01", "2026-09-30"),
        ("2026-12", "2026-12-01", "2026-12-31"),
        ("2027-02", "2027-02-01", "2027-02-28"),
        ("2028-02", "2028-02-01", "2028-02-29"),
        ("2026", "2026-01-01", "2026-12-31"),
        ("9999", "9999-01-01", "9999-12-31"),
        ("90", "2026-11-21", "2027-02-19"),
        ("next 90 days", "2026-11-21", "2027-02-19"),
        ("Next  90\tDays", "2026-11-21", "2027-02-19"),
        ("90d", "2026-11-21", "2027-02-19"),
        ("90 d", "2026-11-21", "2027-02-19"),
        ("90days", "2026-11-21", "2027-02-19"),
        ("1 day", "2026-11-21", "2026-11-22"),
        ("next 1 day", "2026-11-21", "2026-11-22"),
        ("0", "2026-11-21", "2026-11-21"),
        ("2026 days", "2026-11-21", "2032-06-08"),
        ("next 2026", "2026-11-21", "2032-06-08"),
    ],
)
def test_a_text_stands_for_its_days(text: str, first: str, last: str) -> None:
    assert window(text) == (first, last)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "soon", "Q0", "Q5", "Q", "Q4 26", "Q4 2026 or so", "next Q4", "2026-13", "2026-00", "2026-1",
        "2026-12-01", "2026/12", "0000", "-5", "+5", "1.5", "1e3", "90 weeks", "next", "next days", "days", "12345",
        "99999 days", "2026-Q4-1", "Q4\n; DROP TABLE", "9" * 5000, "4Q",
    ],
)  # fmt: skip
def test_what_is_no_window_is_refused_with_examples(text: str) -> None:
    with pytest.raises(CallerError) as refused:
        RenewalWindow.parse(text, TODAY)
    assert str(refused.value) == (
        "There is no such renewal window. Write e.g. Q4, Q4 2026, 2026-12, 2026 or 90 for the next 90 days."
    )


@pytest.mark.parametrize("text", ["Q1", "90"])
def test_a_window_behind_the_end_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(CallerError):
        RenewalWindow.parse(text, date(9999, 12, 1))


@given(quarter=st.integers(1, 4), today=DAYS)
def test_a_quarter_without_a_year_is_the_next_one_that_is_not_over(quarter: int, today: date) -> None:
    found = RenewalWindow.parse(f"Q{quarter}", today)
    year_before = RenewalWindow.parse(f"Q{quarter} {found.first.year - 1}", today)

    assert year_before.last < today <= found.last
    assert found == RenewalWindow.parse(f"Q{quarter} {found.first.year}", today)


@given(year=YEARS, today=DAYS)
def test_quarters_and_months_cut_a_year_without_gap_or_overlap(year: int, today: date) -> None:
    whole = RenewalWindow.parse(f"{year}", today)
    assert (whole.last - whole.first).days + 1 == 365 + isleap(year)
    for names in ([f"Q{q} {year}" for q in range(1, 5)], [f"{year}-{month:02}" for month in range(1, 13)]):
        parts = [RenewalWindow.parse(name, today) for name in names]
        assert (parts[0].first, parts[-1].last) == (whole.first, whole.last)
        assert all(a.last + timedelta(days=1) == b.first for a, b in pairwise(parts))


@given(days=st.integers(0, 999), today=DAYS)
def test_the_next_days_begin_today_and_end_with_the_last_of_them(days: int, today: date) -> None:
    found = RenewalWindow.parse(f"next {days} days", today)

    assert found.first == today
    assert found.last - today == timedelta(days=days)
    assert [today + timedelta(days=n) in found for n in (-1, 0, days, days + 1)] == [False, True, True, False]


def test_both_ends_belong_to_a_window_and_what_is_no_day_does_not() -> None:
    found = RenewalWindow.parse("2026-12", TODAY)

    assert date(2026, 12, 1) in found
    assert date(2026, 12, 31) in found
    assert date(2026, 11, 30) not in found
    assert date(2027, 1, 1) not in found
    assert None not in found
    assert "2026-12-05" not in found
