"""Manners: how a vendor wants to be asked, and how much of an answer we are ready to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TOO_MANY_REQUESTS = 429
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Throttle:
    """A status that means "too fast"; with `code`, only if a JSON body carries that code at the key `at`."""

    status: int
    code: str | None = None
    at: str = "errorCode"


@dataclass(frozen=True)
class Manners:
    """Defaults suit the strictest of the usual vendors; a connector names only what its vendor does otherwise."""

    concurrency: int = 4
    """Requests under way at once: the lowest limit on parallel calls among the usual vendors is 5."""
    per_second: float = 10.0
    """Requests a second, on average: half of what a vendor's smallest plan admits leaves room for its other users."""
    burst: int = 10
    """Requests that may go at once after a rest: one account is read in 3 to 6 calls and should not wait."""
    attempts: int = 3
    """Tries per read: enough for a blip, too few to burden a system that is down."""
    answer_seconds: float = 30.0
    """Longest time from sending a request to the last byte of its answer: what a slow report query may need."""
    longest_wait_seconds: float = 120.0
    """Longest pause we grant a vendor that asks for one; most count their limits by the minute."""
    max_body_bytes: int = 5 * MEBIBYTE
    """Largest answer after decompression; pages of usual size stay below 1 MiB."""
    max_depth: int = 64
    """Deepest nesting of an answer; those of vendors stay below 15."""
    max_pages: int = 500
    """Most pages of one list: 50,000 records at the usual 100 a page."""
    throttles: tuple[Throttle, ...] = (Throttle(TOO_MANY_REQUESTS),)
    retried: frozenset[int] = frozenset({500, 502, 503, 504})
    """Statuses of a host in trouble. 500 too, because everything asked here is safe to ask again."""
    reset_header: str | None = None
    """The header that says when the vendor's count starts anew, if there is one."""
    reset_kind: Literal["unix", "iso", "seconds"] = "unix"
    remaining_header: str | None = None
    """The header that says how many requests are left until then."""
    head_room: int = 2
    """Requests left to the vendor's other users: at this many remaining, we wait for the reset."""
