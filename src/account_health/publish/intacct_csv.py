"""Intacct CSV: the customer import file of Sage Intacct: all scored customers, or those that changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from account_health.as_of import asked_instant
from account_health.csv_cells import safe_cell
from account_health.errors import CallerError, NoHistory
from account_health.language import count, say, speaking, written
from account_health.metrics.windows import local_day
from account_health.publish import customer_file
from account_health.publish.customer_file import Line
from account_health.publish.customers import customers_of
from account_health.publish.health import customers_standing, recorded_health
from account_health.publish.settings import CSV_SECTION, IntacctCsvSettings, section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from account_health.history.records import Reading
    from account_health.history.store import Store
    from account_health.overview import Overview
    from account_health.publish.customers import Customers
    from account_health.publish.health import Health
    from account_health.workspace import Workspace


@dataclass(frozen=True)
class Wanted:
    """Which customers a file is to hold; empty fields leave none out."""

    as_of: str = ""
    since: str = ""
    """Only those whose values differ from what was recorded on this day."""
    diff: bytes | None = None
    """Only those whose values differ from this file."""
    segment: str = ""
    owner: str = ""
    language: str = ""


class Exported(NamedTuple):
    """The file, and what a reader has to know about it, in sentences."""

    content: bytes
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Told:
    """What was said of customers before, by customer id; an id that is missing was not told of at all."""

    values: Mapping[str, frozenset[Health]]
    since: str = ""
    """The day it was said, as a reader sees it; empty: it stands in a file."""

    def is_told(self, line: Line) -> bool:
        """Whether just this was said of the customer, and nothing else."""
        return self.values.get(line.customer) == frozenset({line.health})


async def export_customers(overview: Overview, wanted: Wanted, *, refresh: bool = False) -> Exported:
    """The file of the customers that have a score and a customer id.

    Raises CallerError for a day that is none or a file without the needed columns, NoHistory if nothing was recorded
    by that day, ConfigurationError for faulty settings.
    """
    workspace = overview.workspace
    settings = section(workspace.config, CSV_SECTION, IntacctCsvSettings) or IntacctCsvSettings()
    before = _required(workspace, wanted)
    view = await overview.view(wanted.as_of or None, refresh=refresh)
    standing = customers_standing(view, wanted.segment, wanted.owner)
    customers = await customers_of(workspace, settings, standing, view.standings.as_of, safe_cell)
    lines = [
        Line(customer, one.health) for one in standing if one.health for customer in customers.ids.get(one.account, ())
    ]
    told = None
    if before is not None:
        told = await _recorded(workspace, before, customers)
    elif wanted.diff is not None:
        told = _Told(customer_file.read(wanted.diff, settings, workspace.policy))
    kept = [line for line in lines if told is None or not told.is_told(line)]
    with speaking(wanted.language or settings.language):
        content = customer_file.written(sorted(kept, key=lambda line: line.customer), settings)
    unscored = sum(one.health is None for one in standing)
    return Exported(content, (*_counted(lines, kept, told, unscored), *customers.notes(), *view.notices))


def _required(workspace: Workspace, wanted: Wanted) -> datetime | None:
    """The instant to compare with, None if there is none; raises CallerError for what cannot be compared with."""
    if not wanted.since:
        return None
    if wanted.diff is not None:
        raise CallerError(
            say("A file is compared either with a recorded day or with another file."), say("Give --since or --diff.")
        )
    if not workspace.memory.exists:
        raise NoHistory
    since = asked_instant(wanted.since, workspace.policy.time_zone, workspace.clock(), "since")
    if since >= workspace.instant(wanted.as_of or None):
        raise CallerError(say("since has to lie before the instant of the export."), say("Give an earlier day."))
    return since


async def _recorded(workspace: Workspace, instant: datetime, customers: Customers) -> _Told:
    """What was recorded of all accounts as of an instant; raises NoHistory if nothing was by then."""

    def read(store: Store) -> tuple[Sequence[Reading], Mapping[str, tuple[str, ...]], datetime | None]:
        readings = store.all_at(instant)
        first = None if readings else store.first_run()
        return readings, store.metrics_of({reading.policy for reading in readings}), first.as_of if first else None

    zone = workspace.policy.time_zone
    readings, metrics, first = await workspace.memory.ask(read)
    if not readings:
        if first is None:
            raise NoHistory
        raise NoHistory(
            say("Nothing was recorded by then; the first day is {day}.", day=written(local_day(first, zone))),
            say("Give that day or a later one, or compare with a file: --diff FILE."),
        )
    found = recorded_health(readings, metrics, workspace.policy)
    values = {
        customer: frozenset({health})
        for account, health in found.items()
        if health
        for customer in customers.ids.get(account, ())
    }
    return _Told(values, written(local_day(instant, zone)))


def _counted(lines: Sequence[Line], kept: Sequence[Line], told: _Told | None, unscored: int) -> Iterator[str]:
    """How many customers the file holds, and how that came about."""
    if told is None:
        yield count("{n} customer in the file.", "{n} customers in the file.", len(kept))
        if unscored:
            yield count("{n} customer has no score.", "{n} customers have no score.", unscored)
        return
    added = sum(line.customer not in told.values for line in kept)
    numbers = {
        "added": added,
        "changed": len(kept) - added,
        "unchanged": len(lines) - len(kept),
        "unscored": unscored,
    }
    if told.since:
        yield say(
            "Since {day}: {added} added, {changed} changed, {unchanged} unchanged, {unscored} not scored.",
            day=told.since,
            **numbers,
        )
        return
    yield say("{added} added, {changed} changed, {unchanged} unchanged, {unscored} not scored.", **numbers)
    if others := len(told.values.keys() - {line.customer for line in lines}):
        yield count(
            "{n} customer of that file is left as it is there, because it has no score here or is no customer of ours.",
            "{n} customers of that file are left as they are there, because they have no score here or are no "
            "customers of ours.",
            others,
        )
