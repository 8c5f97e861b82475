"""Directory: which account is meant, and which fit a search. An id, a name or a domain finds; a guess never does."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from account_health.domains import registrable_domain
from account_health.errors import AccountNotFound, AmbiguousAccount
from account_health.language import clauses, count, say, together
from account_health.markup import code, visible
from account_health.markup import name as markdown_name

_NEAREST = 5
_NAME_CHARACTERS = 80


@dataclass(frozen=True)
class Entry:
    """What the directory knows of one account."""

    id: str
    name: str
    domains: tuple[str, ...] = ()
    segment: str | None = None
    owner: str | None = None
    arr: float | None = None
    currency: str | None = None
    renewal_date: date | None = None

    @classmethod
    def of(cls, profile: Mapping[str, Any]) -> Entry:
        """The entry of an account row."""
        kept = {name: profile[name] for name in ("name", "segment", "owner", "arr", "currency", "renewal_date")}
        return cls(id=profile["account_id"], domains=tuple(profile["domains"] or ()), **kept)


@dataclass(frozen=True)
class Search:
    """What the wanted accounts have in common; empty fields ask for nothing."""

    query: str = ""
    segment: str = ""
    owner: str = ""

    def fits(self, entry: Entry) -> bool:
        """Whether the query is part of the entry's id, name or a domain, and every other field agrees."""
        text = "\n".join(folded(part) for part in (entry.id, entry.name, *entry.domains))
        return (
            folded(self.query) in text
            and (not self.segment or folded(self.segment) == folded(entry.segment or ""))
            and (not self.owner or folded(self.owner) == folded(entry.owner or ""))
        )


def folded(text: str) -> str:
    """The text for comparison: as a reader sees it, case-folded; what cannot be seen cannot be typed."""
    is_plain = text.isascii() and text.isprintable()
    return (" ".join(text.split()) if is_plain else visible(text, sys.maxsize)).casefold()


@dataclass(frozen=True)
class Directory:
    """Accounts, indexed at the first look-up."""

    entries: Sequence[Entry]
    is_complete: bool = True
    """False: of a live list only those that the system itself found."""

    def find(self, text: str) -> Entry:
        """The one account with this id, name or domain.

        Raises AccountNotFound with the nearest names, or AmbiguousAccount with the candidates. An exact id comes before
        a name, a name before a domain; parts of a name only suggest.
        """
        found = self.fitting(text)
        if len(found) == 1:
            return found[0]
        if found:
            listed = clauses(_shown(e) for e in found[:_NEAREST])
            raise AmbiguousAccount(
                count("{n} accounts fit: {accounts}.", "{n} accounts fit: {accounts}.", len(found), accounts=listed),
                say("Ask again with the id of the one you mean."),
                [(e.id, e.name) for e in found],
            )
        near = nearest(self.entries, folded(text))
        raise AccountNotFound(
            say("No account has this id, name or domain."),
            together(
                say("Nearest: {accounts}.", accounts=clauses(_shown(e) for e in near)) if near else "",
                say("Search with find_accounts (command line: list)."),
            ),
            [e.name for e in near],
        )

    def fitting(self, text: str) -> Sequence[Entry]:
        """The accounts the text may mean: one by its exact id, else all of that name, else all of that domain."""
        if exact := self._by_id.get(text.strip()):
            return [exact]
        return self._by_name.get(folded(text)) or self._with_domain(text)

    @cached_property
    def _by_id(self) -> Mapping[str, Entry]:
        return {entry.id: entry for entry in self.entries}

    @cached_property
    def _by_name(self) -> Mapping[str, list[Entry]]:
        """Entries by folded name and folded id; what folds to nothing cannot be asked for."""
        index: dict[str, list[Entry]] = {}
        for entry in self.entries:
            for word in {folded(entry.id), folded(entry.name)} - {""}:
                index.setdefault(word, []).append(entry)
        return index

    @cached_property
    def _by_domain(self) -> Mapping[str, list[Entry]]:
        index: dict[str, list[Entry]] = {}
        for entry in self.entries:
            for domain in {registrable_domain(domain) for domain in entry.domains} - {None}:
                index.setdefault(str(domain), []).append(entry)
        return index

    def _with_domain(self, text: str) -> list[Entry]:
        domain = registrable_domain(text) if "." in text else None
        return self._by_domain.get(domain, []) if domain else []


def nearest(entries: Iterable[Entry], wanted: str) -> list[Entry]:
    """Up to five accounts whose name, id or domain contains the text or looks like it."""
    words = {e: tuple(map(folded, (e.name, e.id, *e.domains))) for e in entries}
    alike = difflib.get_close_matches(wanted, dict.fromkeys(w for own in words.values() for w in own), n=_NEAREST)
    parts = [e for e, own in words.items() if wanted and any(wanted in word for word in own)]
    return list(dict.fromkeys([*parts, *(e for word in alike for e, own in words.items() if word in own)]))[:_NEAREST]


def nearest_words(word: str, words: Iterable[str]) -> list[str]:
    """Up to three words that look like the given one."""
    return difflib.get_close_matches(word[:_NAME_CHARACTERS], list(words), n=3)


def _shown(entry: Entry) -> str:
    shown = {"name": markdown_name(entry.name, _NAME_CHARACTERS), "id": code(entry.id, _NAME_CHARACTERS)}
    return say("{name} (id {id})", **shown)
