"""Many questions at once: each gets its own answer, and large ones leave the event loop free for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from account_health.recording import record_all
from beacon import CRM, DESK, Beacon, account, opened, organization, ticket

if TYPE_CHECKING:
    from pathlib import Path

    from account_health.workspace import Workspace

pytestmark = pytest.mark.anyio

CUSTOMERS = 40
"""More than snapshots are kept."""


def crowd() -> Beacon:
    """As many customers as that, the one with number N with N tickets."""
    numbers = range(CUSTOMERS)
    return Beacon(
        accounts=[account(f"A-{n}", f"Account {n}", f"account-{n}.example") for n in numbers],
        organizations=[organization(n, f"Account {n}", domains=[f"account-{n}.example"]) for n in numbers],
        tickets=[ticket(f"{n}-{k}", n) for n in numbers for k in range(n)],
    )


async def tickets_of(workspace: Workspace, number: int) -> float:
    assessment = await workspace.assess(f"A-{number}")
    return next(factor.value for factor in assessment.factors if factor.metric == "tickets_30d")


@pytest.mark.usefixtures("beacon_installed")
@pytest.mark.parametrize("is_recorded", [False, True])
async def test_many_accounts_of_live_systems_are_answered_side_by_side(tmp_path: Path, is_recorded: bool) -> None:  # noqa: FBT001 - a case
    beacon = crowd()
    workspace = opened(tmp_path, beacon, CRM + DESK)
    if is_recorded:
        await record_all(workspace, "Mara", lambda *_: None)
        beacon.clock.forward(days=2)
    found: dict[int, float] = {}

    async def ask(number: int) -> None:
        found[number] = await tickets_of(workspace, number)

    async with anyio.create_task_group() as group:
        for number in range(CUSTOMERS):
            group.start_soon(ask, number)
    assert found == {number: number for number in range(CUSTOMERS)}
