"""Serving: the server as a test talks to it: over the demo or a configuration, on a fixed day, its history apart.

    async with Serving(config=HERE / "account-health.toml", as_of="2026-11-21").connected(tmp_path) as client:
        result = await client.call_tool("score_account", {"account": "A-1"})

`account_health.testing.fixtures` gives the same as pytest fixtures; `calling` is for tests that do not await.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anyio
from mcp import Client, StdioServerParameters

from account_health.as_of import asked_instant
from account_health.config import DEMO, load_config
from account_health.policy import load_policy
from account_health.recording import record_all
from account_health.server import create_server
from account_health.workspace import Workspace

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from account_health.config import Config
    from account_health.connectors.base import Clock
    from account_health.server.desk import Desk

DEMO_DAY = "2026-11-21"
"""The day of a demo without another one."""

Transport = Literal["memory", "stdio"]
Era = Literal["auto", "legacy"]

_CHILD = "account_health.testing.child"
_HISTORY = "history.sqlite"
_PATIENCE = 60.0
"""Seconds an answer may take, so that a server that hangs fails a test instead of holding up the run."""
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Serving:
    """Which server a test talks to, and how; unless told otherwise that of the demo, in memory."""

    config: Path | None = None
    """Configuration file; None is the demo."""
    as_of: str = ""
    """Day every question is asked at; empty: the `as_of` of the configuration, or DEMO_DAY for the demo."""
    transport: Transport = "memory"
    """`stdio` starts a process of its own and talks over its standard input and output."""
    era: Era = "auto"
    """`auto` speaks the newest protocol, `legacy` that of before 2026-07-28."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The variables that the configuration may name for its secrets."""
    recorded: tuple[str, ...] = ()
    """Earlier days at which all accounts were recorded, oldest first, for the tools that need a history."""

    @asynccontextmanager
    async def connected(self, folder: Path, **options: Any) -> AsyncIterator[Client]:
        """A client of a server that keeps its history in `folder`; `options` are those of `mcp.Client`.

        Raises ConfigurationError if the configuration cannot be used, ValueError if it leaves the day open.
        """
        config = apart(self._read(), folder)
        day = self.as_of or config.as_of or ""
        if not day:
            raise ValueError("Name the day of the test, e.g. as_of='2026-11-21': without one answers change every day.")
        await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
        for earlier in self.recorded:
            await _record(config, earlier)
        server = self._process(day, folder) if self.transport == "stdio" else frozen_server(config, day)
        async with Client(server, **{"mode": self.era, "read_timeout_seconds": _PATIENCE, **options}) as client:
            yield client

    def _read(self) -> Config:
        if self.config is None:
            return replace(DEMO, as_of=DEMO_DAY)
        return load_config(self.config.absolute(), self.environment)

    def _process(self, day: str, folder: Path) -> StdioServerParameters:
        named = [str(self.config.absolute())] if self.config else []
        arguments = ["-m", _CHILD, str(folder.absolute()), day, *named]
        return StdioServerParameters(command=sys.executable, args=arguments, env=dict(self.environment))


def apart(config: Config, folder: Path) -> Config:
    """The same configuration with its history in a file of `folder`, wherever else it would be kept."""
    return replace(config, history=replace(config.history, path=folder / _HISTORY, url=None, problem=""))


def frozen_server(config: Config, day: str) -> MCPServer[Desk]:
    """A server for which it is always the end of `day`."""
    frozen, clock = _frozen(config, day)
    return create_server(lambda: frozen, clock)


def clock_on(day: str, time_zone: str) -> Clock:
    """A clock that always shows the end of `day`; raises CallerError if it is no day."""
    instant = asked_instant(day, time_zone, _NEVER).replace(tzinfo=UTC)
    return lambda: instant


def _frozen(config: Config, day: str) -> tuple[Config, Clock]:
    return replace(config, as_of=day), clock_on(day, load_policy(config.policy).time_zone)


async def _record(config: Config, day: str) -> None:
    """Keeps a reading of all accounts, as `assess --all` does."""
    workspace = Workspace.open(*_frozen(config, day))
    await record_all(workspace, "a test", lambda _done, _total: None)
    workspace.memory.store().close()
