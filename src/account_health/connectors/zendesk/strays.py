"""Strays: tickets without an organization, and which organization the domain of a requester may hand them to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from account_health.domains import registrable_domain

if TYPE_CHECKING:
    from account_health.identity import Known, Record


def owners_of_domains(organizations: Iterable[Record], accounts: Mapping[str, str], known: Known) -> Mapping[str, str]:
    """Domain to the only organization that has it, if the only account that has it is that organization's.

    `accounts` are those that organizations belong to. Nobody owns a domain that several companies share.
    """
    holders: dict[str, set[str]] = defaultdict(set)
    for organization in organizations:
        for text in organization.domains:
            holders[registrable_domain(text) or ""].add(organization.id)
    alone = {domain: min(ids) for domain, ids in holders.items() if domain and len(ids) == 1}
    return {
        domain: organization
        for domain, organization in alone.items()
        if organization in accounts and known.accounts_of_domain(domain) == {accounts[organization]}
    }
