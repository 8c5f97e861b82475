"""What can be set about a Stripe source."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from account_health.connectors.live import LiveSettings, Secret

MetadataKey = Annotated[str, Field(pattern=r"^[^\[\]'\"\\]{1,40}$")]


class StripeSettings(LiveSettings):
    """A Stripe account. A discount given to a customer as a whole, not to a subscription, is not seen in its ARR."""

    api_key: Secret = Field(
        description="Restricted key (`rk_...`) that may read Customers, Invoices, Subscriptions, Charges and Events"
    )
    base_url: str = Field(default="https://api.stripe.com", description="Address of the API")
    api_version: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$")] = Field(
        default="2026-10-28.endive", description="Version of the API that is asked for"
    )
    account_key: MetadataKey = Field(
        default="account_id", description="Metadata key of a customer that holds the CRM's account id or external id"
    )
    domain_key: MetadataKey | None = Field(
        default=None, description="Metadata key of a customer that holds its web domain, bare as in `acme.com`"
    )
    search: bool = Field(
        default=True,
        description="Whether to use Stripe's search, which companies in India do not have and which learns of changes "
        "a minute late; without it, all customers are listed",
    )
    lists_accounts: bool = Field(
        default=False, description="Whether Stripe's customers are the accounts, because there is no CRM"
    )
    seats_of: frozenset[str] = Field(
        default=frozenset(),
        description="Ids of the products or prices sold by the seat; default: a subscription's only item, from 2 on",
    )
    renewal_months: Annotated[int, Field(ge=1)] = Field(
        default=6, description="A billing period shorter than this is no contract term, so its end is no renewal"
    )
    amounts_change: bool = Field(
        default=True,
        description="Whether prices and quantities of running subscriptions are changed in place. Stripe keeps no "
        "history of them, so the ARR before the current billing period is then unknown",
    )
    reload_hours: Annotated[float, Field(gt=0, le=600)] = Field(
        default=24,
        description="Between two complete readings only changes are asked for; Stripe keeps them for 30 days",
    )
