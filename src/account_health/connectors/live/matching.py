"""Matching: whose records are whose, in a system that does not list the accounts itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from account_health.identity import Link, Links, Record
from account_health.language import count, say

if TYPE_CHECKING:
    from account_health.connectors.base import LookUp, Query
    from account_health.connectors.live.ask import Ask
    from account_health.identity import Known

_MOST_LOOK_UPS = 8
"""A record that carries more marks of others than this is no evidence for anybody."""


@dataclass(frozen=True)
class Matching:
    """Whose records are whose, and what went wrong while they were listed."""

    links: Links
    listing: Ask


async def matching_of(
    source: str, query: Query, ask: Ask, listed: Callable[[Ask], Awaitable[list[Record]]]
) -> Matching:
    """The records of the asked accounts, or of all; asked about some, the same links as among all."""
    known, accounts = query.known, query.accounts
    if accounts is None:
        return Matching(known.link(source, await listed(ask)), ask)
    written = [(account, record) for account in accounts for record in known.written(source, account)]
    if {account for account, _ in written} == set(accounts):
        certain = tuple(Link(account, Record(i), "crosswalk", say("crosswalk")) for account, i in written)
        return Matching(Links(certain), ask)
    # A look-up goes by what accounts are recognised by, so it need not find what only the crosswalk knows.
    records = [*await listed(ask), *(Record(record) for _, record in written)]
    links = _of(known.link(source, records), accounts)
    if query.look_up and (marks := known.unexplained(links)):
        links = _of(await _with_others(source, known, records, marks, query.look_up), accounts)
    return Matching(links, ask)


async def _with_others(
    source: str, known: Known, records: Sequence[Record], marks: Sequence[str], look_up: LookUp
) -> Links:
    """The links once it is known whose the other marks are that records carry besides an asked account's domain."""
    others = {account.id: account for account in known.accounts}
    for mark in marks[:_MOST_LOOK_UPS]:
        others |= {account.id: account for account in await look_up(mark)}
    links = replace(known, accounts=tuple(others.values())).link(source, records)
    if len(marks) <= _MOST_LOOK_UPS:
        return links
    why = count("{n} other names in its records", "{n} other names in its records", len(marks))
    guessed = {link.account_id: why for link in links.links if link.is_likely}
    certain = tuple(link for link in links.links if not link.is_likely)
    return replace(links, links=certain, ambiguous={**guessed, **links.ambiguous})


def _of(links: Links, accounts: Sequence[str]) -> Links:
    return replace(
        links,
        links=tuple(link for link in links.links if link.account_id in accounts),
        ambiguous={account: why for account, why in links.ambiguous.items() if account in accounts},
    )
