"""Writing back when things go wrong at the worst moment: what was written is on record all the same, and it ends."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from account_health.errors import HistoryError
from account_health.memory import Memory
from account_health.publish.report import Outcome
from account_health.publish.writing_back import carried_out
from intacct_company import Company
from moving import recorded_by
from publishing import plan_for, rows_of, writing_to

if TYPE_CHECKING:
    from pathlib import Path

    from account_health.publish.plan import Plan
    from account_health.workspace import Workspace

pytestmark = pytest.mark.anyio

BANDS = {"birch": "green", "cedar": "yellow", "elm": "red"}
SCORE = "customerAccountHealth.healthScore"


class Moody(Company):
    """A company that carries changes out and answers something else, or slowly."""

    instead: httpx2.Response | None = None
    """What it answers to every change."""
    slowly: asyncio.Event | None = None
    """Set once a change was carried out, whose answer then takes a while."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.targets: list[bytes] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Its answer to a request."""
        if request.method == "PATCH":
            self.targets.append(request.url.raw_path)
        response = await super().handle_async_request(request)
        if request.method == "PATCH" and self.slowly:
            self.slowly.set()
            await asyncio.sleep(0.1)
        return self.instead if request.method == "PATCH" and self.instead else response


def company_of(*names: str) -> Moody:
    company = Moody()
    for name in names or BANDS:
        company.add_customer(name)
    return company


def scene(company: Company, tmp_path: Path, **bands: str) -> Workspace:
    return writing_to(company, rows_of(**(bands or BANDS)), tmp_path / "history.sqlite")


def published(workspace: Workspace) -> list[Any]:
    """What is on record, oldest first."""
    return workspace.memory.store().activities(kind="published")[::-1]


def outcomes(plan: Plan) -> dict[str, str]:
    return {entry.standing.account: entry.outcome.value for entry in plan.entries}


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, text="<html>done</html>", headers={"content-type": "text/html"}),
        httpx2.Response(200, json=None),
        httpx2.Response(200, json=[]),
        httpx2.Response(200, json={"ia::result": {"key": "another"}}),
        httpx2.Response(504, text="too late"),
    ],
    ids=["html", "null", "list", "another record", "gateway"],
)
async def test_a_change_whose_answer_says_nothing_is_looked_for_and_put_on_record(
    tmp_path: Path, answer: httpx2.Response
) -> None:
    company = company_of("birch")
    company.instead = answer
    workspace = scene(company, tmp_path, birch="green")
    done = await carried_out(workspace, await plan_for(workspace, company), "Mara")
    assert outcomes(done) == {"birch": "written"}
    assert [found.account for found in published(workspace)] == ["birch"]


async def test_a_change_that_is_not_there_after_an_answer_that_says_nothing_has_failed(tmp_path: Path) -> None:
    company = company_of("birch")
    plan = await plan_for(workspace := scene(company, tmp_path, birch="green"), company)
    company.fail("birch", 502)
    done = await carried_out(workspace, plan, "Mara")
    assert outcomes(done) == {"birch": "failed"}
    assert published(workspace) == []


@pytest.mark.parametrize("body", [{"ia::error": {"code": "no"}}, {"error": {"code": "no"}}])
async def test_an_error_in_any_envelope_is_a_failure_whatever_its_status(tmp_path: Path, body: Any) -> None:
    company = company_of("birch")
    plan = await plan_for(workspace := scene(company, tmp_path, birch="green"), company)
    company.fail("birch", 422)
    company.instead = httpx2.Response(200, json=body)
    (entry,) = (await carried_out(workspace, plan, "Mara")).entries
    assert (entry.outcome, entry.fault) == (Outcome.FAILED, "refused")


async def test_an_interruption_waits_until_the_change_under_way_is_on_record(tmp_path: Path) -> None:
    company = company_of()
    plan = await plan_for(workspace := scene(company, tmp_path), company)
    company.slowly = asyncio.Event()
    going = asyncio.create_task(carried_out(workspace, plan, "Mara"))
    await company.slowly.wait()
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert len(company.patches) == len(published(workspace)) == 1


async def test_two_who_write_different_values_at_once_are_both_on_record(tmp_path: Path) -> None:
    company = company_of("birch")
    first, second = scene(company, tmp_path, birch="green"), scene(company, tmp_path, birch="red")
    plans = [await plan_for(first, company), await plan_for(second, company)]
    company.slowly = asyncio.Event()
    await asyncio.gather(carried_out(first, plans[0], "Mara"), carried_out(second, plans[1], "Noor"))
    assert sorted((found.author, json.loads(found.after)["score"]) for found in published(first)) == [
        ("Mara", 100), ("Noor", 13),
    ]  # fmt: skip


async def test_a_history_that_takes_nothing_stops_it_before_the_first_change(tmp_path: Path) -> None:
    company = company_of("birch")
    plan = await plan_for(workspace := scene(company, tmp_path, birch="green"), company)
    store = workspace.memory.store()
    with store._database.reading() as connection:  # noqa: SLF001 - a disk that nobody may write to, for root too
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(HistoryError):
        await carried_out(workspace, plan, "Mara")
    assert company.patches == []


async def test_a_customer_id_that_the_company_has_twice_is_left_alone(tmp_path: Path) -> None:
    company = company_of("birch", "birch", "cedar")
    workspace = scene(company, tmp_path, birch="green", cedar="green")
    done = await carried_out(workspace, await plan_for(workspace, company), "Mara")
    assert outcomes(done) == {"birch": "not_matched", "cedar": "written"}
    assert done.entries[0].sentence == "Sage Intacct has this customer id more than once."


async def test_a_key_cannot_lead_to_another_address(tmp_path: Path) -> None:
    company = company_of("birch")
    plan = await plan_for(workspace := scene(company, tmp_path, birch="green"), company)
    plan = replace(plan, entries=(replace(plan.entries[0], key="1/../../user/7?x=#"),))
    assert outcomes(await carried_out(workspace, plan, "Mara")) == {"birch": "failed"}
    assert company.targets == [b"/ia/api/v1/objects/accounts-receivable/customer/1%2F..%2F..%2Fuser%2F7%3Fx%3D%23"]


@pytest.mark.parametrize("there", [True, "many", [1], {"a": 1}, 57.5])
async def test_a_score_that_is_none_differs_and_is_replaced(tmp_path: Path, there: Any) -> None:
    company = company_of("birch")
    company.customer("birch")[SCORE] = there
    workspace = scene(company, tmp_path, birch="green")
    await carried_out(workspace, await plan_for(workspace, company), "Mara")
    assert company.customer("birch")[SCORE] == 100


async def test_a_recorded_run_is_not_written_over_what_was_published_after_it(tmp_path: Path) -> None:
    company = company_of("birch")
    await recorded_by(scene(company, tmp_path, birch="yellow"))
    later = scene(company, tmp_path, birch="red")
    now = later.clock() + timedelta(hours=1)
    later = replace(later, clock=lambda: now, memory=Memory(later.config.history, lambda: now))
    await carried_out(later, await plan_for(later, company, "birch"), "Mara")
    assert company.customer("birch")[SCORE] == 13
    assert outcomes(await plan_for(later, company)) == {"birch": "unchanged"}
