"""Starts the server of the bundle with what its user filled in: whether it is the demo, and the configuration file."""  # noqa: INP001 - a program, no package

from __future__ import annotations

import sys

from account_health.cli import app


def arguments(filled_in: list[str]) -> list[str]:
    """What `account-health` is started with; a host leaves `${...}` standing where nothing was filled in."""
    demo, configuration = (text for text in [*filled_in, "", ""][:2])
    if demo == "true":
        return ["serve", "--demo"]
    is_named = configuration and not configuration.startswith("${")
    return ["serve", "--config", configuration] if is_named else ["serve"]


if __name__ == "__main__":
    app(arguments(sys.argv[1:]))
