"""What tests of publishing share: accounts of known health, French as Intacct spells it, a company to write to."""

from __future__ import annotations

from dataclasses import replace
from gettext import GNUTranslations
from io import BytesIO
from typing import TYPE_CHECKING, Any

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from pydantic import SecretStr

from account_health.config import SourceConfig
from account_health.language import Language
from account_health.overview import Overview
from account_health.publish.plan import Plan, planned, target_of
from given import supplied
from moving import customer, workspace_given

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from account_health.tables import Row
    from account_health.workspace import Workspace
    from intacct_company import Company

HEALTHY = {"score": 90, "status": "healthy", "churn": False}
"""What Intacct has where nothing is to be changed about an account that is green here."""

FRENCH_WORDS = {
    "Healthy": "Sain",
    "Escalated": "Aggravé",
    "At risk": "À risque",
    "TRUE": "Vrai",
    "FALSE": "Faux",
    "Health score": "Score de santé",
    "Health status": "Statut de santé",
    "At risk for churn": "À risque de résiliation",
    "Customer ID": "ID client",
}


def french() -> Language:
    """French as far as Intacct's words go, whatever the catalogue of the package says by now."""
    catalogue = Catalog(locale="fr")
    for text, translation in FRENCH_WORDS.items():
        catalogue.add(text, translation, context="intacct")
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Language("fr", GNUTranslations(compiled), Locale.parse("fr"))


def rows_of(**bands: str) -> list[Row]:
    """Customers by id, each in a band; `escalated` is green with an escalation that is open."""
    found: list[Row] = []
    for name, band in bands.items():
        found += customer(name, "green" if band == "escalated" else band)
        if band == "escalated":
            found += supplied({"open_escalations": 1}, name)
    return found


def with_section(workspace: Workspace, name: str, settings: Mapping[str, Any]) -> Workspace:
    """The workspace with a section `[publish.NAME]`, and no other."""
    config = replace(workspace.config, publish=(SourceConfig(name, name, dict(settings)),))
    return replace(workspace, config=config)


def settings_for(company: Company, **changes: Any) -> dict[str, Any]:
    """The settings that lead to the company, as the configuration hands them on."""
    own = {
        "base_url": company.base_url,
        "client_id": company.client_id,
        "client_secret": SecretStr(company.client_secret),
        "username": company.username,
        "requests_per_second": 1000,
    }
    return {**own, **changes}


def writing_to(
    company: Company, rows: Sequence[Row], history: Path, given: Mapping[str, Any] | None = None, **changes: Any
) -> Workspace:
    """A workspace over the rows that writes to the company, with a history."""
    workspace = workspace_given(rows, history=history, **(given or {}))
    return with_section(workspace, "intacct", settings_for(company, **changes))


async def plan_for(workspace: Workspace, company: Company, account: str = "") -> Plan:
    """What would change in the company."""
    return await planned(Overview(workspace), account, target=target_of(workspace, company))
