"""Domains: the part of a web or mail address that somebody registered, which is what a company is recognised by.

Nothing is looked up on the network: tldextract brings its list of public suffixes, and `free_mail.txt` beside this
module names the providers that hand out mailboxes to the public. That list is our own, put together region by region
from the large free mailers and internet providers. The lists that others publish hold thousands of domains nobody uses
any more, and companies among them. A provider that is missing could make one account of two strangers; a company on the
list has to be matched by other means. Where in doubt, a domain is listed.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tldextract import TLDExtract

_PLAIN = re.compile(r"(?!.*xn--)[a-z0-9]([a-z0-9]|-(?=[a-z0-9])){0,62}\.[a-z]{2,62}(\.[a-z]{2,62})?")


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
    return None if ascii_domain in free_mail() else ascii_domain


@cache
def free_mail() -> frozenset[str]:
    """Mail providers whose domain says nothing about who somebody works for."""
    lines = (files("account_health") / "free_mail.txt").read_text("utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


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
