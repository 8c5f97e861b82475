"""Sage Intacct both ways: what publishing would change and changing it, and gathering its customers and invoices."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from account_health.config import GatherSettings, SourceConfig
from account_health.connectors.base import Context
from account_health.connectors.intacct import Intacct, IntacctSettings
from account_health.gather import Gatherer
from account_health.overview import Overview
from account_health.policy import load_policy
from account_health.publish.plan import planned, target_of
from account_health.publish.writing_back import carried_out
from account_health.workspace import Workspace, open_database
from fake_intacct import Company, Keeping, alone, settings_of
from figures import Figure, awaited_milliseconds, peak_mb
from generated import AS_OF, write_some
from recording import generated_config, recorded

if TYPE_CHECKING:
    from account_health.config import Config
    from account_health.publish.plan import Entry, Plan
    from account_health.publish.target import Target

_CUSTOMERS, _INVOICES, _CHANGED = 10_000, 20_000, 200
_ROUNDS = 7


def publish_plan_10k() -> Sequence[Figure]:
    """What publishing would change, from a run that is read already; the peer reads the same pages."""
    found = _published()
    return [
        Figure("publish_plan_10k", found["plan"], "ms", found["pages"]),
        Figure("publish_plan_10k: peak memory", found["peak"], "MB", found["at start"]),
    ]


def publish_apply_200() -> Sequence[Figure]:
    """200 of the customers written and put on record; the peer sends the same changes."""
    found = _published()
    return [Figure("publish_apply_200", found["apply"], "ms", found["patches"])]


def intacct_bulk_10k() -> Sequence[Figure]:
    """10,000 customers as the accounts and 20,000 invoices, gathered; the peer reads the same pages."""
    found = _measured("bulk")
    return [
        Figure("intacct_bulk_10k", found["gather"], "ms", found["pages"]),
        Figure("intacct_bulk_10k: peak memory", found["peak"], "MB", found["at start"]),
    ]


@cache
def _published() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        write_some(Path(folder), _CUSTOMERS)
        _measured("record", folder)
        return _measured("publish", folder)


def _measured(*what: str) -> dict[str, float]:
    """What a process of its own finds out."""
    done = subprocess.run([sys.executable, __file__, *what], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout or "{}")
    return found


class _Publishing:
    """Accounts with a health, and a company that has the same of all but 200 of them.

    It is the instant of the run all the time: what is published later than a run makes the next plan compute anew.
    """

    def __init__(self, config: Config) -> None:
        self._company = Company()
        self._records = {f"a{n}": self._company.add_customer(f"a{n}") for n in range(_CUSTOMERS)}
        self.transport = Keeping(self._company)
        settings = SourceConfig("intacct", "intacct", settings_of(self._company))
        self.workspace = Workspace.open(replace(config, publish=(settings,)), lambda: AS_OF)
        self._overview = Overview(self.workspace)
        self._target: Target = target_of(self.workspace, self.transport)
        self._changed: Sequence[Entry] = ()

    async def plan(self) -> Plan:
        """What would change, with the report of it."""
        plan = await planned(self._overview, target=self._target)
        plan.report()
        return plan

    async def settle(self) -> None:
        """Lets the company have what we say."""
        plan = await self.plan()
        if len(plan.to_write) < _CUSTOMERS / 2:
            raise RuntimeError("Most generated accounts would not be written.")
        for entry in plan.to_write:
            if entry.before and entry.after:
                self._records[entry.customer or ""] |= plan.fields.changes(entry.before, entry.after)
        self._changed = plan.to_write[:_CHANGED]

    def differ(self) -> None:
        """Some scores are others there once more."""
        for entry in self._changed:
            record = self._records[entry.customer or ""]
            record["customerAccountHealth.healthScore"] = 0 if entry.after and entry.after.score else 1
        self.transport.forget()


async def _publish(folder: Path) -> None:
    """Prints milliseconds of a plan and of carrying it out, with those of the same requests alone, and memory."""
    case = _Publishing(generated_config(folder))
    found, spent = {"at start": peak_mb()}, dict[str, list[float]]()
    await case.settle()
    for number in range(_ROUNDS):
        case.differ()
        plan = await case.plan()
        if len(plan.to_write) != _CHANGED:
            raise RuntimeError(f"Not {_CHANGED} but {len(plan.to_write)} customers would be written.")
        for ours, theirs, act in (
            ("plan", "pages", case.plan),
            ("apply", "patches", partial(carried_out, case.workspace, plan, "benchmark")),
        ):
            case.transport.asked.clear()
            spent.setdefault(ours, []).append(await awaited_milliseconds(act))
            again = partial(alone, case.transport, [*case.transport.asked])
            spent.setdefault(theirs, []).append(await awaited_milliseconds(again))
            found |= {"peak": peak_mb()} if ours == "plan" and not number else {}
    print(json.dumps(found | {name: statistics.median(times) for name, times in spent.items()}))


async def _bulk() -> None:
    """Prints milliseconds of gathering everything and of reading the same pages, and memory."""
    company = Company()
    for n in range(_CUSTOMERS):
        company.add_customer(f"C-{n}", f"Customer {n}", score=n % 101, email=f"ap@c{n}.example")
    for n in range(_INVOICES):
        company.add_invoice(f"C-{n // 2}", state="paid" if n % 5 else "posted", paid="2026-10-20" if n % 5 else None)
    transport, at_start = Keeping(company), peak_mb()
    await _gathered(transport)  # the fake answers for the first time
    peak, spent = peak_mb(), dict[str, list[float]]()
    for _ in range(_ROUNDS):
        transport.asked.clear()
        spent.setdefault("gather", []).append(await awaited_milliseconds(partial(_gathered, transport)))
        again = partial(alone, transport, [*transport.asked])
        spent.setdefault("pages", []).append(await awaited_milliseconds(again))
    medians = {name: statistics.median(times) for name, times in spent.items()}
    print(json.dumps(medians | {"at start": at_start, "peak": peak}))


async def _gathered(transport: Keeping) -> None:
    database = open_database()
    company = transport.company
    settings = IntacctSettings(**settings_of(company), lists_accounts=True)
    context = Context(Path(), database.cursor(), company.clock, transport)
    sources = [Intacct("erp", settings, context)]
    gatherer = Gatherer(sources, database, clock=company.clock, settings=GatherSettings())
    inputs = await gatherer.gather(load_policy(), company.now.replace(tzinfo=None))
    if inputs.tables.rows("SELECT count(*) AS n FROM invoice")[0]["n"] != _INVOICES:
        raise RuntimeError("Not every invoice arrived.")


def _main(what: str, *folder: str) -> None:
    """What `_measured` asks for."""
    if what == "record":
        anyio.run(recorded, generated_config(Path(*folder)), AS_OF)
    elif what == "publish":
        anyio.run(_publish, Path(*folder))
    else:
        anyio.run(_bulk)


if __name__ == "__main__":
    _main(*sys.argv[1:])
