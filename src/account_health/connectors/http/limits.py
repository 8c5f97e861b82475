"""Limits: what one source may be asked in a while, and when it is left alone. Both outlive connections."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from account_health.connectors.http.faults import HOST_FAULTS, Setback
from account_health.errors import Fault, SourceError

_TELL_NOTHING = frozenset({Fault.THROTTLED, Fault.TIMEOUT})


class RateBudget:
    """Lets requests go at an even pace, with a burst after a rest; bound to no event loop.

    One instant holds all its state: when the next request is due at an even pace. A burst may run ahead of it.
    """

    def __init__(self, per_second: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / per_second
        self._ahead = (burst - 1) * self._interval
        self._now = now
        self._due = now()

    def wait(self) -> float:
        """Seconds until a request may go; 0 if one may go now."""
        return max(0.0, self._due - self._ahead - self._now())

    def take(self) -> None:
        """One request goes now."""
        self._due = max(self._due, self._now()) + self._interval

    def hold(self, seconds: float) -> None:
        """No request goes for so long, and no burst after it."""
        self._due = max(self._due, self._now() + seconds + self._ahead)


class Breaker:
    """Leaves a host alone for a while after it failed several times in a row; then one probe decides."""

    def __init__(
        self, clock: Callable[[], datetime], failures: int = 5, pause: timedelta = timedelta(seconds=30)
    ) -> None:
        self._clock = clock
        self._failures = failures
        self._pause = pause
        self._in_a_row = 0
        self._resumes_at = clock()

    @property
    def is_open(self) -> bool:
        """True while the host has failed too often in a row, until a probe succeeds."""
        return self._in_a_row >= self._failures

    def barred_until(self) -> datetime | None:
        """When the host may be asked again, or None if it may be asked now; to be told None while open is the probe."""
        if not self.is_open:
            return None
        now = self._clock()
        if now < self._resumes_at:
            return self._resumes_at
        # A probe that is cancelled tells nothing. So the next pause starts with the probe, not with its outcome.
        self._resumes_at = now + self._pause
        return None

    def note(self, error: SourceError | None) -> None:
        """Counts how a read ended. One that never reached the host, or was asked to slow down, tells nothing."""
        if isinstance(error, Setback) and error.fault in HOST_FAULTS:
            self._in_a_row += 1
            self._resumes_at = self._clock() + self._pause
        elif error is None or error.fault not in _TELL_NOTHING:
            self._in_a_row = 0
