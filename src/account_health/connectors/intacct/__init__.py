"""Sage Intacct: invoices, and for companies without a CRM its customers with the health that they carry."""

from account_health.connectors.intacct.connector import Intacct
from account_health.connectors.intacct.settings import IntacctSettings

__all__ = ["Intacct", "IntacctSettings"]
