"""Peers: where an account or a group lies farthest below the others, checked against the same worked out by hand."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from account_health.peers import Peers
from account_health.standings import Standings
from account_health.wording import lower_first
from history.readings import POLICY, other_policy, packed, reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from account_health.policy import Policy

Values = dict[str, float]
SHOWN = POLICY.portfolio.drivers_shown


def peers(accounts: Sequence[Mapping[str, float]], policy: Policy = POLICY) -> Peers:
    """Accounts a00, a01, ... of which these values are known."""
    readings = [reading(f"a{i:02}", packed=packed(values)) for i, values in enumerate(accounts)]
    return Peers(Standings.of_readings(readings, {POLICY.ref.hash: tuple(POLICY.metrics)}, policy))


def at_distance(points: float, shown: int = SHOWN) -> Policy:
    """The default policy, which names a metric from so many points below its peers on, and so many metrics."""
    changes = {"peer_distance": points, "drivers_shown": shown}
    return other_policy(portfolio=POLICY.portfolio.model_copy(update=changes))


# --- The same by hand -------------------------------------------------------------------------------------------------


def worth(metric: str, value: float) -> float:
    """Points of a value on the curve of a metric."""
    curve = POLICY.metrics[metric].curve
    if value <= curve[0][0]:
        return curve[0][1]
    for (left, low), (right, high) in pairwise(curve):
        if value <= right:
            return low + (high - low) * (value - left) / (right - left)
    return curve[-1][1]


def importance(known: Mapping[str, float]) -> Values:
    """The share of the score that each known metric of an account carries."""
    dimensions = {POLICY.metrics[m].dimension for m in known}
    total = sum(POLICY.dimensions[d].weight for d in dimensions)
    inside = {d: sum(POLICY.metrics[m].weight for m in known if POLICY.metrics[m].dimension == d) for d in dimensions}
    return {
        m: POLICY.dimensions[POLICY.metrics[m].dimension].weight
        / total
        * POLICY.metrics[m].weight
        / inside[POLICY.metrics[m].dimension]
        for m in known
    }


def means(accounts: Sequence[Mapping[str, float]]) -> Values:
    """Mean points of each metric among those of whom it is known."""
    found: dict[str, list[float]] = {}
    for values in accounts:
        for metric, value in values.items():
            found.setdefault(metric, []).append(worth(metric, value))
    return {metric: sum(points) / len(points) for metric, points in found.items()}


def named(gaps: Mapping[str, float], share: Mapping[str, float]) -> tuple[str, ...]:
    """The gaps that are named, the weightiest first."""
    far = [metric for metric in POLICY.weighted if gaps.get(metric, 0) >= POLICY.portfolio.peer_distance]
    far.sort(key=lambda metric: -gaps[metric] * share[metric])
    return tuple(f"{lower_first(POLICY.metrics[m].name)} {gaps[m]:.0f} points below" for m in far[:SHOWN])


def somebody(luck: random.Random) -> Values:
    """An account of which some metrics are known, somewhere on their curves and beyond their ends."""
    known = [metric for metric in POLICY.weighted if luck.random() < 0.6]
    ends = {m: (POLICY.metrics[m].curve[0][0], POLICY.metrics[m].curve[-1][0]) for m in known}
    return {m: low + (high - low) * luck.uniform(-0.1, 1.1) for m, (low, high) in ends.items()}


@pytest.mark.parametrize("seed", range(20))
def test_an_account_is_compared_as_one_would_by_hand(seed: int) -> None:
    luck = random.Random(seed)  # noqa: S311 - numbers to compare, no secret
    accounts = [somebody(luck) for _ in range(luck.randint(2, 12))]
    mean, compared = means(accounts), peers(accounts)
    for row, values in enumerate(accounts):
        gaps = {metric: mean[metric] - worth(metric, value) for metric, value in values.items()}
        assert compared.of_account(row) == named(gaps, importance(values))


@pytest.mark.parametrize("seed", range(20))
def test_a_group_is_compared_as_one_would_by_hand(seed: int) -> None:
    luck = random.Random(seed)  # noqa: S311 - numbers to compare, no secret
    accounts = [somebody(luck) for _ in range(luck.randint(3, 12))]
    codes = [luck.randint(-1, 2) for _ in accounts]
    mean = means(accounts)
    share = {m: POLICY.metrics[m].weight * POLICY.dimensions[POLICY.metrics[m].dimension].weight for m in mean}
    expected = []
    for code in range(3):
        own = means([values for values, c in zip(accounts, codes, strict=True) if c == code])
        expected.append(named({metric: mean[metric] - points for metric, points in own.items()}, share))

    assert list(peers(accounts).of_groups(np.array(codes), 3)) == expected


# --- What the policy decides ------------------------------------------------------------------------------------------


def test_a_metric_is_named_from_the_distance_of_the_policy_on() -> None:
    # On this curve [[0, 0], [6, 30], ...] an answer of 6 has 30 points and one of 2 has 10: the mean is 20.
    accounts = [{"nps_latest": 2.0}, {"nps_latest": 6.0}]

    assert peers(accounts, at_distance(10)).of_account(0) == ("latest NPS answers 10 points below",)
    assert peers(accounts, at_distance(10.001)).of_account(0) == ()
    assert peers(accounts, at_distance(10)).of_account(1) == ()


def test_the_weightiest_come_first_and_no_more_than_the_policy_shows() -> None:
    worst, best = ({m: POLICY.metrics[m].curve[end][0] for m in POLICY.weighted} for end in (0, -1))
    falling = [m for m in POLICY.weighted if POLICY.metrics[m].polarity == "lower_is_better"]
    accounts = [{**worst, **{m: best[m] for m in falling}}, {**best, **{m: worst[m] for m in falling}}]
    every = peers(accounts, at_distance(10, 20)).of_account(0)

    assert len(every) > 3
    assert peers(accounts, at_distance(10, 3)).of_account(0) == every[:3]
    assert peers(accounts, at_distance(10, 1)).of_account(0) == every[:1]
    assert peers(accounts, at_distance(10, 20)).of_account(1) == ()


# --- What is not known ------------------------------------------------------------------------------------------------


def test_nobody_lies_below_peers_that_are_not_there() -> None:
    assert peers([{"nps_latest": 0.0}]).of_account(0) == ()
    assert peers([{"nps_latest": 0.0}, {"open_urgent_tickets": 0.0}]).of_account(0) == ()
    assert peers([{}, {}]).of_account(0) == ()


def test_what_is_unknown_of_an_account_is_neither_compared_nor_in_the_mean() -> None:
    compared = peers([{"nps_latest": 6.0}, {}, {"nps_latest": 10.0}])

    assert np.nanmax(compared.mean) == np.nanmin(compared.mean) == 65
    assert np.isnan(compared.mean).sum() == len(POLICY.weighted) - 1
    assert compared.of_account(1) == ()
    assert compared.of_account(0) == ("latest NPS answers 35 points below",)


def test_facts_have_no_points_to_compare() -> None:
    assert peers([{"open_escalations": 9.0}, {"open_escalations": 0.0}]).of_account(0) == ()


def test_accounts_of_no_group_count_among_the_peers_and_a_group_of_whom_nothing_is_known_is_not_named() -> None:
    compared = peers([{"nps_latest": 6.0}, {}, {"nps_latest": 10.0}])

    assert compared.of_groups(np.array([0, 1, -1]), 2) == [("latest NPS answers 35 points below",), ()]
    assert compared.of_groups(np.array([-1, -1, -1]), 0) == []
    assert compared.of_groups(np.array([-1, -1, -1]), 2) == [(), ()]
