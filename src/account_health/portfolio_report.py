"""Portfolio report: what an answer about all customers says."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from account_health.model import Band, PolicyRef
from account_health.money import Money
from account_health.published import Published


class BandShare(Published):
    """The accounts of one band, or those without a score, which are counted apart."""

    band: str = Field(description="green, yellow, red or not_scored")
    accounts: int = Field(description="How many")
    share: float | None = Field(default=None, description="Of the scored ones, 0 to 1; absent for not_scored")
    arr: tuple[Money, ...] = Field(
        default=(), description="Their ARR: in the base currency, then amounts without a rate"
    )


class Group(Published):
    """A segment's or an owner's accounts."""

    name: str = Field(description="Segment or owner (outside text)")
    accounts: int = Field(description="How many")
    bands: dict[str, int] = Field(description="Band to accounts, with those not scored")
    score: float | None = Field(default=None, description="Mean score; absent when none is scored")
    coverage: float = Field(description="Mean share of the evidence that is known")
    arr: tuple[Money, ...] = Field(
        default=(), description="Their ARR: in the base currency, then amounts without a rate"
    )
    against_peers: tuple[str, ...] = Field(default=(), description="Where it lies farthest below all accounts")


class Target(Published):
    """The health the team wants at all times, and what it has."""

    percent: float = Field(description="Wanted share of scored customers in these bands, in percent")
    bands: tuple[Band, ...] = Field(description="The bands that count")
    actual: float | None = Field(default=None, description="Share it is, in percent; absent when none is scored")
    actual_by_arr: float | None = Field(default=None, description="The same weighed by ARR in the base currency")
    is_met: bool | None = Field(default=None, description="Whether the actual share reaches the wanted one")
    missing: int | None = Field(default=None, description="Accounts that would have to get there")


class Mover(Published):
    """An account whose score moved."""

    id: str = Field(description="Pass this to explain_change")
    name: str = Field(description="Display name (outside text)")
    before: int = Field(description="Score then, under today's policy")
    after: int = Field(description="Score now")
    change: int = Field(description="Points")


class Movers(Published):
    """The accounts that moved most since a recorded run about a month before, or since the first one."""

    since: datetime = Field(description="When that run was")
    up: tuple[Mover, ...] = Field(description="The greatest gains")
    down: tuple[Mover, ...] = Field(description="The greatest losses")
    improved: int = Field(description="Accounts in a better band than then")
    worsened: int = Field(description="Accounts in a worse band than then")


class PortfolioHealth(Published):
    """How all customers stand; accounts without a score are counted apart and are in no average."""

    as_of: datetime = Field(description="The instant it holds for")
    summary: str = Field(description="The whole in a sentence, with how complete it is")
    accounts: int = Field(description="Customers counted")
    scored: int = Field(description="Those with a score")
    score: float | None = Field(default=None, description="Mean score; absent when none is scored")
    coverage: float = Field(description="Mean share of the evidence that is known")
    bands: tuple[BandShare, ...] = Field(description="Green, yellow, red, and those not scored")
    tiers: dict[str, int] = Field(description="Tier to accounts")
    words: dict[str, int] | None = Field(default=None, description="Word of the asked vocabulary to accounts")
    target: Target = Field(description="Wanted against actual health")
    segments: tuple[Group, ...] = Field(description="By segment, the largest first")
    segments_total: int = Field(description="Segments there are, shown or not")
    owners: tuple[Group, ...] = Field(description="By owner, the largest first")
    owners_total: int = Field(description="Owners there are, shown or not")
    movers: Movers | None = Field(default=None, description="Absent without a recorded run of an earlier day")
    data_gaps: str | None = Field(default=None, description="Sources that are missing, and for how many accounts")
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")
    policy: PolicyRef = Field(description="Name, version and hash of the policy that scored")
