"""Retry: what a vendor says about when to come again, and how much time is left for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

import anyio

from account_health.connectors.http.body import Unreadable, read_json

if TYPE_CHECKING:
    import httpx2

    from account_health.connectors.http.manners import Manners, Throttle

BACKOFF = {"wait_initial": 0.2, "wait_max": 2.0, "wait_jitter": 0.8}
"""Seconds between tries when the vendor names none; the jitter keeps clients from coming back in step."""
LONGEST_BACKOFF = BACKOFF["wait_max"]
UNTOLD_SECONDS = 1.0
"""The pause after "too fast" without a time."""
ERROR_BYTES = 64 * 1024
"""The most we read of an answer that only says what went wrong."""
LONGEST_TOLD = timedelta(days=1)
"""No vendor counts by more than a day; more is a mistake, and would lock a source out until a restart."""
MARGIN_SECONDS = 0.1
"""We give up so long before the caller's deadline, so that a failure is an answer and not a cancellation."""


def seconds_left() -> float:
    """Seconds until the caller's deadline, less a margin."""
    return anyio.current_effective_deadline() - MARGIN_SECONDS - anyio.current_time()


def sent_at(headers: Mapping[str, str]) -> datetime | None:
    """The instant an answer was sent, by the clock of the system that sent it."""
    return _http_date(headers.get("date", ""))


def told_wait(headers: Mapping[str, str], manners: Manners, now: datetime) -> float | None:
    """Seconds the vendor asks us to wait: by Retry-After, else until its count starts anew."""
    text = headers.get("retry-after", "").strip()
    told = _seconds(text)
    if told is None:
        told = _seconds_until(_http_date(text), headers, now)
    return until_reset(headers, manners, now) if told is None else told


def until_reset(headers: Mapping[str, str], manners: Manners, now: datetime) -> float | None:
    """Seconds until the vendor's count starts anew, if the vendor says so."""
    text = headers.get(manners.reset_header, "").strip() if manners.reset_header else ""
    if manners.reset_kind == "seconds":
        return _seconds(text)
    return _seconds_until(_instant(text, manners.reset_kind), headers, now)


def is_nearly_used_up(headers: Mapping[str, str], manners: Manners) -> bool:
    """True if the vendor says that no more requests are left than we leave to others."""
    text = headers.get(manners.remaining_header, "").strip() if manners.remaining_header else ""
    return text.isdecimal() and float(text) <= manners.head_room


async def is_throttle(response: httpx2.Response, manners: Manners) -> bool:
    """True if the answer means "too fast" to this vendor, which some say by a code in the body."""
    fitting = [throttle for throttle in manners.throttles if throttle.status == response.status_code]
    if not fitting or any(throttle.code is None for throttle in fitting):
        return bool(fitting)
    try:
        body = await read_json(response, replace(manners, max_body_bytes=ERROR_BYTES))
    except Unreadable:
        return False
    return any(_carries(body, throttle) for throttle in fitting)


def _carries(body: Any, throttle: Throttle) -> bool:
    """True if the code of the throttle stands at its key, anywhere in the body."""
    if isinstance(body, Mapping):
        return body.get(throttle.at) == throttle.code or any(_carries(value, throttle) for value in body.values())
    return isinstance(body, list) and any(_carries(value, throttle) for value in body)


def _seconds(text: str) -> float | None:
    return min(float(text), LONGEST_TOLD.total_seconds()) if text.isascii() and text.isdecimal() else None


def _seconds_until(instant: datetime | None, headers: Mapping[str, str], now: datetime) -> float | None:
    """Counted by the clock that named the instant, so that ours may go wrong."""
    if instant is None:
        return None
    return min(max(instant - (sent_at(headers) or now), timedelta()), LONGEST_TOLD).total_seconds()


def _instant(text: str, kind: Literal["unix", "iso"]) -> datetime | None:
    try:
        found = datetime.fromtimestamp(float(text), UTC) if kind == "unix" else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
