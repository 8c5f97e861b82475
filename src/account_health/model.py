"""The nouns: what an answer about one account consists of.

Everything here is frozen. `Assessment` is the published JSON: fields that do not apply are absent, never null.
Instants are timezone-aware UTC; points run from 0 to 100; weights and coverage from 0 to 1.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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


class Published(BaseModel):
    """A frozen part of the published answer; `as_json` leaves out what does not apply."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, keys in declaration order, without nulls."""
        return self.model_dump(mode="json", exclude_none=True)


class AccountRef(Published):
    """An account by id and name."""

    id: str
    name: str


class ScoreRange(Published):
    """The lowest and highest score the missing evidence still allows."""

    low: float
    high: float


class DimensionScore(Published):
    """One dimension: its share of the policy's weight, its score over what is known, how much is known."""

    name: str
    weight: float
    score: float | None = None
    coverage: float


class Factor(Published):
    """One known metric: what it says, what it earned and lost. Facts have weight 0 and no points.

    `weight` is the share of this score the metric really carries; earned + lost = 100 * weight. A metric of an account
    that could not be scored has points, but neither weight nor earned nor lost.
    """

    metric: str
    dimension: str
    value: float
    unit: str
    points: float | None = None
    weight: float | None = None
    earned: float | None = None
    lost: float | None = None
    direction: Direction
    source: str
    as_of: datetime | None = None
    evidence: tuple[str, ...] = ()
    sentence: str


class RiskFlag(Published):
    """One risk flag with the value and threshold that decided it. `severity` only when raised."""

    flag: str
    name: str
    state: FlagState
    severity: Severity | None = None
    value: float | None = None
    threshold: str
    source: str
    as_of: datetime | None = None
    evidence: tuple[str, ...] = ()
    detail: str
    action: str | None = None


class MissingInput(Published):
    """What is unknown for one reason, and where the score would lie with it at its worst and at its best.

    `low` and `high` are absent when the account could not be scored.
    """

    source: str
    metrics: tuple[str, ...]
    state: State
    low: float | None = None
    high: float | None = None
    sentence: str


class InputReport(Published):
    """What one source gave for this account: rows used, rejected (unreadable), doubtful (contradicting others)."""

    source: str
    connector: str | None = None
    state: State
    as_of: datetime | None = None
    rows: int = 0
    rejected: int = 0
    doubtful: int = 0
    matched_by: str | None = None
    sentence: str


class CrmScore(Published):
    """A score the CRM itself carries, read with its own scale and direction."""

    value: float
    low: float
    high: float
    higher_is: Literal["healthier", "riskier"]
    band: Band
    agrees: bool | None = None


class PolicyRef(Published):
    """Which policy scored this answer."""

    name: str
    version: str
    hash: str


class Assessment(Published):
    """The health of one account: score, why, and how sure.

    The earned points of the factors sum to `score`, the lost ones to 100 - score. `range` is where the score could
    lie with complete evidence; `coverage` is how much of the evidence is known. When `scored` is false there is no
    score, band or interpretation of one, only factors, flags, range and coverage.
    """

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    account: AccountRef
    as_of: datetime
    scored: bool
    score: float | None = None
    score_rounded: int | None = None
    band: Band | None = None
    tier: Severity
    interpretation: str
    range: ScoreRange
    coverage: float
    dimensions: tuple[DimensionScore, ...]
    factors: tuple[Factor, ...]
    flags: tuple[RiskFlag, ...]
    gaps: tuple[MissingInput, ...]
    inputs: tuple[InputReport, ...]
    crm_score: CrmScore | None = None
    notices: tuple[str, ...] = ()
    policy: PolicyRef = Field(description="Name, version and hash of the policy that scored this answer.")
