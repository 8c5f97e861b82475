"""Settings that every live connector has, and the type of a secret: it never stands in the configuration's text."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from account_health.connectors.base import Settings
from account_health.language import say
from account_health.tables import TABLES


def _looked_up(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value
    raise ValueError(
        say('a secret never stands in this file; write { env = "NAME_OF_A_VARIABLE" } or { file = "PATH" }')
    )


Secret = Annotated[SecretStr, BeforeValidator(_looked_up)]
"""A secret, looked up by the configuration in the environment or in a file; shows only stars."""


def _known(value: str) -> str:
    if value in TABLES:
        return value
    raise ValueError(say("there are {tables}", tables=", ".join(TABLES)))


TableName = Annotated[str, AfterValidator(_known)]


class LiveSettings(Settings):
    """How one live system is asked; every number can be made smaller to spare a small plan of that system."""

    label: str | None = Field(default=None, description="How Inputs Used names it; default: the system's name")
    tables: tuple[TableName, ...] | None = Field(
        default=None, description="Which of its tables are read, e.g. because another system has the rest; default: all"
    )
    unmatched: Literal["unknown", "not applicable"] = Field(
        default="unknown",
        description="What it means that an account has no record here: that we do not know it, or, where several "
        "systems share the accounts among them, that this one does not serve it",
    )
    history_days: Annotated[int, Field(ge=1, le=36_500)] = Field(
        default=400, description="How far back is read, in days; a year's metrics need 365 and a month to compare"
    )
    history_from: date | None = Field(
        default=None,
        description="The day the system came into use, if it did so within that time; without it, silence before "
        "counts as nothing having happened",
    )
    requests_per_second: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        default=None, description="Most requests a second; default: what the system's smallest plan bears"
    )
    concurrency: Annotated[int, Field(ge=1)] = Field(default=4, description="Most requests at the same time")
    max_pages: Annotated[int, Field(ge=1)] = Field(
        default=2000, description="Most pages of one list; what lies beyond makes the table partial, and that is said"
    )
    reload_hours: Annotated[float, Field(gt=0, le=8_760)] = Field(
        default=24, description="Between two complete readings of all accounts only changes are asked for"
    )
