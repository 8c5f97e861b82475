"""Fields of a company: configurations that could not mean what they say are refused before anything is read of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from account_health.errors import ConfigurationError
from account_health.publish.writing_back import carried_out
from intacct_company import Company
from publishing import plan_for, rows_of, writing_to

if TYPE_CHECKING:
    from pathlib import Path

    from account_health.workspace import Workspace

pytestmark = pytest.mark.anyio


def scene(tmp_path: Path, **settings: Any) -> tuple[Company, Workspace]:
    company = Company()
    company.add_customer("birch")
    return company, writing_to(company, rows_of(birch="green"), tmp_path / "history.sqlite", **settings)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"Atrisk": "atRisk"}, "`status_words` speaks of `Atrisk`, which is no status. Statuses: Escalated"),
        ({"At risk": "healthy"}, "`status_words` has one word for several statuses, so they could not be told apart."),
    ],
)  # fmt: skip
async def test_words_for_statuses_that_would_be_misread_are_refused(
    tmp_path: Path, words: dict[str, str], said: str
) -> None:
    company, workspace = scene(tmp_path, status_words=words)
    with pytest.raises(ConfigurationError) as caught:
        await plan_for(workspace, company)
    assert said in str(caught.value)
    assert company.queries == []


async def test_a_flag_that_is_neither_true_nor_false_differs_and_is_replaced(tmp_path: Path) -> None:
    company, workspace = scene(tmp_path)
    company.customer("birch")["customerAccountHealth.churnRisk"] = "perhaps"
    await carried_out(workspace, await plan_for(workspace, company), "Mara")
    assert company.customer("birch")["customerAccountHealth.churnRisk"] is False
