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

SMALL, LARGE = 1, 1_000_000


@asynccontextmanager
async def occupied(bench: Workbench) -> AsyncIterator[None]:
    """The bench is taken by work that ends with the block; while it lasts the event loop must be free."""
    begun, end = Event(), Event()

    def work() -> None:
        begun.set()
        assert end.wait(PATIENCE)

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: bench.make(work, size=LARGE))
        assert await anyio.to_thread.run_sync(begun.wait, PATIENCE)
        try:
            yield
        finally:
            end.set()


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_no_two_computations_are_under_way_at_once(size: int) -> None:
    bench, first, second, met = Workbench(), Event(), Event(), []

    def work(mine: Event, other: Event) -> None:
        mine.set()
        met.append(other.wait(0.2))
        mine.clear()

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: bench.make(lambda: work(first, second), size=LARGE))
        await anyio.to_thread.run_sync(first.wait, PATIENCE)
        group.start_soon(lambda: bench.make(lambda: work(second, first), size=size))
    assert met == [False, False]


async def test_small_work_waits_for_what_is_under_way_but_not_for_what_waits_before_it() -> None:
    bench, made = Workbench(), []

    async def ask(what: str, size: int) -> None:
        made.append(await bench.make(lambda: what, size=size))

    async with anyio.create_task_group() as group, occupied(bench):
        for number in range(20):
            group.start_soon(ask, f"large {number}", LARGE)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(ask, "small", SMALL)
        await anyio.wait_all_tasks_blocked()
        assert made == []
    assert made.index("small") < 5
    assert len(made) == 21


async def test_waiting_for_the_bench_takes_no_thread_from_others() -> None:
    bench = Workbench()
    async with anyio.create_task_group() as group, occupied(bench):
        for _ in range(100):
            group.start_soon(lambda: bench.make(lambda: None, size=LARGE))
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(PATIENCE):
            assert await anyio.to_thread.run_sync(lambda: "at once") == "at once"
        assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
        group.cancel_scope.cancel()


async def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    bench, begun = Workbench(), []
    async with occupied(bench):
        for size in (SMALL, LARGE, LARGE):
            with anyio.move_on_after(0.05) as scope:
                await bench.make(lambda: begun.append("late"), size=size)
            assert scope.cancelled_caught
    assert await bench.make(lambda: "next", size=LARGE) == "next"
    assert await bench.make(lambda: "next", size=SMALL) == "next"
    assert begun == []


async def test_what_goes_wrong_at_the_bench_is_told_to_who_asked() -> None:
    bench = Workbench()
    for size in (SMALL, LARGE):
        with pytest.raises(ZeroDivisionError):
            await bench.make(lambda: 1 // 0, size=size)
    assert await bench.make(lambda: "next", size=SMALL) == "next"


async def test_the_language_of_the_call_is_spoken_at_the_bench() -> None:
    with speaking("fr"):
        assert await Workbench().make(lambda: say("No risk flags."), size=LARGE) == "Aucun signal d'alerte."


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
