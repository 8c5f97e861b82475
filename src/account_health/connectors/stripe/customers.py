"""Customers: those that could be asked accounts, for the identity; and customers as the accounts themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from account_health.connectors.http import Request, Single
from account_health.connectors.stripe.objects import Customer
from account_health.connectors.stripe.search import PAGE, any_of, found, listed, quoted
from account_health.domains import registrable_domain
from account_health.errors import Fault, SourceError
from account_health.identity import Candidate, Record

if TYPE_CHECKING:
    from account_health.connectors.live import Ask
    from account_health.connectors.stripe.settings import StripeSettings

CUSTOMERS_MAY = "rak_customer_read"

_ALL = Request("GET", "/v1/customers", {"limit": PAGE})
_SHORTEST_PART = 3
"""Stripe's search takes no shorter part of a name."""


class _Itself(Single):
    """An answer that is one object and no list."""

    def items_of(self, page: Any) -> Sequence[Any]:
        """The object."""
        return [page]


@dataclass(frozen=True)
class Customers:
    """Reads customers as the settings say."""

    settings: StripeSettings

    async def records(self, ask: Ask) -> AsyncIterator[Record]:
        """Those that name an asked account in their metadata or have its domain; or all."""
        async for customer in self._alike(ask, ask.accounts):
            yield Record(customer.id, customer.name or "", self.marks(customer), self._domains(customer))

    async def accounts(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        """The asked ones as accounts, those that a text could mean and whoever could be confused with them, or all."""
        async for customer in self._asked(ask):
            yield {
                "account_id": customer.id,
                "name": customer.name or customer.email or customer.id,
                "domains": self._domains(customer),
                "external_id": next(iter(self.marks(customer)), None),
            }

    def marks(self, customer: Customer) -> tuple[str, ...]:
        """The id by which it names its account, if it does."""
        return customer.said(self.settings.account_key)

    def _asked(self, ask: Ask) -> AsyncIterator[Customer]:
        if ask.records is not None:
            return self._by_id(ask, ask.record_ids)
        if ask.like is not None and self.settings.search and len(ask.like) >= _SHORTEST_PART:
            return self._meant(ask, ask.like)
        return self._alike(ask, None)

    def _alike(self, ask: Ask, wanted: Iterable[Candidate] | None) -> AsyncIterator[Customer]:
        """Whoever could be one of the wanted by metadata or domain; without search or a wish, everybody."""
        if wanted is None or not self.settings.search:
            return listed(ask, Customer, _ALL, CUSTOMERS_MAY)
        queries = any_of(clause for account in wanted for clause in self._clauses(account))
        return found(ask, Customer, _ALL, queries, CUSTOMERS_MAY)

    def _clauses(self, account: Candidate) -> Iterator[str]:
        for mark in (account.id, account.external_id):
            if mark:
                yield self._metadata(self.settings.account_key, mark)
        for domain in filter(None, map(registrable_domain, account.domains)):
            yield f"email~{quoted(domain)}"
            if self.settings.domain_key:
                yield self._metadata(self.settings.domain_key, domain)

    def _metadata(self, key: str, value: str) -> str:
        return f"metadata[{quoted(key)}]:{quoted(value)}"

    def _domains(self, customer: Customer) -> tuple[str, ...]:
        texts = (*customer.said(self.settings.domain_key), customer.email or "")
        return tuple(dict.fromkeys(filter(None, map(registrable_domain, texts))))

    async def _by_id(self, ask: Ask, ids: Iterable[str]) -> AsyncIterator[Customer]:
        for customer_id in ids:
            asked = Request("GET", f"/v1/customers/{quote(customer_id, safe='')}")
            try:
                async for customer in ask.items(Customer, asked, _Itself(), needs=CUSTOMERS_MAY):
                    if not customer.deleted:
                        yield customer
            except SourceError as err:
                if err.fault is not Fault.NOT_FOUND:
                    raise

    async def _meant(self, ask: Ask, text: str) -> AsyncIterator[Customer]:
        """Whom a text could mean by id, name, external id or domain; then who shares one of the last two with them."""
        queries = any_of(
            [f"name~{quoted(text)}", f"email~{quoted(text)}", self._metadata(self.settings.account_key, text)]
        )
        meant = [customer async for customer in found(ask, Customer, _ALL, queries, CUSTOMERS_MAY)]
        meant += [customer async for customer in self._by_id(ask, [text] if text.startswith("cus_") else [])]
        for customer in meant:
            yield customer
        namesakes = [Candidate(mark, None, self._domains(c)) for c in meant for mark in self.marks(c) or ("",)]
        if namesakes:
            async for customer in self._alike(ask, namesakes):
                yield customer
