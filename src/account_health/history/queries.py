"""Queries: what is asked of the tables of the history, as SQL that both databases understand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, literal, or_, select

from account_health.chronicle import Phase
from account_health.history import schema
from account_health.history.records import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Delete, Select


def newest() -> Select[Any]:
    """The newest assessment of every account."""
    return select(schema.assessment).join(schema.latest, schema.latest.c.assessment_id == schema.assessment.c.id)


def compared() -> Select[Any]:
    """The newest assessment of every account without what is packed, which nobody compares."""
    a = schema.assessment.c
    packed = {a.metric_values.name, a.metric_marks.name, a.table_states.name}
    columns = [literal(b"").label(column.name) if column.name in packed else column for column in a]
    return select(*columns).join_from(
        schema.assessment, schema.latest, schema.latest.c.assessment_id == schema.assessment.c.id
    )


def present(until: datetime) -> Select[Any]:
    """The accounts that were listed when they were last read, if that was not after an instant."""
    a = schema.assessment.c
    return (
        select(a.account_id)
        .join_from(schema.assessment, schema.latest, schema.latest.c.assessment_id == a.id)
        .where(a.is_present, a.as_of <= until)
    )


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


def last_published(account: str) -> Select[Any]:
    """The number of the last time that an account was published; 0 if it never was."""
    a = schema.activity.c
    return select(func.coalesce(func.max(a.id), 0)).where(a.account_id == account, a.kind == Kind.PUBLISHED)


def all_published() -> Select[Any]:
    """Per account the number of the last time that it was published."""
    a = schema.activity.c
    return select(a.account_id, func.max(a.id).label("number")).where(a.kind == Kind.PUBLISHED).group_by(a.account_id)


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
    wanted: list[tuple[Any, Callable[[Any], ColumnElement[bool]]]] = [
        (accounts, a.account_id.in_),
        # Databases fold the case of few letters only, so the owner as written counts too.
        (owner or None, lambda word: or_(a.owner == word, func.lower(a.owner) == word.lower())),
        (band or None, lambda word: a.band == word),
        (kind or None, lambda word: a.kind == word),
        (since, lambda instant: a.at >= instant),
        (until, lambda instant: a.at <= instant),
        (before, lambda number: a.id < number),
    ]
    chosen = chosen.where(*(condition(value) for value, condition in wanted if value is not None))
    return chosen if limit is None else chosen.limit(limit)
