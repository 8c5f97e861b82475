"""The CRM of the end-to-end tests, which `.ci/e2e` installs; without it these tests are skipped."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.bottlecrm import Crm, running
from e2e.filling import fill

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = os.environ.get("ACCOUNT_HEALTH_E2E")
NEEDS_CRM = pytest.mark.skipif(
    not FOLDER, reason="End to end against a real CRM: `.ci/e2e` installs it and runs this test."
)


@pytest.fixture(scope="session")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crm]:
    """A running CRM that others than the test may read, but only the test that asks for another may stop."""
    with running(Path(str(FOLDER)), tmp_path_factory.mktemp("crm") / "crm.log") as crm:
        yield crm


@pytest.fixture(scope="session")
def accounts(crm: Crm) -> dict[str, str]:
    """The filled CRM: the ids of its accounts by name."""
    return fill(crm, datetime.now(UTC).date())
