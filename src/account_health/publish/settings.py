"""Settings of `[publish.intacct_csv]`, and what both sections about Sage Intacct share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from account_health.errors import ConfigurationError, faults
from account_health.language import language, say

if TYPE_CHECKING:
    from account_health.config import Config

CSV_SECTION = "intacct_csv"


def _known(code: str) -> str:
    if code:
        language(code)
    return code


LanguageCode = Annotated[str, AfterValidator(_known)]
Header = Annotated[str, Field(min_length=1)]


class CustomerSettings(BaseModel):
    """Which customer of Intacct an account is, and how its company spells."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    customer_key: Literal["account_id", "external_id", "crosswalk"] = Field(
        default="account_id",
        description="What of an account is the customer id in Intacct: its id, because Intacct is where the accounts "
        "come from, its external id, or the records that the crosswalk gives it in `crosswalk_source`",
    )
    crosswalk_source: str = Field(
        default="intacct", description="Name of the source in the crosswalk whose records are customers of Intacct"
    )
    language: LanguageCode = Field(
        default="", description="Language of the company in Intacct, e.g. `fr`; default: the one that is spoken"
    )


class IntacctCsvSettings(CustomerSettings):
    """The customer import file: the names in its first line, and the words for true and false."""

    model_config = ConfigDict(validate_default=True)
    customer_header: Header = Field(default="CUSTOMER_ID", description="Header of the customer id")
    score_header: Header = Field(default="HEALTH_SCORE", description="Header of the health score")
    status_header: Header = Field(default="HEALTH_STATUS", description="Header of the health status")
    churn_header: Header = Field(default="CHURN_RISK", description="Header of the risk of churn")
    true_word: str = Field(default="", description="Word for at risk of churn; default: `TRUE`, in French `Vrai`")
    false_word: str = Field(default="", description="Word for not at risk of churn; default: `FALSE`, in French `Faux`")

    @field_validator("score_header", "status_header", "churn_header")
    @classmethod
    def _is_no_other_column(cls, header: str, before: ValidationInfo) -> str:
        if header.casefold() in {text.casefold() for name, text in before.data.items() if name.endswith("_header")}:
            raise ValueError(say("another column has this header"))
        return header

    @field_validator("false_word")
    @classmethod
    def _is_not_true(cls, text: str, before: ValidationInfo) -> str:
        if text and text.casefold() == before.data.get("true_word", "").casefold():
            raise ValueError(say("true and false have the same word"))
        return text

    @property
    def headers(self) -> tuple[str, str, str, str]:
        """The first line of the file."""
        return self.customer_header, self.score_header, self.status_header, self.churn_header


_Settings = TypeVar("_Settings", bound=CustomerSettings)


def section(config: Config, name: str, model: type[_Settings]) -> _Settings | None:
    """The settings of `[publish.NAME]`, None if there is none; raises ConfigurationError listing what is wrong."""
    found = next((table for table in config.publish if table.name == name), None)
    if found is None:
        return None
    if found.missing:
        raise ConfigurationError(
            say("[publish.{name}] cannot be used: {problems}", name=name, problems=" ".join(found.missing)),
            say("Mend that, then start again."),
        )
    try:
        return model.model_validate(dict(found.settings))
    except ValidationError as err:
        lines = "\n".join(f"- publish.{name}.{line}" for line in faults(err))
        raise ConfigurationError(
            say("[publish.{name}] is not configured correctly:\n{lines}\n", name=name, lines=lines),
            say("See REFERENCE.md for its settings."),
        ) from None  # its text would show what was written, perhaps a secret
