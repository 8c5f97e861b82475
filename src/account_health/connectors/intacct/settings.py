"""What can be set about a Sage Intacct source."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from account_health.connectors.base import TimeZone
from account_health.connectors.live import LiveSettings, Secret
from account_health.connectors.live.words import ScoreHigherIs, ScoreScale
from account_health.tables import Currency

LARGEST_PAGE = 4000

FieldName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_:]*(\.[A-Za-z][A-Za-z0-9_:]*)*$")]
"""A field as queries name it: a dot leads into a group or a related object, `nsp::` begins a custom field."""


class IntacctSettings(LiveSettings):
    """A Sage Intacct company, read through its REST API.

    `account-health sources check` says which of the named fields it has, of what type they are and which words they
    admit.
    """

    client_id: str = Field(examples=["acme.app.sage.com"], description="Client id of an app in the Sage App Registry")
    client_secret: Secret = Field(description="Secret of that app")
    username: str = Field(
        examples=["reader@acme"],
        description="Web services user the app acts as, `user@company` or `user@company|entity`; it must be permitted "
        "to list and view customers and invoices of Accounts Receivable",
    )
    base_url: str = Field(
        default="https://api.intacct.com/ia/api/v1", description="Address of the API with its version"
    )
    entity: str | None = Field(
        default=None, description="Entity to read, in a company of several; default: the top level"
    )
    include_private: bool = Field(
        default=False, description="Whether the top level also reads what is private to one entity"
    )
    account_key: FieldName = Field(
        default="id",
        description="Field of a customer that holds the CRM's account id or external id, e.g. `nsp::CRM_ID`; default: "
        "its own id",
    )
    domain_fields: tuple[FieldName, ...] = Field(
        default=("contacts.default.email1", "contacts.default.url1"),
        description="Fields of a customer that hold a mail or web address of its domain. That queries reach these of "
        "its contact is a guess",
    )
    lists_accounts: bool = Field(
        default=False,
        description="Whether Intacct's customers are the accounts, because there is no CRM; only then are their health "
        "score and status read",
    )
    customer_statuses: tuple[str, ...] = Field(
        default=("active", "activeNonPosting"),
        description="Statuses of a customer that make it an account; empty: all do",
    )
    health_score_field: FieldName | None = Field(
        default="customerAccountHealth.healthScore",
        description="Field of the health score; there since 2026 R1. Older companies may have a custom field for it",
    )
    health_status_field: FieldName | None = Field(
        default="customerAccountHealth.healthStatus", description="Field of the health status; there since 2026 R1"
    )
    churn_risk_field: FieldName | None = Field(
        default="customerAccountHealth.churnRisk",
        description='Field of "At risk for churn"; there since 2026 R1. Where it is true the status says so',
    )
    unset_status: str | None = Field(
        default="healthy",
        description="Status that customers have before anybody sets one; without a score and without the churn flag it "
        "counts as none, because nobody has judged",
    )
    score_scale: ScoreScale = (0, 100)
    score_higher_is: ScoreHigherIs = "healthier"
    currency: Currency | None = Field(
        default=None,
        description="Currency of invoices that name none, as in companies with only one; without it their amounts are "
        "left out",
    )
    time_zone: TimeZone = Field(
        default="UTC", description="Zone of the company, whose days invoices name; the same as in the policy"
    )
    page_size: Annotated[int, Field(ge=1, le=LARGEST_PAGE)] = Field(
        default=2000,
        description=f"Customers or invoices in one answer; Intacct admits {LARGEST_PAGE}, once 2000, and counts every "
        "answer against the company's monthly transactions",
    )
    concurrency: Annotated[int, Field(ge=1)] = Field(
        default=2, description="Most requests at the same time; more than 2 take a higher performance tier"
    )

    @property
    def health_fields(self) -> dict[str, str]:
        """The fields of health that are read, by the setting that names them."""
        names = ("health_score_field", "health_status_field", "churn_risk_field")
        return {name: field for name in names if (field := getattr(self, name))}
