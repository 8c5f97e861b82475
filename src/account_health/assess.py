"""Assess: THE pipeline, for one account or all, now or as of the past. Everything else is an adapter around this page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from account_health.evaluation import Evaluation, evaluate
from account_health.explain import explain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from account_health.gather import Gatherer
    from account_health.model import Assessment
    from account_health.policy import Policy


async def assess(
    sources: Gatherer, policy: Policy, as_of: datetime, accounts: Sequence[str] | None = None
) -> list[Assessment]:
    """The health of some accounts by id (None: of all), as of a naive UTC instant, sorted by id.

    Unknown ids are simply absent. Raises SourceError when no list of accounts can be had at all; any other failure of a source
    is part of the answer.
    """
    evaluation = await evaluated(sources, policy, as_of, accounts)
    return [explain(evaluation, row) for row in range(len(evaluation.accounts))]


async def evaluated(
    sources: Gatherer, policy: Policy, as_of: datetime, accounts: Sequence[str] | None = None
) -> Evaluation:
    """The same, before it is put into words: scores and flags of all accounts as arrays."""
    inputs = await sources.gather(policy, as_of, accounts)
    return evaluate(inputs, policy)
