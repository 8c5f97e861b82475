"""Delivery: the rows of a live table with their accounts' ids, and the state of every account they do not speak for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from account_health.model import State

if TYPE_CHECKING:
    from account_health.connectors.base import Delivery, RejectedRow
    from account_health.connectors.live.ask import Ask
    from account_health.connectors.live.reader import Reading
    from account_health.identity import Link, Links
    from account_health.tables import Row

_REJECTED_KEPT = 20


def delivery_of(blank: Delivery, ask: Ask, reading: Reading, links: Links | None, accounts: Iterable[str]) -> Delivery:
    """What was read as a delivery about `accounts`; without links a record's id is the account's."""
    rows = list(reading.rows.values())
    found = replace(
        blank,
        rows=rows,
        note=ask.truncated or "",
        is_complete=ask.accounts is None and ask.like is None and not ask.truncated,
        rejected_total=len(ask.rejected),
        rows_total=max(ask.rows_total, len(rows) + len(ask.rejected)),
    )
    if links is None:
        states = dict.fromkeys(accounts, State.PARTIAL) if ask.truncated and found.table != "account" else {}
        return replace(found, rejected=_rejected(ask, None), states=states)
    mine = _translated(rows, links.accounts)
    return replace(
        found,
        rows=mine,
        rejected=_rejected(ask, links.accounts),
        unmatched_rows=len(rows) - len(mine),
        absent=State.NOT_MATCHED,
        states=_states(links, mine, is_partial=ask.truncated is not None),
        details=links.ambiguous,
        matched={account: _evidence(own) for account, own in links.by_account.items()},
        likely=frozenset(link.account_id for link in links.links if link.confidence == "likely"),
    )


def _translated(rows: Iterable[Row], accounts: Mapping[str, str]) -> list[Row]:
    return [
        row.model_copy(update={"account_id": accounts[row.account_id]}) for row in rows if row.account_id in accounts
    ]


def _states(links: Links, rows: Iterable[Row], *, is_partial: bool) -> dict[str, State]:
    seen = set() if is_partial else {row.account_id for row in rows}
    state = State.PARTIAL if is_partial else State.EMPTY
    linked = {account: state for account in links.by_account if account not in seen}
    return linked | dict.fromkeys(links.ambiguous, State.NOT_MATCHED)


def _rejected(ask: Ask, accounts: Mapping[str, str] | None) -> Sequence[RejectedRow]:
    """The first rows that could not be read, each with its account if its record is known."""
    kept = ask.rejected[:_REJECTED_KEPT]
    if accounts is None:
        return tuple(kept)
    return tuple(replace(row, account_id=accounts.get(row.account_id or "")) for row in kept)


def _evidence(links: Sequence[Link]) -> str:
    return ", ".join(dict.fromkeys(link.evidence for link in links))
