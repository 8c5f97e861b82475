"""Live: what connectors to systems with an HTTP API share, so that one of them is a page of vendor's words."""

from account_health.connectors.live.ask import Ask, Gone, Vendor
from account_health.connectors.live.connector import Live
from account_health.connectors.live.reader import Reader
from account_health.connectors.live.settings import LiveSettings, Secret

__all__ = ["Ask", "Gone", "Live", "LiveSettings", "Reader", "Secret", "Vendor"]
