"""The `files` connector: a folder of CSV, JSON lines or Parquet files, read with DuckDB."""

from account_health.connectors.files.connector import Files
from account_health.connectors.files.settings import FilesSettings

__all__ = ["Files", "FilesSettings"]
