"""Verdict: how the kit says that a connector breaks a rule, and what its author has to do."""

from __future__ import annotations


class NonconformityError(AssertionError):
    """A rule that the connector breaks; the message is for the connector's author."""


def require(is_so: object, advice: str) -> None:
    """Raises NonconformityError with the advice unless it is so."""
    if not is_so:
        raise NonconformityError(advice)
