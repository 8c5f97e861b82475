"""Stripe: invoices with their failed payments, subscriptions, and for companies without a CRM its customers."""

from account_health.connectors.stripe.connector import Stripe
from account_health.connectors.stripe.settings import StripeSettings

__all__ = ["Stripe", "StripeSettings"]
