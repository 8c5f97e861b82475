"""Registry: finds connectors by entry point and builds those that the configuration names; nothing else is imported.

A connector that is broken, or whose secret is missing, is a source that fails and says why; the others still answer.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import SecretStr, ValidationError

from account_health.connectors.base import Settings
from account_health.errors import AccountHealthError, ConfigurationError, Fault, SourceError, faults, place
from account_health.language import all_of, say, together

if TYPE_CHECKING:
    from datetime import datetime

    from account_health.config import SourceConfig
    from account_health.connectors.base import Connector, ConnectorFactory, Context, Delivery, Query
    from account_health.model import Source

log = logging.getLogger(__name__)

GROUP = "account_health.connectors"


def available() -> dict[str, str]:
    """Every installed connector kind and the distribution that supplies it, without importing any."""
    return {point.name: _supplier(point) for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)}


def _supplier(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "?"


def load(kind: str) -> Any:
    """The connector class of this kind; raises ConfigurationError unless one package has it, SourceError if broken."""
    points = list(entry_points(group=GROUP, name=kind))
    if not points:
        names = ", ".join(available())
        raise ConfigurationError(
            say("There is no connector {connector}.", connector=repr(kind)),
            say("Installed: {connectors}.", connectors=names) if names else say("Installed: none."),
        )
    if len(suppliers := sorted({_supplier(point) for point in points})) > 1:
        raise ConfigurationError(
            say(
                "There are several connectors {connector}, supplied by {packages}.",
                connector=repr(kind),
                packages=all_of(suppliers),
            ),
            say("Uninstall all but one of these packages."),
        )
    try:
        found = points[0].load()
        if not issubclass(found.settings_model, Settings):
            raise TypeError  # noqa: TRY301 - broken like any other
    except (Exception, SystemExit) as err:  # noqa: BLE001 - whatever it is, the other sources still answer
        log.error("the connector %s cannot be loaded: %s", kind, place(err))  # noqa: TRY400 - its text may show a setting
        raise _broken(kind, err) from None
    return found


def _broken(kind: str, err: BaseException) -> SourceError:
    return SourceError(
        say("The connector {connector} cannot be loaded ({error}).", connector=repr(kind), error=type(err).__name__),
        say("Update or reinstall {package}, which supplies it.", package=available()[kind]),
        fault=Fault.SETUP,
    )


def build(source: SourceConfig, context: Context) -> Connector:
    """The connector of a source; raises ConfigurationError listing every faulty setting by its place."""
    try:
        factory = load(source.connector)
        connector, label, tables = _made(factory, source, context)
    except SourceError as err:
        return Unavailable(source.connector, source.name, {}, err)
    except ConfigurationError:
        if not (unsendable := _unsendable(source)):
            raise
        return build(source.lacking(unsendable), context)
    if source.missing:
        advice = say("Mend that for the source `{source}`, then start again.", source=source.name)
        problem = SourceError(together(*source.missing), advice, fault=Fault.SETUP)
        return Unavailable(source.connector, label, tables, problem)
    return connector


def _unsendable(source: SourceConfig) -> dict[str, str]:
    """The secrets that no header can carry, each with a sentence that does not show it."""
    return {
        key: say(
            "The secret `{setting}` holds characters that cannot be sent, such as a line break.",
            setting=f"sources.{source.name}.{key}",
        )
        for key, value in source.settings.items()
        if isinstance(value, SecretStr)
        and not ((secret := value.get_secret_value()).isascii() and secret.isprintable())
    }


def _made(factory: Any, source: SourceConfig, context: Context) -> tuple[Connector, str, Mapping[str, Source]]:
    """The connector, its label and its tables; raises SourceError if it is broken."""
    try:
        checked = factory.settings_model.model_validate(dict(source.settings))
        make: ConnectorFactory = factory
        connector = make(source.name, checked, context)
        return connector, connector.label, connector.provides()
    except ValidationError as err:
        lines = "\n".join(f"- sources.{source.name}.{line}" for line in faults(err))
        raise ConfigurationError(
            say("The source {source} is not configured correctly:\n{faults}\n", source=repr(source.name), faults=lines),
            say("See REFERENCE.md for its settings."),
        ) from None  # its text would show what was written, perhaps a secret
    except AccountHealthError:
        raise
    except Exception as err:  # noqa: BLE001 - whatever it is, the other sources still answer
        log.error("the connector %s cannot be made: %s", source.connector, place(err))  # noqa: TRY400 - its text may show a setting
        raise _broken(source.connector, err) from None


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
