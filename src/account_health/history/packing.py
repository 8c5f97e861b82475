"""Packing: the metric matrix as bytes, one row of it for each assessment, and back, for one account or all at once.

`metric_values` holds a little-endian double for each metric of the policy, in its order: the value where it is known,
what rows show where it is not, NaN where there is nothing. `metric_marks` holds a byte for each metric, its bits as in
`Mark`. `table_states` holds a byte for each normalised table: the place of its state in `State`.
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np

from account_health.metrics.matrix import MetricMatrix
from account_health.model import State
from account_health.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from account_health.inputs import Inputs
    from account_health.policy import Policy

_VALUE = np.dtype("<f8")
STATES = tuple(State)
_TABLES = tuple(TABLES)


class Mark(IntFlag):
    """What is known of one metric of one account."""

    KNOWN = 1
    APPLICABLE = 2
    AT_LEAST = 4
    PROVIDED = 8
    """Some connected source can tell it."""
    SEEN = 16
    """The value is what rows show although the whole is unknown."""


def pack(matrix: MetricMatrix) -> tuple[list[bytes], list[bytes]]:
    """Values and marks of every account of the matrix."""
    is_seen = ~matrix.known & ~np.isnan(matrix.seen)
    values = np.where(matrix.known, matrix.values, np.where(is_seen, matrix.seen, np.nan))
    marks = (
        matrix.known * np.uint8(Mark.KNOWN)
        | matrix.applicable * np.uint8(Mark.APPLICABLE)
        | matrix.at_least * np.uint8(Mark.AT_LEAST)
        | matrix.provided * np.uint8(Mark.PROVIDED)
        | is_seen * np.uint8(Mark.SEEN)
    ).astype(np.uint8)
    return _rows(values.astype(_VALUE)), _rows(marks)


def unpack(
    accounts: Sequence[str],
    packed: Sequence[tuple[bytes, bytes, tuple[str, ...]]],
    policy: Policy,
) -> MetricMatrix:
    """The matrix of stored rows in the order of today's policy; each row comes with the metrics it was packed by.

    What that policy did not measure is unknown, and no source could tell it.
    """
    shape = (len(accounts), len(policy.metrics))
    values, marks = np.full(shape, np.nan), np.zeros(shape, dtype=np.uint8)
    by_names: dict[tuple[str, ...], list[int]] = {}
    for row, (_, _, names) in enumerate(packed):
        by_names.setdefault(names, []).append(row)
    metrics = tuple(policy.metrics)
    for names, rows in by_names.items():
        shared = [name for name in names if name in policy.metrics]
        there, here = [names.index(name) for name in shared], [metrics.index(name) for name in shared]
        stored = np.frombuffer(b"".join(packed[row][0] for row in rows), _VALUE).reshape(len(rows), len(names))
        marked = np.frombuffer(b"".join(packed[row][1] for row in rows), np.uint8).reshape(len(rows), len(names))
        values[np.ix_(rows, here)], marks[np.ix_(rows, here)] = stored[:, there], marked[:, there]
        absent = [column for column, name in enumerate(metrics) if name not in names]
        marks[np.ix_(rows, absent)] = Mark.APPLICABLE
    return _matrix(tuple(accounts), values, marks, policy)


def _matrix(
    accounts: tuple[str, ...], values: NDArray[np.float64], marks: NDArray[np.uint8], policy: Policy
) -> MetricMatrix:
    def has(mark: Mark) -> NDArray[np.bool_]:
        return (marks & np.uint8(mark)) > 0

    return MetricMatrix(
        accounts=accounts,
        metrics=tuple(policy.metrics),
        values=np.where(has(Mark.KNOWN), values, np.nan),
        known=has(Mark.KNOWN),
        applicable=has(Mark.APPLICABLE),
        seen=np.where(has(Mark.SEEN) | has(Mark.KNOWN), values, np.nan),
        at_least=has(Mark.AT_LEAST),
        provided=np.logical_or.reduce(has(Mark.PROVIDED), axis=0),
        seen_at_most=np.array([metric.partly_seen == "at_most" for metric in policy.metrics.values()], dtype=bool),
        evidence={},
        dated={},
        last={},
        supplied={},
        unusable={},
    )


def pack_states(inputs: Inputs, accounts: Sequence[str]) -> list[bytes]:
    """The merged state of every table of each of these accounts, which are sorted by id."""
    found = inputs.tables.columns(
        'SELECT account_id, list_position($tables, "table") - 1 AS place, list_position($states, state) - 1 AS state '
        "FROM account_source",
        {"tables": list(_TABLES), "states": [state.value for state in STATES]},
    )
    states = np.full((len(accounts), len(_TABLES)), STATES.index(State.NOT_CONNECTED), dtype=np.uint8)
    rows = np.searchsorted(np.array(accounts, dtype=np.str_), np.array(found["account_id"], dtype=np.str_))
    states[rows, found["place"]] = found["state"]
    return _rows(states)


def unpack_states(packed: Sequence[bytes]) -> NDArray[np.uint8]:
    """The places in `STATES` of all tables of n accounts, (n, tables)."""
    rows = [row.ljust(len(_TABLES), bytes([STATES.index(State.NOT_CONNECTED)]))[: len(_TABLES)] for row in packed]
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(packed), len(_TABLES))


def _rows(array: NDArray[np.float64] | NDArray[np.uint8]) -> list[bytes]:
    """The bytes of each row."""
    size = array.shape[1] * array.itemsize
    whole = np.ascontiguousarray(array).tobytes()
    return [whole[at : at + size] for at in range(0, len(whole), size)] if size else [b""] * len(array)
