"""Stripe's subscriptions as contract terms: what they are worth a year, how many seats, from when to when.

What cannot be told is left out: metered and tiered prices have no amount before they are used, and Stripe keeps no
history of amounts and quantities.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated, Any

from pydantic import Field

from account_health.connectors.live import Vendor
from account_health.connectors.stripe.objects import Ref, Thing, major

_YEARLY = {"day": 365, "week": 52, "month": 12, "year": 1}
"""How often an interval goes into a year."""

_NEVER_BEGAN = {"incomplete", "incomplete_expired"}
_TRIAL_LAG = timedelta(days=1)
"""A trial that began later was added to a running subscription, e.g. to move its billing day."""


class _Recurring(Vendor):
    interval: str
    interval_count: Annotated[int, Field(ge=1)] = 1
    usage_type: str = "licensed"


class _Packages(Vendor):
    divide_by: Annotated[int, Field(ge=1)]
    round: str = "up"


class _Price(Vendor):
    id: str | None = None
    product: Ref | None = None
    currency: str
    unit_amount: Decimal | None = None
    unit_amount_decimal: Decimal | None = None
    recurring: _Recurring | None = None
    transform_quantity: _Packages | None = None


class _Item(Vendor):
    price: _Price | None = None
    quantity: Annotated[int, Field(ge=0)] | None = None
    discounts: tuple[Any, ...] | None = None
    current_period_start: datetime | None = None
    current_period_end: datetime | None = None

    @property
    def periods(self) -> Decimal | None:
        """How often a year it is billed."""
        recurring = self.price.recurring if self.price else None
        if recurring is None or recurring.interval not in _YEARLY:
            return None
        return Decimal(_YEARLY[recurring.interval]) / recurring.interval_count

    @property
    def units(self) -> Decimal | None:
        """How many are paid for at its price: its quantity, or packages of it; unknown before a metered one is used."""
        price = self.price
        if self.quantity is None or price is None or not price.recurring or price.recurring.usage_type != "licensed":
            return None
        packages = price.transform_quantity
        if packages is None:
            return Decimal(self.quantity)
        rounding = ROUND_CEILING if packages.round == "up" else ROUND_FLOOR
        return (Decimal(self.quantity) / packages.divide_by).to_integral_value(rounding)

    @property
    def yearly(self) -> Decimal | None:
        """What it costs a year, in minor units, if that is settled and nothing is taken off it."""
        price, units, periods = self.price, self.units, self.periods
        if price is None or units is None or periods is None or self.discounts:
            return None
        each = price.unit_amount if price.unit_amount_decimal is None else price.unit_amount_decimal
        return None if each is None else each * units * periods


class _Items(Vendor):
    data: tuple[_Item, ...] = ()
    has_more: bool = False


class _Coupon(Vendor):
    duration: str
    percent_off: Decimal | None = None


class _Source(Vendor):
    coupon: _Coupon | str | None = None


class _Discount(Vendor):
    coupon: _Coupon | str | None = None
    source: _Source | None = None

    @property
    def rule(self) -> _Coupon | None:
        """Its coupon, unless only the id is given; since 2025-09-30 it stands in its source."""
        found = self.source.coupon if self.source else self.coupon
        return found if isinstance(found, _Coupon) else None


class Subscription(Thing):
    """A subscription, in either form: since 2025-03-31 its periods stand in its items."""

    customer: Ref | None = None
    status: str
    created: datetime
    start_date: datetime | None = None
    items: _Items = _Items()
    current_period_start: datetime | None = None
    current_period_end: datetime | None = None
    trial_start: datetime | None = None
    trial_end: datetime | None = None
    cancel_at: datetime | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    pause_collection: Mapping[str, Any] | None = None
    discount: _Discount | None = None
    discounts: tuple[_Discount | str, ...] | None = None

    def terms(self, renewal_months: int, seats_of: Collection[str], *, is_mutable: bool) -> Iterator[dict[str, Any]]:
        """The term as it is now; and before, if amounts may change in place, one whose worth nobody knows any more."""
        if self.customer is None or self.status in _NEVER_BEGAN:
            return
        row = {"account_id": self.customer, "status": self.status}
        began, end = self._paid_from(), self._end()
        known_from = self._period_start() if is_mutable else None
        if known_from and began < known_from and (end is None or known_from < end):
            yield {**row, "subscription_id": f"{self.id} (before)", "started_at": began, "ended_at": known_from}
            began = known_from
        yield {
            **row,
            **self._worth(),
            "subscription_id": self.id,
            "started_at": began,
            "ended_at": end,
            "seats": self._seats(seats_of),
            "renews_at": self._renewal(renewal_months),
        }

    def _paid_from(self) -> datetime:
        """A term begins when a trial is over; one that ended within its trial has not lasted."""
        began = self.start_date or self.created
        if self.trial_start and self.trial_end and self.trial_start <= began + _TRIAL_LAG:
            began = max(began, self.trial_end)
        return min(began, self.ended_at or began)

    def _period_start(self) -> datetime | None:
        starts = [item.current_period_start for item in self.items.data if item.current_period_start]
        return max(starts, default=self.current_period_start)

    def _period_ends(self, per_year: float) -> list[datetime]:
        """Ends of the current periods of what is billed at most so often a year."""
        found = [
            item.current_period_end or self.current_period_end
            for item in self.items.data
            if item.periods and item.periods <= per_year
        ]
        return [end for end in found if end]

    def _end(self) -> datetime | None:
        """When it ended or is going to."""
        if self.ended_at or self.status == "canceled":
            return self.ended_at or self.canceled_at
        ends = self._period_ends(max(_YEARLY.values())) if self.cancel_at_period_end else []
        return self.cancel_at or max(ends, default=None)

    def _renewal(self, months: int) -> date | None:
        ends = self._period_ends(_YEARLY["month"] / months)
        return None if self._end() or not ends else min(ends).date()

    def _worth(self) -> dict[str, Any]:
        """What it is worth a year and in which currency, or nothing if that is not settled."""
        items, share = self.items.data, self._share_to_pay()
        amounts = [item.yearly for item in items]
        currencies = {item.price.currency for item in items if item.price}
        is_paused = self.status == "paused" or self.pause_collection is not None
        if None in amounts or share is None or len(currencies) != 1 or self.items.has_more or is_paused:
            return {}
        currency = currencies.pop()
        total = sum((amount for amount in amounts if amount), Decimal())
        return {"arr": major(total * share, currency), "currency": currency.upper()}

    def _share_to_pay(self) -> Decimal | None:
        """What lasting discounts leave to pay; unknown if one is an amount, ends, or may not be for every item."""
        share = Decimal(1)
        for discount in self.discounts or ((self.discount,) if self.discount else ()):
            rule = discount.rule if isinstance(discount, _Discount) else None
            if rule and rule.duration == "once":
                continue
            if rule is None or rule.duration != "forever" or rule.percent_off is None or len(self.items.data) > 1:
                return None
            share *= 1 - rule.percent_off / 100
        return share

    def _seats(self, seats_of: Collection[str]) -> int | None:
        """How many seats; of a single one nobody can tell whether it is a seat or a flat fee."""
        if self.items.has_more:
            return None
        if seats_of:
            sold = [i.quantity for i in self.items.data if i.price and {i.price.id, i.price.product} & set(seats_of)]
            return sum(n for n in sold if n) if sold and None not in sold else None
        only = self.items.data[0] if len(self.items.data) == 1 else None
        return only.quantity if only and only.units == only.quantity and (only.quantity or 0) > 1 else None
