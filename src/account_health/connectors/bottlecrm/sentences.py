"""Sentences: what BottleCRM's failures may also mean, and what was left out of a reading."""

from __future__ import annotations

from account_health.errors import Fault, SourceError
from account_health.language import count, mark, say, together

_ALSO = {
    Fault.PERMISSION: mark("BottleCRM refuses a wrong or expired token alike."),
    Fault.NOT_FOUND: mark("Or an administrator has switched this part of BottleCRM off."),
}
"""What else a failure may mean, besides what it usually does."""


def explained(error: SourceError) -> SourceError:
    """The error with what else it may mean."""
    also = say(_ALSO[error.fault]) if error.fault in _ALSO else ""
    return SourceError(error.message, together(error.next_step, also), fault=error.fault)


def too_many_accounts(most: int) -> str:
    """Interactions are read of so many accounts at most."""
    return count(
        "BottleCRM lists interactions account by account: too often for more than {n} at once.",
        "BottleCRM lists interactions account by account: too often for more than {n} at once.",
        most,
    )


def too_many_executives(there: int, most: int) -> str:
    """Of so many executives only some were asked about."""
    return count(
        "Of {n} executives only {most} were asked about.",
        "Of {n} executives only {most} were asked about.",
        there,
        most=most,
    )
