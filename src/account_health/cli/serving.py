"""Serving: a server as a process: how it begins, and how it ends when nobody listens any more or somebody stops it."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from account_health.cli.asking import now
from account_health.language import say
from account_health.terminal import aside

if TYPE_CHECKING:
    from account_health.cli.asking import Configure

_INTERRUPTED = 128 + signal.SIGINT


def serve_stdio(configure: Configure) -> None:
    """Serves until standard input ends, or nobody reads the answers any more.

    Started by hand, Ctrl-C ends it at once: the wait for the next line cannot be interrupted. Started by a client it
    ignores one, which is meant for the client, whose terminal it shares.
    """
    from account_health.server import create_server

    by_hand = sys.stdin.isatty()
    signal.signal(signal.SIGINT, (lambda *_: os._exit(_INTERRUPTED)) if by_hand else signal.SIG_IGN)
    try:
        create_server(configure, now).run(transport="stdio")
    except* BrokenPipeError:
        # Else the interpreter would try once more to write what nobody reads.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def serve_on_port(configure: Configure, host: str, port: int) -> None:
    """Serves over HTTP until the process is told to stop, and says where."""
    from account_health.server import create_server
    from account_health.server.http import address, listening, serve_http

    with listening(host, port) as listener:
        server = create_server(configure, now)
        aside(say("Serving at {address}. Ctrl-C ends it.", address=address(listener)))
        serve_http(server, listener)
