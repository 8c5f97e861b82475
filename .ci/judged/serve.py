"""The product's own server with what the conformance suite calls by name, on a free port that it prints: `serve.py`."""

from __future__ import annotations

import sys
import warnings
from datetime import UTC, datetime

import uvicorn
from mcp import MCPDeprecationWarning

from account_health.config import DEMO
from account_health.server import create_server
from account_health.server.http import address, http_app, listening
from judged.asking import MemoryEvents, add_asking
from judged.content import add_content
from judged.jobs import add_jobs, tasks
from judged.rounds import add_rounds

RETRY_MS = 100


def now() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


def main() -> None:
    """Serves the demo accounts until it is ended."""
    warnings.filterwarnings("ignore", category=MCPDeprecationWarning)  # the older era is judged too
    server = create_server(lambda: DEMO, now, tasks(now))
    for add in (add_content, add_asking, add_jobs, add_rounds):
        add(server)
    app = http_app(server, events=MemoryEvents(), retry_ms=RETRY_MS)
    listener = listening("127.0.0.1", 0)
    print(f"Serving at {address(listener)}.", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none")).run(sockets=[listener])


if __name__ == "__main__":
    main()
