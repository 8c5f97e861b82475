"""BottleCRM: accounts, cases, deals, invoices and interactions."""

from account_health.connectors.bottlecrm.connector import BottleCrm
from account_health.connectors.bottlecrm.settings import BottleCrmSettings

__all__ = ["BottleCrm", "BottleCrmSettings"]
