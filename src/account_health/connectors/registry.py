"""Registry: finds connectors by entry point and builds those that the configuration names; nothing else is imported."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from account_health.errors import ConfigurationError, faults

if TYPE_CHECKING:
    from account_health.connectors.base import Connector, ConnectorFactory, Context

GROUP = "account_health.connectors"


def available() -> dict[str, str]:
    """Every installed connector kind and the distribution that supplies it, without importing any."""
    return {
        point.name: (point.dist.name if point.dist else "?")
        for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)
    }


def load(kind: str) -> Any:
    """The connector class of this kind; raises ConfigurationError when there is none or it cannot be imported."""
    points = list(entry_points(group=GROUP, name=kind))
    if not points:
        raise ConfigurationError(f"There is no connector {kind!r}.", f"Installed: {', '.join(available()) or 'none'}.")
    try:
        return points[0].load()
    except ImportError as err:
        raise ConfigurationError(
            f"The connector {kind!r} cannot be imported.", "Reinstall the package that supplies it."
        ) from err


def build(name: str, kind: str, settings: Mapping[str, Any], context: Context) -> Connector:
    """A connector for the source `name`; raises ConfigurationError listing every faulty setting by its place."""
    factory = load(kind)
    try:
        checked = factory.settings_model.model_validate(dict(settings))
    except ValidationError as err:
        lines = "\n".join(f"- sources.{name}.{line}" for line in faults(err))
        raise ConfigurationError(
            f"The source {name!r} is not configured correctly:\n{lines}\n", "See REFERENCE.md for its settings."
        ) from err
    make: ConnectorFactory = factory
    return make(name, checked, context)
