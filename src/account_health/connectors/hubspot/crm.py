"""Crm: how HubSpot is asked. Searches never meet their cap, associations and records are read in batches.

HubSpot's guides "Search", "Associations" and "API versioning" say so: a search ends after 10,000 records, whatever it
found; engagements are searched like records, and any of them by the company it belongs to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from account_health.connectors.http import Api, Cursor, Paginator, Request, Single, Unreadable, at
from account_health.connectors.hubspot.objects import Associated, Associations, CrmObject, Owner, Pipeline, Property
from account_health.connectors.live.ask import unix
from account_health.errors import Fault, SourceError
from account_health.language import mark, say

if TYPE_CHECKING:
    from account_health.connectors.live import Ask

SEARCH_PAGE = 200
RECORDS = 100
"""Most records that one batch may read."""
LINKS = 1000
"""Most records whose associations one batch may read."""
GROUPS = 4
"""Filter groups per search; HubSpot admits five."""
VALUES = 50
"""Most values we put into one filter."""
_ID = "hs_object_id"
_UNREADABLE = {
    "tickets": mark("HubSpot sent pipelines of tickets that cannot be read."),
    "deals": mark("HubSpot sent pipelines of deals that cannot be read."),
}

Filter = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class ById(Paginator):
    """A search by ascending id whose next page asks for what comes after the last id, so that no cap is ever met."""

    def first(self, request: Request) -> Request:
        """The search from the lowest id on."""
        return _after(request, "0")

    def items_of(self, page: Any) -> Sequence[Any]:
        """The records on a page."""
        return Single("results").items_of(page)

    def next(self, request: Request, page: Any, items: Sequence[Any]) -> Request | None:
        """The same search after the last record; raises Unreadable unless that has the highest id of its page."""
        if at(page, "paging.next.after") in (None, ""):
            return None
        ids = [str(at(item, "id")) for item in items]
        numbers = [int(i) for i in ids if i.isdecimal()]
        if not ids or (numbers and str(max(numbers)) != ids[-1]):
            raise Unreadable(say("its records do not come in the order of their ids"))
        return _after(request, ids[-1])


def _after(request: Request, last: str) -> Request:
    body = dict(request.body or {})
    groups = [
        [f for f in group["filters"] if f["propertyName"] != _ID or f["operator"] != "GT"]
        for group in body["filterGroups"]
    ]
    body["filterGroups"] = [{"filters": [*filters, _filter(_ID, "GT", last)]} for filters in groups]
    return replace(request, body=body)


@dataclass(frozen=True)
class _MoreAssociations(Paginator):
    """Associations of many records; those with more than fit on a page are asked for again."""

    def items_of(self, page: Any) -> Sequence[Any]:
        return Single("results").items_of(page)

    def next(self, request: Request, page: Any, items: Sequence[Any]) -> Request | None:  # noqa: ARG002 - the protocol names it
        cursors = [(at(item, "from.id"), at(item, "paging.next.after")) for item in items]
        inputs = [{"id": str(source), "after": str(after)} for source, after in cursors if source and after]
        return replace(request, body={"inputs": inputs}) if inputs else None


def _filter(name: str, operator: str, value: str) -> Filter:
    return {"propertyName": name, "operator": operator, "value": value}


def equals(name: str, value: str) -> Filter:
    """The property has this value."""
    return _filter(name, "EQ", value)


def differs(name: str, value: str) -> Filter:
    """The property has another value."""
    return _filter(name, "NEQ", value)


def among(name: str, values: Iterable[str]) -> Filter:
    """The property has one of these values. HubSpot wants texts in lower case here, but options as they are."""
    both = dict.fromkeys(form for value in values for form in (value, value.lower()))
    return {"propertyName": name, "operator": "IN", "values": list(both)}


def holds(name: str, part: str) -> Filter:
    """The property's text holds this part."""
    return _filter(name, "CONTAINS_TOKEN", f"*{part}*")


def since(name: str, instant: datetime) -> Filter:
    """The property is not before the instant."""
    return _filter(name, "GTE", str(1000 * unix(instant)))


def of_asked(ask: Ask, groups: Iterable[Sequence[Filter]]) -> list[list[Filter]]:
    """The groups, each narrowed to records that belong to one of the asked companies, if some were asked for."""
    if ask.records is None:
        return [list(group) for group in groups]
    companies = numbers(ask.record_ids)
    if len(companies) == 1:  # what HubSpot's guide shows
        return [[*group, equals("associations.company", companies[0])] for group in groups]
    asked = [among("associations.company", ids) for ids in chunks(companies, VALUES)]
    return [[*group, belongs] for belongs in asked for group in groups]


def is_asked(ask: Ask, company: str) -> bool:
    """Whether the company is one of those that were asked for."""
    return ask.records is None or company in ask.record_ids


def numbers(ids: Iterable[str]) -> list[str]:
    """Those that can be ids of HubSpot; it refuses a search for others."""
    return [i for i in ids if i.isascii() and i.isdecimal()]


def lacks(name: str) -> Filter:
    """The property is empty."""
    return {"propertyName": name, "operator": "NOT_HAS_PROPERTY"}


async def batches(items: AsyncIterator[T], size: int) -> AsyncIterator[list[T]]:
    """The items in lists of at most `size`."""
    batch: list[T] = []
    async for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def chunks(items: Iterable[T], size: int) -> Iterable[list[T]]:
    """The items in lists of at most `size`."""
    every = list(items)
    return (every[start : start + size] for start in range(0, len(every), size))


@dataclass(frozen=True)
class Crm:
    """One version of HubSpot's CRM API."""

    version: str
    searches: Api
    """The API for searches, because they have a small limit of their own."""

    def path(self, api: str, rest: str = "") -> str:
        """Where something of the API is: numbered versions stand before its name, dates after it."""
        if self.version.startswith("v"):
            number = "v4" if api == "associations" else self.version
            return f"/crm/{number}/{api}/{rest}"
        return f"/crm/{api}/{self.version}/{rest}".rstrip("/")

    async def search(  # noqa: PLR0913 - what to look for, where, and what to tell of it
        self,
        ask: Ask,
        kind: str,
        groups: Iterable[Sequence[Filter]],
        properties: Iterable[str],
        *,
        needs: str,
        text: str = "",
    ) -> AsyncIterator[CrmObject]:
        """Records that pass every filter of one of the groups and hold the text, if any; some perhaps twice."""
        for some in chunks(groups, GROUPS):
            body: dict[str, Any] = {
                "filterGroups": [{"filters": list(group)} for group in some],
                "sorts": [_ID],
                "properties": sorted(set(properties)),
                "limit": SEARCH_PAGE,
            }
            request = Request(
                "POST", self.path("objects", f"{kind}/search"), body=body | ({"query": text} if text else {})
            )
            async for found in self._searched(ask, request, needs):
                yield found

    async def _searched(self, ask: Ask, request: Request, needs: str) -> AsyncIterator[CrmObject]:
        async with self.searches.open() as connection:
            search = replace(ask, connection=connection, rows_total=0, truncated=None)
            async for found in search.items(CrmObject, request, ById(), needs=needs):
                yield found
            ask.rows_total += search.rows_total
            ask.truncated = ask.truncated or search.truncated
            # Searches wait side by side, so the longest wait stands for all of them.
            ask.connection.waited = max(ask.connection.waited, connection.waited)
            ask.connection.clock_skew = ask.connection.clock_skew or connection.clock_skew

    async def read(
        self, ask: Ask, kind: str, ids: Collection[str], properties: Iterable[str], *, needs: str
    ) -> AsyncIterator[CrmObject]:
        """The records with these ids, as far as they exist."""
        for chunk in chunks(ids, RECORDS):
            body = {
                "inputs": [{"id": i} for i in chunk],
                "properties": sorted(set(properties)),
                "propertiesWithHistory": [],
            }
            request = Request("POST", self.path("objects", f"{kind}/batch/read"), body=body)
            async for found in ask.items(CrmObject, request, Single("results"), needs=needs, is_row=False):
                yield found

    async def links(
        self, ask: Ask, source: str, target: str, ids: Collection[str], *, needs: str
    ) -> Mapping[str, Sequence[Associated]]:
        """The records of kind `target` that each of the others belongs to."""
        found: dict[str, list[Associated]] = defaultdict(list)
        for chunk in chunks(ids, LINKS):
            path = self.path("associations", f"{source}/{target}/batch/read")
            request = Request("POST", path, body={"inputs": [{"id": i} for i in chunk]})
            async for links in ask.items(Associations, request, _MoreAssociations(), needs=needs, is_row=False):
                found[links.source.id] += links.to
        return found

    async def owners(self, ask: Ask) -> Mapping[str, str]:
        """Names of those who can own a record, by id."""
        request = Request("GET", self.path("owners"), {"limit": RECORDS})
        owners = ask.items(Owner, request, Cursor(), needs="crm.objects.owners.read", is_row=False)
        return {owner.id: owner.name async for owner in owners if owner.name}

    async def pipelines(self, ask: Ask, kind: str, *, needs: str) -> Sequence[Pipeline]:
        """The pipelines of tickets or deals; raises SourceError if one is unreadable, as stages then mean anything."""
        request = Request("GET", self.path("pipelines", kind))
        found = [p async for p in ask.items(Pipeline, request, Single("results"), needs=needs, is_row=False)]
        if ask.rejected:
            raise SourceError(
                say(_UNREADABLE[kind]),
                say("Ask again later; if it stays so, check api_version."),
                fault=Fault.BAD_RESPONSE,
            )
        return found

    async def properties(self, ask: Ask, kind: str, *, needs: str) -> Sequence[Property]:
        """The properties that records of a kind have."""
        request = Request("GET", self.path("properties", kind))
        return [p async for p in ask.items(Property, request, Single("results"), needs=needs, is_row=False)]
