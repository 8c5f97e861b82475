"""Auth: how a request shows who asks. Secrets are kept out of every repr, message and log line."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr

from account_health.connectors.http.body import Unreadable
from account_health.connectors.http.paging import at
from account_health.errors import ConfigurationError
from account_health.language import say

EARLY = timedelta(seconds=30)
"""A token is renewed so long before it expires, or it might expire on the way."""
LONGEST_GRANT_SECONDS = 10 * 366 * 24 * 3600


def sendable(value: str, problem: str) -> str:
    """The value without blanks around it; refuses with `problem` what no header can carry, without showing it."""
    stripped = value.strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable():
        raise ConfigurationError(problem, say("Copy it again from the vendor's page."))
    return stripped


@dataclass(frozen=True)
class Bearer:
    """`Authorization: Bearer TOKEN`."""

    token: SecretStr

    def __post_init__(self) -> None:
        self.headers()

    def headers(self) -> dict[str, str]:
        """What identifies us in a request."""
        problem = say("The token is empty or holds characters that cannot be sent.")
        return {"authorization": f"Bearer {sendable(self.token.get_secret_value(), problem)}"}


@dataclass(frozen=True)
class Basic:
    """`Authorization: Basic`, where some vendors want a key as the user and no password."""

    user: str | SecretStr = field(repr=False)
    password: SecretStr

    def headers(self) -> dict[str, str]:
        """What identifies us in a request."""
        user = self.user.get_secret_value() if isinstance(self.user, SecretStr) else self.user
        pair = f"{user.strip()}:{self.password.get_secret_value().strip()}"
        return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}


@dataclass(frozen=True)
class HeaderKey:
    """A key in a header of the vendor's choice."""

    header: str
    key: SecretStr

    def __post_init__(self) -> None:
        self.headers()

    def headers(self) -> dict[str, str]:
        """What identifies us in a request."""
        if not re.fullmatch(r"[A-Za-z0-9-]+", self.header):
            raise ConfigurationError(
                say("The name of the key's header is no header name."), say("Use letters, digits and `-`.")
            )
        problem = say("The key is empty or holds characters that cannot be sent.")
        return {self.header: sendable(self.key.get_secret_value(), problem)}


@dataclass(frozen=True)
class ClientCredentials:
    """OAuth client credentials: a token is fetched from the same origin and kept until it expires or is refused."""

    token_path: str
    client_id: str
    client_secret: SecretStr
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further fields of the token request, e.g. a scope."""

    def __post_init__(self) -> None:
        self.form()

    def form(self) -> dict[str, str]:
        """The fields of the token request."""
        problem = say("The client secret is empty or holds characters that cannot be sent.")
        secret = sendable(self.client_secret.get_secret_value(), problem)
        pair = {"client_id": self.client_id.strip(), "client_secret": secret}
        return {"grant_type": "client_credentials", **pair, **self.fields}


Auth = Bearer | Basic | HeaderKey | ClientCredentials


@dataclass(frozen=True)
class Token:
    """An access token, and when it is no longer worth a try."""

    secret: SecretStr
    expires_at: datetime | None

    @classmethod
    def granted(cls, answer: Any, now: datetime) -> Token:
        """The token in the answer of a token endpoint; raises Unreadable when there is none."""
        secret, seconds = at(answer, "access_token"), at(answer, "expires_in")
        if not isinstance(secret, str) or not secret.isascii() or not secret.isprintable() or not secret.strip():
            raise Unreadable(say("it grants no usable access token"))
        if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds <= LONGEST_GRANT_SECONDS:
            return cls(SecretStr(secret), None)
        return cls(SecretStr(secret), now + timedelta(seconds=seconds) - EARLY)

    def is_valid(self, now: datetime) -> bool:
        """True unless it is known to have expired."""
        return self.expires_at is None or now < self.expires_at
