"""Manners: how a connector behaves towards its system and its operator: it reads, it is brief, it keeps secrets."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx2

from account_health.connectors.base import Checkable
from account_health.identity import Candidate, Known
from account_health.tables import TABLES
from account_health.testing.mishaps import ELSEWHERE, UNREADABLE, redirected, silent, status, unreachable
from account_health.testing.recorded import UNRECORDED, Exchange, Recorded, Recording, Unused
from account_health.testing.rewriting import copied_id, leaves, multiplied, original, rehosted, without_items
from account_health.testing.subject import Subject, answered, is_secret, outcome
from account_health.testing.verdict import require

if TYPE_CHECKING:
    from account_health.testing.recorded import Mishap

_COPIES = 20
_SHOWN = 12
"""Characters of a secret that give it away."""
_HURRY = 0.3
_SECRET_NAME = re.compile(r"(token|secret|password|api_key)$")
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")


async def documents_its_settings(subject: Subject) -> None:
    """Every setting has a description, and what looks like a secret is one."""
    for name, info in subject.factory.settings_model.model_fields.items():
        require(info.description, f"Describe the setting `{name}`: Field(description=...) is its documentation.")
        require(
            is_secret(info.annotation) or not _SECRET_NAME.search(name),
            f"Give the setting `{name}` the type Secret, or another name if it holds none.",
        )


async def does_nothing_before_it_is_asked(subject: Subject) -> None:
    """Constructing it and asking what it provides reaches for nothing outside."""
    with _network() as events:
        connector = subject.build(Unused())
        tables, label = connector.provides(), connector.label
        connector.fingerprint(subject.as_of)
    require(not events, f"Do no I/O before `fetch`; there was {events}.")
    require(label and tables and set(tables) <= set(TABLES), "Name the source, and provide tables of tables.py.")


async def speaks_through_its_context_only(subject: Subject) -> None:
    """What it asks goes through Context.transport, from where tests and proxies answer."""
    require((await answered(subject, subject.all)).sent, "Send requests through `Context.transport`; none came there.")


async def only_reads(subject: Subject) -> None:
    """GET, and POST to the declared searches."""
    transport = subject.transport()
    connector = subject.build(transport)
    for query in (subject.one, subject.all):
        await outcome(connector, query, transport)
    if isinstance(connector, Checkable):
        await connector.check(subject.as_of)
    for sent in transport.sent:
        method, path = sent.request.method, sent.request.url.path
        require(
            method == "GET" or (method == "POST" and path in {*subject.search_posts, subject.token_path}),
            f"Only read; it sent {method} {path}. A search that the system wants as POST belongs in "
            "Subject.search_posts.",
        )


async def asks_no_more_often_for_more_accounts(subject: Subject) -> None:
    """All accounts are read with the system's lists, never with a call for each."""
    few = await answered(subject, subject.all)
    crowd = _Crowd.of(subject)
    many = await outcome(subject.build(crowd), replace(subject.all, known=crowd.known), crowd)
    added = len(crowd.known.accounts) - len(subject.accounts)
    growth = len(many.sent) - len(few.sent)
    require(
        growth < added / 2,
        f"Read all accounts with the bulk lists: {added} accounts more took {growth} requests more "
        f"({len(few.sent)} before).",
    )


async def goes_nowhere_else(subject: Subject) -> None:
    """No redirect and no link to another host is followed, and no cookie is kept."""
    redirect = await subject.ask(subject.one, redirected)
    require(redirect.is_failure, "Fail on a redirect: whatever it leads to is not the configured system.")
    lured = subject.recorded.with_content(lambda content: leaves(content, lambda leaf: rehosted(leaf, ELSEWHERE)))
    linked = await subject.ask(subject.all, recording=lured)
    hosts = {sent.request.url.host for found in (redirect, linked) for sent in found.sent}
    require(ELSEWHERE not in hosts, "Follow neither redirects nor links to another host: they get the credentials.")
    cookies = Recording(
        tuple(e.model_copy(update={"headers": {**e.headers, "set-cookie": "a=b"}}) for e in subject.recorded.exchanges)
    )
    found = await subject.ask(subject.all, recording=cookies)
    require(all("cookie" not in sent.request.headers for sent in found.sent), "Keep no cookies: settings say who asks.")


async def shows_no_secret(subject: Subject) -> None:
    """No secret in what it shows of itself, says, delivers or logs, whatever happens."""
    mishaps: dict[str, Mishap | None] = {
        "recorded": None,
        "status 401": status(401),
        "status 403": status(403),
        "status 503": status(503),
        "silence": silent,
        "no connection": unreachable,
        **UNREADABLE,
    }
    for what, mishap in mishaps.items():
        transport = subject.transport(mishap)
        connector = subject.build(transport)
        with _log() as lines:
            found = await outcome(connector, replace(subject.one, seconds=_HURRY), transport)
        raised = "".join(traceback.format_exception(found.error)) if found.error else ""
        settings = subject.checked_settings()
        shown = {
            "its repr": f"{connector!r} {connector} {connector.label}",
            "the repr of its settings": f"{settings!r} {settings} {settings.model_dump_json()}",
            "a delivery or a message": f"{found.deliveries} {raised}",
            "a log line": "\n".join(lines),
        }
        for place, text in shown.items():
            leaked = [name for name, secret in subject.secrets.items() if any(k in text for k in _traces(secret))]
            require(not leaked, f"Keep `{', '.join(leaked)}` out of {place} (after: {what}).")


CHECKS = (
    documents_its_settings,
    does_nothing_before_it_is_asked,
    speaks_through_its_context_only,
    only_reads,
    asks_no_more_often_for_more_accounts,
    goes_nowhere_else,
    shows_no_secret,
)


@dataclass
class _Crowd(Recorded):
    """The recording with many more accounts like those it has; the answer about a copy is that about the original."""

    known: Known = field(default_factory=Known)

    @classmethod
    def of(cls, subject: Subject) -> _Crowd:
        contents = [exchange.content for exchange in subject.recorded.exchanges]
        marks = {mark for a in subject.accounts for mark in (a.id, a.external_id, *a.domains)} | set(subject.crosswalk)
        ids = {i for i in (*marks, *_ids(contents)) if i not in (None, "")}
        copies = [_copy(account, n) for account in subject.accounts for n in range(_COPIES)]
        links = {copied_id(r, n): copied_id(a, n) for r, a in subject.crosswalk.items() for n in range(_COPIES)}
        (name,) = subject.known.crosswalk
        return cls(
            subject.recorded.with_content(lambda content: multiplied(content, ids, _COPIES)),
            known=Known((*subject.accounts, *copies), {name: {**subject.crosswalk, **links}}),
        )

    def found(self, request: httpx2.Request) -> Exchange:
        """What the original was answered; after the last recorded page of a list, an empty one."""
        content = original(request.content.decode()).encode()
        exchange = super().found(httpx2.Request(request.method, original(str(request.url)), content=content))
        list_ = (request.method, request.url.path)
        before = [s.exchange for s in self.sent if (s.exchange.method, s.exchange.path) == list_]
        if exchange is not UNRECORDED or not before:
            return exchange
        return before[-1].model_copy(update={"content": without_items(before[-1].content)})


def _copy(account: Candidate, number: int) -> Candidate:
    external = copied_id(account.external_id, number) if account.external_id else None
    domains = tuple(copied_id(domain, number) for domain in account.domains)
    return Candidate(copied_id(account.id, number), external, domains, account.name)


def _ids(value: Any) -> Iterator[Any]:
    """What stands under a key called id."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key.lower() == "id" and isinstance(part, str | int):
                yield part
            yield from _ids(part)
    elif isinstance(value, list):
        for part in value:
            yield from _ids(part)


def _traces(secret: str) -> list[str]:
    """The beginning of a secret as it is, and as it looks inside base64 wherever it stands there."""
    coded = [b64encode(b"-" * shift + secret.encode()).decode()[4 if shift else 0 :] for shift in range(3)]
    return [part[:_SHOWN] for part in (secret, *coded)]


@contextmanager
def _log() -> Iterator[list[str]]:
    """What is logged meanwhile, at every level, as text."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    root, kept = logging.getLogger(), Kept()
    level = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(kept)
        root.setLevel(level)


_watched: list[list[str]] = []


def _note(event: str, args: tuple[Any, ...]) -> None:  # noqa: ARG001 - the signature is that of audit hooks
    if event in _NETWORK:
        for events in _watched:
            events.append(event)


@cache
def _watch() -> None:
    """Once and for good: an audit hook cannot be taken back."""
    sys.addaudithook(_note)


@contextmanager
def _network() -> Iterator[list[str]]:
    """Uses of the network meanwhile, by this process."""
    _watch()
    events: list[str] = []
    _watched.append(events)
    try:
        yield events
    finally:
        _watched.remove(events)
