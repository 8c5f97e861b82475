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

    table: str = Field(description="Name of the table")
    state: State = Field(description="Observed, empty, stale or failed")
    rows: int = Field(description="Rows that could be read")
    rejected: int = Field(default=0, description="Rows that could not be read")
    unmatched: int = Field(default=0, description="Rows that belong to no known account")
    as_of: datetime | None = Field(default=None, description="How fresh it is")
    problems: tuple[str, ...] = Field(default=(), description="What could not be read, the first few")


class CheckedSource(Published):
    """One connected system of one category, and its tables."""

    source: str = Field(description="Category")
    connector: str = Field(description="Name of the system")
    tables: tuple[CheckedTable, ...] = Field(description="Its tables")


class CheckedSources(Published):
    """Which sources are connected, fresh or failing, and what to do."""

    sources: tuple[CheckedSource, ...] = Field(description="Every connected system")
    not_connected: tuple[str, ...] = Field(description="Categories without any source")
    accounts: int = Field(description="Accounts known")
    advice: tuple[str, ...] = Field(description="What to do, one step each")
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")

    @property
    def is_healthy(self) -> bool:
        """Whether every connected table could be read and is fresh."""
        return all(t.state not in (State.FAILED, State.STALE) for s in self.sources for t in s.tables)


async def check_sources(workspace: Workspace, as_of: str | None = None) -> CheckedSources:
    """The state of every configured source; raises SourceError when there is no list of accounts at all."""
    instant = workspace.instant(as_of)
    inputs = await workspace.inputs(instant)
    entries = (await workspace.directory(instant)).entries
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
    counted = inputs.tables.rows(
        "SELECT count(*) AS rows, "  # noqa: S608 - our own names
        "count(*) FILTER (account_id NOT IN (SELECT account_id FROM account_all)) AS strangers "
        f"FROM {holding.table}_all WHERE delivery = {holding.index}"
    )[0]
    found = int(counted["rows"])
    state = (
        State.FAILED if holding.failure else State.STALE if holding.stale else State.OBSERVED if found else State.EMPTY
    )
    problems = [prose(holding.failure, 300)] if holding.failure else []
    problems += [prose(holding.note, 300)] if holding.note else []
    problems += [code(text, 300) for texts in holding.rejected.values() for text in texts][:_PROBLEMS_SHOWN]
    return CheckedTable(
        table=holding.table,
        state=state,
        rows=found,
        rejected=holding.rejected_total,
        unmatched=holding.unmatched_rows + int(counted["strangers"]),
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
                advice.append(f"Correct {where}: rows that could not be read: {table.rejected}.")
            if table.unmatched:
                advice.append(f"Match {where}: rows that belong to no known account: {table.unmatched}.")
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
