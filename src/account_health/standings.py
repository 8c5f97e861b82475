"""Standings: how all accounts stand, as arrays, computed a moment ago or read from the history.

Both ways lead through the same scoring: what the history holds are metric values, and scores are made of them anew
under today's policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from account_health.flags import SEVERITIES, check_flags
from account_health.history.packing import STATES, unpack, unpack_states
from account_health.history.packing import pack_states as _pack_states
from account_health.language import count, figure, forms, say
from account_health.model import Band, Severity, Source, State
from account_health.scoring import Rubric, score_matrix
from account_health.tables import TABLES
from account_health.wording import listed, source_phrase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from numpy.typing import NDArray

    from account_health.evaluation import Evaluation
    from account_health.flags import FlagTable
    from account_health.history.records import Profile, Reading
    from account_health.metrics.matrix import MetricMatrix
    from account_health.policy import Policy
    from account_health.scoring import Contributions, Scores

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int_]

BANDS = tuple(Band)
"""Bands are kept as positions in this tuple; one behind its end means not scored."""
NO_BAND = len(BANDS)
_PLACES = 9


@dataclass(frozen=True)
class Standings:
    """n accounts, sorted by id: who they are, what was measured, how they score, which flags are raised."""

    policy: Policy
    rubric: Rubric
    as_of: datetime
    """The newest instant any of it holds for, naive UTC."""
    is_recorded: bool
    """Whether it was read from the history."""
    profiles: Sequence[Profile]
    matrix: MetricMatrix
    scores: Scores
    contributions: Contributions
    flags: FlagTable
    states: NDArray[np.uint8]
    """The places in `STATES` of all tables, (n, tables)."""
    since: Sequence[Mapping[str, date]] = ()
    """Per account since when its flags are open; only the history knows."""

    @classmethod
    def of_evaluation(cls, evaluation: Evaluation, profiles: Sequence[Profile]) -> Standings:
        """The standings of accounts that were just evaluated."""
        return cls(
            policy=evaluation.policy,
            rubric=evaluation.rubric,
            as_of=evaluation.inputs.as_of,
            is_recorded=False,
            profiles=profiles,
            matrix=evaluation.matrix,
            scores=evaluation.scores,
            contributions=evaluation.contributions,
            flags=evaluation.flags,
            states=unpack_states(_pack_states(evaluation.inputs, evaluation.accounts)),
        )

    @classmethod
    def of_readings(
        cls,
        readings: Sequence[Reading],
        metrics: Mapping[str, tuple[str, ...]],
        policy: Policy,
        confirmed: datetime | None = None,
    ) -> Standings:
        """The standings of at least one reading under a policy; `metrics` are those of the policies of the readings.

        `confirmed` is when they were last found to hold, if that was later than they were made.
        """
        packed = [(r.packed.values, r.packed.marks, metrics[r.policy]) for r in readings]
        matrix = unpack([reading.account for reading in readings], packed, policy)
        rubric = Rubric.of(policy)
        scores, contributions = score_matrix(matrix, rubric)
        return cls(
            policy=policy,
            rubric=rubric,
            as_of=max(*(reading.as_of for reading in readings), confirmed or readings[0].as_of),
            is_recorded=True,
            profiles=tuple(reading.profile for reading in readings),
            matrix=matrix,
            scores=scores,
            contributions=contributions,
            flags=check_flags(matrix, policy),
            states=unpack_states([reading.packed.states for reading in readings]),
            since=tuple(reading.flags.since for reading in readings),
        )

    @property
    def accounts(self) -> tuple[str, ...]:
        """Ids of the accounts."""
        return self.matrix.accounts

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        """Ids of the accounts as an array."""
        return np.array(self.accounts, dtype=np.str_)

    @cached_property
    def renewals(self) -> NDArray[np.datetime64]:
        """Days of the renewals, NaT where unknown."""
        return np.array([p.renewal_date for p in self.profiles], dtype="datetime64[D]")

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The row of each account."""
        return {account: row for row, account in enumerate(self.accounts)}

    @cached_property
    def rounded(self) -> Floats:
        """Scores as shown, rounded half up; NaN where there is none."""
        whole = np.floor(np.round(self.scores.score, _PLACES) + 0.5)
        return np.where(self.scores.scored, whole, np.nan)

    @cached_property
    def bands(self) -> Ints:
        """Per account the position of its band in `BANDS`; NO_BAND without a score."""
        cuts = self.policy.bands
        with np.errstate(invalid="ignore"):
            found = np.where(self.rounded >= cuts.green, 0, np.where(self.rounded >= cuts.yellow, 1, 2))
        return np.where(self.scores.scored, found, NO_BAND)

    def band(self, row: int) -> Band | None:
        """The band of one account."""
        return BANDS[self.bands[row]] if self.bands[row] < NO_BAND else None

    @cached_property
    def tiers(self) -> Ints:
        """Per account the position of its tier in `SEVERITIES`: the worst of its raised flags and its band."""
        return self.tiers_of(self.flags.severity)

    def tiers_of(self, severities: Ints) -> Ints:
        """The tiers that these severities of flags would make, (n, flags)."""
        none = SEVERITIES.index(Severity.NONE)
        worst = severities.min(axis=1, initial=none)
        red = np.where(self.bands == BANDS.index(Band.RED), SEVERITIES.index(self.policy.tier.red), none)
        tiers: Ints = np.minimum(worst, red)
        return tiers

    @cached_property
    def arr(self) -> Floats:
        """Annual recurring revenue in the policy's base currency; NaN where it is unknown or has no rate."""
        factors = self.policy.currency.factors()
        return np.array(
            [
                np.nan
                if p.arr is None or p.currency is None or p.currency not in factors
                else p.arr * factors[p.currency]
                for p in self.profiles
            ],
            dtype=np.float64,
        )

    @cached_property
    def is_customer(self) -> Bools:
        """False for accounts that the CRM says are something else; who is not said to be anything counts."""
        customers = self.policy.customers
        return np.array([p.lifecycle is None or customers.include(p.lifecycle) for p in self.profiles], dtype=bool)

    def raised(self, row: int) -> tuple[str, ...]:
        """Ids of the raised flags of one account, the worst first."""
        columns = [c for c in range(len(self.flags.flags)) if self.flags.raised[row, c]]
        return tuple(self.flags.flags[c] for c in sorted(columns, key=lambda c: self.flags.severity[row, c]))

    @cached_property
    def told(self) -> Mapping[Source, Bools]:
        """Per category the accounts of which at least one of its tables tells something."""
        observed, empty = STATES.index(State.OBSERVED), STATES.index(State.EMPTY)
        found = {source: np.zeros(len(self.accounts), dtype=bool) for source in Source}
        for column, (table, row) in enumerate(TABLES.items()):
            if table != "metric_value":
                states = self.states[:, column]
                found[row.category] |= (states == observed) | (row.is_event & (states == empty))
        return found

    @cached_property
    def is_unmatched(self) -> Bools:
        """Accounts that are listed, but that no other source could be tied to."""
        others = [c for c, table in enumerate(TABLES) if table not in _BESIDE]
        held = np.isin(self.states[:, others], [STATES.index(s) for s in _HELD]).any(axis=1)
        missed = (self.states[:, others] == STATES.index(State.NOT_MATCHED)).any(axis=1)
        unmatched: Bools = ~self.scores.scored & missed & ~held
        return unmatched

    def completeness(self, chosen: Bools | None = None) -> str:
        """How many of some accounts (None: all) are scored, and why the others are not."""
        among = np.ones(len(self.accounts), dtype=bool) if chosen is None else chosen
        scored, unmatched = among & self.scores.scored, among & self.is_unmatched
        rest = among & ~self.scores.scored & ~self.is_unmatched
        reasons = [
            count(*texts, number, n=figure(number))
            for texts, number in (
                (forms("{n} not matched", "{n} not matched"), int(unmatched.sum())),
                (forms("{n} with too little evidence", "{n} with too little evidence"), int(rest.sum())),
            )
            if number
        ]
        text = say("scored {scored} of {all}", scored=figure(int(scored.sum())), all=figure(int(among.sum())))
        return ", ".join([text, listed(reasons)]) if reasons else text

    def data_gaps(self, chosen: Bools) -> str:
        """Which sources are missing for how many of some accounts; empty where nothing is."""
        counts = {source: int((~told & chosen).sum()) for source, told in self.told.items()}
        total = int(chosen.sum())
        said = [
            say("{source} for all", source=source_phrase(source))
            if lacking == total
            else say("{source} for {n}", source=source_phrase(source), n=figure(lacking))
            for source, lacking in counts.items()
            if lacking
        ]
        return listed(said, most=len(Source))


_BESIDE = ("account", "metric_value")
"""Tables that do not tell whether a source of their category is there: the list itself, and what others computed."""
_HELD = (State.OBSERVED, State.EMPTY, State.PARTIAL, State.STALE, State.NOT_APPLICABLE)
