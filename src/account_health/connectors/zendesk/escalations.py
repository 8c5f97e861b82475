"""Escalations: when tickets came to be marked as escalated, which a ticket itself does not say.

Honest sources are a date field that the company keeps for it, and the ticket's audits. The latter take one call a
ticket, so they are read for escalated tickets only, and again only when a ticket has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

import anyio

from account_health.connectors.zendesk.tickets import PAGED, Audit, Event, Ticket, pages_of, reading
from account_health.errors import Fault, SourceError

if TYPE_CHECKING:
    from account_health.connectors.live import Ask
    from account_health.connectors.zendesk.settings import ZendeskSettings

_UNDATED = "when it was escalated could not be read; its solution or last update stands for that"


@dataclass
class Escalations:
    """Which tickets are escalated by a company's rules, and what is known of when."""

    settings: ZendeskSettings
    _known: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    """Ticket to its state that was looked up, by last update, and when it was escalated."""

    def has(self, ticket: Ticket) -> bool:
        """Whether a ticket is escalated."""
        return any(self.settings.marks(name, value) for name, value in ticket.fields.items())

    def row(self, ticket: Ticket) -> Mapping[str, Any]:
        """An escalated ticket as a ticket of ours."""
        if escalated_at := self._at(ticket):
            return {**ticket.row(), "escalated_at": escalated_at}
        # Too late rather than too early: a flag that stays up too long beats one that was never raised.
        return {**ticket.row(), "escalated_at": ticket.solved_at or ticket.updated_at, "doubt": _UNDATED}

    def _at(self, ticket: Ticket) -> datetime | None:
        if day := self.settings.escalation_day(ticket.fields):
            return datetime.combine(day, time(), UTC)
        updated_at, escalated_at = self._known.get(ticket.id, (None, None))
        return escalated_at if updated_at == ticket.updated_at else None

    async def look_up(self, ask: Ask, tickets: Sequence[Ticket]) -> None:
        """Reads audits where the time of an escalation is not known yet, as far as half of the time allows."""
        unknown = sorted((t for t in tickets if not self._at(t)), key=lambda t: t.updated_at, reverse=True)
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
        else:
            if times:
                self._known[ticket.id] = (ticket.updated_at, max(times))

    def _escalates(self, event: Event) -> bool:
        name = event.field_name or ""
        return self.settings.marks(name, event.value) and not self.settings.marks(name, event.previous_value)


def half_the_time() -> float:
    """Seconds for what is good to have; the other half is left to what is needed."""
    return (anyio.current_effective_deadline() - anyio.current_time()) / 2
