"""Vendors' servers and parsers that nobody here wrote; where they are missing, the tests that ask for them are skipped.

`.ci/vendors` fetches them. With ACCOUNT_HEALTH_VENDORS=required in the environment a missing one is a failure.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from vendors.hogql import Verdict, parse
from vendors.prism import DOCUMENTS, HOGQL, NODE, PRISM, Vendor, needed, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REQUIRED = os.environ.get("ACCOUNT_HEALTH_VENDORS") == "required"


def _vendor(name: str, folders: pytest.TempPathFactory) -> Iterator[Vendor]:
    needed([NODE, PRISM, DOCUMENTS[name]], required=REQUIRED)
    with served(DOCUMENTS[name], folders.mktemp(name)) as vendor:
        yield vendor


@pytest.fixture(scope="session")
def hubspot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    """HubSpot's CRM API in its `v3` form."""
    yield from _vendor("hubspot", tmp_path_factory)


@pytest.fixture(scope="session")
def stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    """Stripe's API: parameters of 2022-11-15, answers of today."""
    yield from _vendor("stripe", tmp_path_factory)


@pytest.fixture(scope="session")
def parses_as_hogql() -> Callable[[str], Verdict]:
    """Asks PostHog's own parser about one query."""
    needed([NODE, HOGQL], required=REQUIRED)
    return parse
