"""Live sources: one account over six slow systems, and 100,000 accounts through a vendor's bulk lists."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import httpx2
from pydantic import SecretStr

from account_health.config import GatherSettings
from account_health.connectors.base import Connector, Context, Query, Settings
from account_health.connectors.http import Api, Bearer, Manners, Request, Single
from account_health.connectors.live import Ask, Live, LiveSettings, Reader, Vendor
from account_health.connectors.stripe import Stripe
from account_health.connectors.stripe.settings import StripeSettings
from account_health.gather import Gatherer
from account_health.identity import Known, Record
from account_health.model import Source
from account_health.policy import load_policy
from account_health.workspace import open_database
from figures import Figure, peak_mb

if TYPE_CHECKING:
    import duckdb

_AS_OF = datetime(2026, 11, 21, 9)  # noqa: DTZ001 - instants inside are naive UTC
_NOW = _AS_OF.replace(tzinfo=UTC)
_DELAY_MS = 200
_SYSTEMS = 6
_ROUNDS = 7
_ACCOUNTS = 100_000
_LISTS = ("/v1/customers", "/v1/invoices", "/v1/subscriptions")
_TOKEN = SecretStr("loopback")
_ITEMS = Single(items="items")


class _DeskSettings(LiveSettings):
    base_url: str
    lists_accounts: bool = False


class _Item(Vendor):
    id: str
    name: str = ""
    domain: str = ""
    record: str = ""
    opened_at: datetime | None = None


class _Desk(Live[_DeskSettings]):
    """A small system: it finds a record by domain in one call, then reads its tickets in another."""

    kind: ClassVar[str] = "desk"
    system: ClassVar[str] = "Desk"
    settings_model: ClassVar[type[Settings]] = _DeskSettings

    def api(self, context: Context) -> Api:
        manners = Manners(per_second=1000, burst=1000)
        return Api(self.label, self.settings.base_url, Bearer(_TOKEN), manners, clock=context.clock)

    def readers(self) -> Mapping[str, Reader]:
        tickets = {"ticket": Reader(Source.SUPPORT, self._tickets, frozenset())}
        return (
            {"account": Reader(Source.CRM, self._accounts, frozenset({"domains"})), **tickets}
            if (self.settings.lists_accounts)
            else tickets
        )

    async def records(self, ask: Ask) -> AsyncIterator[Record]:
        async for item in ask.items(_Item, Request("GET", "/desk/records"), _ITEMS):
            yield Record(item.id, item.name, domains=(item.domain,))

    async def _accounts(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        async for item in ask.items(_Item, Request("GET", "/desk/accounts"), _ITEMS):
            yield {"account_id": item.id, "name": item.name, "domains": (item.domain,)}

    async def _tickets(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        async for item in ask.items(_Item, Request("GET", "/desk/tickets"), _ITEMS):
            yield {"account_id": item.record, "ticket_id": f"{self.name}-{item.id}", "opened_at": item.opened_at}


def live_one_account() -> Sequence[Figure]:
    """One account of six systems that take 200 ms for each answer; the peer is the slowest of them alone."""
    with _systems(_DELAY_MS, 0) as port:
        known, first, slowest = anyio.run(_one_account, port)
    return [
        Figure("live_one_account", known, "ms", slowest),
        Figure("live_one_account: first, the account has to be found too", first, "ms", slowest),
    ]


def live_bulk_100k() -> Sequence[Figure]:
    """100,000 Stripe customers with an invoice and a subscription each, in a process of its own."""
    with _systems(0, _ACCOUNTS) as port:
        done = subprocess.run([sys.executable, __file__, str(port)], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    return [
        Figure("live_bulk_100k", found["took"], "ms", found["floor"]),
        Figure("live_bulk_100k: calls", found["calls"], "calls", found["pages"]),
        Figure("live_bulk_100k: peak memory", found["peak"], "MB", found["at start"]),
    ]


async def _one_account(port: int) -> tuple[float, float, float]:
    """Medians in milliseconds: the account known already, not known yet, and the slowest system asked alone."""
    policy = load_policy()
    known, first, alone = [], [], []
    for _ in range(_ROUNDS):
        database = open_database()
        sources = [_desk(port, number, database) for number in range(_SYSTEMS)]
        gatherer = _gatherer(sources, database)
        began = time.perf_counter()
        roster = await gatherer.roster(policy, _AS_OF, "1")
        found = time.perf_counter()
        await gatherer.gather(policy, _AS_OF, ["1"])
        first.append(time.perf_counter() - began)
        known.append(time.perf_counter() - found)
        alone.append(max([await _timed(source, roster.known) for source in sources]))
    medians = [statistics.median(times) * 1000 for times in (known, first, alone)]
    return medians[0], medians[1], medians[2]


async def _timed(source: Connector, known: Known) -> float:
    began = time.perf_counter()
    await source.fetch(Query(_AS_OF, ("1",), frozenset({"ticket"}), known=known, seconds=10))
    return time.perf_counter() - began


def _desk(port: int, number: int, database: duckdb.DuckDBPyConnection) -> _Desk:
    settings = _DeskSettings(base_url=f"http://127.0.0.1:{port}", lists_accounts=number == 0)
    return _Desk(f"desk{number}", settings, _context(database))


def _gatherer(sources: Sequence[Connector], database: duckdb.DuckDBPyConnection) -> Gatherer:
    return Gatherer(sources, database, clock=lambda: _NOW, settings=GatherSettings())


def _context(database: duckdb.DuckDBPyConnection) -> Context:
    return Context(Path(), database.cursor(), lambda: _NOW)


@contextmanager
def _systems(delay_ms: float, accounts: int) -> Iterator[int]:
    """The port of the systems, which run in a process of their own."""
    script = str(Path(__file__).with_name("slow_systems.py"))
    with subprocess.Popen(
        [sys.executable, script, str(delay_ms), str(accounts)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("The systems have no pipes.")
        yield int(process.stdout.readline())
        process.stdin.close()


async def _bulk(port: int) -> None:
    """Prints time, calls and memory of the bulk path; the floor asks for the same pages and only parses them."""
    settings = StripeSettings(
        api_key=_TOKEN,
        base_url=f"http://127.0.0.1:{port}",
        lists_accounts=True,
        requests_per_second=1000,
        concurrency=8,
    )
    database = open_database()
    stripe = Stripe("stripe", settings, _context(database))
    gatherer = _gatherer([stripe], database)
    policy, at_start = load_policy(), peak_mb()
    began = time.perf_counter()
    inputs = await gatherer.gather(policy, _AS_OF)
    took = (time.perf_counter() - began) * 1000
    if inputs.tables.rows("SELECT count(*) AS n FROM invoice")[0]["n"] != _ACCOUNTS:
        raise RuntimeError("Not every invoice arrived.")
    found = {"took": took, "calls": await _calls(port), "peak": peak_mb(), "at start": at_start}
    began = time.perf_counter()
    await _read_alone(port)
    floor = (time.perf_counter() - began) * 1000
    print(json.dumps(found | {"floor": floor, "pages": len(_LISTS) * _ACCOUNTS / 100}))


async def _calls(port: int) -> int:
    async with httpx2.AsyncClient() as client:
        return int((await client.get(f"http://127.0.0.1:{port}/calls")).text)


async def _read_alone(port: int) -> None:
    """The same pages, only fetched and parsed."""

    async def read(path: str) -> None:
        after: dict[str, str] = {}
        while True:
            page = json.loads((await client.get(path, params={"limit": "100", **after})).content)
            after = {"starting_after": page["data"][-1]["id"]}
            if not page["has_more"]:
                return

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, anyio.create_task_group() as group:
        for path in _LISTS:
            group.start_soon(read, path)


if __name__ == "__main__":
    anyio.run(_bulk, int(sys.argv[1]))
