"""Queries: how Intacct's query service is asked, and how its answers come in pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from account_health.connectors.http import Paginator, Request, Unreadable, at
from account_health.connectors.http.paging import CutShort
from account_health.language import say

if TYPE_CHECKING:
    from account_health.connectors.intacct.settings import IntacctSettings

CUSTOMERS = "accounts-receivable/customer"
INVOICES = "accounts-receivable/invoice"
CUSTOMERS_MAY = "Accounts Receivable: Customers (List, View)"
INVOICES_MAY = "Accounts Receivable: Invoices (List, View)"
QUERY_PATH = "/services/core/query"

Filter = Mapping[str, Mapping[str, Any]]
"""An operator with a field and what it is compared with."""


def among(field: str, values: Iterable[str]) -> Filter:
    """The field has one of the values."""
    return {"$in": {field: [*values]}}


def contains(field: str, text: str) -> Filter:
    """The text stands somewhere in the field."""
    return {"$contains": {field: text}}


def query(
    name: str, fields: Iterable[str], groups: Sequence[Sequence[Filter]], settings: IntacctSettings, *, size: int = 0
) -> Request:
    """A request for the objects of which every group holds; a group holds if one of its filters does.

    Ordered by key, so that what is created while pages are read comes last.
    """
    filters = [wanted for group in groups for wanted in group]
    body: dict[str, Any] = {
        "object": name,
        "fields": [*dict.fromkeys(fields)],
        "filterParameters": {"caseSensitiveComparison": False, "includePrivate": settings.include_private},
        "orderBy": [{"key": "asc"}],
        "start": 1,
        "size": size or settings.page_size,
    }
    if filters:
        body |= {"filters": filters, "filterExpression": _expression([len(group) for group in groups if group])}
    return Request("POST", QUERY_PATH, body=body)


def _expression(sizes: Sequence[int]) -> str:
    """Groups of so many filters, numbered through.

    >>> _expression([2, 1]), _expression([2])
    ('(1 or 2) and 3', '1 or 2')
    """
    parts, number = [], 1
    for size in sizes:
        part = " or ".join(str(number + i) for i in range(size))
        parts.append(f"({part})" if size > 1 and len(sizes) > 1 else part)
        number += size
    return " and ".join(parts)


@dataclass(frozen=True)
class _Results(Paginator):
    """Each answer says with which result the next one starts; the last says null, and then nothing may be missing."""

    def items_of(self, page: Any) -> Sequence[Any]:
        """The results; an error that comes as a success is none."""
        found = at(page, "ia::result")
        if not isinstance(found, list):
            raise Unreadable(say("it has no list at `{place}`", place="ia::result"))
        return found

    def next(self, request: Request, page: Any, items: Sequence[Any]) -> Request | None:
        """The same query further on."""
        start = (request.body or {})["start"]
        total, following = at(page, "ia::meta.totalCount"), at(page, "ia::meta.next")
        if not isinstance(total, int) or isinstance(total, bool):
            raise Unreadable(say("it has no number at `{place}`", place="ia::meta.totalCount"))
        seen = start - 1 + len(items)
        if not items and total > seen:
            raise CutShort(
                say(
                    "The system tells of {total} items and sent only {seen}; the others are missing.",
                    total=total,
                    seen=seen,
                )
            )
        if following is None:
            if seen >= total:
                return None
            following = seen + 1
        if not isinstance(following, int) or isinstance(following, bool) or following <= start:
            raise Unreadable(say("it has no usable number at `{place}`", place="ia::meta.next"))
        return replace(request, body={**(request.body or {}), "start": following})


RESULTS = _Results()
