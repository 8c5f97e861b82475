"""HubSpot's own document judges what we ask of HubSpot, in the `v3` form that it describes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from account_health.connectors.base import Checkable, Query
from account_health.connectors.hubspot import HubSpot
from account_health.errors import Fault
from account_health.identity import Candidate, Known
from account_health.testing import Subject

if TYPE_CHECKING:
    from account_health.connectors.base import Connector
    from vendors.prism import Judged, Vendor

pytestmark = pytest.mark.anyio

AS_OF = datetime(2026, 11, 21, 9)
EVERYTHING = Query(AS_OF, seconds=30)
ONE = replace(EVERYTHING, accounts=("123",), known=Known((Candidate("123"),)))
ALIKE = replace(EVERYTHING, tables=frozenset({"account"}), like="northwind.example")

SEARCHES = {
    f"POST /crm/v3/objects/{kind}/search"
    for kind in ("companies", "tickets", "deals", "meetings", "calls", "emails", "feedback_submissions")
}
LISTS = {"GET /crm/v3/owners/", "GET /crm/v3/pipelines/tickets", "GET /crm/v3/pipelines/deals"}


def connector(vendor: Vendor, wire: Judged, **settings: Any) -> Connector:
    """HubSpot on this machine, with a setting for everything that makes a request differ."""
    given: dict[str, Any] = {
        "base_url": vendor.base_url,
        "api_version": "v3",
        "account_columns": {"arr": "arr", "currency": "currency", "external_id": "crm_id"},
        "deal_pipelines": {"string": "renewal"},
        "escalated_stages": ["string"],
        "searches_per_second": 1000,
        **settings,
    }
    return Subject(HubSpot, Path(), AS_OF, (), "", settings=given).build(wire)


def linked(*pairs: str) -> set[str]:
    """The requests for what belongs to what."""
    return {f"POST /crm/v4/associations/{pair}/batch/read" for pair in pairs}


TO_COMPANIES = linked("tickets/companies", "deals/companies")
MET = linked("meetings/contacts", "calls/contacts") | {"POST /crm/v3/objects/contacts/batch/read"}
ANSWERED = linked("feedback_submissions/contacts", "contacts/companies")


@pytest.mark.parametrize(
    ("query", "operations"),
    [
        (
            EVERYTHING,
            SEARCHES | LISTS | TO_COMPANIES | MET | ANSWERED
            | linked("meetings/companies", "calls/companies", "emails/companies"),
        ),
        (
            ONE,
            SEARCHES - {"POST /crm/v3/objects/feedback_submissions/search"} | LISTS | TO_COMPANIES | MET | ANSWERED
            | linked("companies/contacts", "contacts/feedback_submissions")
            | {"POST /crm/v3/objects/feedback_submissions/batch/read"},
        ),
        (ALIKE, {"GET /crm/v3/owners/", "POST /crm/v3/objects/companies/search"}),
    ],
)  # fmt: skip
async def test_hubspot_accepts_every_operation_of_ours(hubspot: Vendor, query: Query, operations: set[str]) -> None:
    wire = hubspot.wire()
    found = await connector(hubspot, wire).fetch(query)
    assert wire.refusals == []
    assert {f"{e.verb} {e.target.partition('?')[0]}" for e in wire.exchanges} == operations
    assert [delivery.failure for delivery in found if delivery.failure] == []


async def test_hubspot_accepts_what_the_check_asks(hubspot: Vendor) -> None:
    wire = hubspot.wire()
    source = connector(hubspot, wire, ticket_columns={"escalated_at": "x"}, deal_columns={"amount": "x"})
    assert isinstance(source, Checkable)
    await source.check(AS_OF)
    assert wire.refusals == []
    properties = {e.target for e in wire.exchanges if "/properties/" in e.target}
    assert properties == {f"/crm/v3/properties/{kind}" for kind in ("companies", "tickets", "deals")}


async def test_a_list_whose_next_page_never_ends_is_said_to_be_incomplete(hubspot: Vendor) -> None:
    found = await connector(hubspot, hubspot.wire()).fetch(EVERYTHING)
    assert {d.table: bool(d.note) for d in found} == dict.fromkeys(
        ("account", "ticket", "opportunity", "touchpoint", "survey_response"), True
    )


async def test_refusals_that_the_document_declares_are_told_by_their_kind(hubspot: Vendor) -> None:
    for code, fault in ((401, Fault.AUTHENTICATION), (403, Fault.PERMISSION), (400, Fault.REFUSED)):
        found = await connector(hubspot, hubspot.wire(repeat(f"code={code}"))).fetch(EVERYTHING)
        assert {delivery.fault for delivery in found} == {fault}


async def test_random_answers_of_the_declared_shape_never_break_the_connector(hubspot: Vendor) -> None:
    for query in (EVERYTHING, ONE, ALIKE):
        found = await connector(hubspot, hubspot.wire(repeat("dynamic=true"))).fetch(query)
        assert [d.failure for d in found if d.failure and d.fault is None] == []
