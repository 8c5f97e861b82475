"""The judges judge: what a vendor would take is accepted, and what it would not take is refused."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from vendors.prism import Judged, Vendor, needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vendors.hogql import Verdict

pytestmark = pytest.mark.anyio

TICKETS_OF_ONE_COMPANY = {
    "filterGroups": [{"filters": [{"propertyName": "associations.company", "operator": "EQ", "value": "123"}]}],
    "properties": ["createdate", "hs_ticket_priority"],
    "sorts": ["hs_lastmodifieddate"],
    "limit": 100,
    "after": "0",
}


async def ask(
    vendor: Vendor, verb: str, target: str, prefer: Iterable[str] = (), **request: Any
) -> tuple[Judged, httpx2.Response]:
    """One request with a key, and the wire it went over."""
    wire = vendor.wire(prefer)
    key = {"Authorization": "Bearer key"}
    async with httpx2.AsyncClient(base_url=vendor.base_url, headers=key, transport=wire) as client:
        return wire, await client.request(verb, target, **request)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/customers?limit=100&created[gte]=1790000000",
        "/v1/customers/search?query=metadata['account_id']:'A1'",
        "/v1/invoices?customer=cus_1&status=open&limit=100&starting_after=in_1",
        "/v1/subscriptions?status=all&limit=100",
        "/v1/charges/search?query=customer:'cus_1' AND status:'failed'",
        "/v1/events?types[]=invoice.payment_failed&types[]=charge.failed&created[gt]=1790000000",
    ],
)
async def test_stripe_accepts_what_its_document_declares(stripe: Vendor, target: str) -> None:
    wire, response = await ask(stripe, "GET", target)
    assert (len(wire.exchanges), wire.refusals, response.status_code) == (1, [], 200)
    assert response.json()["data"]


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("/v1/invoices?status=overdue", "draft, open, paid, uncollectible, void"),
        ("/v1/invoices?limit=two", "limit must be integer"),
        ("/v1/customers/search", "required property 'query'"),
        ("/v1/charges?status=failed", "does not declare status"),
        ("/v1/customers?created[since]=1", "does not declare created[since]"),
        ("/v1/events?types=charge.failed", "types"),
        ("/v1/nothing", "no such path"),
    ],
)
async def test_stripe_refuses_what_its_document_does_not_declare(stripe: Vendor, target: str, complaint: str) -> None:
    wire, _ = await ask(stripe, "GET", target)
    assert [complaint in exchange.refusal for exchange in wire.exchanges] == [True], wire.exchanges


@pytest.mark.parametrize(
    "thing", ["companies", "deals", "tickets", "feedback_submissions", "meetings", "calls", "emails"]
)
async def test_hubspot_accepts_lists_and_searches_of_every_object(hubspot: Vendor, thing: str) -> None:
    listing, _ = await ask(hubspot, "GET", f"/crm/v3/objects/{thing}?limit=100&properties=name&associations=companies")
    search, _ = await ask(hubspot, "POST", f"/crm/v3/objects/{thing}/search", json=TICKETS_OF_ONE_COMPANY)
    assert [(exchange.status, exchange.refusal) for exchange in listing.exchanges + search.exchanges] == [(200, "")] * 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"after": 0}, "after must be string"),
        ({"sorts": [{"propertyName": "createdate"}]}, "sorts.0 must be string"),
        ({"filtergroups": []}, "filtergroups"),
        ({"filterGroups": [{"filters": [{"propertyName": "a", "operator": "EQUALS"}]}]}, "CONTAINS_TOKEN"),
    ],
)
async def test_hubspot_refuses_a_search_of_another_shape(
    hubspot: Vendor, change: dict[str, Any], complaint: str
) -> None:
    body = {**TICKETS_OF_ONE_COMPANY, **change}
    wire, _ = await ask(hubspot, "POST", "/crm/v3/objects/tickets/search", json=body)
    assert [complaint in exchange.refusal for exchange in wire.exchanges] == [True], wire.exchanges


async def test_a_body_that_is_no_json_is_refused(hubspot: Vendor) -> None:
    json = {"Content-Type": "application/json"}
    wire, _ = await ask(hubspot, "POST", "/crm/v3/objects/tickets/search", content=b"{", headers=json)
    assert wire.refusals == wire.exchanges != []


@pytest.mark.parametrize("verb", ["POST", "PATCH", "DELETE"])
async def test_a_write_is_refused(hubspot: Vendor, verb: str) -> None:
    wire, _ = await ask(hubspot, verb, "/crm/v3/objects/companies/1", json={"properties": {}})
    assert wire.refusals == wire.exchanges != []


async def test_a_request_without_a_key_is_refused(hubspot: Vendor) -> None:
    wire, response = await ask(hubspot, "GET", "/crm/v3/objects/companies", headers={"Authorization": ""})
    assert (response.status_code, len(wire.refusals)) == (401, 1)


async def test_an_answer_can_be_preferred_without_the_request_being_at_fault(hubspot: Vendor, stripe: Vendor) -> None:
    for vendor, target in ((hubspot, "/crm/v3/objects/companies"), (stripe, "/v1/customers")):
        wire, response = await ask(vendor, "GET", target, repeat("code=429"))
        assert (response.status_code, wire.refusals) == (429, [])
        assert int(response.headers["Retry-After"]) > 0


async def test_preferences_are_spent_one_request_after_another(stripe: Vendor) -> None:
    wire = stripe.wire(prefer=["code=429", "code=500"])
    key = {"Authorization": "Bearer key"}
    async with httpx2.AsyncClient(base_url=stripe.base_url, headers=key, transport=wire) as client:
        request = client.build_request("GET", "/v1/events")
        assert [(await client.send(request)).status_code for _ in range(3)] == [429, 500, 200]
    assert wire.refusals == []


@pytest.mark.parametrize(
    "query",
    [
        "SELECT toDate(timestamp) d, uniq(person_id) FROM events WHERE $group_0 = {account} GROUP BY d LIMIT 1000",
        "SELECT $group_0, countIf(timestamp >= now() - INTERVAL 30 DAY) FROM events GROUP BY $group_0 LIMIT 50000",
    ],
)
def test_posthog_reads_a_correct_query(parses_as_hogql: Callable[[str], Verdict], query: str) -> None:
    verdict = parses_as_hogql(query)
    assert verdict
    assert verdict.tree["select_from"]["table"]["chain"] == ["events"]


@pytest.mark.parametrize(
    "query", ["", "SELECT a FROM", "SELECT count( FROM events", "SELECT 1; SELECT 2", "DROP TABLE events"]
)
def test_posthog_refuses_a_broken_query(parses_as_hogql: Callable[[str], Verdict], query: str) -> None:
    verdict = parses_as_hogql(query)
    assert not verdict
    assert verdict.fault


@pytest.mark.parametrize(
    ("required", "outcome"),
    [(False, pytest.skip.Exception), (True, pytest.fail.Exception)],
    ids=["optional", "required"],
)
def test_what_is_missing_is_said_and_is_a_failure_where_it_is_required(
    tmp_path: Path, *, required: bool, outcome: type[BaseException]
) -> None:
    with pytest.raises(outcome, match=r"prism missing.*\.ci/vendors"):
        needed([tmp_path, tmp_path / "prism"], required=required)
