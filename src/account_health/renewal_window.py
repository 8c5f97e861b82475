"""Renewal window: words such as `Q4`, `2026-12` or `next 60 days` as the days they stand for."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

from account_health.errors import CallerError
from account_health.language import mark, say

_FORMS = mark("Write e.g. Q4, Q4 2026, 2026-12, 2026 or 90 for the next 90 days.")
_MONTHS_IN_QUARTER = 3
_MONTHS = 12


@dataclass(frozen=True)
class RenewalWindow:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    @classmethod
    def parse(cls, text: str, today: date) -> RenewalWindow:
        """The window a text stands for; a quarter without a year is the one that is not over yet.

        >>> RenewalWindow.parse("Q1", date(2026, 11, 21)).last
        datetime.date(2027, 3, 31)
        """
        words = " ".join(text.casefold().split())
        try:
            if found := re.fullmatch(r"(?:next )?(\d{1,4})(?: ?d(?:ays?)?)?", words):
                number = int(found[1])
                is_year = len(found[1]) == len("2026") and words == found[1]
                return _year(number) if is_year else cls(today, today + timedelta(days=number))
            if found := re.fullmatch(r"q([1-4])(?:[ -]?(\d{4}))?|(\d{4})[ -]?q([1-4])", words):
                quarter, year = int(found[1] or found[4]), found[2] or found[3]
                return _quarter(int(year), quarter) if year else _coming_quarter(quarter, today)
            if found := re.fullmatch(r"(\d{4})-(\d{2})", words):
                return _months(int(found[1]), int(found[2]), 1)
        except (ValueError, OverflowError) as err:
            raise CallerError(say("There is no such renewal window."), say(_FORMS)) from err
        raise CallerError(say("There is no such renewal window."), say(_FORMS))


def _year(year: int) -> RenewalWindow:
    return _months(year, 1, _MONTHS)


def _quarter(year: int, quarter: int) -> RenewalWindow:
    return _months(year, _MONTHS_IN_QUARTER * (quarter - 1) + 1, _MONTHS_IN_QUARTER)


def _coming_quarter(quarter: int, today: date) -> RenewalWindow:
    this_year = _quarter(today.year, quarter)
    return this_year if this_year.last >= today else _quarter(today.year + 1, quarter)


def _months(year: int, month: int, count: int) -> RenewalWindow:
    last = month + count - 1
    return RenewalWindow(date(year, month, 1), date(year, last, monthrange(year, last)[1]))
