"""The connector: all accounts by the incremental export, one account by the list of its organization's tickets.

A ticket's satisfaction is the rating it carries itself: the list of ratings would count the same opinions twice, is
refused on some plans, and knows no more of other scales than that an answer was good or bad. Where what follows looks
roundabout, Zendesk's API reference is the reason: organizations cannot be found by domain, lists of tickets leave out
archived ones, exports take an admin and have a limit of their own, and users whose address was never verified belong to
no organization.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio

from account_health.connectors.base import Probe, RejectedRow
from account_health.connectors.http import Api, Manners, Request, Single, Throttle, at
from account_health.connectors.live import Ask, Gone, Live, Reader
from account_health.connectors.live.ask import unix
from account_health.connectors.zendesk.escalations import Escalations, half_the_time
from account_health.connectors.zendesk.sentences import UNSEARCHED, UNSEARCHED_OPEN, cut, how_old, none_of
from account_health.connectors.zendesk.settings import ZendeskSettings
from account_health.connectors.zendesk.strays import owners_of_domains
from account_health.connectors.zendesk.tickets import (
    EXPORTED,
    LISTED,
    MOST,
    PAGED,
    Hit,
    Organization,
    Ticket,
    pages_of,
    reading,
)
from account_health.errors import SourceError
from account_health.language import say
from account_health.model import Source

if TYPE_CHECKING:
    from account_health.connectors.base import Context
    from account_health.connectors.http import Connection
    from account_health.identity import Record

_PER_SECOND, _BURST = 2.5, 50
"""Together 200 requests in the first minute, which is what the smallest plan admits."""
_EXPORTS_AT_ONCE = 5
_EXPORT_BYTES = 32 * 1024 * 1024
"""A page of the export carries the whole first message of every ticket."""
_BESIDE = {"include": "users,metric_sets"}
_RECENT = timedelta(minutes=1)
_READ, _EXPORT = "read", "read, as an admin"
_COLUMNS = frozenset({"solved_at", "priority", "status", "reopened_count", "csat", "csat_low", "csat_high", "subject"})


@dataclass(frozen=True)
class _Listing:
    """All organizations by id, with what could not be read of them."""

    organizations: Mapping[str, Organization]
    rejected: Sequence[RejectedRow]
    truncated: str | None
    read_at: datetime
    read_through: Connection

    def serves(self, ask: Ask, now: datetime, kept: timedelta) -> bool:
        """Whether it need not be read again; never twice for the tables of one question."""
        return self.read_through is ask.connection or (not ask.refresh and now - self.read_at < kept)


class Zendesk(Live[ZendeskSettings]):
    """Tickets of organizations; for companies without a CRM the organizations as accounts, too."""

    kind = "zendesk"
    system = "Zendesk"
    settings_model = ZendeskSettings

    def __init__(self, name: str, settings: ZendeskSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        # The export has a small limit of its own; waiting for it must not hold up the other calls.
        manners = Manners(per_second=settings.exports_per_minute / 60, burst=_EXPORTS_AT_ONCE)
        self._exports = self._made(context, replace(manners, max_body_bytes=_EXPORT_BYTES))
        self._escalations = Escalations(settings)
        self._listing: _Listing | None = None
        self._has_long_open = False

    def api(self, context: Context) -> Api:
        """The API, but for its exports."""
        per_second = self.settings.requests_per_second or _PER_SECOND
        return self._made(context, Manners(per_second=per_second, burst=_BURST))

    def _made(self, context: Context, manners: Manners) -> Api:
        manners = replace(
            manners,
            concurrency=self.settings.concurrency,
            max_pages=self.settings.max_pages,
            throttles=(Throttle(429), Throttle(409)),
            remaining_header="ratelimit-remaining",
            reset_header="ratelimit-reset",
            reset_kind="seconds",
        )
        url, auth = self.settings.base_url, self.settings.auth
        return Api(self.label, url, auth, manners, clock=context.clock, transport=context.transport)

    @property
    def api_version(self) -> str:
        """As it stands in the paths."""
        return self.settings.api_version

    def _request(self, *path: str, **params: str | int) -> Request:
        return reading(self.settings.api_version, *path, **params)

    def readers(self) -> Mapping[str, Reader]:
        """Tickets, and accounts if organizations are meant to be that."""
        columns = _COLUMNS | {"escalated_at"} if self.settings.knows_escalations else _COLUMNS
        tickets = {"ticket": Reader(Source.SUPPORT, self._tickets, columns, needs=_READ, follows_changes=True)}
        if not self.settings.lists_accounts:
            return tickets
        columns = frozenset({"domains", "external_id", "updated_at"})
        return {"account": Reader(Source.CRM, self._accounts, columns, needs=_READ, is_windowed=False), **tickets}

    async def records(self, ask: Ask) -> AsyncIterator[Record]:
        """Organizations by external id; all of them if that does not find every asked account, or none is asked."""
        found: dict[str, Organization] = {}
        is_sure = ask.accounts is not None and not self.settings.account_id_fields
        for account in ask.accounts or ():
            known = await self._by_external_id(ask, {account.id, account.external_id or account.id})
            is_sure = is_sure and bool(known)
            found |= known
        if not is_sure:
            found |= await self._all_organizations(ask)
        for organization in found.values():
            yield organization.record(self.settings.account_id_fields)

    async def _by_external_id(self, ask: Ask, external_ids: Iterable[str]) -> Mapping[str, Organization]:
        found = {}
        for external_id in sorted(external_ids):
            request = self._request("organizations", "search", external_id=external_id)
            async for organization in ask.items(Organization, request, Single("organizations"), needs=_READ):
                # Zendesk does not care for upper and lower case here; whoever matches the accounts does.
                if (organization.external_id or "").strip() == external_id.strip():
                    found[organization.id] = organization
        return found

    async def _all_organizations(self, ask: Ask) -> Mapping[str, Organization]:
        """Every organization by id; kept for a while, because it takes a call for 100 of them."""
        listing, kept = self._listing, timedelta(minutes=self.settings.organizations_minutes)
        if listing is None or not listing.serves(ask, self._clock(), kept):
            own = replace(ask, rejected=[], truncated=None)
            request = self._request("organizations", **PAGED)
            items = own.items(Organization, request, pages_of("organizations"), needs=_READ)
            found = {organization.id: organization async for organization in items}
            listing = _Listing(found, own.rejected, own.truncated, self._clock(), ask.connection)
            if not ask.is_probe:
                self._listing = listing
        ask.rejected.extend(listing.rejected)
        ask.truncated = ask.truncated or listing.truncated
        if (age := self._clock() - listing.read_at) > _RECENT:
            minutes = age // timedelta(minutes=1)
            ask.remarks.append(how_old(minutes))
        return listing.organizations

    async def _accounts(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        """Always all: nothing else tells whom an account could be confused with."""
        for organization in (await self._all_organizations(ask)).values():
            yield organization.row()

    async def _tickets(self, ask: Ask) -> AsyncIterator[Mapping[str, Any] | Gone]:
        escalated = self._escalations.waiting(ask)
        async for ticket in self._of_all(ask) if ask.records is None else self._of_organizations(ask):
            escalated.pop(ticket.id, None)
            if ticket.status == "deleted":
                yield Gone(ticket.id)
            elif self._escalations.has(ticket):
                escalated[ticket.id] = ticket
            else:
                yield ticket.row()
        await self._escalations.look_up(ask, escalated.values())
        for ticket in escalated.values():
            yield self._escalations.row(ticket)
        self._escalations.leave(ask, escalated.values())

    async def _of_all(self, ask: Ask) -> AsyncIterator[Ticket]:
        owners = {} if ask.is_probe else await self._owners(ask)
        async for ticket in self._exported(ask):
            yield ticket.found_in(owners)
        if ask.is_probe or (ask.changed_since and self._has_long_open):
            return
        # The export goes by the last update; an open ticket is worst when nobody touches it.
        found = await self._in_time(self._searched(ask, f"status<solved updated<{_days_later(ask.since)}"))
        self._has_long_open = found is not None
        ask.unsettled += [say(UNSEARCHED_OPEN)] if found is None else []
        for ticket in found or ():
            yield ticket.found_in(owners)

    async def _exported(self, ask: Ask) -> AsyncIterator[Ticket]:
        start, page = unix(ask.changed_since or ask.since), MOST if ask.is_probe else self.settings.export_page
        request = self._request("incremental", "tickets", "cursor", start_time=start, per_page=page, **_BESIDE)
        async with self._exports.open() as connection:
            export = replace(ask, connection=connection)
            async for ticket in export.items(Ticket, request, EXPORTED, needs=_EXPORT):
                yield ticket
            ask.rows_total, ask.truncated = export.rows_total, export.truncated
            ask.connection.waited += connection.waited

    async def _of_organizations(self, ask: Ask) -> AsyncIterator[Ticket]:
        # Of the time before only what was archived is missing, but that is not listed at all.
        now = self._clock().astimezone(UTC).replace(tzinfo=None)
        ask.observed_from = max(ask.since, now - timedelta(days=self.settings.archived_after_days))
        for organization in ask.record_ids:
            request = self._request("organizations", organization, "tickets", **PAGED, **_BESIDE)
            async for ticket in ask.items(Ticket, request, LISTED, needs=_READ):
                yield ticket
        strays = await self._in_time(self._strays(ask))
        ask.unsettled += [say(UNSEARCHED)] if strays is None else []
        for ticket in strays or ():
            yield ticket

    async def _in_time(self, tickets: Awaitable[Sequence[Ticket]]) -> Sequence[Ticket] | None:
        """Tickets that are good to have; None if they could not be found in half of the time."""
        with suppress(SourceError), anyio.move_on_after(half_the_time()):
            return await tickets
        return None

    async def _strays(self, ask: Ask) -> Sequence[Ticket]:
        """Tickets without an organization that belong to an asked one; open ones however old, as for all accounts."""
        owners = {domain: owner for domain, owner in (await self._owners(ask)).items() if owner in ask.record_ids}
        found = []
        for domain in sorted(owners):
            since = f"{ask.observed_from or ask.since:%Y-%m-%d}"
            for which in (f"updated>={since}", f"updated<{since} status<solved"):
                tickets = await self._searched(ask, f"organization:none requester:*@{domain} {which}")
                found += [ticket.found_in(owners) for ticket in tickets]
        return [ticket for ticket in found if ticket.organization_id in ask.record_ids]

    async def _searched(self, ask: Ask, query: str) -> list[Ticket]:
        """What a search finds; only by their ids can tickets be read with what is loaded beside them."""
        request = self._request("search", "export", query=query, **{"filter[type]": "ticket"}, **PAGED)
        hits = ask.items(Hit, request, pages_of("results"), needs=_READ, is_row=False)
        ids, found = [hit.id async for hit in hits], []
        for start in range(0, len(ids), MOST):
            batch = ",".join(ids[start : start + MOST])
            request = self._request("tickets", "show_many", ids=batch, **_BESIDE)
            found += [ticket async for ticket in ask.items(Ticket, request, LISTED, needs=_READ)]
        return found

    async def _owners(self, ask: Ask) -> Mapping[str, str]:
        """Domain to the organization that has it, if no other has, and no account but that organization's."""
        if not self.settings.requester_domains:
            return {}
        own = replace(ask, rejected=[], truncated=None)
        organizations = await self._all_organizations(own)
        if own.truncated:  # whoever else has a domain may be among those that are missing
            ask.unsettled.append(cut(own.truncated))
            return {}
        records = [organization.record(self.settings.account_id_fields) for organization in organizations.values()]
        if self.settings.lists_accounts:
            return owners_of_domains(records, {record.id: record.id for record in records}, ask.known)
        return owners_of_domains(records, ask.known.link(self.name, records).accounts, ask.known)

    async def probes(self, ask: Ask) -> Sequence[Probe]:
        """Whether audits may be read, and whether the configured fields exist."""
        tried = [await self._tried(ask, "ticket_audits")]
        if self.settings.escalated_field is not None:
            tried.append(await self._tried(ask, "ticket_fields", str(self.settings.escalated_field)))
        if self.settings.account_id_fields:
            tried.append(await self._tried(ask, "organization_fields", keys=self.settings.account_id_fields))
        return tried

    async def _tried(self, ask: Ask, *path: str, keys: Sequence[str] = ()) -> Probe:
        """One reading; with `keys` it must be a list of fields that names them all."""
        subject, request = " ".join(path), self._request(*path, **PAGED)
        try:
            answer = await ask.connection.get(request.path, request.params, needs=_READ)
        except SourceError as err:
            return Probe(subject, err.message, is_ok=False, advice=err.next_step)
        listed = at(answer, path[0])
        known = {str(at(field, "key")) for field in listed} if isinstance(listed, list) else set()
        if missing := [key for key in keys if key not in known]:
            advice = say(
                "Use the key of a field, as Zendesk's page of organization fields shows it, and not its title."
            )
            return Probe(subject, none_of(missing), is_ok=False, advice=advice)
        return Probe(subject, say("can be read"))


def _days_later(instant: datetime) -> str:
    """Late enough in every time zone, because a search goes by that of the Zendesk."""
    return f"{instant + timedelta(days=2):%Y-%m-%d}"
