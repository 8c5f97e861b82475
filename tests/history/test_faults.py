"""What is wrong with a place or an address is said in our words, soon, and without a secret."""

from __future__ import annotations

import os
import random
import socket
import sqlite3
import time
import traceback
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from account_health.config import HistorySettings
from account_health.errors import HistoryError
from account_health.history.database import Database
from account_health.history.store import Store
from doors import CANARY
from history.postgres import GUARDED
from history.readings import POLICY, activity, clock, flagged, keep, on, reading, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from history.postgres import Postgres

SOON = 10
"""Seconds within which a question has its answer or a fault."""
NOT_OURS = ("sqlite3", "sqlalchemy", "psycopg", "Traceback", "SELECT", "Background on", "FATAL", "PRAGMA")
"""Words that only a driver would use."""
NOBODY = 65534
SOMEBODY_ELSE = "NOT RUN: as root on this system there is nobody else to be."


def refused(settings: HistorySettings) -> str:
    """What is said when this history is opened, which cannot be; in time, and without a word of the driver."""
    begun = time.monotonic()
    with pytest.raises(HistoryError) as caught:
        Store.open(settings, clock())
    assert time.monotonic() - begun < SOON
    assert_ours(caught.value)
    return caught.value.message


def assert_ours(error: HistoryError) -> None:
    """The fault is in our words, has a next step, and holds no secret anywhere along its chain."""
    assert error.next_step
    assert not [word for word in NOT_OURS if word in str(error)]
    everything = f"{error} {error!r} {''.join(traceback.format_exception(error))}"
    assert CANARY not in everything


@pytest.fixture
def filled(sqlite_settings: HistorySettings) -> Path:
    """The file of a history with some accounts."""
    with closing(Store.open(sqlite_settings, clock())) as store:
        for day in range(4):
            run_of(store, *(reading(f"{n}", day, score=float(n + day), flags=flagged(f"{day}")) for n in range(40)))
        store.say(activity())
    assert sqlite_settings.path is not None
    return sqlite_settings.path


# --- Files ------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Call Acme on Monday.\n" * 100, "utf-8")
    assert refused(HistorySettings(path=path)) == "The history cannot be used: the file is no history."
    assert path.read_text("utf-8") == "Call Acme on Monday.\n" * 100


def test_an_empty_file_becomes_a_history(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.touch()
    with closing(Store.open(HistorySettings(path=path), clock())) as store:
        assert keep(store, reading()) == 1


def test_a_file_cut_in_half_is_called_damaged(filled: Path) -> None:
    whole = filled.read_bytes()
    filled.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])
    assert refused(HistorySettings(path=filled)) == "The history cannot be used: the file is damaged."


def everything(store: Store) -> None:
    """Asks the store whatever it can be asked, then adds to it."""
    readings = store.all_at()
    store.all_at(on(2))
    store.activities()
    store.said_by_people()
    store.last_run()
    store.metrics_of([found.policy for found in readings])
    for account in ("0", "39"):
        store.latest(account)
        store.before(account, on(2))
        store.first(account)
        store.scores(account, on(0), on(9))
    run_of(store, *(reading(f"{n}", 9, score=float(n)) for n in range(40)))


def test_a_damaged_file_is_a_fault_of_the_history_and_of_nothing_else(filled: Path) -> None:
    whole, chance, said = filled.read_bytes(), random.Random(4), set[str]()  # noqa: S311 - where it is damaged, no secret
    for _ in range(40):
        damaged = bytearray(whole)
        start, length = chance.randrange(100, len(whole)), chance.choice((1, 8, 64, 512, 4096))
        damaged[start : start + length] = chance.randbytes(len(damaged[start : start + length]))
        for beside in filled.parent.glob(f"{filled.name}-*"):
            beside.unlink()
        filled.write_bytes(damaged)
        try:
            with closing(Store.open(HistorySettings(path=filled), clock(9))) as store:
                everything(store)
        except HistoryError as err:
            assert_ours(err)
            said.add(err.message)
    assert "The history cannot be used: the file is damaged." in said


@pytest.mark.parametrize(
    ("spoilt", "ask"),
    [
        ("UPDATE assessment SET flags = '{'", Store.all_at),
        ("UPDATE assessment SET flags = '{}'", Store.all_at),
        ("UPDATE assessment SET as_of = 'yesterday'", Store.all_at),
        ("UPDATE assessment SET tier = 'urgent'", Store.all_at),
        ("UPDATE assessment SET name = CAST(x'ff' AS TEXT)", Store.all_at),
        ("UPDATE activity SET kind = 'rumour'", Store.activities),
        ("UPDATE run SET problems = 7", Store.last_run),
        ("UPDATE policy SET document = 'damaged'", lambda store: store.metrics_of([POLICY.ref.hash])),
    ],
)
def test_values_that_nobody_wrote_like_that_are_a_fault_of_the_history(
    filled: Path, spoilt: str, ask: Callable[[Store], object]
) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute(spoilt)
    with closing(Store.open(HistorySettings(path=filled), clock(9))) as store:
        with pytest.raises(HistoryError, match="The history cannot be used: ") as caught:
            ask(store)
        assert_ours(caught.value)


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    assert refused(HistorySettings(path=tmp_path)) == f"The history {tmp_path} cannot be opened: Is a directory."


def test_a_file_where_its_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "history.sqlite"
    assert refused(HistorySettings(path=path)).startswith(f"The history {path} cannot be opened: ")


@contextmanager
def somebody_else() -> Iterator[Path]:
    """A folder of somebody who, other than root, is bound by permissions; whoever runs the test, if it is not root."""
    if os.name != "posix":
        pytest.skip(SOMEBODY_ELSE)
    is_root = os.geteuid() == 0
    # Root's own folders of pytest are closed to everybody else.
    with TemporaryDirectory() as name:
        folder = Path(name)
        if is_root:
            os.chown(folder, NOBODY, NOBODY)
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
                os.setegid(0)


def test_a_file_that_may_only_be_read_is_named() -> None:
    with somebody_else() as folder:
        settings = HistorySettings(path=folder / "history.sqlite")
        Store.open(settings, clock()).close()
        (folder / "history.sqlite").chmod(0o400)
        assert refused(settings) == f"The history {settings.path} cannot be opened: Permission denied."


def test_a_folder_that_may_only_be_read_is_a_fault_in_our_words() -> None:
    with somebody_else() as folder:
        settings = HistorySettings(path=folder / "history.sqlite")
        Store.open(settings, clock()).close()
        folder.chmod(0o500)
        try:
            assert refused(settings).startswith("The history cannot be used: ")
            new = HistorySettings(path=folder / "new.sqlite")
            assert refused(new) == f"The history {new.path} cannot be opened: Permission denied."
            below = HistorySettings(path=folder / "new" / "history.sqlite")
            assert refused(below) == f"The history {below.path} cannot be opened: Permission denied."
        finally:
            folder.chmod(0o700)


def test_a_file_that_vanishes_while_it_is_open_is_no_crash(filled: Path) -> None:
    with closing(Store.open(HistorySettings(path=filled), clock(9))) as store:
        store.all_at()
        for file in filled.parent.iterdir():
            file.unlink()
        try:
            everything(store)
        except HistoryError as err:
            assert_ours(err)


def test_tables_of_somebody_else_in_the_file_are_a_fault_in_our_words(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE assessment (what TEXT)")
    assert refused(HistorySettings(path=path)).startswith("The history cannot be used: ")


# --- Settings and addresses -------------------------------------------------------------------------------------------


def test_a_history_without_a_place_says_what_to_name() -> None:
    assert refused(HistorySettings()) == "There is no place for a history."


def test_a_problem_of_the_settings_is_said_and_nothing_is_opened(tmp_path: Path) -> None:
    problem = "The environment variable HISTORY_URL is not set."
    settings = HistorySettings(path=tmp_path / "history.sqlite", url=SecretStr(CANARY), problem=problem)
    assert refused(settings) == f"The history cannot be used: {problem}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    [
        CANARY,
        f"{CANARY}://host/database",
        f"mysql://user:{CANARY}@127.0.0.1/database",
        f"sqlite:///{CANARY}",
        f"postgresql://user:{CANARY}@127.0.0.1:port/database",
        f"postgresql://127.0.0.1:{CANARY}/database",
        f"postgresql://user:with/slash/{CANARY}@127.0.0.1:1/database",
        f"postgresql://user:with#sharp#{CANARY}@127.0.0.1:1/database",
        f"postgresql://user:with@at@{CANARY}@127.0.0.1:1/database",
        f"postgresql://user:with:colon:{CANARY}@127.0.0.1:1/database",
        f"postgresql://user:with?question={CANARY}@127.0.0.1:1/database",
        f"postgresql://user:{CANARY}@[::1/database",
        f"postgresql://user:{CANARY}@127.0.0.1:99999999/database",
        f"postgresql://user:{CANARY}@127.0.0.1:1/database?no_such_option=1",
        f"postgresql://user:{CANARY}@127.0.0.1:1/database?sslmode={CANARY}",
        f"postgresql://127.0.0.1:1/database?password={CANARY}&user=user",
        f"postgresql+psycopg2://user:{CANARY}@127.0.0.1:1/database",
        f"postgresql+{CANARY.casefold()}://user:{CANARY}@127.0.0.1:1/database",
        "",
        "postgresql://",
    ],
)
@pytest.mark.usefixtures("postgres")
def test_an_address_that_cannot_be_used_is_never_repeated(address: str) -> None:
    refused(HistorySettings(url=SecretStr(address)))


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_said_and_not_shown(postgres: Postgres, postgres_database: str) -> None:
    wrong = HistorySettings(url=SecretStr(postgres.url(postgres_database, GUARDED, CANARY)))
    assert refused(wrong) == "The history cannot be used: the database does not accept the credentials."


def test_a_missing_password_is_said(postgres: Postgres, postgres_database: str) -> None:
    none = HistorySettings(url=SecretStr(postgres.url(postgres_database, GUARDED)))
    assert refused(none) == "The history cannot be used: the database does not accept the credentials."


@pytest.mark.parametrize("user", ["postgres", "nobody_we_know"])
def test_a_database_or_user_that_is_not_there_is_a_fault_in_our_words(postgres: Postgres, user: str) -> None:
    settings = HistorySettings(url=SecretStr(postgres.url("no_such_database", user, CANARY)))
    assert refused(settings) == "The history cannot be used: there is no such database, table or user."


def test_a_user_who_may_not_make_tables_is_told_so(postgres: Postgres, postgres_database: str) -> None:
    postgres.execute(f"ALTER ROLE {GUARDED} PASSWORD '{CANARY}'")
    settings = HistorySettings(url=SecretStr(postgres.url(postgres_database, GUARDED, CANARY)))
    assert refused(settings) == "The history cannot be used: the database does not allow it."


def test_a_database_that_refuses_connections_is_said_at_once() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"postgresql://user:{CANARY}@127.0.0.1:{taken.getsockname()[1]}/database"
        settings = HistorySettings(url=SecretStr(address))
        assert refused(settings) == "The history cannot be used: the database cannot be reached."


def test_a_database_that_never_answers_is_given_up_soon() -> None:
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"postgresql://user:{CANARY}@127.0.0.1:{silent.getsockname()[1]}/database"
        assert (
            refused(HistorySettings(url=SecretStr(address)))
            == "The history cannot be used: the database cannot be reached."
        )


def test_a_full_disk_of_postgresql_is_called_full(postgres: Postgres, postgres_database: str) -> None:
    """A trigger says what the server says when it cannot write: to fill its disk would be to fill this machine's."""
    with closing(Store.open(postgres.settings(postgres_database), clock())) as store:
        keep(store, reading())
        words = 'could not extend file "base/5/1259": No space left on device'
        postgres.execute(
            f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = '{words}'; END $$",
            "CREATE TRIGGER full_disk BEFORE INSERT ON assessment EXECUTE FUNCTION full_disk()",
            database=postgres_database,
        )
        with pytest.raises(HistoryError) as caught:
            keep(store, reading(day=1, score=1.0))
        assert_ours(caught.value)
        assert caught.value.message == "The history cannot be used: the disk is full."
        assert [found.score for found in store.all_at()] == [80.0]
        postgres.execute("DROP TRIGGER full_disk ON assessment", database=postgres_database)
        assert keep(store, reading(day=1, score=1.0)) == 1


def cut_off(database: Database, postgres: Postgres) -> None:
    """Asks twice over a connection that the server ends in between, and for which it needs some milliseconds."""
    with database.reading() as connection:
        number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        postgres.execute(f"SELECT pg_terminate_backend({number}, 5000)")
        connection.exec_driver_sql("SELECT 1")


def test_a_connection_that_the_server_ends_in_the_middle_is_a_fault_in_our_words(
    postgres: Postgres, postgres_database: str
) -> None:
    with closing(Database.open(postgres.settings(postgres_database), clock())) as database:
        with pytest.raises(HistoryError) as caught:
            cut_off(database, postgres)
        assert_ours(caught.value)
        assert caught.value.message == "The history cannot be used: the database has closed the connection."
        with database.reading() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
