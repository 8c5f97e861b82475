"""Assess: THE pipeline, for one account or all, now or as of the past; everything else is an adapter around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from account_health.evaluation import Evaluation
from account_health.explain import explain
from account_health.flags import check_flags
from account_health.language import say, spoken
from account_health.metrics.measure import measure
from account_health.once import Once
from account_health.progress import step
from account_health.remembered import remembered
from account_health.scoring import Rubric, score_matrix

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from datetime import datetime

    from account_health.calls import Call
    from account_health.gather import Gatherer
    from account_health.inputs import Inputs
    from account_health.memory import Recalled
    from account_health.model import Assessment
    from account_health.policy import Policy
    from account_health.workbench import Workbench


async def assess(
    sources: Gatherer,
    policy: Policy,
    as_of: datetime,
    accounts: Sequence[str] | None = None,
    kept: Evaluations | None = None,
) -> list[Assessment]:
    """The health of some accounts by id (None: of all), as of a naive UTC instant, sorted by id.

    Unknown ids are simply absent. Raises SourceError when no list of accounts can be had at all; any other failure of a
    source is part of the answer.
    """
    evaluation = await evaluated(sources, policy, as_of, accounts, kept)
    return [explain(evaluation, row) for row in range(len(evaluation.accounts))]


async def evaluated(  # noqa: PLR0913, PLR0917 - the pipeline's arguments
    sources: Gatherer,
    policy: Policy,
    as_of: datetime,
    accounts: Sequence[str] | None = None,
    kept: Evaluations | None = None,
    call: Call | None = None,
    known_until: datetime | None = None,
) -> Evaluation:
    """The same before it is put into words: metrics, scores and flags as arrays."""
    async with step(say("Scores are computed.")):
        async with step(say("All sources are read.")):
            inputs = await sources.gather(policy, as_of, accounts, call, known_until)
        return await (kept or Evaluations()).of(inputs, policy, sources.bench)


def evaluate(inputs: Inputs, policy: Policy) -> Evaluation:
    """Tables to metrics, metrics to scores and flags."""
    matrix = measure(inputs, policy)
    rubric = Rubric.of(policy)
    scores, contributions = score_matrix(matrix, rubric)
    flags = check_flags(matrix, policy)
    return Evaluation(inputs, policy, rubric, matrix, scores, contributions, flags)


class Evaluations:
    """Remembers the newest evaluations of inputs that have not changed since; few of all accounts, which are large."""

    def __init__(self, most: int = 32, most_whole: int = 4) -> None:
        self._most = {False: most, True: most_whole}
        self._kept: dict[bool, dict[Hashable, Evaluation]] = {False: {}, True: {}}

    async def of(self, inputs: Inputs, policy: Policy, bench: Workbench) -> Evaluation:
        """The evaluation of these inputs, computed at most once per snapshot, instant, accounts and policy."""
        is_whole = inputs.tables.asked is None
        kept, most = self._kept[is_whole], self._most[is_whole]
        key = (inputs.snapshot, inputs.tables.asked, policy.ref.hash)
        if there := kept.get(key):
            return there

        def made() -> Evaluation:
            if key not in kept:
                while len(kept) >= most:
                    del kept[next(iter(kept))]
                kept[key] = evaluate(inputs, policy)
            return kept[key]

        size = sum(holding.rows_total for holding in inputs.holdings) if is_whole else len(inputs.tables.asked or ())
        return await bench.make(made, size=size)


class Explanations:
    """Remembers the newest assessments that are still asked about, in each language of their own."""

    def __init__(self) -> None:
        self._once: Once[Assessment] = Once()

    def of(self, evaluation: Evaluation, row: int) -> Assessment:
        """The explanation of one row, put into words at most once per evaluation and language."""
        return self._once.of((evaluation, spoken()), row, lambda: explain(evaluation, row))

    def remembered(
        self, explained: Assessment, evaluation: Evaluation, then: Evaluation | None, recalled: Recalled
    ) -> Assessment:
        """The same with what the history adds, at most once as long as nothing is added to the history."""
        made_of = (explained, evaluation, then, recalled)
        return self._once.of(made_of, 0, lambda: remembered(explained, evaluation, then, recalled))
