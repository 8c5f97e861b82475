"""Said: what people want to say of an account or a flag, and the answer to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from account_health.chronicle import ManualStatus, Phase
from account_health.model import AccountRef
from account_health.published import Published

if TYPE_CHECKING:
    from account_health.evaluation import Evaluation
    from account_health.history.records import Activity
    from account_health.model import Assessment


class SaidOfAccount(Published):
    """What was written down, and what the score says beside it."""

    account: AccountRef = Field(description="Whose it is")
    change: int = Field(description="Number of this activity in the history")
    sentence: str = Field(description="What was written down, in words")
    manual_status: ManualStatus | None = Field(
        default=None, description="The status that holds now; absent if none does"
    )
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")


@dataclass(frozen=True)
class StatusWish:
    """A status that somebody wants to set; `status` None or empty withdraws the one there is."""

    account: str
    status: str
    vocabulary: str = "pipeline"
    description: str = ""
    author: str = ""
    expires: str = ""


@dataclass(frozen=True)
class FlagWish:
    """What somebody wants to say of a raised flag: acknowledged, snoozed (until a day) or persisting (neither)."""

    account: str
    flag: str
    phase: Phase
    until: str = ""
    note: str = ""
    author: str = ""


@dataclass(frozen=True)
class Prepared:
    """An activity that is ready to be written, and the number of the last thing that people said of the account."""

    activity: Activity
    last: int
    sentence: str
    assessment: Assessment
    evaluation: Evaluation
