"""Database: the one place that talks to SQLite or PostgreSQL; whatever goes wrong there becomes a HistoryError.

Writers take their turn before they read what they will change: in SQLite with BEGIN IMMEDIATE, in PostgreSQL with a
lock that ends with the transaction. Nothing is acknowledged before the database has committed it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import URL, create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from account_health.borrowed import why
from account_health.errors import HistoryError
from account_health.history.migrations import MIGRATIONS, migrate, unknown
from account_health.history.schema import migration
from account_health.language import mark, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from typing import Any

    from sqlalchemy import Connection, Engine

    from account_health.config import HistorySettings

_BUSY_SECONDS = 15
_PAUSE_SECONDS = 0.01
_CONNECT_SECONDS = 3
_WRITERS = 0x4163436F
"""The lock of all writers in PostgreSQL; any number that others do not use."""
_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR
_ELSEWHERE = mark("Scores go on without it; see `[history]` in `account-health.toml`.")


class Database:
    """An open store, of this version."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, settings: HistorySettings, now: Callable[[], datetime]) -> Database:
        """Opens the store, which is made or brought up to date where needed; raises HistoryError."""
        if settings.problem:
            problem = say("The history cannot be used: {problem}", problem=settings.problem)
            raise HistoryError(problem, say(_ELSEWHERE))
        database = cls(_engine(settings))
        try:
            with database.reading() as connection:
                is_current = inspect(connection).has_table("migration") and _is_current(connection)
            if not is_current:
                with database.writing() as connection:
                    migrate(connection, now())
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the store; raises HistoryError for whatever the database says."""
        with _faults(), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")  # else each statement sees a newer one
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The only writer until the block ends; then all of it is kept, or with an exception nothing."""
        with _faults(), self._engine.connect() as connection:
            options = connection.execution_options(account_health_writes=True)
            with options.begin():
                if connection.dialect.name == "postgresql":
                    options.exec_driver_sql(f"SET LOCAL lock_timeout = '{_BUSY_SECONDS}s'")
                    options.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITERS})
                yield options

    def close(self) -> None:
        """Lets go of every connection."""
        self._engine.dispose()


def _is_current(connection: Connection) -> bool:
    if newer := unknown(connection):
        raise HistoryError(
            say("The history was written by a newer version of account-health ({version}).", version=newer[-1]),
            say("Upgrade account-health."),
        )
    return len(connection.execute(select(migration.c.name)).all()) == len(MIGRATIONS)


def _engine(settings: HistorySettings) -> Engine:
    if settings.url is None:
        return _sqlite(settings)
    try:
        url = _parsed(settings.url.get_secret_value())
        if url.get_backend_name() != "postgresql":
            raise HistoryError(say("The address of the history is none of PostgreSQL."), say("Write postgresql://..."))
        # psycopg 3, whatever driver the address names; a connection that the server has dropped is replaced unnoticed.
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            connect_args={"connect_timeout": _CONNECT_SECONDS},
            hide_parameters=True,
        )
    except (ArgumentError, NoSuchModuleError, ValueError):
        # Not even the cause is kept: whoever mistakes the place of the password finds it in the words of the driver.
        raise HistoryError(
            say("The address of the history cannot be read."),
            say("Write postgresql://USER:PASSWORD@HOST/DATABASE, and %40 for an @ in the password."),
        ) from None
    except ImportError as err:
        raise HistoryError(
            say("The driver of PostgreSQL is not installed."),
            say("Install it: pip install 'account-health[postgres]'."),
        ) from err


def _parsed(address: str) -> URL:
    url = make_url(address)
    if "@" in (url.host or ""):
        raise ValueError("a part of the password, which nobody must look up as the name of a host")
    return url


def _sqlite(settings: HistorySettings) -> Engine:
    if settings.path is None:
        raise HistoryError(
            say("There is no place for a history."), say("Name one: [history] path in account-health.toml.")
        )
    try:
        settings.path.parent.mkdir(parents=True, exist_ok=True)
        # Whom a company may lose is nobody else's business on this machine.
        os.close(os.open(settings.path, os.O_CREAT | os.O_RDWR, _OWNER_ONLY))
    except OSError as err:
        raise HistoryError(
            say(
                "The history {path} cannot be opened: {problem}.",
                path=settings.path,
                problem=why(err),
            ),
            say(_ELSEWHERE),
        ) from err
    engine = create_engine(
        URL.create("sqlite", database=str(settings.path)), connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, not where the driver guesses
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.create_function("lower", 1, _lower, deterministic=True)  # its own knows no letters beyond ASCII


def _use_wal(connection: Any) -> None:
    """SQLite lets nobody wait in line for this change of a new file: whoever comes in between has to ask again."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as err:
            if "locked" not in str(err) or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _lower(value: str | None) -> str | None:
    return value.lower() if value is not None else None


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("account_health_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _faults() -> Iterator[None]:
    """What the database says, in our words; its own may hold parts of an address, a password among them."""
    try:
        yield
    except DBAPIError as err:
        problem = say("The history cannot be used: {cause}.", cause=_said(err))
        raise HistoryError(problem, say(_ELSEWHERE)) from None
    except (KeyError, TypeError, ValueError) as err:  # of values that nobody wrote like that
        problem = say("The history cannot be used: what it holds cannot be read.")
        raise HistoryError(problem, say(_ELSEWHERE)) from err
    except PoolTimeout as err:
        raise HistoryError(say("The history cannot be used: every connection is busy."), say(_ELSEWHERE)) from err


_CAUSES = {
    "disk is full": mark("the disk is full"),
    "no space left": mark("the disk is full"),
    "disk i/o": mark("the disk cannot be written"),
    "readonly": mark("it may only be read"),
    "lock timeout": mark("somebody else has been writing for too long"),
    "locked": mark("somebody else has been writing for too long"),
    "malformed": mark("the file is damaged"),
    "not decode": mark("the file is damaged"),
    "not a database": mark("the file is no history"),
    "unable to open": mark("the file cannot be opened"),
    "password": mark("the database does not accept the credentials"),
    "permission": mark("the database does not allow it"),
    "does not exist": mark("there is no such database, table or user"),
    "terminat": mark("the database has closed the connection"),
    "connect": mark("the database cannot be reached"),
}


def _said(err: DBAPIError) -> str:
    words = str(err.orig).casefold()
    return next((say(cause) for part, cause in _CAUSES.items() if part in words), type(err.orig).__name__)
