"""Source check: which sources are connected, fresh or failing over all accounts, and what to do about each."""

from __future__ import annotations

from datetime import UTC
from itertools import groupby
from typing import TYPE_CHECKING

from account_health.checked import CheckedSource, CheckedSources, CheckedTable
from account_health.directory import Entry
from account_health.language import mark, retold, say
from account_health.live_check import check_live
from account_health.markup import code, name, prose
from account_health.model import Source, State
from account_health.wording import minute, source_phrase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from account_health.connectors.base import Connector, Delivery
    from account_health.inputs import Holding, Inputs
    from account_health.workspace import Workspace

_PROBLEMS_SHOWN = 5
_NO_ACCOUNTS = mark(
    "No source lists the accounts, so nothing can be answered: map an `account` table, or set lists_accounts = true."
)


async def check_sources(workspace: Workspace, as_of: str | None = None) -> CheckedSources:
    """The state of every configured source: live ones are tried with as little as possible, others read whole."""
    instant = workspace.instant(as_of)
    local, inputs = await workspace.sources.gather_local(workspace.policy, instant)
    live = await check_live(workspace, instant)
    sources = [*(_counted(inputs) if inputs else _delivered(local)), *(s for found in live for s in found.sources)]
    sources.sort(key=lambda source: (list(Source).index(Source(source.source)), source.connector))
    missing = tuple(source for source in Source if source not in {s.source for s in sources})
    entries = [Entry.of(row) for row in inputs.tables.rows("SELECT * FROM account")] if inputs else []
    problems = workspace.sources.broken
    is_listed = any(table.table == "account" for source in sources for table in source.tables)
    return CheckedSources(
        sources=tuple(sources),
        not_connected=missing,
        accounts=len(entries) if inputs else None,
        history=await workspace.memory.described(),
        advice=(
            *([] if is_listed else [say(_NO_ACCOUNTS)]),
            *_advice(sources, missing, entries),
            *dict.fromkeys(a for found in live for a in found.advice),
        ),
        notices=(*workspace.notices, *problems, *(n for found in live for n in found.notices)),
        is_healthy=is_listed
        and not problems
        and all(found.is_healthy for found in live)
        and all(t.state not in (State.FAILED, State.STALE) for s in sources for t in s.tables),
    )


def _counted(inputs: Inputs) -> list[CheckedSource]:
    """What sources that are not live hold over all accounts."""
    ordered = sorted(inputs.holdings, key=lambda h: (list(Source).index(h.category), retold(h.label)))
    return [
        CheckedSource(source=category, connector=label, tables=tuple(_table(h, inputs) for h in group))
        for (category, label), group in groupby(ordered, key=lambda h: (h.category, retold(h.label)))
    ]


def _delivered(local: Sequence[tuple[Connector, Delivery]]) -> list[CheckedSource]:
    """The same where nobody but a live source knows the accounts, so that nothing can be counted by account."""
    named = [(delivery.category, retold(delivery.label or connector.label), delivery) for connector, delivery in local]
    ordered = sorted(named, key=lambda n: (list(Source).index(n[0]), n[1]))
    return [
        CheckedSource(source=category, connector=label, tables=tuple(_plain_table(n[2]) for n in group))
        for (category, label), group in groupby(ordered, key=lambda n: (n[0], n[1]))
    ]


def _plain_table(delivery: Delivery) -> CheckedTable:
    rows = delivery.rows_total - delivery.rejected_total
    return CheckedTable(
        table=delivery.table,
        state=State.FAILED if delivery.failure else State.OBSERVED if rows else State.EMPTY,
        rows=0 if delivery.failure else rows,
        rejected=delivery.rejected_total,
        unmatched=delivery.unmatched_rows,
        problems=(prose(delivery.failure, 300),) if delivery.failure else (),
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
    advice: list[str] = []
    for source in sources:
        for table in source.tables:
            advice += _advice_on(table, name(source.connector, 80), is_live=source.is_live)
    advice += [say("Connect {source} to make scores surer.", source=source_phrase(source)) for source in missing]
    return advice + _shared_domains(entries)


def _advice_on(table: CheckedTable, source: str, *, is_live: bool) -> Iterator[str]:
    """What to do about one table; `source` is the name of the system."""
    if table.state is State.FAILED and not is_live:
        yield say("Mend {table} of {source}: it could not be read.", table=table.table, source=source)
    if table.state is State.STALE and table.as_of:
        yield say(
            "Refresh {table} of {source}: its newest row is from {when}.",
            table=table.table,
            source=source,
            when=minute(table.as_of.replace(tzinfo=None)),
        )
    if table.rejected and table.state is not State.FAILED:
        yield say(
            "Correct {table} of {source}: rows that could not be read: {number}.",
            table=table.table,
            source=source,
            number=table.rejected,
        )
    if table.unmatched:
        yield say(
            "Match {table} of {source}: rows that belong to no known account: {number}.",
            table=table.table,
            source=source,
            number=table.unmatched,
        )


def _shared_domains(entries: Iterable[Entry]) -> list[str]:
    """Two accounts with one domain: rows matched by domain could belong to either, so they belong to neither."""
    from account_health.domains import registrable_domain

    owners: dict[str, list[str]] = {}
    for entry in entries:
        for domain in dict.fromkeys(filter(None, map(registrable_domain, entry.domains))):
            owners.setdefault(domain, []).append(entry.id)
    return [
        say(
            "Give {domain} to one account: {accounts} share it, so rows matched by it are left out.",
            domain=code(domain, 80),
            accounts=", ".join(code(i, 80) for i in ids[:_PROBLEMS_SHOWN]),
        )
        for domain, ids in owners.items()
        if len(ids) > 1
    ]
