"""The metric matrix: one row per account, one column per metric, with what is known kept apart from the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Supplied:
    """A metric value that somebody else computed."""

    value: float
    as_of: datetime
    provider: str
    delivery: int


@dataclass(frozen=True)
class MetricMatrix:
    """What was measured. All arrays have the shape (accounts, metrics), in the order of the two name tuples.

    `values` mean something only where `known`. `applicable` is False where the question does not arise. `seen` is
    what rows show although the whole is unknown: it may raise a flag and never clears one. `at_least` marks values
    counted from the start of observation.
    """

    accounts: tuple[str, ...]
    metrics: tuple[str, ...]
    values: NDArray[np.float64]
    known: NDArray[np.bool_]
    applicable: NDArray[np.bool_]
    seen: NDArray[np.float64]
    at_least: NDArray[np.bool_]
    provided: NDArray[np.bool_]
    """Per metric: whether any connected source can tell it."""
    seen_at_most: NDArray[np.bool_]
    """Per metric: whether `seen` bounds the value from above; else from below."""
    evidence: Mapping[str, NDArray[Any]]
    """Per metric with evidence: per account a list of row ids, or None."""
    dated: Mapping[str, NDArray[Any]]
    """Per metric with a date of its own: the instant per account, NaT where none."""
    last: Mapping[str, NDArray[np.float64]]
    """Per metric that ages by its own date: the last value, too old to count."""
    supplied: Mapping[tuple[str, str], Supplied]
    """(account, metric) to the value that was taken instead of a computed one."""
    unusable: Mapping[tuple[str, str], Supplied]
    """(account, metric) to a supplied value that does not count: too old, or outside what the metric can be."""

    def column(self, metric: str) -> int:
        """Position of the metric."""
        return self.metrics.index(metric)
