"""Pages: opaque cursors that say where the next page starts, and refuse to be used for another question."""

from __future__ import annotations

import base64
import hashlib
import re

from account_health.errors import CallerError
from account_health.language import say

_PLACE = re.compile(r"([0-9]{1,9}):([0-9a-f]+)")
"""Where a page starts and of which question; Python refuses to read numbers of thousands of digits."""


def cursor_after(end: int, question: object) -> str:
    """The cursor of the page that starts behind `end` of the answer to a question."""
    return base64.urlsafe_b64encode(f"{end}:{_fingerprint(question)}".encode()).decode().rstrip("=")


def start_of(cursor: str, question: object) -> int:
    """Where the page of a cursor starts; raises CallerError if it belongs to no page of this question."""
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        text = ""
    found = _PLACE.fullmatch(text)
    if found is None or found[2] != _fingerprint(question):
        raise CallerError(
            say("This cursor belongs to no page of this search."), say("Leave it out, or pass next_cursor unchanged.")
        )
    return int(found[1])


def _fingerprint(question: object) -> str:
    return hashlib.sha256(repr(question).encode()).hexdigest()[:8]
