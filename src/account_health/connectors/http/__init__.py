"""The HTTP base: one vendor's API read politely, defensively and within the caller's deadline."""

from account_health.connectors.http.api import Api, Connection
from account_health.connectors.http.auth import Auth, Basic, Bearer, ClientCredentials, HeaderKey
from account_health.connectors.http.body import Unreadable
from account_health.connectors.http.manners import Manners, Throttle
from account_health.connectors.http.paging import (
    Cursor,
    LastId,
    NextLink,
    Offset,
    Pages,
    Paginator,
    Params,
    Request,
    Single,
    at,
)

__all__ = [
    "Api",
    "Auth",
    "Basic",
    "Bearer",
    "ClientCredentials",
    "Connection",
    "Cursor",
    "HeaderKey",
    "LastId",
    "Manners",
    "NextLink",
    "Offset",
    "Pages",
    "Paginator",
    "Params",
    "Request",
    "Single",
    "Throttle",
    "Unreadable",
    "at",
]
