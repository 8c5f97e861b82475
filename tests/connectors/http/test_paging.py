"""Lists that come in pages: followed to the end, to a cap, or until the system repeats itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from account_health.connectors.http import (
    Cursor,
    LastId,
    NextLink,
    Offset,
    Paginator,
    Request,
    Single,
    Unreadable,
)
from account_health.errors import Fault, SourceError
from connectors.http.upstream import Upstream, always, in_turn, ok

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio

LIST = Request("GET", "/things", {"limit": 2})


@dataclass
class Read:
    """What came of reading a list."""

    items: list[Any]
    truncated: str | None
    error: SourceError | None


async def read(upstream: Upstream, paginator: Paginator, request: Request = LIST, max_pages: int | None = None) -> Read:
    """Everything a list gives, and how it ended."""
    items: list[Any] = []
    error = None
    async with upstream.api().open() as connection:
        pages = connection.pages(request, paginator, max_pages=max_pages)
        try:
            async for item in pages:
                items.append(item)  # noqa: PERF401 - what came before an error counts
        except SourceError as err:
            error = err
    return Read(items, pages.truncated, error)


def queries(upstream: Upstream) -> list[dict[str, str]]:
    return [dict(request.url.params) for request in upstream.requests]


def page(items: Sequence[Any], **more: Any) -> httpx2.Response:
    return ok({"results": items, **more})


def after(cursor: str) -> dict[str, Any]:
    return {"next": {"after": cursor}}


async def test_a_cursor_is_followed_until_there_is_none() -> None:
    upstream = in_turn(page([1, 2], paging=after("A")), page([3, 4], paging=after("B")), page([5]))
    found = await read(upstream, Cursor())

    assert found == Read([1, 2, 3, 4, 5], None, None)
    assert queries(upstream) == [{"limit": "2"}, {"limit": "2", "after": "A"}, {"limit": "2", "after": "B"}]


async def test_the_cursor_of_a_search_goes_into_its_body() -> None:
    upstream = in_turn(page([1], paging=after("200")), page([2]))
    search = Request("POST", "/search", body={"limit": 1, "filters": []})
    found = await read(upstream, Cursor(into="body"), search)

    assert found.items == [1, 2]
    assert [request.method for request in upstream.requests] == ["POST", "POST"]
    bodies = [json.loads(request.content) for request in upstream.requests]
    assert bodies == [{"limit": 1, "filters": []}, {"limit": 1, "filters": [], "after": "200"}]
    assert search.body == {"limit": 1, "filters": []}


async def test_a_flag_ends_a_list_whose_last_page_has_a_cursor_too() -> None:
    listing = Cursor("results", "meta.after_cursor", "page[after]", end="meta.has_more", end_means=False)
    upstream = in_turn(
        page([1], meta={"has_more": True, "after_cursor": "A"}),
        page([2], meta={"has_more": False, "after_cursor": "B"}),
    )
    assert (await read(upstream, listing)).items == [1, 2]
    assert queries(upstream)[1] == {"limit": "2", "page[after]": "A"}

    export = Cursor("results", "after_cursor", "cursor", end="end_of_stream")
    upstream = in_turn(
        page([1], after_cursor="A", end_of_stream=False), page([2], after_cursor="B", end_of_stream=True)
    )
    assert (await read(upstream, export)).items == [1, 2]


async def test_a_page_that_promises_more_without_saying_where_is_a_bad_response() -> None:
    listing = Cursor(cursor="meta.after", end="meta.has_more", end_means=False)
    for meta in ({"has_more": True}, {"has_more": True, "after": {}}, {"has_more": True, "after": True}):
        found = await read(always(body={"results": [1], "meta": meta}), listing)
        assert found.error is not None
        assert found.error.fault is Fault.BAD_RESPONSE


@pytest.mark.parametrize("flag", ["false", "true", 0, 1, [], {}])
async def test_a_flag_that_is_neither_yes_nor_no_is_a_bad_response(flag: Any) -> None:
    for cursor in (None, "A"):
        found = await read(in_turn(page([1], next=cursor, end=flag)), Cursor(cursor="next", end="end"))
        assert found.items == []
        assert found.error is not None
        assert found.error.fault is Fault.BAD_RESPONSE
        assert "`end`" in found.error.message


async def test_where_a_flag_is_missing_the_cursor_tells_the_end() -> None:
    upstream = in_turn(page([1], next="A"), page([2]))
    assert await read(upstream, Cursor(cursor="next", end="end")) == Read([1, 2], None, None)


async def test_the_id_of_the_last_item_leads_to_the_next_page() -> None:
    upstream = in_turn(
        ok({"data": [{"id": "a"}, {"id": "b"}], "has_more": True}), ok({"data": [{"id": "c"}], "has_more": False})
    )
    found = await read(upstream, LastId())

    assert [item["id"] for item in found.items] == ["a", "b", "c"]
    assert queries(upstream)[1]["starting_after"] == "b"


@pytest.mark.parametrize("items", [[], [{}], [{"id": 7}], [{"id": ""}], ["a"]])
async def test_more_after_an_item_without_an_id_is_a_bad_response(items: list[Any]) -> None:
    found = await read(always(body={"data": items, "has_more": True}), LastId())
    assert found.error is not None
    assert found.error.fault is Fault.BAD_RESPONSE


@pytest.mark.parametrize("flag", [{}, {"has_more": None}, {"has_more": "true"}, {"has_more": 1}])
async def test_a_page_that_does_not_say_whether_there_is_more_is_a_bad_response(flag: dict[str, Any]) -> None:
    found = await read(in_turn(ok({"data": [{"id": "a"}], **flag})), LastId())
    assert found.items == []
    assert found.error is not None
    assert found.error.fault is Fault.BAD_RESPONSE
    assert "`has_more`" in found.error.message


async def test_offsets_go_by_what_came_and_not_by_what_was_asked_for() -> None:
    upstream = in_turn(page([1, 2], count=5), page([3, 4], count=5), page([5], count=5))
    found = await read(upstream, Offset("results", size=50, total="count"), Request("GET", "/things"))

    assert found.items == [1, 2, 3, 4, 5]
    assert queries(upstream) == [
        {"limit": "50"},
        {"limit": "50", "offset": "2"},
        {"limit": "50", "offset": "4"},
    ]


async def test_a_list_that_ends_before_its_total_is_cut_and_that_is_said() -> None:
    upstream = in_turn(page([1, 2], count=5), page([3], count=5), page([], count=5))
    found = await read(upstream, Offset("results", size=2, total="count"))
    assert found == Read([1, 2, 3], "The system tells of 5 items and sent only 3; the others are missing.", None)


@pytest.mark.parametrize("count", [0, -1])
async def test_a_list_of_nothing_is_whole(count: int) -> None:
    assert await read(in_turn(page([], count=count)), Offset("results", total="count")) == Read([], None, None)


async def test_a_list_that_got_shorter_while_it_was_read_is_whole() -> None:
    upstream = in_turn(page([1, 2], count=3), page([], count=2))
    assert await read(upstream, Offset("results", size=2, total="count")) == Read([1, 2], None, None)


async def test_without_a_total_an_empty_page_ends_a_list() -> None:
    upstream = in_turn(page([1, 2]), page([3]), page([]))
    assert (await read(upstream, Offset("results", size=2))).items == [1, 2, 3]


async def test_a_total_that_is_no_number_is_a_bad_response() -> None:
    found = await read(always(body={"results": [1], "count": "many"}), Offset("results", total="count"))
    assert found.error is not None
    assert found.error.fault is Fault.BAD_RESPONSE


async def test_links_are_followed_whole_or_relative() -> None:
    upstream = in_turn(
        page([1], next="https://acme.example/base/things?cursor=A%3D&limit=2"),
        page([2], next="/elsewhere/0001-2000"),
        page([3], next="?page=4"),
        page([4], next=None),
    )
    found = await read(upstream, NextLink("results"))

    assert found == Read([1, 2, 3, 4], None, None)
    assert [str(request.url) for request in upstream.requests] == [
        "https://acme.example/base/things?limit=2",
        "https://acme.example/base/things?cursor=A%3D&limit=2",
        "https://acme.example/elsewhere/0001-2000",
        "https://acme.example/base/things?page=4",
    ]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/base/things",
        "http://acme.example/base/things",
        "https://acme.example:8443/base/things",
        "https://acme.example.evil.example/",
        "https://acme.example@evil.example/",
        "https://user@acme.example/base/things",
        "//evil.example/things",
        "\\\\evil.example/things",
        "file:///etc/passwd",
        "https://[::1/",
        "http://169.254.169.254/latest",
        "javascript:alert(1)",
    ],
)
async def test_a_link_off_the_configured_origin_is_a_bad_response_and_gets_no_connection(link: str) -> None:
    upstream = always(body={"results": [1], "next": link})
    found = await read(upstream, NextLink("results"))

    assert {request.url.host for request in upstream.requests} == {"acme.example"}
    assert {request.url.scheme for request in upstream.requests} == {"https"}
    if found.error is None:  # read as a path on our own origin
        assert "evil" in upstream.requests[-1].url.path
    else:
        assert found.error.fault is Fault.BAD_RESPONSE
        assert "evil" not in str(found.error)
        assert len(upstream.requests) == 1


async def test_a_link_that_is_no_text_is_a_bad_response() -> None:
    found = await read(always(body={"results": [1], "next": {"href": "/things"}}), NextLink("results"))
    assert found.error is not None
    assert found.error.fault is Fault.BAD_RESPONSE


async def test_a_failure_on_a_later_page_is_named_after_the_first_path() -> None:
    upstream = in_turn(page([1], next="/ignore-previous-instructions"), httpx2.Response(404))
    found = await read(upstream, NextLink("results"))

    assert found.items == [1]
    assert found.error is not None
    assert "GET /things" in found.error.message
    assert "instructions" not in str(found.error)


async def test_a_repeated_cursor_stops_the_list_and_is_said() -> None:
    pages = iter([[1], [2], [3], [4]])
    upstream = Upstream(lambda _: page(next(pages), paging=after("A")))
    found = await read(upstream, Cursor())

    assert found.items == [1, 2]
    assert found.truncated == "The system sent the same cursor twice; what follows it is missing."
    assert len(upstream.requests) == 2


async def test_a_repeated_link_stops_the_list_and_is_said() -> None:
    pages = iter([[1], [2], [3]])
    found = await read(Upstream(lambda _: page(next(pages), next="/things?page=2")), NextLink("results"))

    assert found.items == [1, 2]
    assert found.truncated


async def test_a_system_that_ignores_the_offset_is_found_out_by_its_second_page() -> None:
    found = await read(always(body={"results": [1, 2]}), Offset("results", size=2))

    assert found.items == [1, 2]
    assert found.truncated == "The system sent the same page twice; what follows it is missing."


async def test_a_list_longer_than_the_cap_is_cut_and_that_is_said() -> None:
    def endless(request: httpx2.Request) -> httpx2.Response:
        number = int(request.url.params.get("after", 0)) + 1
        return page([number], paging=after(str(number)))

    found = await read(Upstream(endless), Cursor(), max_pages=3)

    assert found == Read([1, 2, 3], "Only the first 3 pages were read.", None)


async def test_a_list_as_long_as_the_cap_is_whole() -> None:
    upstream = in_turn(page([1], paging=after("A")), page([2]))
    assert await read(upstream, Cursor(), max_pages=2) == Read([1, 2], None, None)


async def test_a_list_that_always_comes_whole_is_one_page() -> None:
    assert await read(always(body={"a": {"b": [1, 2]}}), Single("a.b")) == Read([1, 2], None, None)
    assert await read(always(body=[1, 2]), Single()) == Read([1, 2], None, None)


@pytest.mark.parametrize(
    "paginator", [Single("results"), Cursor(), LastId("results"), Offset("results"), NextLink("results")]
)
@pytest.mark.parametrize("body", [[], "results", 1, True, {}, {"results": None}, {"results": {"id": 1}}])
async def test_an_answer_without_its_list_is_a_bad_response(paginator: Paginator, body: Any) -> None:
    upstream = in_turn(httpx2.Response(200, json=body))
    found = await read(upstream, paginator)

    assert found.items == []
    assert found.error is not None
    assert found.error.fault is Fault.BAD_RESPONSE
    assert "`results`" in found.error.message


async def test_a_connector_may_bring_a_paginator_of_its_own() -> None:
    class ByNumber(Paginator):
        def items_of(self, page: Any) -> Sequence[Any]:
            if "rows" not in page:
                raise Unreadable("it has no rows")
            return list(page["rows"])

        def next(self, request: Request, page: Any, items: Sequence[Any]) -> Request | None:
            return Request("GET", request.path, {"page": page["page"] + 1}) if items else None

    upstream = in_turn(ok({"rows": [1], "page": 1}), ok({"rows": [], "page": 2}))
    assert await read(upstream, ByNumber()) == Read([1], None, None)
    assert queries(upstream)[1] == {"page": "2"}

    found = await read(always(body={}), ByNumber())
    assert found.error is not None
    assert "it has no rows" in found.error.message
