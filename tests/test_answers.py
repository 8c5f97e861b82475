"""Answers: sources are asked side by side and within one deadline; what they said is used again for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import httpx2
import pytest

from account_health.answers import Answers
from account_health.assess import assess
from account_health.calls import Call
from account_health.config import GatherSettings, load_config
from account_health.connectors.base import Delivery, Query
from account_health.errors import AccountNotFound, Fault, SourceError
from account_health.fetched import fetch_inputs
from account_health.gather import Gatherer
from account_health.model import Source, State
from account_health.search import Wanted, search
from account_health.workspace import Workspace, open_database
from beacon import (
    CRM,
    DESK,
    ENVIRONMENT,
    FILES,
    NOW,
    Beacon,
    Watch,
    account,
    configured,
    hang,
    meeting,
    opened,
    refuse,
    report,
    two_customers,
)
from given import AS_OF, DEFAULT_POLICY, Given
from given import account as given_account

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from account_health.model import Assessment

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("beacon_installed")]

PATIENCE = 30
MAY_MISS = "A live list of accounts was searched by its own means, which may miss parts of words."
LOOK_UPS = ["organizations", "organizations"]
WHOLE_DESK = [*LOOK_UPS, "ratings", "tickets"]


@dataclass
class Desks:
    """Several desks side by side, each under a host and a label of its own."""

    every: list[Beacon] = field(default_factory=lambda: [two_customers() for _ in range(4)])

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        """What the desk with the number in the host's name answers."""
        return await self.every[int(request.url.host[-1])].answer(request)

    def opened(self, folder: Path, toml: str = "") -> Workspace:
        """A workspace over all of them."""
        sources = "".join(
            DESK.replace("sources.desk", f"sources.desk{n}") + f'base_url = "https://desk{n}"\nlabel = "Desk {n}"\n'
            for n in range(len(self.every))
        )
        config = load_config(configured(folder, FILES + sources + toml), ENVIRONMENT)
        return Workspace.open(config, Watch(), httpx2.MockTransport(self.answer))


def states(assessment: Assessment, source: Source) -> dict[str | None, State]:
    """The state of every source of a category, by label."""
    return {found.connector: found.state for found in assessment.inputs if found.source == source}


# --- Side by side ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["organizations", "tickets"])
async def test_every_source_is_asked_before_any_has_answered(tmp_path: Path, path: str) -> None:
    desks = Desks()
    waiting, all_asked = set(), anyio.Event()

    async def wait_for_the_others(request: httpx2.Request) -> None:
        waiting.add(request.url.host)
        if len(waiting) == len(desks.every):
            all_asked.set()
        await all_asked.wait()

    for beacon in desks.every:
        beacon.mishaps[path] = wait_for_the_others
    with anyio.fail_after(PATIENCE):
        found = await desks.opened(tmp_path).assess("A-1")

    assert states(found, Source.SUPPORT) == {f"Desk {n}": State.OBSERVED for n in range(4)}


async def test_every_table_of_a_source_is_asked_for_before_any_is_answered(tmp_path: Path) -> None:
    beacon = two_customers()
    waiting, all_asked = set(), anyio.Event()

    async def wait_for_the_others(request: httpx2.Request) -> None:
        waiting.add(request.url.path)
        if len(waiting) == 2:
            all_asked.set()
        await all_asked.wait()

    beacon.mishaps = {"tickets": wait_for_the_others, "ratings": wait_for_the_others}
    with anyio.fail_after(PATIENCE):
        found = await opened(tmp_path, beacon).assess("A-1")

    assert {report(found, s).state for s in (Source.SUPPORT, Source.SURVEYS)} == {State.OBSERVED}


async def test_a_source_that_never_answers_fails_and_the_others_are_delivered(tmp_path: Path) -> None:
    desks = Desks()
    for name in ("organizations", "tickets", "ratings"):
        desks.every[1].mishaps[name] = hang
    with anyio.fail_after(PATIENCE):
        found = await desks.opened(tmp_path, "[gather]\ndeadline_seconds = 0.7\n").assess("A-1")

    assert states(found, Source.SUPPORT) == {
        "Desk 0": State.OBSERVED,
        "Desk 1": State.FAILED,
        "Desk 2": State.OBSERVED,
        "Desk 3": State.OBSERVED,
    }
    (late,) = [r for r in found.inputs if r.connector == "Desk 1" and r.source == Source.SUPPORT]
    assert "Desk 1 gave no complete answer in time (GET /organizations)" in late.sentence


@dataclass
class Sleeper(Given):
    """A live helpdesk whose connector knows no deadline."""

    label: str = "sleeper"

    def provides(self) -> Mapping[str, Source]:
        """Tickets alone."""
        return {"ticket": Source.SUPPORT}

    def fingerprint(self, as_of: datetime) -> None:
        """Live."""

    async def fetch(self, query: Query) -> Sequence[Delivery]:  # noqa: ARG002 - the protocol names it
        """Never answers."""
        await anyio.sleep_forever()
        raise AssertionError


async def test_a_connector_that_heeds_no_deadline_is_cut_off() -> None:
    gatherer = Gatherer(
        [Given([given_account()]), Sleeper([])],
        open_database(),
        clock=lambda: NOW,
        settings=GatherSettings(deadline_seconds=0.2),
    )
    with anyio.fail_after(PATIENCE):
        (found,) = await assess(gatherer, DEFAULT_POLICY, NOW.astimezone(UTC).replace(tzinfo=None), ["acme"])

    assert report(found, Source.SUPPORT).state is State.FAILED
    assert "No complete answer within 0.2 seconds" in report(found, Source.SUPPORT).sentence


async def test_the_time_for_the_accounts_counts_towards_the_deadline_of_the_call(tmp_path: Path) -> None:
    beacon = Beacon(accounts=[account("A-1", "Acme")])
    asked_at: dict[str, float] = {}

    async def slow(_: httpx2.Request) -> None:
        asked_at["accounts"] = anyio.current_time()
        await anyio.sleep(0.5)

    async def late(_: httpx2.Request) -> None:
        asked_at["cut off"] = anyio.current_effective_deadline()
        await anyio.sleep_forever()

    beacon.mishaps = {"accounts": slow, "meetings": late}
    toml = CRM + "[gather]\ndeadline_seconds = 1\n"
    with anyio.fail_after(PATIENCE):
        found = await opened(tmp_path, beacon, toml).assess("Acme")

    assert report(found, Source.CRM).state is State.PARTIAL
    assert asked_at["cut off"] - asked_at["accounts"] < 1


async def test_a_call_that_is_given_up_gives_up_its_requests_and_is_forgotten(tmp_path: Path) -> None:
    beacon = two_customers()
    begun, given_up = anyio.Event(), []

    async def never(request: httpx2.Request) -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            given_up.append(request.url.path)

    beacon.mishaps = {"tickets": never}
    workspace = opened(tmp_path, beacon)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(workspace.assess, "A-1")
            await begun.wait()
            group.cancel_scope.cancel()
    assert given_up == ["/tickets"]

    beacon.mishaps.clear()
    assert report(await workspace.assess("A-1"), Source.SUPPORT).rows == 2


# --- Kept answers ---------------------------------------------------------------------------------------------------


async def test_an_answer_is_used_again_for_a_while_with_its_age_shown(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon, FILES + DESK + "[gather]\nkeep_seconds = 60\n")
    await workspace.assess("A-1")
    assert beacon.paths() == WHOLE_DESK

    beacon.clock.forward(seconds=59)
    beacon.tickets.clear()
    kept = await workspace.assess("A-1")
    assert beacon.paths() == []
    assert (report(kept, Source.SUPPORT).rows, report(kept, Source.SUPPORT).as_of) == (2, NOW)

    beacon.clock.forward(seconds=1)
    fresh = await workspace.assess("A-1")
    assert beacon.paths() == WHOLE_DESK
    assert report(fresh, Source.SUPPORT).state is State.EMPTY


async def test_nothing_is_kept_if_the_operator_says_so(tmp_path: Path) -> None:
    beacon = Beacon(accounts=[account("A-1", "Acme")])
    workspace = opened(tmp_path, beacon, CRM + "[gather]\nkeep_seconds = 0\n")
    for _ in range(2):
        await workspace.assess("Acme")
        assert beacon.paths() == ["accounts", "meetings"], "what is found within a call serves it to its end"


async def test_another_account_is_asked_about_and_the_first_is_kept(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon)
    asked = []
    for name in ("A-1", "B-2", "A-1", "B-2"):
        await workspace.assess(name)
        asked.append(len(beacon.paths()))
    assert asked == [4, 4, 0, 0]


async def test_refresh_asks_live_sources_again_the_list_of_accounts_included(tmp_path: Path) -> None:
    beacon = Beacon(accounts=[account("A-1", "Acme")], meetings=[meeting(1, of="A-1")])
    workspace = opened(tmp_path, beacon, CRM)
    with pytest.raises(AccountNotFound):
        await workspace.assess("Bolt")
    await workspace.assess("Acme")
    beacon.paths()
    beacon.accounts.append(account("B-2", "Bolt"))
    beacon.meetings.append(meeting(2, of="A-1"))

    assert report(await workspace.assess("Acme"), Source.CRM).rows == 2, "the account and its meeting"
    with pytest.raises(AccountNotFound):
        await workspace.assess("Bolt")
    assert beacon.paths() == []

    assert report(await workspace.assess("Acme", refresh=True), Source.CRM).rows == 3
    assert beacon.paths() == ["accounts", "meetings"]
    assert (await workspace.assess("Bolt", refresh=True)).account.id == "B-2"
    fetched = await fetch_inputs(workspace, "Acme", "crm", 20, refresh=True)
    assert beacon.paths() == ["accounts", "accounts", "meetings", "meetings"]
    assert fetched.tables["touchpoint"].total == 2


async def test_what_is_refreshed_is_kept_for_others(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon)
    await workspace.assess("A-1", refresh=True)
    beacon.paths()
    await workspace.assess("A-1")
    assert beacon.paths() == []


async def test_a_failed_answer_is_not_kept(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon)
    beacon.mishaps["ratings"] = refuse(403)
    assert report(await workspace.assess("A-1"), Source.SURVEYS).state is State.FAILED
    beacon.mishaps.clear()
    beacon.paths()

    assert report(await workspace.assess("A-1"), Source.SURVEYS).state is State.OBSERVED
    assert beacon.paths() == WHOLE_DESK


async def test_an_answer_about_all_accounts_serves_each_of_them(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.accounts = [account("A-1", "Acme", "acme.example"), account("B-2", "Bolt", "bolt.example")]
    workspace = opened(tmp_path, beacon, CRM + DESK)
    every = await assess(workspace.sources, workspace.policy, workspace.instant())
    assert beacon.paths() == ["accounts", "meetings", "organizations", "ratings", "tickets"]

    assert [await workspace.assess(name) for name in ("Acme", "B-2")] == every
    assert beacon.paths() == []


async def test_an_account_found_by_its_name_is_not_looked_up_again_by_its_id(tmp_path: Path) -> None:
    beacon = Beacon(accounts=[account("A-1", "Acme", "acme.example")])
    workspace = opened(tmp_path, beacon, CRM)
    await workspace.assess("Acme")
    assert beacon.paths() == ["accounts", "meetings"]
    await workspace.assess("A-1")
    assert beacon.paths() == []


async def test_an_account_that_came_along_with_another_is_looked_up_for_itself(tmp_path: Path) -> None:
    names = [account("A-1", "Acme", "acme.example"), account("B-2", "Bolt", "acme.example", "bolt.example")]
    beacon = Beacon(accounts=[*names, account("C-3", "Crane", "bolt.example")])
    workspace = opened(tmp_path, beacon, CRM)
    await workspace.assess("Acme")
    beacon.paths()

    assert (await workspace.assess("B-2")).account.name == "Bolt"
    assert beacon.paths() == ["accounts", "meetings"]


async def test_a_few_accounts_are_asked_about_alone_and_more_of_them_by_the_lists(tmp_path: Path) -> None:
    names = [f"A-{n}" for n in range(6)]
    beacon = Beacon(accounts=[account(name, name) for name in names], meetings=[meeting(n, of=n) for n in names])
    few, many = opened(tmp_path, beacon, CRM), opened(tmp_path, beacon, CRM)

    found = await assess(few.sources, few.policy, few.instant(), names[:5])
    assert [a.account.id for a in found] == names[:5]
    assert {report(a, Source.CRM).rows for a in found} == {2}
    assert beacon.paths() == [*["accounts"] * 5, "meetings"]

    found = await assess(many.sources, many.policy, many.instant(), names)
    assert [a.account.id for a in found] == names
    assert beacon.paths() == ["accounts", "meetings"]


async def test_accounts_of_which_one_was_asked_about_before_all_were_are_found_together(tmp_path: Path) -> None:
    beacon = Beacon(accounts=[account("A-1", "Acme"), account("B-2", "Bolt")])
    workspace = opened(tmp_path, beacon, CRM)
    await workspace.assess("A-1")
    await workspace.inputs(workspace.instant())
    beacon.paths()

    found = await assess(workspace.sources, workspace.policy, workspace.instant(), ["A-1", "B-2"])
    assert [a.account.id for a in found] == ["A-1", "B-2"]
    assert beacon.paths() == []


async def test_a_list_that_fails_for_one_of_a_few_accounts_fails(tmp_path: Path) -> None:
    beacon = Beacon(accounts=[account("A-1", "Acme"), account("B-2", "Bolt")])

    async def refuse_bolt(request: httpx2.Request) -> httpx2.Response | None:
        return httpx2.Response(403) if request.url.params.get("search") == "B-2" else None

    beacon.mishaps["accounts"] = refuse_bolt
    workspace = opened(tmp_path, beacon, CRM)
    with pytest.raises(SourceError, match="Beacon CRM does not let these credentials read this"):
        await assess(workspace.sources, workspace.policy, workspace.instant(), ["A-1", "B-2"])


# --- The same question at the same moment -----------------------------------------------------------------------------


async def at_once(ask: Callable[[], Awaitable[object]], times: int = 5) -> list[object]:
    """What so many equal questions bring that are asked before any is answered."""
    found: list[object] = []

    async def one() -> None:
        found.append(await ask())

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            for _ in range(times):
                group.start_soon(one)
    return found


async def test_equal_questions_at_the_same_moment_are_one_question_to_each_source(tmp_path: Path) -> None:
    beacon = two_customers()
    found = await at_once(partial(opened(tmp_path, beacon).assess, "A-1"))
    assert beacon.paths() == WHOLE_DESK
    assert found == [found[0]] * 5

    workspace = opened(tmp_path, beacon)
    await at_once(partial(workspace.inputs, workspace.instant()))
    assert beacon.paths() == ["organizations", "ratings", "tickets"]


@pytest.mark.parametrize(("keep_seconds", "refresh"), [(0, False), (300, True)])
async def test_what_is_not_to_be_used_again_serves_those_who_waited_for_it(
    tmp_path: Path, keep_seconds: int, *, refresh: bool
) -> None:
    beacon = Beacon(accounts=[account("A-1", "Acme")])
    workspace = opened(tmp_path, beacon, f"{CRM}[gather]\nkeep_seconds = {keep_seconds}\n")
    for _ in range(2):
        await at_once(partial(workspace.assess, "A-1", refresh=refresh))
        assert beacon.paths() == ["accounts", "meetings"]


async def test_a_file_is_read_once_for_all_who_ask_at_the_same_moment() -> None:
    read = []

    class Slow(Given):
        async def fetch(self, query: Query) -> Sequence[Delivery]:
            read.append(query)
            await anyio.sleep(0.05)
            return await super().fetch(query)

    answers = Answers([Slow([given_account()])], lambda: NOW, GatherSettings())
    await at_once(lambda: answers.ask({0: Query(AS_OF)}, Call()))
    assert len(read) == 1


async def test_a_failure_is_one_failure_for_all_who_waited_for_it(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.mishaps["ratings"] = refuse(403)
    found = await at_once(partial(opened(tmp_path, beacon).assess, "A-1"))
    assert beacon.paths() == WHOLE_DESK
    assert found == [found[0]] * 5


async def test_who_waits_for_another_who_gives_up_asks_for_himself(tmp_path: Path) -> None:
    beacon = two_customers()
    begun, first = anyio.Event(), anyio.CancelScope()

    async def hang_once(_: httpx2.Request) -> None:
        beacon.mishaps.clear()
        begun.set()
        await anyio.sleep_forever()

    async def give_up() -> None:
        with first:
            await workspace.assess("A-1")

    async def wait() -> None:
        found.append(report(await workspace.assess("A-1"), Source.SUPPORT).rows)

    beacon.mishaps["tickets"] = hang_once
    workspace, found = opened(tmp_path, beacon), list[int]()
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(give_up)
            await begun.wait()
            for _ in range(3):
                group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert found == []
            first.cancel()

    assert found == [2, 2, 2]
    assert beacon.paths() == sorted([*WHOLE_DESK, *WHOLE_DESK]), "by the first and by one of those who waited"


async def test_who_waits_for_another_waits_no_longer_than_his_own_deadline() -> None:
    answers = Answers([Sleeper([])], lambda: NOW, GatherSettings())
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(answers.ask, {0: Query(AS_OF)}, Call())
            await anyio.wait_all_tasks_blocked()
            late = await answers.ask({0: Query(AS_OF)}, Call(anyio.current_time() + 0.2))
            group.cancel_scope.cancel()

    (failed,) = late[0].deliveries
    assert (failed.fault, failed.table) == (Fault.TIMEOUT, "ticket")
    assert failed.failure is not None
    assert failed.failure.startswith("No time was left.")


async def test_who_has_more_time_than_the_one_he_waited_for_asks_again(tmp_path: Path) -> None:
    beacon = two_customers()
    begun = anyio.Event()

    async def hang_once(_: httpx2.Request) -> None:
        beacon.mishaps.clear()
        begun.set()
        await anyio.sleep_forever()

    beacon.mishaps["tickets"] = hang_once
    workspace = opened(tmp_path, beacon)
    ask = partial(workspace.sources.gather, workspace.policy, workspace.instant(), None)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(ask, Call(anyio.current_time() + 0.3))
            await begun.wait()
            found = await ask(Call())

    assert len(found.tables.rows("SELECT * FROM ticket")) == 3
    assert beacon.paths() == sorted(["organizations", "ratings", "tickets"] * 2)


async def test_questions_of_different_event_loops_do_not_wait_for_each_other(tmp_path: Path) -> None:
    beacon = two_customers()
    begun, go_on = anyio.Event(), anyio.Event()

    async def wait_once(_: httpx2.Request) -> None:
        beacon.mishaps.clear()
        begun.set()
        await go_on.wait()

    beacon.mishaps["tickets"] = wait_once
    workspace, found = opened(tmp_path, beacon), list[int]()

    async def ask() -> None:
        found.append(report(await workspace.assess("A-1"), Source.SUPPORT).rows)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await begun.wait()
            await anyio.to_thread.run_sync(anyio.run, ask)
            assert found == [2]
            go_on.set()
    assert found == [2, 2]


# --- Answers about all that are cut -----------------------------------------------------------------------------------


async def test_a_cut_answer_about_all_accounts_does_not_serve_a_question_about_one(tmp_path: Path) -> None:
    beacon = two_customers()
    beacon.page_size = 2
    workspace = opened(tmp_path, beacon, FILES + DESK + "max_pages = 1\n")
    every = await assess(workspace.sources, workspace.policy, workspace.instant())
    assert {report(found, Source.SUPPORT).state for found in every} == {State.PARTIAL}
    beacon.paths()

    one = await workspace.assess("A-1")
    assert (report(one, Source.SUPPORT).state, report(one, Source.SUPPORT).rows) == (State.OBSERVED, 2)
    assert beacon.paths() == WHOLE_DESK
    await workspace.assess("A-1")
    await workspace.inputs(workspace.instant())
    assert beacon.paths() == [], "each question has its answer"


async def test_an_account_beyond_the_end_of_a_cut_list_is_found_by_asking_for_it(tmp_path: Path) -> None:
    beacon = Beacon(accounts=[account(f"A-{n}", f"Name {n}") for n in range(3)], page_size=2)
    workspace = opened(tmp_path, beacon, CRM + "max_pages = 1\n")
    assert len(await assess(workspace.sources, workspace.policy, workspace.instant())) == 2

    assert (await workspace.assess("A-2")).account.name == "Name 2"


async def test_a_source_that_calls_its_answer_about_one_account_partial_is_asked_about_it() -> None:
    asked = []

    class Partial(Sleeper):
        async def fetch(self, query: Query) -> Sequence[Delivery]:
            asked.append(query.accounts)
            state = {"acme": State.PARTIAL} if query.accounts is None else {}
            return [Delivery("ticket", Source.SUPPORT, (), frozenset(), AS_OF, states=state)]

    answers = Answers([Partial([])], lambda: NOW, GatherSettings())
    for accounts in (None, ("acme",), ("bolt",), None, ("acme",)):
        await answers.ask({0: Query(AS_OF, accounts)}, Call())
    assert asked == [None, ("acme",), ("bolt",)]


# --- Searching ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found", "notices", "asked"),
    [
        ("Acme Ltd", ["A-1"], (MAY_MISS,), ["accounts", "meetings"]),
        ("acm", ["A-1", "B-2"], (), ["accounts", "accounts", "meetings"]),
        ("nobody", [], (), ["accounts", "accounts"]),
        ("", ["A-1", "B-2", "C-3"], (), ["accounts", "meetings"]),
    ],
)
async def test_a_live_list_is_searched_by_its_own_means_and_whole_if_these_find_nothing(
    tmp_path: Path, query: str, found: list[str], notices: tuple[str, ...], asked: list[str]
) -> None:
    beacon = Beacon(accounts=[account("A-1", "Acme Ltd"), account("B-2", "Acme East"), account("C-3", "Bolt")])
    answer = await search(opened(tmp_path, beacon, CRM), Wanted(query), 20)

    assert sorted(account.id for account in answer.accounts) == found
    assert answer.total == len(found)
    assert answer.notices == notices
    assert beacon.paths() == asked


async def test_another_day_is_another_question_and_another_hour_is_not(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon)
    asked = []
    for as_of in ("2026-11-20", "2026-11-20T08:00:00Z", "2026-11-19", "2026-11-20"):
        await workspace.assess("A-1", as_of)
        asked.append(len(beacon.paths()))
    assert asked == [4, 0, 4, 0]


async def test_old_answers_are_forgotten(tmp_path: Path) -> None:
    beacon = two_customers()
    workspace = opened(tmp_path, beacon)
    tables = []
    for _ in range(24):
        inputs = await workspace.inputs(workspace.instant())
        tables.append(inputs.tables.rows("SELECT count(*) AS n FROM duckdb_tables() WHERE schema_name LIKE 'live%'")[0])
        beacon.clock.forward(days=1)
    assert tables[-1] == tables[11], "as many as the latest snapshots hold"


# --- What goes wrong ------------------------------------------------------------------------------------------------


async def test_who_is_not_found_may_be_in_a_list_that_could_not_be_read(tmp_path: Path) -> None:
    beacon = Beacon(accounts=[account("C-3", "Crane")])
    beacon.mishaps["accounts"] = refuse(403)
    workspace = opened(tmp_path, beacon, FILES + CRM.replace("sources.crm", "sources.other"))

    assert (await workspace.assess("A-1")).account.id == "A-1"
    with pytest.raises(SourceError, match=r"not found, but not all are listed: Beacon CRM does not let these"):
        await workspace.assess("Crane")
    beacon.mishaps.clear()
    with pytest.raises(AccountNotFound):
        await workspace.assess("Nobody")
