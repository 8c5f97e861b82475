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

NEEDS = "crm.objects.companies.read"
_QUERY_CHARACTERS = 200
_SHARED_DOMAINS = 20


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
        meant = [company async for company in self._searched(ask, [[]], text)] if text else []
        meant += [
            company
            async for company in self._searched(ask, [*by_id, *self._marked([registrable_domain(text)], [text])])
        ]
        domains = dict.fromkeys(registrable_domain(domain) for company in meant for domain in rows.domains(company))
        external_ids = dict.fromkeys(company.get(self.settings.accounts.get("external_id")) for company in meant)
        for company in meant:
            yield company
        async for company in self._searched(ask, self._marked(domains, external_ids)):
            yield company

    def _marked(self, domains: Iterable[str | None], external_ids: Iterable[str | None]) -> list[list[Filter]]:
        """Groups for companies that carry one of the domains or external ids."""
        some = [domain for domain in domains if domain][:_SHARED_DOMAINS]
        groups = [[holds(name, domain)] for domain in some for name in ("domain", "hs_additional_domains")]
        ids, external_id = [i for i in external_ids if i][:VALUES], self.settings.accounts.get("external_id")
        return [*groups, [among(external_id, ids)]] if external_id and ids else groups

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
