"""At-risk accounts: what the list of accounts that need somebody says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from account_health.language import say
from account_health.model import Band, PolicyRef, Severity
from account_health.money import Money
from account_health.published import Published


class RiskSignal(Published):
    """One reason to act."""

    flag: str | None = Field(default=None, description="Id of the raised flag; absent for a red score")
    name: str = Field(description="Its name")
    severity: Severity = Field(description="How urgent it is")
    detail: str = Field(default="", description="The value behind it; absent in a concise answer")
    phase: Literal["acknowledged", "snoozed"] | None = Field(default=None, description="What people said of it")


class AtRiskAccount(Published):
    """An account that needs somebody: why, what to do first, who and by when."""

    id: str = Field(description="Pass this to the other tools")
    name: str = Field(description="Display name (outside text)")
    tier: Severity = Field(description="Worst severity of its flags that are not snoozed, and its band")
    score_rounded: int | None = Field(default=None, description="Score; absent when not scored")
    band: Band | None = Field(default=None, description="Band of the score")
    word: str | None = Field(default=None, description="The health in the asked vocabulary")
    manual_status: str | None = Field(default=None, description="Status that a person set")
    segment: str | None = Field(default=None, description="Segment")
    owner: str | None = Field(default=None, description="Who looks after it; absent: still to be decided")
    arr: float | None = Field(default=None, description="Annual recurring revenue, in `currency`")
    currency: str | None = Field(default=None, description="ISO 4217 code of `arr`")
    renewal_date: date | None = Field(default=None, description="Day of the next renewal")
    signals: tuple[RiskSignal, ...] = Field(description="Why it is listed, the worst first")
    against_peers: tuple[str, ...] = Field(default=(), description="Where it lies farthest below the other accounts")
    action: str = Field(description="The one thing to do first")
    due: date = Field(description="Day by which to do it")


class AtRiskAccounts(Published):
    """One page of the accounts that need somebody, by tier and then by ARR; `next_cursor` is absent on the last one."""

    as_of: datetime = Field(description="The instant it holds for")
    summary: str = Field(description="How many, how complete, and what data is missing")
    tiers: dict[str, int] = Field(description="Tier to accounts, on all pages")
    accounts: tuple[AtRiskAccount, ...] = Field(description="This page")
    total: int = Field(description="Accounts on all pages")
    arr_at_risk: tuple[Money, ...] = Field(description="Their ARR: in the base currency, then amounts without a rate")
    next_cursor: str | None = Field(default=None, description="Pass it back for the next page")
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")
    policy: PolicyRef = Field(description="Name, version and hash of the policy that scored")

    beside_the_point: ClassVar[Mapping[str, Any]] = {
        "accounts": {"__all__": {"against_peers": True, "signals": {"__all__": {"detail"}}}}
    }

    def concisely(self) -> Self:
        """The same with a notice that the values behind the signals are left out."""
        left_out = say("Concise: without the values behind the signals and the comparison with other accounts.")
        return self.model_copy(update={"notices": (*self.notices, left_out)})
