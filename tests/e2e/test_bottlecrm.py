"""End to end against BottleCRM: `.ci/e2e`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from e2e.filling import DEPARTED, EMPTY, HOSTILE, HOSTILE_SUBJECTS, PLAIN, TROUBLE, TROUBLED

if TYPE_CHECKING:
    from e2e.bottlecrm import Crm

SCOPES = ("accounts:read", "cases:read", "contacts:read", "interactions:read", "invoices:read", "opportunities:read")
NARROW = ("accounts:read", "cases:read", "invoices:read")


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
