"""Checked: what `sources check` found, source by source and table by table."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from account_health.model import State
from account_health.published import Published


class CheckedTable(Published):
    """How one table of a source stands: over all accounts, or for a live source in one page of its list."""

    table: str = Field(description="Name of the table")
    state: State = Field(description="Observed, empty, stale or failed")
    rows: int = Field(description="Rows that could be read; of a live source those of the first page")
    rejected: int = Field(default=0, description="Rows that could not be read")
    unmatched: int = Field(default=0, description="Rows that belong to no known account")
    as_of: datetime | None = Field(default=None, description="How fresh it is")
    problems: tuple[str, ...] = Field(default=(), description="What could not be read, the first few")


class CheckedSource(Published):
    """One connected system of one category, and its tables."""

    source: str = Field(description="Category")
    connector: str = Field(description="Name of the system")
    api_version: str | None = Field(default=None, description="Version of its API that is asked for")
    is_live: bool = Field(default=False, description="Whether it is asked over the network when a question is asked")
    clock_skew_seconds: int | None = Field(default=None, description="How far its clock is ahead of ours")
    tables: tuple[CheckedTable, ...] = Field(description="Its tables")


class CheckedSources(Published):
    """Which sources are connected, fresh or failing, and what to do."""

    sources: tuple[CheckedSource, ...] = Field(description="Every connected system")
    not_connected: tuple[str, ...] = Field(description="Categories without any source")
    accounts: int | None = Field(default=None, description="Accounts known; absent if only a live source lists them")
    history: str = Field(description="Where assessments are kept, and when all accounts were last recorded")
    advice: tuple[str, ...] = Field(description="What to do, one step each")
    notices: tuple[str, ...] = Field(default=(), description="What else a reader has to know")
    is_healthy: bool = Field(description="Whether everything that was tried worked and is fresh")
