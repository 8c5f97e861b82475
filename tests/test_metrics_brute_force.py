"""Random records give the same metrics by SQL and by a reading on paper, cell by cell."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from math import isnan
from random import Random
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from account_health.assess import evaluated
from account_health.model import State
from account_health.policy import default_document, parse_policy
from account_health.tables import CONTRACT_STATUSES, TABLES, Row, columns
from given import LONG_AGO, gatherer
from paper import Answer, World, read

if TYPE_CHECKING:
    from account_health.metrics.matrix import MetricMatrix

ZONES = ("UTC", "Europe/Berlin", "America/New_York")
POLICIES = {zone: parse_policy({**default_document(), "time_zone": zone}, zone) for zone in ZONES}
LAST_MOMENT = datetime(2026, 11, 21, 23, 59, 59, 999999)
ASKED = [LAST_MOMENT - timedelta(days=days) for days in (0, 30, 60, 91, 400)]
WORLDS, ACCOUNTS, ROWS = 12, 25, {"subscription": 2, "usage_day": 12, "metric_value": 2}
TROUBLES = (State.PARTIAL, State.STALE, State.FAILED, State.NOT_MATCHED, State.NOT_CONNECTED, State.NOT_APPLICABLE)
SELDOM_TOLD = {"usage_day": ("logins", "active_users", "events", "features_used"), "ticket": ("reopened_count",)}


class _Dice:
    """Random records whose dates like to fall on the edges of windows and days."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - records, not secrets

    def moment(self, *, ahead: bool = False) -> datetime:
        asked = self.random.choice(ASKED)
        edge = asked - timedelta(days=self.random.choice((0, 14, 30, 60, 90, 180, 365)))
        midnight = datetime.combine(edge.date(), time(self.random.choice((0, 4, 5, 22, 23))))
        near = self.random.choice((edge, edge, midnight)) + timedelta(seconds=self.random.choice((-1, 0, 0, 1)))
        anywhere = LAST_MOMENT.replace(microsecond=0) - timedelta(
            seconds=self.random.randrange(-100 * 86400 if ahead else -86400, 500 * 86400)
        )
        return self.random.choice((near, anywhere))

    def maybe(self, *values: Any) -> Any:
        return self.random.choice((None, *values))

    def later(self, moment: datetime) -> datetime | None:
        return cast(
            "datetime | None", self.maybe(moment + timedelta(hours=self.random.randrange(-5, 2000)), self.moment())
        )

    def row(self, table: str, account: str, number: int) -> Row:
        fields = getattr(self, table)()
        key = next((c for c in columns(table) if c.endswith("_id") and c != "account_id"), None)
        identity = {key: f"{account}-{number}"} if key and table != "account" else {}
        return TABLES[table].model_validate({"account_id": account, **identity, **fields})

    def account(self) -> dict[str, Any]:
        return {
            "name": "A",
            "customer_since": self.maybe(self.moment(ahead=True).date(), self.moment().date()),
            "licensed_seats": self.maybe(0, 10, 250),
            "renewal_date": self.maybe(self.moment(ahead=True).date()),
            "contract_status": self.maybe(*CONTRACT_STATUSES),
            "champion_active": self.random.choice((True, False, None)),
            "updated_at": self.maybe(self.moment()),
        }

    def subscription(self) -> dict[str, Any]:
        start = self.moment() - timedelta(days=self.random.choice((0, 300, 700)))
        return {
            "started_at": start,
            "ended_at": self.maybe(self.moment(), start + timedelta(days=365)),
            "arr": self.random.choice((0, 1000, 2500, 5000, 7000, 9000, None)),
            "currency": self.random.choice(("EUR", "EUR", "EUR", "USD", None)),
            "seats": self.maybe(0, 5, 40),
            "renews_at": self.maybe(self.moment(ahead=True).date()),
        }

    def ticket(self) -> dict[str, Any]:
        opened = self.moment()
        low, high, csat = self.random.choice(
            ((1, 5, 4), (0, 100, 55), (0, 1, 1), (3, 3, 3), (None, None, 5), (1, 5, None))
        )
        return {
            "opened_at": opened,
            "solved_at": self.later(opened),
            "priority": self.maybe("urgent", "normal"),
            "status": self.maybe("open", "solved", "closed"),
            "escalated_at": self.maybe(self.later(opened)),
            "reopened_count": self.maybe(0, 1, 3),
            "csat": csat,
            "csat_low": low,
            "csat_high": high,
        }

    def usage_day(self) -> dict[str, Any]:
        return {
            "day": self.moment().date(),
            "logins": self.maybe(0, 3, 20),
            "active_users": self.maybe(0, 2, 12),
            "events": self.maybe(0, 50),
            "features_used": self.maybe((), ("a",), ("a", "b"), ("c", "d", "e")),
        }

    def invoice(self) -> dict[str, Any]:
        issued = self.moment()
        return {
            "issued_at": issued,
            "due_at": self.later(issued),
            "paid_at": self.maybe(self.later(issued)),
            "status": self.maybe("open", "paid", "void", "uncollectible", "draft"),
            "last_failed_at": self.maybe(self.later(issued)),
        }

    def survey_response(self) -> dict[str, Any]:
        low, high = self.random.choice(((0, 10), (0, 10), (1, 5), (2, 2)))
        return {
            "respondent": self.random.choice("abc"),
            "kind": self.random.choice(("nps", "nps", "csat", "ces")),
            "score": self.random.randint(low, high),
            "scale_low": low,
            "scale_high": high,
            "responded_at": self.moment(),
        }

    def touchpoint(self) -> dict[str, Any]:
        return {
            "at": self.moment(),
            "kind": self.random.choice(("meeting", "qbr", "call", "mail")),
            "executive": self.random.choice((True, False, None)),
            "attended": self.random.choice((True, False, None)),
            "direction": self.maybe("inbound", "outbound"),
            "replied": self.random.choice((True, False, None)),
        }

    def opportunity(self) -> dict[str, Any]:
        return {
            "kind": self.random.choice(("renewal", "expansion", "downgrade")),
            "stage_kind": self.random.choice(("open", "won", "lost")),
            "created_at": self.maybe(self.moment()),
            "close_date": self.maybe(self.moment(ahead=True).date()),
        }

    def metric_value(self) -> dict[str, Any]:
        return {
            "metric": self.random.choice(tuple(POLICIES["UTC"].metrics)),
            "value": self.random.randint(0, 10),
            "as_of": self.moment(),
            "provider": self.random.choice(("caller", "source")),
        }

    def world(self) -> World:
        accounts = [f"a{i:02}" for i in range(ACCOUNTS)]
        rows = [
            self.row(table, account, number)
            for account in accounts
            for table in TABLES
            for number in range(1 if table == "account" else self.random.choice((0, ROWS.get(table, 5))))
        ]
        untold = {t: {c for c in names if self.random.random() < 0.1} for t, names in SELDOM_TOLD.items()}
        return World(
            rows=[row.model_copy(update=dict.fromkeys(untold.get(row.table, ()))) for row in rows],
            states={
                t: {a: self.random.choice(TROUBLES) for a in accounts if self.random.random() < 0.1} for t in TABLES
            },
            history={t: self.random.choice((LONG_AGO, LONG_AGO, None, self.moment())) for t in TABLES},
            files=frozenset(t for t in TABLES if self.random.random() < 0.1),
            untold=untold,
        )


def answered(matrix: MetricMatrix, row: int, column: int) -> Answer:
    """What the pipeline tells of one metric of one account; what is unknown has no value."""
    known, seen = bool(matrix.known[row, column]), float(matrix.seen[row, column])
    return Answer(
        value=round(float(matrix.values[row, column]), 9) if known else None,
        applies=bool(matrix.applicable[row, column]),
        seen=None if isnan(seen) else round(seen, 9),
        at_least=known and bool(matrix.at_least[row, column]),
    )


@pytest.mark.parametrize("seed", range(WORLDS))
def test_every_metric_is_what_a_reading_of_the_records_on_paper_tells(seed: int) -> None:
    world = _Dice(seed).world()
    source = gatherer(world.given())
    for number, as_of in enumerate(ASKED):  # the latest first: all of them read the rows fetched then
        policy = POLICIES[ZONES[(seed + number) % len(ZONES)]]
        matrix = anyio.run(evaluated, source, policy, as_of).matrix
        told = {
            (account, metric): answered(matrix, row, column)
            for row, account in enumerate(matrix.accounts)
            for column, metric in enumerate(matrix.metrics)
        }
        assert told == read(world, as_of, policy)
