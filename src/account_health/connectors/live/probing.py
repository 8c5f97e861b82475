"""Probing: what `sources check` says of each thing that it tried at a live system."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from account_health.connectors.base import Probe
from account_health.connectors.live.reader import Reader, Reading, read
from account_health.language import count, mark, say, together
from account_health.markup import code

if TYPE_CHECKING:
    from account_health.connectors.live.ask import Ask
    from account_health.errors import SourceError
    from account_health.identity import Record

_CHARACTERS = 200
_SUBJECTS = {"records": mark("records"), "settings": mark("settings")}
"""What is tried besides tables."""


def failed(subject: str, error: SourceError) -> Probe:
    """What was tried, and why it did not work."""
    shown = say(_SUBJECTS[subject]) if subject in _SUBJECTS else subject
    return Probe(shown, error.message, is_ok=False, advice=error.next_step)


def listed(records: Sequence[Record], ask: Ask) -> Probe:
    """What the first page of records holds."""
    found = count("{n} records on the first page.", "{n} records on the first page.", len(records))
    return _probe(say(_SUBJECTS["records"]), records, found, ask)


async def sampled(table: str, reader: Reader, ask: Ask) -> Sequence[Probe]:
    """What the first page of a table's list holds."""
    reading = Reading()
    await read(table, reader, ask, reading)
    found = count("{n} rows on the first page.", "{n} rows on the first page.", len(reading.rows))
    return [_probe(table, reading.rows, found, ask)]


def _probe(subject: str, items: Collection[object], found: str, ask: Ask) -> Probe:
    advice = say("Correct them where they come from; until then they are left out.") if ask.rejected else ""
    finding = together(found, unread(ask))
    return Probe(subject, finding, is_ok=not ask.rejected, rows=len(items), advice=advice)


def unread(ask: Ask) -> str:
    """How much could not be read, with an example."""
    if not ask.rejected:
        return ""
    text = say("{place}: {problem}", place=ask.rejected[0].place, problem=ask.rejected[0].problem)
    example, number = code(text, _CHARACTERS), len(ask.rejected)
    return count(
        "{n} could not be read, e.g. {example}.", "{n} could not be read, e.g. {example}.", number, example=example
    )
