"""Systems on loopback to measure against: `slow_systems.py DELAY_MS ACCOUNTS` serves until its input ends.

The first line of its output is the port. `/desk/...` are small systems, each answering after the delay; `/v1/...` list
ACCOUNTS Stripe customers with an invoice and a subscription each, a hundred to a page and without any delay.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from uvicorn import Config, Server

if TYPE_CHECKING:
    from starlette.requests import Request

_CREATED = 1_790_000_000  # in September 2026
_PAGE = 100


def _application(delay: float, accounts: int) -> Starlette:
    async def slow(request: Request) -> JSONResponse:
        await anyio.sleep(delay)
        return JSONResponse(_slowly(request.path_params["what"]))

    calls = 0

    def listing(prefix: str, made: Callable[[int], Mapping[str, Any]]) -> Callable[[Request], Response]:
        def page(request: Request) -> Response:
            nonlocal calls
            calls += 1
            if request.query_params.get("status") == "open":
                return JSONResponse({"data": [], "has_more": False})
            after = request.query_params.get("starting_after")
            first = int(after.removeprefix(prefix)) + 1 if after else 0
            found = [made(number) for number in range(first, min(first + _PAGE, accounts))]
            body = {"object": "list", "data": found, "has_more": first + _PAGE < accounts}
            return Response(json.dumps(body), media_type="application/json")

        return page

    return Starlette(
        routes=[
            Route("/desk/{what}", slow),
            Route("/calls", lambda _: PlainTextResponse(str(calls))),
            Route("/v1/customers", listing("cus_", _customer)),
            Route("/v1/invoices", listing("in_", _invoice)),
            Route("/v1/subscriptions", listing("sub_", _subscription)),
            Route("/v1/charges/search", lambda _: JSONResponse({"data": [], "has_more": False})),
        ]
    )


def _slowly(what: str) -> Mapping[str, Any]:
    """One account, one record of it, or its tickets."""
    tickets = [{"id": f"t{i}", "record": "1", "opened_at": "2026-11-02T10:00:00Z"} for i in range(50)]
    records = [{"id": "1", "name": "Acme", "domain": "acme.example"}]
    return {"items": tickets if what == "tickets" else records}


def _customer(number: int) -> Mapping[str, Any]:
    return {"id": f"cus_{number}", "name": f"Customer {number}", "email": f"ap@c{number}.example", "metadata": {}}


def _invoice(number: int) -> Mapping[str, Any]:
    paid = {"finalized_at": _CREATED, "paid_at": _CREATED + 86400}
    ours = {"id": f"in_{number}", "customer": f"cus_{number}", "currency": "eur", "total": 120_000, "status": "paid"}
    return {**ours, "created": _CREATED, "due_date": None, "attempt_count": 1, "status_transitions": paid}


def _subscription(number: int) -> Mapping[str, Any]:
    price = {"id": "price_1", "currency": "eur", "unit_amount": 10_000, "recurring": {"interval": "month"}}
    item = {"id": f"si_{number}", "quantity": 12, "price": price, "current_period_end": _CREATED + 90 * 86400}
    ours = {"id": f"sub_{number}", "customer": f"cus_{number}", "status": "active", "currency": "eur"}
    return {**ours, "created": _CREATED, "start_date": _CREATED, "items": {"data": [item]}}


async def _serve(delay_ms: float, accounts: int) -> None:
    server = Server(Config(_application(delay_ms / 1000, accounts), port=0, log_level="error", access_log=False))
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve)
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await anyio.sleep(0.01)
        print(server.servers[0].sockets[0].getsockname()[1], flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)
        server.should_exit = True


if __name__ == "__main__":
    anyio.run(_serve, float(sys.argv[1]), int(sys.argv[2]))
