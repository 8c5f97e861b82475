"""Faults: every way a request can fail, in words of ours that name the system, the path and the status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from account_health.errors import Fault, SourceError

HOST_FAULTS = frozenset({Fault.BAD_RESPONSE, Fault.SERVER, Fault.TIMEOUT, Fault.UNREACHABLE})
"""Of a setback: those that speak against the host and not against the request."""

_LATER = "Try again later."


class Setback(SourceError):  # noqa: N818 - it need not be the end of the matter
    """What a host did to one attempt: it failed, broke off or asked us to wait."""

    def __init__(self, message: str, next_step: str, *, fault: Fault, again: bool) -> None:
        super().__init__(message, next_step, fault=fault)
        self.again = again
        """True: the same request may fare better a moment later."""


@dataclass(frozen=True)
class Asked:
    """A question as messages name it: without its query, which can hold what is nobody's business."""

    label: str
    method: str
    path: str
    needs: str = ""
    """The permission it takes."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def by_status(asked: Asked, status: int, *, again: bool) -> SourceError:
    """The fault that a status other than success stands for."""
    label, where = asked.label, f"({status} for {asked})"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Setback(f"{label} itself failed {where}.", _LATER, fault=Fault.SERVER, again=again)
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return not_accepted(asked)
        case HTTPStatus.FORBIDDEN:
            wanted = (
                f"Grant them the permission `{asked.needs}`." if asked.needs else "Grant them permission to read it."
            )
            return SourceError(
                f"{label} does not let these credentials read this {where}.",
                f"{wanted} It may also depend on the plan.",
                fault=Fault.PERMISSION,
            )
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return SourceError(
                f"{label} knows no such record or address {where}.",
                "Check base_url, API version and ids in the settings of this source.",
                fault=Fault.NOT_FOUND,
            )
    if status >= HTTPStatus.BAD_REQUEST:
        return SourceError(
            f"{label} did not accept the request {where}.",
            "Check API version and field names in the settings of this source.",
            fault=Fault.REFUSED,
        )
    return SourceError(
        f"{label} points to another address {where}; redirects are not followed.",
        "Set base_url to the address itself.",
        fault=Fault.BAD_RESPONSE,
    )


def unsendable() -> SourceError:
    """A value cannot be part of a request, so there is no request."""
    return SourceError(
        "An id holds characters that cannot be part of a request.",
        "Correct it where the accounts are listed.",
        fault=Fault.REFUSED,
    )


def not_accepted(asked: Asked) -> SourceError:
    """The credentials are wrong, expired or revoked."""
    return SourceError(
        f"{asked.label} does not accept the credentials ({asked}).",
        "Renew or correct them in the settings of this source.",
        fault=Fault.AUTHENTICATION,
    )


def throttled(asked: Asked, status: int, until: datetime | None) -> Setback:
    """The system asks us to slow down."""
    return Setback(
        f"{asked.label} asks us to slow down ({status} for {asked}).",
        _after(until) if until else "It does not say for how long; try again in a few minutes.",
        fault=Fault.THROTTLED,
        again=True,
    )


def no_turn(asked: Asked, until: datetime) -> SourceError:
    """To stay within the system's limits we would have to wait longer than there is time."""
    return SourceError(
        f"{asked.label} was not asked ({asked}): its limit on requests is used up for now.",
        _after(until),
        fault=Fault.THROTTLED,
    )


def no_time(asked: Asked) -> SourceError:
    """The time was up before the question could be asked."""
    return SourceError(f"No time was left to ask {asked.label} ({asked}).", _LATER, fault=Fault.TIMEOUT)


def timed_out(asked: Asked) -> Setback:
    """There was no complete answer in time."""
    return Setback(
        f"{asked.label} gave no complete answer in time ({asked}).", _LATER, fault=Fault.TIMEOUT, again=False
    )


def unreachable(asked: Asked) -> Setback:
    """There was no connection, or it broke."""
    return Setback(
        f"{asked.label} cannot be reached, or the connection broke ({asked}).",
        "Check the network, base_url and its certificate.",
        fault=Fault.UNREACHABLE,
        again=True,
    )


def broken_off(asked: Asked) -> Setback:
    """The answer ended early or breaks the rules of HTTP."""
    return Setback(
        f"The answer of {asked.label} broke off or is no proper HTTP ({asked}).",
        "Try again later; if it persists, check base_url.",
        fault=Fault.BAD_RESPONSE,
        again=True,
    )


def unreadable(asked: Asked, problem: str) -> SourceError:
    """The answer came, and cannot be read."""
    return SourceError(
        f"The answer of {asked.label} cannot be read ({asked}): {problem}.",
        "Check base_url and the API version in the settings of this source.",
        fault=Fault.BAD_RESPONSE,
    )


def paused(label: str, until: datetime) -> SourceError:
    """Not asked, because it failed several times in a row a moment ago."""
    return SourceError(
        f"{label} was not asked: it failed several times in a row a moment ago.", _after(until), fault=Fault.PAUSED
    )


def _after(instant: datetime) -> str:
    return f"Try again after {instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC."
