"""Fixtures: the server for the tool-call tests of others: `pytest_plugins = ["account_health.testing.fixtures"]`.

    def test_the_score_lies_in_its_range(account_health):
        answer = account_health.call("score_account", account="northwind")
        assert answer.data["range"]["low"] <= answer.data["score"] <= answer.data["range"]["high"]

Define `account_health_serving` anew for another configuration, day, transport or era. Each test has a server and a
history of its own; where one server is to do for many tests, write a fixture with `calling` and a wider scope.

PYTEST_DONT_REWRITE: nothing in here is asserted, and whoever imported this module before gets no warning.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from account_health.testing.calling import Caller, calling
from account_health.testing.serving import Serving

if TYPE_CHECKING:
    from mcp import Client


@pytest.fixture
def account_health_serving() -> Serving:
    """Which server the other two fixtures start: that of the demo, in memory."""
    return Serving()


@pytest.fixture
def account_health(account_health_serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A client for tests that do not await."""
    with calling(account_health_serving.connected(tmp_path_factory.mktemp("account-health"))) as caller:
        yield caller


@pytest.fixture
async def account_health_client(
    account_health_serving: Serving, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Client]:
    """An `mcp.Client` for tests marked `anyio`."""
    async with account_health_serving.connected(tmp_path_factory.mktemp("account-health")) as client:
        yield client
