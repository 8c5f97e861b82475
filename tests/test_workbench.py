"""The workbench: one computation after the other, and none of them in the way of questions that need none."""

from __future__ import annotations

from contextlib import asynccontextmanager
from threading import Event
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from account_health.language import say, speaking
from account_health.workbench import Workbench
from doors import DAY, PATIENCE, configured, workspace_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def occupied(bench: Workbench) -> AsyncIterator[None]:
    """The bench is taken by work that ends with the block; while it lasts the event loop must be free."""
    begun, end = Event(), Event()

    def work() -> None:
        begun.set()
        assert end.wait(PATIENCE)

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: bench.make(work, is_large=True))
        assert await anyio.to_thread.run_sync(begun.wait, PATIENCE)
        try:
            yield
        finally:
            end.set()


@pytest.mark.parametrize("is_large", [False, True])
async def test_no_two_computations_are_under_way_at_once(is_large: bool) -> None:  # noqa: FBT001 - a case
    bench, under_way, most, done = Workbench(), 0, 0, []

    def work(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        sum(range(10_000))
        under_way -= 1
        return number

    async def ask(number: int) -> None:
        done.append(await bench.make(lambda: work(number), is_large=is_large or number % 2 == 0))

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(ask, number)
    assert sorted(done) == [*range(50)]
    assert most == 1


async def test_small_work_waits_for_its_turn_without_stopping_the_loop() -> None:
    bench, made = Workbench(), []
    async with anyio.create_task_group() as group, occupied(bench):

        async def ask() -> None:
            made.append(await bench.make(lambda: "small", is_large=False))

        group.start_soon(ask)
        for _ in range(20):
            await anyio.sleep(0.001)
        assert made == []
    assert made == ["small"]


async def test_whoever_gives_up_need_not_wait_and_leaves_the_bench_in_order() -> None:
    bench = Workbench()
    async with occupied(bench):
        with anyio.move_on_after(0.05) as scope:
            await bench.make(lambda: "late", is_large=True)
        assert scope.cancelled_caught
    assert await bench.make(lambda: "next", is_large=False) == "next"


async def test_what_goes_wrong_at_the_bench_is_told_to_who_asked() -> None:
    bench = Workbench()
    for is_large in (False, True):
        with pytest.raises(ZeroDivisionError):
            await bench.make(lambda: 1 // 0, is_large=is_large)
    assert await bench.make(lambda: "next", is_large=False) == "next"


async def test_the_language_of_the_call_is_spoken_at_the_bench() -> None:
    with speaking("fr"):
        assert await Workbench().make(lambda: say("No risk flags."), is_large=True) == "Aucun signal d'alerte."


async def test_what_is_at_hand_is_answered_while_a_portfolio_is_computed(tmp_path: Path) -> None:
    workspace = workspace_over(configured(tmp_path, account="account_id,name\nA-1,Acme\nB-2,Bolt\n"))
    first = await workspace.assess("A-1", DAY)
    async with anyio.create_task_group() as group, occupied(workspace.sources.bench):
        with anyio.fail_after(PATIENCE):
            assert await workspace.assess("A-1", DAY) == first
        found = []

        async def ask() -> None:
            found.append(await workspace.assess("B-2", DAY))

        group.start_soon(ask)
        await anyio.sleep(0.05)
        assert found == []
    assert found[0].account.id == "B-2"
