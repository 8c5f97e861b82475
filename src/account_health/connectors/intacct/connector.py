"""The Sage Intacct connector: which queries are asked, and what `sources check` finds out about the company."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from account_health.connectors.http import at
from account_health.connectors.intacct.company import company_api
from account_health.connectors.intacct.customers import Customers
from account_health.connectors.intacct.fields import fields_of, health_probe, no_fields, other_probe
from account_health.connectors.intacct.invoices import invoices
from account_health.connectors.intacct.queries import CUSTOMERS, CUSTOMERS_MAY, INVOICES_MAY
from account_health.connectors.intacct.settings import IntacctSettings
from account_health.connectors.live import Ask, Live, Reader
from account_health.model import Source

if TYPE_CHECKING:
    from account_health.connectors.base import Context, Probe
    from account_health.connectors.http import Api
    from account_health.identity import Record

_INVOICE_COLUMNS = frozenset({"amount", "currency", "due_at", "paid_at", "status"})


class Intacct(Live[IntacctSettings]):
    """Sage Intacct as a source of invoices, and on request of the accounts with the health they carry.

    All is read anew each time, in pages of thousands: nothing says that a payment changes when an invoice was modified.
    """

    kind = "intacct"
    system = "Sage Intacct"
    settings_model = IntacctSettings

    def api(self, context: Context) -> Api:
        """The company's API."""
        return company_api(self.label, self.settings, context.clock, context.transport)

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
