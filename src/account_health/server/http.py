"""Streamable HTTP: the same server object behind a port of this machine, for clients of both protocol eras.

Answers are streams, so that a client that goes away takes its question with it. Clients of the older era that open a
session keep one, because only through it can a person be asked; a question of that era without one is answered too.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from account_health.borrowed import why
from account_health.errors import CallerError
from account_health.language import say

if TYPE_CHECKING:
    from mcp.server import MCPServer
    from mcp.server.streamable_http import EventStore
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from account_health.server.desk import Desk

PATH = "/mcp"
HEALTH_PATH = "/healthz"
_LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
SESSIONS = 1000
"""Sessions of the older era at once, about 38 KB each; the SDK closes one that was idle for half an hour."""
CONNECTIONS = 1000
"""Connections at once; more are refused with 503."""
_FILES = 4096
"""What a process may have open, where the system lets it: connections need one each, and the rest must not starve."""
_GRACE_SECONDS = 3
"""How long a server that was told to stop waits for answers under way."""


class _Eras:
    """The endpoint: a question of the older era that neither has nor opens a session is answered by itself."""

    def __init__(self, sessions: StreamableHTTPSessionManager, alone: StreamableHTTPSessionManager) -> None:
        self._sessions = sessions
        self._alone = alone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        # Who opens a session cannot name a version yet; who names one has done so, or never will.
        has_none = "mcp-session-id" not in headers and "mcp-protocol-version" in headers
        manager = self._alone if has_none and scope["method"] == "POST" else self._sessions
        await manager.handle_request(scope, receive, send)


class _Guard:
    """Lets through only requests to this machine's own names and from its own pages, whatever they ask for.

    A web page from elsewhere could else reach the server through the browser of whoever looks at it. What was refused
    is not logged: it is anybody's text.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        known = "|".join(re.escape(name) for name in {*_LOCAL_NAMES, _named(host)})
        self._hosts = re.compile(rf"(?:{known})(?::\d{{1,5}})?", re.IGNORECASE)
        self._origins = re.compile(rf"http://(?:{known})(?::\d{{1,5}})?", re.IGNORECASE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> PlainTextResponse | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._hosts.fullmatch(hosts[0]):
            return PlainTextResponse("This server answers to the names of this machine only.", 421)
        if not all(map(self._origins.fullmatch, origins)):
            return PlainTextResponse("This server answers to pages of this machine only.", 403)
        return None


def http_app(
    server: MCPServer[Desk], host: str = "127.0.0.1", *, events: EventStore | None = None, retry_ms: int | None = None
) -> Starlette:
    """The server as an ASGI application: `/mcp` for clients, `/healthz` for whoever watches the process.

    Only requests to `host` or this machine's own names, and from its own pages, are answered: 421 for another Host, 403
    for another Origin. `events` and `retry_ms` let a broken stream of the older era be taken up again, which `serve`
    does not offer and a judge of the protocol asks for.
    """
    # The guard has looked at names and pages before.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    server.streamable_http_app(
        event_store=events, retry_interval=retry_ms, transport_security=security, max_sessions=SESSIONS
    )
    sessions = server.session_manager
    alone = StreamableHTTPSessionManager(sessions.app, stateless=True, security_settings=security)

    @asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        async with sessions.run(), alone.run():
            yield

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "version": server.version})

    routes = [Route(HEALTH_PATH, health, methods=["GET"]), Route(PATH, _Eras(sessions, alone))]
    app = Starlette(routes=routes, lifespan=running, middleware=[Middleware(_Guard, host)])
    app.router.redirect_slashes = False
    return app


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections on this address; port 0 is any free one.

    Raises CallerError if others than this machine's own programs could connect, or if the address cannot be had.
    """
    if not _is_loopback(host):
        raise CallerError(
            say("Without authentication the server listens on loopback only, and {host} is not.", host=host),
            say("Anybody who can connect could read every account. Use 127.0.0.1, localhost or ::1."),
        )
    # With its protocol named, asyncio sends small answers at once instead of waiting 40 ms for the last one's receipt.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, proto=socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # a server that was just ended leaves its port to the next
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as err:
        listener.close()
        raise CallerError(
            say("{host} port {port} cannot be listened on: {error}.", host=host, port=port, error=why(err)),
            say("Name another with --port."),
        ) from err
    return listener


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def address(listener: socket.socket) -> str:
    """Where clients find the server that listens on this socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{_named(host)}:{port}{PATH}"


def _named(host: str) -> str:
    """The host as it stands in addresses."""
    return f"[{host}]" if ":" in host else host


def serve_http(server: MCPServer[Desk], listener: socket.socket) -> None:
    """Serves until the process is told to stop; streams that are open then end within seconds."""
    import uvicorn

    _allow_files()
    settings = uvicorn.Config(
        http_app(server, listener.getsockname()[0]),
        log_config=None,
        log_level="warning",
        access_log=False,
        ws="none",
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    uvicorn.Server(settings).run(sockets=[listener])


def _allow_files() -> None:
    """Raises what the process may have open as far as the system lets it; Windows has no such limit."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
