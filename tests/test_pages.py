"""Pages: a cursor leads to the next page of the question it came from, and to nothing else."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_health.at_risk import WantedAtRisk
from account_health.errors import CallerError
from account_health.pages import cursor_after, start_of
from account_health.search import Wanted

STARTS = st.integers(0, 1_000_000)
QUESTIONS = st.builds(Wanted, query=st.text(), segment=st.text(), owner=st.text()) | st.builds(
    WantedAtRisk, segment=st.text(), renewing=st.text(), top_by_arr=st.integers(0, 99)
)
REFUSAL = "This cursor belongs to no page of this search. Leave it out, or pass next_cursor unchanged."


def forged(start: str, question: object) -> str:
    """The cursor of a question with another start written into it."""
    cursor = cursor_after(0, question)
    asked = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")[2]
    return base64.urlsafe_b64encode(f"{start}:{asked}".encode()).decode()


def refusal(cursor: str, question: object) -> str:
    """Why the cursor is refused."""
    with pytest.raises(CallerError) as refused:
        start_of(cursor, question)
    return str(refused.value)


@given(start=STARTS, question=QUESTIONS)
def test_a_cursor_leads_to_where_its_page_starts(start: int, question: object) -> None:
    cursor = cursor_after(start, question)

    assert start_of(cursor, question) == start
    assert re.fullmatch(r"[\w-]+", cursor, re.ASCII)
    assert len(cursor) < 40


@given(start=STARTS, questions=st.lists(QUESTIONS, min_size=2, max_size=2, unique=True))
def test_a_cursor_of_another_question_is_refused(start: int, questions: list[object]) -> None:
    assert refusal(cursor_after(start, questions[0]), questions[1]) == REFUSAL


def test_without_a_cursor_the_first_page_is_meant() -> None:
    assert start_of("", Wanted()) == 0


@given(st.text(min_size=1))
def test_any_other_text_is_refused(text: str) -> None:
    assert refusal(text, Wanted()) == REFUSAL


@pytest.mark.parametrize(
    "start",
    [
        "", "-1", "+1", " 1", "1 ", "1.0", "1e3", "1_0", "0x1", "\u0661", "\uff11", "\u00b2", "one", "1:1", "9" * 10,
        "9" * 5000,
    ],
)  # fmt: skip
def test_a_start_that_was_written_into_a_cursor_is_refused(start: str) -> None:
    assert refusal(forged(start, Wanted()), Wanted()) == REFUSAL


@pytest.mark.parametrize("cursor", ["=", "====", "é", "\0", "AAAA", "_w", "MA", "MDo", "0", "null", "." * 9999])
def test_what_was_never_a_cursor_is_refused(cursor: str) -> None:
    assert refusal(cursor, Wanted()) == REFUSAL


def test_a_cursor_says_nothing_of_what_was_asked() -> None:
    cursor = cursor_after(20, Wanted(owner="secretive"))
    shown = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()

    assert re.fullmatch(r"20:[0-9a-f]{8}", shown)
