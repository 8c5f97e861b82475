"""Paging: lists that come in pages, followed to their end, to a cap, or until the system repeats itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from account_health.connectors.http.body import Unreadable
from account_health.language import count, say

Params = Mapping[str, str | int | bool | Sequence[str]]


@dataclass(frozen=True)
class Request:
    """One question to a vendor: GET, or POST for a search."""

    method: Literal["GET", "POST"]
    path: str
    params: Params = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    link: str | None = None
    """A link of the vendor's to follow instead of path and params; it must lead to the configured origin."""


def at(page: Any, path: str) -> Any:
    """What stands at a dotted path, or None where the path ends early."""
    for key in path.split("."):
        if not isinstance(page, Mapping):
            return None
        page = page.get(key)
    return page


def _list(page: Any, path: str) -> Sequence[Any]:
    found = at(page, path) if path else page
    if not isinstance(found, list):
        raise Unreadable(say("it has no list at `{path}`", path=path))
    return found


def _flag(page: Any, path: str) -> bool:
    """What a list ends by; taken for false, another word would end one silently."""
    found = at(page, path)
    if not isinstance(found, bool):
        raise Unreadable(say("it says neither yes nor no at `{path}`", path=path))
    return found


class CutShort(Exception):  # noqa: N818 - it says of a list what it is
    """A list that ends with an empty page before all of it came; the text says in our own words what is missing."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Paginator(Protocol):
    """How a vendor cuts a list into pages.

    `Unreadable` says that a page contradicts that, `CutShort` that the list does.
    """

    def first(self, request: Request) -> Request:
        """The request for the first page."""
        return request

    def items_of(self, page: Any) -> Sequence[Any]:
        """The items on a page."""
        ...

    def next(self, request: Request, page: Any, items: Sequence[Any]) -> Request | None:
        """The request for the page after this one, or None after the last."""
        ...


@dataclass(frozen=True)
class Single(Paginator):
    """A list that always comes whole; an empty path means that the answer is the list."""

    items: str = ""

    def items_of(self, page: Any) -> Sequence[Any]:
        """The items on a page."""
        return _list(page, self.items)

    def next(self, request: Request, page: Any, items: Sequence[Any]) -> None:
        """Always None."""


@dataclass(frozen=True)
class Cursor(Paginator):
    """Each page names a cursor for the next; the last has none, or a flag says that it is the last."""

    items: str = "results"
    cursor: str = "paging.next.after"
    param: str = "after"
    into: Literal["query", "body"] = "query"
    end: str | None = None
    """Where the flag stands that tells the last page."""
    end_means: bool = True
    """The value of that flag on the last page."""

    def items_of(self, page: Any) -> Sequence[Any]:
        """The items on a page."""
        return _list(page, self.items)

    def next(self, request: Request, page: Any, items: Sequence[Any]) -> Request | None:  # noqa: ARG002 - the protocol names them
        """The same request at the page's cursor."""
        cursor = at(page, self.cursor)
        if self.end and at(page, self.end) is not None:
            is_last = _flag(page, self.end) is self.end_means
        else:
            is_last = cursor in (None, "")
        if is_last:
            return None
        if not isinstance(cursor, str | int) or isinstance(cursor, bool) or cursor == "":
            raise Unreadable(say("it has no usable cursor at `{path}`", path=self.cursor))
        return _with(request, self.param, cursor, self.into)


@dataclass(frozen=True)
class LastId(Paginator):
    """The next page starts after the id of the last item, as long as a flag says that there is more."""

    items: str = "data"
    more: str = "has_more"
    id: str = "id"
    param: str = "starting_after"

    def items_of(self, page: Any) -> Sequence[Any]:
        """The items on a page."""
        return _list(page, self.items)

    def next(self, request: Request, page: Any, items: Sequence[Any]) -> Request | None:
        """The same request after the last item."""
        if not _flag(page, self.more):
            return None
        last = at(items[-1], self.id) if items else None
        if not isinstance(last, str) or not last:
            raise Unreadable(say("it promises more, but its last item has no `{key}`", key=self.id))
        return _with(request, self.param, last)


@dataclass(frozen=True)
class Offset(Paginator):
    """Pages are asked for by the number of items before them; without a total, an empty page is the last."""

    items: str
    param: str = "offset"
    size: int = 100
    size_param: str = "limit"
    total: str | None = None
    """Where the number of all items stands."""

    def first(self, request: Request) -> Request:
        """The request with the size of a page."""
        return _with(request, self.size_param, self.size)

    def items_of(self, page: Any) -> Sequence[Any]:
        """The items on a page."""
        return _list(page, self.items)

    def next(self, request: Request, page: Any, items: Sequence[Any]) -> Request | None:
        """The same request further on: by what came, because a system may send smaller pages than asked for."""
        seen = int(str(request.params.get(self.param, 0))) + len(items)
        total = at(page, self.total) if self.total else None
        if self.total and (not isinstance(total, int) or isinstance(total, bool)):
            raise Unreadable(say("it has no number at `{path}`", path=self.total))
        if not items and total is not None and total > seen:
            raise CutShort(
                count(
                    "The system tells of {n} items and sent only {seen}; the others are missing.",
                    "The system tells of {n} items and sent only {seen}; the others are missing.",
                    total,
                    seen=seen,
                )
            )
        return None if not items or (total is not None and seen >= total) else _with(request, self.param, seen)


@dataclass(frozen=True)
class NextLink(Paginator):
    """Each page carries the address of the next."""

    items: str
    link: str = "next"

    def items_of(self, page: Any) -> Sequence[Any]:
        """The items on a page."""
        return _list(page, self.items)

    def next(self, request: Request, page: Any, items: Sequence[Any]) -> Request | None:  # noqa: ARG002 - the protocol names them
        """The request for the link."""
        link = at(page, self.link)
        if link in (None, ""):
            return None
        if not isinstance(link, str):
            raise Unreadable(say("it has no address at `{path}`", path=self.link))
        return replace(request, link=link)


def _with(request: Request, name: str, value: str | int, into: Literal["query", "body"] = "query") -> Request:
    if into == "body":
        return replace(request, body={**(request.body or {}), name: value})
    return replace(request, params={**request.params, name: value})


@dataclass
class Pages:
    """Yields the items of all pages; afterwards `truncated` says why it stopped early, if it did."""

    request: Request
    paginator: Paginator
    max_pages: int
    read: Callable[[Request, Paginator], Awaitable[tuple[Sequence[Any], Request | None]]]
    """Reads one page: its items and the request for the next."""
    truncated: str | None = field(default=None, init=False)

    async def __aiter__(self) -> AsyncIterator[Any]:
        request: Request | None = self.paginator.first(self.request)
        asked: set[str] = set()
        before: Sequence[Any] = ()
        while request:
            asked.add(_fingerprint(request))
            try:
                items, request = await self.read(request, self.paginator)
            except CutShort as cut:
                self.truncated = cut.problem
                return
            if items and items == before:
                self.truncated = say("The system sent the same page twice; what follows it is missing.")
                return
            before = items
            for item in items:
                yield item
            if request and _fingerprint(request) in asked:
                self.truncated = say("The system sent the same cursor twice; what follows it is missing.")
                return
            if request and len(asked) >= self.max_pages:
                self.truncated = count(
                    "Only the first {n} pages were read.", "Only the first {n} pages were read.", self.max_pages
                )
                return


def _fingerprint(request: Request) -> str:
    return json.dumps([request.link, dict(request.params), request.body], sort_keys=True, default=str)
