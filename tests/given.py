"""Given rows, an answer: a connector that delivers what a test hands it, and the pipeline around it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import anyio
import duckdb

from account_health.assess import assess, evaluated
from account_health.connectors.base import Connector, Context, Delivery, Query, Settings
from account_health.connectors.demo import Demo, DemoSettings
from account_health.gather import Gatherer
from account_health.policy import Policy, load_policy
from account_health.tables import TABLES, Account, MetricValue, Row, columns

if TYPE_CHECKING:
    from account_health.evaluation import Evaluation
    from account_health.model import Assessment, Source, State

AS_OF = datetime(2026, 11, 21, 9)
"""The instant tests ask at unless they say otherwise."""

DEFAULT_POLICY = load_policy()

LONG_AGO = datetime(2020, 1, 1)
"""Where history starts unless a test says otherwise."""

SHARED = Path(__file__).parents[2] / "shared"
"""Real data, hostile text and vendor documents, when they are laid beside the repository."""


@dataclass
class Given:
    """A source that delivers the given rows; tables that are not given are not connected."""

    rows: Sequence[Row]
    tables: Iterable[str] | None = None
    """Tables it delivers (empty ones too); default: those that have rows, and `account`."""
    history_from: Mapping[str, datetime] = field(default_factory=dict)
    states: Mapping[str, Mapping[str, State]] = field(default_factory=dict)
    """Per table, per account."""
    columns: Mapping[str, Iterable[str]] = field(default_factory=dict)
    """Per table the columns the source can tell; default: all."""
    changes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Per table further fields of the Delivery."""
    label: str = "given rows"
    kind: ClassVar[str] = "given"
    settings_model: ClassVar[type[Settings]] = Settings

    def provides(self) -> Mapping[str, Source]:
        """The given tables."""
        named = {"account", *(self.tables if self.tables is not None else (row.table for row in self.rows))}
        return {table: row.category for table, row in TABLES.items() if table in named}

    def fingerprint(self, as_of: datetime) -> Hashable:  # noqa: ARG002 - the protocol names it
        """Never changes: the rows are what they are."""
        return id(self)

    async def fetch(self, query: Query) -> Sequence[Delivery]:
        """The rows, table by table."""
        return [self._delivery(table, category, query) for table, category in self.provides().items()]

    def _delivery(self, table: str, category: Source, query: Query) -> Delivery:
        delivery = Delivery(
            table=table,
            category=category,
            rows=[row for row in self.rows if row.table == table],
            columns=frozenset(self.columns.get(table, columns(table))),
            fetched_at=query.as_of,
            history_from=self.history_from.get(table, LONG_AGO),
            states=self.states.get(table, {}),
        )
        return replace(delivery, **self.changes.get(table, {}))  # type: ignore[arg-type] # a test knows the fields


def gatherer(*sources: Connector, database: duckdb.DuckDBPyConnection | None = None) -> Gatherer:
    """A gatherer over the sources, with a database of its own unless live sources already have one."""
    return Gatherer(sources, database or new_database(), clock=lambda: AS_OF.replace(tzinfo=UTC))


def new_database() -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    database.execute("LOAD icu")
    return database


def evaluation_of(
    *sources: Connector,
    policy: Policy | None = None,
    as_of: datetime = AS_OF,
    database: duckdb.DuckDBPyConnection | None = None,
) -> Evaluation:
    """Everything computed for all accounts of the sources."""

    async def ask() -> Evaluation:
        return await evaluated(gatherer(*sources, database=database), policy or DEFAULT_POLICY, as_of)

    return anyio.run(ask)


def assessments_of(*sources: Connector, policy: Policy | None = None, as_of: datetime = AS_OF) -> list[Assessment]:
    """The assessments of all accounts of the sources."""

    async def ask() -> list[Assessment]:
        return await assess(gatherer(*sources), policy or DEFAULT_POLICY, as_of)

    return anyio.run(ask)


def account(**values: object) -> Account:
    """An account `acme`, with what the test says of it."""
    return Account.model_validate({"account_id": "acme", "name": "Acme Ltd", **values})


def ago(days: float, *, before: datetime = AS_OF) -> datetime:
    """The instant some days before the asked one."""
    return datetime.fromtimestamp(before.replace(tzinfo=UTC).timestamp() - days * 86400, UTC).replace(tzinfo=None)


@cache
def demo_assessments(as_of: datetime = AS_OF) -> tuple[Assessment, ...]:
    """The assessments of the demo accounts under the default policy, sorted by id."""
    context = Context(Path(), duckdb.connect(), lambda: as_of.replace(tzinfo=UTC))
    sources = Gatherer([Demo("demo", DemoSettings(), context)], new_database(), clock=context.clock, is_demo=True)

    async def ask() -> list[Assessment]:
        return await assess(sources, DEFAULT_POLICY, as_of)

    return tuple(anyio.run(ask))


def supplied(values: Mapping[str, float], account_id: str = "acme") -> list[MetricValue]:
    """Metric values that the caller passes, by metric."""
    return [
        MetricValue(account_id=account_id, metric=metric, value=value, as_of=AS_OF, provider="caller")
        for metric, value in values.items()
    ]
