"""Stripe's own document judges what the connector asks, and its own examples are read without a fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import duckdb
import pytest
from pydantic import SecretStr

from account_health.connectors.base import Context, Delivery, Query
from account_health.connectors.stripe import Stripe, StripeSettings
from account_health.errors import Fault, SourceError
from account_health.identity import Candidate, Known

if TYPE_CHECKING:
    from account_health.tables import Row
    from vendors.prism import Judged, Vendor

pytestmark = pytest.mark.anyio

AS_OF = datetime(2026, 11, 21, 9)
CUSTOMER = "cus_QXg1o8vcGmoR32"
"""Whom the things in Stripe's examples belong to."""
ACME = Candidate("A-1", "X-1", ("acme.example",), "Acme")
ALL = Query(AS_OF, known=Known((ACME,), {"billing": {CUSTOMER: "A-1"}}), seconds=30)
ONE = replace(ALL, accounts=("A-1",))
BY_SEARCH = replace(ONE, known=Known((ACME,)))


def stripe_at(vendor: Vendor, wire: Judged, **settings: Any) -> Stripe:
    checked = StripeSettings(
        api_key=SecretStr("rk_test"), base_url=vendor.base_url, requests_per_second=100, **settings
    )
    return Stripe("billing", checked, Context(Path(), duckdb.connect(), lambda: AS_OF.replace(tzinfo=UTC), wire))


async def asked(vendor: Vendor, *queries: Query, **settings: Any) -> tuple[Sequence[Delivery], set[str]]:
    """The last of some answers of one connector, and the paths of all requests, to none of which Stripe objects."""
    wire = vendor.wire()
    connector = stripe_at(vendor, wire, **settings)
    found = [await connector.fetch(query) for query in queries]
    assert wire.exchanges
    assert wire.refusals == []
    assert [delivery.failure for delivery in found[-1]] == [None] * len(found[-1])
    return found[-1], {urlsplit(exchange.target).path for exchange in wire.exchanges}


async def test_stripe_accepts_what_is_asked_about_all_accounts(stripe: Vendor) -> None:
    _, paths = await asked(stripe, ALL)
    assert paths == {"/v1/customers", "/v1/invoices", "/v1/charges/search", "/v1/subscriptions"}


async def test_stripe_accepts_what_is_asked_about_changes(stripe: Vendor) -> None:
    _, paths = await asked(stripe, ALL, ALL)
    assert "/v1/events" in paths


async def test_stripe_accepts_what_is_asked_about_one_account(stripe: Vendor) -> None:
    _, paths = await asked(stripe, ONE)
    assert paths == {"/v1/invoices", "/v1/charges", "/v1/subscriptions"}
    assert (await asked(stripe, BY_SEARCH))[1] == {"/v1/customers/search"}


async def test_stripe_accepts_what_is_asked_where_there_is_no_search(stripe: Vendor) -> None:
    for query in (ALL, BY_SEARCH):
        _, paths = await asked(stripe, query, search=False)
        assert not any(path.endswith("/search") for path in paths)


@pytest.mark.parametrize("question", [{}, {"like": "Acme"}, {"like": CUSTOMER}, {"accounts": (CUSTOMER,)}])
async def test_stripe_accepts_what_is_asked_about_its_customers_as_accounts(
    stripe: Vendor, question: dict[str, Any]
) -> None:
    accounts = replace(ALL, tables=frozenset({"account"}), **question)
    ((delivery,), _) = await asked(stripe, accounts, lists_accounts=True)
    assert [row.account_id for row in cast("Sequence[Row]", delivery.rows)] == [CUSTOMER]


async def test_stripe_accepts_what_a_check_asks(stripe: Vendor) -> None:
    wire = stripe.wire()
    checkup = await stripe_at(stripe, wire).check(AS_OF)
    assert wire.exchanges
    assert wire.refusals == []
    assert [probe.subject for probe in checkup.probes if not probe.is_ok] == ["metadata key account_id"]


@pytest.mark.parametrize("query", [ALL, ONE], ids=["all", "one"])
async def test_the_examples_of_stripe_are_read_without_a_fault(stripe: Vendor, query: Query) -> None:
    found, _ = await asked(stripe, query, history_days=9000)
    assert [(delivery.rejected_total, delivery.unmatched_rows) for delivery in found] == [(0, 0), (0, 0)]
    assert [
        row.model_dump(exclude_none=True) for delivery in found for row in cast("Sequence[Row]", delivery.rows)
    ] == [
        {
            "account_id": "A-1",
            "invoice_id": "in_1Pgc6tB7WZ01zgkWu9fdqL6I",
            "amount": 10.0,
            "currency": "USD",
            "issued_at": datetime(2009, 2, 13, 23, 31, 30),
            "due_at": datetime(2009, 2, 13, 23, 31, 30),
            "status": "draft",
        },
        {
            "account_id": "A-1",
            "subscription_id": "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw",
            "started_at": datetime(2009, 2, 13, 23, 31, 30),
            "ended_at": datetime(2009, 2, 13, 23, 31, 30),
            "status": "active",
        },
    ]


async def test_a_throttled_question_is_asked_again(stripe: Vendor) -> None:
    wire = stripe.wire(prefer=["code=429"])
    found = await stripe_at(stripe, wire).fetch(ALL)
    assert [delivery.failure for delivery in found] == [None, None]
    assert [exchange.status for exchange in wire.exchanges[:2]] == [429, 200]


@pytest.mark.parametrize(("code", "fault"), [(401, Fault.AUTHENTICATION), (403, Fault.PERMISSION), (500, Fault.SERVER)])
async def test_a_refusal_of_stripe_is_named(stripe: Vendor, code: int, fault: Fault) -> None:
    connector = stripe_at(stripe, stripe.wire(prefer=repeat(f"code={code}")))
    with pytest.raises(SourceError) as raised:
        await connector.fetch(ALL)
    assert raised.value.fault is fault


async def test_random_answers_are_rows_or_typed_faults(stripe: Vendor) -> None:
    for delivery in await stripe_at(stripe, stripe.wire(prefer=repeat("dynamic=true"))).fetch(ONE):
        assert delivery.failure is None or delivery.fault is Fault.BAD_RESPONSE
