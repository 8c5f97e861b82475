"""Invoices as rows, with what is known of the tries to collect them that failed.

Stripe counts tries on the invoice and dates them elsewhere: on failed charges, and for 30 days on events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from account_health import tables
from account_health.connectors.stripe.objects import Charge, Invoice, major
from account_health.language import mark

_STATUSES = tables.allowed_words("invoice", "status")
_SAME = timedelta(minutes=10)
"""A charge and the event that tells of it are seconds apart; two tries of Stripe's own are at least hours apart."""
_UNDATED = mark("a payment failed, but no failed charge tells when; dated by the day the invoice was issued")


def by_mark(charges: Iterable[Charge]) -> Mapping[str, list[Charge]]:
    """Charges by everything that an invoice may know them by."""
    found: dict[str, list[Charge]] = defaultdict(list)
    for charge in charges:
        for known_by in charge.marks:
            found[known_by].append(charge)
    return found


def with_charges(invoice: Invoice, unsuccessful: Mapping[str, Sequence[Charge]]) -> dict[str, Any]:
    """The row of an invoice with its unsuccessful charges; one that is not through yet has not failed."""
    own = {charge.id: charge for known_by in invoice.marks for charge in unsuccessful.get(known_by, ())}
    failed = sorted(charge.created for charge in own.values() if charge.status == "failed")
    is_settled = invoice.status == "paid" or len(own) > len(failed)
    # A customer without a card fails without a charge, so the invoice may count more than there are.
    counted = invoice.attempt_count - is_settled if invoice.collection_method == "charge_automatically" else 0
    return _row(invoice, failed, max(len(failed), counted))


def with_failures(invoice: Invoice, failed: Iterable[datetime], earlier: tables.Row | None) -> dict[str, Any]:
    """The row of a changed invoice: what was known to have failed before, and what failed since."""
    known = earlier if isinstance(earlier, tables.Invoice) else None
    if known is None or known.last_failed_at is None:
        dates = sorted(failed)
        return _row(invoice, dates, len(dates))
    before = known.last_failed_at.replace(tzinfo=UTC)
    new = sorted(at for at in failed if at - before > _SAME)
    row = _row(invoice, new or [before], (known.failed_attempts or 0) + len(new))
    return row if new else {**row, "doubt": known.doubt}


def _row(invoice: Invoice, failed: Sequence[datetime], attempts: int) -> dict[str, Any]:
    row = {
        "account_id": invoice.customer,
        "invoice_id": invoice.id,
        "issued_at": invoice.issued_at,
        "due_at": invoice.due_date,
        "paid_at": invoice.status_transitions.paid_at,
        "status": invoice.status if invoice.status in _STATUSES else None,
        "currency": invoice.currency.upper(),
        # A total below zero is a credit and no amount that anybody owes.
        "amount": major(invoice.total, invoice.currency) if invoice.total is not None and invoice.total >= 0 else None,
    }
    if attempts <= 0:
        return row
    doubt = None if failed else _UNDATED
    last = failed[-1] if failed else invoice.issued_at
    return {**row, "failed_attempts": attempts, "last_failed_at": last, "doubt": doubt}
