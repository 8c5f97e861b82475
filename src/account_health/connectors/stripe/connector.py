"""The Stripe connector: which lists are asked for, once in full and later through the events that changed them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from account_health.connectors.base import Probe
from account_health.connectors.http import Api, Bearer, Manners, Request
from account_health.connectors.live import Ask, Gone, Live, Reader
from account_health.connectors.live.ask import unix
from account_health.connectors.stripe.customers import CUSTOMERS_MAY, Customers
from account_health.connectors.stripe.invoices import by_mark, with_charges, with_failures
from account_health.connectors.stripe.objects import Charge, Customer, Event, Invoice, Thing
from account_health.connectors.stripe.search import PAGE, found, listed
from account_health.connectors.stripe.settings import StripeSettings
from account_health.connectors.stripe.terms import Subscription
from account_health.errors import SourceError
from account_health.language import count, say
from account_health.model import Source

if TYPE_CHECKING:
    from account_health.connectors.base import Context
    from account_health.identity import Record

_CHARGES_MAY = "rak_charge_read"
_EVENTS_MAY = "rak_event_read"
_INVOICES_MAY = "rak_invoice_read"
_SUBSCRIPTIONS_MAY = "rak_subscription_read"

_INVOICE_EVENTS = tuple(
    f"invoice.{verb}"
    for verb in (
        "created",
        "deleted",
        "finalized",
        "marked_uncollectible",
        "paid",
        "payment_failed",
        "updated",
        "voided",
    )
)
_SUBSCRIPTION_EVENTS = tuple(
    f"customer.subscription.{verb}" for verb in ("created", "deleted", "paused", "resumed", "updated")
)

T = TypeVar("T", bound=Thing)


class Stripe(Live[StripeSettings]):
    """Stripe as a source of billing facts, and on request of the accounts."""

    kind = "stripe"
    system = "Stripe"
    settings_model = StripeSettings

    def api(self, context: Context) -> Api:
        """Stripe's API; it bears 20 searches a second, 25 reads in a sandbox, and more reads of live data."""
        wanted = self.settings
        manners = Manners(
            concurrency=wanted.concurrency, per_second=wanted.requests_per_second or 15, max_pages=wanted.max_pages
        )
        version = {"Stripe-Version": wanted.api_version}
        return Api(
            self.label,
            wanted.base_url,
            Bearer(wanted.api_key),
            manners,
            headers=version,
            clock=context.clock,
            transport=context.transport,
        )

    @property
    def api_version(self) -> str:
        """The version that every request names."""
        return self.settings.api_version

    def readers(self) -> Mapping[str, Reader]:
        """Invoices and subscriptions, and the accounts if Stripe is to list them."""
        told = {
            "account": {"domains", "external_id"},
            "invoice": {"amount", "currency", "due_at", "paid_at", "status", "last_failed_at", "failed_attempts"},
            "subscription": {"ended_at", "arr", "currency", "seats", "renews_at", "status"},
        }
        columns = {table: frozenset(names) for table, names in told.items()}
        accounts = Reader(Source.CRM, self._customers.accounts, columns["account"], CUSTOMERS_MAY, is_windowed=False)
        billing = {
            "invoice": Reader(Source.BILLING, self._invoices, columns["invoice"], _INVOICES_MAY, follows_changes=True),
            "subscription": Reader(
                Source.BILLING,
                self._subscriptions,
                columns["subscription"],
                _SUBSCRIPTIONS_MAY,
                is_windowed=False,
                follows_changes=True,
            ),
        }
        return {"account": accounts, **billing} if self.settings.lists_accounts else billing

    def records(self, ask: Ask) -> AsyncIterator[Record]:
        """The customers that could belong to the asked accounts."""
        return self._customers.records(ask)

    @property
    def _customers(self) -> Customers:
        return Customers(self.settings)

    async def probes(self, ask: Ask) -> Sequence[Probe]:
        """Whether changes can be followed, customers searched, and whether customers name accounts at all."""
        await ask.connection.get("/v1/events", {"types[]": _INVOICE_EVENTS, "limit": 1}, needs=_EVENTS_MAY)
        newest = [c async for c in listed(ask, Customer, _list("/v1/customers"), CUSTOMERS_MAY)]
        named = sum(1 for customer in newest if self._customers.marks(customer))
        is_of_use = bool(named) or not newest or self.settings.lists_accounts
        key = Probe(
            say("metadata key {key}", key=self.settings.account_key),
            count(
                "{named} of the newest {n} customers hold it",
                "{named} of the newest {n} customers hold it",
                len(newest),
                named=named,
            ),
            is_ok=is_of_use,
            advice=""
            if is_of_use
            else say("Set account_key; until then customers are recognised by mail domains only."),
        )
        return [Probe(say("events"), say("can be read")), key, await self._search_probe(ask)]

    async def _search_probe(self, ask: Ask) -> Probe:
        if not self.settings.search:
            return Probe(say("search"), say("switched off"))
        try:
            await ask.connection.get("/v1/customers/search", {"query": "created>0", "limit": 1}, needs=CUSTOMERS_MAY)
        except SourceError as err:
            advice = say("Set search = false if Stripe does not offer it to this company; lists are then read instead.")
            return Probe(say("search"), err.message, is_ok=False, advice=advice)
        return Probe(say("search"), say("works"))

    async def _invoices(self, ask: Ask) -> AsyncIterator[Mapping[str, Any] | Gone]:
        """Invoices with the failed tries to collect them; older ones only while they are open."""
        if ask.changed_since:
            async for change in self._changed_invoices(ask):
                yield change
            return
        charges = by_mark([charge async for charge in self._unsuccessful_charges(ask)])
        expand: dict[str, Any] = {"expand[]": ["data.payments"]} if self.api_version >= "2025-03-31" else {}
        since = unix(ask.since)
        of_all: list[dict[str, Any]] = [{"created[gte]": since}, {"created[lt]": since, "status": "open"}]
        for params in _of_customers(ask) or of_all:
            async for invoice in listed(ask, Invoice, _list("/v1/invoices", **params, **expand), _INVOICES_MAY):
                is_wanted = invoice.status == "open" or invoice.created >= ask.since.replace(tzinfo=UTC)
                if invoice.customer and is_wanted:
                    yield with_charges(invoice, charges)

    async def _unsuccessful_charges(self, ask: Ask) -> AsyncIterator[Charge]:
        """Charges that failed or are not through yet; among those of all customers a search spares the many others."""
        since = unix(ask.since)
        every = _list("/v1/charges", **{"created[gte]": since})
        if ask.records is None and self.settings.search:
            lists = [found(ask, Charge, every, [f"-status:'succeeded' AND created>={since}"], _CHARGES_MAY)]
        else:
            narrowed = [{**every.params, **params} for params in _of_customers(ask) or [{}]]
            lists = [listed(ask, Charge, Request("GET", every.path, params), _CHARGES_MAY) for params in narrowed]
        for charges in lists:
            async for charge in charges:
                if charge.status != "succeeded":
                    yield charge

    async def _changed_invoices(self, ask: Ask) -> AsyncIterator[Mapping[str, Any] | Gone]:
        events = await self._events(ask, Event[Invoice], _INVOICE_EVENTS)
        failed: dict[str, list[datetime]] = defaultdict(list)
        for event in events:
            if event.type == "invoice.payment_failed":
                failed[event.data.object.id].append(event.created)
        for event in _newest(events):
            invoice = event.data.object
            if event.type == "invoice.deleted":
                yield Gone(invoice.id)
            elif invoice.customer:
                yield with_failures(invoice, failed[invoice.id], ask.earlier(invoice.id))

    async def _subscriptions(self, ask: Ask) -> AsyncIterator[Mapping[str, Any] | Gone]:
        """Subscriptions of every status as terms."""
        wanted = self.settings
        async for subscription in self._current_subscriptions(ask):
            for term in subscription.terms(wanted.renewal_months, wanted.seats_of, is_mutable=wanted.amounts_change):
                yield term

    async def _current_subscriptions(self, ask: Ask) -> AsyncIterator[Subscription]:
        if ask.changed_since:
            for event in _newest(await self._events(ask, Event[Subscription], _SUBSCRIPTION_EVENTS)):
                yield event.data.object
            return
        for params in _of_customers(ask) or [{}]:
            asked = _list("/v1/subscriptions", status="all", **params, **self._with_discounts())
            async for subscription in listed(ask, Subscription, asked, _SUBSCRIPTIONS_MAY):
                yield subscription

    def _with_discounts(self) -> dict[str, Any]:
        """Asks for discounts in full, by the names that the version knows; in older ones the only one came so."""
        if self.api_version >= "2025-09-30":
            return {"expand[]": ["data.discounts.source.coupon"]}
        return {"expand[]": ["data.discounts"]} if self.api_version >= "2025-03-31" else {}

    async def _events(self, ask: Ask, model: type[Event[T]], types: Sequence[str]) -> list[Event[T]]:
        since = unix(ask.changed_since or ask.since)
        asked = _list("/v1/events", **{"types[]": types, "created[gte]": since})
        return [event async for event in listed(ask, model, asked, _EVENTS_MAY)]


def _list(path: str, **params: Any) -> Request:
    return Request("GET", path, {"limit": PAGE, **params})


def _of_customers(ask: Ask) -> list[dict[str, Any]]:
    """What narrows a list to each asked customer; nothing if it is about all."""
    return [{"customer": customer_id} for customer_id in ask.record_ids]


def _newest(events: Iterable[Event[T]]) -> Iterator[Event[T]]:
    """The last event of each object; Stripe lists the newest first."""
    seen: set[str] = set()
    for event in events:
        if event.data.object.id not in seen:
            seen.add(event.data.object.id)
            yield event
