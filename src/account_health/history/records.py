"""Records: what the history holds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from account_health.model import Severity

NOT_SCORED = "not_scored"
"""Stands where a band would, because a score may also come and go."""


class Kind(StrEnum):
    """What an activity is about."""

    BAND = "band"
    FLAG = "flag"
    STATUS = "status"
    PUBLISHED = "published"


@dataclass(frozen=True)
class Profile:
    """An account as its CRM described it when it was read."""

    name: str
    segment: str | None = None
    owner: str | None = None
    lifecycle: str | None = None
    arr: float | None = None
    currency: str | None = None
    renewal_date: date | None = None


@dataclass(frozen=True)
class Flags:
    """The risk flags of one account: raised ones with their severity, unchecked ones, and since when flags are open.

    A flag opens when it is raised and closes when it is clear; while it cannot be checked it stays as it was.
    """

    raised: dict[str, Severity]
    unknown: tuple[str, ...]
    since: dict[str, date]


@dataclass(frozen=True)
class Packed:
    """Metric values, their marks and table states of one account; see `packing`."""

    values: bytes
    marks: bytes
    states: bytes


@dataclass(frozen=True)
class Reading:
    """One account as it was read; `as_of` is naive UTC. `digest` tells two readings apart that say the same."""

    account: str
    as_of: datetime
    profile: Profile
    score: float | None
    low: float
    high: float
    coverage: float
    band: str
    tier: Severity
    flags: Flags
    packed: Packed
    policy: str
    digest: str = ""
    announced_band: str = ""
    pending: int = 0
    """Readings in a row in another band than the announced one."""
    is_present: bool = True
    """False: the account is in none of the lists any more."""


@dataclass(frozen=True)
class Activity:
    """Something that happened to an account: a band announced, a flag's step, a status set, its health published."""

    at: datetime
    account: str
    name: str
    kind: Kind
    after: str | None
    author: str
    owner: str | None = None
    band: str | None = None
    subject: str | None = None
    """The flag, the vocabulary of a status, or where the health was published."""
    before: str | None = None
    score_before: float | None = None
    score_after: float | None = None
    description: str | None = None
    expires_at: datetime | None = None
    id: int = 0


@dataclass(frozen=True)
class Run:
    """One reading of all accounts; unfinished ones go on where they stopped."""

    id: int
    as_of: datetime
    started_at: datetime
    finished_at: datetime | None
    policy: str
    accounts: int
    done: int
    added: int
    problems: tuple[str, ...]
