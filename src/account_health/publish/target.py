"""Target: one company in Sage Intacct, asked for the health of its customers and told another one."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from account_health.connectors.http import at
from account_health.connectors.http.writing import WritingConnection, open_for_writing
from account_health.connectors.intacct.company import company_api
from account_health.connectors.intacct.fields import fields_of
from account_health.connectors.intacct.queries import CUSTOMERS, RESULTS, among, query
from account_health.errors import Fault, SourceError
from account_health.language import say
from account_health.publish.fields import Fields, fields_checked

if TYPE_CHECKING:
    from httpx2 import AsyncBaseTransport

    from account_health.connectors.base import Clock
    from account_health.connectors.http import Api
    from account_health.policy import Policy
    from account_health.publish.health import Health
    from account_health.publish.target_settings import IntacctSettings

LABEL = "Sage Intacct"
_MAY_READ = "Accounts Receivable: Customers (List, View)"
_MAY_WRITE = "Accounts Receivable: Customers (Edit)"
_ERRORS = ("ia::meta.totalError", "ia::result.ia::error", "ia::error", "error")
"""Where an error may stand."""
_NAMED_AT_ONCE = 200
_MOST_NAMED = 1000
"""With more customers than this to look for, reading all of them takes fewer queries."""


@dataclass(frozen=True)
class Customer:
    """A customer as Intacct has it: the key that its address goes by, and its health."""

    key: str
    health: Health
    is_repeated: bool = False
    """Whether another record has the same id: nobody knows which of them is meant."""


@dataclass(frozen=True)
class Target:
    """The company, and what outlives a call: its token and its limits."""

    settings: IntacctSettings
    api: Api

    @classmethod
    def of(cls, settings: IntacctSettings, clock: Clock, transport: AsyncBaseTransport | None = None) -> Target:
        """The company of the settings, not yet asked; raises ConfigurationError for an address that is not safe."""
        return cls(settings, company_api(LABEL, settings.reading, clock, transport))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[WritingConnection]:
        """A connection to the company for one call."""
        async with open_for_writing(self.api) as connection:
            yield connection

    async def fields(self, connection: WritingConnection, policy: Policy) -> Fields:
        """The fields that hold a health; raises ConfigurationError unless all that are configured can be written."""
        answer = await connection.get("/services/core/model", {"name": CUSTOMERS}, needs=_MAY_READ)
        model = dict(fields_of(at(answer, "ia::result")))
        if not model:
            raise SourceError(
                say("{system} does not tell which fields a customer has, so nothing was written.", system=LABEL),
                say("Check base_url and the API version under [publish.intacct]."),
                fault=Fault.BAD_RESPONSE,
            )
        return fields_checked(model, self.settings, policy)

    async def customers(
        self, connection: WritingConnection, fields: Fields, ids: Sequence[str]
    ) -> Mapping[str, Customer]:
        """Those of the wanted customers that there are, by id."""
        batches: Sequence[Sequence[str] | None] = [None]
        if len(ids) <= _MOST_NAMED:
            batches = [ids[start : start + _NAMED_AT_ONCE] for start in range(0, len(ids), _NAMED_AT_ONCE)]
        found: dict[str, Customer] = {}
        wanted = frozenset(ids)
        for batch in batches:
            filters = [[among("id", batch)]] if batch is not None else []
            request = query(CUSTOMERS, ["key", "id", *fields.names], filters, self.settings.reading)
            pages = connection.pages(request, RESULTS, needs=_MAY_READ)
            async for record in pages:
                key, customer = at(record, "key"), at(record, "id")
                if isinstance(customer, str) and customer in wanted and isinstance(key, str | int):
                    is_repeated = customer in found and found[customer].key != str(key)
                    found[customer] = Customer(str(key), fields.health(record), is_repeated)
            if pages.truncated:
                raise SourceError(pages.truncated, say("Nothing was written; try again."), fault=Fault.BAD_RESPONSE)
        return found

    async def write(self, connection: WritingConnection, key: str, changes: Mapping[str, Any], mark: str) -> None:
        """Changes these fields of a customer; raises SourceError."""
        path = f"/objects/{CUSTOMERS}/{quote(key, safe='')}"
        answer = await connection.patch(path, nested(changes), mark, needs=_MAY_WRITE)
        if any(at(answer, place) for place in _ERRORS):  # with a status of success
            raise SourceError(say("{system} did not accept a change.", system=LABEL), fault=Fault.REFUSED)
        if str(at(answer, "ia::result.key")) != key:
            raise SourceError(
                say("{system} does not say which customer it changed.", system=LABEL),
                say("Repeat it: only what still differs is written."),
                fault=Fault.BAD_RESPONSE,
            )


def nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values as objects take them: a dot in a name leads into a group.

    >>> nested({"a.b": 1, "a.c": 2, "nsp::D": 3})
    {'a': {'b': 1, 'c': 2}, 'nsp::D': 3}
    """
    whole: dict[str, Any] = {}
    for name, value in changes.items():
        *groups, last = name.split(".")
        inner = whole
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return whole


def mark_of(*parts: object) -> str:
    """The idempotency key of a change: the same for the same parts, so that a repetition is known as one."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=5))
