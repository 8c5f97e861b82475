"""Conformance: every rule a live connector keeps, as one pytest class; a subclass names the connector.

    class TestAcme(ConnectorConformance):
        subject = Subject(connector="acme", recording=HERE / "acme.json", ...)

What a failed rule says is what the connector's author has to do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

import anyio
import pytest

from account_health.testing import answers, failures, manners
from account_health.testing.subject import Subject

Check = Callable[[Subject], Awaitable[None]]

CHECKS: tuple[Check, ...] = (*manners.CHECKS, *answers.CHECKS, *failures.CHECKS)
"""Every rule; its first line says what it asks for, and it raises NonconformityError if the connector breaks it."""


class ConnectorConformance:
    """The tests of a live connector."""

    subject: ClassVar[Subject]

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_the_connector(self, check: Check) -> None:
        """One rule."""
        anyio.run(check, self.subject)
