"""The conformance kit: a correct connector passes every rule, one that breaks a rule is told which and what to do."""

from __future__ import annotations

import itertools
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import acme_desk
import anyio
import httpx2
import pytest
from acme_desk import AcmeDesk, AcmeDeskSettings
from pydantic import Field

from account_health.connectors.base import Delivery
from account_health.connectors.http import Manners, Request, Single
from account_health.errors import Fault, SourceError
from account_health.identity import Candidate
from account_health.model import Source, State
from account_health.testing import CHECKS, ConnectorConformance, NonconformityError, Recorded, Recording, Subject
from account_health.testing.answers import CHECKS as ANSWERS

if TYPE_CHECKING:
    from account_health.connectors.base import Context, Query
    from account_health.connectors.live import Ask
    from account_health.identity import Record

EXAMPLE = Path(__file__).parents[2] / "examples" / "acme-desk-connector" / "tests" / "acme_desk.json"
BY_NAME = {check.__name__: check for check in CHECKS}

SUBJECT = Subject(
    connector=AcmeDesk,
    recording=EXAMPLE,
    as_of=datetime(2026, 11, 21, 9),
    accounts=(Candidate("A-1", domains=("acme.example",)), Candidate("B-2", domains=("bolt.example",))),
    asked="A-1",
)


class TestCorrectConnector(ConnectorConformance):
    """The example breaks no rule."""

    subject = SUBJECT


class _Altered(AcmeDesk):
    """Delivers what `altered` makes of each delivery."""

    def altered(self, delivery: Delivery, query: Query) -> Delivery:  # noqa: ARG002 - others look at the query
        return delivery

    async def fetch(self, query: Query) -> Sequence[Delivery]:
        return [self.altered(delivery, query) for delivery in await super().fetch(query)]


def _with_rows(delivery: Delivery, change: Callable[[Any], Any]) -> Delivery:
    assert isinstance(delivery.rows, Sequence)
    return replace(delivery, rows=[change(row) for row in delivery.rows])


class _Meddling(httpx2.AsyncBaseTransport, ABC):
    """A transport that does on its own what no connector should do."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self.inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self.inner.handle_async_request(request)
        return await self.meddle(request, response)

    @abstractmethod
    async def meddle(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """What it makes of an answer."""


def _through(transport: type[_Meddling]) -> type[AcmeDesk]:
    class _Through(AcmeDesk):
        def api(self, context: Context) -> Any:
            assert context.transport
            return super().api(replace(context, transport=transport(context.transport)))

    return _Through


class _SettingsWithoutText(AcmeDeskSettings):
    extra_setting: str = "x"


class _Undocumented(AcmeDesk):
    settings_model = _SettingsWithoutText


class _SettingsWithPlainSecret(AcmeDeskSettings):
    second_token: str = Field(default="x", description="A second token")


class _PlainSecret(AcmeDesk):
    settings_model = _SettingsWithPlainSecret


class _Eager(AcmeDesk):
    def __init__(self, name: str, settings: AcmeDeskSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        socket.getaddrinfo("localhost", 80)


class _Elsewhere(AcmeDesk):
    def api(self, context: Context) -> Any:
        return super().api(replace(context, transport=Recorded(Recording.load(EXAMPLE))))


class _Writing(AcmeDesk):
    async def records(self, ask: Ask) -> AsyncIterator[Record]:
        async for record in super().records(ask):
            yield record
        try:
            await ask.connection.post("/v1/customers/seen", {})
        except SourceError:
            return


class _OneByOne(AcmeDesk):
    async def _tickets(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        own = replace(ask, records=None)
        for record in [record async for record in self.records(own)] if ask.records is None else ask.records:
            async for row in super()._tickets(replace(ask, records=(record,))):
                yield row


class _Following(_Meddling):
    async def meddle(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:  # noqa: ARG002 - see _Meddling
        if response.is_redirect:
            return await self.inner.handle_async_request(httpx2.Request("GET", response.headers["location"]))
        return response


class _Remembering(_Meddling):
    async def meddle(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if "set-cookie" in response.headers:
            request.headers["cookie"] = response.headers["set-cookie"]
            return await self.inner.handle_async_request(request)
        return response


class _Talkative(AcmeDesk):
    def __repr__(self) -> str:
        return f"AcmeDesk({self.settings.token.get_secret_value()})"


class _Boastful(AcmeDesk):
    def provides(self) -> Mapping[str, Source]:
        return {**super().provides(), "touchpoint": Source.CRM}


class _Undeclared(_Altered):
    def altered(self, delivery: Delivery, query: Query) -> Delivery:  # noqa: ARG002 - see _Altered
        return replace(delivery, columns=delivery.columns - {"subject"})


class _Untranslated(_Altered):
    def altered(self, delivery: Delivery, query: Query) -> Delivery:
        if query.accounts is not None:
            return delivery
        return _with_rows(
            delivery, lambda row: row.model_copy(update={"account_id": "c-13"}) if row.account_id == "B-2" else row
        )


class _Strict(_Altered):
    async def fetch(self, query: Query) -> Sequence[Delivery]:
        found = await super().fetch(query)
        if any(delivery.absent is State.NOT_MATCHED and query.accounts == ("nobody-7",) for delivery in found):
            raise SourceError("There is no such customer.", "Correct the id.", fault=Fault.NOT_FOUND)
        return found


class _Lavish(_Altered):
    async def fetch(self, query: Query) -> Sequence[Delivery]:
        if query.accounts != ("nobody-7",):
            return await super().fetch(query)
        found = await super().fetch(replace(query, accounts=None))
        return [_with_rows(d, lambda row: row.model_copy(update={"account_id": "nobody-7"})) for d in found]


class _Forgetful(_Altered):
    def altered(self, delivery: Delivery, query: Query) -> Delivery:
        return delivery if query.accounts is None else replace(delivery, rows=())


class _Fickle(_Altered):
    numbers = itertools.count()

    def altered(self, delivery: Delivery, query: Query) -> Delivery:  # noqa: ARG002 - see _Altered
        return replace(delivery, note=f"{next(self.numbers)} answers so far")


class _Growing(_Altered):
    fetched = 0

    def altered(self, delivery: Delivery, query: Query) -> Delivery:
        self.fetched += 1
        assert isinstance(delivery.rows, Sequence)
        is_first = self.fetched <= len(self.provides()) or query.accounts is not None
        return delivery if is_first else replace(delivery, rows=delivery.rows[:-1])


class _FirstPageOnly(AcmeDesk):
    async def _tickets(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        customers = {} if ask.records is None else {"customer": list(ask.record_ids)}
        request = Request("GET", "/v1/tickets", customers)
        async for ticket in ask.items(acme_desk._Ticket, request, Single("tickets")):  # noqa: SLF001 - a variant of it
            yield {"account_id": ticket.customer, "ticket_id": ticket.id, "opened_at": ticket.opened}


class _WallClock(AcmeDesk):
    async def _tickets(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        async for row in super()._tickets(ask):
            yield {**row, "opened_at": row["opened_at"].replace(tzinfo=UTC)}


class _Aware(_Altered):
    def altered(self, delivery: Delivery, query: Query) -> Delivery:  # noqa: ARG002 - see _Altered
        if delivery.table != "ticket":
            return delivery
        return _with_rows(delivery, lambda row: row.model_copy(update={"opened_at": row.opened_at.replace(tzinfo=UTC)}))


class _WithoutCurrency(AcmeDesk):
    async def _invoices(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        async for row in super()._invoices(ask):
            yield {**row, "currency": None}


class _Cleaning(AcmeDesk):
    async def _tickets(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        async for row in super()._tickets(ask):
            yield {**row, "subject": row["subject"] and row["subject"].replace("\u202e", "")}


def _worded(fault: Fault, text: str, new: Fault | None) -> type[AcmeDesk]:
    """Says something else about a fault."""

    class _Worded(_Altered):
        def altered(self, delivery: Delivery, query: Query) -> Delivery:  # noqa: ARG002 - see _Altered
            return replace(delivery, failure=text, fault=new) if delivery.fault is fault else delivery

        async def fetch(self, query: Query) -> Sequence[Delivery]:
            try:
                return await super().fetch(query)
            except SourceError as err:
                if err.fault is not fault:
                    raise
                raise SourceError(text, fault=new) from None

    return _Worded


class _Crashing(AcmeDesk):
    async def fetch(self, query: Query) -> Sequence[Delivery]:
        try:
            return await super().fetch(query)
        except SourceError as err:
            raise KeyError("customers") from err


class _Impatient(_Meddling):
    """Asks again at once, whatever it is told."""

    async def meddle(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
            return await self.inner.handle_async_request(request)
        return response


class _Stubborn(_Meddling):
    async def meddle(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        return await self.inner.handle_async_request(request) if response.is_server_error else response


class _Faint(AcmeDesk):
    def api(self, context: Context) -> Any:
        api = super().api(context)
        api.manners = Manners(per_second=1000, attempts=1)
        return api


class _Late(AcmeDesk):
    async def fetch(self, query: Query) -> Sequence[Delivery]:
        return await super().fetch(replace(query, seconds=(query.seconds or 0) + 0.8))


class _Unstoppable(AcmeDesk):
    async def fetch(self, query: Query) -> Sequence[Delivery]:
        with anyio.CancelScope(shield=True):
            found = await super().fetch(replace(query, seconds=1.5))
        return found  # noqa: RET504 - mypy takes a cancel scope for something that swallows exceptions


class _Optimist(_Altered):
    """Takes what it cannot read for nothing at all."""

    def altered(self, delivery: Delivery, query: Query) -> Delivery:  # noqa: ARG002 - see _Altered
        return replace(delivery, failure=None, fault=None) if delivery.fault is Fault.BAD_RESPONSE else delivery

    async def fetch(self, query: Query) -> Sequence[Delivery]:
        try:
            return await super().fetch(query)
        except SourceError as err:
            if err.fault is not Fault.BAD_RESPONSE:
                raise
            blank = replace(query, accounts=())
            return [
                Delivery(table, category, (), frozenset(), blank.as_of) for table, category in self.provides().items()
            ]


class _Hushing(_Altered):
    def altered(self, delivery: Delivery, query: Query) -> Delivery:  # noqa: ARG002 - see _Altered
        return replace(delivery, rejected=(), rejected_total=0)


class _Circling(AcmeDesk):
    async def _tickets(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        cursor = ""
        for _ in range(200):
            page = await ask.connection.get("/v1/tickets", {"cursor": cursor} if cursor else {})
            cursor = page["next"]
            if not cursor:
                break
        async for row in super()._tickets(ask):
            yield row


class _Untold(_Altered):
    def altered(self, delivery: Delivery, query: Query) -> Delivery:  # noqa: ARG002 - see _Altered
        return replace(delivery, note="", states={})


@dataclass(frozen=True)
class Broken:
    """A connector that breaks a rule, and part of what the kit tells its author."""

    rule: str
    connector: type[AcmeDesk]
    advice: str
    also: frozenset[str] = frozenset()
    """Other rules about answers that it cannot but break too."""


BROKEN = (
    Broken("documents_its_settings", _Undocumented, "Describe the setting `extra_setting`"),
    Broken("documents_its_settings", _PlainSecret, "Give the setting `second_token` the type Secret"),
    Broken("does_nothing_before_it_is_asked", _Eager, "Do no I/O before `fetch`"),
    Broken("speaks_through_its_context_only", _Elsewhere, "Send requests through `Context.transport`"),
    Broken("only_reads", _Writing, "it sent POST /v1/customers/seen"),
    Broken("asks_no_more_often_for_more_accounts", _OneByOne, "Read all accounts with the bulk lists"),
    Broken("goes_nowhere_else", _through(_Following), "Follow neither redirects nor links"),
    Broken("goes_nowhere_else", _through(_Remembering), "Keep no cookies"),
    Broken("shows_no_secret", _Talkative, "Keep `token` out of its repr"),
    Broken("delivers_each_declared_table_once_and_no_other", _Boastful, "Deliver exactly the tables"),
    Broken("fills_declared_columns_only", _Undeclared, "Add `subject` to the columns"),
    Broken("gives_rows_to_known_accounts_only", _Untranslated, "holds no `c-13`"),
    Broken("says_nothing_of_an_unknown_account", _Strict, "an unknown account is no failure"),
    Broken(
        "says_nothing_of_an_unknown_account",
        _Lavish,
        "Never give an account the rows of another",
        also=frozenset({"reads_every_page"}),
    ),
    Broken("tells_the_same_of_one_account_as_of_all", _Forgetful, "Read the same rows for one account as for all"),
    Broken("answers_the_same_when_asked_again", _Fickle, "Make a delivery depend on nothing but"),
    Broken("answers_the_same_when_asked_again", _Growing, "Add changes to what was kept"),
    Broken(
        "reads_every_page",
        _FirstPageOnly,
        "never asked for: GET /v1/tickets {'cursor': 'tickets-2'}",
        also=frozenset({"tells_the_same_of_one_account_as_of_all"}),
    ),
    Broken("keeps_instants_as_naive_utc", _WallClock, "Read offsets of instants"),
    Broken("keeps_instants_as_naive_utc", _Aware, "`opened_at` of `ticket` have a zone"),
    Broken("names_the_currency_of_money", _WithoutCurrency, "Fill `currency` wherever `invoice.amount`"),
    Broken("leaves_hostile_text_as_it_is", _Cleaning, "Hand on names and subjects unchanged"),
    Broken(
        "names_refused_credentials",
        _worded(Fault.AUTHENTICATION, "It failed. Try.", Fault.PERMISSION),
        "Fail with Fault.AUTHENTICATION on status 401",
    ),
    Broken(
        "names_a_missing_permission", _worded(Fault.PERMISSION, "Forbidden.", Fault.PERMISSION), "Say what to do about"
    ),
    Broken("waits_for_the_seconds_it_is_told", _through(_Impatient), "s too early"),
    Broken("waits_for_the_date_it_is_told", _through(_Impatient), "s too early"),
    Broken("gives_up_when_the_wait_is_too_long", _through(_Impatient), "Try a read at most 1 times here"),
    Broken("tries_three_times_when_the_system_fails", _through(_Stubborn), "Try a read at most 3 times here"),
    Broken("recovers_from_a_single_failure", _Faint, "Retry what failed once"),
    Broken("names_an_unreachable_system", _worded(Fault.UNREACHABLE, "Off. Wait.", None), "it was None"),
    Broken("ends_in_time_when_nothing_comes", _Late, "End within `Query.seconds`"),
    Broken("ends_in_time_when_the_answer_drips", _Late, "End within `Query.seconds`"),
    Broken("closes_its_connections_when_cancelled", _Unstoppable, "Let a cancellation pass"),
    Broken("names_an_unreadable_answer", _Optimist, "Fail on an empty body"),
    Broken("names_an_unreadable_answer", _Crashing, "Raise SourceError with a fault instead of KeyError"),
    Broken("makes_no_rows_of_values_of_another_type", _Optimist, "unreadable is not empty"),
    Broken("rejects_an_odd_item_and_keeps_the_others", _Hushing, "Count an item that cannot be read as rejected"),
    Broken("stops_at_a_repeated_cursor", _Circling, "Stop when a cursor comes again"),
    Broken("stops_at_a_repeated_cursor", _Untold, "Say in `Delivery.note` or `states`"),
)


def _id(broken: Broken) -> str:
    return f"{broken.rule}: {broken.advice}"


@pytest.mark.parametrize("broken", BROKEN, ids=_id)
def test_a_connector_that_breaks_a_rule_is_told_what_to_do(broken: Broken) -> None:
    subject = replace(SUBJECT, connector=broken.connector)
    with pytest.raises(NonconformityError) as told:
        anyio.run(BY_NAME[broken.rule], subject)
    assert broken.advice in str(told.value)


ABOUT_ANSWERS = [broken for broken in BROKEN if BY_NAME[broken.rule] in ANSWERS]


@pytest.mark.parametrize("broken", ABOUT_ANSWERS, ids=_id)
def test_a_connector_that_breaks_one_rule_keeps_the_others(broken: Broken) -> None:
    subject = replace(SUBJECT, connector=broken.connector)
    assert {check.__name__ for check in ANSWERS if _fails(check, subject)} == {broken.rule, *broken.also}


def _fails(check: Callable[[Subject], Awaitable[None]], subject: Subject) -> bool:
    try:
        anyio.run(check, subject)
    except NonconformityError:
        return True
    return False


def test_every_rule_is_broken_by_some_connector() -> None:
    assert {broken.rule for broken in BROKEN} == set(BY_NAME)


def test_every_rule_says_what_it_asks_for() -> None:
    assert [check.__name__ for check in CHECKS if not check.__doc__] == []
