"""Escalations: when tickets came to be marked as escalated, which a ticket itself does not say.

Honest sources are a date field that the company keeps for it, and the ticket's audits. The latter take one call a
ticket, so they are read for escalated tickets only, again only when a ticket has changed, and only so many in one go:
the others wait for the next readings. No other time of a ticket stands in, because anybody's touch would make an old
escalation a new one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

import anyio

from account_health.connectors.zendesk.tickets import PAGED, Audit, Event, Ticket, pages_of, reading
from account_health.errors import Fault, SourceError
from account_health.language import mark, say

if TYPE_CHECKING:
    from account_health.connectors.live import Ask
    from account_health.connectors.zendesk.settings import ZendeskSettings

_UNDATED = mark("it is marked as escalated, but since when is not known")
_OUTDATED = mark("it has changed since it was looked up when it was escalated")


@dataclass
class Escalations:
    """Which tickets are escalated by a company's rules, and what is known of when."""

    settings: ZendeskSettings
    _known: dict[str, tuple[datetime, datetime | None]] = field(default_factory=dict)
    """Ticket to its state that was looked up, by last update, and when it was escalated, if its audits say so."""
    _waiting: Mapping[str, Ticket] = field(default_factory=dict)
    """Tickets of all accounts, by id, that have no certain date yet."""

    def has(self, ticket: Ticket) -> bool:
        """Whether a ticket is escalated."""
        return any(self.settings.marks(name, value) for name, value in ticket.fields.items())

    def row(self, ticket: Ticket) -> Mapping[str, Any]:
        """An escalated ticket as a ticket of ours."""
        escalated_at = self._at(ticket)
        if escalated_at is None:
            return {**ticket.row(), "doubt": _UNDATED}
        return {**ticket.row(), "escalated_at": escalated_at, "doubt": None if self._is_settled(ticket) else _OUTDATED}

    def waiting(self, ask: Ask) -> dict[str, Ticket]:
        """By id, the tickets whose dates earlier readings left open, if only changes to those are asked for."""
        return {} if ask.changed_since is None else dict(self._waiting)

    def leave(self, ask: Ask, tickets: Collection[Ticket]) -> None:
        """Tells of tickets without a date, and keeps what has to be looked up for the next reading of all accounts."""
        if undated := sum(self._at(ticket) is None for ticket in tickets):
            text = say("Since when marked tickets are escalated is not known yet: {number}", number=undated)
            ask.unsettled.append(text)
        if ask.records is None and not ask.is_probe:
            self._waiting = {ticket.id: ticket for ticket in tickets if not self._is_settled(ticket)}

    def _at(self, ticket: Ticket) -> datetime | None:
        """When it was escalated; the last that is known, if it has changed since."""
        if day := self.settings.escalation_day(ticket.fields):
            return datetime.combine(day, time(), UTC)
        return self._known[ticket.id][1] if ticket.id in self._known else None

    def _is_looked_up(self, ticket: Ticket) -> bool:
        return ticket.id in self._known and self._known[ticket.id][0] == ticket.updated_at

    def _is_settled(self, ticket: Ticket) -> bool:
        has_day = self.settings.escalation_day(ticket.fields) is not None
        return has_day or (self._is_looked_up(ticket) and self._at(ticket) is not None)

    async def look_up(self, ask: Ask, tickets: Collection[Ticket]) -> None:
        """Reads audits where they may tell more, as far as half of the time allows.

        First come tickets that have no date at all, the newest first.
        """
        unknown = [t for t in tickets if not (self._is_settled(t) or self._is_looked_up(t))]
        unknown.sort(key=lambda t: (self._at(t) is None, t.updated_at), reverse=True)
        with anyio.move_on_after(half_the_time()):
            async with anyio.create_task_group() as group:
                for ticket in unknown[: 1 if ask.is_probe else self.settings.escalation_lookups]:
                    group.start_soon(self._look_up, ask, ticket, group.cancel_scope)

    async def _look_up(self, ask: Ask, ticket: Ticket, others: anyio.CancelScope) -> None:
        request = reading(self.settings.api_version, "tickets", ticket.id, "audits", **PAGED)
        audits = replace(ask, rejected=[]).items(Audit, request, pages_of("audits"), needs="read")
        try:
            times = [audit.created_at async for audit in audits if any(map(self._escalates, audit.events))]
        except SourceError as err:  # the tickets are worth having without
            if err.fault is not Fault.NOT_FOUND:  # no other would fare better
                others.cancel()
                return
            times = []
        self._known[ticket.id] = (ticket.updated_at, max(times, default=None))

    def _escalates(self, event: Event) -> bool:
        name = event.field_name or ""
        return self.settings.marks(name, event.value) and not self.settings.marks(name, event.previous_value)


def half_the_time() -> float:
    """Seconds for what is good to have; the other half is left to what is needed."""
    return (anyio.current_effective_deadline() - anyio.current_time()) / 2
