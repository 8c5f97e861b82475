"""Stripe: what its customers, invoices, charges, subscriptions and events become."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from account_health.connectors.base import Checkable, Probe
from account_health.errors import Fault
from account_health.identity import Candidate, Known
from account_health.model import State
from account_health.tables import Account
from account_health.testing import ConnectorConformance, Exchange, Outcome, Recording, Subject, at_path
from account_health.testing.mishaps import status
from account_health.testing.subject import outcome
from given import Given, account, evaluation_of

SUBJECT = Subject(
    connector="stripe",
    recording=Path(__file__).parent / "recordings" / "stripe.json",
    as_of=datetime(2026, 11, 21, 9),
    accounts=(Candidate("A-1", domains=("northwind.example",)), Candidate("A-2", domains=("acme.example",))),
    asked="A-1",
)

Thing = Mapping[str, Any]


class TestStripe(ConnectorConformance):
    """The kit."""

    subject = SUBJECT


def stripe_of(**things: Iterable[Thing]) -> Recording:
    """A Stripe account that holds these things, and one customer of account A-1 unless told otherwise."""
    nothing: dict[str, Iterable[Thing]] = dict.fromkeys(("invoices", "charges", "subscriptions", "events"), ())
    lists = {**nothing, "customers": [{"id": "cus_1", "metadata": {"account_id": "A-1"}}], **things}
    found = [Exchange(path=f"/v1/{name}", json={"data": [*held], "has_more": False}) for name, held in lists.items()]
    searches = [
        f.model_copy(update={"path": f"{f.path}/search"}) for f in found if f.path.endswith(("charges", "mers"))
    ]
    no_older_ones = Exchange(path="/v1/invoices", params={"status": "open"}, json={"data": [], "has_more": False})
    return Recording((*found, *searches, no_older_ones))


def ask(recording: Recording | None = None, *, one: bool = False, **settings: Any) -> Outcome:
    """What comes of asking for all accounts, or for the one."""
    query = SUBJECT.one if one else SUBJECT.all
    return anyio.run(partial(SUBJECT.ask, query, recording=recording, **settings))


def told(found: Outcome, table: str, account_id: str = "A-1") -> dict[str, dict[str, Any]]:
    """The rows of an account as plain values by their ids; what is unknown is left out."""
    rows = (
        row.model_dump(exclude_none=True) for row in found.rows if (row.table, row.account_id) == (table, account_id)
    )
    return {row.pop(f"{table}_id"): {k: v for k, v in row.items() if k != "account_id"} for row in rows}


def asked(found: Outcome) -> list[str]:
    """The paths of the requests, in order."""
    return [sent.request.url.path for sent in found.sent]


def unix(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc] # parts of a date


def test_invoices_tell_amounts_dates_and_failed_tries() -> None:
    assert told(ask(), "invoice") == {
        "in_failing": {
            "amount": 150000.0,
            "currency": "JPY",
            "issued_at": datetime(2026, 11, 10, 7),
            "status": "open",
            "failed_attempts": 2,
            "last_failed_at": datetime(2026, 11, 15, 7, 0, 5),
        },
        "in_zero": {
            "amount": 0.0,
            "currency": "USD",
            "issued_at": datetime(2026, 10, 1, 7),
            "paid_at": datetime(2026, 10, 1, 7),
            "status": "paid",
        },
        "in_recovered": {
            "amount": 1200.0,
            "currency": "USD",
            "issued_at": datetime(2026, 9, 1, 7),
            "paid_at": datetime(2026, 9, 6, 7, 30),
            "status": "paid",
            "failed_attempts": 2,
            "last_failed_at": datetime(2026, 9, 3, 7, 0, 5),
        },
        "in_ancient": {
            "amount": 70.0,
            "currency": "USD",
            "issued_at": datetime(2025, 6, 1, 7),
            "due_at": datetime(2025, 7, 1, 6),
            "status": "open",
        },
    }


def test_a_failure_without_a_charge_is_dated_by_the_invoice_and_said_to_be_doubtful() -> None:
    cardless = told(ask(), "invoice", "A-2")["in_cardless"]
    assert cardless.pop("doubt").startswith("a payment failed, but no failed charge tells when")
    assert cardless == {
        "amount": 12.345,
        "currency": "KWD",
        "issued_at": datetime(2026, 11, 2, 7),
        "status": "open",
        "failed_attempts": 1,
        "last_failed_at": datetime(2026, 11, 2, 7),
    }


def test_a_payment_under_way_a_credit_a_draft_and_an_overdue_invoice_are_no_failed_payments() -> None:
    found = told(ask(), "invoice", "A-2")
    assert {i: (row["status"], row.get("amount"), row.get("due_at")) for i, row in found.items()} == {
        "in_draft": ("draft", 1.0, None),
        "in_processing": ("open", 500.0, None),
        "in_cardless": ("open", 12.345, None),
        "in_overdue": ("open", 999.5, datetime(2026, 10, 31, 6)),
        "in_credit": ("paid", None, None),
    }
    assert [i for i, row in found.items() if "last_failed_at" in row] == ["in_cardless"]


def test_failed_and_recovered_payments_reach_the_metrics() -> None:
    crm = [account(account_id=known.id) for known in SUBJECT.accounts]
    matrix = evaluation_of(Given([*crm, *ask().rows]), as_of=SUBJECT.as_of).matrix
    metrics = [matrix.column(name) for name in ("failed_payments_90d", "unrecovered_payments", "overdue_invoices")]
    assert matrix.values[:, metrics].tolist() == [[2, 1, 1], [1, 1, 1]]
    assert matrix.known[:, metrics].all()


@pytest.mark.parametrize(
    ("currency", "total", "amount"),
    [
        ("usd", 1050, 10.5),
        ("eur", 1, 0.01),
        ("jpy", 1050, 1050.0),
        ("krw", 1050, 1050.0),
        ("bhd", 1050, 1.05),
        ("ugx", 500, 5.0),
        ("isk", 500, 5.0),
    ],
)
def test_amounts_are_in_the_currency_and_not_in_its_smallest_unit(currency: str, total: int, amount: float) -> None:
    invoice = {"id": "in_1", "customer": "cus_1", "currency": currency, "total": total, "created": unix(2026, 11, 1)}
    row = told(ask(stripe_of(invoices=[invoice])), "invoice")["in_1"]
    assert (row["amount"], row["currency"]) == (amount, currency.upper())


OLD = "2022-11-15"

INVOICE: Thing = {
    "id": "in_1",
    "customer": "cus_1",
    "currency": "usd",
    "total": 5000,
    "status": "open",
    "collection_method": "charge_automatically",
    "created": unix(2026, 11, 1),
    "status_transitions": {"finalized_at": unix(2026, 11, 1)},
}
PAID: Thing = {**INVOICE, "status": "paid", "status_transitions": {"paid_at": unix(2026, 11, 21, 8)}}
FAILED: Thing = {"id": "ch_1", "created": unix(2026, 11, 2), "status": "failed", "payment_intent": "pi_1"}


@pytest.mark.parametrize(
    ("of_invoice", "of_charge"),
    [
        ({"payments": {"data": [{"payment": {"type": "payment_intent", "payment_intent": "pi_1"}}]}}, {}),
        ({"payments": {"data": [{"payment": {"type": "charge", "charge": "ch_1"}}]}}, {"payment_intent": None}),
        ({"payments": {"data": [{"payment": {"payment_intent": {"id": "pi_1", "object": "payment_intent"}}}]}}, {}),
        ({"payment_intent": "pi_1"}, {}),
        ({"charge": "ch_1"}, {"payment_intent": None}),
        ({}, {"invoice": "in_1"}),
    ],
    ids=["payments", "payments by charge", "payments in full", "old intent", "old charge", "charge names invoice"],
)
def test_a_failed_charge_finds_its_invoice_in_every_form(of_invoice: Thing, of_charge: Thing) -> None:
    held = stripe_of(invoices=[{**INVOICE, **of_invoice}], charges=[{**FAILED, **of_charge}])
    row = told(ask(held), "invoice")["in_1"]
    assert (row["failed_attempts"], row["last_failed_at"]) == (1, datetime(2026, 11, 2))


@pytest.mark.parametrize(
    ("of_invoice", "charges", "attempts"),
    [
        ({"attempt_count": 1, "collection_method": "send_invoice"}, [], None),
        ({"attempt_count": 3, "status": "void"}, [], 3),
        ({"attempt_count": 1, "status": "paid"}, [], None),
        ({"attempt_count": 3, "status": "paid"}, [], 2),
        ({"attempt_count": 1}, ["failed", "failed"], 2),
        ({"attempt_count": 2}, ["succeeded", "failed"], 2),
        ({"attempt_count": 2}, ["pending", "failed"], 1),
    ],
)
def test_failed_tries_are_those_that_charges_show_or_stripe_counted(
    of_invoice: Thing, charges: list[str], attempts: int | None
) -> None:
    made = [{**FAILED, "id": f"ch_{n}", "status": word} for n, word in enumerate(charges)]
    held = stripe_of(invoices=[{**INVOICE, "payment_intent": "pi_1", **of_invoice}], charges=made)
    for found in (ask(held), ask(held, one=True)):
        assert told(found, "invoice")["in_1"].get("failed_attempts") == attempts


@pytest.mark.parametrize(
    ("version", "expanded"),
    [
        ("2025-02-24.acacia", {"invoices": [], "subscriptions": []}),
        ("2025-03-31.basil", {"invoices": ["data.payments"], "subscriptions": ["data.discounts"]}),
        ("2026-10-28.endive", {"invoices": ["data.payments"], "subscriptions": ["data.discounts.source.coupon"]}),
    ],
)
def test_only_what_a_version_knows_is_asked_in_full(version: str, expanded: Mapping[str, list[str]]) -> None:
    requests = [sent.request for sent in ask(stripe_of(), api_version=version).sent]
    assert {request.headers["stripe-version"] for request in requests} == {version}
    named = {r.url.path.rpartition("/")[2]: r.url.params.get_list("expand[]") for r in requests}
    assert {name: named[name] for name in expanded} == expanded


def test_old_invoices_are_read_only_while_they_are_open() -> None:
    old = {**INVOICE, "created": unix(2024, 1, 1), "status_transitions": {}}
    both = stripe_of(invoices=[{**old, "id": "in_paid", "status": "paid"}, {**old, "id": "in_open"}])
    assert list(told(ask(both, one=True), "invoice")) == ["in_open"]


def test_subscriptions_are_terms_with_what_is_known_of_them() -> None:
    assert told(ask(), "subscription") == {
        "sub_annual": {
            "started_at": datetime(2026, 11, 1),
            "arr": 12402.0,
            "currency": "USD",
            "renews_at": date(2027, 2, 1),
            "status": "active",
        },
        "sub_annual (before)": {
            "started_at": datetime(2025, 2, 1),
            "ended_at": datetime(2026, 11, 1),
            "status": "active",
        },
        "sub_monthly": {
            "started_at": datetime(2026, 11, 5),
            "arr": 1800000.0,
            "currency": "JPY",
            "seats": 5,
            "status": "past_due",
        },
        "sub_monthly (before)": {
            "started_at": datetime(2026, 3, 5),
            "ended_at": datetime(2026, 11, 5),
            "status": "past_due",
        },
    }


def test_a_term_ends_with_its_subscription_and_begins_after_its_trial() -> None:
    found = told(ask(amounts_change=False), "subscription", "A-2")
    assert {i: (row["started_at"], row.get("ended_at"), row.get("arr")) for i, row in found.items()} == {
        "sub_trial": (datetime(2026, 12, 15), None, 180.0),
        "sub_discounted": (datetime(2026, 2, 10), datetime(2027, 2, 10), 1800.0),
        "sub_metered": (datetime(2026, 1, 1), None, None),
        "sub_canceled": (datetime(2025, 1, 1), datetime(2026, 6, 1), 2400.0),
    }


def term(*, of_item: Thing | None = None, of_price: Thing | None = None, **of_all: Any) -> Thing:
    """A subscription to ten seats at 20 euros a month, but for what the test says."""
    said = of_price or {}
    recurring = {"interval": "month", "interval_count": 1, "usage_type": "licensed", **said.get("recurring", {})}
    price = {"id": "price_1", "product": "prod_1", "currency": "eur", "unit_amount": 2000, **said}
    period = {"current_period_start": unix(2026, 11, 1), "current_period_end": unix(2026, 12, 1)}
    item = {"id": "si_1", "price": {**price, "recurring": recurring}, "quantity": 10, **period, **(of_item or {})}
    begun = {"status": "active", "created": unix(2026, 11, 1), "start_date": unix(2026, 11, 1)}
    return {"id": "sub_1", "customer": "cus_1", "items": {"data": [item]}, **begun, **of_all}


TWICE: Thing = {"data": term()["items"]["data"] * 2}
YEARLY: Thing = {"recurring": {"interval": "year"}}
HALF: Thing = {"duration": "forever", "percent_off": 50}


def the_term(subscription: Thing, **settings: Any) -> dict[str, Any]:
    return told(ask(stripe_of(subscriptions=[subscription]), **settings), "subscription")["sub_1"]


@pytest.mark.parametrize(
    ("subscription", "arr"),
    [
        (term(), 2400),
        (term(items=TWICE), 4800),
        (term(of_price=YEARLY), 200),
        (term(of_price={"recurring": {"interval_count": 3}}), 800),
        (term(of_price={"recurring": {"interval": "week"}}), 10400),
        (term(of_price={"recurring": {"interval": "day", "interval_count": 5}}), 14600),
        (term(of_item={"quantity": 0}), 0),
        (term(of_price={"unit_amount": None, "unit_amount_decimal": "0.5"}), 0.6),
        (term(of_price={"unit_amount": 0, "unit_amount_decimal": "0.5"}), 0.6),
        (term(of_price={"transform_quantity": {"divide_by": 4, "round": "up"}}), 720),
        (term(of_price={"transform_quantity": {"divide_by": 4, "round": "down"}}), 480),
        (term(of_price={"currency": "jpy"}), 240000),
        (term(status="trialing", trial_start=unix(2026, 11, 1), trial_end=unix(2026, 12, 1)), 2400),
        (term(status="unpaid"), 2400),
        (term(discounts=[{"coupon": {"duration": "once", "percent_off": 50}}]), 2400),
        (term(discounts=[{"coupon": HALF}]), 1200),
        (term(discounts=[{"source": {"coupon": HALF}}] * 2), 600),
        (term(discount={"coupon": {"duration": "forever", "percent_off": 12.5}}), 2100),
        (term(discount={"coupon": {"duration": "forever", "percent_off": 100}}), 0),
    ],
)
def test_arr_is_what_the_items_cost_a_year_less_lasting_discounts(subscription: Thing, arr: float) -> None:
    assert the_term(subscription)["arr"] == arr


@pytest.mark.parametrize(
    "subscription",
    [
        term(of_price={"unit_amount": None}),
        term(of_price={"recurring": {"usage_type": "metered"}}),
        term(of_price={"recurring": {"interval": "fortnight"}}),
        term(of_item={"quantity": None}),
        term(of_item={"price": None}),
        term(of_item={"discounts": ["di_1"]}),
        term(items={"data": []}),
        term(items={**term()["items"], "has_more": True}),
        term(items={"data": [*term()["items"]["data"], *term(of_price={"currency": "usd"})["items"]["data"]]}),
        term(status="paused"),
        term(pause_collection={"behavior": "void"}),
        term(discounts=["di_1"]),
        term(discounts=[{"source": {"coupon": "PARTNER"}}]),
        term(discounts=[{"coupon": {"duration": "forever", "amount_off": 500}}]),
        term(discounts=[{"coupon": {"duration": "repeating", "percent_off": 50}}]),
        term(items=TWICE, discounts=[{"coupon": HALF}]),
    ],
)
def test_arr_that_cannot_be_told_is_unknown_and_not_zero(subscription: Thing) -> None:
    assert {"arr", "currency"} & set(the_term(subscription)) == set()


def test_periods_are_read_in_the_old_form_too() -> None:
    old = term(
        of_item={"current_period_start": None, "current_period_end": None},
        of_price=YEARLY,
        current_period_start=unix(2026, 11, 1),
        current_period_end=unix(2027, 11, 1),
        start_date=unix(2024, 11, 1),
    )
    row = the_term(old, api_version=OLD)
    assert (row["started_at"], row["renews_at"]) == (datetime(2026, 11, 1), date(2027, 11, 1))


@pytest.mark.parametrize(
    ("subscription", "months", "renews_at"),
    [
        (term(), 6, None),
        (term(), 1, date(2026, 12, 1)),
        (term(of_price={"recurring": {"interval_count": 6}}), 6, date(2026, 12, 1)),
        (term(of_price={"recurring": {"interval": "week", "interval_count": 26}}), 6, date(2026, 12, 1)),
        (term(of_price=YEARLY), 12, date(2026, 12, 1)),
        (term(of_price=YEARLY, cancel_at_period_end=True), 6, None),
        (term(of_price=YEARLY, cancel_at=unix(2027, 5, 1)), 6, None),
    ],
)
def test_only_the_end_of_a_long_period_that_goes_on_is_a_renewal(
    subscription: Thing, months: int, renews_at: date | None
) -> None:
    assert the_term(subscription, renewal_months=months).get("renews_at") == renews_at


@pytest.mark.parametrize(
    ("of_all", "ended_at"),
    [
        ({}, None),
        ({"cancel_at": unix(2027, 5, 1)}, datetime(2027, 5, 1)),
        ({"cancel_at_period_end": True}, datetime(2026, 12, 1)),
        ({"canceled_at": unix(2026, 11, 5), "cancel_at": unix(2026, 12, 1)}, datetime(2026, 12, 1)),
        ({"status": "canceled", "canceled_at": unix(2026, 11, 5)}, datetime(2026, 11, 5)),
        (
            {"status": "canceled", "canceled_at": unix(2026, 11, 5), "ended_at": unix(2026, 11, 9)},
            datetime(2026, 11, 9),
        ),
    ],
)
def test_a_term_that_was_cancelled_runs_until_it_ends(of_all: Thing, ended_at: datetime | None) -> None:
    assert the_term(term(**of_all)).get("ended_at") == ended_at


TRIAL: Thing = {"trial_start": unix(2026, 11, 1), "trial_end": unix(2026, 11, 15)}


@pytest.mark.parametrize(
    ("of_all", "started_at"),
    [
        (TRIAL, datetime(2026, 11, 15)),
        ({**TRIAL, "ended_at": unix(2026, 11, 7)}, datetime(2026, 11, 7)),
        ({**TRIAL, "start_date": unix(2024, 11, 1)}, datetime(2024, 11, 1)),
    ],
    ids=["trial", "left within the trial", "trial added later to move the billing day"],
)
def test_a_trial_is_no_term_yet(of_all: Thing, started_at: datetime) -> None:
    assert the_term(term(**of_all), amounts_change=False)["started_at"] == started_at


@pytest.mark.parametrize(
    ("subscription", "terms"),
    [
        (term(), ["sub_1"]),
        (term(start_date=unix(2024, 11, 1)), ["sub_1 (before)", "sub_1"]),
        (term(start_date=unix(2024, 11, 1), ended_at=unix(2025, 11, 1)), ["sub_1"]),
    ],
    ids=["of this period", "of earlier periods", "ended before its period"],
)
def test_a_term_is_cut_where_its_present_amount_begins(subscription: Thing, terms: list[str]) -> None:
    assert list(told(ask(stripe_of(subscriptions=[subscription])), "subscription")) == terms


@pytest.mark.parametrize("word", ["incomplete", "incomplete_expired"])
def test_a_subscription_whose_first_payment_is_missing_never_began(word: str) -> None:
    assert told(ask(stripe_of(subscriptions=[term(status=word)])), "subscription") == {}


@pytest.mark.parametrize(
    ("subscription", "seats_of", "seats"),
    [
        (term(), [], 10),
        (term(of_item={"quantity": 1}), [], None),
        (term(items=TWICE), [], None),
        (term(of_price={"transform_quantity": {"divide_by": 5, "round": "up"}}), [], None),
        (term(of_price={"recurring": {"usage_type": "metered"}}), [], None),
        (term(of_item={"quantity": 1}), ["prod_1"], 1),
        (term(items=TWICE), ["price_1"], 20),
        (term(of_item={"quantity": None}), ["prod_1"], None),
        (term(), ["prod_other"], None),
        (term(items={**term()["items"], "has_more": True}), ["prod_1"], None),
    ],
)
def test_seats_are_quantities_of_what_is_sold_by_the_seat(
    subscription: Thing, seats_of: list[str], seats: int | None
) -> None:
    assert the_term(subscription, seats_of=seats_of).get("seats") == seats


@pytest.mark.parametrize(("amounts_change", "change"), [(True, None), (False, 0.0)])
def test_a_change_of_arr_is_unknown_where_amounts_change_in_place(
    *, amounts_change: bool, change: float | None
) -> None:
    found = ask(stripe_of(subscriptions=[term(start_date=unix(2024, 11, 1))]), amounts_change=amounts_change)
    crm = account(account_id="A-1", customer_since=date(2020, 1, 1))
    matrix = evaluation_of(Given([crm, *found.rows]), as_of=SUBJECT.as_of).matrix
    column = matrix.column("arr_change_pct_12m")
    assert (matrix.values[0, column] if matrix.known[0, column] else None) == change


def test_all_accounts_are_read_with_lists_and_one_search_for_failures() -> None:
    found = ask()
    assert Counter(asked(found)) == {
        "/v1/customers": 2,
        "/v1/charges/search": 2,
        "/v1/invoices": 3,
        "/v1/subscriptions": 2,
    }
    assert not any("customer" in sent.request.url.params for sent in found.sent)
    assert next(d for d in found.deliveries if d.table == "invoice").unmatched_rows == 1


def test_one_account_is_read_with_one_search_and_three_lists() -> None:
    assert Counter(asked(ask(stripe_of(), one=True))) == {
        "/v1/customers/search": 1,
        "/v1/charges": 1,
        "/v1/invoices": 1,
        "/v1/subscriptions": 1,
    }


def test_both_customers_of_an_account_count_and_the_other_is_matched_by_its_domain() -> None:
    invoices = next(delivery for delivery in ask().deliveries if delivery.table == "invoice")
    assert invoices.matched == {"A-1": "external id", "A-2": "domain `acme.example`"}
    assert invoices.likely == {"A-2"}


def test_two_customers_of_one_domain_are_not_matched() -> None:
    twins = [{"id": f"cus_{n}", "email": f"ap{n}@acme.example"} for n in (1, 2)]
    found = ask(stripe_of(customers=twins, invoices=[INVOICE]))
    assert found.rows == []
    assert {delivery.states["A-2"] for delivery in found.deliveries} == {State.NOT_MATCHED}
    assert all(f"`cus_{n}`" in found.deliveries[0].details["A-2"] for n in (1, 2))


def searches_for(accounts: tuple[Candidate, ...], **settings: Any) -> list[str]:
    """The queries that find the customers of these accounts."""
    query = replace(SUBJECT.one, accounts=tuple(c.id for c in accounts), known=Known(accounts))
    found = anyio.run(partial(SUBJECT.ask, query, recording=stripe_of(), **settings))
    return [s.request.url.params["query"] for s in found.sent if s.request.url.path == "/v1/customers/search"]


def test_a_search_names_every_mark_of_the_account_and_quotes_them() -> None:
    odd = Candidate("O'Hara\\1", external_id="X-9", domains=("www.ohara.example", "https://ohara.example"))
    (query,) = searches_for((odd,), account_key="crm id", domain_key="site")
    assert query.split(" OR ") == [
        r"metadata['crm id']:'O\'Hara\\1'",
        "metadata['crm id']:'X-9'",
        "email~'ohara.example'",
        "metadata['site']:'ohara.example'",
    ]


def test_a_search_holds_no_more_clauses_than_stripe_admits() -> None:
    found = searches_for(tuple(Candidate(f"A-{n}", domains=(f"a{n}.example",)) for n in range(8)))
    assert [query.count(" OR ") + 1 for query in found] == [10, 6]


def test_a_customer_that_two_searches_find_is_one_customer() -> None:
    many = Candidate("A-2", domains=tuple(f"acme-{n}.example" for n in range(12)))
    held = stripe_of(customers=[{"id": "cus_1", "email": "ap@acme-0.example"}], invoices=[INVOICE])
    query = replace(SUBJECT.one, accounts=("A-2",), known=Known((many,)))
    found = anyio.run(partial(SUBJECT.ask, query, recording=held))
    assert asked(found).count("/v1/customers/search") == 2
    assert told(found, "invoice", "A-2").keys() == {"in_1"}


def test_a_search_that_promises_more_without_saying_where_is_a_bad_response() -> None:
    broken = stripe_of().with_content(lambda content: {**content, "has_more": True})
    assert [fault for _, fault in ask(broken, one=True).failures] == [Fault.BAD_RESPONSE]


def test_a_domain_in_the_metadata_matches_too() -> None:
    held = stripe_of(customers=[{"id": "cus_1", "metadata": {"site": "acme.example"}}], invoices=[INVOICE])
    assert told(ask(held, domain_key="site"), "invoice", "A-2").keys() == {"in_1"}


@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("code", [400, 403, 404])
def test_where_there_is_no_search_the_lists_are_read(code: int, *, one: bool) -> None:
    held = stripe_of(invoices=[{**INVOICE, "payment_intent": "pi_1"}], charges=[FAILED])
    found = anyio.run(
        partial(
            SUBJECT.ask,
            SUBJECT.one if one else SUBJECT.all,
            status(code),
            when=lambda _, request: request.url.path.endswith("/search"),
            recording=held,
        )
    )
    assert (found.failures, told(found, "invoice")) == ([], told(ask(held), "invoice"))
    assert told(found, "invoice")["in_1"]["failed_attempts"] == 1


@pytest.mark.parametrize("one", [True, False])
def test_no_search_is_tried_where_it_is_switched_off(*, one: bool) -> None:
    held = stripe_of(invoices=[{**INVOICE, "payment_intent": "pi_1"}], charges=[FAILED])
    found = ask(held, one=one, search=False)
    assert [path for path in asked(found) if path.endswith("/search")] == []
    assert told(found, "invoice")["in_1"]["failed_attempts"] == 1


def test_the_permission_to_read_charges_is_named_and_subscriptions_are_still_told() -> None:
    found = anyio.run(
        partial(SUBJECT.ask, SUBJECT.all, status(403), when=lambda _, request: "/charges" in request.url.path)
    )
    ((message, fault),) = found.failures
    assert (fault, "rak_charge_read" in message) == (Fault.PERMISSION, True)
    assert told(found, "subscription") == told(ask(), "subscription")


def twice(first: Recording, second: Recording) -> tuple[Outcome, Outcome]:
    """The same connector asked for all accounts, and again after the world has moved on."""
    transport = SUBJECT.transport(recording=first)
    connector = SUBJECT.build(transport)

    async def both() -> tuple[Outcome, Outcome]:
        before = await outcome(connector, SUBJECT.all, transport)
        transport.recording = second
        return before, await outcome(connector, SUBJECT.all, transport)

    return anyio.run(both)


def event(kind: str, thing: Thing, at: int, number: int = 1) -> Thing:
    return {"id": f"evt_{number}", "type": kind, "created": at, "data": {"object": thing}}


def after(*events: Thing, first: Recording) -> dict[str, dict[str, Any]]:
    """The invoices as the second reading tells them, these events having happened, newest first."""
    return told(twice(first, stripe_of(events=events))[1], "invoice")


ONE_FAILED = stripe_of(invoices=[{**INVOICE, "payment_intent": "pi_1"}], charges=[FAILED])
TODAY = unix(2026, 11, 21, 8)


def test_a_second_reading_asks_for_events_only() -> None:
    again = twice(SUBJECT.recorded, SUBJECT.recorded)[1]
    assert Counter(asked(again)) == {"/v1/customers": 2, "/v1/events": 3}
    begun = {sent.request.url.params.get("created[gte]") for sent in again.sent} - {None}
    assert all(0 <= int(str(text)) - unix(2026, 11, 21, 8, 55) <= 60 for text in begun)


def test_a_recovered_payment_keeps_when_it_had_failed() -> None:
    row = after(event("invoice.paid", PAID, TODAY), first=ONE_FAILED)["in_1"]
    assert (row["status"], row["paid_at"]) == ("paid", datetime(2026, 11, 21, 8))
    assert (row["failed_attempts"], row["last_failed_at"]) == (1, datetime(2026, 11, 2))


def test_a_failure_is_counted_once_although_its_charge_and_its_event_tell_of_it() -> None:
    events = (
        event("invoice.updated", INVOICE, TODAY, 3),
        event("invoice.payment_failed", INVOICE, TODAY, 2),
        event("invoice.payment_failed", INVOICE, unix(2026, 11, 2) + 3),
    )
    row = after(*events, first=ONE_FAILED)["in_1"]
    assert (row["failed_attempts"], row["last_failed_at"]) == (2, datetime(2026, 11, 21, 8))


def test_the_newest_event_of_an_invoice_counts_and_its_failures_stay() -> None:
    events = (
        event("invoice.paid", PAID, TODAY, 2),
        event("invoice.payment_failed", INVOICE, unix(2026, 11, 20)),
    )
    row = after(*events, first=stripe_of())["in_1"]
    assert (row["status"], row["failed_attempts"], row["last_failed_at"]) == ("paid", 1, datetime(2026, 11, 20))


@pytest.mark.parametrize(("kind", "is_doubtful"), [("invoice.updated", True), ("invoice.payment_failed", False)])
def test_a_doubt_stays_until_a_failure_is_dated(kind: str, *, is_doubtful: bool) -> None:
    first = stripe_of(invoices=[{**INVOICE, "attempt_count": 1}])
    assert ("doubt" in after(event(kind, INVOICE, TODAY), first=first)["in_1"]) is is_doubtful


def test_a_deleted_draft_is_gone() -> None:
    first = stripe_of(invoices=[{**INVOICE, "status": "draft"}])
    assert told(ask(first), "invoice").keys() == {"in_1"}
    assert after(event("invoice.deleted", INVOICE, TODAY), first=first) == {}


def test_a_deleted_subscription_has_ended_and_is_not_gone() -> None:
    ended = event("customer.subscription.deleted", term(status="canceled", ended_at=TODAY), TODAY)
    again = twice(stripe_of(subscriptions=[term()]), stripe_of(events=[ended]))[1]
    assert told(again, "subscription")["sub_1"]["ended_at"] == datetime(2026, 11, 21, 8)


def listed(found: Outcome) -> dict[str, tuple[str, tuple[str, ...], str | None]]:
    """Name, domains and external id of each account."""
    accounts = [row for row in found.rows if isinstance(row, Account)]
    return {row.account_id: (row.name, row.domains, row.external_id) for row in accounts}


def test_customers_can_be_the_accounts() -> None:
    found = ask(lists_accounts=True)
    assert listed(found) == {
        "cus_NorthwindEU": ("Northwind Traders GmbH", ("northwind.example",), "A-1"),
        "cus_NorthwindUS": ("Northwind Traders Inc", ("northwind.example",), "A-1"),
        "cus_Acme": ("<img src=x onerror=alert(1)> ](http://x) \u202eemcA", ("acme.example",), None),
        "cus_Stranger": ("Robin", (), None),
        "cus_Nobody": ("cus_Nobody", (), None),
    }
    assert told(found, "invoice", "cus_NorthwindUS").keys() == {"in_failing"}


def accounts_of(recording: Recording, **question: Any) -> Outcome:
    """The table of accounts for a question, the settings being those of a company without a CRM."""
    settings = {"search": question.pop("search", True), "lists_accounts": True}
    query = replace(SUBJECT.all, tables=frozenset({"account"}), **question)
    return anyio.run(partial(SUBJECT.ask, query, recording=recording, **settings))


def searched(query: str, *customers: Thing) -> Exchange:
    answer = {"data": list(customers), "has_more": False}
    return Exchange(path="/v1/customers/search", params={"query": query} if query else {}, json=answer)


def test_a_text_finds_who_it_could_mean_and_who_could_be_confused_with_them() -> None:
    acme = {"id": "cus_1", "name": "Acme", "email": "ap@acme.example", "metadata": {"account_id": "X-1"}}
    twin = {"id": "cus_2", "name": "Emca", "email": "info@acme.example"}
    held = Recording(
        (
            searched("name~'Acme' OR email~'Acme' OR metadata['account_id']:'Acme'", acme),
            searched("metadata['account_id']:'X-1' OR email~'acme.example'", acme, twin),
        )
    )
    found = accounts_of(held, like="Acme")
    assert (list(listed(found)), asked(found)) == (["cus_1", "cus_2"], ["/v1/customers/search"] * 2)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [({"id": "cus_7", "name": "Seven"}, ["cus_7"]), ({"id": "cus_7", "deleted": True}, [])],
    ids=["there", "deleted"],
)
def test_a_customer_is_found_by_its_id_unless_it_was_deleted(answer: Thing, expected: list[str]) -> None:
    held = Recording((searched(""), Exchange(path="/v1/customers/cus_7", json=answer)))
    assert list(listed(accounts_of(held, like="cus_7"))) == expected
    assert (listed(accounts_of(held, like="cus_8")), accounts_of(held, like="cus_ü/..").failures) == ({}, [])


@pytest.mark.parametrize(("text", "search"), [("ab", True), ("Acme", False)], ids=["too short", "no search"])
def test_without_search_or_with_too_short_a_text_all_customers_are_listed(text: str, *, search: bool) -> None:
    found = accounts_of(SUBJECT.recorded, like=text, search=search)
    assert (len(listed(found)), set(asked(found))) == (5, {"/v1/customers"})


def test_asked_accounts_are_read_by_their_ids() -> None:
    held = Recording((Exchange(path="/v1/customers/cus_7", json={"id": "cus_7", "email": "ap@seven.example"}),))
    found = accounts_of(held, accounts=("cus_7", "cus_8"))
    assert listed(found) == {"cus_7": ("ap@seven.example", ("seven.example",), None)}


def check(recording: Recording, refused: str = "", **settings: Any) -> tuple[str, dict[str, Probe]]:
    """The version the connector asks for, and by their subjects the things it tried."""
    transport = SUBJECT.transport(status(403) if refused else None, at_path(refused), recording)
    connector = SUBJECT.build(transport, **settings)
    assert isinstance(connector, Checkable)
    checkup = anyio.run(connector.check, SUBJECT.as_of)
    return checkup.api_version, {probe.subject: probe for probe in checkup.probes}


def test_a_check_reports_the_version_and_whether_customers_name_accounts() -> None:
    version, probes = check(stripe_of(invoices=[INVOICE]))
    assert version == "2026-10-28.endive"
    assert {"invoice", "subscription", "events", "metadata key account_id", "search"} <= set(probes)
    assert all(probe.is_ok for probe in probes.values())
    assert probes["metadata key account_id"].finding == "1 of the newest 1 customers hold it"


def test_a_check_finds_a_metadata_key_that_no_customer_has() -> None:
    probe = check(stripe_of(), account_key="crm")[1]["metadata key crm"]
    assert (probe.is_ok, "account_key" in probe.advice) == (False, True)


def test_a_check_says_what_to_do_without_a_search() -> None:
    probe = check(stripe_of(), "/v1/customers/search")[1]["search"]
    assert (probe.is_ok, "search = false" in probe.advice) == (False, True)
    assert check(stripe_of(), search=False)[1]["search"].finding == "switched off"


def test_a_check_names_the_permission_to_read_events() -> None:
    bad = [probe.advice for probe in check(stripe_of(), "/v1/events")[1].values() if not probe.is_ok]
    assert ["rak_event_read" in advice for advice in bad] == [True]


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_version": "latest"},
        {"account_key": "a'b"},
        {"account_key": ""},
        {"renewal_months": 0},
        {"reload_hours": 900},
    ],
)
def test_settings_that_stripe_could_not_follow_are_refused(wrong: Thing) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SUBJECT.checked_settings(**wrong)
