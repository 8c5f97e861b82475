"""BottleCRM: the kit, what its accounts, cases, deals, invoices and interactions become, and what is asked for that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import httpx2
import pytest
from pydantic import ValidationError

from account_health.config import load_config
from account_health.connectors.base import Context
from account_health.connectors.registry import Unavailable, build
from account_health.errors import ConfigurationError, Fault
from account_health.identity import Candidate
from account_health.model import State
from account_health.tables import Account, Invoice, Opportunity, Ticket, Touchpoint
from account_health.testing import ConnectorConformance, Recorded, Subject, at_path
from account_health.testing.mishaps import changed, status
from account_health.testing.subject import rows_of
from given import AS_OF

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from account_health.connectors.base import Checkup, Delivery, Query
    from account_health.tables import Row
    from account_health.testing import Mishap
    from account_health.testing.recorded import When

pytestmark = pytest.mark.anyio

HARBOURLIGHT = "1f6f2c5e-0a51-4f0e-9c39-5d1f3b7f0a01"
CALM = "2b7c0d92-6c3b-4a52-8d4f-7e6a1c9b0a02"
HOSTILE = "3c8d1ea3-7d4c-4b63-9e5a-8f7b2dac0a03"
DEPARTED = "4d9e2fb4-8e5d-4c74-8f6b-908c3ebd0a04"
NOBODY = "9e9e9e9e-0000-4000-8000-00000000000e"

FIELDS = {
    "segment": "segment",
    "arr": "arr",
    "renewal_date": "renewal_on",
    "licensed_seats": "seats",
    "contract_status": "standing",
    "crm_score": "health",
    "external_id": "crm_ref",
}
SUBJECT = Subject(
    connector="bottlecrm",
    recording=Path(__file__).parent / "recordings" / "bottlecrm.json",
    settings={
        "base_url": "https://crm.tidewater.example",
        "page_size": 2,
        "closed_accounts": True,
        "account_fields": FIELDS,
        "contract_words": {"running": "active"},
        "currency": "USD",
    },
    as_of=AS_OF,
    accounts=tuple(Candidate(account) for account in (HARBOURLIGHT, CALM, HOSTILE, DEPARTED)),
    asked=HARBOURLIGHT,
    unknown=Candidate(NOBODY, domains=("nobody.example",)),
)


class TestBottleCrm(ConnectorConformance):
    """What holds for every live connector."""

    subject = SUBJECT


async def delivered(
    table: str,
    query: Query = SUBJECT.one,
    mishap: Mishap | None = None,
    when: When = lambda *_: True,
    **settings: Any,
) -> Delivery:
    """The delivery of a table, with other settings or after a mishap."""
    wanted = replace(query, tables=frozenset({table}))
    (found,) = (await SUBJECT.ask(wanted, mishap, when=when, **settings)).deliveries
    return found


async def rows(table: str, query: Query = SUBJECT.one, **settings: Any) -> Sequence[Row]:
    """The rows of a table."""
    return list(rows_of(await delivered(table, query, **settings)))


async def asked(query: Query, *tables: str, **settings: Any) -> list[str]:
    """The requests that a question takes, each as path and params."""
    transport = SUBJECT.transport()
    await SUBJECT.build(transport, **settings).fetch(replace(query, tables=frozenset(tables)))
    return [str(sent.request.url.copy_with(scheme=None, host=None)) for sent in transport.sent]


async def checkup(transport: Recorded | None = None, **settings: Any) -> Checkup:
    """What `sources check` is told."""
    connector: Any = SUBJECT.build(transport or SUBJECT.transport(), **settings)
    found: Checkup = await connector.check(AS_OF)
    return found


def without(key: str) -> Callable[[Any], Any]:
    """Answers in which this list is empty."""
    return lambda content: {**content, key: []}


async def test_an_account_is_what_it_says_and_what_its_custom_fields_say() -> None:
    assert await rows("account") == [
        Account(
            account_id=HARBOURLIGHT,
            name="Harbourlight Söhne GmbH",
            domains=("harbourlight.example",),
            owner="Kim Roe",
            segment="Enterprise",
            arr=120000.5,
            currency="EUR",
            renewal_date=date(2027, 1, 5),
            licensed_seats=40,
            contract_status="active",
            crm_score=62,
            crm_score_low=0,
            crm_score_high=100,
            crm_score_higher_is="healthier",
            external_id="H-17",
        )
    ]


async def test_free_mail_is_no_domain_and_an_owner_without_a_name_has_an_address() -> None:
    (calm,) = [row for row in await rows("account", SUBJECT.all) if row.account_id == CALM]
    assert calm == Account(account_id=CALM, name="Calm Waters Ltd", domains=(), owner="kim@tidewater.example")


async def test_a_revenue_of_nothing_is_one_and_has_the_currency_of_the_settings() -> None:
    (hostile,) = [row for row in await rows("account", SUBJECT.all) if row.account_id == HOSTILE]
    assert hostile == Account(
        account_id=HOSTILE,
        name="<img src=x onerror=alert(1)> ](http://evil.example) \u202eevil",
        domains=("hostile.example",),
        arr=0,
        currency="USD",
    )


async def test_what_an_account_earns_is_not_what_it_pays() -> None:
    (row,) = await rows("account", account_fields={})
    assert row == Account(
        account_id=HARBOURLIGHT, name="Harbourlight Söhne GmbH", domains=("harbourlight.example",), owner="Kim Roe"
    )


async def test_closed_accounts_are_none_unless_the_settings_say_so() -> None:
    (closed,) = [row for row in await rows("account", SUBJECT.all) if row.account_id == DEPARTED]
    assert isinstance(closed, Account)
    assert closed.lifecycle == "closed"
    ids = {row.account_id for row in await rows("account", SUBJECT.all, closed_accounts=False)}
    assert ids == {HARBOURLIGHT, CALM, HOSTILE}


async def test_the_first_won_deal_makes_a_customer_only_where_the_settings_say_so() -> None:
    (account,) = await rows("account", first_deal_is_start=True)
    assert isinstance(account, Account)
    assert account.customer_since == date(2025, 10, 17)


async def test_a_contract_word_of_no_meaning_makes_the_account_unreadable_and_not_active() -> None:
    found = await delivered("account", contract_words={})
    assert list(rows_of(found)) == []
    assert [row.account_id for row in found.rejected] == [HARBOURLIGHT]
    assert found.rejected[0].problem.startswith("contract_status: ")


async def test_whoever_is_meant_is_among_all_accounts_because_domains_cannot_be_searched() -> None:
    named = replace(SUBJECT.all, like="harbourlight.example")
    assert {row.account_id for row in await rows("account", named)} == {HARBOURLIGHT, CALM, HOSTILE, DEPARTED}


async def test_cases_are_tickets_with_the_words_of_the_settings() -> None:
    assert sorted(await rows("ticket"), key=lambda row: row.model_dump()["ticket_id"]) == [
        Ticket(
            account_id=HARBOURLIGHT,
            ticket_id="ca5e0000-0000-4000-8000-000000000001",
            opened_at=datetime(2026, 11, 19, 8, 0, 0, 755742),
            priority="urgent",
            status="open",
            subject="Export drops rows",
        ),
        Ticket(
            account_id=HARBOURLIGHT,
            ticket_id="ca5e0000-0000-4000-8000-000000000002",
            opened_at=datetime(2026, 11, 15, 5),
            priority="high",
            status="open",
            escalated_at=datetime(2026, 11, 20, 7, 15, 0, 191358),
            subject="Login fails for half of us",
        ),
        Ticket(
            account_id=HARBOURLIGHT,
            ticket_id="ca5e0000-0000-4000-8000-000000000003",
            opened_at=datetime(2026, 11, 10, 9),
            solved_at=datetime(2026, 11, 12, 15, 30),
            priority="normal",
            status="closed",
            subject="Report is slow",
        ),
        Ticket(
            account_id=HARBOURLIGHT,
            ticket_id="ca5e0000-0000-4000-8000-000000000007",
            opened_at=datetime(2024, 3, 1, 9),
            priority="normal",
            status="pending",
            subject="Open for ages",
        ),
    ]


async def test_a_rejected_case_is_closed_although_nothing_says_when() -> None:
    (ticket,) = [row for row in await rows("ticket", SUBJECT.all) if row.account_id == CALM]
    assert isinstance(ticket, Ticket)
    assert (ticket.status, ticket.solved_at) == ("closed", None)


async def test_a_case_of_no_account_is_nobodys_and_no_fault() -> None:
    found = await delivered("ticket", SUBJECT.all)
    assert "Nobody's case" not in {row.model_dump()["subject"] for row in rows_of(found)}
    assert (found.rejected_total, found.states) == (0, {})


async def test_a_priority_of_no_meaning_makes_a_ticket_unreadable() -> None:
    found = await delivered("ticket", ticket_priorities={"High": "high", "Low": "low", "Normal": "normal"})
    assert [row.problem.partition(":")[0] for row in found.rejected] == ["priority"]
    assert len(rows_of(found)) == 3


async def test_escalations_are_unknown_where_no_policy_escalates() -> None:
    policies = at_path("/api/cases/escalation-policies/")
    found = await delivered("ticket", mishap=changed(without("policies")), when=policies)
    assert "escalated_at" not in found.columns
    assert {row.model_dump()["escalated_at"] for row in rows_of(found)} == {None}
    assert "escalated_at" in (await delivered("ticket")).columns


async def test_a_priority_can_mean_escalated_from_the_first_minute() -> None:
    found = await rows("ticket", escalated_priorities=("Urgent", "High"))
    escalated = {row.model_dump()["subject"]: row.model_dump()["escalated_at"] for row in found}
    assert escalated == {
        "Export drops rows": datetime(2026, 11, 19, 8, 0, 0, 755742),
        "Login fails for half of us": datetime(2026, 11, 20, 7, 15, 0, 191358),
        "Report is slow": None,
        "Open for ages": None,
    }


async def test_deals_with_existing_accounts_are_opportunities() -> None:
    assert await rows("opportunity") == [
        Opportunity(
            account_id=HARBOURLIGHT,
            opportunity_id="dea10000-0000-4000-8000-000000000001",
            kind="renewal",
            stage_kind="open",
            amount=120000.5,
            currency="EUR",
            created_at=datetime(2026, 7, 24, 22, 28, 59, 8582),
            close_date=date(2027, 1, 5),
        ),
        Opportunity(
            account_id=HARBOURLIGHT,
            opportunity_id="dea10000-0000-4000-8000-000000000002",
            kind="expansion",
            stage_kind="won",
            amount=0,
            currency="EUR",
            created_at=datetime(2026, 7, 4, 9),
            close_date=date(2026, 11, 1),
        ),
        Opportunity(
            account_id=HARBOURLIGHT,
            opportunity_id="dea10000-0000-4000-8000-000000000003",
            kind="expansion",
            stage_kind="lost",
            created_at=datetime(2026, 6, 24, 9),
            close_date=date(2026, 10, 22),
        ),
    ]


async def test_other_types_of_deals_can_be_given_a_meaning() -> None:
    found = await rows("opportunity", SUBJECT.all, deal_types={"EXISTING_BUSINESS": "downgrade"})
    assert [(row.account_id, row.model_dump()["kind"]) for row in found] == [(CALM, "downgrade")]


async def test_invoices_are_those_of_the_window_and_older_ones_that_are_owed() -> None:
    told = [
        ("1", "open", 30000.13, datetime(2026, 9, 27), datetime(2026, 10, 27)),
        ("2", "draft", 2, datetime(2026, 10, 12), datetime(2026, 11, 11)),
        ("3", "paid", 30000, datetime(2026, 6, 29), datetime(2026, 7, 29)),
        ("5", "open", 500, datetime(2024, 9, 22), datetime(2024, 10, 22)),
    ]
    assert await rows("invoice") == [
        Invoice(
            account_id=HARBOURLIGHT,
            invoice_id=f"1a701ce0-0000-4000-8000-00000000000{number}",
            status=state,
            amount=amount,
            currency="EUR",
            issued_at=issued,
            due_at=due,
        )
        for number, state, amount, issued, due in told
    ]


async def test_days_are_those_of_the_organisation() -> None:
    invoice = (await rows("invoice", time_zone="America/New_York"))[0]
    assert isinstance(invoice, Invoice)
    assert (invoice.issued_at, invoice.due_at) == (datetime(2026, 9, 27, 4), datetime(2026, 10, 27, 4))


async def test_a_cancelled_invoice_is_void_and_one_without_a_due_day_is_never_overdue() -> None:
    calm = [row for row in await rows("invoice", SUBJECT.all) if row.account_id == CALM]
    assert [(row.model_dump()["status"], row.model_dump()["due_at"]) for row in calm] == [
        ("void", datetime(2026, 10, 22)),
        ("open", None),
    ]


async def test_interactions_are_touchpoints_and_those_of_executives_are_found_on_their_contacts() -> None:
    def touch(number: int, at: datetime, kind: str, direction: str, **more: bool) -> Touchpoint:
        key = f"7a1c0000-0000-4000-8000-00000000000{number}"
        said = {"touchpoint_id": key, "at": at, "kind": kind, "direction": direction, **more}
        return Touchpoint.model_validate({"account_id": HARBOURLIGHT, **said})

    assert await rows("touchpoint") == [
        touch(1, datetime(2026, 11, 18, 7), "mail", "inbound"),
        touch(2, datetime(2026, 11, 9, 10, 15), "call", "outbound", attended=False, replied=False),
        touch(3, datetime(2026, 9, 12, 8), "qbr", "outbound"),
        touch(5, datetime(2026, 10, 20, 14), "call", "outbound", attended=True, replied=True, executive=True),
    ]


async def test_a_logged_meeting_was_attended_where_the_settings_say_so() -> None:
    found = {row.model_dump()["kind"]: row.model_dump()["attended"] for row in await rows("touchpoint")}
    assert found["qbr"] is None
    found = {
        r.model_dump()["kind"]: r.model_dump()["attended"] for r in await rows("touchpoint", meetings_attended=True)
    }
    assert found["qbr"] is True


async def test_nothing_is_said_of_executives_where_no_title_makes_one() -> None:
    assert "executive" not in (await delivered("touchpoint", executive_titles=())).columns
    assert not any("contact=" in url for url in await asked(SUBJECT.one, "touchpoint", executive_titles=()))


async def test_an_assistant_to_an_executive_is_none() -> None:
    urls = [url for url in await asked(SUBJECT.one, "touchpoint", not_executive_titles=()) if "contact=" in url]
    assert len(urls) == 2
    assert len([url for url in await asked(SUBJECT.one, "touchpoint") if "contact=" in url]) == 1


async def test_executives_beyond_the_most_are_said_to_be_missing() -> None:
    found = await delivered("touchpoint", not_executive_titles=(), most_executives=1)
    assert found.note == "Of 2 executives only 1 were asked about."
    assert found.states == {HARBOURLIGHT: State.PARTIAL}


async def test_without_the_permission_for_contacts_the_interactions_of_the_account_still_count() -> None:
    found = await delivered("touchpoint", mishap=status(403), when=lambda _, request: "contact" in request.url.params)
    assert (found.failure, found.states) == (None, {HARBOURLIGHT: State.PARTIAL})
    assert found.note == "What was logged on executives may not be read; grant `contacts:read`."
    assert len(rows_of(found)) == 3


async def test_the_interactions_of_few_accounts_are_read_and_those_of_more_are_said_to_be_missing() -> None:
    few = await delivered("touchpoint", SUBJECT.all)
    assert (few.note, few.states) == ("", {})
    urls = [httpx2.URL(url) for url in await asked(SUBJECT.all, "touchpoint")]
    assert {url.path for url in urls} >= {
        f"/api/accounts/{account}/" for account in (HARBOURLIGHT, CALM, HOSTILE, DEPARTED)
    }
    many = await delivered("touchpoint", SUBJECT.all, most_accounts=2)
    assert many.states == dict.fromkeys((HARBOURLIGHT, CALM, HOSTILE, DEPARTED), State.PARTIAL)
    assert many.note == "BottleCRM lists interactions account by account: too often for more than 2 at once."


async def test_one_account_takes_a_call_for_each_table_and_for_its_policies_contacts_and_executives() -> None:
    urls = await asked(SUBJECT.one, "ticket", "opportunity", "invoice", "touchpoint", page_size=100)
    of_first_pages = [httpx2.URL(url) for url in urls if "offset=" not in url]
    assert sorted((url.path, url.params.get("contact", "")) for url in of_first_pages) == [
        (f"/api/accounts/{HARBOURLIGHT}/", ""),
        ("/api/cases/", ""),
        ("/api/cases/escalation-policies/", ""),
        ("/api/interactions/", ""),
        ("/api/interactions/", "c0a70000-0000-4000-8000-000000000001"),
        ("/api/invoices/", ""),
        ("/api/opportunities/", ""),
    ]


async def test_pages_are_counted_by_us_because_the_offset_in_an_answer_is_another() -> None:
    urls = [url for url in await asked(SUBJECT.one, "ticket") if "account=" in url]
    assert [httpx2.URL(url).params.get("offset", "0") for url in urls] == ["0", "2", "4"]


async def test_every_path_ends_in_a_slash_because_others_are_redirected() -> None:
    tables = ("account", "ticket", "opportunity", "invoice", "touchpoint")
    for query in (SUBJECT.one, SUBJECT.all):
        assert [url for url in await asked(query, *tables) if not httpx2.URL(url).path.endswith("/")] == []


async def test_lists_of_cases_leave_out_the_catalogues_that_come_with_them() -> None:
    urls = [url for url in await asked(SUBJECT.all, "ticket") if "escalation" not in url]
    assert {httpx2.URL(url).params["slim"] for url in urls} == {"true"}


async def test_where_another_crm_lists_the_accounts_those_of_bottlecrm_are_matched_to_them() -> None:
    others = (Candidate("A-1", domains=("harbourlight.example",)), Candidate("A-2", external_id="X-2"))
    known = replace(SUBJECT.known, accounts=others)
    found = await delivered("ticket", replace(SUBJECT.all, known=known), lists_accounts=False)
    assert {row.account_id for row in rows_of(found)} == {"A-1"}
    assert found.matched == {"A-1": "domain `harbourlight.example`"}
    assert found.unmatched_rows == 2
    assert "account" not in SUBJECT.build(SUBJECT.transport(), lists_accounts=False).provides()


async def test_an_account_is_matched_by_the_id_in_its_custom_field() -> None:
    known = replace(SUBJECT.known, accounts=(Candidate("A-9", external_id="H-17"),))
    found = await delivered("invoice", replace(SUBJECT.all, known=known), lists_accounts=False)
    assert found.matched == {"A-9": "external id"}


async def test_a_refusal_names_the_scope_and_that_a_bad_token_is_refused_alike() -> None:
    found = await delivered("opportunity", mishap=status(403))
    assert found.fault is Fault.PERMISSION
    assert found.failure is not None
    assert "`opportunities:read`" in found.failure
    assert "BottleCRM refuses a wrong or expired token alike." in found.failure


async def test_a_part_that_is_switched_off_has_failed_and_is_not_empty() -> None:
    found = await delivered("ticket", mishap=status(404), when=at_path("/api/cases/"))
    assert found.fault is Fault.NOT_FOUND
    assert found.failure is not None
    assert "switched this part of BottleCRM off" in found.failure


async def test_a_check_reads_a_page_of_each_table_and_says_what_is_set_up() -> None:
    found = await checkup()
    assert [(probe.subject, probe.rows) for probe in found.probes] == [
        ("account", 3),
        ("ticket", 3),
        ("opportunity", 2),
        ("invoice", 3),
        ("touchpoint", 4),
        ("escalation policies", None),
        ("custom fields", None),
    ]
    assert all(probe.is_ok for probe in found.probes)


async def test_a_check_advises_to_set_up_escalations_and_to_correct_custom_fields() -> None:
    transport = SUBJECT.transport(changed(without("policies")), at_path("/api/cases/escalation-policies/"))
    found = await checkup(transport, account_fields={"arr": "yearly"})
    policies, fields = found.probes[-2:]
    assert (policies.finding, policies.is_ok) == ("0 active", False)
    assert "escalations are unknown" in policies.advice
    assert (fields.finding, fields.is_ok) == ("not there: yearly", False)


async def test_a_check_without_the_scope_of_custom_fields_names_it() -> None:
    found = await checkup(SUBJECT.transport(status(403), at_path("/api/custom-fields/")))
    assert not found.probes[-1].is_ok
    assert "`custom-fields:read`" in found.probes[-1].advice


@pytest.mark.parametrize("token", ["", "  ", "bcrm_pat_\u00e9"])
def test_a_token_that_cannot_be_sent_is_refused_before_anything_is_asked(token: str) -> None:
    settings = {**SUBJECT.settings, "token": token or " "}
    with pytest.raises(ConfigurationError, match="token is empty or holds characters that cannot be sent"):
        replace(SUBJECT, settings=settings).build(SUBJECT.transport())


def test_a_token_that_is_not_there_fails_this_source_and_says_what_to_set(tmp_path: Path) -> None:
    path = tmp_path / "account-health.toml"
    path.write_text(
        '[sources.crm]\nconnector = "bottlecrm"\nbase_url = "https://c.example"\ntoken = { env = "BOTTLECRM_TOKEN" }\n',
        "utf-8",
    )
    (source,) = load_config(path, {"BOTTLECRM_TOKEN": " "}).sources
    built = build(source, Context(tmp_path, duckdb.connect(), lambda: AS_OF.replace(tzinfo=UTC)))
    assert isinstance(built, Unavailable)
    assert built.problem.message == "token: The environment variable BOTTLECRM_TOKEN is empty."
    assert set(built.provides()) == {"account", "ticket", "opportunity", "invoice", "touchpoint"}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"time_zone": "Mars/Olympus"}, "no such time zone"),
        ({"account_fields": {"arr": ""}}, "the key of a custom field"),
        ({"account_fields": {"name": "x"}}, "account_fields"),
        ({"page_size": 1001}, "page_size"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        SUBJECT.checked_settings(**settings)
