"""Zendesk: the kit, what organizations and tickets become, and what is asked for that."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from pydantic import SecretStr, ValidationError

from account_health.connectors.base import Context, Delivery, Query
from account_health.connectors.live.ask import unix
from account_health.connectors.zendesk import Zendesk, ZendeskSettings
from account_health.errors import Fault, SourceError
from account_health.identity import Candidate, Known
from account_health.model import Source, State
from account_health.tables import Account, Ticket
from account_health.testing import ConnectorConformance, Exchange, Recorded, Recording, Subject, at_path, nth
from account_health.testing.mishaps import silent, status
from account_health.testing.subject import rows_of
from given import AS_OF

if TYPE_CHECKING:
    from account_health.testing import Mishap

pytestmark = pytest.mark.anyio

API = "/api/v2/"
SUBJECT = Subject(
    connector="zendesk",
    recording=Path(__file__).parent / "recordings" / "zendesk.json",
    settings={
        "base_url": "https://northwind-support.zendesk.com",
        "email": "robot@vendor.example",
        "api_token": "t0kenThatNobodyMaySee",
        "exports_per_minute": 6000,
    },
    as_of=AS_OF,
    accounts=(Candidate("A-1", domains=("northwind.example",)), Candidate("A-2", domains=("acme.example",))),
    asked="A-1",
)
NO_WAY_IN: dict[str, Any] = {"email": None, "api_token": None}
ACME_NAME = "<img src=x onerror=alert(1)> ](http://x) \u202eemcA"


class TestZendesk(ConnectorConformance):
    """What holds for every live connector."""

    subject = SUBJECT


SLOW_EXPORT = Ticket(
    account_id="A-1",
    ticket_id="501",
    opened_at=datetime(2026, 10, 1, 8),
    solved_at=datetime(2026, 10, 3, 15),
    priority="high",
    status="closed",
    reopened_count=1,
    csat=1,
    csat_low=0,
    csat_high=1,
    subject="Export is slow",
)
ESCALATED = Ticket(
    account_id="A-1",
    ticket_id="502",
    opened_at=datetime(2026, 10, 28, 7, 30),
    priority="urgent",
    status="open",
    escalated_at=datetime(2026, 11, 2, 8, 15),
    reopened_count=2,
    subject="Invoices are missing again",
)
ON_HOLD = Ticket(
    account_id="A-2",
    ticket_id="503",
    opened_at=datetime(2026, 11, 10, 12),
    status="pending",
    subject="](http://x) \u202e<script>alert(1)</script>",
)
STRAY = Ticket(
    account_id="A-1",
    ticket_id="504",
    opened_at=datetime(2026, 11, 3, 10),
    solved_at=datetime(2026, 11, 5, 10),
    priority="low",
    status="solved",
    reopened_count=0,
    csat=0,
    csat_low=0,
    csat_high=1,
    subject="Cannot log in",
)
UNDATED = "it is marked as escalated, but since when is not known"
NOT_YET = "Since when marked tickets are escalated is not known yet: "


@dataclass
class Desk:
    """A connector, the transport behind it, and the hour."""

    connector: Zendesk
    transport: Recorded
    hours: list[datetime]

    async def deliver(
        self,
        *accounts: str,
        crosswalk: Mapping[str, str] | None = None,
        known: Sequence[Candidate] = SUBJECT.accounts,
        shared_domains: frozenset[str] = frozenset(),
        seconds: float | None = None,
        refresh: bool = False,
    ) -> dict[str, Delivery]:
        """What it delivers about some accounts; without any, about all."""
        everybody = Known(known, {"zendesk": crosswalk or {}}, shared_domains)
        query = Query(AS_OF, accounts or None, known=everybody, seconds=seconds, refresh=refresh)
        return {delivery.table: delivery for delivery in await self.connector.fetch(query)}

    async def tickets(self, *accounts: str) -> dict[str, Ticket]:
        """The delivered tickets by id."""
        rows = rows_of((await self.deliver(*accounts))["ticket"])
        return {row.ticket_id: row for row in rows if isinstance(row, Ticket)}

    @property
    def asked(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [sent.request.url.path.removeprefix(API) for sent in self.transport.sent]

    def params(self, path: str) -> list[dict[str, str]]:
        """The parameters of each request of a path."""
        return [dict(s.request.url.params) for s in self.transport.sent if s.request.url.path == API + path]


def desk(
    *more: Exchange,
    change: Callable[[dict[str, Any]], object] | None = None,
    mishap: Mishap | None = None,
    at: str | None = None,
    **settings: Any,
) -> Desk:
    """A desk that answers as recorded, with more answers, every ticket changed, or a mishap at one path."""
    recording = Recording((*SUBJECT.recorded.exchanges, *more))
    transport = Recorded(recording.with_content(_changing(change)) if change else recording, mishap)
    if at is not None:
        transport.when = at_path(API + at)
    hours = [AS_OF.replace(tzinfo=UTC)]
    context = Context(Path(), duckdb.connect(), lambda: hours[-1], transport)
    checked = replace(SUBJECT, settings={**SUBJECT.settings, **settings}).checked_settings(requests_per_second=1000)
    assert isinstance(checked, ZendeskSettings)
    return Desk(Zendesk("zendesk", checked, context), transport, hours)


def _changing(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], Any]:
    def changed(content: Any) -> Any:
        if isinstance(content, dict) and "tickets" in content:
            tickets = [dict(ticket) for ticket in content["tickets"]]
            for ticket in tickets:
                change(ticket)
            return {**content, "tickets": tickets}
        return content

    return changed


def answer(path: str, json: Any, code: int = 200, **params: str) -> Exchange:
    """One more recorded answer."""
    return Exchange.model_validate({"path": API + path, "params": params, "json": json, "status": code})


async def test_all_tickets_come_from_the_export_each_with_its_metrics_and_its_rating() -> None:
    found = (await desk().deliver())["ticket"]
    assert found.rows == [SLOW_EXPORT, ON_HOLD, STRAY, ESCALATED]
    assert found.category is Source.SUPPORT
    assert found.history_from == AS_OF - timedelta(days=400)
    assert found.unmatched_rows == 3
    assert found.matched == {"A-1": "external id", "A-2": "domain `acme.example`"}
    assert found.likely == {"A-2"}


async def test_one_account_takes_a_search_by_external_id_and_the_list_of_its_organization() -> None:
    asked = desk(requester_domains=False)
    found = (await asked.deliver("A-1"))["ticket"]
    assert found.rows == [SLOW_EXPORT, ESCALATED]
    assert asked.asked == [
        "organizations/search",
        "organizations/1001/tickets",
        "organizations/1001/tickets",
        "tickets/502/audits",
    ]
    assert found.states == {}


async def test_one_account_without_external_id_is_found_by_domain_in_the_list_of_organizations() -> None:
    listed = answer("organizations/1002/tickets", {"tickets": [], "meta": {"has_more": False}})
    asked = desk(listed, requester_domains=False)
    found = (await asked.deliver("A-2"))["ticket"]
    assert found.matched == {"A-2": "domain `acme.example`"}
    assert found.states == {"A-2": State.EMPTY}
    assert asked.asked == [
        "organizations/search",
        "organizations",
        "organizations",
        "organizations/1002/tickets",
    ]


async def test_of_one_account_nothing_is_known_from_before_tickets_were_archived() -> None:
    assert (await desk().deliver("A-1"))["ticket"].history_from == AS_OF - timedelta(days=120)
    sandbox = desk(archived_after_days=3, requester_domains=False)
    assert (await sandbox.deliver("A-1"))["ticket"].history_from == AS_OF - timedelta(days=3)
    young = desk(archived_after_days=3, history_days=2, requester_domains=False)
    assert (await young.deliver("A-1"))["ticket"].history_from == AS_OF - timedelta(days=2)


async def test_the_list_of_organizations_is_kept_for_an_hour() -> None:
    asked = desk(answer("organizations/1002/tickets", {"tickets": [], "meta": {"has_more": False}}))
    for minutes in (0, 59, 60):
        asked.hours.append(AS_OF.replace(tzinfo=UTC) + timedelta(minutes=minutes))
        await asked.deliver("A-2")
    assert asked.asked.count("organizations") == 4


async def test_an_external_id_in_other_letters_is_no_match_so_the_domain_decides() -> None:
    known = (Candidate("a-1", domains=("acme.example",)),)
    asked = desk(
        answer("organizations/search", SUBJECT.recorded.exchanges[3].content, external_id="a-1"),
        answer("organizations/1002/tickets", {"tickets": [], "meta": {"has_more": False}}),
        requester_domains=False,
    )
    for accounts in (("a-1",), ()):
        found = (await asked.deliver(*accounts, known=known))["ticket"]
        assert found.matched == {"a-1": "domain `acme.example`"}


async def test_the_account_id_may_stand_in_a_field_of_the_organization() -> None:
    found = (await desk(account_id_fields=("crm_id",)).deliver())["ticket"]
    assert found.matched == {"A-1": "external id", "A-2": "external id"}
    assert found.likely == frozenset()


async def test_fields_with_account_ids_take_the_list_of_organizations_because_another_one_may_carry_the_id() -> None:
    alone = desk(account_id_fields=("crm_id",), requester_domains=False)
    await alone.deliver("A-1")
    assert "organizations" in alone.asked


async def test_a_record_of_the_crosswalk_is_asked_for_as_it_is_written_and_as_nothing_else() -> None:
    asked = desk(requester_domains=False)
    found = (await asked.deliver("A-1", crosswalk={"../users?x=": "A-1"}))["ticket"]
    assert found.fault is Fault.NOT_FOUND
    (sent,) = asked.transport.sent
    assert sent.request.url.raw_path == b"/api/v2/organizations/..%2Fusers%3Fx%3D/tickets?" + sent.request.url.query


async def test_later_readings_of_all_ask_for_changes_and_drop_what_was_deleted() -> None:
    asked = desk()
    await asked.deliver()
    asked.transport.recording = asked.transport.recording.with_content(_changing(_deleted("501")))
    asked.hours.append(AS_OF.replace(tzinfo=UTC) + timedelta(hours=2))
    assert (await asked.deliver())["ticket"].rows == [ON_HOLD, STRAY, ESCALATED]
    starts = [params.get("start_time") for params in asked.params("incremental/tickets/cursor")]
    assert starts == [str(unix(AS_OF - timedelta(days=400))), None, str(unix(AS_OF - timedelta(minutes=5))), None]


def _deleted(ticket_id: str) -> Callable[[dict[str, Any]], None]:
    def change(ticket: dict[str, Any]) -> None:
        if str(ticket["id"]) == ticket_id:
            ticket["status"] = "deleted"

    return change


async def test_an_export_asks_for_everything_it_needs_and_goes_on_by_cursor() -> None:
    asked = desk(export_page=250)
    await asked.deliver()
    first, second = asked.params("incremental/tickets/cursor")
    assert first | {"start_time": ""} == {"start_time": "", "per_page": "250", "include": "users,metric_sets"}
    assert second == {"cursor": "MTc5NQ", "per_page": "250", "include": "users,metric_sets"}


async def test_an_export_refused_to_an_agent_says_that_it_takes_an_admin() -> None:
    found = (await desk(mishap=status(403), at="incremental/tickets/cursor").deliver())["ticket"]
    assert found.fault is Fault.PERMISSION
    assert "`read, as an admin`" in (found.failure or "")


async def test_waiting_for_exports_is_told_with_the_rest() -> None:
    found = (await desk(mishap=status(429, {"retry-after": "1"}), at="incremental/tickets/cursor").deliver())["ticket"]
    assert found.fault is Fault.THROTTLED
    recovered = desk(mishap=status(429, {"retry-after": "1"}))
    recovered.transport.when = nth(3)
    assert (await recovered.deliver())["ticket"].waited >= timedelta(seconds=0.9)


async def test_a_conflict_is_worth_another_try() -> None:
    asked = desk(mishap=status(409, {"retry-after": "0"}))
    asked.transport.when = nth(1)
    assert (await asked.deliver())["ticket"].rows == [SLOW_EXPORT, ON_HOLD, STRAY, ESCALATED]


async def test_metrics_may_also_stand_in_the_ticket() -> None:
    metrics = {"reopens": 4, "solved_at": "2026-11-12T09:00:00Z"}
    found = await desk(change=lambda ticket: ticket.update(metric_set=metrics, status="solved")).tickets()
    assert (found["503"].reopened_count, found["503"].solved_at) == (4, datetime(2026, 11, 12, 9))


async def test_without_metrics_reopenings_and_solution_are_unknown() -> None:
    found = await desk(change=lambda ticket: ticket.update(status="closed")).tickets()
    assert (found["503"].reopened_count, found["503"].solved_at, found["503"].status) == (None, None, "closed")


@pytest.mark.parametrize(
    ("word", "ours"),
    [("new", "open"), ("open", "open"), ("pending", "pending"), ("hold", "pending"), ("solved", "solved"), ("?", None)],
)
async def test_every_status_has_one_word_of_ours(word: str, ours: str | None) -> None:
    assert (await desk(change=lambda ticket: ticket.update(status=word)).tickets())["501"].status == ours


async def test_a_priority_that_nobody_knows_is_left_out() -> None:
    found = await desk(change=lambda ticket: ticket.update(priority="apocalyptic")).tickets()
    assert found["501"].priority is None


async def test_a_plan_without_satisfaction_loses_no_tickets() -> None:
    found = await desk(change=lambda ticket: ticket.update(satisfaction_rating=None)).tickets()
    assert [ticket.csat for ticket in found.values()] == [None] * 4


async def test_a_ticket_without_organization_counts_by_the_domain_of_its_requester() -> None:
    assert (await desk().tickets())["504"] == (await desk().tickets("A-1"))["504"] == STRAY
    assert "504" not in await desk(requester_domains=False).tickets()
    assert "504" not in await desk(requester_domains=False).tickets("A-1")


async def test_a_ticket_with_an_organization_stays_there_whatever_the_domain_of_its_requester() -> None:
    assert "507" not in await desk(change=lambda ticket: ticket.update(requester_id=8003)).tickets()


async def test_a_domain_of_two_organizations_tells_of_neither() -> None:
    known = (Candidate("F-1", domains=("fabrikam.example",)), Candidate("F-2"))
    found = await desk().deliver(crosswalk={"1004": "F-1", "1005": "F-2"}, known=known)
    assert found["ticket"].rows == []


async def test_without_the_list_of_organizations_one_account_is_partial_and_says_why() -> None:
    found = (await desk(mishap=status(403), at="organizations").deliver("A-1"))["ticket"]
    assert found.rows == [SLOW_EXPORT, ESCALATED]
    assert not found.is_complete
    assert found.note == (
        "Tickets without an organization could not be searched for; `requester_domains = false` leaves them out for "
        "good"
    )


@pytest.mark.parametrize("path", ["organizations", "search/export", "tickets/502/audits"])
async def test_what_is_only_good_to_have_may_stall_and_costs_no_ticket(path: str) -> None:
    found = (await desk(mishap=silent, at=path).deliver("A-1", seconds=1))["ticket"]
    assert found.failure is None
    assert {"501", "502"} <= {row.ticket_id for row in rows_of(found) if isinstance(row, Ticket)}


@pytest.mark.parametrize(
    "settings",
    [
        {"escalated_priorities": ("urgent",)},
        {"escalated_groups": (42,)},
        {"escalated_field": 360001},
        {"escalated_tags": ("VIP",)},
    ],
)
async def test_what_counts_as_escalated_is_a_setting(settings: dict[str, Any]) -> None:
    def mark(ticket: dict[str, Any]) -> None:
        if ticket["id"] == 502:
            ticket.update(group_id=42, custom_fields=[{"id": 360001, "value": True}])

    found = await desk(change=mark, **{"escalated_tags": (), **settings}).tickets()
    assert {key for key, ticket in found.items() if ticket.escalated_at or ticket.doubt} == {"502"}


@pytest.mark.parametrize("value", [None, "", False, "false", "0"])
async def test_an_empty_field_is_no_escalation(value: object) -> None:
    asked = desk(
        change=lambda ticket: ticket.update(custom_fields=[{"id": 360001, "value": value}]),
        escalated_tags=(),
        escalated_field=360001,
    )
    assert [ticket.escalated_at for ticket in (await asked.tickets()).values()] == [None] * 4


async def test_without_any_rule_escalations_are_not_told_at_all() -> None:
    found = (await desk(escalated_tags=()).deliver())["ticket"]
    assert "escalated_at" not in found.columns
    assert "escalated_at" in (await desk().deliver())["ticket"].columns


async def test_a_date_field_says_when_a_ticket_was_escalated_without_its_audits() -> None:
    asked = desk(
        change=lambda ticket: ticket.update(custom_fields=[{"id": 360001, "value": "2026-10-30"}]),
        escalated_field=360001,
    )
    found = await asked.tickets()
    assert {ticket.escalated_at for ticket in found.values()} == {datetime(2026, 10, 30)}
    assert {ticket.doubt for ticket in found.values()} == {None}
    assert not any(path.endswith("audits") for path in asked.asked)


async def test_audits_are_read_again_only_when_the_ticket_has_changed() -> None:
    asked = desk()
    for _ in range(2):
        assert (await asked.tickets("A-1"))["502"] == ESCALATED
    assert asked.asked.count("tickets/502/audits") == 1
    asked.transport.recording = asked.transport.recording.with_content(
        _changing(lambda ticket: ticket.update(updated_at="2026-11-20T08:00:00Z"))
    )
    assert (await asked.tickets("A-1"))["502"] == ESCALATED
    assert asked.asked.count("tickets/502/audits") == 2


@pytest.mark.parametrize("code", [403, 404])
async def test_an_escalation_that_cannot_be_dated_is_doubtful_and_loses_no_ticket(code: int) -> None:
    found = await desk(mishap=status(code), at="tickets/502/audits").tickets()
    assert found == {
        "501": SLOW_EXPORT,
        "503": ON_HOLD,
        "504": STRAY,
        "502": ESCALATED.model_copy(update={"escalated_at": None, "doubt": UNDATED}),
    }


@pytest.mark.parametrize("accounts", [(), ("A-1",)])
async def test_without_a_look_up_an_escalation_has_no_date_and_the_table_is_partial(accounts: tuple[str, ...]) -> None:
    found = (await desk(escalation_lookups=0).deliver(*accounts))["ticket"]
    assert [row.doubt for row in rows_of(found) if isinstance(row, Ticket) and row.ticket_id == "502"] == [UNDATED]
    assert {row.escalated_at for row in rows_of(found) if isinstance(row, Ticket)} == {None}
    assert (found.note, found.is_complete) == (NOT_YET + "1", False)
    assert found.states["A-1"] is State.PARTIAL


async def test_audits_that_do_not_tell_are_not_read_again() -> None:
    asked = desk(mishap=status(404), at="tickets/502/audits")
    for _ in range(2):
        assert (await asked.deliver("A-1"))["ticket"].note == NOT_YET + "1"
    assert asked.asked.count("tickets/502/audits") == 1


def _audits(ticket_id: str, at: str) -> Exchange:
    event = {"type": "Change", "field_name": "tags", "previous_value": [], "value": ["escalated"]}
    content = {"audits": [{"created_at": at, "events": [event]}], "meta": {"has_more": False}}
    return answer(f"tickets/{ticket_id}/audits", content)


async def test_only_so_many_audits_are_read_in_one_go_and_the_others_with_the_next_changes() -> None:
    days = {"501": "2026-10-02", "503": "2026-11-11", "504": "2026-11-04"}
    asked = desk(
        *(_audits(ticket, f"{day}T08:00:00Z") for ticket, day in days.items()),
        change=lambda ticket: ticket.update(tags=["escalated"]) if ticket["status"] != "deleted" else None,
        escalation_lookups=1,
    )
    recorded, notes = asked.transport.recording, []
    for hours in range(4):
        asked.hours.append(AS_OF.replace(tzinfo=UTC) + timedelta(hours=hours))
        found = (await asked.deliver())["ticket"]
        notes.append(found.note)
        nothing = {"tickets": [], "users": [], "metric_sets": [], "after_cursor": "e", "end_of_stream": True}
        later = answer("incremental/tickets/cursor", nothing, start_time=str(unix(_before(asked.hours[-1]))))
        asked.transport.recording = Recording((*recorded.exchanges, later))
    assert next(path for path in asked.asked if path.endswith("audits")) == "tickets/502/audits"
    assert len([sent for sent in asked.params("incremental/tickets/cursor") if "cursor" in sent]) == 1
    dates = {row.ticket_id: row.escalated_at for row in rows_of(found) if isinstance(row, Ticket)}
    assert notes[:2] == [NOT_YET + "6", NOT_YET + "5"]
    assert dates["502"] == ESCALATED.escalated_at
    assert dates["503"] == datetime(2026, 11, 11, 8)


def _before(hour: datetime) -> datetime:
    """From when on the next reading asks for changes."""
    return hour.replace(tzinfo=None) - timedelta(minutes=5)


async def test_a_touched_ticket_keeps_the_date_that_is_known_until_it_is_looked_up_again() -> None:
    asked = desk()
    await asked.deliver("A-1")
    asked.transport.recording = asked.transport.recording.with_content(
        _changing(lambda ticket: ticket.update(updated_at="2026-11-20T08:00:00Z"))
    )
    asked.transport.mishap, asked.transport.when = status(403), at_path(API + "tickets/502/audits")
    found = (await asked.tickets("A-1"))["502"]
    assert found.escalated_at == ESCALATED.escalated_at
    assert found.doubt == "it has changed since it was looked up when it was escalated"


LONG_OPEN: dict[str, Any] = {
    "id": 490,
    "status": "open",
    "subject": "Still waiting",
    "created_at": "2025-01-05T10:00:00Z",
    "updated_at": "2025-01-06T10:00:00Z",
    "organization_id": 1002,
}


def _searched(query: str, ticket: Mapping[str, Any]) -> tuple[Exchange, Exchange]:
    beside = {"users": [{"id": 1, "email": "cy@northwind.example"}], "metric_sets": []}
    return (
        answer("search/export", {"results": [ticket], "meta": {"has_more": False}}, query=query),
        answer("tickets/show_many", {"tickets": [ticket], **beside}, ids=str(ticket["id"])),
    )


async def test_open_tickets_that_nobody_touched_for_years_are_read_as_well_but_not_with_changes() -> None:
    asked = desk(*_searched("status<solved updated<2025-10-19", LONG_OPEN))
    for hours in (0, 2):
        asked.hours.append(AS_OF.replace(tzinfo=UTC) + timedelta(hours=hours))
        found = await asked.tickets()
        assert (found["490"].account_id, found["490"].opened_at) == ("A-2", datetime(2025, 1, 5, 10))
    assert len(asked.params("search/export")) == 1


async def test_open_tickets_that_cannot_be_searched_for_make_all_accounts_partial_until_they_can() -> None:
    asked = desk(mishap=status(403), at="search/export")
    for _ in range(2):
        found = (await asked.deliver())["ticket"]
        assert found.rows == [SLOW_EXPORT, ON_HOLD, STRAY, ESCALATED]
        assert found.note == "Open tickets that were not updated within `history_days` could not be searched for"
        assert found.states == {"A-1": State.PARTIAL, "A-2": State.PARTIAL}
    asked.transport.mishap = None
    assert (await asked.deliver())["ticket"].note == ""


async def test_an_old_open_stray_is_found_for_one_account_too() -> None:
    stray = {**LONG_OPEN, "organization_id": None, "requester_id": 1}
    query = "organization:none requester:*@northwind.example updated<2026-07-24 status<solved"
    assert "490" in await desk(*_searched(query, stray)).tickets("A-1")


async def test_a_domain_of_two_accounts_hands_over_no_stray_whatever_the_organization_says() -> None:
    known = (*SUBJECT.accounts, Candidate("B-1", domains=("www.northwind.example",)))
    for accounts in ((), ("A-1",)):
        found = (await desk().deliver(*accounts, known=known))["ticket"]
        assert "501" in _ids(found)
        assert "504" not in _ids(found)


async def test_a_domain_of_another_account_hands_over_no_stray() -> None:
    known = (Candidate("A-1"), Candidate("B-1", domains=("northwind.example",)))
    for accounts in ((), ("A-1",)):
        assert _ids((await desk().deliver(*accounts, known=known))["ticket"]) >= {"501", "502"}
        assert "504" not in _ids((await desk().deliver(*accounts, known=known))["ticket"])


async def test_a_shared_domain_hands_over_no_stray() -> None:
    for accounts in ((), ("A-1",)):
        found = (await desk().deliver(*accounts, shared_domains=frozenset({"northwind.example"})))["ticket"]
        assert "501" in _ids(found)
        assert "504" not in _ids(found)


async def test_a_list_of_organizations_that_was_cut_hands_over_no_stray_and_says_so() -> None:
    empty = answer("organizations/1001/tickets", {"tickets": [], "meta": {"has_more": False}})
    asked = desk(max_pages=1)
    kept = [e for e in SUBJECT.recorded.exchanges if not e.path.endswith("1001/tickets")]
    asked.transport.recording = Recording((*kept, empty))
    found = (await asked.deliver("A-1"))["ticket"]
    assert found.rows == []
    assert found.states == {"A-1": State.PARTIAL}
    cut = "Tickets without an organization are left out, because the list of organizations was cut: "
    assert found.note.startswith(cut)


def _ids(found: Delivery) -> set[str]:
    return {row.ticket_id for row in rows_of(found) if isinstance(row, Ticket)}


async def test_refresh_reads_the_list_of_organizations_again_but_once() -> None:
    asked = desk()
    for refresh in (False, False, True):
        await asked.deliver(refresh=refresh)
    assert asked.asked.count("organizations") == 4


async def test_a_list_of_organizations_that_is_not_fresh_says_how_old_it_is() -> None:
    asked = desk()
    notes = []
    for minutes in (0, 1, 42):
        asked.hours.append(AS_OF.replace(tzinfo=UTC) + timedelta(minutes=minutes))
        found = (await asked.deliver())["ticket"]
        notes.append(found.note)
        assert set(found.states.values()) == set()
    assert notes == ["", "", "The list of organizations is 42 min old; `refresh` has it read again"]


async def test_organizations_can_be_the_accounts() -> None:
    asked = desk(lists_accounts=True)
    found = await asked.deliver(known=(Candidate("1001", domains=("northwind.example",)),))
    assert asked.connector.provides() == {"account": Source.CRM, "ticket": Source.SUPPORT}
    assert rows_of(found["account"])[:2] == [
        Account(
            account_id="1001",
            name="Northwind Traders",
            domains=("northwind.example", "www.northwind.example"),
            external_id="A-1",
            updated_at=datetime(2026, 11, 2, 8, 30),
        ),
        Account(
            account_id="1002",
            name=ACME_NAME,
            domains=("acme.example",),
            updated_at=datetime(2026, 11, 2, 8, 30),
        ),
    ]
    assert [row.account_id for row in rows_of(found["ticket"])].count("1001") == 3


async def test_an_organization_that_cannot_be_read_is_told_each_time_accounts_are_listed() -> None:
    broken = answer("organizations", {"organizations": [{"id": 1, "name": None}], "meta": {"has_more": False}})
    asked = desk(lists_accounts=True)
    asked.transport.recording = Recording((broken,))
    for _ in range(2):
        query = Query(AS_OF, tables=frozenset({"account"}))
        (found,) = await asked.connector.fetch(query)
        assert found.rejected_total == 1
    assert asked.asked == ["organizations"]


async def test_an_api_token_an_access_token_and_an_oauth_client_are_ways_in() -> None:
    basic = desk()
    await basic.deliver()
    assert _authorization(basic) == "Basic " + b64encode(b"robot@vendor.example/token:t0kenThatNobodyMaySee").decode()
    bearer = desk(**{**NO_WAY_IN, "access_token": "acc3ss"})
    await bearer.deliver()
    assert _authorization(bearer) == "Bearer acc3ss"
    granted = Exchange.model_validate({"method": "POST", "path": "/oauth/tokens", "json": {"access_token": "gr4nted"}})
    client = desk(granted, **{**NO_WAY_IN, "client_id": "health", "client_secret": "s3cret"})
    await client.deliver()
    assert _authorization(client) == "Bearer gr4nted"
    assert b"scope=read" in client.transport.sent[0].request.content


def _authorization(asked: Desk) -> str:
    return str(asked.transport.sent[-1].request.headers["authorization"])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"email": "robot@vendor.example"},
        {"client_id": "health"},
        {"access_token": SecretStr("a"), "email": "robot@vendor.example", "api_token": SecretStr("b")},
    ],
)
async def test_exactly_one_way_in_is_wanted(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="give `client_id` and `client_secret`, or `access_token`, or `email`"):
        ZendeskSettings.model_validate({"base_url": "https://acme.zendesk.com", **settings})


async def test_a_check_says_which_field_is_missing_and_what_may_not_be_read() -> None:
    asked = desk(
        answer("organization_fields", {"organization_fields": [{"key": "crm_id"}], "meta": {"has_more": False}}),
        answer("ticket_audits", {}, 403),
        account_id_fields=("crm_id", "CRM Id"),
        escalated_field=360009,
    )
    checkup = await asked.connector.check(AS_OF)
    assert checkup.api_version == "v2"
    assert {probe.subject: probe.is_ok for probe in checkup.probes} == {
        "ticket": True,
        "records": True,
        "ticket_audits": False,
        "ticket_fields 360009": False,
        "organization_fields": False,
    }
    assert checkup.probes[-1].finding == "there is no CRM Id"
    assert "permission `read`" in checkup.probes[2].advice


async def test_a_check_reads_one_page_of_the_export_and_keeps_nothing_of_it() -> None:
    asked = desk(lists_accounts=True)
    await asked.connector.check(AS_OF)
    (params,) = asked.params("incremental/tickets/cursor")
    assert params["per_page"] == "100"
    assert len(rows_of((await asked.deliver())["account"])) == 5


async def test_without_organizations_nothing_can_be_told_of_all_accounts() -> None:
    with pytest.raises(SourceError) as caught:
        await desk(mishap=status(403), at="organizations").deliver()
    assert caught.value.fault is Fault.PERMISSION
