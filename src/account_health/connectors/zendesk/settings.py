"""Settings: how to reach one Zendesk, and what its words mean in one company."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from account_health.connectors.http import Basic, Bearer, ClientCredentials
from account_health.connectors.live import LiveSettings, Secret
from account_health.language import say

if TYPE_CHECKING:
    from account_health.connectors.http import Auth

_UNTICKED = {"None", "", "0", "False", "false"}

Priority = Literal["low", "normal", "high", "urgent"]


class ZendeskSettings(LiveSettings):
    """How to reach one Zendesk, and what its words mean in this company."""

    base_url: str = Field(examples=["https://acme.zendesk.com"], description="Address of the Zendesk")
    api_version: str = Field(default="v2", description="Version in the path of the API")
    client_id: str | None = Field(
        default=None,
        examples=["account_health"],
        description="Identifier of an OAuth client, used with `client_secret` and the scope `read`. Its user must be "
        "an admin to read all accounts, because only admins may export",
    )
    client_secret: Secret | None = Field(default=None, examples=["..."], description="Secret of that OAuth client")
    access_token: Secret | None = Field(default=None, description="Instead of an OAuth client: an access token")
    email: str | None = Field(
        default=None, description="Instead of an OAuth client, with `api_token`: e-mail address of a user"
    )
    api_token: Secret | None = Field(
        default=None,
        description="API token for that address; Zendesk gives out no new ones since October 2026 and accepts none "
        "after April 2027",
    )
    account_id_fields: tuple[str, ...] = Field(
        default=(),
        description="Keys of organization fields that hold the CRM's account id, if not only the external id does",
    )
    lists_accounts: bool = Field(
        default=False, description="Whether organizations are the accounts, for companies without a CRM"
    )
    requester_domains: bool = Field(
        default=True,
        description="Whether a ticket without an organization counts for the one organization that has the domain of "
        "its requester's e-mail address, if no other account has it; takes the list of all "
        "organizations, one call for 100 of them",
    )
    organizations_minutes: Annotated[float, Field(ge=0)] = Field(
        default=60,
        description="How long the list of all organizations is kept, unless a call asks for `refresh`; no other "
        "call finds one by its domain",
    )
    archived_after_days: Annotated[int, Field(ge=1)] = Field(
        default=120,
        description="After how many days Zendesk archives a closed ticket; the tickets of one organization are listed "
        "without archived ones, so what happened before is unknown there. Less on busy Zendesks; 3 in a sandbox",
    )
    export_page: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1000, description="Tickets on a page of the export; fewer if its answers are refused as too large"
    )
    exports_per_minute: Annotated[float, Field(gt=0)] = Field(
        default=8,
        description="Most pages of the export a minute; Zendesk gives 10 to all its clients together. With more than "
        "100,000 tickets in `history_days` the first reading needs a longer `all_accounts_seconds` under [gather]",
    )
    escalated_tags: tuple[str, ...] = Field(
        default=("escalated", "escalation"),
        description="A ticket with one of these tags is escalated, since the day it last came to carry one. That day "
        "stands in its audits, which take a call a ticket; until they are read its escalation has no date, and the "
        "table is partial. The same holds for the next three settings",
    )
    escalated_priorities: tuple[Priority, ...] = Field(
        default=(), description="A ticket with one of these priorities is escalated"
    )
    escalated_groups: tuple[int, ...] = Field(
        default=(), description="A ticket assigned to one of these groups (ids) is escalated"
    )
    escalated_field: int | None = Field(
        default=None,
        description="Id of a ticket field; a ticket is escalated where it is ticked or filled in. A date in it is "
        "the day of the escalation, so no audits are read",
    )
    escalation_lookups: Annotated[int, Field(ge=0)] = Field(
        default=20,
        description="Most escalated tickets whose audits are read in one go, the newest first; the others' follow in "
        "the next readings. More for a nightly run",
    )

    @model_validator(mode="after")
    def _has_one_way_in(self) -> Self:
        pairs = ((self.client_id, self.client_secret), (self.access_token,), (self.email, self.api_token))
        if sum(None not in pair for pair in pairs) != 1:
            raise ValueError(say("give `client_id` and `client_secret`, or `access_token`, or `email` and `api_token`"))
        return self

    @property
    def auth(self) -> Auth:
        """The way in that is given."""
        if self.client_id is not None and self.client_secret is not None:
            return ClientCredentials("/oauth/tokens", self.client_id, self.client_secret, {"scope": "read"})
        if self.access_token is not None:
            return Bearer(self.access_token)
        return Basic(f"{self.email}/token", self.api_token or SecretStr(""))

    @property
    def knows_escalations(self) -> bool:
        """Whether there is any rule by which a ticket is escalated."""
        rules = (self.escalated_tags, self.escalated_priorities, self.escalated_groups)
        return any(rules) or self.escalated_field is not None

    def marks(self, field: str, value: Any) -> bool:
        """Whether a field of a ticket, at this value, says that the ticket is escalated."""
        match field:
            case "tags":
                tags = value.split() if isinstance(value, str) else value if isinstance(value, Sequence) else ()
                return not {tag.lower() for tag in self.escalated_tags}.isdisjoint(map(str, tags))
            case "priority":
                return value in self.escalated_priorities
            case "group_id":
                return str(value) in map(str, self.escalated_groups)
        return field == str(self.escalated_field) and str(value) not in _UNTICKED

    def escalation_day(self, fields: Mapping[str, Any]) -> date | None:
        """The day in the field that marks an escalation, if that is a date."""
        try:
            return date.fromisoformat(str(fields.get(str(self.escalated_field))))
        except ValueError:
            return None
