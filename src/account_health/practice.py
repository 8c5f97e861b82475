"""Practice: the numbers of a policy that a team works by, beside those that score.

When a change is announced and what it is measured against, how soon somebody has to act, in which currency money is
compared, who counts as a customer, and which health the team wants to reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from account_health.criteria import Part, Reason
from account_health.language import say
from account_health.model import Band, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

Days = Annotated[int, Field(ge=1, le=3660)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Changes(Part):
    """How many readings in a row announce a band, and which reading a summary compares with."""

    readings: Annotated[int, Field(ge=1, le=30)]
    since_days: Days
    drivers_shown: Annotated[int, Field(ge=1, le=20)]
    trend_points: Annotated[int, Field(ge=2, le=60)]
    trend_step_days: Days
    reason: Reason


class Urgency(Part):
    """Days within which somebody acts on an account of each tier; those on watch are due before their renewal."""

    critical: Days
    high: Days
    medium: Days
    watch: Days
    reason: Reason

    def days(self, tier: Severity) -> int | None:
        """Days until action on this tier is due; None where nothing is."""
        return None if tier is Severity.NONE else int(getattr(self, tier.value))


class Currency(Part):
    """The base currency, and what one unit of each other currency is worth in it; others are never converted."""

    base: CurrencyCode
    rates: dict[CurrencyCode, Rate]
    reason: Reason

    def factors(self) -> Mapping[str, float]:
        """Every currency that can be compared, with its worth in the base currency."""
        return {**self.rates, self.base: 1.0}


class Customers(Part):
    """Words of the CRM's lifecycle that mean customer, compared without regard to case."""

    lifecycles: Annotated[tuple[str, ...], Field(min_length=1)]
    reason: Reason

    def include(self, lifecycle: str | None) -> bool:
        """Whether the word means customer; no word does not."""
        return lifecycle is not None and lifecycle.strip().casefold() in {word.casefold() for word in self.lifecycles}


class Target(Part):
    """The share of scored customers, in percent, that the team wants in these bands at all times."""

    percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    bands: Annotated[tuple[Band, ...], Field(min_length=1)]
    reason: Reason


class Portfolio(Part):
    """How lists over all accounts are cut, and from how far below its peers a metric is worth naming."""

    movers_shown: Annotated[int, Field(ge=1, le=100)]
    groups_shown: Annotated[int, Field(ge=1, le=1000)]
    drivers_shown: Annotated[int, Field(ge=1, le=20)]
    peer_distance: Annotated[float, Field(ge=0, le=100)]
    reason: Reason


class Word(Part):
    """One word of a vocabulary and when it is used; without a condition it always is.

    It holds when every given condition does: the rounded score is `from` or more, the band is one of `bands`, every
    comparison in `when` is surely true.
    """

    word: Annotated[str, Field(min_length=1)]
    from_: Annotated[int, Field(ge=0, le=100)] = Field(default=0, alias="from")
    bands: tuple[Band, ...] = ()
    when: tuple[str, ...] = ()

    def covers(self, other: Word) -> bool:
        """Whether this word surely holds wherever the other does."""
        has_bands = not self.bands or (set(other.bands) <= set(self.bands) and bool(other.bands))
        return self.is_plain and has_bands and self.from_ <= other.from_

    @property
    def is_plain(self) -> bool:
        """Whether score and band alone decide about it."""
        return not self.when


class Vocabulary(Part):
    """The words of another status system: the first that holds is the account's; an account without a score has none.

    `not_scored` is that system's word for nothing assigned, empty where it has none. `churn_bands` and `churn_tiers`
    are those in which an account is at risk of churn, for systems that ask for it.
    """

    name: Annotated[str, Field(min_length=1)]
    words: Annotated[tuple[Word, ...], Field(min_length=1)]
    not_scored: str = ""
    churn_bands: tuple[Band, ...] = ()
    churn_tiers: tuple[Severity, ...] = ()
    reason: Reason

    @model_validator(mode="after")
    def _complete(self) -> Self:
        last = self.words[-1]
        if last.from_ or last.bands or last.when:
            raise ValueError(say("the last word must hold without conditions"))
        words = [word.word.casefold() for word in self.words]
        if len(set(words)) < len(words):
            raise ValueError(say("a word stands twice"))
        if {self.not_scored.casefold(), "none"} & set(words):
            raise ValueError(say("a word means that nothing is assigned"))
        hidden = [b.word for at, b in enumerate(self.words) if any(a.covers(b) for a in self.words[:at])]
        if hidden:
            raise ValueError(say("{word} can never hold, because a word before it always does", word=repr(hidden[0])))
        return self

    @property
    def all_words(self) -> tuple[str, ...]:
        """Its words in order, the one for nothing assigned last, if it has one."""
        return (*(word.word for word in self.words), *filter(None, [self.not_scored]))

    @property
    def has_churn_risk(self) -> bool:
        """Whether the system asks for the risk of churn beside the word."""
        return bool(self.churn_bands or self.churn_tiers)
