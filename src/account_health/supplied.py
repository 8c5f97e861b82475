"""Supplied: metric values the caller already has, through the same pipeline as any source, marked as the caller's."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from account_health.connectors.base import Delivery, Query, Settings
from account_health.language import say
from account_health.model import Source
from account_health.tables import Account, MetricValue

ACCOUNT_ID = "supplied"


@dataclass(frozen=True)
class Supplied:
    """One account with the values a caller passed, sorted into the categories the metrics belong to."""

    name: str
    values: Mapping[str, tuple[Source, float]]
    label: str = say("supplied by caller")
    kind: ClassVar[str] = "caller"
    settings_model: ClassVar[type[Settings]] = Settings

    def provides(self) -> Mapping[str, Source]:
        """The account itself and its metric values."""
        return {"account": Source.CRM, "metric_value": Source.CRM}

    def fingerprint(self, as_of: datetime) -> Hashable:
        """The values are all there is."""
        return (self.name, tuple(self.values.items()), as_of)

    async def fetch(self, query: Query) -> Sequence[Delivery]:
        """One delivery of metric values per category."""
        account = Account(account_id=ACCOUNT_ID, name=self.name)
        deliveries = [
            Delivery("account", Source.CRM, [account], frozenset({"account_id", "name"}), query.as_of, matched_by="")
        ]
        for category in sorted({source for source, _ in self.values.values()}):
            rows = [
                MetricValue(account_id=ACCOUNT_ID, metric=metric, value=value, as_of=query.as_of, provider="caller")
                for metric, (source, value) in self.values.items()
                if source is category
            ]
            columns = frozenset(MetricValue.model_fields)
            deliveries.append(Delivery("metric_value", category, rows, columns, query.as_of, matched_by=""))
        return deliveries
