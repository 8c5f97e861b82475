"""Writing health back to a company in Sage Intacct: what is written, what is not, and what comes of trouble."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from account_health.errors import CallerError, ConfigurationError, Fault, HistoryError, SourceError
from account_health.history.records import Kind
from account_health.publish.report import Outcome, as_markdown
from account_health.publish.settings import section
from account_health.publish.target_settings import IntacctSettings
from account_health.publish.writing_back import carried_out
from intacct_company import Company, Health
from moving import customer
from publishing import french, plan_for, rows_of, settings_for, with_section, writing_to

if TYPE_CHECKING:
    from pathlib import Path

    from account_health.publish.plan import Plan
    from account_health.workspace import Workspace

pytestmark = pytest.mark.anyio

AUTHOR = "Mara"
BANDS = {"birch": "green", "cedar": "yellow", "elm": "red", "fir": "not_scored", "larch": "escalated", "oak": "green"}
SCORE, STATUS, CHURN = (
    "customerAccountHealth.healthScore",
    "customerAccountHealth.healthStatus",
    "customerAccountHealth.churnRisk",
)


@dataclass
class Scene:
    """A company, and a workspace that writes to it."""

    company: Company
    workspace: Workspace

    async def plan(self, account: str = "") -> Plan:
        """What would change."""
        return await plan_for(self.workspace, self.company, account)

    async def apply(self, account: str = "") -> Plan:
        """What became of a plan that was carried out at once."""
        return await carried_out(self.workspace, await self.plan(account), AUTHOR)

    def held(self, customer_id: str) -> tuple[Any, Any, Any]:
        """What the company has of a customer."""
        found = self.company.customer(customer_id)
        return found[SCORE], found[STATUS], found[CHURN]

    def published(self) -> list[Any]:
        """What is on record, oldest first."""
        return self.workspace.memory.store().activities(kind="published")[::-1]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Birch is as it should be; cedar and larch are not; elm has nothing yet; fir is not scored; oak is no customer."""
    return scene_with(tmp_path)


def scene_with(tmp_path: Path, company: Company | None = None, **settings: Any) -> Scene:
    company = company or Company()
    company.add_customer("birch", score=100, status="healthy")
    company.add_customer("cedar", score=80, status="healthy")
    company.add_customer("elm")
    company.add_customer("fir", score=55, status="atRisk")
    company.add_customer("larch", score=100, status="healthy")
    workspace = writing_to(company, rows_of(**BANDS), tmp_path / "history.sqlite", **settings)
    return Scene(company, workspace)


def held(score: int, status: str, *, churn_risk: bool = False) -> dict[str, Any]:
    return {"score": score, "status": status, "churn_risk": churn_risk}


def outcomes(plan: Plan) -> dict[str, str]:
    return {entry.standing.account: entry.outcome.value for entry in plan.entries}


# --- The dry run ------------------------------------------------------------------------------------------------------


async def test_a_dry_run_tells_what_would_change_and_writes_nothing(scene: Scene) -> None:
    before = {name: scene.held(name) for name in ("birch", "cedar", "elm", "fir", "larch")}
    plan = await scene.plan()
    assert outcomes(plan) == {
        "birch": "unchanged",
        "cedar": "to_write",
        "elm": "to_write",
        "fir": "not_scored",
        "larch": "to_write",
        "oak": "not_matched",
    }
    assert {asked.method for asked in scene.company.requests} == {"GET", "POST"}
    assert scene.company.patches == []
    assert {name: scene.held(name) for name in before} == before
    assert not scene.workspace.memory.exists


async def test_a_dry_run_asks_for_the_model_once_and_for_all_customers_in_one_query(scene: Scene) -> None:
    await scene.plan()
    assert [asked.path.rpartition("/")[2] for asked in scene.company.requests] == ["model", "query"]
    assert scene.company.tokens_granted == 1


async def test_the_report_shows_before_and_after_as_markdown(scene: Scene) -> None:
    text = as_markdown((await scene.plan()).report())
    assert text.startswith("## Health to Sage Intacct\n\n3 customers would be written; unchanged: 1; not scored: 1;")
    assert "| cedar | `cedar` | 80 → 57 | Healthy → At risk | no | would be written |" in text
    assert "| elm | `elm` | - → 13 | Healthy → At risk | no → yes | would be written |" in text
    assert "| fir | `fir` | 55 | At risk | no | not scored |" in text
    assert "- oak: Sage Intacct has no customer with this id." in text
    assert "- fir: It has no score here, so what stands in Sage Intacct stays." in text
    assert "birch" not in text
    assert "Nothing was written. The same command with `--apply` writes it." in text


async def test_the_report_as_json_has_english_ids_and_no_nulls(scene: Scene) -> None:
    found = (await scene.plan()).report().as_json()
    assert found["counts"] == {
        "to_write": 3, "written": 0, "unchanged": 1, "not_scored": 1, "not_matched": 1, "failed": 0,
    }  # fmt: skip
    (cedar,) = [record for record in found["records"] if record["account"] == "cedar"]
    assert cedar == {
        "account": "cedar",
        "name": "cedar",
        "customer": "cedar",
        "outcome": "to_write",
        "before": {"score": 80, "status": "Healthy", "churn_risk": False},
        "after": {"score": 57, "status": "At risk", "churn_risk": False},
    }
    assert (found["to"], found["applied"], found["policy"]["name"]) == ("intacct", False, "default")
    assert "null" not in json.dumps(found)


async def test_a_report_that_is_cut_off_shows_what_changes_and_counts_the_rest(tmp_path: Path) -> None:
    company = Company()
    company.add_customer("zinnia")
    names = {f"a{number}": "green" for number in range(9)}
    plan = await plan_for(writing_to(company, rows_of(**names, zinnia="red"), tmp_path / "h.sqlite"), company)
    found = plan.report(3)
    assert [record.account for record in found.records] == ["zinnia", "a0", "a1"]
    assert (found.more, found.counts[Outcome.NOT_MATCHED]) == (7, 9)
    assert "7 more are not shown." in as_markdown(found)


async def test_one_account_can_be_asked_about_alone(scene: Scene) -> None:
    plan = await scene.plan("birch")
    assert outcomes(plan) == {"birch": "unchanged"}
    assert [record.account for record in plan.report().records] == ["birch"]
    (query,) = scene.company.queries
    assert query["filters"] == [{"$in": {"id": ["birch"]}}]


async def test_an_account_that_is_no_customer_is_refused(tmp_path: Path) -> None:
    company = Company()
    workspace = writing_to(company, customer("birch", lifecycle="lead"), tmp_path / "history.sqlite")
    with pytest.raises(CallerError, match="Only customers"):
        await plan_for(workspace, company, "birch")
    assert company.requests == []


async def test_names_from_outside_stay_text_in_the_table(tmp_path: Path) -> None:
    company = Company()
    company.add_customer("birch")
    rows = customer("birch", name="Birch | [x](http://y) **b**")
    text = as_markdown((await plan_for(writing_to(company, rows, tmp_path / "h.sqlite"), company)).report())
    (line,) = [line for line in text.splitlines() if "birch" in line]
    assert line.startswith("| `Birch │ [x](http://y) **b**` | `birch` |")
    assert line.count("|") == 7


# --- Applying ---------------------------------------------------------------------------------------------------------


async def test_applying_writes_exactly_what_differs(scene: Scene) -> None:
    plan = await scene.apply()
    assert scene.company.patches == [
        (scene.company.key_of("cedar"), {"customerAccountHealth": {"healthScore": 57, "healthStatus": "atRisk"}}),
        (
            scene.company.key_of("elm"),
            {"customerAccountHealth": {"healthScore": 13, "healthStatus": "atRisk", "churnRisk": True}},
        ),
        (scene.company.key_of("larch"), {"customerAccountHealth": {"healthStatus": "escalated"}}),
    ]
    assert scene.held("elm") == (13, "atRisk", True)
    assert scene.held("fir") == (55, "atRisk", False)
    assert (plan.report().counts[Outcome.WRITTEN], plan.applied) == (3, True)
    assert as_markdown(plan.report()).startswith("## Health to Sage Intacct\n\n3 customers written; unchanged: 1;")


async def test_applying_again_writes_nothing(scene: Scene) -> None:
    await scene.apply()
    written = len(scene.company.patches)
    plan = await scene.apply()
    assert len(scene.company.patches) == written
    assert plan.report().counts[Outcome.WRITTEN] == 0
    assert plan.report().counts[Outcome.UNCHANGED] == 4


async def test_every_write_is_on_record_with_before_after_and_author(scene: Scene) -> None:
    await scene.apply()
    assert [(a.account, json.loads(a.before), json.loads(a.after)) for a in scene.published()] == [
        ("cedar", held(80, "Healthy"), held(57, "At risk")),
        ("elm", {"status": "Healthy", "churn_risk": False}, held(13, "At risk", churn_risk=True)),
        ("larch", held(100, "Healthy"), held(100, "Escalated")),
    ]
    first = scene.published()[0]
    assert (first.kind, first.subject, first.author, first.band) == (Kind.PUBLISHED, "intacct", AUTHOR, "yellow")


async def test_every_change_carries_a_key_of_its_own_which_only_another_day_makes_another(
    scene: Scene, tmp_path: Path
) -> None:
    await scene.apply()
    keys = [asked.idempotency_key for asked in scene.company.requests if asked.method == "PATCH"]
    assert len(set(keys)) == 3
    (tmp_path / "twin").mkdir()
    twin = scene_with(tmp_path / "twin")
    await twin.apply()
    assert [asked.idempotency_key for asked in twin.company.requests if asked.method == "PATCH"] == keys
    (tmp_path / "later").mkdir()
    later = scene_with(tmp_path / "later")
    day = later.workspace.clock().replace(day=22)
    later.workspace = replace(later.workspace, clock=lambda: day)
    later.company.now = day
    await later.apply()
    others = [asked.idempotency_key for asked in later.company.requests if asked.method == "PATCH"]
    assert others
    assert not set(others) & set(keys)


async def test_back_and_forth_within_a_day_is_written_each_time(scene: Scene) -> None:
    for _ in range(2):
        await scene.apply("cedar")
        scene.company.customer("cedar")[SCORE] = 80
    assert len([patch for patch in scene.company.patches if patch[0] == scene.company.key_of("cedar")]) == 2
    await scene.apply("cedar")
    assert scene.held("cedar")[0] == 57


async def test_the_entity_is_named_in_every_request(tmp_path: Path) -> None:
    scene = scene_with(tmp_path, Company(entity="100"), entity="100")
    await scene.apply()
    assert {asked.entity for asked in scene.company.requests} == {"100"}
    assert scene.held("cedar") == (57, "atRisk", False)


async def test_the_customer_key_can_be_the_external_id(tmp_path: Path) -> None:
    company = Company()
    company.add_customer("C-1")
    rows = [*customer("birch", external_id="C-1"), *customer("cedar")]
    scene = Scene(company, writing_to(company, rows, tmp_path / "h.sqlite", customer_key="external_id"))
    plan = await scene.apply()
    assert outcomes(plan) == {"birch": "written", "cedar": "not_matched"}
    assert company.customer("C-1")[SCORE] == 100
    assert scene.published()[0].description == "C-1"


async def test_two_accounts_with_one_customer_id_are_both_left_alone(tmp_path: Path) -> None:
    company = Company()
    company.add_customer("C-1")
    rows = [*customer("birch", external_id="C-1"), *customer("cedar", external_id="C-1")]
    scene = Scene(company, writing_to(company, rows, tmp_path / "h.sqlite", customer_key="external_id"))
    plan = await scene.apply()
    assert outcomes(plan) == {"birch": "not_matched", "cedar": "not_matched"}
    assert {entry.sentence for entry in plan.entries} == {"Another account has the same customer id."}
    assert company.patches == []


async def test_a_customer_id_of_two_accounts_is_not_written_for_one_of_them_alone_either(tmp_path: Path) -> None:
    company = Company()
    company.add_customer("C-1")
    rows = [*customer("birch", external_id="C-1"), *customer("cedar", external_id="C-1")]
    scene = Scene(company, writing_to(company, rows, tmp_path / "h.sqlite", customer_key="external_id"))
    assert outcomes(await scene.apply("birch")) == {"birch": "not_matched"}
    assert company.patches == []


async def test_more_customers_than_fit_into_a_few_questions_are_read_in_pages(tmp_path: Path) -> None:
    company = Company()
    names = [f"c{number:04}" for number in range(1100)]
    rows = [row for name in names for row in customer(name)]
    for name in names:
        company.add_customer(name, score=100)
    company.customer("c0007")[SCORE] = 1
    scene = Scene(company, writing_to(company, rows, tmp_path / "h.sqlite"))
    plan = await scene.apply()
    assert plan.report().counts[Outcome.WRITTEN] == 1
    assert all("filters" not in query for query in company.queries)


# --- Fields -----------------------------------------------------------------------------------------------------------


async def refused(scene: Scene) -> str:
    with pytest.raises(ConfigurationError) as caught:
        await scene.plan()
    assert scene.company.patches == []
    assert scene.company.queries == []
    return str(caught.value)


async def test_a_field_that_does_not_exist_is_named_with_the_nearest_and_the_setting(tmp_path: Path) -> None:
    said = await refused(scene_with(tmp_path, health_score_field="customerAccountHealth.healthScor"))
    assert "no field `customerAccountHealth.healthScor`; correct `health_score_field`" in said
    assert "Nearest: `customerAccountHealth.healthScore`" in said


async def test_a_company_without_health_fields_hears_of_all_three(tmp_path: Path) -> None:
    own = Health(score="nsp::HEALTH", status="nsp::HEALTH_STATUS", churn="nsp::CHURN")
    said = await refused(scene_with(tmp_path, Company(health=own)))
    for setting in ("health_score_field", "health_status_field", "churn_risk_field", "`nsp::HEALTH`"):
        assert setting in said


async def test_fields_of_other_names_are_written_when_they_are_configured(tmp_path: Path) -> None:
    own = Health(
        score="nsp::HEALTH", status="nsp::STATUS", churn="nsp::CHURN", statuses=("Sain", "À risque", "Aggravé")
    )
    names: dict[str, Any] = {
        "health_score_field": own.score,
        "health_status_field": own.status,
        "churn_risk_field": own.churn,
    }
    words = {"Healthy": "Sain", "At risk": "À risque", "Escalated": "Aggravé"}
    company = Company(health=own)
    company.add_customer("elm", status="Sain")
    scene = Scene(company, writing_to(company, rows_of(elm="red"), tmp_path / "h.sqlite", status_words=words, **names))
    await scene.apply()
    assert company.patches[0][1] == {"nsp::HEALTH": 13, "nsp::STATUS": "À risque", "nsp::CHURN": True}


async def test_words_of_the_companys_language_are_recognised(tmp_path: Path) -> None:
    from account_health.language import speaking  # noqa: PLC0415 - only here

    company = Company(health=Health(statuses=("Sain", "À risque", "Aggravé")))
    company.add_customer("elm", status="Sain")
    with speaking(french()):
        await Scene(company, writing_to(company, rows_of(elm="red"), tmp_path / "h.sqlite")).apply()
    assert company.customer("elm")[STATUS] == "À risque"


async def test_a_status_that_the_field_has_no_word_for_is_named_with_those_it_has(tmp_path: Path) -> None:
    company = Company(health=Health(statuses=("good", "bad")))
    said = await refused(scene_with_customers(tmp_path, company, "good"))
    assert "only the words `good`, `bad` and none for Escalated, Healthy, At risk; set `status_words`" in said


async def test_a_word_that_the_field_does_not_admit_is_refused_before_the_first_write(tmp_path: Path) -> None:
    company = Company()
    scene = scene_with_customers(tmp_path, company, "healthy", status_words={"Healthy": "fine"})
    assert "none for Healthy" in await refused(scene)


async def test_a_field_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    said = await refused(scene_with(tmp_path, health_score_field="totalDue"))
    assert "`totalDue` cannot be written; name another one in `health_score_field`, or empty it." in said


async def test_fields_of_another_type_are_named(tmp_path: Path) -> None:
    wrong: dict[str, Any] = {
        "health_score_field": "isOnHold",
        "health_status_field": "creditLimit",
        "churn_risk_field": "notes",
    }
    said = await refused(scene_with(tmp_path, **wrong))
    assert "`isOnHold` is of the type `boolean` and no number; correct `health_score_field`." in said
    assert "`creditLimit` is of the type `number` and no text; correct `health_status_field`." in said
    assert "`notes` is of the type `string` and cannot say true or false; correct `churn_risk_field`." in said


async def test_what_is_wrong_with_the_fields_is_said_in_the_language_of_the_reader(tmp_path: Path) -> None:
    said = await refused(scene_with(tmp_path, health_score_field="totalDue", language="fr"))
    assert said.startswith("Nothing was written: the fields of [publish.intacct] do not fit. `totalDue` cannot be")


async def test_a_value_can_be_left_out_by_emptying_its_field(tmp_path: Path) -> None:
    scene = scene_with(tmp_path, churn_risk_field="", health_status_field="")
    await scene.apply()
    assert [patch for _, patch in scene.company.patches] == [
        {"customerAccountHealth": {"healthScore": 57}},
        {"customerAccountHealth": {"healthScore": 13}},
    ]


def scene_with_customers(tmp_path: Path, company: Company, status: str, **settings: Any) -> Scene:
    company.add_customer("elm", status=status)
    return Scene(company, writing_to(company, rows_of(elm="red"), tmp_path / "h.sqlite", **settings))


# --- What goes wrong --------------------------------------------------------------------------------------------------


async def test_one_record_that_fails_does_not_stop_the_others(scene: Scene) -> None:
    scene.company.fail("elm", 422, "SECRET WORDS OF ANOTHER SYSTEM")
    plan = await scene.apply()
    assert outcomes(plan)["cedar"] == outcomes(plan)["larch"] == "written"
    (elm,) = [entry for entry in plan.entries if entry.standing.account == "elm"]
    assert (elm.outcome, elm.fault) == (Outcome.FAILED, "refused")
    assert elm.sentence
    assert elm.sentence.startswith("Sage Intacct did not accept these values for this customer.")
    assert "SECRET" not in as_markdown(plan.report())
    assert [a.account for a in scene.published()] == ["cedar", "larch"]
    scene.company.mend("elm")
    assert outcomes(await scene.apply())["elm"] == "written"


@pytest.mark.parametrize(
    ("status", "fault", "words"),
    [(403, "permission", "does not let these credentials change"), (404, "not found", "no longer has this customer")],
)
async def test_each_failure_says_whose_it_is(scene: Scene, status: int, fault: str, words: str) -> None:
    scene.company.fail("elm", status)
    (elm,) = [entry for entry in (await scene.apply()).entries if entry.standing.account == "elm"]
    assert (elm.fault, words in (elm.sentence or "")) == (fault, True)


async def test_a_token_that_expires_midway_is_renewed(scene: Scene) -> None:
    plan = await scene.plan()
    scene.company.token_uses = len(scene.company.requests) + 1
    done = await carried_out(scene.workspace, plan, AUTHOR)
    assert done.report().counts[Outcome.WRITTEN] == 3
    assert scene.company.tokens_granted >= 2


async def test_a_token_that_ends_is_renewed_even_where_that_is_answered_like_a_wrong_request(scene: Scene) -> None:
    plan = await scene.plan()
    scene.company.token_refusal = 400
    scene.company.expire_tokens()
    done = await carried_out(scene.workspace, plan, AUTHOR)
    assert done.report().counts[Outcome.WRITTEN] == 3
    assert len(scene.company.patches) == 4


async def test_an_error_that_comes_with_a_status_of_success_is_a_failure(scene: Scene) -> None:
    plan = await scene.plan()
    scene.company.fail("elm", 200)
    done = await carried_out(scene.workspace, plan, AUTHOR)
    assert outcomes(done)["elm"] == "failed"
    assert outcomes(done)["larch"] == "written"


@pytest.mark.parametrize("odd", [["elm"], {"elm": 1}, True, 7])
async def test_a_customer_whose_id_is_no_text_is_passed_over(scene: Scene, odd: Any) -> None:
    scene.company.customer("elm")["id"] = odd
    found = outcomes(await scene.plan())
    assert found["elm"] == "not_matched"
    assert found["cedar"] == "to_write"


async def test_a_system_that_keeps_asking_to_slow_down_is_left_alone(scene: Scene) -> None:
    plan = await scene.plan()
    for nth in range(2, 20):
        scene.company.throttle(nth, "0")
    done = await carried_out(scene.workspace, plan, AUTHOR)
    assert {name: outcomes(done)[name] for name in ("cedar", "elm", "larch")} == {
        "cedar": "written",
        "elm": "failed",
        "larch": "failed",
    }
    assert {entry.fault for entry in done.entries if entry.outcome is Outcome.FAILED} == {Fault.THROTTLED}
    assert scene.company.key_of("larch") not in {key for key, _ in scene.company.patches}
    assert [a.account for a in scene.published()] == ["cedar"]


async def test_too_fast_waits_as_told_and_goes_on(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    plan = await scene.plan()
    scene.company.throttle(2, "1")
    sleep = anyio.sleep

    async def noted(seconds: float) -> None:
        waited.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(anyio, "sleep", noted)
    done = await carried_out(scene.workspace, plan, AUTHOR)
    assert done.report().counts[Outcome.WRITTEN] == 3
    assert max(waited) == pytest.approx(1, abs=0.2)


async def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_key_and_written_once(scene: Scene) -> None:
    plan = await scene.plan()
    scene.company.lose_answer(1)
    done = await carried_out(scene.workspace, plan, AUTHOR)
    first, second = [asked for asked in scene.company.requests if asked.method == "PATCH"][:2]
    assert first.idempotency_key == second.idempotency_key
    assert (first.status, second.status) == (0, 200)
    assert done.report().counts[Outcome.WRITTEN] == 3
    assert len(scene.published()) == 3


async def test_credentials_that_are_not_accepted_any_more_stop_with_one_error(scene: Scene) -> None:
    plan = await scene.plan()
    scene.company.expire_tokens()
    scene.company.client_secret = "another"  # noqa: S105 - of nothing real
    with pytest.raises(SourceError) as caught:
        await carried_out(scene.workspace, plan, AUTHOR)
    assert "does not accept the credentials" in str(caught.value)
    assert "Customers written before: 0." in str(caught.value)
    assert len(scene.company.patches) == 1


async def test_without_permission_for_the_model_nothing_is_tried(scene: Scene) -> None:
    scene.company.deny("accounts-receivable/customer")
    with pytest.raises(SourceError, match="Accounts Receivable: Customers"):
        await scene.apply()
    assert scene.company.patches == []


async def test_a_run_that_is_cut_off_between_two_writes_goes_on_where_it_stopped(scene: Scene) -> None:
    plan = await scene.plan()

    def cut(done: int, total: int) -> None:  # noqa: ARG001 - as progress is told
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await carried_out(scene.workspace, plan, AUTHOR, cut)
    assert len(scene.company.patches) == len(scene.published()) == 1
    done = await scene.apply()
    assert done.report().counts[Outcome.WRITTEN] == 2
    assert len(scene.company.patches) == len(scene.published()) == 3


async def test_a_run_that_is_cut_off_before_a_write_is_on_record_writes_nothing_twice(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await scene.plan()
    await scene.workspace.memory.ask(lambda store: store.last_published())

    def broken(*_: object) -> None:
        raise HistoryError("The disk is full.", "Make room.")

    monkeypatch.setattr("account_health.history.store.Store.say", broken)
    with pytest.raises(HistoryError, match="could not be put on record: The disk is full"):
        await carried_out(scene.workspace, plan, AUTHOR)
    monkeypatch.undo()
    again = await carried_out(scene.workspace, plan, AUTHOR)
    keys = [asked.idempotency_key for asked in scene.company.requests if asked.method == "PATCH"]
    assert keys[0] == keys[1]
    assert again.report().counts[Outcome.WRITTEN] == 3


async def test_a_plan_is_carried_out_once(scene: Scene) -> None:
    plan = await scene.plan()
    await carried_out(scene.workspace, plan, AUTHOR)
    with pytest.raises(CallerError, match="published one of these accounts in the meantime; nothing was written"):
        await carried_out(scene.workspace, plan, AUTHOR)
    assert len(scene.company.patches) == 3


async def test_many_who_carry_out_one_plan_at_once_put_each_customer_on_record_once(scene: Scene) -> None:
    plan = await scene.plan()

    async def go() -> None:
        with suppress(CallerError):
            await carried_out(scene.workspace, plan, AUTHOR)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(go)
    assert sorted(a.account for a in scene.published()) == ["cedar", "elm", "larch"]
    assert len({a.idempotency_key for a in scene.company.requests if a.method == "PATCH"}) == 3


# --- Settings and secrets ---------------------------------------------------------------------------------------------


async def test_without_the_section_it_says_what_to_add(scene: Scene) -> None:
    bare = replace(scene.workspace, config=replace(scene.workspace.config, publish=()))
    with pytest.raises(ConfigurationError, match=r"\[publish.intacct\]"):
        await plan_for(bare, scene.company)


async def test_the_default_fields_are_those_that_the_connector_reads() -> None:
    from account_health.connectors.intacct.settings import IntacctSettings as Reading  # noqa: PLC0415 - only here

    for name in ("health_score_field", "health_status_field", "churn_risk_field", "base_url"):
        assert IntacctSettings.model_fields[name].default == Reading.model_fields[name].default


async def test_no_secret_stands_in_an_error_a_repr_or_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "CANARY-7f3a"
    company = Company(client_secret=canary)
    scene = scene_with(tmp_path, company)
    plan = await scene.plan()
    company.fail("elm", 500)
    company.throttle(2)
    seen = [
        repr(plan),
        repr(scene.workspace.config),
        as_markdown((await carried_out(scene.workspace, plan, "x")).report()),
    ]
    company.client_secret = "other"  # noqa: S105 - of nothing real
    company.expire_tokens()
    with pytest.raises(SourceError) as caught:
        await scene.plan()
    wrong = with_section(scene.workspace, "intacct", settings_for(company, client_secret=canary, nonsense=canary))
    with pytest.raises(ConfigurationError) as refused_settings:
        section(wrong.config, "intacct", IntacctSettings)
    seen += [str(caught.value), str(refused_settings.value), caplog.text]
    assert [text for text in seen if canary in text or "token-1" in text] == []
