"""The demo accounts: valid rows, the same for the same day, never from the future, and every state on show."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import duckdb
import pytest

from account_health.connectors.base import Context, Query
from account_health.connectors.demo import Demo, DemoSettings, stories
from account_health.model import State
from account_health.policy import load_policy
from account_health.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from account_health.connectors.base import Connector, Delivery
    from account_health.tables import Row

ASKED = datetime(2026, 11, 21, 9)
FUTURE_COLUMNS = {"renewal_date", "renews_at", "close_date", "due_at", "ended_at"}


def _demo(now: datetime = datetime(2026, 11, 21, 9, tzinfo=UTC)) -> Connector:
    return Demo("demo", DemoSettings(), Context(Path(), duckdb.connect(), lambda: now))


def _fetched(as_of: datetime = ASKED, accounts: tuple[str, ...] | None = None) -> Sequence[Delivery]:
    return anyio.run(_demo().fetch, Query(as_of, accounts))


def _rows(delivery: Delivery) -> Sequence[Row]:
    assert not hasattr(delivery.rows, "name"), "the demo delivers rows, no relations"
    return delivery.rows


def _table(deliveries: Sequence[Delivery], table: str) -> Delivery:
    return next(d for d in deliveries if d.table == table)


def _dates(row: Row) -> Iterator[tuple[str, date]]:
    yield from ((name, value) for name, value in row if isinstance(value, date))


def _shifted(value: Any, days: int) -> Any:
    return value + timedelta(days) if isinstance(value, date) else value


def test_every_table_is_delivered_once_with_the_category_it_is_announced_with() -> None:
    assert {d.table: d.category for d in _fetched()} == _demo().provides()
    assert len(_fetched()) == len(TABLES)


def test_every_row_is_a_valid_row_of_its_table() -> None:
    for delivery in _fetched():
        assert {type(row) for row in _rows(delivery)} == {TABLES[delivery.table]}


def test_keys_never_repeat() -> None:
    for delivery in _fetched():
        key = TABLES[delivery.table].key
        if key:
            keys = [getattr(row, key) for row in _rows(delivery)]
            assert len(keys) == len(set(keys)), delivery.table


def test_usage_has_one_row_for_each_account_and_day() -> None:
    days = [(row.account_id, dict(_dates(row))["day"]) for row in _rows(_table(_fetched(), "usage_day"))]

    assert len(days) == len(set(days))


def test_between_10_and_14_accounts_are_told_in_files_of_their_id() -> None:
    ids = [row.account_id for row in _rows(_table(_fetched(), "account"))]

    assert 10 <= len(ids) <= 14
    assert ids == sorted(file.name.removesuffix(".toml") for file in (files("account_health") / "demo").iterdir())


def test_the_same_question_gives_the_same_answer_at_any_time() -> None:
    later = _demo(datetime(2031, 1, 1, tzinfo=UTC))

    assert anyio.run(later.fetch, Query(ASKED)) == _fetched()


def test_only_the_day_of_the_question_matters_to_the_rows() -> None:
    morning, night = (_fetched(datetime.combine(ASKED.date(), at)) for at in (time.min, time.max))

    assert [d.rows for d in morning] == [d.rows for d in night]


@pytest.mark.parametrize("days", [1, 365])
def test_every_date_moves_with_the_asked_day_and_nothing_else_does(days: int) -> None:
    now, later = _fetched(), _fetched(ASKED + timedelta(days))

    moved = [[{name: _shifted(value, days) for name, value in row} for row in _rows(d)] for d in now]
    assert [[dict(row) for row in _rows(d)] for d in later] == moved


@pytest.mark.parametrize("as_of", [datetime.combine(ASKED.date(), at) for at in (time.min, time(9), time.max)])
def test_nothing_has_happened_after_the_asked_instant(as_of: datetime) -> None:
    for delivery in _fetched(as_of):
        assert delivery.fetched_at < as_of
        for row in _rows(delivery):
            for name, value in _dates(row):
                instant = value if isinstance(value, datetime) else datetime.combine(value, time())
                assert instant < as_of or name in FUTURE_COLUMNS, (delivery.table, row.account_id, name)


def test_something_lies_ahead_in_every_column_that_may() -> None:
    ahead = {name for d in _fetched() for row in _rows(d) for name, value in _dates(row) if str(value) > str(ASKED)}

    assert ahead == FUTURE_COLUMNS - {"ended_at"}


def test_no_event_stands_on_the_day_a_window_starts_so_the_hour_of_the_question_changes_nothing() -> None:
    windows = load_policy().windows
    lengths = {windows.recent, 2 * windows.recent, windows.quarter, windows.year, windows.survey}
    starts = {ASKED.date() - timedelta(days) for days in lengths}

    for delivery in _fetched():
        for row in _rows(delivery):
            for name, value in _dates(row):
                assert not isinstance(value, datetime) or value.date() not in starts, (row.account_id, name, value)


def test_every_event_follows_the_one_that_caused_it() -> None:
    order = (
        "opened_at",
        "escalated_at",
        "solved_at",
        "issued_at",
        "last_failed_at",
        "paid_at",
        "started_at",
        "ended_at",
    )
    for delivery in _fetched():
        for row in _rows(delivery):
            at = dict(_dates(row))
            happened = [at[name] for name in order if name in at]
            assert happened == sorted(happened), (delivery.table, row)


def test_what_a_system_gave_lies_inside_the_history_it_can_see() -> None:
    for delivery in _fetched():
        occurred = TABLES[delivery.table].occurred
        for row in _rows(delivery):
            at = dict(_dates(row)).get(occurred or "")
            assert at is None or str(at) >= str(delivery.history_from), (delivery.table, row)


def test_every_state_is_on_show() -> None:
    declared = {state for d in _fetched() for state in d.states.values()}

    assert declared == set(State) - {State.OBSERVED}, "rows without a declared state are observed"


def test_stories_speak_only_of_tables_that_exist() -> None:
    for story in stories():
        assert {*story.states, *story.details, *story.rows} <= set(TABLES) - {"account"}, story.account_id


def test_an_account_without_rows_is_empty_where_it_is_known_and_an_unknown_one_is_not_matched() -> None:
    invoices = _table(_fetched(), "invoice")

    assert invoices.states["worshipful-guild"] is State.EMPTY
    assert invoices.absent is State.NOT_MATCHED


def test_a_state_that_a_reader_can_act_on_says_how() -> None:
    deliveries = _fetched()
    explained = {State.FAILED, State.PARTIAL, State.STALE, State.NOT_APPLICABLE}

    for delivery in deliveries:
        for account, state in delivery.states.items():
            assert state not in explained or delivery.details[account], (account, delivery.table)
    assert "org-881 and org-882" in _table(deliveries, "ticket").details["worshipful-guild"]


def test_only_the_accounts_asked_for_are_delivered() -> None:
    some = _fetched(accounts=("northwind", "kestrel", "nobody"))

    for delivery in some:
        named = {row.account_id for row in _rows(delivery)} | set(delivery.states) | set(delivery.matched)
        assert named <= {"northwind", "kestrel"}
    assert [row.account_id for row in _rows(_table(some, "account"))] == ["kestrel", "northwind"]


def test_every_system_says_that_it_is_a_demo() -> None:
    labels = {d.label for d in _fetched()}

    assert {"Demo CRM", "Demo Helpdesk", "Demo Analytics", "Demo Billing", "Demo Surveys"} <= labels
    assert all(label and "Demo" in label for label in labels)


def test_accounts_are_matched_in_all_the_ways_there_are() -> None:
    ways = {way.split()[0] for d in _fetched() for way in (d.matched_by, *d.matched.values())}

    assert ways == {"account", "crosswalk", "domain", "external"}


def test_domains_are_invented_and_no_account_shares_one() -> None:
    domains = [domain for story in stories() for domain in story.account.get("domains", ())]

    assert len(domains) == len(set(domains))
    assert all(domain.endswith(".example") for domain in domains)


def test_what_is_kept_for_a_day_is_what_any_instant_of_that_day_would_fetch() -> None:
    demo, later = _demo(), ASKED + timedelta(hours=3)

    assert demo.fingerprint(ASKED) == demo.fingerprint(later)
    assert _fetched(ASKED) == _fetched(later)
    assert demo.fingerprint(ASKED) != demo.fingerprint(ASKED + timedelta(days=1))
