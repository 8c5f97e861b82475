"""The normalised input tables: one row model per table, units in the field descriptions.

A connector turns its vendor's words into these rows and into nothing else. Instants are naive UTC, money is a
non-negative amount with its currency beside it, ids are text. Rows from an API are validated by these models; relations
are cast to `columns(table)` by DuckDB, which knows the same types.
"""

from __future__ import annotations

from datetime import date, datetime
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

from account_health.model import Source

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Id = Annotated[str, Field(min_length=1)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]

CONTRACT_STATUSES = ("cancelled", "expired", "notice", "month_to_month", "active")
ContractStatus = Literal["cancelled", "expired", "notice", "month_to_month", "active"]


class Row(BaseModel):
    """One row of a normalised table; unknown columns are refused, absent ones are None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: ClassVar[str]
    category: ClassVar[Source]
    is_event: ClassVar[bool] = False
    """True: no rows means known zero counts. False: no rows means unknown."""
    key: ClassVar[str | None] = None
    """The column whose values must not repeat."""
    occurred: ClassVar[str]
    """The column that dates a row."""
    concluded: ClassVar[str | None] = None
    """A column that may date it earlier, e.g. of rows that carry only their end."""

    account_id: Id = Field(description="Id of the account, as the CRM knows it")
    doubt: str | None = Field(
        default=None, description="Why this row contradicts others, if the connector knows; it is used all the same"
    )


class Account(Row):
    """One account as the CRM knows it."""

    table = "account"
    category = Source.CRM
    key = "account_id"
    occurred = "updated_at"

    name: str = Field(min_length=1, description="Display name (outside text)")
    domains: tuple[str, ...] = Field(
        default=(), description="Web and mail domains of the account; in CSV with `;` or `,` between"
    )
    segment: str | None = Field(default=None, description="Segment, e.g. Enterprise")
    owner: str | None = Field(default=None, description="Who looks after the account")
    lifecycle: str | None = Field(default=None, description="Lifecycle stage, e.g. customer")
    customer_since: date | None = Field(default=None, description="First day as a customer")
    arr: Amount | None = Field(default=None, description="Annual recurring revenue, in `currency`")
    currency: Currency | None = Field(default=None, description="ISO 4217 code of `arr`")
    licensed_seats: Count | None = Field(default=None, description="Seats paid for")
    renewal_date: date | None = Field(default=None, description="Day of the next renewal")
    contract_status: ContractStatus | None = Field(default=None, description="Standing of the contract")
    champion_active: bool | None = Field(default=None, description="Is our champion still there and active?")
    parent_id: str | None = Field(default=None, description="Account id of the parent company")
    crm_score: Number | None = Field(default=None, description="Health score the CRM carries, on its own scale")
    crm_score_low: Number | None = Field(default=None, description="Lowest value of the CRM's scale")
    crm_score_high: Number | None = Field(default=None, description="Highest value of the CRM's scale")
    crm_score_higher_is: Literal["healthier", "riskier"] | None = Field(
        default=None, description="What a high CRM score means"
    )
    crm_status: str | None = Field(default=None, description="Health status the CRM carries (outside text)")
    external_id: str | None = Field(default=None, description="Id that other systems know the account by")
    updated_at: datetime | None = Field(default=None, description="When the CRM last confirmed this row, UTC")


class Subscription(Row):
    """One contract term."""

    table = "subscription"
    category = Source.BILLING
    key = "subscription_id"
    occurred = "started_at"

    subscription_id: Id = Field(description="Id of the term")
    started_at: datetime = Field(description="First instant of the term, UTC")
    ended_at: datetime | None = Field(default=None, description="End of the term, UTC; empty while it runs")
    arr: Amount | None = Field(default=None, description="Annual recurring revenue of the term, in `currency`")
    currency: Currency | None = Field(default=None, description="ISO 4217 code of `arr`")
    seats: Count | None = Field(default=None, description="Seats of the term")
    renews_at: date | None = Field(default=None, description="Day the term renews")
    status: str | None = Field(default=None, description="The billing system's status word")


class Ticket(Row):
    """One support case."""

    table = "ticket"
    category = Source.SUPPORT
    is_event = True
    key = "ticket_id"
    occurred = "opened_at"

    ticket_id: Id = Field(description="Id of the case")
    opened_at: datetime = Field(description="When it was opened, UTC")
    solved_at: datetime | None = Field(default=None, description="When it was solved, UTC; empty while open")
    priority: Literal["low", "normal", "high", "urgent"] | None = Field(default=None, description="Priority")
    status: Literal["open", "pending", "solved", "closed"] | None = Field(
        default=None, description="Status; decides whether a ticket is open only if `solved_at` is empty"
    )
    escalated_at: datetime | None = Field(default=None, description="When it was escalated, UTC")
    reopened_count: Count | None = Field(default=None, description="How often it was reopened")
    csat: Number | None = Field(default=None, description="Satisfaction rating, between `csat_low` and `csat_high`")
    csat_low: Number | None = Field(default=None, description="Lowest rating of the scale")
    csat_high: Number | None = Field(default=None, description="Highest rating of the scale")
    subject: str | None = Field(default=None, description="Subject line (outside text)")


class UsageDay(Row):
    """One day of product use of one account."""

    table = "usage_day"
    category = Source.ANALYTICS
    occurred = "day"

    day: date = Field(description="Calendar day")
    active_users: Count | None = Field(default=None, description="Distinct users active that day")
    logins: Count | None = Field(default=None, description="Logins that day")
    events: Count | None = Field(default=None, description="Product events that day")
    features_used: tuple[str, ...] | None = Field(
        default=None, description="Names of the features used that day; in CSV with `;` or `,` between"
    )


class Invoice(Row):
    """One invoice."""

    table = "invoice"
    category = Source.BILLING
    is_event = True
    key = "invoice_id"
    occurred = "issued_at"

    invoice_id: Id = Field(description="Id of the invoice")
    amount: Amount | None = Field(default=None, description="Invoiced amount, in `currency`")
    currency: Currency | None = Field(default=None, description="ISO 4217 code of `amount`")
    issued_at: datetime = Field(description="When it was issued, UTC")
    due_at: datetime | None = Field(default=None, description="When it is due, UTC")
    paid_at: datetime | None = Field(default=None, description="When it was paid, UTC; empty while unpaid")
    status: Literal["open", "paid", "void", "uncollectible", "draft"] | None = Field(default=None, description="Status")
    last_failed_at: datetime | None = Field(default=None, description="When a payment last failed, UTC")
    failed_attempts: Count | None = Field(default=None, description="Failed payment attempts so far")


class SurveyResponse(Row):
    """One answer to a survey."""

    table = "survey_response"
    category = Source.SURVEYS
    occurred = "responded_at"

    response_id: str | None = Field(default=None, description="Id of the answer")
    respondent: Id = Field(description="Pseudonymous id of who answered")
    kind: Literal["nps", "csat", "ces"] = Field(description="Which question was asked")
    score: Number = Field(description="The answer, between `scale_low` and `scale_high`")
    scale_low: Number = Field(default=0, description="Lowest possible answer")
    scale_high: Number = Field(default=10, description="Highest possible answer")
    responded_at: datetime = Field(description="When it was given, UTC")


class Touchpoint(Row):
    """One meeting, business review, call or mail."""

    table = "touchpoint"
    category = Source.CRM
    is_event = True
    occurred = "at"

    touchpoint_id: str | None = Field(default=None, description="Id of the touchpoint")
    at: datetime = Field(description="When it took place, UTC")
    kind: Literal["meeting", "qbr", "call", "mail"] = Field(description="What it was")
    executive: bool | None = Field(default=None, description="Was an executive of the customer there?")
    attended: bool | None = Field(default=None, description="Did the customer attend?")
    direction: Literal["inbound", "outbound"] | None = Field(default=None, description="Who reached out")
    replied: bool | None = Field(default=None, description="Did the customer reply to our outreach?")


class Opportunity(Row):
    """One deal with an existing account."""

    table = "opportunity"
    category = Source.CRM
    is_event = True
    key = "opportunity_id"
    occurred = "created_at"
    concluded = "close_date"

    opportunity_id: Id = Field(description="Id of the deal")
    kind: Literal["renewal", "expansion", "downgrade"] = Field(description="What the deal is about")
    stage_kind: Literal["open", "won", "lost"] = Field(description="How it stands")
    amount: Amount | None = Field(default=None, description="Amount, in `currency`")
    currency: Currency | None = Field(default=None, description="ISO 4217 code of `amount`")
    created_at: datetime | None = Field(default=None, description="When the deal was opened, UTC")
    close_date: date | None = Field(default=None, description="Day it closed or is expected to")


class MetricValue(Row):
    """A metric that somebody else computed: a warehouse, a CRM field, the caller."""

    table = "metric_value"
    category = Source.CRM
    occurred = "as_of"

    metric: Id = Field(description="Id of the metric, e.g. `logins_change_pct`")
    value: Number = Field(description="Its value, in the metric's unit")
    as_of: datetime = Field(description="When the value was true, UTC")
    provider: Literal["caller", "source"] = Field(
        default="source", description="Who supplied it; the caller's word comes first"
    )


TABLES: dict[str, type[Row]] = {
    row.table: row
    for row in (Account, Subscription, Ticket, UsageDay, Invoice, SurveyResponse, Touchpoint, Opportunity, MetricValue)
}
"""Every table by name, in the order Inputs Used mentions them."""

_SQL_TYPES: dict[type, str] = {
    str: "VARCHAR",
    float: "DOUBLE",
    int: "BIGINT",
    bool: "BOOLEAN",
    datetime: "TIMESTAMP",
    date: "DATE",
}


def columns(table: str) -> dict[str, str]:
    """Column name to DuckDB type, in declaration order.

    >>> columns("usage_day")["features_used"]
    'VARCHAR[]'
    """
    return {name: _sql_type(field.annotation) for name, field in TABLES[table].model_fields.items()}


def dated_by(table: str) -> str:
    """The SQL that dates a row of the table: freshness, start of history and `as_of` go by it."""
    row = TABLES[table]
    return f'least("{row.occurred}", "{row.concluded}")' if row.concluded else f'"{row.occurred}"'


def allowed_words(table: str, column: str) -> tuple[str, ...]:
    """The words a column may hold, or () if any text will do."""
    for part in _parts(TABLES[table].model_fields[column].annotation):
        if get_origin(part) is Literal:
            return tuple(get_args(part))
    return ()


def required_columns(table: str) -> tuple[str, ...]:
    """Columns without which a row of this table means nothing."""
    return tuple(name for name, field in TABLES[table].model_fields.items() if field.is_required())


def _parts(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _sql_type(annotation: Any) -> str:
    part = next(p for p in _parts(annotation) if p is not type(None))
    if get_origin(part) is Annotated:
        part = get_args(part)[0]
    if get_origin(part) is Literal:
        return "VARCHAR"
    if get_origin(part) is tuple:
        return f"{_sql_type(get_args(part)[0])}[]"
    return _SQL_TYPES[part]
