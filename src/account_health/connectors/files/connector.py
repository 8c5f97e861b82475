"""The connector: reads a folder once, and again only when one of its files has changed."""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, ClassVar

from anyio import to_thread

from account_health.connectors.files.folder import Folder
from account_health.connectors.files.reading import Reading
from account_health.connectors.files.settings import FilesSettings, label_of
from account_health.language import count, say
from account_health.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from datetime import datetime

    from account_health.connectors.base import Context, Delivery, Query, Settings
    from account_health.model import Source

_NAMES_SHOWN = 5
_KEPT_READINGS = 4
_numbers = itertools.count(1)
"""Sources share a database, and two names may differ in nothing that SQL can tell apart."""


class Files:
    """A folder of CSV, JSON lines or Parquet files as a source.

    Asked for some accounts, it delivers all of them.
    """

    kind: ClassVar[str] = "files"
    settings_model: ClassVar[type[Settings]] = FilesSettings

    def __init__(self, name: str, settings: FilesSettings, context: Context) -> None:
        patterns = [pattern for table in settings.tables.values() for pattern in table.patterns]
        self.label = settings.label or label_of(patterns)
        self._settings = settings
        self._context = context
        self._folder = Folder(context.folder / settings.folder, settings)
        self._name = re.sub(r"\W", "_", name)
        self._readings: dict[Hashable, tuple[str, Sequence[Delivery]]] = {}
        self._one_at_a_time = threading.Lock()

    def provides(self) -> Mapping[str, Source]:
        """The configured tables; without any, every table, since only the folder knows which it holds."""
        tables = self._settings.tables
        chosen = {
            table: tables[table].category if tables else None for table in TABLES if table in tables or not tables
        }
        return {table: category or TABLES[table].category for table, category in chosen.items()}

    def fingerprint(self, as_of: datetime) -> Hashable:  # noqa: ARG002 - files do not change with the asked day
        """Path, time and size of every file, without opening any."""
        return self._folder.fingerprint()

    async def fetch(self, query: Query) -> Sequence[Delivery]:  # noqa: ARG002 - whole tables cost no more than parts
        """Every table; raises SourceError when the folder holds none."""
        return await to_thread.run_sync(self._current, abandon_on_cancel=True)

    def _current(self) -> Sequence[Delivery]:
        with self._one_at_a_time:
            fingerprint = self._folder.fingerprint()
            if fingerprint not in self._readings:
                self._readings[fingerprint] = self._read()
                self._forget_oldest()
            return self._readings[fingerprint][1]

    def _read(self) -> tuple[str, Sequence[Delivery]]:
        schema = f"files_{self._name}_{next(_numbers)}"
        fetched_at = self._context.clock().astimezone(UTC).replace(tzinfo=None)
        deliveries = Reading(self._context.database, schema, self._folder, fetched_at).deliveries()
        return schema, [_with_note(delivery, self._folder.ignored()) for delivery in deliveries]

    def _forget_oldest(self) -> None:
        """Drops all but the last few readings: earlier answers may still be looking at their tables."""
        while len(self._readings) > _KEPT_READINGS:
            schema, _ = self._readings.pop(next(iter(self._readings)))
            self._context.database.execute(f'DROP SCHEMA "{schema}" CASCADE')


def _with_note(delivery: Delivery, ignored: Sequence[str]) -> Delivery:
    """The list of accounts says which files nobody reads, so that `tickets.csv` is not taken for `ticket.csv`."""
    if delivery.table != "account" or not ignored:
        return delivery
    names = ", ".join(f"`{name}`" for name in ignored[:_NAMES_SHOWN])
    more = len(ignored) - _NAMES_SHOWN
    if more <= 0:
        return replace(delivery, note=say("not read, because not named after a table: {names}", names=names))
    note = count(
        "not read, because not named after a table: {names} and {n} more",
        "not read, because not named after a table: {names} and {n} more",
        more,
        names=names,
    )
    return replace(delivery, note=note)
