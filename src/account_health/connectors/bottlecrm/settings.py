"""Settings: how to reach one BottleCRM, and what its words mean in one company."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from account_health.connectors.base import TimeZone
from account_health.connectors.live import LiveSettings, Secret
from account_health.connectors.live.words import (
    EXECUTIVE_TITLES,
    NOT_EXECUTIVE_TITLES,
    REVIEW_WORDS,
    SCORE_COLUMNS,
    ContractWords,
    DealKind,
    Priority,
    ScoreHigherIs,
    ScoreScale,
    says,
)
from account_health.language import say
from account_health.tables import Currency

AccountColumn = Literal[
    "segment", "lifecycle", "customer_since", "arr", "currency", "licensed_seats", "renewal_date", "contract_status",
    "champion_active", "crm_score", "crm_status", "external_id",
]  # fmt: skip
Status = Literal["open", "pending", "solved", "closed"]
Touch = Literal["meeting", "call", "mail"]


class BottleCrmSettings(LiveSettings):
    """How a BottleCRM is read. Words are compared as BottleCRM writes them; a word of no meaning here is unreadable."""

    token: Secret = Field(
        description="Personal access token (`bcrm_pat_...`) with the scopes `accounts:read`, `cases:read`, "
        "`opportunities:read`, `invoices:read`, `interactions:read` and, for executives, `contacts:read`, of an "
        "administrator: others see only their own"
    )
    base_url: str = Field(
        examples=["https://crm.example.com"], description="Address of the BottleCRM: what stands before `/api`"
    )
    lists_accounts: bool = Field(
        default=True,
        description="Whether its accounts are the accounts; false if another CRM lists them, then they are matched",
    )
    closed_accounts: bool = Field(default=False, description="Whether accounts that were closed count as accounts too")
    account_fields: dict[AccountColumn, str] = Field(
        default={}, description="Our column = key of a custom field of accounts; BottleCRM has no fields of its own"
    )
    contract_words: ContractWords = Field(default={})
    score_scale: ScoreScale = (0, 100)
    score_higher_is: ScoreHigherIs = "healthier"
    first_deal_is_start: bool = Field(
        default=False,
        description="Whether an account became a customer on the day of its first won deal; not so where customers "
        "are older than the CRM",
    )
    currency: Currency | None = Field(
        default=None, description="Currency of amounts that carry none; without it such amounts are left out"
    )
    time_zone: TimeZone = Field(
        default="UTC", description="Zone of the organisation, whose days invoices name; the same as in the policy"
    )
    ticket_priorities: dict[str, Priority] = Field(
        default={"Low": "low", "Normal": "normal", "High": "high", "Urgent": "urgent"},
        description="Priority of a case = our word",
    )
    ticket_statuses: dict[str, Status] = Field(
        default={
            "New": "open",
            "Assigned": "open",
            "Pending": "pending",
            "Closed": "closed",
            "Rejected": "closed",
            "Duplicate": "closed",
        },
        description="Status of a case = our word",
    )
    escalated_priorities: tuple[str, ...] = Field(
        default=(),
        description="Priorities that mean: escalated, from the day a case was opened. Otherwise a case is escalated "
        "when BottleCRM last did so; how many are is unknown while it has no active escalation policy",
    )
    deal_types: dict[str, DealKind] = Field(
        default={"RENEWAL": "renewal", "UPSELL": "expansion", "CROSS_SELL": "expansion"},
        description="Type of a deal = what it is about; deals of other types are left out, as new business is",
    )
    interaction_kinds: dict[str, Touch] = Field(
        default={"meeting": "meeting", "call": "call", "email": "mail", "whatsapp": "mail", "sms": "mail"},
        description="Kind of an interaction = our word; other kinds are left out, as enquiries are",
    )
    review_subjects: tuple[str, ...] = Field(
        default=REVIEW_WORDS,
        description="Words in the subject of a meeting that make it a business review",
    )
    meetings_attended: bool = Field(
        default=False,
        description="Whether a meeting that was logged is one that the customer attended; BottleCRM does not say",
    )
    executive_titles: tuple[str, ...] = Field(
        default=EXECUTIVE_TITLES,
        description="Words in a contact's title that make an executive, so that what is logged on that contact is a "
        "touch with one; empty: nothing is known of executives",
    )
    not_executive_titles: tuple[str, ...] = Field(
        default=NOT_EXECUTIVE_TITLES, description="Words in a contact's title that make none after all"
    )
    most_executives: Annotated[int, Field(ge=1)] = Field(
        default=10, description="Most executives of one account whose interactions are read; one call for each"
    )
    most_accounts: Annotated[int, Field(ge=1)] = Field(
        default=25,
        description="Up to how many accounts a question about all of them reads interactions, which BottleCRM lists "
        "account by account; of more they are known only to questions about one, so scores in lists rest on less",
    )
    page_size: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=500, description="Items on a page; fewer if answers are refused as too large"
    )

    @model_validator(mode="after")
    def _field_is_named(self) -> Self:
        if not all(self.account_fields.values()):
            raise ValueError(say("account_fields: write the key of a custom field"))
        return self

    @property
    def account_columns(self) -> frozenset[str]:
        """Columns of accounts that the custom fields and the other settings make known."""
        told: set[str] = {*self.account_fields}
        told |= {"currency"} if "arr" in told else set()
        told |= SCORE_COLUMNS if "crm_score" in told else set()
        told |= {"lifecycle"} if self.closed_accounts else set()
        return frozenset(told | ({"customer_since"} if self.first_deal_is_start else set()))

    @property
    def open_statuses(self) -> tuple[str, ...]:
        """What BottleCRM calls cases that are not solved."""
        return tuple(word for word, ours in self.ticket_statuses.items() if ours in {"open", "pending"})

    def is_review(self, subject: str | None) -> bool:
        """Whether a meeting with this subject is a business review."""
        return says(self.review_subjects, subject)

    def is_executive(self, title: str | None) -> bool:
        """Whether somebody with this title is an executive."""
        return says(self.executive_titles, title) and not says(self.not_executive_titles, title)
