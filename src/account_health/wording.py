"""Wording: numbers, dates and the policy's sentences as text."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import TYPE_CHECKING

from account_health.metrics.windows import local_day
from account_health.model import Band, Source, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.criteria import Metric
    from account_health.policy import Policy

SOURCE_NAMES = {
    Source.CRM: "CRM",
    Source.SUPPORT: "Support platform",
    Source.ANALYTICS: "Product analytics",
    Source.BILLING: "Billing",
    Source.SURVEYS: "Surveys",
}
SOURCE_PHRASES = {
    Source.CRM: "the CRM",
    Source.SUPPORT: "the support platform",
    Source.ANALYTICS: "product analytics",
    Source.BILLING: "billing",
    Source.SURVEYS: "the survey tool",
}
"""The same inside a sentence."""
BAND_WORDS = {Band.GREEN: "Healthy", Band.YELLOW: "Needs attention", Band.RED: "At risk"}
BAND_TITLES = {**{band.value: band.value.capitalize() for band in Band}, "not_scored": "Not scored"}
"""Bands, and what stands where one would, as a reader sees them."""
REMEDIES = {
    State.NOT_CONNECTED: "connect",
    State.FAILED: "restore",
    State.STALE: "refresh",
    State.NOT_MATCHED: "match the account in",
    State.PARTIAL: "complete",
    State.EMPTY: "record more in",
}
"""What to do first about a source in each state of absence."""

_PLACES = 9
_WHOLE_FROM = 9.95
_WORDY = 1e12


def rounded(score: float) -> int:
    """Half-up, so that 74.5 is 75; number and band are both taken from it."""
    return math.floor(round(score, _PLACES) + 0.5)


def trimmed(value: float) -> float:
    """Rounded to nine decimals, as published."""
    return round(float(value), _PLACES)


def number(value: float) -> str:
    """At most one decimal, none from 10 on, thousands separated: 4.6, 42, 1,234; powers of ten where it gets wordy."""
    if abs(value) >= _WORDY:
        return f"{value:.2g}"
    text = f"{value:,.1f}" if abs(value) < _WHOLE_FROM else f"{value:,.0f}"
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def signed(points: float, places: int = 0) -> str:
    """Points with their sign, a true minus for losses: +3, −9, 0.

    >>> signed(-4.94, 1)
    '−4.9'
    """
    text = f"{points:+.{places}f}"
    return text.strip("+-") if not float(text) else text.replace("-", "−")


def percent_down(share: float) -> int:
    """A share in whole percent, rounded down, so that 99.9 % never reads as complete."""
    return math.floor(round(100 * share, _PLACES))


def day(instant: datetime, time_zone: str) -> str:
    """The calendar day of a naive UTC instant, ISO 8601."""
    return local_day(instant, time_zone).isoformat()


def minute(instant: datetime) -> str:
    """A naive UTC instant to the minute, with its zone."""
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def listed(items: Sequence[str], most: int = 3) -> str:
    """`a, b and c`, cut after `most` with a count of the rest."""
    shown = list(items[:most])
    if len(items) > most:
        shown.append(f"{len(items) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def lower_first(text: str) -> str:
    """The sentence for use inside another one; abbreviations such as NPS keep their capitals."""
    return text if len(text) > 1 and text[1].isupper() else text[:1].lower() + text[1:]


def sentence(
    metric: Metric, value: float, policy: Policy, on: datetime | None = None, *, at_least: bool = False
) -> str:
    """The policy's sentence for a value, filled in. Parts in [brackets] stand only when their date is known."""
    text = metric.sentences["other" if at_least and "other" in metric.sentences else _variant(metric, value)]
    if on is None:
        text = re.sub(r"\[[^\]]*\]", "", text)
    windows = policy.windows
    return text.replace("[", "").replace("]", "").format(
        value=number(value), abs=number(abs(value)), on=day(on, policy.time_zone) if on else "",
        at_least="at least " if at_least else "",
        recent=windows.recent, quarter=windows.quarter, year=windows.year, survey=windows.survey,
    )  # fmt: skip


def _variant(metric: Metric, value: float) -> str:
    if metric.levels:
        return metric.levels[min(max(int(value), 0), len(metric.levels) - 1)]
    shown = number(value)
    if shown in metric.sentences:
        return shown
    sign = "negative" if value < 0 else "positive"
    return sign if sign in metric.sentences else "other"
