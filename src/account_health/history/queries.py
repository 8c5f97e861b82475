"""Queries: what is asked of the tables of the history, as SQL that both databases understand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, or_, select

from account_health.chronicle import Phase
from account_health.history import schema
from account_health.history.records import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Delete, Select


def newest() -> Select[Any]:
    """The newest assessment of every account."""
    return select(schema.assessment).join(schema.latest, schema.latest.c.assessment_id == schema.assessment.c.id)


def held_at(instant: datetime) -> Select[Any]:
    """Of every account the newest assessment not after an instant."""
    inner = schema.assessment.alias()
    held = (
        select(inner.c.id)
        .where(inner.c.account_id == schema.latest.c.account_id, inner.c.as_of <= instant)
        .order_by(inner.c.as_of.desc(), inner.c.id.desc())
        .limit(1)
        .correlate(schema.latest)
        .scalar_subquery()
    )
    return select(schema.assessment).select_from(schema.latest).join(schema.assessment, schema.assessment.c.id == held)


def by_people() -> ColumnElement[bool]:
    """Whether an activity is something that a person said."""
    a = schema.activity.c
    return or_(a.kind == Kind.STATUS, and_(a.kind == Kind.FLAG, a.after.not_in((Phase.OPENED, Phase.CLEARED))))


def last_said(account: str) -> Select[Any]:
    """The number of the last thing that people said of an account; 0 if nobody ever did."""
    a = schema.activity.c
    return select(func.coalesce(func.max(a.id), 0)).where(a.account_id == account, by_people())


def pruned(before: datetime) -> Delete:
    """Forgets readings that ended before an instant; the newest of each account, and what held then, stay."""
    a, later = schema.assessment, schema.assessment.alias()
    was_followed = (
        select(later.c.id)
        .where(later.c.account_id == a.c.account_id, later.c.as_of <= before, later.c.as_of > a.c.as_of)
        .exists()
    )
    return delete(a).where(a.c.as_of < before, was_followed)


def activities(  # noqa: PLR0913 - one parameter per thing that can be wanted
    *,
    accounts: Sequence[str] | None = None,
    owner: str = "",
    band: str = "",
    kind: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    before: int | None = None,
) -> Select[Any]:
    """Activities, newest first, that fit everything that is not empty; `before` is a number that they come before."""
    a = schema.activity.c
    chosen = select(schema.activity).order_by(a.id.desc())
    wanted = {
        "accounts": lambda: a.account_id.in_(accounts or ()),
        "owner": lambda: func.lower(a.owner) == owner.lower(),
        "band": lambda: a.band == band,
        "kind": lambda: a.kind == kind,
        "since": lambda: a.at >= since,
        "until": lambda: a.at <= until,
        "before": lambda: a.id < before,
    }
    given = {"accounts": accounts, "since": since, "until": until, "before": before}
    given |= {"owner": owner or None, "band": band or None, "kind": kind or None}
    chosen = chosen.where(*(condition() for name, condition in wanted.items() if given[name] is not None))
    return chosen if limit is None else chosen.limit(limit)
