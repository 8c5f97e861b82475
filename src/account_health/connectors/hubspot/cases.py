"""Cases: tickets and deals, each with the one company it counts for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from account_health.connectors.hubspot import rows
from account_health.connectors.hubspot.crm import LINKS, Crm, Filter, batches, equals, is_asked, lacks, of_asked, since
from account_health.connectors.live import Ask, Gone
from account_health.errors import Fault, SourceError
from account_health.language import say
from account_health.markup import code

if TYPE_CHECKING:
    from account_health.connectors.hubspot.objects import CrmObject, Pipeline, Stage
    from account_health.connectors.hubspot.settings import HubSpotSettings

TICKETS_NEED = "tickets"
DEALS_NEED = "crm.objects.deals.read"
_NAMED = 5
_NAME_CHARACTERS = 60


@dataclass(frozen=True)
class Cases:
    """Reads tickets and deals: those that changed within the window, and however old those that are still open."""

    crm: Crm
    settings: HubSpotSettings

    async def tickets(self, ask: Ask) -> AsyncIterator[Mapping[str, Any] | Gone]:
        """Tickets of the pipelines that are support."""
        settings = self.settings
        pipelines = await self.crm.pipelines(ask, "tickets", needs=TICKETS_NEED)
        self._require("ticket_pipelines", settings.ticket_pipelines, pipelines)
        self._require("escalated_stages", settings.escalated_stages, [s for p in pipelines for s in p.stages])
        stages = rows.stage_meanings(pipelines, settings)
        properties = {
            "hs_pipeline_stage",
            rows.CURRENT_STAGE_ENTERED,
            *settings.tickets.values(),
            *rows.entered(stages),
        }
        open_ones = lacks(settings.tickets.get("solved_at", "closed_date"))
        async for company, ticket in self._owned(ask, "tickets", open_ones, properties, TICKETS_NEED):
            row = company and rows.ticket(ticket, company, stages, settings)
            yield row or Gone(ticket.id)

    async def deals(self, ask: Ask) -> AsyncIterator[Mapping[str, Any] | Gone]:
        """Deals about what an account already has."""
        settings = self.settings
        pipelines = await self.crm.pipelines(ask, "deals", needs=DEALS_NEED) if settings.deal_pipelines else ()
        self._require("deal_pipelines", settings.deal_pipelines, pipelines)
        kinds = rows.deal_kinds(pipelines, settings)
        properties = {*rows.DEAL_PROPERTIES, *settings.deals.values()}
        async for company, deal in self._owned(ask, "deals", equals("hs_is_closed", "false"), properties, DEALS_NEED):
            row = company and rows.opportunity(deal, company, kinds, settings)
            yield row or Gone(deal.id)

    def _require(self, setting: str, words: Iterable[str], there: Iterable[Pipeline | Stage]) -> None:
        """Raises SourceError for a name that HubSpot does not have: nothing would match it, and nobody would know."""
        names = {name.strip().casefold() for one in there for name in (one.id, one.label or "")}
        missing = [word for word in words if word.strip().casefold() not in names]
        if missing:
            listed = ", ".join(code(word, _NAME_CHARACTERS) for word in missing[:_NAMED])
            raise SourceError(
                say("HubSpot has no {names}, which the setting {setting} names.", names=listed, setting=setting),
                say("Write a label or id that its pipelines really have."),
                fault=Fault.SETUP,
            )

    async def _owned(
        self, ask: Ask, kind: str, open_ones: Filter, properties: Iterable[str], needs: str
    ) -> AsyncIterator[tuple[str | None, CrmObject]]:
        """Each record with its company, if that is an asked one; a record may have been taken off its company."""
        changed = [since("hs_lastmodifieddate", ask.changed_since or ask.since)]
        groups = of_asked(ask, [changed] if ask.changed_since else [changed, [open_ones]])
        async for batch in batches(self.crm.search(ask, kind, groups, properties, needs=needs), LINKS):
            homes = await home_of(self.crm, ask, kind, [found.id for found in batch], needs=needs)
            for found in batch:
                company = homes.get(found.id)
                yield company if company and is_asked(ask, company) else None, found


async def home_of(crm: Crm, ask: Ask, kind: str, ids: Collection[str], *, needs: str) -> Mapping[str, str]:
    """The primary or only company of each record; a record of several without a primary one is rejected."""
    homes = {}
    for record, links in (await crm.links(ask, kind, "companies", ids, needs=needs)).items():
        every: Sequence[str] = list(dict.fromkeys(link.id for link in links))
        companies = [link.id for link in links if link.is_primary(kind)] or every
        if len(companies) == 1:
            homes[record] = companies[0]
        elif companies:
            mine = next((company for company in companies if ask.records and is_asked(ask, company)), None)
            problem = say("belongs to several companies, and none of them is its primary one")
            ask.reject(f"{kind} {record}", problem, mine)
    return homes
