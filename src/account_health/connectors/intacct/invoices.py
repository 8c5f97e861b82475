"""Invoices: what is read of them, and what their states mean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic import Field

from account_health.connectors.intacct.queries import INVOICES, INVOICES_MAY, RESULTS, Filter, among, query
from account_health.connectors.live import Vendor
from account_health.connectors.live.words import Values, known

if TYPE_CHECKING:
    from account_health.connectors.intacct.settings import IntacctSettings
    from account_health.connectors.live import Ask

_STATES = {"draft": "draft", "reversed": "void", "reversal": "void", "paid": "paid"}
"""States that say all; of every other one, `posted` among them, the amount due says whether it is paid."""
_IDS = 200
"""Customers in one query; how many Intacct admits is not written down, and so many fit into any page."""


class Invoice(Vendor):
    """An invoice as a query answers it."""

    key: str
    state: str | None = None
    customer: str | None = Field(default=None, alias="customer.id")
    invoiced: date = Field(alias="invoiceDate")
    due: date | None = Field(default=None, alias="dueDate")
    amount: Decimal | None = Field(default=None, alias="totalTxnAmount")
    unpaid: Decimal | None = Field(default=None, alias="totalTxnAmountDue")
    currency: str | None = Field(default=None, alias="currency.txnCurrency")
    paid: date | None = Field(default=None, alias="paymentInformation.fullyPaidDate")

    @property
    def status(self) -> str | None:
        """The state in our words; None if it is another one and nothing tells what is due."""
        told = _STATES.get(self.state or "")
        if told or self.unpaid is None:
            return told or ("open" if self.state in {"posted", "partiallyPaid", "selected"} else None)
        return "open" if self.unpaid > 0 else "paid"

    def row(self, settings: IntacctSettings) -> Values:
        """It as an invoice of ours."""
        currency = (self.currency or settings.currency or "").upper() or None
        # A total below zero is a credit and no amount that anybody owes.
        is_amount = self.amount is not None and self.amount >= 0 and currency is not None
        return known(
            account_id=self.customer,
            invoice_id=self.key,
            issued_at=_midnight(self.invoiced, settings),
            due_at=self.due and _midnight(self.due, settings),
            paid_at=_midnight(self.paid, settings) if self.paid and self.status == "paid" else None,
            status=self.status,
            amount=float(self.amount) if is_amount and self.amount is not None else None,
            currency=currency if is_amount else None,
        )


FIELDS = tuple(field.alias or name for name, field in Invoice.model_fields.items())


async def invoices(ask: Ask, settings: IntacctSettings) -> AsyncIterator[Mapping[str, Any]]:
    """Invoices since the beginning of the window, and older ones while something is due on them.

    What is due is asked by the amount: a state is worked out by Intacct, and its older API could not filter by it.
    """
    wanted: list[Filter] = [
        {"$gte": {"invoiceDate": ask.since.date().isoformat()}},
        {"$gt": {"totalTxnAmountDue": "0"}},
    ]
    for customers in _of_customers(ask):
        request = query(INVOICES, FIELDS, [wanted, customers], settings)
        async for invoice in ask.items(Invoice, request, RESULTS, needs=INVOICES_MAY):
            if invoice.customer:
                yield invoice.row(settings)


def _of_customers(ask: Ask) -> Iterator[Sequence[Filter]]:
    """What narrows a query to the asked customers, so many at a time; nothing if it is about all."""
    if ask.records is None:
        yield ()
    for start in range(0, len(ask.record_ids), _IDS):
        yield [among("customer.id", ask.record_ids[start : start + _IDS])]


def _midnight(day: date, settings: IntacctSettings) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(settings.time_zone))
