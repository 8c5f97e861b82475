"""Matching: which account a key in a file belongs to, by external id or by registrable domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from account_health.domains import registrable_domain
from account_health.language import say

if TYPE_CHECKING:
    from account_health.identity import Candidate

Method = Literal["external_id", "domain"]


@dataclass(frozen=True)
class Match:
    """The one account a key belongs to, and how that is known."""

    account_id: str
    evidence: str


@dataclass(frozen=True)
class Ambiguity:
    """A key that fits several accounts, so it links to none of them."""

    account_ids: tuple[str, ...]
    evidence: str


@dataclass(frozen=True)
class Matches:
    """Every key exactly once: found, ambiguous or unmatched."""

    found: Mapping[str, Match]
    ambiguous: Mapping[str, Ambiguity]
    unmatched: frozenset[str]


def match_keys(keys: Iterable[str], accounts: Iterable[Candidate], method: Method) -> Matches:
    """Links each key to the only account that fits it; a key that fits two accounts links to neither."""
    owners: dict[str, set[str]] = {}
    for account in accounts:
        for mark in _marks(account, method):
            owners.setdefault(mark, set()).add(account.id)
    found, ambiguous, unmatched = {}, {}, set()
    for key in keys:
        mark = _mark(key, method)
        fitting = sorted(owners.get(mark, ()))
        evidence = say("domain {domain}", domain=f"`{mark}`") if method == "domain" else say("external id")
        if not fitting:
            unmatched.add(key)
        elif len(fitting) == 1:
            found[key] = Match(fitting[0], evidence)
        else:
            ambiguous[key] = Ambiguity(tuple(fitting), evidence)
    return Matches(found, ambiguous, frozenset(unmatched))


def _marks(account: Candidate, method: Method) -> set[str]:
    texts = account.domains if method == "domain" else (account.external_id or "",)
    return {_mark(text, method) for text in texts} - {""}


def _mark(text: str, method: Method) -> str:
    return (registrable_domain(text) or "") if method == "domain" else text.strip()
