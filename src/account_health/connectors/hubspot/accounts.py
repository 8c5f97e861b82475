"""Accounts: the companies that count as accounts, all of them or those that somebody means."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from account_health.connectors.hubspot import rows
from account_health.connectors.hubspot.crm import VALUES, Crm, Filter, among, chunks, holds, numbers, since
from account_health.connectors.live import Ask, Gone
from account_health.domains import registrable_domain

if TYPE_CHECKING:
    from account_health.connectors.hubspot.objects import CrmObject
    from account_health.connectors.hubspot.settings import HubSpotSettings
    from account_health.identity import Record

NEEDS = "crm.objects.companies.read"
_QUERY_CHARACTERS = 200
_MOST_GROUPS = 100
"""With more to look for than this, reading all accounts takes fewer searches."""


@dataclass(frozen=True)
class Accounts:
    """Reads companies."""

    crm: Crm
    settings: HubSpotSettings

    async def rows(self, ask: Ask) -> AsyncIterator[Mapping[str, Any] | Gone]:
        """Companies as accounts; one that is none, or none any more, is gone."""
        settings = self.settings
        owners = await self.crm.owners(ask) if "owner" in settings.accounts else {}
        found = self._alike(ask, ask.like) if ask.like is not None else self._found(ask, self._groups(ask))
        async for company in found:
            is_account = (
                not settings.account_values or company.get(settings.account_property) in settings.account_values
            )
            yield rows.account(company, owners, settings) if is_account else Gone(company.id)

    async def records(self, ask: Ask) -> AsyncIterator[Record]:
        """Companies by what the asked accounts are recognised by, or all that count as accounts."""
        groups: Sequence[Sequence[Filter]] = [[]]
        if ask.accounts is not None:
            domains = dict.fromkeys(registrable_domain(domain) for a in ask.accounts for domain in a.domains)
            external_ids = dict.fromkeys(i for a in ask.accounts for i in (a.id, a.external_id))
            groups = self._marked(domains, external_ids)
        async for company in self._searched(ask, groups):
            yield rows.record(company, self.settings)

    def _groups(self, ask: Ask) -> Sequence[Sequence[Filter]]:
        if ask.changed_since:  # without the filter of accounts, so that a company that ceased to be one is seen
            return [[since("hs_lastmodifieddate", ask.changed_since)]]
        if ask.records is not None:
            return [[among("hs_object_id", ids)] for ids in chunks(numbers(ask.record_ids), VALUES)]
        return [self._own]

    async def _alike(self, ask: Ask, like: str) -> AsyncIterator[CrmObject]:
        """Accounts that the text could mean, then those that share a domain or an external id with one of them."""
        text = like.strip()[:_QUERY_CHARACTERS]
        by_id = [[among("hs_object_id", ids)] for ids in chunks(numbers([text]), VALUES)]
        exact = [*by_id, *self._marked([registrable_domain(text)], [text])]
        meant = [company async for company in self._searched(ask, exact)]
        meant += [company async for company in self._searched(ask, [[]], text)] if text else []
        domains = dict.fromkeys(registrable_domain(domain) for company in meant for domain in rows.domains(company))
        external_ids = dict.fromkeys(company.get(self.settings.accounts.get("external_id")) for company in meant)
        for company in meant:
            yield company
        sharing = self._marked(domains, external_ids)
        async for company in self._searched(ask, sharing if len(sharing) <= _MOST_GROUPS else [[]]):
            yield company

    def _marked(self, domains: Iterable[str | None], external_ids: Iterable[str | None]) -> list[list[Filter]]:
        """Groups for companies that carry one of the domains or external ids."""
        some, external_id = filter(None, domains), self.settings.accounts.get("external_id")
        groups = [[holds(name, domain)] for domain in some for name in ("domain", "hs_additional_domains")]
        if external_id:
            groups += [[among(external_id, ids)] for ids in chunks(filter(None, external_ids), VALUES)]
        return groups

    @property
    def _own(self) -> list[Filter]:
        """What makes a company an account."""
        values = self.settings.account_values
        return [among(self.settings.account_property, values)] if values else []

    def _searched(self, ask: Ask, groups: Iterable[Sequence[Filter]], text: str = "") -> AsyncIterator[CrmObject]:
        return self._found(ask, [[*self._own, *group] for group in groups], text)

    def _found(self, ask: Ask, groups: Iterable[Sequence[Filter]], text: str = "") -> AsyncIterator[CrmObject]:
        settings = self.settings
        properties = {"name", "domain", "hs_additional_domains", settings.account_property, *settings.accounts.values()}
        return self.crm.search(ask, "companies", groups, properties, needs=NEEDS, text=text)
