"""Customers: which customer of Intacct an account is. A wrong one is worse than none, so doubtful ones are left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from account_health.crosswalk import read_crosswalk
from account_health.errors import ConfigurationError
from account_health.language import count, say
from account_health.markup import code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from account_health.publish.health import Standing
    from account_health.publish.settings import CustomerSettings
    from account_health.workspace import Workspace

_CHARACTERS = 60


@dataclass(frozen=True)
class Customers:
    """The customer ids of accounts, as `spelled` has them; an account may be several customers."""

    ids: Mapping[str, Sequence[str]]
    nameless: frozenset[str] = frozenset()
    """Accounts without a customer id."""
    shared: frozenset[str] = frozenset()
    """Accounts that have a customer id which another account has too: nobody knows whose health is meant."""

    def notes(self) -> Iterator[str]:
        """How many accounts are left out, and why."""
        if self.nameless:
            yield count(
                "{n} account has no customer id and is left out.",
                "{n} accounts have no customer id and are left out.",
                len(self.nameless),
            )
        if self.shared:
            yield count(
                "{n} account has a customer id that another account has too, and is left out.",
                "{n} accounts have a customer id that another account has too, and are left out.",
                len(self.shared),
            )


async def customers_of(
    workspace: Workspace,
    settings: CustomerSettings,
    standing: Sequence[Standing],
    as_of: datetime,
    spelled: Callable[[str], str] = str,
) -> Customers:
    """The customers that these accounts are; two ids that `spelled` makes the same are the same.

    Raises SourceError if the accounts cannot be listed, ConfigurationError for a faulty crosswalk.
    """
    accounts = [one.account for one in standing]
    raw = await _raw(workspace, settings, accounts, as_of)
    every = {account: sorted({text for found in raw[account] if (text := spelled(found.strip()))}) for account in raw}
    # Counted over all accounts that are known, so that one alone is told the same as all of them.
    often = Counter(customer for customers in every.values() for customer in customers)
    ids = {account: every.get(account, []) for account in accounts}
    shared = frozenset(account for account, customers in ids.items() if any(often[one] > 1 for one in customers))
    nameless = frozenset(account for account, customers in ids.items() if not customers)
    kept = {account: customers for account, customers in ids.items() if account not in shared | nameless}
    return Customers(kept, nameless, shared)


async def _raw(
    workspace: Workspace, settings: CustomerSettings, accounts: Sequence[str], as_of: datetime
) -> Mapping[str, Sequence[str]]:
    """The customer ids as they are written where the settings say, of these accounts or of more."""
    if settings.customer_key == "account_id":
        return {account: (account,) for account in accounts}
    if settings.customer_key == "external_id":
        rows = (await workspace.sources.roster(workspace.policy, as_of)).rows
        return {account: (row["external_id"],) for account, row in rows.items() if row["external_id"]}
    found: dict[str, list[str]] = {}
    records = read_crosswalk(workspace.config).get(settings.crosswalk_source)
    if records is None:
        raise ConfigurationError(
            say(
                "The crosswalk says of no record of {source} whose it is.",
                source=code(settings.crosswalk_source, _CHARACTERS),
            ),
            say("Name them there, or correct customer_key or crosswalk_source under [publish]."),
        )
    for record, account in records.items():
        found.setdefault(account, []).append(record)
    return found
