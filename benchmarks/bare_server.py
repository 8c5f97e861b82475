"""The peer: a bare MCP server with as many tools as ours that do nothing: `bare_server.py NUMBER_OF_TOOLS`.

With `--hold` it has one more that waits for another system. With `--http` or `--http-sessions` it listens on a port
of this machine and says its address on standard error, as ours does.
"""

from __future__ import annotations

import socket
import sys

import anyio
import uvicorn
from mcp.server import MCPServer


def echo(account: str) -> str:
    """Says what it was told."""
    return account


async def hold(port: int) -> str:
    """Asks a system of this machine and waits for the end of its answer."""
    async with await anyio.connect_tcp("127.0.0.1", port) as system:
        await system.send(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        return "".join([part.decode() async for part in system])


def bare_server(tools: int) -> MCPServer[None]:
    """A server with so many tools, named `echo_1` and so on."""
    server: MCPServer[None] = MCPServer("bare", log_level="WARNING")
    for number in range(1, tools + 1):
        server.add_tool(echo, name=f"echo_{number}")
    return server


def serve_http(server: MCPServer[None], *, has_sessions: bool) -> None:
    """Serves on a free port until the process is told to stop; with sessions, the older era needs one to ask."""
    # With its protocol named, asyncio sends small answers at once: the peer is not to look slow for want of that.
    with socket.socket(socket.AF_INET, proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", file=sys.stderr, flush=True)
        app = server.streamable_http_app(stateless_http=not has_sessions)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    bare = bare_server(int(sys.argv[1]))
    if "--hold" in sys.argv:
        bare.add_tool(hold)
    if {"--http", "--http-sessions"} & set(sys.argv):
        serve_http(bare, has_sessions="--http-sessions" in sys.argv)
    else:
        bare.run(transport="stdio")
