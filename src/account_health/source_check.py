"""Source check: which sources are connected, fresh or failing over all accounts, and what to do about each."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from pydantic import Field

from account_health.markup import code, name, prose
from account_health.model import Published, Source, State
from account_health.wording import SOURCE_PHRASES, minute

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from account_health.directory import Entry
    from account_health.inputs import Holding, Inputs
    from account_health.workspace import Workspace

_PROBLEMS_SHOWN = 5


class CheckedTable(Published):
    """How one table of a source stands over all accounts."""

    table: str
    state: State
    rows: int
    rejected: int = 0
    unmatched: int = Field(default=0, description="Rows that belong to no known account")
    as_of: datetime | None = None
    problems: tuple[str, ...] = ()


class CheckedSource(Published):
    """One connected system of one category, and its tables."""

    source: str
    connector: str
    tables: tuple[CheckedTable, ...]


class CheckedSources(Published):
    """Which sources are connected, fresh or failing, and what to do."""

    sources: tuple[CheckedSource, ...]
    not_connected: tuple[str, ...] = Field(description="Categories without any source")
    accounts: int
    advice: tuple[str, ...]
    notices: tuple[str, ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Whether every connected table could be read and is fresh."""
        return all(t.state not in (State.FAILED, State.STALE) for s in self.sources for t in s.tables)


async def check_sources(workspace: Workspace, as_of: str | None = None) -> CheckedSources:
    """The state of every configured source; raises SourceError when there is no list of accounts at all."""
    instant = workspace.instant(as_of)
    inputs = await workspace.inputs(instant)
    entries = await workspace.entries(instant)
    ordered = sorted(inputs.holdings, key=lambda h: (list(Source).index(h.category), h.label))
    sources = [
        CheckedSource(source=category, connector=label, tables=tuple(_table(h, inputs) for h in group))
        for (category, label), group in groupby(ordered, key=lambda h: (h.category, h.label))
    ]
    missing = tuple(source for source in Source if source not in {s.source for s in sources})
    return CheckedSources(
        sources=tuple(sources),
        not_connected=missing,
        accounts=len(entries),
        advice=tuple(_advice(sources, missing, entries)),
        notices=workspace.notices,
    )


def _table(holding: Holding, inputs: Inputs) -> CheckedTable:
    rows = inputs.tables.rows(f"SELECT count(*) AS rows FROM {holding.table}_all WHERE delivery = {holding.index}")  # noqa: S608 - our own names
    found = int(rows[0]["rows"])
    state = (
        State.FAILED if holding.failure else State.STALE if holding.stale else State.OBSERVED if found else State.EMPTY
    )
    problems = [prose(holding.failure, 300)] if holding.failure else []
    problems += [code(text, 300) for texts in holding.rejected.values() for text in texts][:_PROBLEMS_SHOWN]
    return CheckedTable(
        table=holding.table,
        state=state,
        rows=found,
        rejected=holding.rejected_total,
        unmatched=holding.unmatched_rows,
        as_of=holding.as_of.replace(tzinfo=UTC) if holding.as_of else None,
        problems=tuple(problems),
    )


def _advice(sources: Sequence[CheckedSource], missing: Iterable[Source], entries: Iterable[Entry]) -> list[str]:
    advice = []
    for source in sources:
        for table in source.tables:
            where = f"{table.table} of {name(source.connector, 80)}"
            if table.state is State.FAILED:
                advice.append(f"Mend {where}: it could not be read.")
            if table.state is State.STALE and table.as_of:
                advice.append(f"Refresh {where}: its newest row is from {minute(table.as_of.replace(tzinfo=None))}.")
            if table.rejected and table.state is not State.FAILED:
                advice.append(f"Look at {table.rejected} unreadable rows in {where}.")
            if table.unmatched:
                advice.append(f"Match {table.unmatched} rows in {where}: they belong to no known account.")
    advice += [f"Connect {SOURCE_PHRASES[source]} to make scores surer." for source in missing]
    return advice + _shared_domains(entries)


def _shared_domains(entries: Iterable[Entry]) -> list[str]:
    """Two accounts with one domain: rows matched by domain could belong to either, so they belong to neither."""
    from account_health.identity import registrable_domain

    owners: dict[str, list[str]] = {}
    for entry in entries:
        for domain in dict.fromkeys(filter(None, map(registrable_domain, entry.domains))):
            owners.setdefault(domain, []).append(entry.id)
    return [
        f"Give {code(domain, 80)} to one account: {', '.join(code(i, 80) for i in ids[:_PROBLEMS_SHOWN])} share it, "
        "so rows matched by it are left out."
        for domain, ids in owners.items()
        if len(ids) > 1
    ]
