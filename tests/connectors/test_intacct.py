"""Sage Intacct: what its customers and invoices become, what it is asked, and what a first check finds out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import SecretStr

from account_health.connectors.base import Context, Delivery, Probe, Query
from account_health.connectors.intacct import Intacct, IntacctSettings
from account_health.errors import Fault
from account_health.identity import Candidate, Known
from account_health.model import State
from account_health.tables import Account, Invoice
from account_health.testing import ConnectorConformance, Subject
from account_health.testing.subject import answered, rows_of
from given import AS_OF
from intacct_company import CUSTOMER, INVOICE, Company, Health

pytestmark = pytest.mark.anyio

TOKEN_PATH = "/ia/api/v1/oauth2/token"  # noqa: S105 - where tokens are, not one of them
QUERY_PATH = "/ia/api/v1/services/core/query"

SUBJECT = Subject(
    connector="intacct",
    recording=Path(__file__).parent / "recordings" / "intacct.json",
    settings={"client_id": "app.example", "username": "reader@acme", "page_size": 2},
    as_of=AS_OF,
    accounts=(Candidate("C-100", domains=("northwind.example",)), Candidate("A-2", domains=("acme.example",))),
    asked="C-100",
    search_posts=(QUERY_PATH,),
    token_path=TOKEN_PATH,
)


class TestIntacct(ConnectorConformance):
    """The kit."""

    subject = SUBJECT


def connector(company: Company, **settings: Any) -> Intacct:
    """A connector to this company."""
    base = {
        "client_id": company.client_id,
        "client_secret": SecretStr(company.client_secret),
        "username": company.username,
        "base_url": company.base_url,
        "requests_per_second": 1000,
    }
    checked = IntacctSettings.model_validate({**base, **settings})
    return Intacct("erp", checked, Context(Path(), duckdb.connect(), company.clock, company))


async def read(company: Company, query: Query | None = None, **settings: Any) -> dict[str, Delivery]:
    """The tables of a company whose customers are the accounts, unless told otherwise."""
    asked = query or Query(AS_OF)
    found = await connector(company, **{"lists_accounts": True, **settings}).fetch(asked)
    return {delivery.table: delivery for delivery in found}


async def accounts(company: Company, query: Query | None = None, **settings: Any) -> list[Account]:
    """The accounts it lists."""
    delivery = (await read(company, query, **settings))["account"]
    assert delivery.failure is None
    return [row for row in rows_of(delivery) if isinstance(row, Account)]


async def invoices(company: Company, **settings: Any) -> list[Invoice]:
    """The invoices it has."""
    delivery = (await read(company, **settings))["invoice"]
    assert delivery.failure is None
    return [row for row in rows_of(delivery) if isinstance(row, Invoice)]


async def check(company: Company, **settings: Any) -> dict[str, Probe]:
    """What `sources check` finds, by its subject."""
    checkup = await connector(company, **{"lists_accounts": True, **settings}).check(AS_OF)
    return {probe.subject: probe for probe in checkup.probes}


def one(*ids: str) -> Query:
    """The question about some accounts, each known by its id."""
    return Query(AS_OF, ids, known=Known(tuple(Candidate(i) for i in ids)))


def named(company: Company, wanted: str) -> list[Any]:
    """The queries about one kind of object."""
    return [query for query in company.queries if query["object"] == wanted]


def of_many(count: int) -> Company:
    """A company of so many customers."""
    company = Company()
    for number in range(count):
        company.add_customer(f"C-{number:05}", score=number % 101)
    return company


# Invoices


async def test_invoices_tell_amounts_days_and_how_they_stand() -> None:
    found = await answered(SUBJECT, SUBJECT.all)
    assert [row.model_dump(exclude_none=True) for row in found.rows if row.account_id == "C-100"] == [
        {
            "account_id": "C-100",
            "invoice_id": "1",
            "amount": 1200.0,
            "currency": "USD",
            "issued_at": datetime(2026, 9, 1),
            "due_at": datetime(2026, 10, 1),
            "status": "open",
        },
        {
            "account_id": "C-100",
            "invoice_id": "2",
            "amount": 80.5,
            "currency": "EUR",
            "issued_at": datetime(2026, 10, 1),
            "due_at": datetime(2026, 10, 31),
            "paid_at": datetime(2026, 10, 20),
            "status": "paid",
        },
    ]


@pytest.mark.parametrize(
    ("state", "unpaid", "status"),
    [
        ("draft", "100.00", "draft"),
        ("posted", "100.00", "open"),
        ("posted", "0.00", "paid"),
        ("posted", None, "open"),
        ("partiallyPaid", "40.00", "open"),
        ("selected", "100.00", "open"),
        ("paid", "0.00", "paid"),
        ("reversed", "0.00", "void"),
        ("reversal", "0.00", "void"),
        ("noValue", "100.00", "open"),
        ("noValue", "0.00", "paid"),
        ("noValue", None, None),
    ],
)
async def test_every_state_of_an_invoice_has_its_word(state: str, unpaid: str | None, status: str | None) -> None:
    company = Company()
    company.add_customer("C-1")
    company.add_invoice("C-1", state=state)["totalTxnAmountDue"] = unpaid
    (row,) = await invoices(company)
    assert row.status == status


async def test_a_day_of_payment_counts_only_once_all_is_paid() -> None:
    company = Company()
    company.add_customer("C-1")
    company.add_invoice("C-1", state="partiallyPaid", unpaid="1.00", paid="2026-10-09")
    (row,) = await invoices(company)
    assert row.paid_at is None


async def test_a_credit_is_no_amount_that_anybody_owes() -> None:
    company = Company()
    company.add_customer("C-1")
    company.add_invoice("C-1", amount="-50.00")
    (row,) = await invoices(company)
    assert (row.amount, row.currency, row.status) == (None, None, "paid")


async def test_an_amount_without_a_currency_takes_that_of_the_settings_or_is_left_out() -> None:
    company = Company()
    company.add_customer("C-1")
    company.add_invoice("C-1")["currency.txnCurrency"] = None
    (without,) = await invoices(company)
    (row,) = await invoices(company, currency="CAD")
    assert (without.amount, without.currency) == (None, None)
    assert (row.amount, row.currency) == (100.0, "CAD")


async def test_days_are_those_of_the_company() -> None:
    company = Company()
    company.add_customer("C-1")
    company.add_invoice("C-1", due="2026-10-31")
    (row,) = await invoices(company, time_zone="America/Toronto")
    assert row.due_at == datetime(2026, 10, 31, 4)


async def test_old_invoices_are_read_only_while_something_is_due_on_them() -> None:
    company = Company()
    company.add_customer("C-1")
    company.add_invoice("C-1", on="2024-01-01", state="paid")
    company.add_invoice("C-1", on="2024-01-01", state="posted")
    assert [row.invoice_id for row in await invoices(company)] == ["2"]


# Accounts and their health


async def test_a_customer_tells_its_health_in_the_words_of_sages_screens() -> None:
    company = Company()
    company.add_customer("C-1", "Acme", score=62, status="atRisk", churn=True, email="ap@acme.example")
    company.add_customer("C-2", "Globex", score=91, status="healthy")
    company.add_customer("C-3", "Initech", status="escalated")
    acme, globex, initech = await accounts(company)
    assert (acme.crm_score, acme.crm_score_low, acme.crm_score_high, acme.crm_score_higher_is) == (
        62,
        0,
        100,
        "healthier",
    )
    assert acme.domains == ("acme.example",)
    assert [row.crm_status for row in (acme, globex, initech)] == ["At risk, at risk for churn", "Healthy", "Escalated"]
    assert initech.crm_score is None


async def test_a_status_that_nobody_set_is_none() -> None:
    company = Company()
    company.add_customer("C-1", status="healthy")
    company.add_customer("C-2", status="healthy", churn=True)
    assert [row.crm_status for row in await accounts(company)] == [None, "Healthy, at risk for churn"]
    taken = await accounts(company, unset_status=None)
    assert taken[0].crm_status == "Healthy"


async def test_a_status_in_french_arrives_as_it_is_written() -> None:
    company = Company(Health(score="nsp::POINTAGE", status="nsp::ETAT_SANTE", churn="", statuses=()))
    company.add_customer("C-1", score=40, status="À risque")
    (row,) = await accounts(
        company, health_score_field="nsp::POINTAGE", health_status_field="nsp::ETAT_SANTE", churn_risk_field=None
    )
    assert (row.crm_score, row.crm_status) == (40, "À risque")


async def test_health_fields_that_are_not_there_cost_only_what_they_would_tell() -> None:
    company = Company(Health(score="", status="", churn=""))
    company.add_customer("C-1", "Acme", email="ap@acme.example")
    delivery = (await read(company))["account"]
    assert [(row.account_id, row.crm_score) for row in rows_of(delivery) if isinstance(row, Account)] == [("C-1", None)]
    assert "crm_score" not in delivery.columns
    assert "crm_status" not in delivery.columns
    assert "domains" in delivery.columns
    assert "`customerAccountHealth.healthScore`" in delivery.note
    assert "sources check" in delivery.note


async def test_fields_of_the_contact_that_queries_may_not_name_cost_only_the_domains() -> None:
    company = Company()
    company.add_customer("C-1", "Acme", score=50, email="ap@acme.example")
    delivery = (await read(company, domain_fields=["contacts.primary.email1"]))["account"]
    (row,) = rows_of(delivery)
    assert isinstance(row, Account)
    assert (row.crm_score, row.domains) == (50, ())
    assert "domains" not in delivery.columns


async def test_an_inactive_customer_is_no_account_unless_the_settings_say_so() -> None:
    company = Company()
    company.add_customer("C-1")["status"] = "inactive"
    company.add_customer("C-2")
    assert [row.account_id for row in await accounts(company)] == ["C-2"]
    assert [row.account_id for row in await accounts(company, customer_statuses=[])] == ["C-1", "C-2"]
    assert await accounts(company, one("C-1")) == []


async def test_a_search_finds_by_name_id_and_domain_and_whoever_shares_a_domain() -> None:
    company = Company()
    company.add_customer("C-1", "Acme Corp", email="ap@acme.example")
    company.add_customer("C-2", "Another", email="ap@acme.example")
    company.add_customer("C-3", "Globex", email="ap@globex.example")
    for text in ("acme corp", "C-1", "https://acme.example"):
        found = await accounts(company, Query(AS_OF, tables=frozenset({"account"}), like=text))
        assert {row.account_id for row in found} == {"C-1", "C-2"}, text


# Matching with the accounts of another CRM


async def test_customers_are_matched_by_their_id_by_a_field_and_by_domain() -> None:
    company = Company(Health(score="nsp::CRM_ID", status="", churn=""))
    company.add_customer("C-1", score="A-1")
    company.add_customer("C-2", email="ap@acme.example")
    for customer in ("C-1", "C-2"):
        company.add_invoice(customer)
    known = Known((Candidate("A-1"), Candidate("A-2", domains=("acme.example",))))
    found = await read(company, Query(AS_OF, known=known), lists_accounts=False, account_key="nsp::CRM_ID")
    assert {row.account_id for row in rows_of(found["invoice"])} == {"A-1", "A-2"}
    assert found["invoice"].likely == {"A-2"}


async def test_one_account_takes_two_queries_however_many_customers_there_are() -> None:
    for count in (3, 300):
        company = of_many(count)
        company.add_invoice("C-00001")
        query = Query(AS_OF, ("C-00001",), known=Known((Candidate("C-00001", domains=("one.example",)),)))
        found = await read(company, query, lists_accounts=False, page_size=10)
        assert len(rows_of(found["invoice"])) == 1
        assert (len(company.requests), company.tokens_granted) == (2, 1)


# Pages, tokens, limits, permissions, entities


async def test_more_customers_than_a_page_holds_come_in_as_many_queries_as_pages() -> None:
    company = of_many(4500)
    found = await accounts(company)
    assert len({row.account_id for row in found}) == 4500
    assert [query["start"] for query in named(company, CUSTOMER)] == [1, 2001, 4001]


async def test_pages_are_followed_by_the_total_where_no_next_one_is_named() -> None:
    def without_next(content: Any) -> Any:
        meta = {name: value for name, value in content.get("ia::meta", {}).items() if name != "next"}
        return {**content, "ia::meta": meta} if meta else content

    found = await answered(SUBJECT, SUBJECT.all, SUBJECT.recorded.with_content(without_next))
    assert found.told == (await answered(SUBJECT, SUBJECT.all)).told


async def test_a_query_that_is_refused_for_another_reason_fails() -> None:
    company = of_many(2)
    company.token_refusal, company.token_uses = 400, 0
    found = await read(company)
    assert {delivery.fault for delivery in found.values()} == {Fault.REFUSED}


async def test_a_token_that_ends_amid_the_pages_is_fetched_anew() -> None:
    company = of_many(50)
    company.token_uses = 3
    found = await accounts(company, page_size=10)
    assert len(found) == 50
    assert company.tokens_granted > 1


async def test_a_secret_that_is_wrong_is_named_as_such() -> None:
    for change in ({"client_secret": SecretStr("another")}, {"username": "stranger@acme"}):
        found = await read(Company(), **change)
        assert {delivery.fault for delivery in found.values()} == {Fault.AUTHENTICATION}


async def test_too_many_requests_are_waited_out() -> None:
    company = of_many(3)
    company.throttle(1, "0")
    assert len(await accounts(company)) == 3
    assert [asked.status for asked in company.requests].count(429) == 1


async def test_a_missing_permission_fails_its_table_and_names_what_to_grant() -> None:
    company = of_many(2)
    company.deny(INVOICE)
    found = await read(company)
    assert len(rows_of(found["account"])) == 2
    assert found["invoice"].fault is Fault.PERMISSION
    assert "Accounts Receivable: Invoices (List, View)" in (found["invoice"].failure or "")


async def test_every_request_names_the_entity() -> None:
    company = of_many(2)
    company.entity = "US-100"
    assert len(await accounts(company, entity="US-100")) == 2
    assert {asked.entity for asked in company.requests} == {"US-100"}
    refused = await read(company)
    assert {delivery.fault for delivery in refused.values()} == {Fault.PERMISSION}


async def test_what_is_private_to_an_entity_is_read_only_on_request() -> None:
    company = Company()
    company.add_customer("C-1")
    company.add_customer("C-2", entity__id="US-100")
    assert [row.account_id for row in await accounts(company)] == ["C-1"]
    assert [row.account_id for row in await accounts(company, include_private=True)] == ["C-1", "C-2"]


async def test_an_account_that_intacct_does_not_list_is_not_matched() -> None:
    found = await read(of_many(2), one("C-9"))
    assert rows_of(found["account"]) == []
    assert found["account"].absent is State.NOT_MATCHED


# What a first check finds out


async def test_a_check_tells_the_type_and_the_words_of_each_health_field() -> None:
    found = await check(of_many(1))
    assert all(probe.is_ok for probe in found.values()), found
    assert found["field customerAccountHealth.healthScore"].finding == "`integer`"
    status = found["field customerAccountHealth.healthStatus"].finding
    assert status == "`string`, one of `healthy`, `atRisk`, `escalated`"
    assert found["field customerAccountHealth.churnRisk"].finding == "`boolean`"
    assert found["field contacts.default.email1"].finding == "queries may name it"


async def test_a_check_names_the_fields_that_could_be_meant() -> None:
    health = Health(score="nsp::HEALTH_SCORE", status="nsp::HEALTH_WORD", churn="nsp::CHURN")
    found = await check(Company(health))
    probe = found["field customerAccountHealth.healthScore"]
    assert not probe.is_ok
    assert probe.finding == "a customer has no such field"
    assert probe.advice == (
        "Correct `health_score_field`; among the customer's fields are `nsp::HEALTH_SCORE`, `nsp::HEALTH_WORD`, "
        "`nsp::CHURN`."
    )


async def test_a_check_warns_of_a_score_that_is_no_number_and_of_fields_queries_refuse() -> None:
    found = await check(Company(), health_score_field="notes", domain_fields=["contacts.primary.email1"])
    assert not found["field notes"].is_ok
    assert "numeric" in found["field notes"].advice
    assert not found["field contacts.primary.email1"].is_ok


async def test_a_check_of_the_invoices_alone_still_looks_at_the_fields() -> None:
    found = await check(of_many(2), lists_accounts=False)
    assert {"invoice", "records", "field customerAccountHealth.healthScore"} <= found.keys()
    assert all(probe.is_ok for probe in found.values())


# What the settings refuse


@pytest.mark.parametrize(
    ("name", "value"),
    [("page_size", 4001), ("account_key", "id; drop"), ("health_score_field", "a..b"), ("time_zone", "Mars/Base")],
)
def test_settings_refuse_what_no_company_has(name: str, value: Any) -> None:
    settings: dict[str, Any] = {"client_id": "c", "username": "u@c", "client_secret": SecretStr("s"), name: value}
    with pytest.raises(ValueError, match=name):
        IntacctSettings.model_validate(settings)


def test_the_defaults_name_the_fields_of_2026_r1() -> None:
    named: Sequence[str] = [
        IntacctSettings.model_fields[name].default
        for name in ("health_score_field", "health_status_field", "churn_risk_field")
    ]
    assert [*named] == [*Health().fields]
