"""Identity: which account a key from another system belongs to, with the evidence for it.

A key matches by external id or by registrable domain, and only if exactly one account fits: a wrong join is worse than
no data. A name never links. Nothing is looked up on the network: tldextract brings its list of public suffixes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tldextract import TLDExtract

Method = Literal["external_id", "domain"]

FREE_MAIL = frozenset(
    {
        "126.com", "163.com", "aol.com", "btinternet.com", "comcast.net", "fastmail.com", "free.fr", "gmail.com",
        "gmx.at", "gmx.ch", "gmx.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.co.uk", "hotmail.com",
        "hotmail.de", "hotmail.fr", "hotmail.it", "icloud.com", "laposte.net", "libero.it", "live.com", "mac.com",
        "mail.com", "mail.ru", "me.com", "msn.com", "orange.fr", "outlook.com", "outlook.de", "outlook.fr", "proton.me",
        "protonmail.com", "qq.com", "rediffmail.com", "t-online.de", "wanadoo.fr", "web.de", "yahoo.co.in",
        "yahoo.co.jp", "yahoo.co.uk", "yahoo.com", "yahoo.de", "yahoo.fr", "yahoo.it", "yandex.com", "yandex.ru",
        "ymail.com", "zoho.com",
    }
)  # fmt: skip
"""Mail providers whose domain says nothing about who somebody works for."""


@dataclass(frozen=True)
class Candidate:
    """What an account can be recognised by."""

    id: str
    external_id: str | None = None
    domains: tuple[str, ...] = ()


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
        evidence = f"domain `{mark}`" if method == "domain" else "external id"
        if not fitting:
            unmatched.add(key)
        elif len(fitting) == 1:
            found[key] = Match(fitting[0], evidence)
        else:
            ambiguous[key] = Ambiguity(tuple(fitting), evidence)
    return Matches(found, ambiguous, frozenset(unmatched))


def registrable_domain(text: str) -> str | None:
    """The domain somebody registered, from a URL, host or mail address; None for free mail and for anything else.

    >>> registrable_domain("https://Support.Northwind.co.uk/help")
    'northwind.co.uk'
    """
    parts = _extractor()(text.strip().lower())
    if parts.suffix:
        domain = parts.top_domain_under_public_suffix
    else:  # the public suffix list's own rule for a top level it does not know
        domain = f"{parts.subdomain.rpartition('.')[2]}.{parts.domain}" if parts.subdomain else ""
    ascii_domain = _ascii(domain)
    return None if ascii_domain in FREE_MAIL else ascii_domain


def _marks(account: Candidate, method: Method) -> set[str]:
    texts = account.domains if method == "domain" else (account.external_id or "",)
    return {_mark(text, method) for text in texts} - {""}


def _mark(text: str, method: Method) -> str:
    return (registrable_domain(text) or "") if method == "domain" else text.strip()


def _ascii(domain: str) -> str | None:
    import idna

    try:
        encoded = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return None
    return encoded if "." in encoded and not encoded.rpartition(".")[2].isdigit() else None


@cache
def _extractor() -> TLDExtract:
    from tldextract import TLDExtract

    return TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)
