"""Settings of PostHog: which project, what an account is in it, and which of its events mean what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from account_health.connectors.base import TimeZone
from account_health.connectors.live import LiveSettings, Secret
from account_health.language import say

PERSON_PROPERTY = "person.properties."
EVENT_PROPERTY = "properties."
LONGEST_ANSWER = 50_000
"""Rows that PostHog sends at most, whatever LIMIT says."""


class PostHogSettings(LiveSettings):
    """How product use is read from one PostHog project."""

    api_key: Secret = Field(
        description="Personal API key (`phx_...`) with the scopes `query:read` and, unless `group_type` is a number or "
        "`account_property` is set, `group:read`"
    )
    project_id: Annotated[int, Field(ge=1)] = Field(
        examples=[12345], description="Number of the project, as in the address of its pages"
    )
    region: Literal["us", "eu"] = Field(default="us", description="Where PostHog Cloud keeps the project")
    base_url: str | None = Field(default=None, description="Address of a PostHog of your own, instead of `region`")
    time_zone: TimeZone = Field(
        default="UTC",
        description="Zone whose calendar days are counted, whatever the project's own is; the same as in the policy",
    )
    group_type: Annotated[int, Field(ge=0, le=4)] | str | None = Field(
        default=None, description="Type of the groups that are accounts, by name or number; default: the only type"
    )
    account_property: str | None = Field(
        default=None,
        description="In a project without group analytics: the property that tells the account, e.g. "
        "`person.properties.company_id`, or `properties.company_id` for one of events",
    )
    keys: Literal["id", "domain"] = Field(
        default="id", description="What group keys, or values of `account_property`, are: ids the CRM knows, or domains"
    )
    name_property: str = Field(default="name", description="Group property with the account's name; empty: none")
    domain_property: str = Field(default="domain", description="Group property with its domain or website; empty: none")
    external_id_property: str = Field(
        default="", description="Group property with an id the CRM knows, if group keys are other ids; empty: none"
    )
    login_events: tuple[str, ...] = Field(
        default=(
            *("user_logged_in", "user logged in", "User Logged In", "logged_in", "logged in", "Logged In"),
            *("user_login", "user login", "login", "Login", "signed_in", "signed in", "Signed In"),
        ),
        description="Events that are logins; where the project has none of them, logins are unknown and not zero",
    )
    features: dict[str, str] = Field(
        default={},
        description='Feature by event, e.g. `{ "report exported" = "Reports" }`; no other event is a feature then',
    )
    feature_prefix: str = Field(
        default="",
        description="What the names of feature events begin with; without it and without `features`, each event of "
        "your own (no `$`) that is no login is a feature",
    )
    most_features: Annotated[int, Field(ge=1)] = Field(
        default=200, description="Most features of one account and day, the first in alphabetical order"
    )
    ignored_events: tuple[str, ...] = Field(
        default=("$groupidentify", "$identify", "$set", "$create_alias", "$merge_dangerously", "$feature_flag_called"),
        description="Events that servers send while nobody uses the product; they count for nothing",
    )
    days_per_query: Annotated[int, Field(ge=1)] = Field(
        default=31, description="How many days of all accounts one query is about; fewer if PostHog takes too long"
    )
    rows_per_query: Annotated[int, Field(ge=1, le=LONGEST_ANSWER)] = Field(
        default=20_000, description="Most rows in one answer"
    )
    refresh: Literal["force_blocking", "blocking"] = Field(
        default="force_blocking",
        description="`blocking` spares the project by taking answers from PostHog's cache, whose age is not shown then",
    )

    @field_validator("account_property")
    @classmethod
    def _property(cls, value: str | None) -> str | None:
        if value is not None and not value.removeprefix("person.").removeprefix(EVENT_PROPERTY):
            raise ValueError(say("the name of the property is missing"))
        if value is not None and not value.startswith((PERSON_PROPERTY, EVENT_PROPERTY)):
            raise ValueError(say("it must begin with person.properties. or properties."))
        return value

    @model_validator(mode="after")
    def _one_kind_of_account(self) -> PostHogSettings:
        if self.account_property is not None and self.group_type is not None:
            raise ValueError(say("set either group_type or account_property: an account is one or the other"))
        return self
