"""Stripe's customers, invoices, charges and events, as far as they are read.

Since 2025-03-31 an invoice names its payments in a list, before it named one; both are read whatever version is asked
for, because an event keeps the form of the version it was written in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BeforeValidator

from account_health.connectors.live import Vendor

# ISO 4217 says otherwise of ISK and UGX, but Stripe has kept writing them with two decimals.
_WITHOUT_DECIMALS = frozenset(
    {
        "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
    }
)  # fmt: skip
_WITH_THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


def major(minor: Decimal | int, currency: str) -> float:
    """An amount in Stripe's smallest unit as one in the currency itself.

    >>> major(1050, "usd"), major(1050, "jpy"), major(1050, "kwd")
    (10.5, 1050.0, 1.05)
    """
    code = currency.upper()
    decimals = 0 if code in _WITHOUT_DECIMALS else 3 if code in _WITH_THREE_DECIMALS else 2
    return float(Decimal(minor).scaleb(-decimals))


def _id(value: Any) -> Any:
    return value.get("id") if isinstance(value, Mapping) else value


Ref = Annotated[str, BeforeValidator(_id)]
"""An id of another object, which may stand there whole."""


class Thing(Vendor):
    """Any object that has an id."""

    id: str


class Customer(Thing):
    """A customer; of one that was deleted little more is told than that."""

    name: str | None = None
    email: str | None = None
    metadata: Mapping[str, str] | None = None
    deleted: bool = False

    def said(self, key: str | None) -> tuple[str, ...]:
        """What its metadata hold under a key, if anything."""
        value = (self.metadata or {}).get(key or "")
        return (value,) if value else ()


class Charge(Thing):
    """One try to collect money."""

    created: datetime
    status: str
    invoice: Ref | None = None
    payment_intent: Ref | None = None

    @property
    def marks(self) -> set[str]:
        """What an invoice may know it by."""
        return {mark for mark in (self.id, self.invoice, self.payment_intent) if mark}


class _Payment(Vendor):
    payment_intent: Ref | None = None
    charge: Ref | None = None


class _InvoicePayment(Vendor):
    payment: _Payment | None = None


class _Payments(Vendor):
    data: tuple[_InvoicePayment, ...] = ()


class _Transitions(Vendor):
    finalized_at: datetime | None = None
    paid_at: datetime | None = None


class Invoice(Thing):
    """An invoice, in either form."""

    customer: Ref | None = None
    currency: str
    total: int | None = None
    status: str | None = None
    collection_method: str | None = None
    created: datetime
    due_date: datetime | None = None
    attempt_count: int = 0
    status_transitions: _Transitions = _Transitions()
    charge: Ref | None = None
    payment_intent: Ref | None = None
    payments: _Payments | None = None

    @property
    def issued_at(self) -> datetime:
        """When it became final; a draft has only been begun."""
        return self.status_transitions.finalized_at or self.created

    @property
    def marks(self) -> set[str]:
        """What its charges may know it by, and it them."""
        return {self.id, *(mark for mark in self._payment_marks() if mark)}

    def _payment_marks(self) -> Iterator[str | None]:
        yield from (self.charge, self.payment_intent)
        for made in self.payments.data if self.payments else ():
            if made.payment:
                yield from (made.payment.charge, made.payment.payment_intent)


T = TypeVar("T", bound=Thing)


class _Content(Vendor, Generic[T]):
    object: T


class Event(Vendor, Generic[T]):
    """Something that happened to an object, and the object as it was then."""

    type: str
    created: datetime
    data: _Content[T]
