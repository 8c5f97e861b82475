"""Additions: what is added together when readings are kept, inside the transaction of whoever keeps them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from account_health.history import rows, schema
from account_health.history.lifecycle import activities

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from account_health.history.records import Reading
    from account_health.policy import Policy

_AT_ONCE = 500
"""Accounts named in one statement; databases limit the number of parameters."""


def insert_readings(
    connection: Connection, new: Sequence[tuple[Reading, Reading | None]], now: datetime, asked_by: str
) -> None:
    """Keeps readings, each with the one before it, and what happened between the two."""
    a, kept = schema.assessment.c, schema.latest.c
    newest = connection.execute(select(func.coalesce(func.max(a.id), 0))).scalar_one()
    # Writers take turns, so the numbers of these rows are known.
    numbered = [(newest + place, reading, before) for place, (reading, before) in enumerate(new, 1)]
    values = [{"id": number, **rows.of_reading(reading, now, asked_by)} for number, reading, _ in numbered]
    connection.execute(insert(schema.assessment), values)
    for part in in_parts([reading.account for reading, _ in new]):
        connection.execute(delete(schema.latest).where(kept.account_id.in_(part)))
    connection.execute(
        insert(schema.latest), [{"account_id": reading.account, "assessment_id": n} for n, reading, _ in numbered]
    )
    happened = [
        rows.of_activity(activity)
        for _, reading, before in numbered
        if reading.is_present
        for activity in activities(reading, before, asked_by)
    ]
    if happened:
        connection.execute(insert(schema.activity), happened)


def keep_policy(connection: Connection, policy: Policy) -> None:
    """Keeps the policy whole, once."""
    p, ref = schema.policy.c, policy.ref
    if connection.execute(select(p.hash).where(p.hash == ref.hash)).first() is None:
        document = json.dumps(policy.model_dump(mode="json", by_alias=True))
        connection.execute(
            insert(schema.policy).values(hash=ref.hash, name=ref.name, version=ref.version, document=document)
        )


def in_parts(accounts: Sequence[str]) -> list[Sequence[str]]:
    """The accounts in parts that fit into one statement."""
    return [accounts[at : at + _AT_ONCE] for at in range(0, len(accounts), _AT_ONCE)]
