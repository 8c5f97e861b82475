"""Address: where a request goes, which is never another place than the configured one."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

import httpx2

from account_health.connectors.http.body import Unreadable
from account_health.connectors.http.faults import unsendable
from account_health.errors import ConfigurationError
from account_health.language import say

if TYPE_CHECKING:
    from account_health.connectors.http.paging import Request

# Ids from outside are put into paths. Quoted as they must be, they hold none but these characters.
_PATH = re.compile(r"(?:/[A-Za-z0-9._~%:@,;=+$!*'()&-]*)+")
_STEPS = {".", ".."}
_LAST_PORT = 65_535


def checked(base_url: str, label: str) -> httpx2.URL:
    """The base URL; raises ConfigurationError, without showing it, unless it is safe to send secrets to."""
    try:
        url = httpx2.URL(base_url.strip())
    except httpx2.InvalidURL:
        raise ConfigurationError(
            say("The base_url of {system} is no URL.", system=label), say("Write it like https://host.")
        ) from None
    if not url.host or not (url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host))):
        raise ConfigurationError(
            say("The base_url of {system} must start with https:// (http:// only on this machine).", system=label),
            say("Without it, anyone on the way could read the credentials."),
        )
    if url.userinfo or url.query or url.fragment or "?" in base_url or "#" in base_url:
        raise ConfigurationError(
            say("The base_url of {system} must hold no user, no query and no fragment.", system=label),
            say("Put credentials into the settings made for them."),
        )
    if url.port is not None and not 0 < url.port <= _LAST_PORT:
        raise ConfigurationError(
            say("The base_url of {system} names a port that cannot exist.", system=label),
            say("Ports are numbered from 1 to {last}.", last=_LAST_PORT),
        )
    return url


def address(base: httpx2.URL, request: Request) -> httpx2.URL:
    """The URL of a request, without its params; raises Unreadable for a link that leads off the configured origin."""
    segments = request.path.lower().replace("%2e", ".").split("/")
    if not _PATH.fullmatch(request.path) or not _STEPS.isdisjoint(segments):
        raise unsendable()
    own = base.copy_with(raw_path=base.raw_path.rstrip(b"/") + request.path.encode("ascii"))
    if request.link is None:
        return own
    try:
        linked = own.join(request.link)
    except (httpx2.InvalidURL, ValueError):
        raise Unreadable(say("its link to the next page is no URL")) from None
    if (linked.scheme, linked.host, linked.port) != (base.scheme, base.host, base.port) or linked.userinfo:
        raise Unreadable(say("its link to the next page leads to another host"))
    return linked.copy_with(fragment=None)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
