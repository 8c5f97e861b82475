"""Flags: the policy's conditions over the metric matrix -> raised, clear or unknown, for all accounts at once.

What is unknown never clears a flag. What rows show although the whole is unknown (`MetricMatrix.seen`) may raise one. A
question that does not arise for an account (not applicable) is answered no, if any source could have answered it.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from account_health.criteria import Condition
from account_health.model import FlagState, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from account_health.criteria import Flag
    from account_health.metrics.matrix import MetricMatrix
    from account_health.policy import Policy

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]

SEVERITIES = tuple(Severity)
"""Worst first; severities are kept as positions in this tuple."""

_COMPARE: dict[str, Callable[[Floats, Floats], Bools]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Truth:
    """A statement over n accounts: where it is surely true, where surely false; elsewhere it is unknown."""

    true: Bools
    false: Bools


@dataclass(frozen=True)
class FlagTable:
    """The flags of n accounts; every array has shape (accounts, flags), in policy order."""

    flags: tuple[str, ...]
    raised: Bools
    clear: Bools
    severity: NDArray[np.int_]
    """Position in SEVERITIES of a raised flag; that of NONE elsewhere."""
    lines: dict[str, Bools]
    """Per flag an (accounts, lines) array: which lines of `raise_when` surely hold."""

    def state(self, row: int, flag: int) -> FlagState:
        """The state of one flag of one account."""
        if self.raised[row, flag]:
            return FlagState.RAISED
        return FlagState.CLEAR if self.clear[row, flag] else FlagState.UNKNOWN

    @cached_property
    def worst(self) -> NDArray[np.int_]:
        """Per account the position of its worst raised severity."""
        worst: NDArray[np.int_] = self.severity.min(axis=1, initial=SEVERITIES.index(Severity.NONE))
        return worst


def check_flags(matrix: MetricMatrix, policy: Policy) -> FlagTable:
    """Every flag of the policy for every account of the matrix."""
    checked = [_check(flag, matrix) for flag in policy.flags.values()]
    raised, clear, severity = (np.column_stack(arrays) for arrays in zip(*(c[:-1] for c in checked), strict=True))
    lines = {name: c[-1] for name, c in zip(policy.flags, checked, strict=True)}
    return FlagTable(tuple(policy.flags), raised, clear, severity, lines)


def truth(condition: Condition, matrix: MetricMatrix) -> Truth:
    """Where a condition holds, fails, or cannot be told."""
    at = matrix.column(condition.metric)
    known, limit = matrix.known[:, at], np.full(len(matrix.accounts), condition.number)
    comparable = np.ones_like(known)
    if condition.other:
        other = matrix.column(condition.other)
        limit, comparable = condition.factor * matrix.values[:, other], matrix.known[:, other]
    compare = _COMPARE[condition.operator]
    with np.errstate(invalid="ignore"):
        holds, shown = compare(matrix.values[:, at], limit), compare(matrix.seen[:, at], limit)
    bounded_below = matrix.at_least[:, at]
    upwards = condition.operator in (">", ">=")
    surely_true = known & comparable & holds & (upwards | ~bounded_below)
    surely_false = known & comparable & ~holds & ((not upwards) | ~bounded_below)
    tells = matrix.seen_at_most[at] != upwards
    does_not_arise = ~matrix.applicable[:, at] & matrix.provided[at]
    return Truth(true=surely_true | (~known & comparable & shown & tells), false=surely_false | does_not_arise)


def _check(flag: Flag, matrix: MetricMatrix) -> tuple[Bools, Bools, NDArray[np.int_], Bools]:
    lines = [_all_of(line, matrix) for line in flag.lines]
    left_out = np.column_stack([_is_unprovided(line, matrix) & flag.skips_unprovided for line in flag.lines])
    true = np.column_stack([line.true for line in lines])
    false = np.column_stack([line.false for line in lines])
    raised = np.logical_or.reduce(true, axis=1)
    judged = ~np.logical_and.reduce(left_out, axis=1)
    clear = np.logical_and.reduce(false | left_out, axis=1) & judged & ~raised
    return raised, clear, np.where(raised, _severity(flag, matrix), SEVERITIES.index(Severity.NONE)), true


def _all_of(conditions: Sequence[Condition], matrix: MetricMatrix) -> Truth:
    parts = [truth(condition, matrix) for condition in conditions]
    return Truth(
        true=np.logical_and.reduce([part.true for part in parts]),
        false=np.logical_or.reduce([part.false for part in parts]),
    )


def _is_unprovided(line: Sequence[Condition], matrix: MetricMatrix) -> Bools:
    columns = [matrix.column(name) for condition in line for name in condition.metrics]
    untold: Bools = np.logical_or.reduce(~matrix.provided[columns] & ~matrix.known[:, columns], axis=1)
    return untold


def _severity(flag: Flag, matrix: MetricMatrix) -> NDArray[np.int_]:
    """The first rule whose conditions surely hold; the last rule has none."""
    chosen = np.full(len(matrix.accounts), SEVERITIES.index(flag.severity[-1].is_))
    for rule in reversed(flag.severity[:-1]):
        holds = _all_of([Condition.parse(text) for text in rule.when], matrix).true
        chosen = np.where(holds, SEVERITIES.index(rule.is_), chosen)
    return chosen
