"""The desk: what one running server has open. It opens at the first question, so that listing tools stays fast.

DuckDB, NumPy and Jinja2 take a third of a second to import; nothing on the way to `tools/list` may load them. Modules
that do are imported inside the functions that need them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from account_health.once import Once

if TYPE_CHECKING:
    from mcp.types import CallToolResult

    from account_health.config import Config
    from account_health.connectors.base import Clock
    from account_health.model import Assessment
    from account_health.overview import Overview
    from account_health.policy import Policy
    from account_health.workspace import Workspace


class Desk:
    """A configuration to be opened, and the workspace once it is."""

    def __init__(self, configure: Callable[[], Config], clock: Clock) -> None:
        self._configure = configure
        self._clock = clock
        self._workspace: Workspace | None = None
        self._overview: Overview | None = None
        self.ready: Once[CallToolResult] = Once()
        """Answers as they travel, by the assessments they are of."""

    def workspace(self) -> Workspace:
        """The open workspace; raises ConfigurationError until there is a usable configuration, then stays open."""
        if self._workspace is None:
            from account_health.workspace import Workspace

            self._workspace = Workspace.open(self._configure(), self._clock)
        return self._workspace

    def language(self) -> str:
        """The language of the configuration; English as long as there is none that can be used."""
        from account_health.language import ENGLISH

        try:
            return self._workspace.language if self._workspace else self._configure().language
        except Exception:  # noqa: BLE001 - the question itself tells what is wrong, in words that may be shown
            return ENGLISH

    def overview(self) -> Overview:
        """The overview of the open workspace, which keeps what it has read of the history."""
        if self._overview is None:
            from account_health.overview import Overview

            self._overview = Overview(self.workspace())
        return self._overview

    def policy(self) -> Policy:
        """The configured policy, or the built-in one where nothing is configured."""
        from account_health.errors import NotConfigured
        from account_health.policy import load_policy

        try:
            return load_policy(self._configure().policy)
        except NotConfigured:
            return load_policy()

    async def assess_supplied(self, name: str, values: Mapping[str, float | str | bool], as_of: str) -> Assessment:
        """The assessment of values the caller already has; works without any configuration."""
        from account_health.as_of import asked_instant
        from account_health.workspace import assess_supplied

        policy, day = self.policy(), as_of or self._day()
        return await assess_supplied(name, values, policy, asked_instant(day, policy.time_zone, self._clock()))

    def _day(self) -> str | None:
        """The day that the configuration asks every question at, if it has one."""
        from account_health.errors import NotConfigured

        try:
            return self._configure().as_of
        except NotConfigured:
            return None
