"""Evaluation: everything computed for one question, laid side by side, before any of it is put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from account_health.flags import SEVERITIES, FlagTable, check_flags
from account_health.metrics.measure import measure, run
from account_health.model import Band, Severity, Source, State
from account_health.scoring import Contributions, Rubric, Scores, score_matrix
from account_health.tables import TABLES
from account_health.wording import rounded

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from account_health.inputs import Holding, Inputs
    from account_health.metrics.matrix import MetricMatrix
    from account_health.policy import Policy


@dataclass(frozen=True)
class Held:
    """What one delivery holds for one account: its state, and its rows up to the asked instant."""

    holding: Holding
    state: State
    rows: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    doubtful: int = 0
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableState:
    """The merged state of one table for one account, and where its history starts."""

    state: State
    observed_from: datetime | None = None


@dataclass(frozen=True)
class Evaluation:
    """One row per asked account, sorted by id: inputs, metrics, scores, contributions and flags."""

    inputs: Inputs
    policy: Policy
    rubric: Rubric
    matrix: MetricMatrix
    scores: Scores
    contributions: Contributions
    flags: FlagTable

    @property
    def accounts(self) -> tuple[str, ...]:
        """Ids of the evaluated accounts."""
        return self.matrix.accounts

    @cached_property
    def profiles(self) -> Mapping[str, Mapping[str, Any]]:
        """The account row of each account: name, owner, ARR, ..."""
        return {row["account_id"]: row for row in self.inputs.tables.rows("SELECT * FROM account ORDER BY account_id")}

    @cached_property
    def states(self) -> Mapping[str, Mapping[str, TableState]]:
        """Per account and table the merged state."""
        found: dict[str, dict[str, TableState]] = {account: {} for account in self.accounts}
        for row in self.inputs.tables.rows("SELECT * FROM account_source"):
            found[row["account_id"]][row["table"]] = TableState(State(row["state"]), row["observed_from"])
        return found

    @cached_property
    def held(self) -> Mapping[str, Sequence[Held]]:
        """Per account what every delivery holds for it."""
        found: dict[str, list[Held]] = {account: [] for account in self.accounts}
        for row in run(self.inputs, self.policy, "census"):
            holding = self.inputs.holdings[row["delivery"]]
            state = State(row["state"])
            if holding.stale and state in (State.OBSERVED, State.EMPTY, State.PARTIAL):
                state = State.STALE
            dates = (row["first_at"], row["last_at"], row["doubtful"], tuple(row["doubts"] or ()))
            found[row["account_id"]].append(Held(holding, state, row["rows"], *dates))
        return found

    def row(self, account: str) -> int:
        """The row of an account."""
        return self._rows[account]

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        return {account: row for row, account in enumerate(self.accounts)}

    def score_rounded(self, row: int) -> int | None:
        """The score as a whole number, or None if the account could not be scored."""
        return rounded(self.scores.score[row]) if self.scores.scored[row] else None

    def band(self, row: int) -> Band | None:
        """The band of one account, by its rounded score; None if it could not be scored."""
        score = self.score_rounded(row)
        return None if score is None else self.policy.bands.of(score)

    def tier(self, row: int) -> Severity:
        """The worst of an account's raised flags and its band."""
        worst: Severity = SEVERITIES[int(self.flags.worst[row])]
        if self.band(row) is Band.RED:
            return min(worst, self.policy.tier.red, key=SEVERITIES.index)
        return worst

    def source_of(self, account: str, table: str) -> Source:
        """The category that supplies a table for an account."""
        held = [h.holding.category for h in self.held[account] if h.holding.table == table]
        return held[0] if held else TABLES[table].category


def evaluate(inputs: Inputs, policy: Policy) -> Evaluation:
    """Metrics, scores and flags of the asked accounts."""
    matrix = _within_states(measure(inputs, policy), inputs, policy)
    rubric = Rubric.of(policy)
    scores, parts = score_matrix(matrix, rubric)
    return Evaluation(inputs, policy, rubric, matrix, scores, parts, check_flags(matrix, policy))


def _within_states(matrix: MetricMatrix, inputs: Inputs, policy: Policy) -> MetricMatrix:
    """What the state of a table forbids: metrics over one that does not apply, and flags raised by a stale one."""
    limited = _limited_accounts(matrix, inputs)
    if not limited:
        return matrix
    unfit, stale = limited.get(State.NOT_APPLICABLE, {}), limited.get(State.STALE, {})
    applicable, seen = matrix.applicable.copy(), matrix.seen.copy()
    for column, name in enumerate(matrix.metrics):
        reads = policy.metrics[name].reads
        applicable[:, column] &= matrix.known[:, column] | ~_reads_only(reads, unfit, matrix)
        seen[_reads_only(reads, stale, matrix), column] = np.nan
    return replace(matrix, applicable=applicable, seen=seen)


def _limited_accounts(matrix: MetricMatrix, inputs: Inputs) -> dict[State, dict[str, NDArray[np.bool_]]]:
    """Per limiting state and table: which accounts are in it."""
    found = inputs.tables.rows(
        'SELECT state, "table", list(account_id) AS accounts FROM account_source '
        'WHERE list_contains($states, state) GROUP BY state, "table"',
        {"states": [State.NOT_APPLICABLE.value, State.STALE.value]},
    )
    ids = np.array(matrix.accounts)
    limited: dict[State, dict[str, NDArray[np.bool_]]] = {}
    for row in found:
        limited.setdefault(State(row["state"]), {})[row["table"]] = np.isin(ids, row["accounts"])
    return limited


def _reads_only(
    reads: Sequence[str], tables: Mapping[str, NDArray[np.bool_]], matrix: MetricMatrix
) -> NDArray[np.bool_]:
    """For which accounts all alternatives of something the metric reads are among these tables."""
    nobody = np.zeros(len(matrix.accounts), dtype=bool)
    entries = [[tables.get(column.partition(".")[0], nobody) for column in entry.split("|")] for entry in reads]
    whole: NDArray[np.bool_] = np.logical_or.reduce([np.logical_and.reduce(entry) for entry in entries])
    return whole
