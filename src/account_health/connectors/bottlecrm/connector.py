"""The BottleCRM connector: which lists are read. Facts about its API were found on version 1.35.0 itself.

Nothing in its lists says when it last changed, so all of them are read anew each time. The offset that an answer names
is not that of the next page; ours counts what came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from account_health.connectors.base import Probe
from account_health.connectors.bottlecrm.objects import (
    OWED,
    Account,
    Case,
    Contact,
    CustomField,
    Deal,
    EscalationRule,
    Interaction,
    Invoice,
)
from account_health.connectors.bottlecrm.sentences import explained, too_many_accounts, too_many_executives
from account_health.connectors.bottlecrm.settings import BottleCrmSettings
from account_health.connectors.http import Api, Bearer, Manners, Offset, Request, Single, Unreadable, at
from account_health.connectors.live import Live, Reader
from account_health.errors import Fault, SourceError
from account_health.language import count, say
from account_health.model import Source

if TYPE_CHECKING:
    from account_health.connectors.base import Context
    from account_health.connectors.http import Params
    from account_health.connectors.live import Ask
    from account_health.identity import Record

_LARGEST_ANSWER = 32 * 1024 * 1024
"""Each page of accounts also carries all contacts, leads and users by name, and nothing can switch that off."""
_INTERACTIONS = 200
"""More interactions do not come on one page."""

_ACCOUNTS_MAY = "accounts:read"
_CASES_MAY = "cases:read"
_DEALS_MAY = "opportunities:read"
_INTERACTIONS_MAY = "interactions:read"
_INVOICES_MAY = "invoices:read"

_ACTIVE, _CLOSED = ("true", "active_accounts.open_accounts"), ("false", "closed_accounts.close_accounts")
"""What accounts have to be asked for as, and where they stand; the other half of the answer is empty then."""

Rows = Callable[["Ask"], AsyncIterator[Mapping[str, Any]]]


class _One(Single):
    """An answer that holds one object at a place."""

    def items_of(self, page: Any) -> Sequence[Any]:
        """The object."""
        found = at(page, self.items)
        if not isinstance(found, Mapping):
            raise Unreadable(say("it has no object at `{path}`", path=self.items))
        return [found]


class BottleCrm(Live[BottleCrmSettings]):
    """Accounts, cases, deals, invoices and interactions."""

    kind = "bottlecrm"
    system = "BottleCRM"
    settings_model = BottleCrmSettings

    def api(self, context: Context) -> Api:
        """The API; BottleCRM itself limits no requests, but its server may be small."""
        wanted = self.settings
        manners = Manners(
            concurrency=wanted.concurrency,
            per_second=wanted.requests_per_second or 10,
            max_pages=wanted.max_pages,
            max_body_bytes=_LARGEST_ANSWER,
        )
        return Api(
            self.label, wanted.base_url, Bearer(wanted.token), manners, clock=context.clock, transport=context.transport
        )

    def readers(self) -> Mapping[str, Reader]:
        """Cases, deals, invoices and interactions, and the accounts unless another CRM lists them."""
        touchpoint = {"touchpoint_id", "direction", "attended", "replied"}
        touchpoint |= {"executive"} if self.settings.executive_titles else set()
        readers = {
            "ticket": Reader(
                Source.SUPPORT,
                _explained(self._tickets),
                frozenset({"subject", "solved_at", "status", "priority", "escalated_at"}),
                _CASES_MAY,
            ),
            "opportunity": Reader(
                Source.CRM,
                _explained(self._opportunities),
                frozenset({"amount", "currency", "created_at", "close_date"}),
                _DEALS_MAY,
            ),
            "invoice": Reader(
                Source.BILLING,
                _explained(self._invoices),
                frozenset({"amount", "currency", "status", "due_at"}),
                _INVOICES_MAY,
            ),
            "touchpoint": Reader(Source.CRM, _explained(self._touchpoints), frozenset(touchpoint), _INTERACTIONS_MAY),
        }
        columns = frozenset({"domains", "owner", *self.settings.account_columns})
        accounts = Reader(Source.CRM, _explained(self._accounts), columns, _ACCOUNTS_MAY, is_windowed=False)
        return {"account": accounts, **readers} if self.settings.lists_accounts else readers

    async def records(self, ask: Ask) -> AsyncIterator[Record]:
        """All accounts, because BottleCRM does not search websites."""
        async for account in self._every_account(ask):
            yield account.record(self.settings)

    async def probes(self, ask: Ask) -> Sequence[Probe]:
        """Whether cases can be escalated at all, and whether the custom fields exist."""
        rules = await self._escalation_rules(ask)
        is_told = bool(rules or self.settings.escalated_priorities)
        advice = say("Set up an escalation policy, or name escalated_priorities; until then escalations are unknown.")
        active = count("{n} active", "{n} active", rules)
        found = [Probe(say("escalation policies"), active, is_ok=is_told, advice="" if is_told else advice)]
        return [*found, await self._fields_probe(ask)] if self.settings.account_fields else found

    async def _fields_probe(self, ask: Ask) -> Probe:
        path, params = "/api/custom-fields/", {"target_model": "Account", "include_counts": "false"}
        listed = ask.items(CustomField, Request("GET", path, params), Single("definitions"), needs="custom-fields:read")
        known = {field.key async for field in listed}
        missing = [name for name in self.settings.account_fields.values() if name not in known]
        if not missing:
            return Probe(say("custom fields"), say("all there"))
        return Probe(
            say("custom fields"),
            say("not there: {keys}", keys=", ".join(missing)),
            is_ok=False,
            advice=say("Correct account_fields: each is the key of a custom field of accounts."),
        )

    async def _accounts(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        """The asked accounts, or all: whoever shares a website with the one that is meant cannot be searched for."""
        async for account in self._every_account(ask) if ask.records is None else self._accounts_by_id(ask):
            if account.is_active or self.settings.closed_accounts:
                yield account.row(self.settings)

    async def _every_account(self, ask: Ask) -> AsyncIterator[Account]:
        for is_active, items in self._halves:
            request, pages = Request("GET", "/api/accounts/", {"is_active": is_active}), self._pages(items)
            async for account in ask.items(Account, request, pages, needs=_ACCOUNTS_MAY):
                yield account

    async def _accounts_by_id(self, ask: Ask) -> AsyncIterator[Account]:
        for account_id in ask.record_ids:
            try:
                async for account in ask.items(Account, _detail(account_id), _One("account_obj"), needs=_ACCOUNTS_MAY):
                    yield account
            except SourceError as err:
                if err.fault is not Fault.NOT_FOUND:
                    raise

    async def _tickets(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        """Cases; older ones only while they are open. Those without an account are nobody's."""
        if not self.settings.escalated_priorities and not await self._escalation_rules(ask):
            ask.untold = frozenset({"escalated_at"})
        since = ask.since.replace(tzinfo=UTC)
        for params in self._narrowed_cases(ask):
            # Without `slim` every page would carry all accounts and contacts.
            request = Request("GET", "/api/cases/", {"slim": "true", **params})
            async for case in ask.items(Case, request, self._pages("cases", "cases_count"), needs=_CASES_MAY):
                if case.account and (case.created_at >= since or case.status in self.settings.open_statuses):
                    row = case.row(self.settings)
                    yield {column: value for column, value in row.items() if column not in ask.untold}

    def _narrowed_cases(self, ask: Ask) -> Sequence[Params]:
        first, last = _around(ask.since)
        older = {"created_at__lte": last, "status": self.settings.open_statuses}
        return _of_accounts(ask) or [{"created_at__gte": first, "ordering": "created_at"}, older]

    async def _escalation_rules(self, ask: Ask) -> int:
        """How many rules there are by which cases are escalated; without any of them none ever is."""
        request = Request("GET", "/api/cases/escalation-policies/")
        found = ask.items(EscalationRule, request, Single("policies"), needs=_CASES_MAY, is_row=False)
        return sum([rule.is_active async for rule in found])

    async def _opportunities(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        """Deals with existing accounts."""
        for params in _of_accounts(ask) or [{}]:
            request, pages = Request("GET", "/api/opportunities/", params), self._pages("opportunities")
            async for deal in ask.items(Deal, request, pages, needs=_DEALS_MAY):
                if deal.account and deal.opportunity_type in self.settings.deal_types:
                    yield deal.row(self.settings)

    async def _invoices(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        """Invoices; older ones only while somebody owes them. The day of payment takes a call for each, so is left."""
        first, last = _around(ask.since)
        older: list[Params] = [{"issue_date_lte": last, "status": status} for status in OWED]
        for params in _of_accounts(ask) or [{"issue_date_gte": first}, *older]:
            request, pages = Request("GET", "/api/invoices/", params), self._pages("results", "count")
            async for invoice in ask.items(Invoice, request, pages, needs=_INVOICES_MAY):
                if invoice.account and (invoice.issue_date.isoformat() >= first or invoice.status in OWED):
                    yield invoice.row(self.settings)

    async def _touchpoints(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        """Interactions of accounts and of their executives, account by account."""
        for account_id in ask.record_ids if ask.records is not None else await self._few_accounts(ask):
            try:
                executives = await self._executives(ask, account_id)
                async for interaction in self._interactions(ask, account=account_id):
                    yield interaction.row(account_id, self.settings)
                async for interaction in self._executive_interactions(ask, executives):
                    yield {**interaction.row(account_id, self.settings), "executive": True}
            except SourceError as err:
                if err.fault is not Fault.NOT_FOUND:
                    raise

    async def _executive_interactions(self, ask: Ask, contacts: Iterable[str]) -> AsyncIterator[Interaction]:
        """What was logged on these contacts; it takes a permission of its own, without which the rest still counts."""
        try:
            for contact_id in contacts:
                async for interaction in self._interactions(ask, contact=contact_id):
                    yield interaction
        except SourceError as err:
            if err.fault is not Fault.PERMISSION:
                raise
            ask.truncated = say("What was logged on executives may not be read; grant `contacts:read`.")

    async def _few_accounts(self, ask: Ask) -> Sequence[str]:
        """All accounts if they are few; else the first one, to see whether interactions may be read."""
        most = 1 if ask.is_probe else self.settings.most_accounts
        ids: list[str] = []
        for is_active, items in self._halves:
            request = Request("GET", "/api/accounts/", {"is_active": is_active, "limit": most + 1})
            found = ask.items(Account, request, Single(items), needs=_ACCOUNTS_MAY, is_row=False)
            ids += [account.id async for account in found]
        if len(ids) <= most or ask.is_probe:
            return ids[:most]
        ask.truncated = too_many_accounts(most)
        return ids[:1]

    async def _executives(self, ask: Ask, account_id: str) -> Sequence[str]:
        """Contacts of the account whose titles make them executives."""
        wanted = self.settings
        if not wanted.executive_titles:
            return ()
        listed = ask.items(Contact, _detail(account_id), Single("contacts"), needs=_ACCOUNTS_MAY, is_row=False)
        found = [contact.id async for contact in listed if wanted.is_executive(contact.title)]
        if len(found) > wanted.most_executives:
            ask.truncated = too_many_executives(len(found), wanted.most_executives)
        return found[: wanted.most_executives]

    async def _interactions(self, ask: Ask, **logged_on: str) -> AsyncIterator[Interaction]:
        """What was logged on exactly one account or contact; what is logged on a contact is not on its account."""
        pages = Offset("interactions", size=_INTERACTIONS, total="count")
        request = Request("GET", "/api/interactions/", logged_on)
        async for interaction in ask.items(Interaction, request, pages, needs=_INTERACTIONS_MAY):
            is_recent = interaction.occurred_at >= ask.since.replace(tzinfo=UTC)
            if is_recent and interaction.kind in self.settings.interaction_kinds:
                yield interaction

    @property
    def _halves(self) -> Sequence[tuple[str, str]]:
        """The halves of the list of accounts that count."""
        return (_ACTIVE, _CLOSED) if self.settings.closed_accounts else (_ACTIVE,)

    def _pages(self, items: str, total: str = "") -> Offset:
        return Offset(items, size=self.settings.page_size, total=total or f"{items}_count")


def _explained(rows: Rows) -> Rows:
    """The same rows; BottleCRM answers alike to different faults, and a failure names them."""

    async def told(ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        try:
            async for row in rows(ask):
                yield row
        except SourceError as err:
            raise explained(err) from None

    return told


def _detail(account_id: str) -> Request:
    return Request("GET", f"/api/accounts/{quote(account_id, safe='')}/")


def _of_accounts(ask: Ask) -> list[Params]:
    """What narrows a list to each asked account; nothing if it is about all."""
    return [{"account": account_id} for account_id in ask.record_ids]


def _around(instant: datetime) -> tuple[str, str]:
    """Days of which the one is not after an instant and the other not before it, wherever the organisation is."""
    return (instant - timedelta(days=1)).date().isoformat(), (instant + timedelta(days=1)).date().isoformat()
