"""Tickets: what is read of Zendesk's JSON, and how its lists come in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import AwareDatetime

from account_health.connectors.http import Cursor, Paginator, Request, at
from account_health.connectors.live import Vendor
from account_health.domains import registrable_domain
from account_health.identity import Record

MOST = 100
"""Items on a page outside of exports, and ids in a request."""
PAGED = {"page[size]": MOST}
_NOBODY = "no organization"
"""Stands for the organization of a ticket that has none; Zendesk's own ids are numbers."""
_STATUSES = {"new": "open", "open": "open", "pending": "pending", "hold": "pending", "solved": "solved"}
_STATUSES |= {"closed": "closed"}
_PRIORITIES = {"low", "normal", "high", "urgent"}
_RATINGS = {"good": 1.0, "bad": 0.0}
"""Zendesk turns every other scale into these two words on the ticket."""


class Organization(Vendor):
    """A company that tickets belong to."""

    id: str
    name: str
    external_id: str | None = None
    domain_names: tuple[str, ...] | None = None
    organization_fields: Mapping[str, Any] | None = None
    updated_at: AwareDatetime | None = None

    def record(self, account_id_fields: Sequence[str]) -> Record:
        """What it can be matched by: its external id, the ids in these of its fields, its domains."""
        fields = [(self.organization_fields or {}).get(key) for key in account_id_fields]
        ids = [str(value) for value in (self.external_id, *fields) if value not in (None, "")]
        return Record(self.id, self.name, tuple(ids), self.domain_names or ())

    def row(self) -> Mapping[str, Any]:
        """It as an account."""
        return {
            "account_id": self.id,
            "name": self.name,
            "domains": self.domain_names or (),
            "external_id": self.external_id,
            "updated_at": self.updated_at,
        }


class _Requester(Vendor):
    email: str | None = None


class _Metrics(Vendor):
    reopens: int | None = None
    solved_at: AwareDatetime | None = None


class _Rating(Vendor):
    score: str | None = None


class _CustomField(Vendor):
    id: str
    value: Any = None


class Ticket(Vendor):
    """A support case, with what is loaded beside it."""

    id: str
    created_at: AwareDatetime
    updated_at: AwareDatetime
    status: str | None = None
    priority: str | None = None
    subject: str | None = None
    organization_id: str | None = None
    group_id: str | None = None
    tags: tuple[str, ...] | None = None
    custom_fields: tuple[_CustomField, ...] | None = None
    satisfaction_rating: _Rating | None = None
    metric_set: _Metrics | None = None
    requester: _Requester | None = None

    @property
    def solved_at(self) -> datetime | None:
        """When it was solved; a time left over from before it was opened again does not count."""
        return self.metric_set.solved_at if self.metric_set and self.status in {"solved", "closed"} else None

    @property
    def fields(self) -> Mapping[str, Any]:
        """What can mark an escalation, by the names that audits use."""
        custom = {field.id: field.value for field in self.custom_fields or ()}
        return {"tags": self.tags, "priority": self.priority, "group_id": self.group_id, **custom}

    def found_in(self, owners: Mapping[str, str]) -> Ticket:
        """It in the organization that owns its requester's domain, if it is in none."""
        domain = registrable_domain(self.requester.email) if self.requester and self.requester.email else None
        owner = None if self.organization_id else owners.get(domain or "")
        return self.model_copy(update={"organization_id": owner}) if owner else self

    def row(self) -> dict[str, Any]:
        """It as a ticket of ours, but for its escalation."""
        rating = _RATINGS.get(self.satisfaction_rating.score or "") if self.satisfaction_rating else None
        return {
            "account_id": self.organization_id or _NOBODY,
            "ticket_id": self.id,
            "opened_at": self.created_at,
            "solved_at": self.solved_at,
            "priority": self.priority if self.priority in _PRIORITIES else None,
            "status": _STATUSES.get(self.status or ""),
            "reopened_count": self.metric_set.reopens if self.metric_set else None,
            "subject": self.subject,
            **({} if rating is None else {"csat": rating, "csat_low": 0, "csat_high": 1}),
        }


class Hit(Vendor):
    """A ticket as the search finds it; only its id is of use, because nothing is loaded beside it."""

    id: str


class Event(Vendor):
    """A change of one field, by an audit."""

    field_name: str | None = None
    value: Any = None
    previous_value: Any = None


class Audit(Vendor):
    """One update of a ticket: what it changed, and when."""

    created_at: AwareDatetime
    events: tuple[Event, ...]


def reading(version: str, *path: str, **params: str | int) -> Request:
    """A request; the parts of its path may come from outside."""
    parts = ("api", version, *path)
    return Request("GET", "/" + "/".join(quote(part, safe="") for part in parts), params)


def pages_of(items: str) -> Cursor:
    """How Zendesk cuts its usual lists into pages."""
    return Cursor(items, "meta.after_cursor", "page[after]", end="meta.has_more", end_means=False)


@dataclass(frozen=True)
class _Tickets(Paginator):
    """Pages of tickets, each with its requester and its metrics, which are loaded beside the list."""

    pages: Cursor

    def items_of(self, page: Any) -> Sequence[Any]:
        """The tickets on a page."""
        users, metrics = _by_id(at(page, "users"), "id"), _by_id(at(page, "metric_sets"), "ticket_id")
        return [_joined(ticket, users, metrics) for ticket in self.pages.items_of(page)]

    def next(self, request: Request, page: Any, items: Sequence[Any]) -> Request | None:
        """The next page; where an export starts is said only with the first."""
        following = self.pages.next(request, page, items)
        if following is None:
            return None
        return replace(following, params={name: v for name, v in following.params.items() if name != "start_time"})


def _by_id(items: Any, key: str) -> Mapping[str, Any]:
    return {str(at(item, key)): item for item in items if at(item, key)} if isinstance(items, list) else {}


def _joined(ticket: Any, users: Mapping[str, Any], metrics: Mapping[str, Any]) -> Any:
    if not isinstance(ticket, Mapping):
        return ticket
    # Answers differ in where the metrics stand: in a list of their own, or in the ticket.
    metric_set = metrics.get(str(ticket.get("id")), ticket.get("metric_set"))
    return {**ticket, "requester": users.get(str(ticket.get("requester_id"))), "metric_set": metric_set}


LISTED = _Tickets(pages_of("tickets"))
"""Tickets of an organization, or of ids."""
EXPORTED = _Tickets(Cursor("tickets", "after_cursor", "cursor", end="end_of_stream"))
"""Tickets of the incremental export."""
