"""A store of any earlier version is brought up to date once, by whoever comes first; one of a later version is not."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect, select, text

from account_health.config import HistorySettings
from account_health.errors import HistoryError
from account_health.history import schema
from account_health.history.database import Database
from account_health.history.migrations import MIGRATIONS, migrate
from account_health.history.packing import unpack
from account_health.history.store import Store
from history.processes import writing
from history.readings import POLICY, activity, clock, content, keep, on, packed, reading
from history.writer import address_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from history.postgres import Postgres

OPENERS = 4
NEW_STORES = 4

POLICY_ROW = "INSERT INTO policy (hash, name, version, document) VALUES (:hash, 'default', '1', :document)"
READING_ROW = """
INSERT INTO assessment (account_id, as_of, recorded_at, asked_by, policy, digest, is_present, name, low, high, coverage,
    score, band, announced_band, pending, tier, flags, metric_values, metric_marks, table_states)
VALUES ('acme', '2026-11-01 09:00:00.000000', '2026-11-01 09:00:01.000000', 'somebody', :hash, 'd1ge57', TRUE,
    'Ölmühle', 10, 90, 0.5, 42, 'red', 'red', 0, 'high', '{"raised":{"support_spike":"high"},"unknown":[],"since":{}}',
    :metric_values, :metric_marks, :table_states)
"""
LATEST_ROW = "INSERT INTO latest (account_id, assessment_id) SELECT account_id, id FROM assessment"


def columns_of(connection: Connection) -> dict[str, list[tuple[str, bool]]]:
    """The columns of every table there is, with whether they may be empty."""
    found = inspect(connection)
    return {
        table: [
            (column["name"], column["nullable"] and column["name"] not in key) for column in found.get_columns(table)
        ]
        for table in found.get_table_names()
        for key in [found.get_pk_constraint(table)["constrained_columns"]]
    }


def expected_columns() -> dict[str, list[tuple[str, bool]]]:
    return {
        table.name: [(column.name, bool(column.nullable)) for column in table.columns]
        for table in schema.metadata.sorted_tables
    }


def indexes_of(connection: Connection) -> set[tuple[str, tuple[str | None, ...]]]:
    found = inspect(connection)
    return {
        (str(index["name"]), tuple(index["column_names"]))
        for table in found.get_table_names()
        for index in found.get_indexes(table)
    }


def fill_old_store(settings: HistorySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store as the first version made it, with a reading that it wrote."""
    with monkeypatch.context() as patched:
        # What this version would do on opening is done by hand, and only a part of it.
        patched.setattr("account_health.history.database.migrate", lambda connection, now: migrate(connection, now, 1))
        database = Database.open(settings, clock())
    row = packed({"nps_latest": 9.0})
    with closing(database), database.writing() as connection:
        connection.execute(
            text(POLICY_ROW), {"hash": POLICY.ref.hash, "document": POLICY.model_dump_json(by_alias=True)}
        )
        values = {"metric_values": row.values, "metric_marks": row.marks, "table_states": row.states}
        connection.execute(text(READING_ROW), {"hash": POLICY.ref.hash, **values})
        connection.execute(text(LATEST_ROW))
        assert not inspect(connection).has_table("activity")


def test_a_store_of_the_first_version_is_brought_up_to_date_with_its_rows(
    store_settings: HistorySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_old_store(store_settings, monkeypatch)
    with closing(Store.open(store_settings, clock(1))) as store:
        kept = store.latest("acme")
        assert kept is not None
        assert (kept.profile.name, kept.as_of, kept.score, kept.digest) == ("Ölmühle", on(0), 42.0, "d1ge57")
        metrics = store.metrics_of([kept.policy])[kept.policy]
        matrix = unpack(["acme"], [(kept.packed.values, kept.packed.marks, metrics)], POLICY)
        assert matrix.values[0, matrix.column("nps_latest")] == 9.0
        assert keep(store, reading(day=1)) == 1
        assert store.say(activity()) is not None
        assert [score for _, score in store.scores("acme", on(0), on(9))] == [42.0, 80.0]
    with closing(Database.open(store_settings, clock())) as database, database.reading() as connection:
        assert columns_of(connection) == expected_columns()


@pytest.mark.parametrize("known", range(len(MIGRATIONS) + 1))
def test_every_earlier_version_ends_with_the_same_tables(
    store_settings: HistorySettings, monkeypatch: pytest.MonkeyPatch, known: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(
            "account_health.history.database.migrate", lambda connection, now: migrate(connection, now, known)
        )
        Database.open(store_settings, clock()).close()
    with closing(Database.open(store_settings, clock(1))) as database, database.reading() as connection:
        assert columns_of(connection) == expected_columns()
        made = {
            (str(index.name), tuple(c.name for c in index.columns))
            for t in schema.metadata.sorted_tables
            for index in t.indexes
        }
        assert indexes_of(connection) == made
        applied = connection.execute(select(schema.migration).order_by(schema.migration.c.name)).all()
        assert [row.name for row in applied] == [name for name, _ in MIGRATIONS]
        assert [row.applied_at for row in applied] == [on(0)] * known + [on(1)] * (len(MIGRATIONS) - known)


def test_migrations_are_named_in_their_order() -> None:
    names = [name for name, _ in MIGRATIONS]
    assert names == sorted(names)
    assert [int(re.split(" ", name)[0]) for name in names] == list(range(1, len(names) + 1))


def test_a_store_of_a_newer_version_is_refused_and_left_alone(store_settings: HistorySettings) -> None:
    with closing(Store.open(store_settings, clock())) as store:
        keep(store, reading())
    before = content(store_settings)
    with closing(Database.open(store_settings, clock())) as database:
        with database.writing() as connection:
            connection.execute(schema.migration.insert().values(name="0999 from tomorrow", applied_at=on(0)))
        with pytest.raises(HistoryError) as caught:
            Store.open(store_settings, clock())
        assert "newer version of account-health (0999 from tomorrow)" in caught.value.message
        assert caught.value.next_step == "Upgrade account-health."
        with database.writing() as connection:
            connection.execute(schema.migration.delete().where(schema.migration.c.name == "0999 from tomorrow"))
    assert content(store_settings) == before


def test_who_is_refused_lets_go_of_the_database(
    postgres: Postgres, postgres_settings: HistorySettings, postgres_database: str
) -> None:
    with closing(Database.open(postgres_settings, clock())) as database, database.writing() as connection:
        connection.execute(schema.migration.insert().values(name="0999 from tomorrow", applied_at=on(0)))
    with pytest.raises(HistoryError):
        Store.open(postgres_settings, clock())
    connected = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{postgres_database}'"  # noqa: S608 - our name
    deadline = time.monotonic() + 10
    while postgres.execute(connected)[0][0]:  # the server takes a moment to notice
        assert time.monotonic() < deadline


def test_opening_again_applies_nothing_again(store_settings: HistorySettings) -> None:
    seen = []
    for day in range(3):
        with closing(Database.open(store_settings, clock(day))) as database, database.reading() as connection:
            seen.append(connection.execute(select(schema.migration).order_by(schema.migration.c.name)).all())
    assert seen[0] == seen[1] == seen[2]
    assert [(row.name, row.applied_at) for row in seen[0]] == [(name, on(0)) for name, _ in MIGRATIONS]


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    store_settings: HistorySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_old_store(store_settings, monkeypatch)

    def fails(connection: Connection) -> None:
        MIGRATIONS[1][1](connection)
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("account_health.history.migrations.MIGRATIONS", (MIGRATIONS[0], ("0002 activities", fails)))
        with pytest.raises(ZeroDivisionError):
            Store.open(store_settings, clock())
    with closing(Store.open(store_settings, clock(1))) as store:
        assert [found.score for found in store.all_at()] == [42.0]
        assert store.activities() == []


def open_at_once(addresses: Sequence[str]) -> None:
    """Processes that open each of these new stores at the same moment."""
    with ExitStack() as running:
        openers = [running.enter_context(writing("opening")) for _ in range(OPENERS)]
        assert [opener.hear() for opener in openers] == ["ready"] * OPENERS
        for address in addresses:
            for opener in openers:
                opener.tell(address)
            assert [opener.hear() for opener in openers] == ["opened"] * OPENERS


def test_processes_that_open_a_new_file_at_once_all_succeed(tmp_path: Path) -> None:
    open_at_once([str(tmp_path / f"{number}.sqlite") for number in range(2 * NEW_STORES)])


def test_processes_that_open_a_new_database_at_once_all_succeed(postgres: Postgres) -> None:
    with ExitStack() as made:
        names = [made.enter_context(postgres.database()) for _ in range(NEW_STORES)]
        open_at_once([address_of(postgres.settings(name)) for name in names])


def test_threads_that_open_new_files_in_step_all_succeed(tmp_path: Path) -> None:
    """Closer together than processes can be told to: SQLite lets nobody wait for what it does first to a new file."""
    together = Barrier(OPENERS)

    def open_all(_: int) -> None:
        for number in range(40):
            together.wait(30)
            try:
                Store.open(HistorySettings(path=tmp_path / f"{number}.sqlite"), clock()).close()
            except HistoryError:
                together.abort()
                raise

    with ThreadPoolExecutor(OPENERS) as threads:
        assert list(threads.map(open_all, range(OPENERS))) == [None] * OPENERS
