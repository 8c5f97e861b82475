"""People: what was said with a company's contacts: meetings, calls, mails, and their answers to surveys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from account_health.connectors.hubspot import touches
from account_health.connectors.hubspot.cases import home_of
from account_health.connectors.hubspot.crm import (
    LINKS,
    VALUES,
    Crm,
    Filter,
    among,
    batches,
    chunks,
    differs,
    equals,
    is_asked,
    numbers,
    of_asked,
    since,
)
from account_health.connectors.live import Ask, Gone
from account_health.connectors.live.words import Values, known
from account_health.language import mark, say

if TYPE_CHECKING:
    from account_health.connectors.hubspot.objects import CrmObject
    from account_health.connectors.hubspot.settings import HubSpotSettings

CONTACTS_NEED = "crm.objects.contacts.read"
RESPONSES_NEED = "crm.objects.feedback_submissions.read"
NEEDS = {"meetings": CONTACTS_NEED, "calls": CONTACTS_NEED, "emails": "sales-email-read"}
_RESPONSES = "feedback_submissions"
_OFF_SCALE = mark("the answer lies outside its scale; see the settings csat_scale and ces_scale")


@dataclass(frozen=True)
class _Seen:
    """What was learned on the way, because later engagements need it."""

    executives: dict[str, bool | None] = field(default_factory=dict)
    """Contact to whether that is an executive, if it is known."""
    answered: dict[str, datetime] = field(default_factory=dict)
    """Thread of mails to when the customer last wrote in it."""


@dataclass(frozen=True)
class People:
    """Reads engagements and survey answers."""

    crm: Crm
    settings: HubSpotSettings

    async def touchpoints(self, ask: Ask) -> AsyncIterator[Mapping[str, Any] | Gone]:
        """Meetings, calls and mails, once for every company that took part."""
        seen = _Seen()
        for kind in self.settings.touchpoints:
            for groups in _searches(ask, kind, seen):
                properties = touches.ENGAGEMENT_PROPERTIES[kind]
                found = self.crm.search(ask, kind, of_asked(ask, groups), properties, needs=NEEDS[kind])
                async for batch in batches(found, LINKS):
                    async for row in self._of_batch(ask, kind, batch, seen):
                        yield row

    async def _of_batch(
        self, ask: Ask, kind: str, batch: Sequence[CrmObject], seen: _Seen
    ) -> AsyncIterator[Mapping[str, Any] | Gone]:
        """The rows of each engagement, in place of those that an earlier reading gave to other companies too."""
        companies = await self._companies(ask, kind, [engagement.id for engagement in batch])
        ours = [engagement for engagement in batch if companies[engagement.id]]
        meant = await self._meant(ask, kind, ours, seen)
        for engagement in batch:
            yield Gone(engagement.id)
            if values := meant.get(engagement.id):
                for company in companies[engagement.id]:
                    yield {"account_id": company, **values}

    async def _companies(self, ask: Ask, kind: str, ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The companies that took part in each engagement; of the asked ones, if some were asked for."""
        if len(ask.record_ids) == 1:  # only engagements of that company were searched for
            return dict.fromkeys(ids, ask.record_ids)
        links = await self.crm.links(ask, kind, "companies", ids, needs=NEEDS[kind])
        return {
            i: [company for company in dict.fromkeys(link.id for link in links.get(i, ())) if is_asked(ask, company)]
            for i in ids
        }

    async def _meant(self, ask: Ask, kind: str, batch: Sequence[CrmObject], seen: _Seen) -> Mapping[str, Values | None]:
        """What each engagement means; None: it did not take place."""
        if kind == "emails":
            touches.note_answers(batch, seen.answered)
            return {found.id: touches.mail(found, seen.answered, ask.earlier(found.id)) for found in batch}
        contacts = await self.crm.links(ask, kind, "contacts", [found.id for found in batch], needs=NEEDS[kind])
        people = {found.id: [link.id for link in contacts.get(found.id, ())] for found in batch}
        await self._look_up(ask, {contact for present in people.values() for contact in present}, seen.executives)
        meaning = touches.meeting if kind == "meetings" else touches.call
        meant = {}
        for found in batch:
            values = meaning(found, self.settings)
            executive = touches.anyone(seen.executives[contact] for contact in people[found.id])
            meant[found.id] = values and values | known(executive=executive)
        return meant

    async def _look_up(self, ask: Ask, contacts: set[str], executives: dict[str, bool | None]) -> None:
        unknown = sorted(contacts - executives.keys())
        executives.update(dict.fromkeys(unknown))
        async for contact in self.crm.read(ask, "contacts", unknown, touches.CONTACT_PROPERTIES, needs=CONTACTS_NEED):
            executives[contact.id] = touches.is_executive(contact, self.settings)

    async def responses(self, ask: Ask) -> AsyncIterator[Mapping[str, Any] | Gone]:
        """Answers to surveys; each belongs to a contact, and through that to the contact's primary company."""
        async for batch in batches(self._answers(ask), LINKS):
            ids = [found.id for found in batch]
            links = await self.crm.links(ask, _RESPONSES, "contacts", ids, needs=RESPONSES_NEED)
            contacts = {answer: given[0].id for answer, given in links.items() if given}
            homes = await home_of(self.crm, ask, "contacts", sorted(set(contacts.values())), needs=CONTACTS_NEED)
            for found in batch:
                contact = contacts.get(found.id, "")
                company, values = homes.get(contact), touches.response(found, self.settings)
                is_ours = company is not None and is_asked(ask, company)
                if not values or not is_ours or touches.is_before(ask.since, values):
                    yield Gone(found.id)
                elif touches.is_off_scale(values):
                    ask.reject(f"survey_response {found.id}", say(_OFF_SCALE), company)
                else:
                    yield {"account_id": company, "respondent": contact, **values}

    async def _answers(self, ask: Ask) -> AsyncIterator[CrmObject]:
        properties = touches.RESPONSE_PROPERTIES
        if ask.records is None:
            groups = [[since("hs_lastmodifieddate", ask.changed_since or ask.since)]]
            async for found in self.crm.search(ask, _RESPONSES, groups, properties, needs=RESPONSES_NEED):
                yield found
            return
        companies = numbers(ask.record_ids)
        contacts = await self.crm.links(ask, "companies", "contacts", companies, needs=CONTACTS_NEED)
        people = {link.id for links in contacts.values() for link in links}
        given = await self.crm.links(ask, "contacts", _RESPONSES, sorted(people), needs=RESPONSES_NEED)
        ids = sorted({link.id for links in given.values() for link in links})
        async for found in self.crm.read(ask, _RESPONSES, ids, properties, needs=RESPONSES_NEED):
            yield found


def _searches(ask: Ask, kind: str, seen: _Seen) -> Iterator[list[list[Filter]]]:
    """The searches for a kind of engagement, one after the other; the second one for mails goes by what was seen.

    Replies come first, because whether a mail was answered shows in another mail of its thread.
    """
    changed = [since("hs_lastmodifieddate", ask.changed_since)] if ask.changed_since else []
    dated = [since("hs_timestamp", ask.since), *changed]
    if kind != "emails":
        yield [dated]
        return
    yield [[*dated, equals("hs_email_direction", touches.REPLY)]]
    others = differs("hs_email_direction", touches.REPLY)
    threads = [among("hs_email_thread_id", some) for some in chunks(seen.answered, VALUES)] if changed else []
    yield [[*dated, others], *([thread, others] for thread in threads)]
