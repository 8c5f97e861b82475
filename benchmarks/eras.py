"""The two eras of the protocol on the wire: how one question is written in each."""

from __future__ import annotations

import json
from typing import Any

LEGACY, MODERN = "2025-11-25", "2026-07-28"
ERAS = (MODERN, LEGACY)

_STREAMS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


def message(number: int, method: str, params: dict[str, Any], era: str) -> dict[str, Any]:
    """A request; without sessions it says itself which version of the protocol it speaks."""
    if era == MODERN:
        meta = {"io.modelcontextprotocol/protocolVersion": era, "io.modelcontextprotocol/clientCapabilities": {}}
        params = params | {"_meta": meta}
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def notice(method: str, params: dict[str, Any], era: str) -> dict[str, Any]:
    """A message that has no answer."""
    return {key: value for key, value in message(0, method, params, era).items() if key != "id"}


def introduction() -> dict[str, Any]:
    """What a client of the older era says first."""
    return {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}


def headers(era: str, method: str, tool: str = "") -> dict[str, str]:
    """What stands over a message sent by HTTP."""
    named = {"mcp-method": method} | ({"mcp-name": tool} if tool else {})
    return _STREAMS | {"mcp-protocol-version": era} | (named if era == MODERN else {})


def tool_text(result: dict[str, Any]) -> str:
    """The first text a tool answered; raises when it answered with an error."""
    text = str(result["content"][0]["text"])
    if result.get("isError"):
        raise RuntimeError(text)
    return text


def body(sent: dict[str, Any]) -> bytes:
    """A message as it travels."""
    return json.dumps(sent).encode()
