"""Stripe's search: its query language, and the list that stands in where there is no search."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from account_health.connectors.http import Cursor, LastId, Request
from account_health.connectors.live import Vendor
from account_health.errors import Fault, SourceError

if TYPE_CHECKING:
    from account_health.connectors.live import Ask

V = TypeVar("V", bound=Vendor)

PAGE = 100
"""Stripe's largest page."""

_PAGES = Cursor(items="data", cursor="next_page", param="page", end="has_more", end_means=False)
_MOST_CLAUSES = 10
_NO_SEARCH = {Fault.NOT_FOUND, Fault.PERMISSION, Fault.REFUSED}
"""How Stripe may say that a company or a key has no search; else the list that is asked instead fails in its turn."""


def quoted(text: str) -> str:
    r"""A text as a value of a query.

    >>> quoted("O'Hara")
    "'O\\'Hara'"
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def any_of(clauses: Iterable[str]) -> list[str]:
    """As few queries as can hold the clauses as alternatives.

    >>> any_of(["name~'Acme'", "email~'acme.com'", "name~'Acme'"])
    ["name~'Acme' OR email~'acme.com'"]
    """
    every = list(dict.fromkeys(clauses))
    return [" OR ".join(every[start : start + _MOST_CLAUSES]) for start in range(0, len(every), _MOST_CLAUSES)]


async def listed(ask: Ask, model: type[V], listing: Request, needs: str) -> AsyncIterator[V]:
    """Every object of a list."""
    async for item in ask.items(model, listing, LastId(), needs=needs):
        yield item


async def found(ask: Ask, model: type[V], listing: Request, queries: Sequence[str], needs: str) -> AsyncIterator[V]:
    """What the queries find; where Stripe refuses to search, everything that is listed."""
    items: list[V] = []
    try:
        for query in queries:
            asked = Request("GET", f"{listing.path}/search", {"query": query, "limit": PAGE})
            items += [item async for item in ask.items(model, asked, _PAGES, needs=needs)]
    except SourceError as err:
        if err.fault not in _NO_SEARCH:
            raise
        items = [item async for item in listed(ask, model, listing, needs)]
    for item in items:
        yield item
