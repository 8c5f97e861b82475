"""Pages: opaque cursors that say where the next page starts, and refuse to be used for another question."""

from __future__ import annotations

import base64
import hashlib

from account_health.errors import CallerError


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
    start, _, asked = text.partition(":")
    if not (start.isascii() and start.isdecimal()) or asked != _fingerprint(question):
        raise CallerError(
            "This cursor belongs to no page of this search.", "Leave it out, or pass next_cursor unchanged."
        )
    return int(start)


def _fingerprint(question: object) -> str:
    return hashlib.sha256(repr(question).encode()).hexdigest()[:8]
