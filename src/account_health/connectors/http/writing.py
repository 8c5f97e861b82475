"""Writing: how a publisher changes a record of another system. It is no part of what connectors are given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from account_health.connectors.http.api import Connection
from account_health.connectors.http.paging import Request
from account_health.errors import Fault, SourceError

if TYPE_CHECKING:
    from account_health.connectors.http.api import Api
    from account_health.connectors.http.faults import Asked


@dataclass(frozen=True)
class Change(Request):
    """A change of one record, and the key by which the other system knows a repetition of it."""

    key: str = ""


class WritingConnection(Connection):
    """Reads like any connection, and changes records: as often retried as a read, because its key makes it as safe."""

    _may_renew = True

    async def patch(self, path: str, body: Mapping[str, Any], key: str, *, needs: str = "") -> Any:
        """The JSON answer to a PATCH under an idempotency key."""
        if not key:
            raise ValueError("a change without a key could be made twice")
        change = Change("PATCH", path, body=body, key=key)  # type: ignore[arg-type] # connectors have no such method
        try:
            return await self._read(change, needs)
        except SourceError as err:
            if err.fault is not Fault.REFUSED or not self._may_renew:
                raise
        # So some systems answer to a token that has ended, and not only to a change they do not like.
        self._may_renew, self._api.token = False, None
        return await self._read(change, needs)

    async def _exchange(
        self, asked: Asked, request: Request, identity: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> Any:
        if isinstance(request, Change):
            identity = {**identity, "idempotency-key": request.key}
        return await super()._exchange(asked, request, identity, form)


@asynccontextmanager
async def open_for_writing(api: Api) -> AsyncIterator[WritingConnection]:
    """A connection for one call that may change records, within one event loop."""
    async with api.client() as client:
        yield WritingConnection(api, client)
