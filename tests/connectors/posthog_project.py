"""A PostHog project in memory, for tests that vary settings: it answers by kind of query and keeps what was asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx2
from pydantic import SecretStr

from account_health.connectors.base import Context
from account_health.connectors.posthog import PostHog, PostHogSettings
from given import AS_OF

Row = Sequence[Any]

BASE = {"project_id": 7, "group_type": 0, "history_days": 30, "requests_per_second": 1000}
SEEN = (5, "2026-10-01", 2, 3)
DAY = ("A-1", "2026-11-20", 2, 5, 1, ["report exported"])


@dataclass
class Project(httpx2.AsyncBaseTransport):
    """Accounts, days and totals as rows of the answers to the three kinds of query, each on one page."""

    accounts: Sequence[Row] = (("A-1", None, None, None),)
    seen: Row = SEEN
    days: Sequence[Row] = (DAY,)
    group_types: Sequence[str] = ()
    more: bool | None = None
    """What every answer says of further rows."""
    queries: list[dict[str, Any]] = field(default_factory=list)
    """The queries that were asked: `query` and `values`."""
    sent: list[httpx2.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The rows that the query asks for."""
        self.sent.append(request)
        if request.method == "GET":
            found = [{"group_type": name, "group_type_index": n} for n, name in enumerate(self.group_types)]
            return httpx2.Response(200, json=found)
        query = json.loads(await request.aread())["query"]
        self.queries.append(query)
        rows = self.days if "after_day" in query["values"] else self.accounts
        if "after_account" not in query["values"]:
            rows = (self.seen,)
        columns = _columns(query["query"])
        results = [list(row)[: len(columns)] for row in rows]
        return httpx2.Response(200, json={"columns": columns, "results": results, "hasMore": self.more})

    def asked(self, mark: str) -> list[dict[str, Any]]:
        """The values of the queries that have this value."""
        return [query["values"] for query in self.queries if mark in query["values"]]

    def connector(self, *, now: datetime = AS_OF, **settings: Any) -> PostHog:
        """A connector to this project."""
        checked = PostHogSettings.model_validate({**BASE, "api_key": SecretStr("phx_key"), **settings})
        return PostHog("analytics", checked, Context(Path(), duckdb.connect(), lambda: now.replace(tzinfo=UTC), self))


def _columns(text: str) -> list[str]:
    """The names after AS, before FROM."""
    selected = text.partition(" FROM ")[0]
    return [part.split()[0].rstrip(",") for part in selected.split(" AS ")[1:]]
