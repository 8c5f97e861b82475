"""The peer: a bare MCP server with as many tools as ours that do nothing. `bare_server.py NUMBER_OF_TOOLS`."""

from __future__ import annotations

import sys

from mcp.server import MCPServer


def echo(account: str) -> str:
    """Says what it was told."""
    return account


def bare_server(tools: int) -> MCPServer[None]:
    """A server with so many tools, named `echo_1` and so on."""
    server: MCPServer[None] = MCPServer("bare", log_level="WARNING")
    for number in range(1, tools + 1):
        server.add_tool(echo, name=f"echo_{number}")
    return server


if __name__ == "__main__":
    bare_server(int(sys.argv[1])).run(transport="stdio")
