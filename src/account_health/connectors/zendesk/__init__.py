"""Zendesk: organizations and their tickets, with reopenings, satisfaction and escalations."""

from account_health.connectors.zendesk.connector import Zendesk
from account_health.connectors.zendesk.settings import ZendeskSettings

__all__ = ["Zendesk", "ZendeskSettings"]
