"""End to end against BottleCRM: `.ci/e2e`. What the CRM answers by itself, then what account-health makes of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters

from doors import environment, run, said
from e2e.bottlecrm import running
from e2e.conftest import FOLDER, NEEDS_CRM
from e2e.filling import CALM, DEPARTED, EMPTY, HOSTILE, HOSTILE_SUBJECTS, PLAIN, RENEWS_IN, TROUBLE, TROUBLED, fill

if TYPE_CHECKING:
    from e2e.bottlecrm import Crm

pytestmark = NEEDS_CRM

SCOPES = ("accounts:read", "cases:read", "contacts:read", "interactions:read", "invoices:read", "opportunities:read")
NARROW = ("accounts:read", "cases:read", "interactions:read", "invoices:read")
VARIABLE = "BOTTLECRM_TOKEN"
CONFIGURATION = """
[sources.bottle]
connector = "bottlecrm"
base_url = "{url}"
token = {{ env = "BOTTLECRM_TOKEN" }}
meetings_attended = true
contract_words = {{ "month by month" = "month_to_month" }}
page_size = 5
{more}
[sources.bottle.account_fields]
arr = "arr"
champion_active = "champion"
contract_status = "contract"
licensed_seats = "seats"
renewal_date = "renews_on"
segment = "tier"
"""
FILES = """
[sources.files]
connector = "files"
folder = "data"
"""
SUMMARY = """\
## Health: Harbourlight Söhne GmbH

### Risk Flags

- **Escalation in last 90 days** (critical): `id`: 1 escalation in the last 90 days, on {today}, 1 still open, \
since {today}. Make sure it is resolved; rebuild confidence.
- **Support spike** (high): `id`, `id`, `id`, `id`, `id`: 10 tickets in the last 30 days, 4 in the 30 days before, \
1 escalation in the last 30 days, none in the 30 days before. Review the themes; consider an intervention.
- **Payment issue** (high): `id`: 1 overdue invoice, the oldest unpaid invoice is 25 days overdue. Work with billing; \
avoid churn from administration.
- **Renewal soon** (watch): renews on {renewal}, in 45 days. Make sure health is strong; prepare the renewal.

Could not be checked: Usage drop (product analytics is not connected); NPS detractor (the survey tool is not \
connected); No executive touch (the records in the CRM do not tell it).
"""
INPUTS = """\
### Inputs Used

- **CRM** (BottleCRM): renewal date, ARR, segment, licensed seats, contract status and champion, 3 touchpoints since \
{first_touch} and 3 deals; as of NOW; matched by account id
- **Support platform** (BottleCRM): 14 tickets since {first_ticket}; as of NOW; matched by account id
- **Product analytics**: Not connected
- **Billing** (BottleCRM): 5 invoices since {first_invoice}; as of NOW; matched by account id
- **Surveys**: Not connected
"""


def asked(crm: Crm, token: str, path: str, **parameters: str | int) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.get(f"{crm.url}/api/{path}", headers=headers, params=parameters, timeout=30)


def cases_of(crm: Crm, account: str, **parameters: str | int) -> list[dict[str, Any]]:
    return list(crm.get("cases/", account=account, slim="true", **{"limit": 100, **parameters})["cases"])


def test_the_filled_crm_lists_its_accounts_in_two_halves(crm: Crm, accounts: dict[str, str]) -> None:
    answer = crm.get("accounts/", limit=100)
    active = {account["name"]: account["id"] for account in answer["active_accounts"]["open_accounts"]}
    departed = {account["name"]: account["id"] for account in answer["closed_accounts"]["close_accounts"]}
    assert active | departed == accounts
    assert set(departed) == {DEPARTED}
    assert set(PLAIN) | {HOSTILE, EMPTY} < set(active)


def test_the_cases_of_one_account_need_more_than_one_page(crm: Crm, accounts: dict[str, str]) -> None:
    subjects = {case.subject for case in TROUBLE.cases}
    pages = [cases_of(crm, accounts[TROUBLED], limit=10, offset=offset) for offset in (0, 10, 20)]
    assert [len(page) for page in pages] == [10, len(subjects) - 10, 0]
    assert {case["name"] for page in pages for case in page} == subjects


def test_only_the_neglected_case_of_high_priority_was_escalated(crm: Crm, accounts: dict[str, str]) -> None:
    cases = {case["name"]: case for case in cases_of(crm, accounts[TROUBLED])}
    assert {name: case["escalation_count"] for name, case in cases.items() if case["escalation_count"]} == {
        "Login fails for half of us": 1
    }
    assert cases["Export drops rows"]["priority"] == "Urgent"


def test_hostile_subjects_come_back_as_they_went_in(crm: Crm, accounts: dict[str, str]) -> None:
    assert {case["name"] for case in cases_of(crm, accounts[HOSTILE])} == set(HOSTILE_SUBJECTS)


@pytest.mark.parametrize("path", ["accounts/", "cases/", "contacts/", "invoices/", "opportunities/"])
def test_a_token_with_the_scopes_may_read_every_list(crm: Crm, path: str) -> None:
    assert asked(crm, crm.token(*SCOPES), path, limit=1).status_code == 200


def test_a_narrow_token_is_told_which_scope_it_lacks(crm: Crm) -> None:
    token = crm.token(*NARROW)
    refused = asked(crm, token, "opportunities/")
    assert asked(crm, token, "invoices/").status_code == 200
    assert refused.status_code == 403
    assert "It needs the opportunities:read scope." in refused.json()["detail"]


def test_a_token_that_is_none_is_refused_in_other_words(crm: Crm) -> None:
    refused = asked(crm, "bcrm_pat_of_nobody", "accounts/")
    assert refused.status_code == 403
    assert "scope" not in refused.json()["detail"]


def today(crm: Crm) -> datetime:
    """The day the CRM was filled on; asked about as of its end, what happened a moment ago has happened."""
    return datetime.fromisoformat(crm.get("org/settings/")["created_at"]).astimezone(UTC)


def day(crm: Crm, offset: int = 0) -> str:
    """A day, counted from that one."""
    return (today(crm) + timedelta(days=offset)).date().isoformat()


def configured(folder: Path, crm: Crm, more: str = "", **files: str) -> Path:
    """A folder with a configuration over the CRM and files of other tables."""
    (folder / "data").mkdir(exist_ok=True)
    for table, text in files.items():
        (folder / "data" / f"{table}.csv").write_text(text, "utf-8")
    written = CONFIGURATION.format(url=crm.url, more=more) + (FILES if files else "")
    (folder / "account-health.toml").write_text(written, "utf-8")
    return folder


def answer(folder: Path, token: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    """What the command line answers to somebody with this token."""
    return run(*words, here=folder, **{VARIABLE: token})


def report(folder: Path, crm: Crm, token: str, account: str) -> dict[str, Any]:
    """The assessment of an account."""
    done = answer(folder, token, "report", account, "--as-of", day(crm), "--format", "json")
    assert done.returncode == 0, done.stderr.decode()
    return dict(json.loads(done.stdout))


def raised(assessment: dict[str, Any]) -> dict[str, str]:
    """The raised flags and how severe they are."""
    return {flag["flag"]: flag["severity"] for flag in assessment["flags"] if flag["state"] == "raised"}


def values(assessment: dict[str, Any]) -> dict[str, float]:
    """The value of each metric that is known."""
    return {factor["metric"]: factor["value"] for factor in assessment["factors"]}


def served(folder: Path, token: str) -> StdioServerParameters:
    """The server as clients start it."""
    env = environment(folder, **{VARIABLE: token})
    return StdioServerParameters(command=sys.executable, args=["-m", "account_health", "serve"], env=env, cwd=folder)


def requests(crm: Crm) -> list[str]:
    """The paths that the CRM was asked for so far, with their queries."""
    return re.findall(r'"GET (\S+) HTTP', crm.backend.log.read_text("utf-8"))


@pytest.fixture
def folder(tmp_path: Path, crm: Crm, accounts: dict[str, str]) -> Path:  # noqa: ARG001 - the CRM is filled first
    """A folder with a configuration over the filled CRM."""
    return configured(tmp_path, crm)


@pytest.fixture(scope="module")
def token(crm: Crm) -> str:
    """A token that may read everything."""
    return crm.token(*SCOPES)


def test_the_summary_of_the_troubled_account_names_every_trouble(crm: Crm, folder: Path, token: str) -> None:
    done = answer(folder, token, "report", TROUBLED, "--as-of", day(crm))
    told = re.sub(r"`[0-9a-f-]{36}`", "`id`", done.stdout.decode())
    told = re.sub(r"as of \S+ \S+ UTC(?=; matched)", "as of NOW", told)
    assert told.startswith(SUMMARY.format(today=day(crm), renewal=day(crm, RENEWS_IN)))
    assert "**Score:** 41 (Red)" in told
    first = {"first_touch": day(crm, -70), "first_ticket": day(crm, -38), "first_invoice": day(crm, -145)}
    assert INPUTS.format(**first) in told


def test_each_figure_of_the_troubled_account_is_the_one_that_was_put_in(crm: Crm, folder: Path, token: str) -> None:
    found = report(folder, crm, token, TROUBLED)
    assert values(found) == pytest.approx(
        {
            "tickets_30d": 10,
            "tickets_prev_30d": 4,
            "tickets_change_ratio": 2.5,
            "tickets_per_100_seats_30d": 25,
            "open_urgent_tickets": 1,
            "escalations_30d": 1,
            "escalations_prev_30d": 0,
            "escalations_90d": 1,
            "open_escalations": 1,
            "median_resolution_hours_90d": 48,
            "contract_standing": 3,
            "overdue_invoices": 1,
            "days_overdue": 25,
            "expansions_12m": 1,
            "open_downgrade": 0,
            "qbr_attendance_12m": 100,
            "outreach_reply_rate_90d": 0,
            "champion_active": 0,
            "days_to_renewal": RENEWS_IN,
        },
        abs=0.01,
    )
    assert {gap["source"] for gap in found["gaps"]} == {"analytics", "billing", "crm", "support", "surveys"}
    assert (found["band"], found["tier"]) == ("red", "critical")


def test_the_calm_account_is_green_and_its_chief_was_spoken_to(crm: Crm, folder: Path, token: str) -> None:
    found = report(folder, crm, token, "calmwaters.example")
    assert (found["account"]["name"], found["band"], found["tier"], raised(found)) == (CALM, "green", "none", {})
    told = values(found)
    assert (told["days_since_executive_touch"], told["overdue_invoices"], told["tickets_30d"]) == (5, 0, 0)
    assert (told["qbr_attendance_12m"], told["outreach_reply_rate_90d"]) == (100, 100)


def test_nothing_in_the_crm_is_too_little_for_a_score(crm: Crm, folder: Path, token: str) -> None:
    found = report(folder, crm, token, EMPTY)
    assert not found["scored"]
    assert values(found)["tickets_30d"] == 0
    states = {line["source"]: line["state"] for line in found["inputs"]}
    assert states == {
        "crm": "observed",
        "support": "empty",
        "billing": "empty",
        "analytics": "not connected",
        "surveys": "not connected",
    }


def test_hostile_text_is_shown_as_text_and_moves_nothing(
    crm: Crm, folder: Path, token: str, accounts: dict[str, str]
) -> None:
    done = answer(folder, token, "report", accounts[HOSTILE], "--as-of", day(crm))
    told = done.stdout.decode()
    heading = r"## Health: Robert'); DROP TABLE cases;-- \<img src=x onerror=alert(1)> \| \*\*bold\*\* evil"
    assert told.splitlines()[0] == heading
    assert not {"\u202e", "\u2066", "\u200b", "\U000e0041"} & set(told)
    hostile = report(folder, crm, token, accounts[HOSTILE])
    assert values(hostile)["tickets_30d"] == len(HOSTILE_SUBJECTS)
    assert raised(hostile) == raised(report(folder, crm, token, EMPTY))


def test_an_account_that_was_closed_is_no_account(crm: Crm, folder: Path, token: str) -> None:
    done = answer(folder, token, "report", DEPARTED, "--as-of", day(crm))
    assert done.returncode != 0
    assert done.stdout == b""
    assert "No account has this id, name or domain." in done.stderr.decode()


def test_the_list_says_of_each_account_what_its_report_says(crm: Crm, folder: Path, token: str) -> None:
    done = answer(folder, token, "list", "--as-of", day(crm), "--format", "json")
    found = json.loads(done.stdout)
    assert found["total"] == len(PLAIN) + 4
    listed = {account["name"]: account for account in found["accounts"]}
    assert DEPARTED not in listed
    for name in (TROUBLED, CALM, EMPTY):
        alone = report(folder, crm, token, name)
        told = (listed[name].get("score_rounded"), listed[name].get("band"), listed[name]["tier"])
        assert told == (alone.get("score_rounded"), alone.get("band"), alone["tier"])
        assert set(listed[name]["flags"]) == set(raised(alone))
    assert (listed[TROUBLED]["arr"], listed[TROUBLED]["currency"]) == (120000.5, "EUR")
    assert listed[TROUBLED]["segment"] == "Enterprise"


def test_many_accounts_are_read_with_lists_and_never_one_by_one(crm: Crm, folder: Path, token: str) -> None:
    before = len(requests(crm))
    done = answer(configured(folder, crm, "most_accounts = 3"), token, "list", "--format", "json")
    assert done.returncode == 0
    asked = requests(crm)[before:]
    lists = [path for path in asked if re.match(r"/api/[a-z]+/\?", path) and "account=" not in path]
    others = [path for path in asked if path not in lists]
    pages = [re.search(r"offset=(\d+)", path) for path in lists if path.startswith("/api/accounts/")]
    assert {page[1] for page in pages if page} == {"5", "10"}
    assert len([path for path in others if "escalation-policies" not in path]) <= 2


def test_a_check_tries_every_table_and_finds_nothing_to_mend(crm: Crm, folder: Path) -> None:
    done = answer(folder, crm.token(*SCOPES, "custom-fields:read"), "sources", "check", "--format", "json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    tables = {table["table"]: table["state"] for source in found["sources"] for table in source["tables"]}
    assert set(tables) == {"account", "opportunity", "touchpoint", "ticket", "invoice"}
    assert set(tables.values()) <= {"observed", "empty"}
    assert abs(found["sources"][0]["clock_skew_seconds"]) <= 2
    assert found["notices"] == ["BottleCRM: escalation policies: 1 active", "BottleCRM: custom fields: all there"]


def test_without_a_scope_its_table_has_failed_by_name_and_the_rest_is_scored(
    crm: Crm, tmp_path: Path, accounts: dict[str, str]
) -> None:
    answers = f"account_id,respondent,kind,score,responded_at\n{accounts[TROUBLED]},p1,nps,9,{day(crm, -7)}T10:00:00Z\n"
    folder, narrow = configured(tmp_path, crm, survey_response=answers), crm.token(*NARROW)
    found = report(folder, crm, narrow, TROUBLED)
    assert found["scored"]
    assert values(found)["tickets_30d"] == 10
    assert {"expansions_12m", "open_downgrade"} & set(values(found)) == set()
    (gap,) = [gap for gap in found["gaps"] if "expansions_12m" in gap["metrics"]]
    assert gap["state"] == "failed"
    assert "Grant them the permission `opportunities:read`." in gap["sentence"]
    checked = answer(folder, narrow, "sources", "check", "--format", "json")
    assert checked.returncode != 0
    states = {t["table"]: t["state"] for source in json.loads(checked.stdout)["sources"] for t in source["tables"]}
    assert {table for table, state in states.items() if state == "failed"} == {"opportunity"}, checked.stdout.decode()


def test_a_token_of_nobody_stops_the_answer_with_what_to_do(crm: Crm, folder: Path) -> None:
    done = answer(folder, "bcrm_pat_of_nobody", "report", TROUBLED, "--as-of", day(crm))
    assert done.returncode != 0
    told = done.stderr.decode()
    assert "BottleCRM does not let these credentials read this (403 for GET /api/accounts/)." in told
    assert "BottleCRM refuses a wrong or expired token alike." in told
    assert "bcrm_pat" not in told


def test_an_empty_token_is_named_and_nobody_is_asked(crm: Crm, folder: Path) -> None:
    before = len(requests(crm))
    done = answer(folder, "", "report", TROUBLED, "--as-of", "2026-11-21")
    assert done.returncode != 0
    assert "The environment variable BOTTLECRM_TOKEN is empty." in done.stderr.decode()
    assert len(requests(crm)) == before


@pytest.mark.anyio
async def test_an_assistant_gets_the_same_summary_over_stdio(crm: Crm, folder: Path, token: str) -> None:
    asked = {"account": TROUBLED, "as_of": day(crm)}
    async with Client(served(folder, token)) as client:
        summary = said(await client.call_tool("render_health_summary", asked))
        scored = (await client.call_tool("score_account", asked)).structured_content
    shown = answer(folder, token, "report", TROUBLED, "--as-of", day(crm)).stdout.decode()
    untimed = [re.sub(r"as of \S+ \S+ UTC", "", text).strip() for text in (summary, shown)]
    assert untimed[0] == untimed[1]
    assert scored
    assert raised(scored) == {
        "escalation_90d": "critical",
        "support_spike": "high",
        "payment_issue": "high",
        "renewal_soon": "watch",
    }


@pytest.mark.anyio
async def test_a_crm_that_stops_meanwhile_has_failed_and_has_not_no_tickets(tmp_path: Path) -> None:
    with running(Path(str(FOLDER)), tmp_path / "crm.log") as crm:
        account = fill(crm, datetime.now(UTC).date())[TROUBLED]
        folder = configured(tmp_path, crm, account=f"account_id,name\n{account},{TROUBLED}\n")
        asked = {"account": account, "as_of": day(crm)}
        async with Client(served(folder, crm.token(*SCOPES))) as client:
            before = (await client.call_tool("score_account", asked)).structured_content
            crm.backend.stop()
            again = {**asked, "refresh": True}
            after = (await client.call_tool("score_account", again)).structured_content
            summary = said(await client.call_tool("render_health_summary", again))
    assert before
    assert values(before)["tickets_30d"] == 10
    assert after
    support = {line["source"]: line for line in after["inputs"]}["support"]
    assert (support["state"], support["rows"]) == ("failed", 0)
    assert "BottleCRM cannot be reached, or the connection broke" in support["sentence"]
    assert not {metric for metric in values(after) if "ticket" in metric or "escalation" in metric}
    assert {flag["flag"]: flag["state"] for flag in after["flags"]}["support_spike"] == "unknown"
    assert "no tickets" not in summary
    assert re.search(r"BottleCRM (cannot be reached|was not asked: it failed several times in a row)", summary)
