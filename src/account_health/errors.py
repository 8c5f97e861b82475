"""Every error this package raises on purpose, by whose fault it is.

    AccountHealthError
    ├── CallerError            the question cannot be answered as asked
    │   ├── AccountNotFound    no such account; carries the nearest names
    │   ├── AmbiguousAccount   several accounts fit; carries the candidates
    │   └── NoHistory          the question is about the past, and nothing was recorded
    ├── ConfigurationError     the operator's files are wrong or missing
    │   ├── NotConfigured      there is no configuration at all
    │   └── PolicyError        a scoring policy that cannot be used
    ├── SourceError            a source could not deliver; the rest of the answer stands
    └── HistoryError           the history cannot be read or written; answers go on without it

Messages hold only our own words and the caller's or operator's own input. They never hold a secret or the
text of another system.
"""

from __future__ import annotations

import traceback
from enum import StrEnum
from typing import TYPE_CHECKING

from account_health.borrowed import borrowed
from account_health.language import say, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


class AccountHealthError(Exception):
    """What went wrong in one sentence, and in `next_step` what to do about it."""

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return self.sentence

    @property
    def sentence(self) -> str:
        """What went wrong and what to do, as one text that can be said again in another language."""
        return together(self.message, self.next_step)


class CallerError(AccountHealthError):
    """The caller's to mend: the question cannot be answered as asked."""


class AccountNotFound(CallerError):
    """No account has this id, name or domain; `nearest` are names that look like it."""

    def __init__(self, message: str, next_step: str, nearest: Sequence[str] = ()) -> None:
        super().__init__(message, next_step)
        self.nearest = tuple(nearest)


class AmbiguousAccount(CallerError):
    """More than one account fits; `candidates` are their (id, name) pairs."""

    def __init__(self, message: str, next_step: str, candidates: Sequence[tuple[str, str]]) -> None:
        super().__init__(message, next_step)
        self.candidates = tuple(candidates)


class NoHistory(CallerError):
    """The question is about recorded assessments, and there are none of the kind."""

    def __init__(self, message: str = "", next_step: str = "") -> None:
        super().__init__(
            message or say("Nothing has been recorded yet."),
            next_step or say("Run `account-health assess --all`, best every day."),
        )


class ConfigurationError(AccountHealthError):
    """The operator's to mend: a file is missing, unreadable or contradicts itself."""


class NotConfigured(ConfigurationError):
    """The operator's to do: there is no configuration at all."""


class PolicyError(ConfigurationError):
    """A policy that cannot score: unknown key, weights that do not total 100, a curve out of order."""


class Fault(StrEnum):
    """What kind of failure a source had; decides what is retried and what `sources check` advises."""

    AUTHENTICATION = "authentication"
    """The credentials are not accepted."""
    PERMISSION = "permission"
    """The credentials are accepted but may not read this."""
    NOT_FOUND = "not found"
    """There is no such record or address."""
    REFUSED = "refused"
    """The request was not understood: a version, a property or a filter the system does not know."""
    THROTTLED = "throttled"
    """Too many requests, and waiting would take longer than there is time."""
    TIMEOUT = "timeout"
    """No complete answer in time."""
    UNREACHABLE = "unreachable"
    """No connection, or one that broke."""
    SERVER = "server"
    """The system itself failed."""
    BAD_RESPONSE = "bad response"
    """An answer that cannot be read."""
    PAUSED = "paused"
    """Not asked: it failed several times in a row a moment ago."""
    SETUP = "setup"
    """Never asked: its connector or its secret is missing."""


class SourceError(AccountHealthError):
    """The source's to mend: it could not deliver. It stops an answer only if there is no list of accounts at all."""

    def __init__(self, message: str, next_step: str = "", *, fault: Fault | None = None) -> None:
        super().__init__(message, next_step)
        self.fault = fault


class HistoryError(AccountHealthError):
    """The store's to mend: the history cannot be read or written. Scores go on without it, writes do not."""


def faults(error: ValidationError) -> list[str]:
    """One line per fault, as `place: what is wrong`; never echoes a value, so no secret can pass through it."""
    ours = {"extra_forbidden": say("unknown key"), "missing": say("missing")}
    return [
        say(
            "{name}: {note}",
            name=".".join(str(part) for part in fault["loc"]) or say("file"),
            note=ours.get(fault["type"]) or _note(fault),
        )
        for fault in error.errors(include_url=False, include_input=False)
    ]


def _note(fault: ErrorDetails) -> str:
    """What is wrong: a sentence of ours as it was raised, so that it can be said again, else pydantic's own words."""
    cause = fault.get("ctx", {}).get("error")
    if isinstance(cause, ValueError) and len(cause.args) == 1 and isinstance(cause.args[0], str):
        return cause.args[0]
    return borrowed(fault["msg"].removeprefix("Value error, "))


def place(error: BaseException) -> str:
    """Kind and place of an unexpected error, without its text, which may hold another system's words or a secret."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    kind = type(error).__name__
    if not frames:
        return kind
    last = frames[-1]
    file = last.filename.rpartition("/")[2]
    return say(
        "{error} in {function}, line {line} of {file}", error=kind, function=last.name, line=last.lineno, file=file
    )
