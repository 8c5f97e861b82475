"""Explained: what an answer about a change says."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from account_health.chronicle import Change
from account_health.model import AccountRef, Band, PolicyRef
from account_health.published import Published


class ExplainedChange(Published):
    """Why a score moved: four parts that add up to the difference, the metrics behind them, the flags that changed."""

    account: AccountRef = Field(description="Whose it is")
    as_of: datetime = Field(description="The later end")
    band: Band | None = Field(default=None, description="Band now; absent without a score")
    change: Change = Field(description="The change since the earlier reading")
    summary: str = Field(description="The change in words, with what drove it up and down")
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")
    policy: PolicyRef = Field(description="Name, version and hash of the policy of today")
