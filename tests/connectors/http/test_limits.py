"""How often a vendor is asked: its throttles, our own budget, and the pause after it failed in a row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
import stamina

from account_health.connectors.http import Manners, Throttle
from account_health.errors import Fault
from connectors.http.upstream import NOW, Upstream, always, failure, get, in_turn, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from account_health.connectors.http import Api

pytestmark = pytest.mark.anyio

SALESFORCE = Manners(attempts=1, throttles=(Throttle(429), Throttle(403, "REQUEST_LIMIT_EXCEEDED")))
LIMIT_EXCEEDED = [{"message": "words of another system", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
ONE_TRY = Manners(attempts=1)


@pytest.fixture
def no_backoff() -> Iterator[None]:
    """Tries follow each other at once; waits that a vendor asks for stay as they are."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


async def waits(answer: httpx2.Response, manners: Manners = Manners()) -> float:  # noqa: B008 - frozen
    """Seconds that a first answer holds the second request back."""
    async with in_turn(answer, ok({})).api(manners=manners).open() as connection:
        await connection.get("/things")
    return connection.waited.total_seconds()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Fault.BAD_RESPONSE),
        (400, Fault.REFUSED),
        (401, Fault.AUTHENTICATION),
        (402, Fault.REFUSED),
        (403, Fault.PERMISSION),
        (404, Fault.NOT_FOUND),
        (409, Fault.REFUSED),
        (410, Fault.NOT_FOUND),
        (422, Fault.REFUSED),
        (501, Fault.SERVER),
    ],
)
async def test_what_would_not_change_is_asked_once(status: int, kind: Fault) -> None:
    upstream = always(status, {"message": "words of another system"})
    error = await failure(upstream.api())

    assert (error.fault, len(upstream.requests)) == (kind, 1)
    assert f"({status} for GET /things)" in error.message or kind is Fault.AUTHENTICATION
    assert error.next_step
    assert "words" not in str(error)


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_host_in_trouble_is_asked_three_times(status: int) -> None:
    upstream = always(status)
    assert (await failure(upstream.api())).fault is Fault.SERVER
    assert len(upstream.requests) == 3


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize(
    ("broken", "kind", "tries"),
    [
        (httpx2.ConnectError("x"), Fault.UNREACHABLE, 3),
        (httpx2.ReadError("x"), Fault.UNREACHABLE, 3),
        (httpx2.RemoteProtocolError("x"), Fault.BAD_RESPONSE, 3),
        (httpx2.ConnectTimeout("x"), Fault.TIMEOUT, 1),
        (httpx2.ReadTimeout("x"), Fault.TIMEOUT, 1),
    ],
)
async def test_a_broken_connection_is_tried_again_and_a_slow_one_is_not(
    broken: Exception, kind: Fault, tries: int
) -> None:
    upstream = Upstream(lambda _: broken)
    assert (await failure(upstream.api())).fault is kind
    assert len(upstream.requests) == tries


async def test_a_missing_permission_is_named() -> None:
    error = await failure(always(403).api(), needs="crm.objects.deals.read")
    assert "`crm.objects.deals.read`" in error.next_step


UNIX = replace(ONE_TRY, reset_header="x-reset")
ISO = replace(UNIX, reset_kind="iso")
SECONDS = replace(UNIX, reset_kind="seconds")
IN_A_MINUTE = NOW + timedelta(minutes=1)
THEN = "Try again after 2026-11-21 09:01:00 UTC."
NOW_AGAIN = "Try again after 2026-11-21 09:00:00 UTC."
UNTOLD = "It does not say for how long; try again in a few minutes."


@pytest.mark.parametrize(
    ("manners", "headers", "next_step"),
    [
        (ONE_TRY, {"retry-after": "60"}, THEN),
        (ONE_TRY, {"retry-after": format_datetime(IN_A_MINUTE, usegmt=True)}, THEN),
        (UNIX, {"x-reset": str(int(IN_A_MINUTE.timestamp()))}, THEN),
        (ISO, {"x-reset": "2026-11-21T09:01Z"}, THEN),
        (ISO, {"x-reset": "2026-11-21T10:01:00+01:00"}, THEN),
        (ISO, {"x-reset": "2026-11-21T09:01:00"}, THEN),
        (SECONDS, {"x-reset": "60"}, THEN),
        (SECONDS, {"x-reset": "900", "retry-after": "60"}, THEN),
        (UNIX, {"x-reset": str(int(NOW.timestamp()) - 60)}, NOW_AGAIN),
        (ONE_TRY, {}, UNTOLD),
        (ONE_TRY, {"x-reset": "60"}, UNTOLD),
        (ONE_TRY, {"retry-after": "soon"}, UNTOLD),
        (ONE_TRY, {"retry-after": "-5"}, UNTOLD),
        (ONE_TRY, {"retry-after": "\N{SUPERSCRIPT TWO}"}, UNTOLD),
        (UNIX, {"x-reset": "1e99"}, UNTOLD),
        (UNIX, {"x-reset": "nan"}, UNTOLD),
        (ISO, {"x-reset": "tomorrow"}, UNTOLD),
    ],
)
async def test_each_way_of_saying_when_to_come_again_is_understood(
    manners: Manners, headers: dict[str, str], next_step: str
) -> None:
    answer = httpx2.Response(429, headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()])
    assert (await failure(in_turn(answer).api(manners=manners))).next_step == next_step


async def test_a_vendor_s_times_are_read_by_its_own_clock() -> None:
    ahead = NOW + timedelta(minutes=7)
    headers = {
        "date": format_datetime(ahead, usegmt=True),
        "retry-after": format_datetime(ahead + timedelta(seconds=1), usegmt=True),
    }
    upstream = in_turn(httpx2.Response(429, headers=headers), ok({}, date=headers["date"]))
    async with upstream.api().open() as connection:
        await connection.get("/things")

    assert connection.clock_skew == timedelta(minutes=7)
    assert connection.waited.total_seconds() == pytest.approx(1, abs=0.1)


@pytest.mark.usefixtures("no_backoff")
async def test_a_503_that_says_when_is_not_asked_earlier() -> None:
    assert await waits(httpx2.Response(503, headers={"retry-after": "1"})) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("seconds", ["60", "3600", "9" * 30])
async def test_a_wait_beyond_the_deadline_fails_at_once_and_names_the_time(seconds: str) -> None:
    upstream = always(429, retry_after=seconds)
    api = upstream.api()
    began = anyio.current_time()
    with anyio.fail_after(5):
        first = await failure(api)
        second = await failure(api)

    assert anyio.current_time() - began < 1
    assert (first.fault, second.fault) == (Fault.THROTTLED, Fault.THROTTLED)
    assert len(upstream.requests) == 1
    expected = {"60": "2026-11-21 09:01:", "3600": "2026-11-21 10:00:"}.get(seconds, "2026-11-22 09:00:")
    assert first.next_step == f"Try again after {expected}00 UTC."


async def test_even_without_a_deadline_nobody_waits_for_an_hour() -> None:
    assert (await failure(always(429, retry_after="3600").api())).fault is Fault.THROTTLED


async def test_a_throttle_that_goes_on_is_asked_three_times() -> None:
    upstream = always(429, retry_after="0")
    error = await failure(upstream.api())
    assert (error.fault, len(upstream.requests)) == (Fault.THROTTLED, 3)


async def test_a_throttle_holds_back_every_request_to_the_source() -> None:
    upstream = in_turn(httpx2.Response(429, headers={"retry-after": "1"}), *(ok({}) for _ in range(9)))
    times: list[float] = []

    async def read(api: Api) -> None:
        await get(api)
        times.append(anyio.current_time())

    api = upstream.api(manners=Manners(concurrency=1))
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(read, api)

    assert len(upstream.requests) >= 4
    assert max(times) - began >= 1


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, LIMIT_EXCEEDED, Fault.THROTTLED),
        (403, {"error": {"details": LIMIT_EXCEEDED}}, Fault.THROTTLED),
        (403, [{"errorCode": "INSUFFICIENT_ACCESS"}], Fault.PERMISSION),
        (403, [{"message": "REQUEST_LIMIT_EXCEEDED"}], Fault.PERMISSION),
        (400, LIMIT_EXCEEDED, Fault.REFUSED),
    ],
)
async def test_a_vendor_s_code_decides_whether_it_was_too_fast(status: int, body: Any, kind: Fault) -> None:
    error = await failure(always(status, body).api(manners=SALESFORCE))
    assert error.fault is kind
    assert "words" not in str(error)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[" * 5000, b'"' + b"a" * 70_000 + b'"'])
async def test_an_unreadable_refusal_is_judged_by_its_status(content: bytes) -> None:
    upstream = Upstream(lambda _: httpx2.Response(403, content=content, headers={"content-type": "application/json"}))
    assert (await failure(upstream.api(manners=SALESFORCE))).fault is Fault.PERMISSION


async def test_a_status_of_the_vendor_s_choice_can_mean_too_fast() -> None:
    assert await waits(httpx2.Response(409), Manners(throttles=(Throttle(409),))) == pytest.approx(1, abs=0.1)


async def test_a_vendor_whose_count_is_nearly_used_up_is_left_alone_until_it_starts_anew() -> None:
    manners = Manners(
        remaining_header="x-remaining", reset_header="x-reset", reset_kind="seconds", head_room=2, attempts=1
    )
    for remaining, waited in (("2", 1.0), ("3", 0.0), ("none", 0.0)):
        upstream = Upstream(lambda _, left=remaining: ok({}, **{"x-remaining": left, "x-reset": "1"}))  # type: ignore[misc] # a lambda with a default
        async with upstream.api(manners=manners).open() as connection:
            await connection.get("/things")
            await connection.get("/things")
        assert connection.waited.total_seconds() == pytest.approx(waited, abs=0.1)


async def test_requests_keep_to_the_rate_across_connections_and_loops() -> None:
    upstream = always()
    api = upstream.api(manners=Manners(per_second=20, burst=5))

    async def read(times: int) -> None:
        for _ in range(times):
            await get(api)

    began = anyio.current_time()
    await read(5)
    assert anyio.current_time() - began < 0.2
    await anyio.to_thread.run_sync(anyio.run, read, 10)
    assert anyio.current_time() - began >= 0.45


async def test_time_waited_side_by_side_counts_once() -> None:
    api = always().api(manners=Manners(per_second=10, burst=1, concurrency=10))
    began = anyio.current_time()
    async with api.open() as connection, anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(connection.get, "/things")

    assert connection.calls == 6
    assert connection.waited.total_seconds() <= anyio.current_time() - began
    assert connection.waited.total_seconds() == pytest.approx(0.5, abs=0.1)


async def test_no_more_requests_are_under_way_than_allowed() -> None:
    under_way = most = 0

    async def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await anyio.sleep(0.02)
        under_way -= 1
        return ok({})

    api = always().api(manners=Manners(concurrency=3, burst=20))
    api.transport = httpx2.MockTransport(answer)
    async with api.open() as connection, anyio.create_task_group() as tasks:
        for _ in range(9):
            tasks.start_soon(connection.get, "/things")
    assert most == 3


async def test_after_five_failures_in_a_row_a_host_is_left_alone_and_then_probed_once() -> None:
    upstream = always(503)
    api = upstream.api(manners=ONE_TRY)
    for _ in range(5):
        assert (await failure(api)).fault is Fault.SERVER
    paused = await failure(api)

    assert (paused.fault, len(upstream.requests)) == (Fault.PAUSED, 5)
    assert paused.next_step == "Try again after 2026-11-21 09:00:30 UTC."

    upstream.now += timedelta(seconds=31)
    assert (await failure(api)).fault is Fault.SERVER
    assert (await failure(api)).fault is Fault.PAUSED
    assert len(upstream.requests) == 6

    upstream.now += timedelta(seconds=31)
    upstream.answer = lambda _: ok({})
    await get(api)
    await get(api)
    assert len(upstream.requests) == 8


@pytest.mark.usefixtures("no_backoff")
async def test_a_probe_is_one_request_even_if_it_fails() -> None:
    upstream = always(503)
    api = upstream.api()
    for _ in range(5):
        await failure(api)
    assert len(upstream.requests) == 15
    upstream.now += timedelta(seconds=31)
    await failure(api)
    assert len(upstream.requests) == 16


async def test_only_one_of_many_reads_is_the_probe() -> None:
    upstream = always(503)
    api = upstream.api(manners=ONE_TRY)
    for _ in range(5):
        await failure(api)
    upstream.now += timedelta(seconds=31)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(failure, api)
    assert len(upstream.requests) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
async def test_a_host_that_answers_is_never_left_alone(status: int) -> None:
    upstream = always(status, retry_after="0")
    api = upstream.api(manners=ONE_TRY)
    for _ in range(8):
        assert (await failure(api)).fault is not Fault.PAUSED
    assert len(upstream.requests) == 8


async def test_an_answer_between_failures_starts_the_count_anew() -> None:
    down = httpx2.Response(503)
    upstream = in_turn(*[down] * 4, httpx2.Response(404), *[down] * 5)
    api = upstream.api(manners=ONE_TRY)
    for _ in range(10):
        assert (await failure(api)).fault is not Fault.PAUSED
    assert (await failure(api)).fault is Fault.PAUSED


async def test_being_asked_to_slow_down_says_nothing_about_the_host() -> None:
    down = httpx2.Response(503)
    api = in_turn(*[down] * 4, httpx2.Response(429, headers={"retry-after": "0"}), down).api(manners=ONE_TRY)
    kinds = [(await failure(api)).fault for _ in range(7)]
    assert kinds[4:] == [Fault.THROTTLED, Fault.SERVER, Fault.PAUSED]
