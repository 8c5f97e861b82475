"""Customers: those that could be asked accounts, for the identity; and customers as the accounts themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, ConfigDict, Field

from account_health.connectors.intacct.queries import (
    CUSTOMERS,
    CUSTOMERS_MAY,
    QUERY_PATH,
    RESULTS,
    Filter,
    among,
    contains,
    query,
)
from account_health.connectors.live import Vendor
from account_health.connectors.live.words import SCORE_COLUMNS, Values, known, score_columns
from account_health.domains import registrable_domain
from account_health.errors import Fault, SourceError
from account_health.identity import Candidate, Record
from account_health.language import say

if TYPE_CHECKING:
    from account_health.connectors.intacct.settings import IntacctSettings
    from account_health.connectors.live import Ask

_ALWAYS = ("key", "id", "name", "status")
_MODIFIED = "audit.modifiedDateTime"
_COLUMNS = {
    "owner": "salesRepresentative.name",
    "parent_id": "parent.id",
    "segment": "customerType.id",
    "updated_at": _MODIFIED,
}
"""Our column = field of a customer, where nobody doubts which."""
_STATUS_WORDS = {"healthy": "Healthy", "atRisk": "At risk", "escalated": "Escalated"}
"""Sage's names of the statuses in its own screens."""
_CHURN = "At risk for churn"
_FILTERS = 40
_MOST_FILTERS = 400
"""With more to look for than this, reading all customers takes fewer queries."""


class Customer(Vendor):
    """A customer as a query answers it, with whatever fields were asked for."""

    model_config = ConfigDict(extra="allow")

    id: str
    name: str | None = None
    status: str | None = None
    modified_at: AwareDatetime | None = Field(default=None, alias=_MODIFIED)

    def get(self, field: str | None) -> Any:
        """What a field holds, if it was asked for and is not empty."""
        if field in type(self).model_fields:
            return getattr(self, field or "")
        return (self.model_extra or {}).get(field or "")


@dataclass(frozen=True)
class Customers:
    """Reads customers as the settings say."""

    settings: IntacctSettings

    async def records(self, ask: Ask) -> AsyncIterator[Record]:
        """Those that carry an asked account's id or domain; or all."""
        async for customer in self._alike(ask, ask.accounts, self._marked_by):
            marks = (str(mark),) if (mark := customer.get(self.settings.account_key)) else ()
            yield Record(customer.id, customer.name or "", marks, self._domains(customer))

    async def accounts(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        """The asked ones as accounts, those that a text could mean and whoever could be confused with them, or all."""
        async for customer in self._asked(ask):
            if not self.settings.customer_statuses or customer.status in self.settings.customer_statuses:
                yield self._row(customer)

    @property
    def optional(self) -> tuple[str, ...]:
        """The fields that are asked for although a company may not have them."""
        wanted = self.settings
        return tuple(dict.fromkeys([*self._marked_by, *_COLUMNS.values(), *wanted.health_fields.values()]))

    @property
    def columns(self) -> frozenset[str]:
        """The columns of an account that the settings let Intacct tell."""
        wanted = self.settings
        told = {"domains", *_COLUMNS}
        told |= {"external_id"} if wanted.account_key != "id" else set()
        told |= SCORE_COLUMNS if wanted.health_score_field else set()
        told |= {"crm_status"} if wanted.health_status_field or wanted.churn_risk_field else set()
        return frozenset(told)

    async def refused(self, ask: Ask, fields: Iterable[str]) -> list[str]:
        """Those of the fields that no query of this company may name."""
        found = []
        for field in fields:
            request = query(CUSTOMERS, ["key", field], [], self.settings, size=1)
            try:
                await ask.connection.post(QUERY_PATH, request.body or {}, needs=CUSTOMERS_MAY)
            except SourceError as err:
                if err.fault is not Fault.REFUSED:
                    raise
                found.append(field)
        return found

    @property
    def _marked_by(self) -> tuple[str, ...]:
        """The fields that tell whose a customer is."""
        own = () if self.settings.account_key in _ALWAYS else (self.settings.account_key,)
        return (*own, *self.settings.domain_fields)

    def _asked(self, ask: Ask) -> AsyncIterator[Customer]:
        if ask.records is not None:
            return self._found(ask, [among("id", ask.record_ids)], self.optional)
        if ask.like is not None:
            return self._meant(ask, ask.like)
        return self._alike(ask, None, self.optional)

    async def _meant(self, ask: Ask, text: str) -> AsyncIterator[Customer]:
        """Whom a text could mean by id, name, external id or domain; then who shares one of the last two with them."""
        candidate = Candidate(text, None, (text,))
        wanted = [contains("name", text), *self._clauses([candidate])] if text.strip() else []
        meant = [customer async for customer in self._found(ask, wanted, self.optional)] if wanted else []
        for customer in meant:
            yield customer
        key = self.settings.account_key
        sharing = [Candidate(str(c.get(key) or c.id), None, self._domains(c)) for c in meant]
        if sharing:
            async for customer in self._alike(ask, sharing, self.optional):
                yield customer

    def _alike(self, ask: Ask, wanted: Iterable[Candidate] | None, optional: Sequence[str]) -> AsyncIterator[Customer]:
        """Whoever could be one of the wanted; without a wish, or with too many, everybody."""
        filters = [*self._clauses(wanted)] if wanted is not None else []
        return self._found(ask, filters if len(filters) <= _MOST_FILTERS else [], optional)

    def _clauses(self, wanted: Iterable[Candidate]) -> Iterator[Filter]:
        accounts = [*wanted]
        marks = dict.fromkeys(mark for a in accounts for mark in (a.id, a.external_id) if mark)
        yield among("id", marks)
        if self.settings.account_key != "id":
            yield among(self.settings.account_key, marks)
        domains = dict.fromkeys(registrable_domain(text) for a in accounts for text in a.domains)
        for domain in filter(None, domains):
            yield from (contains(field, domain) for field in self.settings.domain_fields)

    async def _found(self, ask: Ask, filters: Sequence[Filter], optional: Sequence[str]) -> AsyncIterator[Customer]:
        """Customers of which one of the filters holds, or all; without the fields that Intacct refuses, if it does."""
        refused: Sequence[str] = ()
        batches = [filters[at : at + _FILTERS] for at in range(0, len(filters), _FILTERS)] or [()]
        for number, batch in enumerate(batches):
            try:
                async for customer in self._queried(ask, batch, optional, refused):
                    yield customer
            except SourceError as err:
                if err.fault is not Fault.REFUSED or number or not (refused := await self.refused(ask, optional)):
                    raise
                self._say(ask, refused)
                async for customer in self._queried(ask, batch, optional, refused):
                    yield customer

    async def _queried(
        self, ask: Ask, batch: Sequence[Filter], optional: Sequence[str], refused: Sequence[str]
    ) -> AsyncIterator[Customer]:
        usable = [wanted for wanted in batch if not set(refused) & {name for by in wanted.values() for name in by}]
        fields = [*_ALWAYS, *(name for name in optional if name not in refused)]
        if usable or not batch:
            request = query(CUSTOMERS, fields, [usable], self.settings)
            async for customer in ask.items(Customer, request, RESULTS, needs=CUSTOMERS_MAY):
                yield customer

    def _say(self, ask: Ask, refused: Sequence[str]) -> None:
        """Notes what cannot be told without the refused fields."""
        wanted = self.settings
        gone = set(refused)
        lost = {column for column, field in _COLUMNS.items() if field in gone}
        lost |= SCORE_COLUMNS if wanted.health_score_field in gone else set()
        lost |= {"crm_status"} if gone >= {wanted.health_status_field, wanted.churn_risk_field} - {None} else set()
        lost |= {"domains"} if gone >= set(wanted.domain_fields) else set()
        lost |= {"external_id"} if wanted.account_key in gone else set()
        ask.untold |= lost & self.columns
        fields = ", ".join(f"`{field}`" for field in refused)
        ask.remarks.append(
            say(
                "Intacct refuses to be asked for {fields}; `account-health sources check` tells which fields it has.",
                fields=fields,
            )
        )

    def _domains(self, customer: Customer) -> tuple[str, ...]:
        texts = (str(customer.get(field) or "") for field in self.settings.domain_fields)
        return tuple(dict.fromkeys(filter(None, map(registrable_domain, texts))))

    def _row(self, customer: Customer) -> Values:
        wanted = self.settings
        score = customer.get(wanted.health_score_field)
        values = {column: customer.get(field) for column, field in _COLUMNS.items()}
        values |= {"updated_at": customer.modified_at}
        values |= score_columns(score, wanted.score_scale, wanted.score_higher_is)
        return known(
            account_id=customer.id,
            name=customer.name or customer.id,
            domains=self._domains(customer),
            external_id=customer.get(wanted.account_key) if wanted.account_key != "id" else None,
            crm_status=self._status(customer, has_score=score is not None),
            **values,
        )

    def _status(self, customer: Customer, *, has_score: bool) -> Any:
        """The health status as Sage's screens word it, with the churn flag; other words stay as they are."""
        wanted = self.settings
        status, flag = customer.get(wanted.health_status_field), customer.get(wanted.churn_risk_field)
        is_churning = str(flag).lower() == "true"
        if status == wanted.unset_status and not has_score and not is_churning:
            return None
        told = _STATUS_WORDS.get(status, status) if isinstance(status, str) else status
        if not is_churning or not (told is None or isinstance(told, str)):
            return told
        return f"{told}, {_CHURN.lower()}" if told else _CHURN
