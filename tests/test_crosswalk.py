"""The crosswalk: what is written is read back as it was, whatever an id looks like; a contradiction names its line."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from account_health.config import load_config
from account_health.crosswalk import NOBODY, CrosswalkLine, format_crosswalk, parse_crosswalk, read_crosswalk
from account_health.errors import ConfigurationError
from beacon import FILES, configured

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = Path("crosswalk.csv")
HEAD = "source,record_id,account_id\n"
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "|calc", "%x", " =1", "\t=1"]


def parsed(text: str) -> Mapping[str, Mapping[str, str]]:
    """What the text says of the sources `desk` and `bills`."""
    return parse_crosswalk(text, PATH, ["desk", "bills"])


def fault(text: str) -> str:
    """What is wrong with the text."""
    with pytest.raises(ConfigurationError) as caught:
        parsed(text)
    return str(caught.value)


ids = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" '=+-@|%"), min_size=1).filter(
    lambda i: i == i.strip() and i != NOBODY
)


@given(st.dictionaries(ids, ids | st.just(""), max_size=5))
@example({"=1": "A-1", "'=1": "=2", "''+3": "'-1", "'": "'", '"': 'a"b', "a,b": "x;y", "-": "-1"})
def test_what_is_written_is_read_back(records: dict[str, str]) -> None:
    lines = [CrosswalkLine("desk", record, account, record_name="\n=x,") for record, account in records.items()]

    assert parsed(format_crosswalk(lines)) == (
        {"desk": known} if (known := {record: account for record, account in records.items() if account}) else {}
    )


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_can_be_taken_for_a_formula(text: str) -> None:
    written = format_crosswalk([CrosswalkLine(*[text] * 9)])
    (_, cells) = csv.reader(io.StringIO(written, newline=""))

    assert {cell[0] for cell in cells} == {"'"}


def test_no_cell_can_steer_a_terminal_or_begin_a_line() -> None:
    written = format_crosswalk([CrosswalkLine(*["a\x1b[31m\r\n\u202e=b"] * 9)])

    assert written.splitlines()[1:] == [",".join(["a[31m =b"] * 9)]


def test_records_without_an_account_stand_first_and_the_rest_in_order() -> None:
    lines = [("desk", "2", "A"), ("bills", "9", "B"), ("desk", "1", ""), ("desk", "3", NOBODY), ("bills", "1", "")]
    written = format_crosswalk(CrosswalkLine(*line) for line in lines)

    assert [tuple(row[:3]) for row in csv.reader(io.StringIO(written))][1:] == [
        ("bills", "1", ""),
        ("desk", "1", ""),
        ("bills", "9", "B"),
        ("desk", "2", "A"),
        ("desk", "3", "-"),
    ]


def test_a_dash_says_nobody_and_an_empty_cell_says_nothing() -> None:
    assert parsed(f"{HEAD}desk,1,-\ndesk,2,\ndesk,3, A-1 \n\n,,\n") == {"desk": {"1": "", "3": "A-1"}}


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff{HEAD}desk,1,A\n",
        "account_id,note,source,record_id\nA,anything,desk,1\n",
        "source;record_id;account_id\ndesk;1;A\n",
        "source\trecord_id\taccount_id\r\ndesk\t1\tA\r\n",
        f'{HEAD}"desk","1","A"\n',
        f"{HEAD}desk,1,A,more,cells\ndesk\n",
        f"{HEAD}desk,1,A\ndesk,1,A\n",
    ],
)
def test_files_that_people_and_spreadsheets_save_are_read(tmp_path: Path, text: str) -> None:
    toml = 'crosswalk = "x.csv"\n' + FILES.replace("crm", "desk")
    (tmp_path / "x.csv").write_text(text, "utf-8", newline="")

    assert read_crosswalk(load_config(configured(tmp_path, toml))) == {"desk": {"1": "A"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEAD}desk,1,A\nbills,1,A\ndesk,1,B\n", "Line 4 of the crosswalk crosswalk.csv gives a record to a second"),
        (f"{HEAD}desk,1,A\ndesk,1,-\n", "Line 3 of the crosswalk crosswalk.csv gives a record to a second"),
        (f"{HEAD}\ndesc,1,A\n", "Line 3 of the crosswalk crosswalk.csv names a source that is not configured"),
        ("source,account_id\ndesk,A\n", "The crosswalk crosswalk.csv has no column record_id."),
        ("", "The crosswalk crosswalk.csv has no column source, record_id, account_id."),
        (f'{HEAD}desk,1,"{"A" * 200_000}\n', "The crosswalk crosswalk.csv cannot be read after line 1."),
    ],
)
def test_a_line_that_cannot_be_used_is_named(text: str, said: str) -> None:
    assert said in fault(text)


def test_the_sources_that_there_are_are_named() -> None:
    assert "Known: bills, desk." in fault(f"{HEAD}desc,1,A\n")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(
        ConfigurationError, match=r"The crosswalk .*x\.csv cannot be read as UTF-8 text.*take the setting away"
    ):
        read_crosswalk(load_config(configured(tmp_path, f'crosswalk = "x.csv"\n{FILES}')))
