"""Identity: which account a record of another system belongs to, with method, confidence and evidence.

The operator's crosswalk comes first, then external ids, then registrable domains; and only if exactly one account fits:
a wrong join is worse than no data. A name never links.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from account_health.domains import registrable_domain
from account_health.language import all_of, clauses, count, say
from account_health.markup import code

Confidence = Literal["certain", "likely"]
"""Certain: somebody wrote the id down. Likely: the domain fits one account and no other."""

_NAMED = 5
_CHARACTERS = 80


@dataclass(frozen=True)
class Candidate:
    """What an account can be recognised by."""

    id: str
    external_id: str | None = None
    domains: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Record:
    """An organisation, customer or group as another system knows it; its texts come from outside."""

    id: str
    name: str = ""
    external_ids: tuple[str, ...] = ()
    """Ids of other systems that it carries: the CRM's account id, or the external id the CRM knows too."""
    domains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Link:
    """A record that belongs to an account, and how that is known."""

    account_id: str
    record: Record
    method: Literal["crosswalk", "external id", "domain"]
    evidence: str

    @property
    def is_likely(self) -> bool:
        """By domain it is likely, else certain."""
        return self.method == "domain"

    @property
    def confidence(self) -> Confidence:
        """The same as a word."""
        return "likely" if self.is_likely else "certain"


@dataclass(frozen=True)
class Links:
    """Which records belong to which accounts, whom nothing could be told of, and what is left over."""

    links: tuple[Link, ...] = ()
    ambiguous: Mapping[str, str] = field(default_factory=dict)
    """Account id to a sentence that names the candidates."""
    unmatched: tuple[Record, ...] = ()
    candidates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Id of an unmatched record to the accounts it could belong to."""
    unlisted: str = ""
    """Why there may be more records than these."""

    @cached_property
    def accounts(self) -> Mapping[str, str]:
        """Record id to account id."""
        return {link.record.id: link.account_id for link in self.links}

    @cached_property
    def by_account(self) -> Mapping[str, tuple[Link, ...]]:
        """Account id to its links."""
        grouped: dict[str, list[Link]] = defaultdict(list)
        for link in self.links:
            grouped[link.account_id].append(link)
        return {account: tuple(links) for account, links in grouped.items()}


@dataclass(frozen=True)
class Known:
    """The accounts that records can be linked to, and per source what the operator wrote into the crosswalk."""

    accounts: Sequence[Candidate] = ()
    crosswalk: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Source name to record id to account id; an empty account id means: belongs to none. The records it gives to an
    account are all that the account has in that source."""
    shared_domains: frozenset[str] = frozenset()
    """Registrable domains that several companies use, e.g. an agency's; they link nothing."""
    lists: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Source name to the accounts it lists itself, by its own ids; nothing is said of sources that list none."""

    def strangers(self, source: str, accounts: Iterable[str]) -> tuple[str, ...]:
        """Those accounts that the source would have to list and does not."""
        own = self.lists.get(source)
        return () if own is None else tuple(account for account in accounts if account not in own)

    def accounts_of_domain(self, text: str) -> frozenset[str]:
        """The accounts that have the domain of this address; none for free mail and shared domains."""
        return frozenset(account for domain in self._domains([text]) for account in self._by_domain.get(domain, ()))

    def unexplained(self, links: Links) -> tuple[str, ...]:
        """What records that are linked by domain carry besides: ids and domains that none of these accounts has."""
        marks = [
            mark
            for link in links.links
            if link.is_likely
            for mark in (
                *(i.strip() for i in link.record.external_ids if i.strip() not in self._by_external_id),
                *sorted(self._domains(link.record.domains) - self._by_domain.keys()),
            )
        ]
        return tuple(dict.fromkeys(filter(None, marks)))

    def candidate(self, account_id: str) -> Candidate:
        """What the account can be recognised by; only its id, if nothing else is known of it."""
        return self._by_id.get(account_id, Candidate(account_id))

    def written(self, source: str, account_id: str) -> tuple[str, ...]:
        """Record ids of a source that the crosswalk gives to the account."""
        return self._written.get((source, account_id), ())

    def link(self, source: str, records: Iterable[Record]) -> Links:
        """Each record with the only account that fits it; what fits two accounts, or is one of two, links to none.

        The order of accounts and records makes no difference.
        """
        found: dict[str, list[Link]] = defaultdict(list)
        doubts: dict[str, list[str]] = defaultdict(list)
        candidates: dict[str, tuple[str, ...]] = {}
        every = _each_once(records)
        for record in every:
            link = self._link(source, record)
            if isinstance(link, Link):
                found[link.account_id].append(link)
                candidates[record.id] = (link.account_id,)
            else:
                candidates[record.id] = link
                for account in link if len(link) > 1 else ():
                    doubts[account].append(
                        say("{record} fits {accounts}", record=_shown(record), accounts=_listed(link))
                    )
        for account, links in found.items():
            if not _surest(links):
                doubts[account].append(say("{records} fit equally well", records=_shortened(map(_evident, links))))
        certain = {account for account, links in found.items() if any(link.confidence == "certain" for link in links)}
        ambiguous = {a: clauses(doubts[a][:_NAMED]) for a in sorted(doubts.keys() - certain)}
        kept = tuple(link for account in sorted(found.keys() - ambiguous) for link in _surest(found[account]))
        linked = {link.record.id for link in kept}
        return Links(
            links=kept,
            ambiguous=ambiguous,
            unmatched=tuple(record for record in every if record.id not in linked),
            candidates={record: fitting for record, fitting in candidates.items() if fitting and record not in linked},
        )

    def _link(self, source: str, record: Record) -> Link | tuple[str, ...]:
        """The one account that fits, or those that could: several, or one whose records the crosswalk names already."""
        written = self.crosswalk.get(source, {}).get(record.id)
        if written is not None:
            return Link(written, record, "crosswalk", say("crosswalk")) if written else ()
        by_id = sorted({a for i in record.external_ids for a in self._by_external_id.get(i.strip(), ())})
        named = () if by_id else self._domains(record.domains)
        domains = {domain: self._by_domain[domain] for domain in named if domain in self._by_domain}
        fitting = tuple(by_id or sorted(set().union(*domains.values())))
        if len(fitting) != 1 or self.written(source, fitting[0]):
            return fitting
        if by_id:
            return Link(fitting[0], record, "external id", say("external id"))
        evidence = say("domain {domain}", domain=code(min(domains), _CHARACTERS))
        return Link(fitting[0], record, "domain", evidence)

    @cached_property
    def _by_id(self) -> Mapping[str, Candidate]:
        return {account.id: account for account in self.accounts}

    @cached_property
    def _written(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        grouped: dict[tuple[str, str], tuple[str, ...]] = {}
        for source, records in self.crosswalk.items():
            for record, account in sorted(records.items()):
                grouped[source, account] = (*grouped.get((source, account), ()), record)
        return grouped

    @cached_property
    def _by_external_id(self) -> Mapping[str, set[str]]:
        index: dict[str, set[str]] = defaultdict(set)
        for account in self.accounts:
            for mark in {account.id.strip(), (account.external_id or "").strip()} - {""}:
                index[mark].add(account.id)
        return index

    @cached_property
    def _by_domain(self) -> Mapping[str, set[str]]:
        index: dict[str, set[str]] = defaultdict(set)
        for account in self.accounts:
            for domain in self._domains(account.domains):
                index[domain].add(account.id)
        return index

    def _domains(self, texts: Iterable[str]) -> set[str]:
        return {domain for text in texts if (domain := registrable_domain(text)) and domain not in self.shared_domains}


NOBODY = Known()


def _surest(links: Sequence[Link]) -> list[Link]:
    """The links that may stand: those that somebody wrote down, else one by domain; two by domain are a guess."""
    certain = [link for link in links if link.confidence == "certain"]
    return certain or (list(links) if len(links) == 1 else [])


def _each_once(records: Iterable[Record]) -> list[Record]:
    """Every record once, by id; a list may shift while it is read, and what it names twice carries what both said."""
    grouped: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        grouped[record.id].append(record)
    return [
        Record(
            id=key,
            name=max(record.name for record in same),
            external_ids=tuple(sorted({i for record in same for i in record.external_ids})),
            domains=tuple(sorted({domain for record in same for domain in record.domains})),
        )
        for key, same in sorted(grouped.items())
    ]


def _listed(ids: Sequence[str]) -> str:
    return _shortened(code(i, _CHARACTERS) for i in ids)


def _shortened(texts: Iterable[str]) -> str:
    every = list(texts)
    more = len(every) - _NAMED
    return all_of([*every[:_NAMED], *([count("{n} more", "{n} more", more)] if more > 0 else [])])


def _evident(link: Link) -> str:
    return say("{record} ({evidence})", record=code(link.record.id, _CHARACTERS), evidence=link.evidence)


def _shown(record: Record) -> str:
    return f"{code(record.id, _CHARACTERS)}" + (f" ({code(record.name, _CHARACTERS)})" if record.name else "")
