"""Settings of `[publish.intacct]`: which company scores are written back to, under which names it has the fields."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from account_health.connectors.intacct.settings import FieldName
from account_health.connectors.intacct.settings import IntacctSettings as ReadingSettings
from account_health.connectors.live import Secret
from account_health.publish.settings import CustomerSettings

SECTION = "intacct"
FIELDS = ("health_score_field", "health_status_field", "churn_risk_field")
"""The settings that name a field, in the order of the values of a `Health`."""
_READ = ReadingSettings.model_fields
OptionalField = FieldName | Literal[""]


class IntacctSettings(CustomerSettings):
    """A Sage Intacct company that scores are written back to, through its REST API."""

    client_id: str = Field(description="Client id of an app in the Sage App Registry")
    client_secret: Secret = Field(description="Secret of that app")
    username: str = Field(
        description="Web services user the app acts as, `user@company` or `user@company|entity`; it must be permitted "
        "to list, view and edit customers of Accounts Receivable",
    )
    base_url: str = Field(default=_READ["base_url"].default, description="Address of the API with its version")
    entity: str | None = Field(
        default=None, description="Entity to write in, in a company of several; default: the top level"
    )
    health_score_field: OptionalField = Field(
        default=_READ["health_score_field"].default, description="Field of the health score; empty: it is not written"
    )
    health_status_field: OptionalField = Field(
        default=_READ["health_status_field"].default, description="Field of the health status; empty: it is not written"
    )
    churn_risk_field: OptionalField = Field(
        default=_READ["churn_risk_field"].default, description="Field of the risk of churn; empty: it is not written"
    )
    status_words: dict[str, str] = Field(
        default={},
        description='The field\'s words for statuses, where they cannot be recognised, e.g. `{ "At risk" = "R" }`; '
        "those that differ only in case, blanks or language are",
    )
    requests_per_second: Annotated[float, Field(gt=0, le=1000)] = Field(default=4, description="Most requests a second")

    @property
    def fields(self) -> dict[str, str]:
        """The fields that are written, by the setting that names them."""
        return {name: field for name in FIELDS if (field := getattr(self, name))}

    @property
    def company(self) -> str:
        """What tells this company from others, for the keys of changes."""
        return f"{self.base_url} {self.username.partition('@')[2]} {self.entity or ''}"

    @property
    def reading(self) -> ReadingSettings:
        """The same for those who read."""
        return ReadingSettings(
            client_id=self.client_id,
            client_secret=self.client_secret,
            username=self.username,
            base_url=self.base_url,
            entity=self.entity,
            requests_per_second=self.requests_per_second,
            concurrency=1,  # Intacct admits two requests at a time, and other programs of the company need one of them
        )
