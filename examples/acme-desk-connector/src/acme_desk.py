"""Acme Desk: support tickets and the invoices for them, of all customers or of one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, Field

from account_health.connectors.http import Api, Bearer, Cursor, Manners, Request
from account_health.connectors.live import Ask, Live, LiveSettings, Reader, Secret, Vendor
from account_health.connectors.live.ask import iso
from account_health.identity import Record
from account_health.model import Source

if TYPE_CHECKING:
    from account_health.connectors.base import Context


class AcmeDeskSettings(LiveSettings):
    """How to reach Acme Desk, and what its words mean in this company."""

    base_url: str = Field(default="https://api.acme-desk.example", description="Address of the API")
    token: Secret = Field(description="API token with the scopes `customers`, `tickets` and `invoices`")
    urgent_tags: tuple[str, ...] = Field(default=("p1",), description="A ticket with one of these tags is urgent")


class _Customer(Vendor):
    id: str
    name: str = ""
    crm_id: str | None = None
    domain: str | None = None


class _Ticket(Vendor):
    id: str
    customer: str
    opened: AwareDatetime
    solved: AwareDatetime | None = None
    tags: tuple[str, ...] = ()
    title: str | None = None


class _Invoice(Vendor):
    id: str
    customer: str
    issued: AwareDatetime
    cents: int | None = None
    currency: str | None = None
    state: Literal["open", "paid", "void"] | None = None


class AcmeDesk(Live[AcmeDeskSettings]):
    """Acme Desk as a source of tickets and invoices."""

    kind = "acme-desk"
    system = "Acme Desk"
    settings_model = AcmeDeskSettings

    def api(self, context: Context) -> Api:
        """Acme Desk admits 5 requests a second."""
        settings = self.settings
        per_second = settings.requests_per_second or 5
        manners = Manners(per_second=per_second, concurrency=settings.concurrency, max_pages=settings.max_pages)
        auth = Bearer(settings.token)
        return Api(self.label, settings.base_url, auth, manners, clock=context.clock, transport=context.transport)

    def readers(self) -> Mapping[str, Reader]:
        """Tickets and invoices."""
        told = frozenset({"solved_at", "priority", "subject"})
        billed = frozenset({"amount", "currency", "status"})
        return {
            "ticket": Reader(Source.SUPPORT, self._tickets, told, needs="tickets"),
            "invoice": Reader(Source.BILLING, self._invoices, billed, needs="invoices"),
        }

    async def records(self, ask: Ask) -> AsyncIterator[Record]:
        """All customers, or in one call those that have the CRM ids or the domains of the asked accounts."""
        params = {}
        if ask.accounts is not None:
            params = {"crm_id": [a.id for a in ask.accounts], "domain": [d for a in ask.accounts for d in a.domains]}
        request = Request("GET", "/v1/customers", params)
        async for customer in ask.items(_Customer, request, _pages("customers"), needs="customers"):
            ids, domains = (tuple(filter(None, [mark])) for mark in (customer.crm_id, customer.domain))
            yield Record(customer.id, customer.name, ids, domains)

    async def _tickets(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        async for ticket in ask.items(_Ticket, _about(ask, "/v1/tickets"), _pages("tickets"), needs="tickets"):
            yield {
                "account_id": ticket.customer,
                "ticket_id": ticket.id,
                "opened_at": ticket.opened,
                "solved_at": ticket.solved,
                "priority": "urgent" if set(ticket.tags) & set(self.settings.urgent_tags) else "normal",
                "subject": ticket.title,
            }

    async def _invoices(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        async for invoice in ask.items(_Invoice, _about(ask, "/v1/invoices"), _pages("invoices"), needs="invoices"):
            yield {
                "account_id": invoice.customer,
                "invoice_id": invoice.id,
                "issued_at": invoice.issued,
                "amount": None if invoice.cents is None else invoice.cents / 100,
                "currency": invoice.currency,
                "status": invoice.state,
            }


def _about(ask: Ask, path: str) -> Request:
    """The list since the start of the window; of the asked customers only, if some are asked."""
    customers = {} if ask.records is None else {"customer": list(ask.record_ids)}
    return Request("GET", path, {"since": iso(ask.since), **customers})


def _pages(items: str) -> Cursor:
    return Cursor(items, cursor="next", param="cursor")
