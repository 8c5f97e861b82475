"""PostHog: product use by account and day, asked for in HogQL, the SQL of its query API."""

from account_health.connectors.posthog.connector import PostHog
from account_health.connectors.posthog.settings import PostHogSettings

__all__ = ["PostHog", "PostHogSettings"]
