"""HubSpot: companies, tickets, deals, meetings, calls, mails and survey answers of one HubSpot account."""

from account_health.connectors.hubspot.connector import HubSpot

__all__ = ["HubSpot"]
