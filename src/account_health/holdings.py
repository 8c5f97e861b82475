"""Holdings: what each source delivered, how fresh that is as of an instant, and where complete days of usage end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from account_health.inputs import Holding
from account_health.language import say
from account_health.metrics.windows import local_day
from account_health.model import State
from account_health.tables import TABLES

if TYPE_CHECKING:
    from account_health.connectors.base import Connector, Delivery
    from account_health.policy import Policy

# Answers and values age one by one; a contract term stays true until it ends, however long ago it began.
_DATED_BY_THEMSELVES = ("survey_response", "metric_value", "subscription")

Marked = tuple[tuple[str, ...], tuple[str, ...]]
"""Tables that are stale, and tables that are partial because some of their sources are stale."""


def holding(
    index: int, found: tuple[Connector, Delivery], newest: datetime | None, policy: Policy, as_of: datetime
) -> Holding:
    """What is known of a delivery besides its rows; stale if it, or its newest row, is older than the policy bears."""
    connector, delivery = found
    said = min(delivery.fetched_at, as_of) if delivery.live else newest
    limit = timedelta(days=policy.freshness.general)
    rejected: dict[str | None, tuple[str, ...]] = {}
    for row in delivery.rejected:
        text = say("{place}: {problem}", place=row.place, problem=row.problem)
        rejected[row.account_id] = (*rejected.get(row.account_id, ()), text)
    return Holding(
        index=index,
        table=delivery.table,
        category=delivery.category,
        connector=connector.kind,
        label=delivery.label or connector.label,
        columns=delivery.columns,
        live=delivery.live,
        fetched_at=delivery.fetched_at,
        newest=newest,
        stale=delivery.table not in _DATED_BY_THEMSELVES and said is not None and as_of - said > limit,
        rows_total=delivery.rows_total,
        rejected_total=delivery.rejected_total,
        unmatched_rows=delivery.unmatched_rows,
        rejected=rejected,
        failure=delivery.failure,
        fault=delivery.fault,
        note=delivery.note,
        matched_by=delivery.matched_by,
        matched=delivery.matched,
        likely=delivery.likely,
        waited=delivery.waited,
        states={account: State(state) for account, state in delivery.states.items()},
        details=delivery.details,
    )


def freshness(holdings: Sequence[Holding]) -> Marked:
    """Tables all of whose sources are stale, and tables some of whose sources are."""
    by_table: Mapping[str, list[bool]] = {
        table: [h.stale for h in holdings if h.table == table and not h.failure] for table in TABLES
    }
    stale = tuple(table for table, marks in by_table.items() if marks and all(marks))
    partial = tuple(table for table, marks in by_table.items() if any(marks) and not all(marks))
    return stale, partial


def usage_end(holdings: Sequence[Holding], policy: Policy, as_of: datetime) -> date:
    """The first day not completely observed: today, or the day after the newest row if usage comes from a file."""
    complete_until = local_day(as_of + timedelta(microseconds=1), policy.time_zone)
    usage = [h for h in holdings if h.table == "usage_day" and not h.failure]
    if not usage or any(h.live or h.newest is None for h in usage):
        return complete_until
    return min(complete_until, max(h.newest for h in usage if h.newest).date() + timedelta(days=1))
