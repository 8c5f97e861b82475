"""Demo data: fictional accounts, embedded, dated relative to the asked day so that they never go stale.

One source pretends to be several systems, each named as a demo. Every account is a story, one readable TOML file in
`account_health/demo/`: its rows, how each system matched it, and what a system could not tell. Every date in a story is
a number of days after the asked day (negative: before), so the same question gives the same rows, whatever the clock.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from account_health.connectors.base import Delivery, Settings
from account_health.language import mark, say
from account_health.model import Source, State
from account_health.tables import TABLES, columns

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from account_health.connectors.base import Context, Query
    from account_health.tables import Row


@dataclass(frozen=True)
class _System:
    """A system the demo pretends to be: its name, how it knows accounts, minutes before the asked day it was read."""

    label: str
    matched_by: str
    minutes: int


_SYSTEMS = {
    Source.CRM: _System("Demo CRM", mark("account id"), 4),
    Source.SUPPORT: _System("Demo Helpdesk", mark("external id"), 2),
    Source.ANALYTICS: _System("Demo Analytics", mark("account id"), 7),
    Source.BILLING: _System("Demo Billing", mark("crosswalk"), 3),
    Source.SURVEYS: _System("Demo Surveys", mark("account id"), 11),
}
_WAREHOUSE = _System("Demo Warehouse", mark("account id"), 240)

_SENTENCES = (
    mark("2 candidates: org-881 and org-882; name one of them in the crosswalk"),
    mark("Demo Analytics did not answer within the deadline; ask again later"),
    mark("Demo Analytics last received data 45 days ago"),
    mark("Demo Helpdesk returned only the newest page of tickets (page cap)"),
    mark("a prospect has no contract yet"),
    mark("no organisation in Demo Helpdesk has the domain moonbeam.example"),
    mark("nobody has been asked yet"),
)
"""What the stories say in their details, for the catalogues."""

_HISTORY_DAYS = {"usage_day": 180, "subscription": 1600}
_USUAL_HISTORY_DAYS = 400

# Fixed times of day keep the order of events that share a day: opened, then escalated, then solved.
_TIMES = {"opened_at": time(9, 12), "escalated_at": time(11, 30), "solved_at": time(16, 45)}
_USUAL_TIME = time(12)

# Quiet days are counted back from the asked day and are not the calendar's weekends: so every asked day has as many of
# them in each 30 days and the same scores.
_WEEK = (1.0, 1.05, 1.1, 1.0, 0.85, 0.3, 0.3)


class Stretch(BaseModel):
    """A run of days of product use; the numbers are those of an ordinary day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: int
    last: int
    logins: int
    active_users: int
    events: int
    features: tuple[str, ...]

    def days(self) -> Iterator[dict[str, Any]]:
        """One `usage_day` entry for each day from `first` to `last`."""
        for day in range(self.first, self.last + 1):
            share = _WEEK[-day % len(_WEEK)]
            yield {
                "day": day,
                "logins": round(self.logins * share),
                "active_users": round(self.active_users * share),
                "events": round(self.events * share),
                "features_used": self.features,
            }


class Story(BaseModel):
    """One account of the demo, as its TOML file tells it; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: dict[str, Any]
    matched: dict[Source, str] = Field(default_factory=dict, description="How a system matched it, if not as usual")
    states: dict[str, State] = Field(default_factory=dict, description="Per table, what its rows do not say")
    details: dict[str, str] = Field(default_factory=dict, description="Per table, a sentence about its state")
    usage: tuple[Stretch, ...] = ()
    rows: dict[str, tuple[dict[str, Any], ...]] = Field(default_factory=dict, description="Entries of the other tables")

    @property
    def account_id(self) -> str:
        """Its id in the CRM."""
        return str(self.account["account_id"])

    def entries(self, table: str) -> Sequence[Mapping[str, Any]]:
        """Its entries for a table, dates still in days after the asked day."""
        if table == "account":
            return (self.account,)
        if table == "usage_day":
            return tuple(day for stretch in self.usage for day in stretch.days())
        return self.rows.get(table, ())

    def state(self, table: str) -> State | None:
        """The state it declares for a table; EMPTY if it has no rows there; None if the rows speak for themselves."""
        if table in self.states or self.entries(table):
            return self.states.get(table)
        # Whoever is not in the warehouse has no warehouse.
        return State.NOT_CONNECTED if table == "metric_value" else State.EMPTY


@cache
def stories() -> tuple[Story, ...]:
    """Every account of the demo, in alphabetical order of the file names."""
    folder = files("account_health") / "demo"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return tuple(Story.model_validate(tomllib.loads(file.read_text("utf-8"))) for file in found)


class DemoSettings(Settings):
    """The demo has nothing to set."""


class Demo:
    """Delivers the demo accounts; the same rows for the same asked day."""

    kind: ClassVar[str] = "demo"
    settings_model: ClassVar[type[Settings]] = DemoSettings
    label = say("demo data")

    def __init__(self, name: str, settings: DemoSettings, context: Context) -> None:
        self.name = name
        self.settings = settings
        self.context = context

    def provides(self) -> Mapping[str, Source]:
        """Every normalised table; the metric values are those a warehouse computes from product use."""
        return {name: row.category for name, row in TABLES.items()} | {"metric_value": Source.ANALYTICS}

    def fingerprint(self, as_of: datetime) -> Hashable:
        """The asked day: it dates the rows and says when they were read."""
        return self.kind, as_of.date()

    async def fetch(self, query: Query) -> Sequence[Delivery]:
        """One delivery for each table, with the accounts asked for."""
        told = [story for story in stories() if query.accounts is None or story.account_id in query.accounts]
        return [_delivery(table, category, told, query.as_of) for table, category in self.provides().items()]


def _delivery(table: str, category: Source, told: Sequence[Story], as_of: datetime) -> Delivery:
    system = _WAREHOUSE if table == "metric_value" else _SYSTEMS[category]
    history = timedelta(_HISTORY_DAYS.get(table, _USUAL_HISTORY_DAYS))
    rows = [_row(table, story, entry, as_of.date()) for story in told for entry in story.entries(table)]
    states = {story.account_id: story.state(table) for story in told}
    return Delivery(
        table=table,
        category=category,
        rows=rows,
        rows_total=len(rows),
        columns=frozenset(columns(table)),
        fetched_at=datetime.combine(as_of.date(), time()) - timedelta(minutes=system.minutes),
        history_from=datetime.combine(as_of.date() - history, time()),
        absent=State.NOT_MATCHED,
        matched_by=say(system.matched_by),
        states={account: state for account, state in states.items() if state},
        matched={story.account_id: _evidence(story.matched[category]) for story in told if category in story.matched},
        likely=frozenset(s.account_id for s in told if s.matched.get(category, "").startswith("domain ")),
        details={story.account_id: say(story.details[table]) for story in told if table in story.details},
        label=system.label,
    )


def _evidence(text: str) -> str:
    method, _, domain = text.partition(" ")
    return say("domain {domain}", domain=domain) if method == "domain" else say(text)


def _row(table: str, story: Story, entry: Mapping[str, Any], today: date) -> Row:
    types = columns(table)
    dated = {name: _dated(name, types[name], value, today) for name, value in entry.items()}
    return TABLES[table].model_validate({**dated, "account_id": story.account_id})


def _dated(column: str, sql_type: str, value: Any, today: date) -> Any:
    if sql_type not in ("DATE", "TIMESTAMP"):
        return value
    day = today + timedelta(value)
    return day if sql_type == "DATE" else datetime.combine(day, _TIMES.get(column, _USUAL_TIME))
