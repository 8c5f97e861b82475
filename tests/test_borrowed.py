"""Borrowed words: faults that pydantic, TOML and the operating system tell of are told in the asked language too."""

from __future__ import annotations

import errno
import os
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from account_health.borrowed import borrowed
from account_health.language import retold, speaking
from other_tongues import WIDE, unsaid


class Everything(BaseModel):
    """Fields of every kind that settings, arguments and rows have."""

    needed: int
    word: Literal["off", "confirm", "allow"] = "off"
    only: Literal["md"] = "md"
    text: Annotated[str, Field(min_length=1, max_length=2)] = "a"
    pattern: Annotated[str, Field(pattern="^a$")] = "a"
    switch: bool = False
    whole: Annotated[int, Field(ge=1, le=9)] = 1
    number: Annotated[float, Field(gt=0, lt=2.5, allow_inf_nan=False)] = 1
    items: Annotated[list[int], Field(min_length=2, max_length=3)] = Field(default=[1, 2])
    row: tuple[str, ...] = ()
    table: Annotated[dict[str, int], Field(min_length=1)] = Field(default={"a": 1})
    day: date = date(2026, 1, 1)
    instant: datetime = datetime(2026, 1, 1)


WRONG: list[dict[str, Any]] = [
    {},
    {"word": "maybe"},
    {"only": "html"},
    {"text": ""},
    {"text": "abc"},
    {"text": 7},
    {"pattern": "b"},
    {"switch": "perhaps"},
    {"switch": []},
    {"whole": 0},
    {"whole": 10},
    {"whole": 1.5},
    {"whole": "x"},
    {"whole": []},
    {"number": 0},
    {"number": 2.5},
    {"number": "x"},
    {"number": []},
    {"number": float("nan")},
    {"items": [1]},
    {"items": [1, 2, 3, 4]},
    {"items": 1},
    {"row": "x"},
    {"table": {}},
    {"table": 1},
    {"table": {1: 1}},
    {"day": "x"},
    {"day": "2026-13-01"},
    {"day": "2026-02-30"},
    {"day": "2026-02-30T09:30:00"},
    {"day": datetime(2026, 1, 1, 9)},
    {"day": []},
    {"instant": "not a date"},
    {"instant": "2026-01-01T25:00"},
    {"instant": "2026-01-01x10:00"},
    {"instant": []},
]


def complaints(values: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        Everything.model_validate(values)
    return [fault["msg"] for fault in refused.value.errors()]


@pytest.mark.parametrize("values", WRONG, ids=str)
def test_what_pydantic_says_stays_as_it_is_in_english_and_is_said_in_other_languages(values: dict[str, Any]) -> None:
    for told in complaints(values):
        assert borrowed(told) == told
        with speaking(WIDE):
            assert unsaid(borrowed(told), "off", "confirm", "allow", "md", "YYYY-MM-DD", "^a$") == []


@pytest.mark.parametrize(
    "text",
    [
        *("a", "a = ", "a = x", "= 1", "a = 1\na = 2", "a = 1 2", "[a", "[a\n", "[a]\n[a]", "a = [1", "a = {b = 1"),
        *("a = 'x", 'a = "x', 'a = "x\n', "a = \x01", 'a = "\\q"', "a = 2026-02-30", "a = {b = 1, b = 2}"),
    ],
)
def test_what_is_wrong_with_a_toml_file_is_said_too(text: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as refused:
        tomllib.loads(text)
    told = str(refused.value)

    assert borrowed(told) == told
    with speaking(WIDE):
        assert unsaid(borrowed(told), "('a',)", r"'\n'", "b") == []


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.EROFS, errno.ENOSPC])
def test_what_the_operating_system_says_of_a_file_is_said_too(number: int) -> None:
    told = os.strerror(number)

    assert borrowed(told) == told
    with speaking(WIDE):
        assert unsaid(borrowed(told)) == []


def test_a_file_that_is_no_text_is_told_of_too(tmp_path: Path) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes("a = 'é'".encode("latin-1"))
    with pytest.raises(UnicodeDecodeError) as refused:
        file.read_text("utf-8")

    with speaking(WIDE):
        assert unsaid(borrowed(str(refused.value)), "utf-8", "0xe9") == []


def test_a_borrowed_text_that_was_kept_is_said_again_in_the_language_of_the_day() -> None:
    told = "Input should be 'off', 'confirm' or 'allow'"
    with speaking("fr"):
        kept = borrowed(told)
        assert kept != told

    assert retold(kept) == told


def test_what_nobody_here_knows_stays_as_it_is() -> None:
    with speaking("fr"):
        assert borrowed("The dog ate it {really}") == "The dog ate it {really}"
