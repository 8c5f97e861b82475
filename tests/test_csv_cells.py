"""Cells of a CSV file: whatever the text, a spreadsheet has nothing to calculate; a harmless text stays as it is."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from account_health.csv_cells import safe_cell
from account_health.markup import visible
from given import SHARED

CORPUS = SHARED / "corpora" / "csv" / "csv-payload.txt"
HERE = Path(__file__).parent
HARMLESS = [
    line
    for name in ("names_harmless.txt", "names_international.txt")
    for line in (HERE / name).read_text("utf-8").splitlines()
]
LIVE = "=+-@|%"
FORMS = [
    "=1+1", "+1", "-1", "@SUM(1+1)", "|calc", "%0A", "\t=1", "\r=1", "\n=1", "\tx", "\rx", "\nx", "\r\nx",
    " =1", "\u00a0=1", "\u3000=1", "\u200b=1", "\ufeff=1", "\u2060=1", "\u00ad=1", "\u202e=1", "\x00=1", "\x1b=1",
    "\U000e0041=1", "\ufe0f=1", "\u3164=1", "\u200d=1", " \u200b \t=1",
    "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\uff5cx", "\uff050", "﹦1", "﹢1", "﹣1", "﹫x", "⁼1", "⁺1", "₌1",
    "\u200b\uff1d1", '=cmd|"/C calc"!A0', "=1\n=2", '="a",=1', '=HYPERLINK("http://x.example")',
]  # fmt: skip


def is_live(cell: str) -> bool:
    """Whether a spreadsheet could calculate the cell, judged without the code under test."""
    shown = [c for c in cell if unicodedata.category(c)[0] not in "CZ"]
    return unicodedata.normalize("NFKC", "".join(shown)).lstrip().startswith(tuple(LIVE))


@pytest.mark.parametrize("text", FORMS)
def test_what_could_be_a_formula_stands_behind_an_apostrophe(text: str) -> None:
    assert safe_cell(text) == f"'{visible(text, 1000)}"
    assert not is_live(safe_cell(text))


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("\u200b=1+1", "'=1+1"),
        ("\t x ", "'x"),
        ("\uff1d1", "'\uff1d1"),
        ("-5", "'-5"),
        ("+49 30 1234", "'+49 30 1234"),
        ("a\r\n=1", "a =1"),
        ("'=1", "'=1"),
        ("a=1", "a=1"),
        ("5", "5"),
        ("", ""),
        ("\u200b\x00", ""),
        ("Zoe\u0308", "Zoë"),
    ],
)
def test_a_cell_shows_what_can_be_seen_of_the_text_on_one_line(text: str, cell: str) -> None:
    assert safe_cell(text) == cell


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_names_stay_as_they_are(name: str) -> None:
    assert safe_cell(name) == visible(name, 1000)
    assert safe_cell(name)[:1] != "'"


@given(st.text() | st.tuples(st.text(max_size=3), st.sampled_from([*LIVE, *FORMS]), st.text()).map("".join))
@example("\u00b4=1")
def test_no_text_at_all_is_left_to_calculate(text: str) -> None:
    cell = safe_cell(text)

    assert not is_live(cell)
    assert len(cell.splitlines()) <= 1
    assert [c for c in cell if unicodedata.category(c) in ("Cc", "Cs")] == []


@given(st.lists(st.text(), min_size=2))
def test_cells_are_read_back_as_they_were_written(texts: list[str]) -> None:
    cells = [safe_cell(text) for text in texts]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow(cells)

    assert list(csv.reader(io.StringIO(out.getvalue(), newline=""))) == [cells]


def test_the_corpus_of_formulas_has_nothing_to_calculate() -> None:
    if not CORPUS.is_file():
        pytest.skip("NOT RUN: the corpus of CSV payloads is not laid beside the repository")
    payloads = CORPUS.read_text("utf-8").splitlines()

    assert sum(map(is_live, payloads)) >= 5
    assert [payload for payload in payloads if is_live(safe_cell(payload))] == []
