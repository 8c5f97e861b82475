"""Packed rows of the metric matrix: what goes in comes out, bit for bit, under today's policy."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from account_health.connectors.base import Context
from account_health.connectors.demo import Demo, DemoSettings
from account_health.history.packing import STATES, Mark, pack, pack_states, unpack, unpack_states
from account_health.metrics.matrix import MetricMatrix
from account_health.model import State
from account_health.readings import profiles_of, readings_of
from account_health.standings import Standings
from account_health.tables import TABLES
from given import AS_OF, Given, account, evaluation_of
from history.readings import POLICY, keep, other_policy

if TYPE_CHECKING:
    from pathlib import Path

    from account_health.evaluation import Evaluation
    from account_health.history.store import Store
    from account_health.policy import Policy

WIDTH = len(POLICY.metrics)
METRICS = tuple(POLICY.metrics)
BOUNDS = np.array([metric.partly_seen == "at_most" for metric in POLICY.metrics.values()])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """The demo accounts, evaluated."""
    folder: Path = tmp_path_factory.mktemp("demo")
    context = Context(folder, duckdb.connect(), lambda: AS_OF.replace(tzinfo=UTC))
    return evaluation_of(Demo("demo", DemoSettings(), context))


@st.composite
def matrices(draw: st.DrawFn) -> MetricMatrix:
    """Any matrix of a few accounts; values stand only where they are known, as metrics are measured."""
    shape = (draw(st.integers(1, 4)), WIDTH)
    known = draw(arrays(np.bool_, shape))
    numbers = arrays(np.float64, shape, elements=st.floats(allow_nan=False))
    seen = draw(numbers)
    return MetricMatrix(
        accounts=tuple(f"account-{row}" for row in range(shape[0])),
        metrics=METRICS,
        values=np.where(known, draw(numbers), np.nan),
        known=known,
        applicable=draw(arrays(np.bool_, shape)),
        seen=np.where(draw(arrays(np.bool_, shape)), seen, np.nan),
        at_least=draw(arrays(np.bool_, shape)),
        provided=draw(arrays(np.bool_, (WIDTH,))),
        seen_at_most=BOUNDS,
        evidence={},
        dated={},
        last={},
        supplied={},
        unusable={},
    )


def unpacked(matrix: MetricMatrix, policy: Policy = POLICY) -> MetricMatrix:
    values, marks = pack(matrix)
    return unpack(matrix.accounts, [(v, m, matrix.metrics) for v, m in zip(values, marks, strict=True)], policy)


def assert_same(found: MetricMatrix, expected: MetricMatrix) -> None:
    """Everything that scores and flags go by is the same, to the last bit."""
    assert (found.accounts, found.metrics) == (expected.accounts, expected.metrics)
    for name in ("known", "applicable", "at_least", "provided", "seen_at_most"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    known = expected.known
    assert found.values[known].tobytes() == np.asarray(expected.values)[known].tobytes()
    assert found.seen[~known].tobytes() == np.asarray(expected.seen, dtype=np.float64)[~known].tobytes()
    assert np.isnan(found.values[~known]).all()


@given(matrices())
def test_what_was_packed_is_unpacked_bit_for_bit(matrix: MetricMatrix) -> None:
    values, marks = pack(matrix)
    assert {len(row) for row in values} == {8 * WIDTH}
    assert {len(row) for row in marks} == {WIDTH}
    assert_same(unpacked(matrix), matrix)


def test_packed_rows_are_what_their_description_says(demo: Evaluation) -> None:
    values, marks = pack(demo.matrix)
    for row in range(len(demo.accounts)):
        numbers = np.frombuffer(values[row], "<f8")
        for column, mark in enumerate(map(Mark, marks[row])):
            assert (Mark.KNOWN in mark) == demo.matrix.known[row, column]
            assert (Mark.SEEN in mark) == (
                not demo.matrix.known[row, column] and not np.isnan(demo.matrix.seen[row, column])
            )
            assert np.isnan(numbers[column]) == (not mark & (Mark.KNOWN | Mark.SEEN))


def test_scores_and_flags_of_stored_bytes_equal_the_original_bit_for_bit(demo: Evaluation, store: Store) -> None:
    keep(store, *readings_of(demo))
    readings = store.all_at()
    found = Standings.of_readings(readings, store.metrics_of([r.policy for r in readings]), demo.policy)
    expected = Standings.of_evaluation(demo, profiles_of(demo))
    assert found.accounts == expected.accounts
    assert found.profiles == expected.profiles
    assert_same(found.matrix, demo.matrix)
    for part in ("score", "low", "high", "coverage", "scored"):
        assert getattr(found.scores, part).tobytes() == getattr(demo.scores, part).tobytes(), part
    for part in ("earned", "lost"):
        assert getattr(found.contributions, part).tobytes() == getattr(demo.contributions, part).tobytes(), part
    for part in ("raised", "clear", "severity"):
        np.testing.assert_array_equal(getattr(found.flags, part), getattr(demo.flags, part), err_msg=part)
    np.testing.assert_array_equal(found.states, expected.states)
    for read, row in zip(readings, range(len(readings)), strict=True):
        assert (read.band, read.tier) == (found.band(row) or "not_scored", demo.tier(row))


@given(matrices(), st.permutations(METRICS), st.integers(0, WIDTH))
def test_rows_of_another_policy_are_read_under_todays(matrix: MetricMatrix, order: list[str], left: int) -> None:
    """Packed with another order, some metrics fewer, and one that today's policy does not know."""
    columns = [matrix.column(name) for name in order[:left]]
    packed_by = (*order[:left], "bygone")
    values, marks = pack(matrix)
    rows = [
        (
            np.append(np.frombuffer(v, "<f8")[columns], 1.0).tobytes(),
            bytes([*(m[column] for column in columns), int(Mark.KNOWN)]),
            packed_by,
        )
        for v, m in zip(values, marks, strict=True)
    ]
    found = unpack(matrix.accounts, rows, POLICY)
    there = sorted(columns)
    absent = [column for column in range(WIDTH) if column not in columns]
    assert found.metrics == METRICS
    for name in ("known", "applicable", "at_least"):
        np.testing.assert_array_equal(getattr(found, name)[:, there], getattr(matrix, name)[:, there])
    np.testing.assert_array_equal(found.values[:, there], matrix.values[:, there])
    assert not found.known[:, absent].any()
    assert not found.at_least[:, absent].any()
    assert not found.provided[absent].any()
    assert found.applicable[:, absent].all()
    assert np.isnan(found.values[:, absent]).all()
    assert np.isnan(found.seen[:, absent]).all()


@given(matrices())
def test_rows_of_several_policies_are_read_side_by_side(matrix: MetricMatrix) -> None:
    values, marks = pack(matrix)
    backwards = METRICS[::-1]
    rows = [
        (values[row], marks[row], METRICS)
        if row % 2
        else (np.frombuffer(values[row], "<f8")[::-1].tobytes(), marks[row][::-1], backwards)
        for row in range(len(matrix.accounts))
    ]
    assert_same(unpack(matrix.accounts, rows, POLICY), matrix)


def test_a_policy_with_fewer_metrics_drops_the_others(demo: Evaluation) -> None:
    fewer = other_policy(["nps_latest", METRICS[0]])
    found = unpacked(demo.matrix, fewer)
    kept = [demo.matrix.column(name) for name in fewer.metrics]
    assert found.metrics == tuple(fewer.metrics)
    np.testing.assert_array_equal(found.known, demo.matrix.known[:, kept])
    np.testing.assert_array_equal(found.values[found.known], demo.matrix.values[:, kept][found.known])


def test_no_accounts_and_no_shared_metrics_are_no_problem(demo: Evaluation) -> None:
    assert unpack([], [], POLICY).values.shape == (0, WIDTH)
    assert pack(unpack([], [], POLICY)) == ([], [])
    for names, numbers in (((), b""), (("bygone",), bytes(8))):
        found = unpack(["acme"], [(numbers, bytes(len(names)), names)], POLICY)
        assert not found.known.any()
        assert not found.provided.any()
    assert unpack_states([]).shape == (0, len(TABLES))
    assert len(pack_states(demo.inputs, demo.accounts)) == len(demo.accounts)


def test_states_of_tables_come_back_and_tables_that_came_later_were_not_connected(demo: Evaluation) -> None:
    rows = pack_states(demo.inputs, demo.accounts)
    found = unpack_states(rows)
    for row, name in enumerate(demo.accounts):
        for column, table in enumerate(TABLES):
            state = demo.states[name].get(table)
            assert STATES[found[row, column]] is (state.state if state else State.NOT_CONNECTED)
    short = unpack_states([rows[0][:-2], b""])
    assert [STATES[place] for place in short[0, -2:]] == [State.NOT_CONNECTED] * 2
    assert {STATES[place] for place in short[1]} == {State.NOT_CONNECTED}
    np.testing.assert_array_equal(short[0, :-2], found[0, :-2])
    np.testing.assert_array_equal(unpack_states([rows[0] + b"\1"])[0], found[0])


def test_an_account_with_rows_of_the_list_only_is_packed_too(store: Store) -> None:
    evaluation = evaluation_of(Given([account(), account(account_id="b", name="B")]))
    keep(store, *readings_of(evaluation))
    readings = store.all_at()
    found = Standings.of_readings(readings, store.metrics_of([POLICY.ref.hash]), POLICY)
    assert_same(found.matrix, evaluation.matrix)
    assert not found.scores.scored.any()
