"""Connectors: one source of inputs each, found by entry point; see `base` for what they promise."""
