"""Domains: the part of a web or mail address that somebody registered, which is what a company is recognised by.

Nothing is looked up on the network: tldextract brings its list of public suffixes.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tldextract import TLDExtract

_PLAIN = re.compile(r"(?!.*xn--)[a-z0-9]([a-z0-9]|-(?=[a-z0-9])){0,62}\.[a-z]{2,62}(\.[a-z]{2,62})?")

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


def _ascii(domain: str) -> str | None:
    if _PLAIN.fullmatch(domain):  # most are, and this is a hundred times faster
        return domain
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
