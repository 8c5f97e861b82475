"""The Sage Intacct connector: which queries are asked, and what `sources check` finds out about the company."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from account_health.connectors.http import Api, ClientCredentials, Manners, at
from account_health.connectors.intacct.customers import Customers
from account_health.connectors.intacct.fields import fields_of, health_probe, no_fields, other_probe
from account_health.connectors.intacct.invoices import invoices
from account_health.connectors.intacct.queries import CUSTOMERS, CUSTOMERS_MAY, INVOICES_MAY
from account_health.connectors.intacct.settings import IntacctSettings
from account_health.connectors.live import Ask, Live, Reader
from account_health.model import Source

if TYPE_CHECKING:
    from account_health.connectors.base import Context, Probe
    from account_health.identity import Record

_ENTITY = "X-IA-API-Param-Entity"
"""Intacct passes over headers of other names in silence, and answers for the top level."""
_INVOICE_COLUMNS = frozenset({"amount", "currency", "due_at", "paid_at", "status"})


class Intacct(Live[IntacctSettings]):
    """Sage Intacct as a source of invoices, and on request of the accounts with the health they carry.

    All is read anew each time, in pages of thousands: nothing says that a payment changes when an invoice was modified.
    """

    kind = "intacct"
    system = "Sage Intacct"
    settings_model = IntacctSettings

    def api(self, context: Context) -> Api:
        """Intacct's API, which counts requests by the month and admits few at a time."""
        wanted = self.settings
        manners = Manners(
            concurrency=wanted.concurrency,
            per_second=wanted.requests_per_second or 4,
            max_pages=wanted.max_pages,
            reset_header="x-ia-throttle-limit-retry-after",
            reset_kind="seconds",
        )
        user = {"username": wanted.username.strip()}
        return Api(
            self.label,
            wanted.base_url,
            ClientCredentials("/oauth2/token", wanted.client_id, wanted.client_secret, user),
            manners,
            headers={_ENTITY: wanted.entity} if wanted.entity else None,
            clock=context.clock,
            transport=context.transport,
        )

    @property
    def api_version(self) -> str:
        """The version that stands in the address."""
        return self.settings.base_url.rstrip("/").rpartition("/")[2]

    def readers(self) -> Mapping[str, Reader]:
        """Invoices, and the accounts if Intacct is to list them."""
        accounts = Reader(
            Source.CRM, self._customers.accounts, self._customers.columns, CUSTOMERS_MAY, is_windowed=False
        )
        billing = {"invoice": Reader(Source.BILLING, self._invoices, _INVOICE_COLUMNS, INVOICES_MAY)}
        return {"account": accounts, **billing} if self.settings.lists_accounts else billing

    def records(self, ask: Ask) -> AsyncIterator[Record]:
        """The customers that could belong to the asked accounts."""
        return self._customers.records(ask)

    async def probes(self, ask: Ask) -> Sequence[Probe]:
        """Which of the configured fields there are, of what type, and which words they admit."""
        answer = await ask.connection.get("/services/core/model", {"name": CUSTOMERS}, needs=CUSTOMERS_MAY)
        model = dict(fields_of(at(answer, "ia::result")))
        if not model:
            return [no_fields()]
        health = self.settings.health_fields
        others = [name for name in self._customers.optional if name not in health.values()]
        refused = await self._customers.refused(ask, [name for name in others if name not in model])
        return [
            *(health_probe(setting, name, model) for setting, name in health.items()),
            *(other_probe(name, model, is_refused=name in refused) for name in others),
        ]

    @property
    def _customers(self) -> Customers:
        return Customers(self.settings)

    def _invoices(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        return invoices(ask, self.settings)
