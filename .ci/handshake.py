"""A real client reaches the server over stdio and finds its tools: `handshake.py COMMAND [ARGUMENT...]`."""

from __future__ import annotations

import sys

import anyio
from mcp import Client, StdioServerParameters


async def handshake(*command: str) -> None:
    """Prints the name and tools of the server that the command starts; fails when it has none."""
    with anyio.fail_after(30):
        async with Client(StdioServerParameters(command=command[0], args=list(command[1:]))) as client:
            tools = (await client.list_tools()).tools
    if not tools:
        sys.exit(f"{command[0]} answered without a single tool.")
    print(f"{len(tools)} tools over stdio: {', '.join(tool.name for tool in tools)}")


anyio.run(handshake, *sys.argv[1:])
