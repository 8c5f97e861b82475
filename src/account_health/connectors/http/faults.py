"""Faults: every way a request can fail, in words of ours that name the system, the path and the status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from account_health.errors import Fault, SourceError
from account_health.language import mark, say, written

HOST_FAULTS = frozenset({Fault.BAD_RESPONSE, Fault.SERVER, Fault.TIMEOUT, Fault.UNREACHABLE})
"""Of a setback: those that speak against the host and not against the request."""

_LATER = mark("Try again later.")


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
    told = {"system": asked.label, "status": status, "request": asked}
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        message = say("{system} itself failed ({status} for {request}).", **told)
        return Setback(message, say(_LATER), fault=Fault.SERVER, again=again)
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return not_accepted(asked)
        case HTTPStatus.FORBIDDEN:
            return SourceError(
                say("{system} does not let these credentials read this ({status} for {request}).", **told),
                _permission(asked.needs),
                fault=Fault.PERMISSION,
            )
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return SourceError(
                say("{system} knows no such record or address ({status} for {request}).", **told),
                say("Check base_url, API version and ids in the settings of this source."),
                fault=Fault.NOT_FOUND,
            )
    if status >= HTTPStatus.BAD_REQUEST:
        return SourceError(
            say("{system} did not accept the request ({status} for {request}).", **told),
            say("Check API version and field names in the settings of this source."),
            fault=Fault.REFUSED,
        )
    return SourceError(
        say("{system} points to another address ({status} for {request}); redirects are not followed.", **told),
        say("Set base_url to the address itself."),
        fault=Fault.BAD_RESPONSE,
    )


def _permission(needed: str) -> str:
    if needed:
        return say("Grant them the permission `{permission}`. It may also depend on the plan.", permission=needed)
    return say("Grant them permission to read it. It may also depend on the plan.")


def unsendable() -> SourceError:
    """A value cannot be part of a request, so there is no request."""
    return SourceError(
        say("An id holds characters that cannot be part of a request."),
        say("Correct it where the accounts are listed."),
        fault=Fault.REFUSED,
    )


def not_accepted(asked: Asked) -> SourceError:
    """The credentials are wrong, expired or revoked."""
    return SourceError(
        say("{system} does not accept the credentials ({request}).", system=asked.label, request=asked),
        say("Renew or correct them in the settings of this source."),
        fault=Fault.AUTHENTICATION,
    )


def throttled(asked: Asked, status: int, until: datetime | None) -> Setback:
    """The system asks us to slow down."""
    told = {"system": asked.label, "status": status, "request": asked}
    return Setback(
        say("{system} asks us to slow down ({status} for {request}).", **told),
        _after(until) if until else say("It does not say for how long; try again in a few minutes."),
        fault=Fault.THROTTLED,
        again=True,
    )


def no_turn(asked: Asked, until: datetime) -> SourceError:
    """To stay within the system's limits we would have to wait longer than there is time."""
    told = {"system": asked.label, "request": asked}
    return SourceError(
        say("{system} was not asked ({request}): its limit on requests is used up for now.", **told),
        _after(until),
        fault=Fault.THROTTLED,
    )


def no_time(asked: Asked) -> SourceError:
    """The time was up before the question could be asked."""
    message = say("No time was left to ask {system} ({request}).", system=asked.label, request=asked)
    return SourceError(message, say(_LATER), fault=Fault.TIMEOUT)


def timed_out(asked: Asked) -> Setback:
    """There was no complete answer in time."""
    message = say("{system} gave no complete answer in time ({request}).", system=asked.label, request=asked)
    return Setback(message, say(_LATER), fault=Fault.TIMEOUT, again=False)


def unreachable(asked: Asked) -> Setback:
    """There was no connection, or it broke."""
    told = {"system": asked.label, "request": asked}
    return Setback(
        say("{system} cannot be reached, or the connection broke ({request}).", **told),
        say("Check the network, base_url and its certificate."),
        fault=Fault.UNREACHABLE,
        again=True,
    )


def broken_off(asked: Asked) -> Setback:
    """The answer ended early or breaks the rules of HTTP."""
    told = {"system": asked.label, "request": asked}
    return Setback(
        say("The answer of {system} broke off or is no proper HTTP ({request}).", **told),
        say("Try again later; if it persists, check base_url."),
        fault=Fault.BAD_RESPONSE,
        again=True,
    )


def unreadable(asked: Asked, problem: str) -> SourceError:
    """The answer came, and cannot be read."""
    told = {"system": asked.label, "request": asked, "problem": problem}
    return SourceError(
        say("The answer of {system} cannot be read ({request}): {problem}.", **told),
        say("Check base_url and the API version in the settings of this source."),
        fault=Fault.BAD_RESPONSE,
    )


def paused(label: str, until: datetime) -> SourceError:
    """Not asked, because it failed several times in a row a moment ago."""
    message = say("{system} was not asked: it failed several times in a row a moment ago.", system=label)
    return SourceError(message, _after(until), fault=Fault.PAUSED)


def _after(instant: datetime) -> str:
    moment = instant.astimezone(UTC)
    return say("Try again after {day} {time} UTC.", day=written(moment.date()), time=f"{moment:%H:%M:%S}")
