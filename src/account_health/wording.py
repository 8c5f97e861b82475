"""Wording: numbers, dates and the policy's sentences as text."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import TYPE_CHECKING

from account_health.language import count, figure, forms, mark, phrase, say, word, written, written_minute
from account_health.metrics.windows import local_day
from account_health.model import Band, Severity, Source, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.criteria import Metric
    from account_health.policy import Policy

_SOURCE_NAMES = {
    Source.CRM: mark("CRM"),
    Source.SUPPORT: mark("Support platform"),
    Source.ANALYTICS: mark("Product analytics"),
    Source.BILLING: mark("Billing"),
    Source.SURVEYS: mark("Surveys"),
}
_SOURCE_PHRASES = {
    Source.CRM: mark("the CRM"),
    Source.SUPPORT: mark("the support platform"),
    Source.ANALYTICS: mark("product analytics"),
    Source.BILLING: mark("billing"),
    Source.SURVEYS: mark("the survey tool"),
}
_INTERPRETATIONS = {
    Band.GREEN: mark("Healthy"),
    Band.YELLOW: mark("Needs attention"),
    Band.RED: mark("At risk"),
}
_BANDS = {
    Band.GREEN.value: mark("Green"),
    Band.YELLOW.value: mark("Yellow"),
    Band.RED.value: mark("Red"),
    "not_scored": mark("Not scored"),
}
_SEVERITIES = {
    Severity.CRITICAL: mark("critical"),
    Severity.HIGH: mark("high"),
    Severity.MEDIUM: mark("medium"),
    Severity.WATCH: mark("watch"),
    Severity.NONE: mark("none"),
}
_OF_SEVERITY = {
    Severity.CRITICAL: forms("{n} critical", "{n} critical"),
    Severity.HIGH: forms("{n} high", "{n} high"),
    Severity.MEDIUM: forms("{n} medium", "{n} medium"),
    Severity.WATCH: forms("{n} watch", "{n} watch"),
    Severity.NONE: forms("{n} none", "{n} none"),
}
_REMEDIES = {
    State.NOT_CONNECTED: mark("connect {source}"),
    State.FAILED: mark("restore {source}"),
    State.STALE: mark("refresh {source}"),
    State.NOT_MATCHED: mark("match the account in {source}"),
    State.PARTIAL: mark("complete {source}"),
    State.EMPTY: mark("record more in {source}"),
}

NO_CUSTOMERS = forms("{n} left out as no customers", "{n} left out as no customers")

_PLACES = 9
_WHOLE_FROM = 9.95
_WORDY = 1e12


def source_name(source: Source) -> str:
    """A category as a label."""
    return say(_SOURCE_NAMES[source])


def source_phrase(source: Source) -> str:
    """The same inside a sentence."""
    return say(_SOURCE_PHRASES[source])


def band_title(band: str) -> str:
    """A band, or `not_scored`, which stands where one would, as a reader sees it."""
    return say(_BANDS[band])


def band_meaning(band: Band) -> str:
    """What a band says of an account."""
    return say(_INTERPRETATIONS[band])


def severity_word(severity: Severity) -> str:
    """How urgent, as a reader sees it."""
    return say(_SEVERITIES[severity])


def of_severity(severity: Severity, accounts: int) -> str:
    """So many accounts of one tier, e.g. `3 critical`."""
    return count(*_OF_SEVERITY[severity], accounts, n=figure(accounts))


def remedy(state: State, source: Source) -> str:
    """What to do first about a source in a state of absence, e.g. `connect product analytics`."""
    return say(_REMEDIES[state], source=source_phrase(source))


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
    return figure(value, 1 if abs(value) < _WHOLE_FROM else 0, trim=True)


def signed(points: float, places: int = 0) -> str:
    """Points with their sign, a true minus for losses: +3, −9, 0.

    >>> signed(-4.94, 1)
    '−4.9'
    """
    text = f"{points:+.{places}f}"
    sign = "" if not float(text) else "−" if points < 0 else "+"
    return sign + figure(abs(float(text)), places)


def percent_down(share: float) -> int:
    """A share in whole percent, rounded down, so that 99.9 % never reads as complete."""
    return math.floor(round(100 * share, _PLACES))


def day(instant: datetime, time_zone: str) -> str:
    """The calendar day of a naive UTC instant, as the language writes it."""
    return written(local_day(instant, time_zone))


def minute(instant: datetime) -> str:
    """A naive UTC instant to the minute, with its zone."""
    return written_minute(instant)


def listed(items: Sequence[str], most: int = 3) -> str:
    """`a, b and c`, cut after `most` with a count of the rest."""
    shown = list(items[:most])
    if len(items) > most:
        shown.append(count("{n} more", "{n} more", len(items) - most))
    if len(shown) <= 1:
        return "".join(shown)
    return say("{items} and {last}", items=", ".join(shown[:-1]), last=shown[-1])


def alternatives(items: Sequence[str]) -> str:
    """`a or b`, of at most three."""
    shown = items[0]
    for item in items[1:]:
        shown = say("{one} or {other}", one=shown, other=item)
    return shown


def lower_first(text: str) -> str:
    """The sentence for use inside another one; abbreviations such as NPS keep their capitals, and German nouns too."""
    # NOTE: How a text begins inside a sentence: "a" with a small letter, "A" as it stands, because of German nouns.
    keeps_capitals = word("inside a sentence", "a").isupper()
    return text if keeps_capitals or (len(text) > 1 and text[1].isupper()) else text[:1].lower() + text[1:]


def sentence(
    metric: Metric, value: float, policy: Policy, on: datetime | None = None, *, at_least: bool = False
) -> str:
    """The policy's sentence for a value, filled in. Parts in [brackets] stand only when their date is known."""
    text = metric.sentences["other" if at_least and "other" in metric.sentences else _variant(metric, value)]
    text = phrase(text, text if "{value}" in text or "{abs}" in text else "", value)
    if on is None:
        text = re.sub(r"\[[^\]]*\]", "", text)
    windows = policy.windows
    return text.replace("[", "").replace("]", "").format(
        value=number(value), abs=number(abs(value)), on=day(on, policy.time_zone) if on else "",
        at_least=say("at least ") if at_least else "",
        recent=windows.recent, quarter=windows.quarter, year=windows.year, survey=windows.survey,
    )  # fmt: skip


def _variant(metric: Metric, value: float) -> str:
    if metric.levels:
        return metric.levels[min(max(int(value), 0), len(metric.levels) - 1)]
    shown = f"{round(value, 1) + 0.0:g}"  # a plain zero for a negative one
    if shown in metric.sentences:
        return shown
    sign = "negative" if value < 0 else "positive"
    return sign if sign in metric.sentences else "other"
