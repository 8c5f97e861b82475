"""Delivery: the rows of a live table with their accounts' ids, and the state of every account they do not speak for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from account_health.connectors.base import Relation
from account_health.connectors.live.store import StoredRows
from account_health.language import clauses, count, dressed, joined, say
from account_health.markup import code
from account_health.model import State

if TYPE_CHECKING:
    from account_health.connectors.base import Delivery
    from account_health.connectors.live.ask import Ask
    from account_health.connectors.live.matching import Matching
    from account_health.connectors.live.store import Store
    from account_health.identity import Link, Links
    from account_health.tables import Row

_REJECTED_KEPT = 20
_CHARACTERS = 200


def delivery_of(
    blank: Delivery, ask: Ask, matching: Matching | None, accounts: Iterable[str], strangers: Iterable[str]
) -> Delivery:
    """The delivery of rows about `accounts` with everything else that came of the reading.

    Strangers are those among them that a system which lists accounts does not list.
    """
    asks = [matching.listing, ask] if matching else [ask]
    cut = next((each.truncated for each in asks if each.truncated), "")
    truncated = _joined([cut, *ask.unsettled])
    remarks = [remark for each in asks for remark in each.remarks]
    rows = blank.unmatched_rows + (len(blank.rows) if isinstance(blank.rows, Sequence) else 0)
    found = replace(
        blank,
        columns=blank.columns - ask.untold,
        history_from=ask.observed_from or blank.history_from,
        note=_joined([truncated, _unread_records(matching), *remarks]),
        is_complete=ask.accounts is None and ask.like is None and not truncated,
        rejected=ask.rejected[:_REJECTED_KEPT],
        rejected_total=len(ask.rejected),
        rows_total=max(ask.rows_total, rows + len(ask.rejected)),
    )
    if matching is None:
        states = dict.fromkeys(accounts, State.PARTIAL) if truncated and found.table != "account" else {}
        absent = State.NOT_MATCHED if found.table == "account" else found.absent
        return replace(found, absent=absent, states=states | dict.fromkeys(strangers, State.NOT_MATCHED))
    links = matching.links
    return replace(
        found,
        rejected=[replace(row, account_id=links.accounts.get(row.account_id or "")) for row in found.rejected],
        absent=State.NOT_MATCHED,
        states=_states(links, blank.rows, is_partial=bool(truncated)),
        details={**_unseen(matching, accounts), **links.ambiguous},
        matched={account: _evidence(own) for account, own in links.by_account.items()},
        likely=frozenset(link.account_id for link in links.links if link.confidence == "likely"),
    )


def translated(rows: Sequence[Row], accounts: Mapping[str, str], store: Store) -> Sequence[Row]:
    """The rows with the ids of accounts in place of those of records; rows of other records are left out."""
    if isinstance(rows, StoredRows):
        return store.translated(rows, accounts)
    return [
        row.model_copy(update={"account_id": accounts[row.account_id]}) for row in rows if row.account_id in accounts
    ]


def _states(links: Links, rows: Relation | Sequence[Row], *, is_partial: bool) -> dict[str, State]:
    seen: frozenset[str] = frozenset()
    if isinstance(rows, StoredRows):
        seen = rows.accounts
    elif not isinstance(rows, Relation):
        seen = frozenset(row.account_id for row in rows)
    state = State.PARTIAL if is_partial else State.EMPTY
    linked = {account: state for account in links.by_account if is_partial or account not in seen}
    return linked | dict.fromkeys(links.ambiguous, State.NOT_MATCHED)


def _unseen(matching: Matching, accounts: Iterable[str]) -> dict[str, str]:
    """Per account without a record, that its record may be among those that were not listed."""
    cut, linked = matching.listing.truncated, matching.links.by_account
    if not cut:
        return {}
    why = say("No record was found before the list was cut: {why}", why=cut)
    return {account: why for account in accounts if account not in linked}


def _unread_records(matching: Matching | None) -> str:
    """How many of the records that accounts are matched with could not be read."""
    unread = matching.listing.rejected if matching else []
    if not unread:
        return ""
    example = say("{place}: {problem}", place=unread[0].place, problem=unread[0].problem)
    return count(
        "{n} of the records that accounts are matched with could not be read, e.g. {example}",
        "{n} of the records that accounts are matched with could not be read, e.g. {example}",
        len(unread),
        example=dressed(example, partial(code, limit=_CHARACTERS)),
    )


def _joined(sentences: Iterable[str]) -> str:
    return clauses(dict.fromkeys(filter(None, sentences)))


def _evidence(links: Sequence[Link]) -> str:
    return joined(dict.fromkeys(link.evidence for link in links), ", ")
