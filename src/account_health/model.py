"""The nouns: what an answer about one account consists of.

Everything here is frozen. `Assessment` is the published JSON: fields that do not apply are absent, never null.
Instants are timezone-aware UTC; points run from 0 to 100; weights and coverage from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field

from account_health.chronicle import Change, FlagPhase, ManualStatus, StatusWord
from account_health.language import count, figure
from account_health.published import Published

SCHEMA_VERSION: Literal["1.0"] = "1.0"


class Source(StrEnum):
    """The five categories that inputs come from."""

    CRM = "crm"
    SUPPORT = "support"
    ANALYTICS = "analytics"
    BILLING = "billing"
    SURVEYS = "surveys"


class State(StrEnum):
    """What we hold of one table of one source for one account; absence always has one of these reasons."""

    OBSERVED = "observed"
    EMPTY = "empty"
    PARTIAL = "partial"
    STALE = "stale"
    NOT_MATCHED = "not matched"
    NOT_CONNECTED = "not connected"
    NOT_APPLICABLE = "not applicable"
    FAILED = "failed"


class Meaning(NamedTuple):
    """What a state says about the data, and what follows for a metric that reads it."""

    data: str
    metric: str


_MAY_RAISE = "Rows that were read may still raise a flag; they never clear one."

STATE_MEANINGS = {
    State.OBSERVED: Meaning("The source has rows for this account.", "Computed."),
    State.EMPTY: Meaning(
        "The source knows the account and has no rows for it.",
        "In an event table counts are a known zero, rates and medians not applicable. In every other table: unknown.",
    ),
    State.PARTIAL: Meaning(
        "Only part of the rows could be had, or they begin after the metric's window does.", f"Unknown. {_MAY_RAISE}"
    ),
    State.STALE: Meaning(
        "The newest row, answer or value is older than the policy allows.",
        f"Unknown; the last date is named, and of an answer the last value too. {_MAY_RAISE}",
    ),
    State.NOT_MATCHED: Meaning("The source has no record that surely belongs to this account.", "Unknown."),
    State.NOT_CONNECTED: Meaning("No configured source delivers this.", "Unknown."),
    State.NOT_APPLICABLE: Meaning(
        "The question does not arise, e.g. for the time before the account was a customer.",
        "Left out: neither missing nor held against the account. A flag takes it as a no.",
    ),
    State.FAILED: Meaning("The source could not be read; the answer says why and what to do.", "Unknown."),
}
"""Every state with its meaning."""


class Band(StrEnum):
    """The colour of a rounded score."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class Severity(StrEnum):
    """How urgent a raised flag is, worst first; an account's tier is its worst one."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    WATCH = "watch"
    NONE = "none"


class FlagState(StrEnum):
    """A flag is raised, clear, or could not be checked; silence is not safety."""

    RAISED = "raised"
    CLEAR = "clear"
    UNKNOWN = "unknown"


class Direction(StrEnum):
    """Whether a known metric speaks for the account, against it, or neither."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    NEUTRAL = "neutral"


class AccountRef(Published):
    """An account by id and name."""

    id: str = Field(description="Id of the account, as the CRM knows it; pass it to the other tools")
    name: str = Field(description="Display name (outside text)")


class ScoreRange(Published):
    """The lowest and highest score the missing evidence still allows."""

    low: float = Field(description="The score if everything missing were at its worst")
    high: float = Field(description="The score if everything missing were at its best")


class DimensionScore(Published):
    """One dimension: its share of the policy's weight, its score over what is known, how much is known."""

    name: str = Field(description="Id of the dimension")
    weight: float = Field(description="Its share of the full evidence for this account")
    score: float | None = Field(default=None, description="Score over its known metrics; absent when none is known")
    coverage: float = Field(description="Share of its weight that is known")


class Factor(Published):
    """One known metric: what it says, what it earned and lost. Facts have weight 0 and no points.

    `weight` is the share of this score the metric really carries; earned + lost = 100 * weight. A metric of an account
    that could not be scored has points, but neither weight nor earned nor lost.
    """

    metric: str = Field(description="Id of the metric")
    dimension: str = Field(description="Id of its dimension")
    value: float = Field(description="Measured value, in `unit`")
    unit: str = Field(description="Unit of the value")
    points: float | None = Field(default=None, description="What the policy's curve gives for the value")
    weight: float | None = Field(default=None, description="Share of this score that the metric carries; 0 for a fact")
    earned: float | None = Field(default=None, description="Points of the score it brings")
    lost: float | None = Field(default=None, description="Points of the score it costs")
    direction: Direction = Field(description="Whether it speaks for the account or against it")
    source: str = Field(description="Category it was read from, or `caller`")
    as_of: datetime | None = Field(default=None, description="How fresh the value is")
    evidence: tuple[str, ...] = Field(default=(), description="Ids of the rows behind it, the first few")
    sentence: str = Field(description="The value in words")


class RiskFlag(Published):
    """One risk flag with the value and threshold that decided it. `severity` only when raised."""

    flag: str = Field(description="Id of the flag")
    name: str = Field(description="Its name in the summary")
    state: FlagState = Field(description="`unknown` means it could not be checked, not that all is well")
    severity: Severity | None = Field(default=None, description="Only when raised")
    value: float | None = Field(default=None, description="The value that decided")
    threshold: str = Field(description="The rule it was compared with")
    source: str = Field(description="Category it was read from, or `caller`")
    as_of: datetime | None = Field(default=None, description="How fresh the value is")
    evidence: tuple[str, ...] = Field(default=(), description="Ids of the rows behind it, the first few")
    detail: str = Field(description="What was found, or why it could not be checked")
    life: FlagPhase | None = Field(default=None, description="Its life, of a raised flag that the history knows")
    action: str | None = Field(default=None, description="What to do; only when raised")


class MissingInput(Published):
    """What is unknown for one reason, and where the score would lie with it at its worst and at its best.

    `low` and `high` are absent when the account could not be scored.
    """

    source: str = Field(description="Category that lacks it")
    metrics: tuple[str, ...] = Field(description="Ids of the metrics that are unknown for this reason")
    state: State = Field(description="The reason")
    low: float | None = Field(default=None, description="The score with these metrics at their worst")
    high: float | None = Field(default=None, description="The score with these metrics at their best")
    sentence: str = Field(description="The gap in words")


class InputReport(Published):
    """What one source gave for this account: rows used, rejected (unreadable), doubtful (contradicting others)."""

    source: str = Field(description="Category")
    connector: str | None = Field(default=None, description="Name of the system; absent when none is connected")
    state: State = Field(description="What we hold of it")
    as_of: datetime | None = Field(default=None, description="How fresh it is")
    rows: int = Field(default=0, description="Rows used")
    rejected: int = Field(default=0, description="Rows that could not be read, left out")
    doubtful: int = Field(default=0, description="Rows that contradict others, used all the same")
    matched_by: str | None = Field(default=None, description="How the account was recognised in it")
    confidence: Literal["certain", "likely"] | None = Field(
        default=None, description="How sure that is: certain by an id that somebody wrote down, likely by a domain"
    )
    sentence: str = Field(description="The same in words")


class CrmScore(Published):
    """A score the CRM itself carries, read with its own scale and direction."""

    value: float = Field(description="The score, on its own scale")
    low: float = Field(description="Lowest value of its scale")
    high: float = Field(description="Highest value of its scale")
    higher_is: Literal["healthier", "riskier"] = Field(description="What a high value means")
    rescaled: float = Field(description="The same from 0 to 100, higher is healthier")
    band: Band = Field(description="Band it would have here")
    agrees: bool | None = Field(default=None, description="Whether that is our band; absent when we have none")


class PolicyRef(Published):
    """Which policy scored this answer."""

    name: str = Field(description="Name of the policy")
    version: str = Field(description="Its version")
    hash: str = Field(description="Short hash over all of its values")


class Assessment(Published):
    """The health of one account: score, why, and how sure.

    The earned points of the factors sum to `score`, the lost ones to 100 - score. `range` is where the score could
    lie with complete evidence; `coverage` is how much of the evidence is known. When `scored` is false there is no
    score, band or interpretation of one, only factors, flags, range and coverage.
    """

    schema_version: Literal["1.0"] = Field(default=SCHEMA_VERSION, description="Version of this shape")
    account: AccountRef = Field(description="Whose health it is")
    as_of: datetime = Field(description="The instant it holds for")
    scored: bool = Field(description="Whether there is enough evidence for a score")
    score: float | None = Field(default=None, description="0 to 100")
    score_rounded: int | None = Field(default=None, description="The score as shown, rounded half up")
    band: Band | None = Field(default=None, description="Band of the rounded score")
    tier: Severity = Field(description="Worst severity of the raised flags and the band")
    interpretation: str = Field(description="One line: the band and its main reasons")
    range: ScoreRange = Field(description="Where the score could lie with complete evidence")
    coverage: float = Field(description="Share of the evidence that is known")
    dimensions: tuple[DimensionScore, ...] = Field(description="One part each")
    factors: tuple[Factor, ...] = Field(description="The known metrics")
    flags: tuple[RiskFlag, ...] = Field(description="Every flag: raised, then unknown, then clear")
    gaps: tuple[MissingInput, ...] = Field(description="What is unknown, and why; the widest gap first")
    inputs: tuple[InputReport, ...] = Field(default=(), description="What each source gave; absent in a concise answer")
    crm_score: CrmScore | None = Field(
        default=None, description="Absent when the CRM has none or does not say its scale"
    )
    change: Change | None = Field(
        default=None, description="What changed since about a month before, if it is recorded"
    )
    manual_status: ManualStatus | None = Field(
        default=None, description="Status that a person set and that still holds"
    )
    status: StatusWord | None = Field(default=None, description="The health in the asked vocabulary")
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")
    policy: PolicyRef = Field(description="Name, version and hash of the policy that scored this answer")

    beside_the_point: ClassVar[Mapping[str, Any]] = {
        "inputs": True,
        "factors": {"__all__": {"as_of", "evidence", "points", "weight"}},
        "flags": {"__all__": {"as_of", "evidence"}},
    }

    def concisely(self) -> Self:
        """The same without neutral factors and clear flags; a notice says so, with the points that are left out."""
        neutral = [factor for factor in self.factors if factor.direction is Direction.NEUTRAL]
        left_out = count(
            "Concise: without {n} neutral factor ({earned} points earned, {lost} lost), clear flags, evidence and "
            "inputs.",
            "Concise: without {n} neutral factors ({earned} points earned, {lost} lost), clear flags, evidence and "
            "inputs.",
            len(neutral),
            earned=figure(sum(factor.earned or 0 for factor in neutral), 1),
            lost=figure(sum(factor.lost or 0 for factor in neutral), 1),
        )
        kept = {
            "factors": tuple(factor for factor in self.factors if factor.direction is not Direction.NEUTRAL),
            "flags": tuple(flag for flag in self.flags if flag.state is not FlagState.CLEAR),
            "notices": (*self.notices, left_out),
        }
        return self.model_copy(update=kept)
