"""What an operator writes about a HubSpot account: which of its properties and stages mean what."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from account_health.connectors.live import LiveSettings, Secret
from account_health.connectors.live.words import (
    EXECUTIVE_TITLES,
    NOT_EXECUTIVE_TITLES,
    REVIEW_WORDS,
    ContractWords,
    DealKind,
    Priority,
    ScoreHigherIs,
    ScoreScale,
)
from account_health.language import say
from account_health.tables import Currency

AccountColumn = Literal[
    "segment", "owner", "lifecycle", "customer_since", "arr", "currency", "licensed_seats", "renewal_date",
    "contract_status", "champion_active", "parent_id", "crm_score", "crm_status", "external_id",
]  # fmt: skip
TicketColumn = Literal["opened_at", "solved_at", "priority", "subject", "escalated_at", "reopened_count"]
DealColumn = Literal["amount", "created_at", "close_date"]
Engagement = Literal["meetings", "calls", "emails"]

ACCOUNT_COLUMNS: dict[AccountColumn, str] = {
    "owner": "hubspot_owner_id",
    "lifecycle": "lifecyclestage",
    "parent_id": "hs_parent_company_id",
    "crm_status": "hs_csm_sentiment",
}
TICKET_COLUMNS: dict[TicketColumn, str] = {
    "opened_at": "createdate",
    "solved_at": "closed_date",
    "priority": "hs_ticket_priority",
    "subject": "subject",
}
DEAL_COLUMNS: dict[DealColumn, str] = {"amount": "amount", "created_at": "createdate", "close_date": "closedate"}
CONNECTED_CALL = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
"""The id of the call outcome "Connected", which is the same in every HubSpot account."""


def _folded(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.strip().casefold() for word in words)


Words = Annotated[tuple[str, ...], AfterValidator(_folded)]
"""Words compared without regard to case."""


class HubSpotSettings(LiveSettings):
    """How a HubSpot account is read. A stage or pipeline is named by its label or id, a property by its internal name.

    Columns that are listed replace or extend the defaults; an empty property takes a default away.
    """

    token: Secret = Field(
        description="Access token of a service key or private app that may read crm.objects.companies, contacts, deals,"
        " owners and feedback_submissions, tickets, sales-email-read"
    )
    base_url: str = Field(default="https://api.hubapi.com", description="Where its API is")
    api_version: Annotated[str, Field(pattern=r"^(v3|20\d\d-\d\d)$")] = Field(
        default="2026-09", description="Version of its API, e.g. `2026-09`; `v3` ends in September 2027"
    )
    searches_per_second: Annotated[float, Field(gt=0, le=1000)] = Field(
        default=4, description="Most searches a second; on every plan HubSpot admits 5 to all its clients together"
    )
    lists_accounts: bool = Field(
        default=True,
        description="Whether its companies are the accounts; false if another CRM lists them, then those that are "
        "accounts by the next two settings are matched with them by external_id and domain",
    )
    account_property: str = Field(default="lifecyclestage", description="Company property that makes it an account")
    account_values: tuple[str, ...] = Field(
        default=("customer",), description="Internal values of it that do; empty: every company is an account"
    )
    account_columns: dict[AccountColumn, str] = Field(
        default={},
        description="Our column = company property: segment, customer_since, arr, currency, licensed_seats,"
        " renewal_date, contract_status, champion_active, crm_score (the health score), external_id; and owner,"
        " lifecycle, parent_id, crm_status (the sentiment set by customer success), which have defaults",
    )
    contract_words: ContractWords = Field(default={})
    score_scale: ScoreScale = (0, 100)
    score_higher_is: ScoreHigherIs = "healthier"
    currency: Currency | None = Field(
        default=None, description="Currency of amounts that carry none; without it such amounts of deals are left out"
    )
    ticket_columns: dict[TicketColumn, str] = Field(
        default={},
        description="Our column = ticket property. There is no default for escalated_at (a date, or true: since it was"
        " opened) and reopened_count (a number, or true for once; of a ticket where it is empty it is unknown)",
    )
    ticket_pipelines: Words = Field(default=(), description="Ticket pipelines that are support; empty: all")
    ticket_priorities: dict[str, Priority] = Field(
        default={"LOW": "low", "MEDIUM": "normal", "HIGH": "high", "URGENT": "urgent"},
        description="Internal value of the ticket's priority = our word",
    )
    pending_stages: Words = Field(
        default=("Waiting on contact",), description="Ticket stages that wait for the customer", validate_default=True
    )
    escalated_stages: Words = Field(
        default=(), description="Ticket stages that mean: escalated, from the day a ticket entered one"
    )
    escalated_priorities: Words = Field(
        default=(), description="Internal values of priority that mean: escalated, from the day the ticket was opened"
    )
    deal_columns: dict[DealColumn, str] = Field(default={}, description="Our column = deal property")
    deal_pipelines: dict[str, DealKind] = Field(
        default={}, description="Deal pipeline = what its deals are about; it decides before the deal's type does"
    )
    deal_types: dict[str, DealKind] = Field(
        default={"existingbusiness": "expansion", "renewal": "renewal"},
        description="Internal value of the deal's type = what the deal is about; deals of other types are left out,"
        " as new business is",
    )
    touchpoints: tuple[Engagement, ...] = Field(
        default=("meetings", "calls", "emails"), description="What counts as a touchpoint"
    )
    review_titles: Words = Field(
        default=REVIEW_WORDS, description="Words in a meeting's title or type that make it a business review"
    )
    attended_outcomes: Words = Field(
        default=("completed",), description="Meeting outcomes that mean: the customer was there"
    )
    missed_outcomes: Words = Field(
        default=("no_show",), description="Meeting outcomes that mean: the customer did not come"
    )
    cancelled_outcomes: Words = Field(
        default=("canceled", "cancelled", "rescheduled"),
        description="Meeting outcomes that mean: it did not take place",
    )
    answered_calls: Words = Field(
        default=(CONNECTED_CALL,), description="Ids of call outcomes that mean: we spoke to somebody"
    )
    executive_titles: Words = Field(
        default=EXECUTIVE_TITLES, description="Words in a contact's job title that make an executive"
    )
    not_executive_titles: Words = Field(
        default=NOT_EXECUTIVE_TITLES, description="Words in a contact's job title that make none after all"
    )
    executive_roles: Words = Field(
        default=("executive_sponsor",), description="Buying roles of a contact that make an executive"
    )
    csat_scale: tuple[float, float] | None = Field(
        default=None,
        description="Lowest and highest answer of its CSAT surveys; default: HubSpot's own three groups, 0 to 2",
    )
    ces_scale: tuple[float, float] = Field(default=(1, 7), description="Lowest and highest answer of its CES surveys")

    @model_validator(mode="after")
    def _money_has_a_currency(self) -> Self:
        if "arr" in self.accounts and "currency" not in self.accounts and not self.currency:
            raise ValueError(say("arr needs a currency: write `currency`, or name its property in account_columns"))
        return self

    @cached_property
    def accounts(self) -> dict[AccountColumn, str]:
        """Property behind each column of an account."""
        return {column: name for column, name in (ACCOUNT_COLUMNS | self.account_columns).items() if name}

    @cached_property
    def tickets(self) -> dict[TicketColumn, str]:
        """Property behind each column of a ticket."""
        return {column: name for column, name in (TICKET_COLUMNS | self.ticket_columns).items() if name}

    @cached_property
    def deals(self) -> dict[DealColumn, str]:
        """Property behind each column of an opportunity."""
        return {column: name for column, name in (DEAL_COLUMNS | self.deal_columns).items() if name}

    @property
    def tells_escalations(self) -> bool:
        """Whether anything says which tickets were escalated; otherwise their number is unknown and not zero."""
        return bool("escalated_at" in self.tickets or self.escalated_stages or self.escalated_priorities)
