"""Recorded: answers from a file, keeps what it was asked, and lets requests fare worse when told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from pydantic import ValidationError

from account_health.testing import Recorded, Recording, always, at_path, mishaps, nth
from account_health.testing.rewriting import (
    HOSTILE,
    copied_id,
    elsewhere,
    leaves,
    multiplied,
    original,
    with_odd_items,
    without_items,
)

EXCHANGES: list[dict[str, Any]] = [
    {"path": "/things", "json": {"things": [1], "next": "b"}},
    {"path": "/things", "params": {"page": "b"}, "json": {"things": [2]}},
    {"path": "/things", "params": {"page": "b", "kind": ["x", "y"]}, "json": {"things": [3]}},
    {"path": "/search", "method": "POST", "body": {"filter": {"ids": [7]}}, "json": {"found": 7}},
    {"path": "/search", "method": "POST", "json": {"found": 0}},
    {"path": "/token", "method": "POST", "body": {"grant": "client"}, "json": {"token": "t"}},
    {"path": "/gone", "status": 410, "headers": {"x-why": "moved"}, "json": {"error": "gone"}},
]


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    path = tmp_path / "recording.json"
    path.write_text(json.dumps({"exchanges": EXCHANGES}), "utf-8")
    return Recording.load(path)


def _sent(transport: Recorded, *requests: httpx2.Request) -> list[httpx2.Response]:
    async def send() -> list[httpx2.Response]:
        async with httpx2.AsyncClient(transport=transport) as client:
            return [await client.send(request) for request in requests]

    return anyio.run(send)


def _get(path: str, **params: Any) -> httpx2.Request:
    return httpx2.Request("GET", f"https://thing.example{path}", params=params)


def _post(path: str, **content: Any) -> httpx2.Request:
    return httpx2.Request("POST", f"https://thing.example{path}", **content)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (_get("/things"), {"things": [1], "next": "b"}),
        (_get("/things", other="1"), {"things": [1], "next": "b"}),
        (_get("/things", page="b", limit="9"), {"things": [2]}),
        (_get("/things", page="b", kind=["x", "y"]), {"things": [3]}),
        (_get("/things", page="b", kind=["x"]), {"things": [2]}),
        (_post("/search", json={"filter": {"ids": [6, 7], "all": True}}), {"found": 7}),
        (_post("/search", json={"filter": {"ids": [6]}}), {"found": 0}),
        (_post("/token", data={"grant": "client"}), {"token": "t"}),
        (_get("/nowhere"), {}),
        (_post("/things", json={}), {}),
    ],
    ids=["path", "more", "param", "params", "fewer-params", "body", "other-body", "form", "unknown-path", "method"],
)
def test_a_request_gets_the_answer_that_names_most_of_what_it_carries(
    recording: Recording, request_: httpx2.Request, answer: object
) -> None:
    assert _sent(Recorded(recording), request_)[0].json() == answer


def test_status_and_headers_are_those_recorded_and_what_is_not_recorded_is_not_found(recording: Recording) -> None:
    gone, nowhere = _sent(Recorded(recording), _get("/gone"), _get("/nowhere"))
    assert (gone.status_code, gone.headers["x-why"], nowhere.status_code) == (410, "moved", 404)


def test_every_request_is_counted_and_kept(recording: Recording) -> None:
    transport = Recorded(recording)
    _sent(transport, _get("/things"), _post("/search", json={"a": 1}))
    assert [(s.request.method, s.request.content) for s in transport.sent] == [("GET", b""), ("POST", b'{"a":1}')]
    assert transport.calls == 2


def test_a_misspelt_key_in_a_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recording.json"
    path.write_text('{"exchanges": [{"path": "/x", "parms": {}}]}', "utf-8")
    with pytest.raises(ValidationError, match="parms"):
        Recording.load(path)


@pytest.mark.parametrize(
    ("when", "statuses"),
    [(always, [503, 503, 503]), (nth(2), [200, 503, 200]), (at_path("/things"), [503, 503, 200])],
    ids=["always", "nth", "path"],
)
def test_a_mishap_happens_to_all_requests_or_to_some(recording: Recording, when: Any, statuses: list[int]) -> None:
    requests = (_get("/things"), _get("/things", page="b"), _post("/search", json={}))
    found = _sent(Recorded(recording, mishaps.status(503), when), *requests)
    assert [response.status_code for response in found] == statuses


def test_a_spared_path_has_no_mishap_and_does_not_count(recording: Recording) -> None:
    transport = Recorded(recording, mishaps.status(503), nth(1), spared="/token")
    token, things = _sent(transport, _post("/token", data={"grant": "client"}), _get("/things"))
    assert (token.status_code, things.status_code, transport.calls) == (200, 503, 1)


def test_a_stuck_list_answers_its_first_page_for_ever(recording: Recording) -> None:
    found = _sent(Recorded(recording, mishaps.stuck()), _get("/things"), _get("/things", page="b"))
    assert [response.json() for response in found] == [{"things": [1], "next": "b"}] * 2


def test_an_answer_without_end_does_end_for_who_reads_on_for_ever(recording: Recording) -> None:
    with pytest.raises(httpx2.ReadError, match="gone on"):
        _sent(Recorded(recording, mishaps.huge), _get("/things"))


def test_no_unreadable_answer_is_the_recorded_one(recording: Recording) -> None:
    for what, mishap in mishaps.UNREADABLE.items():
        if mishap is mishaps.huge:
            continue
        response = _sent(Recorded(recording, mishap), _get("/things"))[0]
        assert response.content != json.dumps(EXCHANGES[0]["json"]).encode(), what


def test_an_instant_elsewhere_is_the_same_instant_and_everything_else_stays() -> None:
    assert elsewhere("2026-11-21T09:30:00Z", ()) == "2026-11-21T02:00:00-07:30"
    kept = ["2026-11-21T00:00:00Z", "2026-11-21", "2026-11-21 09:30:00", "21 November", 7, None]
    assert [elsewhere(value, ()) for value in kept] == kept
    assert elsewhere("2026-11-21T09:30:00Z", {"2026-11-21T09:30:00Z"}) == "2026-11-21T09:30:00Z"


def test_an_odd_item_comes_first_in_every_list_of_items() -> None:
    answer = {"items": [{"tags": ["a"], "lines": [{"n": 1}]}], "rows": [[1, 2]], "none": []}
    odd = {
        "items": ["no item", {"tags": ["a"], "lines": ["no item", {"n": 1}]}],
        "rows": ["no item", [1, 2]],
        "none": [],
    }
    assert with_odd_items(answer) == odd


def test_a_page_without_items_keeps_everything_else() -> None:
    answer = {"items": [{"tags": ["a"]}], "rows": [[1]], "columns": ["a"], "next": "b"}
    assert without_items(answer) == {"items": [], "rows": [], "columns": ["a"], "next": "b"}


def test_copies_of_items_have_ids_of_their_own_that_lead_back_to_the_original() -> None:
    answer = {"items": [{"id": 5, "of": "acme.example", "open": True}, {"id": 6, "of": "else"}], "total": 2}
    copied = multiplied(answer, {5, "acme.example", 1}, 2)
    assert [item["id"] for item in copied["items"]] == [5, 6, 57770000, 57770001]
    assert copied["items"][2] == {"id": 57770000, "of": "acme7770000.example", "open": True}
    assert original(f"/items/{copied_id(5, 1)}?of={copied_id('acme.example', 1)}") == "/items/5?of=acme.example"


def test_leaves_are_changed_wherever_they_stand() -> None:
    assert leaves({"a": ["x", {"b": 1}]}, str) == {"a": ["x", {"b": "1"}]}


def test_the_hostile_text_holds_what_has_done_harm_elsewhere() -> None:
    assert all(part in HOSTILE for part in ("<img", "](http", "\u202e", "\u200b", "\x07", "DROP TABLE", "{{", "\n"))
