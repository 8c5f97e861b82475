"""Lifecycle: what a reading means after the one before: bands that are announced, flags that open and clear."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from account_health.chronicle import Phase
from account_health.history.records import Activity, Flags, Kind, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date


def followed(reading: Reading, before: Reading | None, readings: int, today: date) -> Reading:
    """The reading with its announced band and the days its flags are open since, given the reading before.

    A band is announced once it was read `readings` times in a row; the very first one at once.
    """
    earlier = before if before and before.is_present else None
    flags = _opened(reading.flags, earlier.flags if earlier else None, today)
    if earlier is None or reading.band == earlier.announced_band:
        return replace(reading, announced_band=reading.band, pending=0, flags=flags)
    again = int(reading.as_of > earlier.as_of)  # the same instant read once more is the same reading
    pending = earlier.pending + again if earlier.band == reading.band else 1
    if pending >= readings:
        return replace(reading, announced_band=reading.band, pending=0, flags=flags)
    return replace(reading, announced_band=earlier.announced_band, pending=pending, flags=flags)


def activities(reading: Reading, before: Reading | None, author: str) -> Iterator[Activity]:
    """What there is to say about a reading after the one before; of the first one, only which flags are open."""
    earlier = before if before and before.is_present else None
    said = Activity(
        at=reading.as_of,
        account=reading.account,
        name=reading.profile.name,
        owner=reading.profile.owner,
        band=reading.announced_band,
        author=author,
        kind=Kind.BAND,
        after=reading.announced_band,
        score_before=earlier.score if earlier else None,
        score_after=reading.score,
    )
    if earlier and reading.announced_band != earlier.announced_band:
        yield replace(said, before=earlier.announced_band)
    was = earlier.flags.since if earlier else {}
    for flag in sorted(reading.flags.since.keys() - was.keys()):
        yield replace(said, kind=Kind.FLAG, subject=flag, after=Phase.OPENED)
    for flag in sorted(was.keys() - reading.flags.since.keys()):
        yield replace(said, kind=Kind.FLAG, subject=flag, before=Phase.OPENED, after=Phase.CLEARED)


def _opened(flags: Flags, before: Flags | None, today: date) -> Flags:
    was = before.since if before else {}
    still = {flag: day for flag, day in was.items() if flag in flags.raised or flag in flags.unknown}
    return replace(flags, since={flag: still.get(flag, today) for flag in (*still, *flags.raised)})
