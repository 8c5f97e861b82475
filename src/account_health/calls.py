"""Calls: one call of a tool or a command on its way through the sources, and what one of them answers to it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from account_health.connectors.base import Delivery, Relation
from account_health.model import State

if TYPE_CHECKING:
    from account_health.connectors.base import Query


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a tool or a command: how long it may take, and whether what was said before it is good enough."""

    until: float = math.inf
    """When it must be answered, on the event loop's clock."""
    refresh: bool = False
    """True: live sources are asked again although an answer is still kept."""
    given: set[Hashable] = field(default_factory=set)
    """Tokens of the answers it was given, which serve it to its end."""
    fingerprints: dict[Hashable, Hashable] = field(default_factory=dict)
    """Of each source at each instant, as first seen: within a call nothing changes."""


@dataclass(frozen=True)
class Answer:
    """What one source said; two answers with one token are the same."""

    token: Hashable
    deliveries: tuple[Delivery, ...]
    answered_at: datetime
    is_about_all: bool
    """False: only some accounts were asked for."""

    @property
    def has_failed(self) -> bool:
        """Whether anything in it is missing, so that asking again may bring more."""
        return any(delivery.failure for delivery in self.deliveries)

    def is_cut(self, query: Query) -> bool:
        """Whether it holds less of what was asked for than the source does, so that asking about less may tell more."""
        wanted = [delivery for delivery in self.deliveries if query.wants(delivery.table)]
        return any(not found.is_complete or State.PARTIAL in found.states.values() for found in wanted)

    def joined(self, other: Answer) -> Answer:
        """Both answers of one source as one."""
        return Answer(
            token=(self.token, other.token),
            deliveries=(*self.deliveries, *other.deliveries),
            answered_at=self.answered_at,
            is_about_all=self.is_about_all and other.is_about_all,
        )


def one_list(answers: Sequence[Answer]) -> Answer:
    """What a source said of several accounts as one list of accounts; if it failed on one of them, it failed."""
    different = list({answer.token: answer for answer in answers}.values())
    if every := next((answer for answer in different if answer.is_about_all or len(different) == 1), None):
        return every
    lists = [delivery for answer in different for delivery in answer.deliveries]
    rows = {row.account_id: row for found in lists if not isinstance(found.rows, Relation) for row in found.rows}
    failed = next((delivery for delivery in lists if delivery.failure), None)
    whole = replace(
        lists[0],
        rows=list(rows.values()),
        rows_total=sum(found.rows_total for found in lists),
        rejected=[row for found in lists for row in found.rejected],
        rejected_total=sum(found.rejected_total for found in lists),
        note=next((found.note for found in lists if found.note), ""),
        is_complete=False,
    )
    return replace(different[0], token=tuple(answer.token for answer in different), deliveries=(failed or whole,))
