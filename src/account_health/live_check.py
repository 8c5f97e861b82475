"""Live check: what live sources say when each is tried with as little as possible, and what to do about it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import anyio

from account_health.checked import CheckedSource, CheckedTable
from account_health.connectors.base import Checkable, Checkup, Probe
from account_health.errors import SourceError
from account_health.language import count, retold, say
from account_health.markup import name, prose
from account_health.model import Source, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from account_health.workspace import Workspace

_TEXT = 300
_NAME = 80
_TOLERATED_SKEW_SECONDS = 120
"""Beyond this, changes of the last minutes may be missed, and signatures and tokens may be refused."""


@dataclass(frozen=True)
class LiveCheck:
    """What one live source said: its tables by category, what to do, what else there is to know."""

    sources: tuple[CheckedSource, ...]
    advice: tuple[str, ...]
    notices: tuple[str, ...]
    is_healthy: bool


async def check_live(workspace: Workspace, as_of: datetime) -> list[LiveCheck]:
    """Tries every live source, side by side and each within the deadline of a question."""
    live = [source for source in workspace.sources.sources if isinstance(source, Checkable)]
    found: dict[int, LiveCheck] = {}

    async def check(index: int) -> None:
        checkup = await _checkup(live[index], as_of, workspace.config.gather.deadline_seconds)
        found[index] = _read(live[index], checkup, as_of)

    async with anyio.create_task_group() as group:
        for index in range(len(live)):
            group.start_soon(check, index)
    return [found[index] for index in range(len(live))]


async def _checkup(source: Checkable, as_of: datetime, seconds: float) -> Checkup:
    finding = count("no answer within {n} seconds", "no answer within {n} seconds", seconds, n=f"{seconds:g}")
    advice = say("Ask again later; if it stays, ask whoever runs it.")
    try:
        with anyio.move_on_after(seconds):
            return await source.check(as_of)
    except SourceError as err:
        finding, advice = err.message, err.next_step
    return Checkup([Probe(table, finding, is_ok=False, advice=advice) for table in source.provides()])


def _read(source: Checkable, checkup: Checkup, as_of: datetime) -> LiveCheck:
    provided = source.provides()
    tables: dict[Source, list[CheckedTable]] = defaultdict(list)
    for probe in checkup.probes:
        if probe.subject in provided:
            tables[provided[probe.subject]].append(_table(probe, as_of))
    skew = None if checkup.clock_skew is None else round(checkup.clock_skew.total_seconds())
    label = name(source.label, _NAME)
    return LiveCheck(
        sources=tuple(
            CheckedSource(
                source=category,
                connector=retold(source.label),
                is_live=True,
                api_version=checkup.api_version or None,
                clock_skew_seconds=skew,
                tables=tuple(found),
            )
            for category, found in tables.items()
        ),
        advice=tuple(dict.fromkeys(_advice(label, checkup, skew))),
        notices=tuple(
            say(
                "{source}: {name}: {note}",
                source=label,
                name=prose(probe.subject, _NAME),
                note=prose(probe.finding, _TEXT),
            )
            for probe in checkup.probes
            if probe.subject not in provided
        ),
        is_healthy=all(probe.is_ok for probe in checkup.probes),
    )


def _advice(label: str, checkup: Checkup, skew: int | None) -> Iterator[str]:
    for probe in checkup.probes:
        if probe.advice:
            yield say("{name}: {note}", name=label, note=prose(probe.advice, _TEXT))
    if skew is not None and abs(skew) > _TOLERATED_SKEW_SECONDS:
        yield count(
            "{source}: its clock and ours differ by {n} seconds; set ours by a time server.",
            "{source}: its clock and ours differ by {n} seconds; set ours by a time server.",
            abs(skew),
            source=label,
        )


def _table(probe: Probe, as_of: datetime) -> CheckedTable:
    rows = probe.rows or 0
    failed = probe.rows is None
    return CheckedTable(
        table=probe.subject,
        state=State.FAILED if failed else State.OBSERVED if rows else State.EMPTY,
        rows=rows,
        as_of=as_of.replace(tzinfo=UTC),
        problems=() if probe.is_ok else (prose(probe.finding, _TEXT),),
    )
