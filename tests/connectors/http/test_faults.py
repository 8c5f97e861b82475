"""Every fault a server can have ends in one kind of error, in time, after at most three tries."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest
import stamina

from account_health.connectors.http import Api
from account_health.errors import Fault, SourceError
from connectors.http.upstream import CANARY, TOKEN, faults, hits, real_time

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

FINE = None
OUTCOMES: dict[str, tuple[Fault | None, int]] = {
    "500": (Fault.SERVER, 3),
    "503-burst?n=2": (FINE, 3),
    "429?after=1": (FINE, 2),
    "429date": (FINE, 2),
    "drip": (Fault.TIMEOUT, 1),
    "slowhdr": (Fault.TIMEOUT, 1),
    "hang": (Fault.TIMEOUT, 1),
    "rst": (Fault.UNREACHABLE, 3),
    "trunc": (Fault.BAD_RESPONSE, 1),
    "badlen": (Fault.BAD_RESPONSE, 3),
    "chunktrunc": (Fault.BAD_RESPONSE, 3),
    "huge": (Fault.BAD_RESPONSE, 1),
    "gzbomb?mb=50": (Fault.BAD_RESPONSE, 1),
    "deep": (Fault.BAD_RESPONSE, 1),
    "nan": (Fault.BAD_RESPONSE, 1),
    "bigint": (Fault.BAD_RESPONSE, 1),
    "html": (Fault.BAD_RESPONSE, 1),
    "bom": (FINE, 1),
    "latin1": (Fault.BAD_RESPONSE, 1),
    "dupkeys": (Fault.BAD_RESPONSE, 1),
    "redirmeta": (Fault.BAD_RESPONSE, 1),
    "redirloop": (Fault.BAD_RESPONSE, 1),
    "headersbomb": (Fault.BAD_RESPONSE, 3),
}
SLOW = ("drip", "slowhdr", "hang")

BOMB = """
import resource, sys, anyio
from connectors.http.upstream import TOKEN, failure, get, real_time
from account_health.connectors.http import Api

async def main():
    api = Api("Faulty", sys.argv[1], TOKEN, clock=real_time)
    await get(api, "/ok")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in ("/gzbomb", "/huge"):
        print(path, (await failure(api, path, params={"mb": 500})).fault.name)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

anyio.run(main)
"""


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with faults() as url:
        yield url


def test_the_table_of_outcomes_names_every_fault() -> None:
    assert len(OUTCOMES) == 23


@pytest.mark.parametrize("fault", OUTCOMES)
async def test_every_fault_has_its_kind_in_time_and_within_three_attempts(base_url: str, fault: str) -> None:
    path, _, query = fault.partition("?")
    params = dict(pair.split("=") for pair in query.split("&") if pair)
    deadline = 1.0 if fault in SLOW else 8.0
    kind, attempts = OUTCOMES[fault]
    error: SourceError | None = None
    await hits(base_url)
    began = anyio.current_time()
    with stamina.set_testing(True, attempts=3, cap=True), anyio.fail_after(deadline):
        async with Api("Faulty", base_url, TOKEN, clock=real_time).open() as connection:
            try:
                answer = await connection.get(f"/{path}", {**params, "key": CANARY})
            except SourceError as err:
                error = err
    took = anyio.current_time() - began

    assert took < deadline + 0.5
    assert [line for _, line in await hits(base_url)] == [f"GET /{path}"] * attempts
    assert connection.calls == attempts
    if kind is FINE:
        assert error is None
        assert answer["items"][0]["id"] == "acme"
    else:
        assert error is not None
        assert error.fault is kind
        assert f"GET /{path}" in error.message
        for secret in (CANARY, "UPSTREAM", "acme", "169.254"):
            assert secret not in str(error)


@pytest.mark.parametrize(("path", "seconds"), [("/429", 2.0), ("/429date", 1.0)])
async def test_the_next_try_never_comes_before_the_time_a_vendor_asked_for(
    base_url: str, path: str, seconds: float
) -> None:
    await hits(base_url)
    async with Api("Faulty", base_url, TOKEN, clock=real_time).open() as connection:
        await connection.get(path, {"after": 2})
    (first, _), (second, _) = await hits(base_url)

    assert second - first >= seconds
    assert connection.waited.total_seconds() == pytest.approx(second - first, abs=0.3)


async def test_tries_after_a_failure_keep_a_distance(base_url: str) -> None:
    await hits(base_url)
    async with Api("Faulty", base_url, TOKEN, clock=real_time).open() as connection:
        with pytest.raises(SourceError):
            await connection.get("/500")
    times = [at for at, _ in await hits(base_url)]

    assert len(times) == 3
    assert all(0.2 <= later - earlier <= 2.5 for earlier, later in pairwise(times))
    assert connection.waited.total_seconds() == 0


async def test_nobody_listening_is_an_unreachable_source() -> None:
    with stamina.set_testing(True, attempts=3, cap=True):
        async with Api("Faulty", "http://127.0.0.1:9", TOKEN, clock=real_time).open() as connection:
            with pytest.raises(SourceError) as raised:
                await connection.get("/ok")
    assert (raised.value.fault, connection.calls) == (Fault.UNREACHABLE, 3)


def test_half_a_gigabyte_costs_no_more_than_forty_megabytes(base_url: str) -> None:
    paths = ":".join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", BOMB, base_url], capture_output=True, text=True, check=False, env={"PYTHONPATH": paths}
    )
    assert done.stdout.splitlines()[:2] == ["/gzbomb BAD_RESPONSE", "/huge BAD_RESPONSE"], done.stderr
    assert int(done.stdout.splitlines()[2]) <= 40 * 1024
