"""A process of its own that opens or fills a history, and says one line for each thing that is surely done.

`python -m history.writer VERB ADDRESS ...`, with the folder of the tests on the path; ADDRESS is a file or an address
of PostgreSQL.
"""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from account_health.config import HistorySettings
from account_health.errors import HistoryError
from account_health.history.store import Store
from history.readings import POLICY, WRITER, clock, keep, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from account_health.history.records import Reading

TOGETHER = 20
"""Accounts that are recorded in one turn."""
RECOVERY = 30
"""Seconds within which a database has to come back."""
LIMIT = 400_000
"""Bytes that a file may have while space is scarce."""
ENOUGH = 1000
"""Turns that surely need more space than that."""


def settings_of(address: str) -> HistorySettings:
    """The settings of the history at an address."""
    if "://" in address:
        return HistorySettings(url=SecretStr(address))
    return HistorySettings(path=Path(address))


def address_of(settings: HistorySettings) -> str:
    """The address of a history, for another process."""
    return settings.url.get_secret_value() if settings.url else str(settings.path)


def say(*words: object) -> None:
    """One line, out at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def turn(number: int) -> list[Reading]:
    """What one turn records: another score than the turn before, of all accounts."""
    return [reading(f"account-{place}", number / 100, score=float(number)) for place in range(TOGETHER)]


def turns(store: Store) -> Iterator[int]:
    """The numbers of the turns that come next."""
    last = store.latest("account-0")
    return count(int(last.score or 0) + 1 if last else 1)


def forever(address: str) -> None:
    """Records run after run until somebody ends it; says the number of each that is kept."""
    store = Store.open(settings_of(address), clock())
    for number in turns(store):
        readings = turn(number)
        instant = readings[0].as_of
        run = store.begin(instant, POLICY, WRITER, TOGETHER, ())
        store.record(readings, POLICY, WRITER, instant.date(), run, TOGETHER)
        say(number)
        store.finish(run, POLICY, WRITER, instant.date(), {read.account for read in readings})


def patiently(address: str) -> None:
    """Records turn after turn until somebody ends it; when the database was away it tries again with the same store."""
    store = Store.open(settings_of(address), clock())
    for number in turns(store):
        deadline = time.monotonic() + RECOVERY
        while True:
            try:
                keep(store, *turn(number))
            except HistoryError as err:
                say("failed:", err)
                if time.monotonic() > deadline:
                    raise
            else:
                say(number)
                break


def together(address: str, name: str, times: str) -> None:
    """Once it is told to, records an account of its own and one that others record too; says how many rows it added."""
    store = Store.open(settings_of(address), clock())
    say("ready")
    sys.stdin.readline()
    for number in range(int(times)):
        shared = reading("shared", number, score=float(number))
        own = reading(f"own-{name}", number, score=float(number))
        say(keep(store, shared, own) if number % 2 else keep(store, shared) + keep(store, own))


def opening() -> None:
    """Opens the histories whose addresses it is sent; says what came of each."""
    say("ready")
    for line in sys.stdin:
        try:
            Store.open(settings_of(line.strip()), clock()).close()
        except HistoryError as err:
            say(err)
        else:
            say("opened")


def limited(address: str) -> None:
    """Records until no file may grow any more, then goes on when it may again."""
    import resource  # noqa: PLC0415 - other systems have none

    store = Store.open(settings_of(address), clock())
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, unlimited[1]))
    last = _until_it_fails(store)
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    _go_on(store, last)


def mounted(folder: str) -> None:
    """Records on a small disk of its own until it is full, then goes on when there is room again."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)  # noqa: S607 - wherever it is
    store = Store.open(settings_of(f"{folder}/history.sqlite"), clock())
    ballast = Path(folder, "ballast")
    ballast.write_bytes(bytes(1 << 20))
    last = _until_it_fails(store)
    ballast.unlink()
    _go_on(store, last)


def _until_it_fails(store: Store) -> int:
    """Says why it failed and that what was kept is still there; the number of the last turn that was kept."""
    for number in range(1, ENOUGH):
        try:
            keep(store, *turn(number))
        except HistoryError as err:
            say(err)
            say(_holds(store, number - 1))
            return number - 1
    raise AssertionError("There was always enough space.")


def _go_on(store: Store, last: int) -> None:
    """Says whether one more turn is kept."""
    keep(store, *turn(last + 1))
    say(_holds(store, last + 1))


def _holds(store: Store, number: int) -> bool:
    return number > 0 and [found.score for found in store.all_at()] == [number] * TOGETHER


VERBS = {function.__name__: function for function in (forever, patiently, together, opening, limited, mounted)}

if __name__ == "__main__":
    VERBS[sys.argv[1]](*sys.argv[2:])
