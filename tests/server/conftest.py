"""A client of the demo server, in memory, once for each protocol era."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mcp import Client

from doors import ERAS, demo_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(params=ERAS)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """Connected to the demo server."""
    async with Client(demo_server(), mode=request.param) as connected:
        yield connected
