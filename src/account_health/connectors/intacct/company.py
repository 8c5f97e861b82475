"""Company: how the API of a company in Sage Intacct is asked, by those who read it and by those who write to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from account_health.connectors.http import Api, ClientCredentials, Manners

if TYPE_CHECKING:
    from httpx2 import AsyncBaseTransport

    from account_health.connectors.base import Clock
    from account_health.connectors.intacct.settings import IntacctSettings

_ENTITY = "X-IA-API-Param-Entity"
"""Intacct passes over headers of other names in silence, and answers for the top level."""
_PER_SECOND = 4.0


def company_api(
    label: str, settings: IntacctSettings, clock: Clock, transport: AsyncBaseTransport | None = None
) -> Api:
    """The company's API, which counts requests by the month and admits few at a time.

    Raises ConfigurationError for an address that is not safe.
    """
    user = {"username": settings.username.strip()}
    manners = Manners(
        concurrency=settings.concurrency,
        per_second=settings.requests_per_second or _PER_SECOND,
        max_pages=settings.max_pages,
        reset_header="x-ia-throttle-limit-retry-after",
        reset_kind="seconds",
    )
    return Api(
        label,
        settings.base_url,
        ClientCredentials("/oauth2/token", settings.client_id, settings.client_secret, user),
        manners,
        headers={_ENTITY: settings.entity} if settings.entity else None,
        clock=clock,
        transport=transport,
    )
