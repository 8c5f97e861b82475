"""Beacon: a system that nobody sells, small enough to be read whole, and the two connectors that ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import httpx2

from account_health.config import load_config
from account_health.connectors.base import Probe
from account_health.connectors.http import Api, Bearer, Cursor, Manners, Request
from account_health.connectors.live import Ask, Gone, Live, LiveSettings, Reader, Secret, Vendor
from account_health.connectors.live.ask import iso
from account_health.identity import Record
from account_health.model import Source
from account_health.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from account_health.connectors.base import Clock, Context
    from account_health.model import Assessment, InputReport, State

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
TOKEN = "beacon-t0ken"  # noqa: S105 - opens nothing
CANARY = "MUST-NOT-LEAK"
ENVIRONMENT = {"BEACON_TOKEN": TOKEN}

ACCOUNTS = """account_id,name,domains,customer_since,external_id
A-1,Acme Ltd,acme.example,2024-01-01,
B-2,Bolt Inc.,bolt.example,2024-01-01,b-ext
"""
FILES = '[sources.crm]\nconnector = "files"\nfolder = "."\n'
DESK = '[sources.desk]\nconnector = "beacon-desk"\ntoken = { env = "BEACON_TOKEN" }\n'
CRM = '[sources.crm]\nconnector = "beacon-crm"\ntoken = { env = "BEACON_TOKEN" }\n'

Item = Mapping[str, Any]
Mishap = Callable[[httpx2.Request], Awaitable[httpx2.Response | None]]
"""What happens to a request; None: it is answered as usual after all."""

_V = TypeVar("_V", bound=Vendor)


@dataclass
class Watch:
    """A clock that goes on when a test says so."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """The instant it shows."""
        return self.now

    def forward(self, **time: float) -> None:
        """Sets it forward."""
        self.now += timedelta(**time)


@dataclass
class Beacon:
    """The system: lists that come in pages, and of each only what a request names."""

    accounts: list[Item] = field(default_factory=list)
    organizations: list[Item] = field(default_factory=list)
    tickets: list[Item] = field(default_factory=list)
    ratings: list[Item] = field(default_factory=list)
    meetings: list[Item] = field(default_factory=list)
    page_size: int = 100
    clock: Watch = field(default_factory=Watch)
    mishaps: dict[str, Mishap] = field(default_factory=dict)
    """By the name of a list."""
    asked: list[httpx2.Request] = field(default_factory=list)

    def paths(self) -> list[str]:
        """Which lists were asked for since this was asked last, sorted."""
        paths = sorted(request.url.path.strip("/") for request in self.asked)
        self.asked.clear()
        return paths

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        """One page of a list."""
        self.asked.append(request)
        name = request.url.path.strip("/")
        headers = {"date": format_datetime(self.clock(), usegmt=True)}
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return httpx2.Response(401, headers=headers)
        if name in self.mishaps and (instead := await self.mishaps[name](request)) is not None:
            return instead
        wanted = {key: request.url.params.get_list(key) for key in request.url.params}
        start = int(wanted.pop("page", ["0"])[0])
        found = self._searched(wanted.pop("search")[0]) if "search" in wanted else list(getattr(self, name))
        if changed_since := wanted.pop("changed_since", None):
            found = [item for item in found if item["changed"] >= changed_since[0]]
        found = [item for item in found if all(_values(item, key) & set(words) for key, words in wanted.items())]
        end = start + self.page_size
        content = {"items": found[start:end], "next": str(end) if end < len(found) else None}
        return httpx2.Response(200, headers=headers, json=content)

    def _searched(self, text: str) -> list[Item]:
        """The accounts with this id, name or domain, and those that share a domain with them."""
        marks = [{a["id"], a["name"], *a["domains"]} for a in self.accounts]
        domains = {d for a, mark in zip(self.accounts, marks, strict=True) if text in mark for d in a["domains"]}
        return [a for a, mark in zip(self.accounts, marks, strict=True) if text in mark or domains & {*a["domains"]}]


def _values(item: Item, key: str) -> set[str]:
    value = item.get(key)
    return set(value) if isinstance(value, list | tuple) else {str(value)}


def organization(number: object, name: str = "", **marks: Any) -> Item:
    """An organisation; its marks are `external_id` and `domains`."""
    return {"id": str(number), "name": name, "domains": [], **marks}


def ticket(number: object, of: object, days: float = 3, **changes: Any) -> Item:
    """A ticket of an organisation, opened so many days ago."""
    opened = NOW - timedelta(days=days)
    return {"id": str(number), "organization": str(of), "opened": opened.isoformat(), "changed": iso(opened)} | changes


def rating(number: object, of: object, score: int = 9) -> Item:
    """An answer to a survey of two days ago."""
    return {"id": str(number), "organization": str(of), "score": score, "at": (NOW - timedelta(days=2)).isoformat()}


def account(number: str, name: str, *domains: str) -> Item:
    """An account of the CRM."""
    return {"id": number, "name": name, "domains": [*domains]}


def meeting(number: object, of: str) -> Item:
    """A meeting of five days ago."""
    return {"id": str(number), "account": of, "at": (NOW - timedelta(days=5)).isoformat()}


def two_customers() -> Beacon:
    """An organisation of each account of ACCOUNTS, the one known by its domain, the other by its external id."""
    return Beacon(
        organizations=[
            organization(1, "ACME", domains=["support.acme.example"]),
            organization(2, "Bolt", external_id="b-ext"),
        ],
        tickets=[ticket(11, of=1), ticket(12, of=1), ticket(21, of=2)],
        ratings=[rating(31, of=1)],
    )


def refuse(status: int, **headers: str) -> Mishap:
    """Every request is answered with this status."""

    async def refused(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers=headers)

    return refused


async def hang(_: httpx2.Request) -> None:
    """No request is ever answered."""
    await anyio.sleep_forever()


class BeaconSettings(LiveSettings):
    """How to reach Beacon."""

    base_url: str = "https://beacon.example"
    token: Secret


class _Account(Vendor):
    id: str
    name: str
    domains: tuple[str, ...] = ()


class _Organization(Vendor):
    id: str
    name: str | None = None
    external_id: str | None = None
    domains: tuple[str, ...] = ()


class _Ticket(Vendor):
    id: str
    organization: str
    opened: datetime
    subject: str | None = None
    deleted: bool = False


class _Rating(Vendor):
    id: str
    organization: str
    score: int
    at: datetime


class _Meeting(Vendor):
    id: str
    account: str
    at: datetime


class _Asking(Live[BeaconSettings]):
    settings_model = BeaconSettings

    def api(self, context: Context) -> Api:
        """Quick, so that tests are."""
        manners = Manners(per_second=1000, burst=1000, max_pages=self.settings.max_pages)
        auth = Bearer(self.settings.token)
        return Api(self.label, self.settings.base_url, auth, manners, clock=context.clock, transport=context.transport)

    @property
    def api_version(self) -> str:
        """The only one there is."""
        return "2"

    def _items(self, ask: Ask, model: type[_V], path: str, **params: Any) -> AsyncIterator[_V]:
        named = {key: value for key, value in params.items() if value is not None}
        pages = Cursor("items", cursor="next", param="page")
        return ask.items(model, Request("GET", path, named), pages, needs=f"{path.strip('/')}:read")


class BeaconDesk(_Asking):
    """Tickets and ratings of organisations."""

    kind = "beacon-desk"
    system = "Beacon Desk"

    def readers(self) -> Mapping[str, Reader]:
        """Tickets with changes, ratings without."""
        return {
            "ticket": Reader(Source.SUPPORT, self._tickets, frozenset({"subject"}), follows_changes=True),
            "survey_response": Reader(Source.SURVEYS, self._ratings, frozenset({"response_id"})),
        }

    async def records(self, ask: Ask) -> AsyncIterator[Record]:
        """Organisations; those of some accounts by external id and by domain."""
        lookups: list[dict[str, Any]] = [{}]
        if ask.accounts is not None:
            ids = [mark for a in ask.accounts for mark in (a.id, a.external_id) if mark]
            domains = [domain for a in ask.accounts for d in a.domains for domain in (d, f"support.{d}")]
            lookups = [{"external_id": ids}, *([{"domains": domains}] if domains else [])]
        for lookup in lookups:
            async for found in self._items(ask, _Organization, "/organizations", **lookup):
                ids = [found.external_id] if found.external_id else []
                yield Record(found.id, found.name or "", tuple(ids), found.domains)

    async def _tickets(self, ask: Ask) -> AsyncIterator[Mapping[str, Any] | Gone]:
        changed_since = iso(ask.changed_since) if ask.changed_since else None
        about = {"organization": _about(ask), "changed_since": changed_since}
        async for found in self._items(ask, _Ticket, "/tickets", **about):
            if found.deleted:
                yield Gone(found.id)
            else:
                yield {
                    "account_id": found.organization,
                    "ticket_id": found.id,
                    "opened_at": found.opened,
                    "subject": found.subject,
                }

    async def _ratings(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        async for found in self._items(ask, _Rating, "/ratings", organization=_about(ask)):
            answer = {"response_id": found.id, "respondent": "r", "kind": "nps", "score": found.score}
            yield {"account_id": found.organization, "responded_at": found.at, **answer}


class FaultySettings(BeaconSettings):
    """Where the connector's own mistake is: `records`, `ratings` or `settings`."""

    fails_at: str = ""


class FaultyDesk(BeaconDesk):
    """The same by somebody who made a mistake, which shows a word that nobody may see."""

    kind = "beacon-faulty"
    settings_model = FaultySettings

    def readers(self) -> Mapping[str, Reader]:
        """The same tables."""
        return {**super().readers(), "survey_response": Reader(Source.SURVEYS, self._mistaken, frozenset())}

    async def records(self, ask: Ask) -> AsyncIterator[Record]:
        """Fails if told so."""
        self._fail_at("records")
        async for record in super().records(ask):
            yield record

    async def probes(self, ask: Ask) -> Sequence[Probe]:
        """Fails if told so."""
        self._fail_at("settings")
        return [Probe("fails_at", f"{len(ask.rejected)} mistakes", is_ok=False, advice="Leave it empty.")]

    async def _mistaken(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        self._fail_at("ratings")
        async for row in self._ratings(ask):
            yield row

    def _fail_at(self, place: str) -> None:
        if getattr(self.settings, "fails_at", "") == place:
            raise ValueError(CANARY)


class BeaconCrm(_Asking):
    """Accounts and the meetings with them."""

    kind = "beacon-crm"
    system = "Beacon CRM"

    def readers(self) -> Mapping[str, Reader]:
        """Accounts, and meetings as touchpoints."""
        return {
            "account": Reader(Source.CRM, self._accounts, frozenset({"domains"}), is_windowed=False),
            "touchpoint": Reader(Source.CRM, self._meetings, frozenset({"touchpoint_id"})),
        }

    async def _accounts(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        async for found in self._items(ask, _Account, "/accounts", search=ask.like):
            yield {"account_id": found.id, "name": found.name, "domains": found.domains}

    async def _meetings(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        async for found in self._items(ask, _Meeting, "/meetings", account=_about(ask)):
            yield {"account_id": found.account, "touchpoint_id": found.id, "at": found.at, "kind": "meeting"}


def _about(ask: Ask) -> list[str] | None:
    return None if ask.records is None else [*ask.record_ids]


POINTS = {kind.kind: f"beacon:{kind.__name__}" for kind in (BeaconDesk, BeaconCrm, FaultyDesk)}


def installed(site: Path, distribution: str, points: Mapping[str, str]) -> None:
    """Makes a folder of packages hold the entry points of one more connector package."""
    about = site / f"{distribution}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", "utf-8")
    lines = "".join(f"{name} = {target}\n" for name, target in points.items())
    (about / "entry_points.txt").write_text(f"[account_health.connectors]\n{lines}", "utf-8")


def configured(folder: Path, toml: str, accounts: str = ACCOUNTS) -> Path:
    """Writes a configuration beside the list of accounts; returns its path."""
    (folder / "account.csv").write_text(accounts, "utf-8")
    path = folder / "account-health.toml"
    path.write_text(toml, "utf-8")
    return path


def opened(
    folder: Path, beacon: Beacon, toml: str = FILES + DESK, *, accounts: str = ACCOUNTS, clock: Clock | None = None
) -> Workspace:
    """The workspace over the system, which answers without a network."""
    config = load_config(configured(folder, toml, accounts), ENVIRONMENT)
    return Workspace.open(config, clock or beacon.clock, httpx2.MockTransport(beacon.answer))


def report(assessment: Assessment, source: Source) -> InputReport:
    """What Inputs Used says of a category that has one source."""
    (found,) = (report for report in assessment.inputs if report.source == source)
    return found


@contextmanager
def serving(beacon: Beacon) -> Iterator[str]:
    """The system on a port of this machine, until the test is over; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            request = httpx2.Request("GET", f"http://beacon{self.path}", headers=dict(self.headers))
            response = anyio.run(beacon.answer, request)
            self.send_response_only(response.status_code)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.content)

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


async def state_of(workspace: Workspace, account: str, table: str) -> State:
    """What is held of a table for an account that is asked about alone."""
    evaluation = await workspace.evaluate(workspace.instant(), [account])
    return evaluation.states[account][table].state
