"""Figures: the limits that the server holds to, by name, for the page that tells of them."""

from __future__ import annotations

from inspect import signature
from typing import Any

from mcp.server.streamable_http_manager import DEFAULT_SESSION_IDLE_TIMEOUT
from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE

from account_health.server import elicitation, http, limits
from account_health.server.tasks import COMPUTES_ALL, Tasks

_SECONDS_A_MINUTE = 60


def figures() -> dict[str, Any]:
    """Each limit as the server has it today: bytes in KB or MiB, long times in minutes, short ones in seconds."""
    tasks = {name: parameter.default for name, parameter in signature(Tasks).parameters.items()}
    return {
        "path": http.PATH,
        "health_path": http.HEALTH_PATH,
        "sessions": http.SESSIONS,
        "connections": http.CONNECTIONS,
        "idle_minutes": DEFAULT_SESSION_IDLE_TIMEOUT // _SECONDS_A_MINUTE,
        "body_mib": DEFAULT_MAX_REQUEST_BODY_SIZE >> 20,
        "answer_kb": limits.MOST_BYTES // 1000,
        "candidates": elicitation.SHOWN,
        "task_tools": sorted(COMPUTES_ALL),
        "task_seconds": tasks["moment"],
        "task_minutes": tasks["keeps"] // _SECONDS_A_MINUTE,
        "task_limit": tasks["limit"],
    }
