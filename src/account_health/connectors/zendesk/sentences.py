"""Sentences: what was left out of a reading of a Zendesk, and how old a list is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from account_health.language import count, mark, say

if TYPE_CHECKING:
    from collections.abc import Sequence

UNSEARCHED = mark(
    "Tickets without an organization could not be searched for; `requester_domains = false` leaves them out for good"
)
UNSEARCHED_OPEN = mark("Open tickets that were not updated within `history_days` could not be searched for")


def cut(why: str) -> str:
    """Not all organizations are known."""
    return say(
        "Tickets without an organization are left out, because the list of organizations was cut: {why}", why=why
    )


def how_old(minutes: int) -> str:
    """How old the list of organizations is."""
    return count(
        "The list of organizations is {n} min old; `refresh` has it read again",
        "The list of organizations is {n} min old; `refresh` has it read again",
        minutes,
    )


def none_of(keys: Sequence[str]) -> str:
    """Which of the configured fields do not exist."""
    first, *others = keys
    text = say("there is no {key}", key=first)
    for key in others:
        text = say("{sentence} and no {key}", sentence=text, key=key)
    return text
