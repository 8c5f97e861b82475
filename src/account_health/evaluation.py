"""Evaluation: everything computed for one question, laid side by side, before any of it is put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from account_health.flags import SEVERITIES, FlagTable
from account_health.metrics.measure import run
from account_health.metrics.windows import local_day
from account_health.model import Band, Severity, Source, State
from account_health.tables import TABLES
from account_health.wording import rounded

if TYPE_CHECKING:
    from account_health.inputs import Holding, Inputs
    from account_health.metrics.matrix import MetricMatrix
    from account_health.policy import Policy
    from account_health.scoring import Contributions, Rubric, Scores


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
    undated: int = 0
    """Rows whose status says they ended, without a date of when."""


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
            dates = (row["first_at"], row["last_at"], row["doubtful"], tuple(row["doubts"] or ()), row["undated"])
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

    def days_to_renewal(self, row: int) -> int | None:
        """Days from the asked day to the renewal, from the CRM or the contract terms; None if unknown."""
        if "days_to_renewal" not in self.matrix.metrics:
            return None
        column = self.matrix.column("days_to_renewal")
        return int(self.matrix.values[row, column]) if self.matrix.known[row, column] else None

    def renewal_date(self, row: int) -> date | None:
        """The day of the renewal, as `days_to_renewal` has it."""
        days = self.days_to_renewal(row)
        today = local_day(self.inputs.as_of, self.policy.time_zone)
        return None if days is None else today + timedelta(days=days)

    def source_of(self, account: str, table: str) -> Source:
        """The category that supplies a table for an account."""
        held = [h.holding.category for h in self.held[account] if h.holding.table == table]
        return held[0] if held else TABLES[table].category
