"""HubSpot as a source: its companies are the accounts, and their ids are its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING

from account_health.connectors.base import Probe
from account_health.connectors.http import Api, Bearer, Manners
from account_health.connectors.hubspot.accounts import NEEDS as COMPANIES_NEED
from account_health.connectors.hubspot.accounts import Accounts
from account_health.connectors.hubspot.cases import DEALS_NEED, TICKETS_NEED, Cases
from account_health.connectors.hubspot.crm import Crm
from account_health.connectors.hubspot.people import CONTACTS_NEED, RESPONSES_NEED, People
from account_health.connectors.hubspot.settings import HubSpotSettings
from account_health.connectors.live import Ask, Live, Reader
from account_health.connectors.live.words import SCORE_COLUMNS
from account_health.language import mark, say
from account_health.markup import code
from account_health.model import Source

if TYPE_CHECKING:
    from account_health.connectors.base import Context
    from account_health.connectors.hubspot.objects import Property
    from account_health.identity import Record

_PER_SECOND, _BURST = 5, 10
"""With the searches together 100 requests in ten seconds, which is what the smallest plan admits."""
_NAMED = 10
_NAME_CHARACTERS = 60
_PROPERTIES = {
    "companies": mark("properties of companies"),
    "tickets": mark("properties of tickets"),
    "deals": mark("properties of deals"),
}


class HubSpot(Live[HubSpotSettings]):
    """One HubSpot account."""

    kind = "hubspot"
    system = "HubSpot"
    settings_model = HubSpotSettings

    def __init__(self, name: str, settings: HubSpotSettings, context: Context) -> None:
        # Without a burst no second sees more searches than its pace, and one.
        pace = min(settings.searches_per_second, settings.requests_per_second or settings.searches_per_second)
        self._crm = Crm(settings.api_version, _api(settings, context, pace, burst=1))
        super().__init__(name, settings, context)

    def api(self, context: Context) -> Api:
        """HubSpot's API, but for searches."""
        return _api(self.settings, context, self.settings.requests_per_second or _PER_SECOND, _BURST)

    @property
    def api_version(self) -> str:
        """The version in its paths."""
        return self.settings.api_version

    def readers(self) -> Mapping[str, Reader]:
        """Companies, tickets, deals, engagements and survey answers."""
        settings, crm = self.settings, self._crm
        cases, people = Cases(crm, settings), People(crm, settings)
        account = {"domains", *settings.accounts} | ({"currency"} if "arr" in settings.accounts else set())
        if "crm_score" in account:
            account |= SCORE_COLUMNS
        ticket = {"status", *settings.tickets} | ({"escalated_at"} if settings.tells_escalations else set())
        touchpoint = {"touchpoint_id", "executive", "attended", "direction", "replied"}
        response = {"response_id", "scale_low", "scale_high"}
        accounts = Reader(
            Source.CRM,
            Accounts(crm, settings).rows,
            frozenset(account),
            COMPANIES_NEED,
            is_windowed=False,
            follows_changes=True,
        )
        others = {
            "ticket": Reader(Source.SUPPORT, cases.tickets, frozenset(ticket), TICKETS_NEED, follows_changes=True),
            "opportunity": Reader(
                Source.CRM, cases.deals, frozenset({"currency", *settings.deals}), DEALS_NEED, follows_changes=True
            ),
            "touchpoint": Reader(
                Source.CRM, people.touchpoints, frozenset(touchpoint), CONTACTS_NEED, follows_changes=True
            ),
            "survey_response": Reader(
                Source.SURVEYS, people.responses, frozenset(response), RESPONSES_NEED, follows_changes=True
            ),
        }
        return {"account": accounts, **others} if settings.lists_accounts else others

    def records(self, ask: Ask) -> AsyncIterator[Record]:
        """Companies, for accounts that another CRM lists."""
        return Accounts(self._crm, self.settings).records(ask)

    async def probes(self, ask: Ask) -> Sequence[Probe]:
        """Whether the configured properties exist: HubSpot says nothing of one that it does not know."""
        settings, crm = self.settings, self._crm
        there = await crm.properties(ask, "companies", needs=COMPANIES_NEED)
        wanted = {settings.account_property, *settings.account_columns.values()}
        found = [_existence("companies", wanted, there)]
        if settings.lists_accounts and "crm_score" not in settings.accounts:
            found.append(_health_scores([prop.name for prop in there if prop.is_about("health")]))
        tickets, deals = set(settings.ticket_columns.values()), set(settings.deal_columns.values())
        for kind, names, needs in (("tickets", tickets, TICKETS_NEED), ("deals", deals, DEALS_NEED)):
            if names:
                found.append(_existence(kind, names, await crm.properties(ask, kind, needs=needs)))
        return found


def _api(settings: HubSpotSettings, context: Context, per_second: float, burst: int) -> Api:
    manners = Manners(settings.concurrency, per_second, burst, max_pages=settings.max_pages)
    label, auth = settings.label or HubSpot.system, Bearer(settings.token)
    return Api(label, settings.base_url, auth, manners, clock=context.clock, transport=context.transport)


def _existence(kind: str, wanted: set[str], there: Sequence[Property]) -> Probe:
    missing = sorted(wanted - {prop.name for prop in there} - {""})
    if not missing:
        return Probe(say(_PROPERTIES[kind]), say("all configured ones exist"))
    return Probe(
        say(_PROPERTIES[kind]),
        say("there is no {names}", names=_listed(missing)),
        is_ok=False,
        advice=say("Write the internal names that HubSpot shows in its settings under Properties."),
    )


def _health_scores(names: Sequence[str]) -> Probe:
    """HubSpot names a health score as its users do, so candidates are all that can be found."""
    if not names:
        return Probe(say("health score"), say("no company property is about health"))
    return Probe(
        say("health score"),
        say("perhaps {names}", names=_listed(names)),
        advice=say("If one of them is your health score, name it as crm_score under account_columns."),
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(code(name, _NAME_CHARACTERS) for name in names[:_NAMED])
