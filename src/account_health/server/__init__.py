"""The MCP server: thin adapters over the pipeline."""

from account_health.server.app import create_server

__all__ = ["create_server"]
