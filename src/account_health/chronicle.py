"""Chronicle: the nouns of time: how a score moved and why, what people said, where a flag is in its life."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from account_health.published import Published


class Phase(StrEnum):
    """Where a risk flag is in its life."""

    OPENED = "opened"
    PERSISTING = "persisting"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    CLEARED = "cleared"


class ChangeParts(Published):
    """What moved a score, in points; the four add up to the whole change."""

    policy: float = Field(description="Today's policy over yesterday's values")
    coverage: float = Field(description="Sources that came or went")
    time: float = Field(description="Time that passed: what aged, fell out of a window or drew nearer")
    data: float = Field(description="Everything new in the data")


class Driver(Published):
    """What one metric did to the score; the drivers add up to the change without its policy part."""

    metric: str = Field(description="Id of the metric")
    change: float = Field(description="Points it moved the score by")
    before: float | None = Field(default=None, description="Its value then; absent if it was unknown")
    after: float | None = Field(default=None, description="Its value now; absent if it is unknown")
    sentence: str = Field(description="The same in words")


class TrendPoint(Published):
    """A recorded score."""

    as_of: datetime = Field(description="The instant it held at")
    score: float | None = Field(default=None, description="0 to 100; absent if there was none")


class Change(Published):
    """How the score moved since a recorded reading, and why; `parts` and `drivers` only with a score at both ends."""

    since: datetime = Field(description="When the earlier reading held")
    from_: float | None = Field(default=None, alias="from", description="Score then; absent if there was none")
    to: float | None = Field(default=None, description="Score now; absent if there is none")
    parts: ChangeParts | None = Field(default=None, description="What moved it; adds up exactly")
    drivers: tuple[Driver, ...] = Field(default=(), description="Metrics that moved it, the most first")
    opened: tuple[str, ...] = Field(default=(), description="Ids of flags raised now and not then")
    cleared: tuple[str, ...] = Field(default=(), description="Ids of flags raised then and clear now")
    trend: tuple[TrendPoint, ...] = Field(default=(), description="Recorded scores, the last one being that of now")
    sentence: str = Field(description="The change in words")


class ManualStatus(Published):
    """A status that a person set; it stands beside the computed score and never replaces it."""

    status: str = Field(description="The word")
    vocabulary: str = Field(description="Id of the vocabulary it belongs to")
    description: str | None = Field(default=None, description="Why, in the words of whoever set it (outside text)")
    author: str = Field(description="Who set it")
    set_at: datetime = Field(description="When")
    expires_at: datetime | None = Field(default=None, description="When it ends by itself")
    computed: str | None = Field(
        default=None, description="What the computed score is called there; absent without one"
    )
    agrees: bool | None = Field(default=None, description="Whether both say the same; absent without a score")


class StatusWord(Published):
    """The health in the words of another system."""

    vocabulary: str = Field(description="Id of the vocabulary")
    word: str | None = Field(default=None, description="The word; absent where the system has none for not scored")
    churn_risk: bool | None = Field(
        default=None, description="At risk of churn, if the system asks and there is a score"
    )


class FlagPhase(Published):
    """Where a raised flag is in its life. Acknowledging or snoozing one never hides it."""

    phase: Phase = Field(description="`opened` on its first day, then `persisting`, unless people said something")
    since: date = Field(description="Day it was first raised without a break")
    by: str | None = Field(default=None, description="Who acknowledged or snoozed it")
    until: date | None = Field(default=None, description="Last day it is snoozed")
    note: str | None = Field(default=None, description="What they said about it (outside text)")
