"""Registry: finds connectors by entry point and builds those that the configuration names; nothing else is imported.

A connector that is broken, or whose secret is missing, is a source that fails and says why; the others still answer.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError

from account_health.connectors.base import Settings
from account_health.errors import ConfigurationError, Fault, SourceError, faults

if TYPE_CHECKING:
    from datetime import datetime

    from account_health.config import SourceConfig
    from account_health.connectors.base import Connector, ConnectorFactory, Context, Delivery, Query
    from account_health.model import Source

log = logging.getLogger(__name__)

GROUP = "account_health.connectors"


def available() -> dict[str, str]:
    """Every installed connector kind and the distribution that supplies it, without importing any."""
    return {
        point.name: (point.dist.name if point.dist else "?")
        for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)
    }


def load(kind: str) -> Any:
    """The connector class of this kind; raises ConfigurationError when there is none, SourceError when it is broken."""
    points = list(entry_points(group=GROUP, name=kind))
    if not points:
        raise ConfigurationError(f"There is no connector {kind!r}.", f"Installed: {', '.join(available()) or 'none'}.")
    try:
        return points[0].load()
    except (Exception, SystemExit) as err:
        supplier = points[0].dist.name if points[0].dist else "the package"
        log.error("the connector %s cannot be loaded: %s", kind, type(err).__name__)  # noqa: TRY400 - its text may show a setting
        raise SourceError(
            f"The connector {kind!r} cannot be loaded ({type(err).__name__}).",
            f"Update or reinstall {supplier}, which supplies it.",
            fault=Fault.SETUP,
        ) from err


def build(source: SourceConfig, context: Context) -> Connector:
    """The connector of a source; raises ConfigurationError listing every faulty setting by its place."""
    try:
        factory = load(source.connector)
    except SourceError as err:
        return Unavailable(source.connector, source.name, {}, err)
    try:
        checked = factory.settings_model.model_validate(dict(source.settings))
    except ValidationError as err:
        lines = "\n".join(f"- sources.{source.name}.{line}" for line in faults(err))
        raise ConfigurationError(
            f"The source {source.name!r} is not configured correctly:\n{lines}\n", "See REFERENCE.md for its settings."
        ) from None  # its text would show what was written, perhaps a secret
    make: ConnectorFactory = factory
    connector = make(source.name, checked, context)
    if source.missing:
        problem = SourceError(" ".join(source.missing), f"Then ask again: sources.{source.name}.", fault=Fault.SETUP)
        return Unavailable(source.connector, connector.label, connector.provides(), problem)
    return connector


@dataclass(frozen=True)
class Unavailable:
    """A source that cannot be asked at all, and why; it fails in every answer."""

    kind: str
    label: str
    tables: Mapping[str, Source]
    problem: SourceError
    settings_model: ClassVar[type[Settings]] = Settings

    def provides(self) -> Mapping[str, Source]:
        """The tables that it would deliver; none if the connector could not even be loaded."""
        return self.tables

    def fingerprint(self, as_of: datetime) -> Hashable:  # noqa: ARG002 - the protocol names it
        """Never changes: what is missing is looked up when the configuration is read."""
        return self.problem.message

    async def fetch(self, query: Query) -> Sequence[Delivery]:  # noqa: ARG002 - the protocol names it
        """Raises SourceError."""
        raise self.problem
