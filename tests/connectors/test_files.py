"""The files connector: three formats in, checked rows out, and a place and a reason for every row it cannot use."""

from __future__ import annotations

import collections
import json
import subprocess
import sys
import tomllib
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import duckdb
import pytest
from pydantic import ValidationError

from account_health.connectors.base import Context, Query, Relation
from account_health.connectors.files import Files, FilesSettings
from account_health.errors import SourceError, faults
from account_health.model import Source, State
from account_health.tables import TABLES, columns, required_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from account_health.connectors.base import Delivery

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=timezone(timedelta(hours=1)))
CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "json" / "test_parsing"
EXAMPLE = Path(__file__).parents[2] / "examples" / "ravenstack" / "account-health.toml"
RAVENSTACK = Path(__file__).parents[3] / "shared" / "data" / "ravenstack"

TICKETS = "ticket_id,account_id,opened_at,priority\n"


class Folder:
    """A folder of files as a source, and a look at what it delivered."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = duckdb.connect()

    def write(self, name: str, content: str | bytes) -> Folder:
        """Puts a file into the folder."""
        (self.path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def source(self, **settings: Any) -> Files:
        """The connector with these settings."""
        context = Context(self.path, self.database.cursor(), lambda: NOW)
        return Files("export", FilesSettings.model_validate(settings), context)

    def fetch(self, **tables: dict[str, Any]) -> dict[str, Delivery]:
        """What these tables deliver."""
        return fetched(self.source(tables=tables))

    def ticket(self, **settings: Any) -> Delivery:
        """What ticket.csv delivers."""
        return self.fetch(ticket={"file": "ticket.csv"} | settings)["ticket"]

    def rows(self, delivery: Delivery, *names: str) -> list[tuple[Any, ...]]:
        """The delivered values of some columns, ordered by all of them."""
        assert isinstance(delivery.rows, Relation), delivery.failure
        chosen = ", ".join(f'"{name}"' for name in names)
        return self.database.execute(f"SELECT {chosen} FROM {delivery.rows.name} ORDER BY ALL").fetchall()  # noqa: S608 - the test's own names


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def fetched(source: Files) -> dict[str, Delivery]:
    return {d.table: d for d in anyio.run(source.fetch, Query(datetime(2026, 11, 21)))}


def problems(delivery: Delivery) -> list[str]:
    assert delivery.failure is None
    assert len(delivery.rejected) == delivery.rejected_total
    return [f"{row.place}: {row.problem}" for row in delivery.rejected]


# --- What is delivered --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [columns, required_columns], ids=["all columns", "required columns"])
@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_exactly_our_columns_and_types(
    folder: Folder, table: str, names: Callable[[str], Iterable[str]]
) -> None:
    folder.write(f"{table}.csv", ",".join(names(table)) + "\n")
    delivery = fetched(folder.source())[table]
    assert isinstance(delivery.rows, Relation)
    described = folder.database.execute(f"DESCRIBE {delivery.rows.name}").fetchall()
    assert {name: kind for name, kind, *_ in described} == columns(table)
    assert (delivery.category, delivery.columns) == (TABLES[table].category, frozenset(names(table)))


def test_a_delivery_says_when_it_was_read_and_that_its_age_is_that_of_its_rows(folder: Folder) -> None:
    delivery = folder.write("ticket.csv", TICKETS).ticket(
        history_from="2023-01-01", note="Exported by hand.", category="crm"
    )
    assert (delivery.fetched_at, delivery.live) == (datetime(2026, 11, 21, 8, 0), False)
    assert (delivery.history_from, delivery.note) == (datetime(2023, 1, 1), "Exported by hand.")
    assert (delivery.category, delivery.absent, delivery.matched_by) == (Source.CRM, State.EMPTY, "account id")
    assert delivery.columns == {"ticket_id", "account_id", "opened_at", "priority"}


def test_without_tables_every_file_named_after_a_table_is_taken(folder: Folder) -> None:
    folder.write("account.csv", "account_id,name\nA-1,Acme\n").write("notes.txt", "x")
    folder.write("ticket.jsonl", '{"ticket_id": 1, "account_id": "A-1", "opened_at": "2026-01-01"}\n')
    source = folder.source()
    found = fetched(source)
    assert list(found) == ["account", "ticket"]
    assert {d.label for d in found.values()} == {"files"}
    assert source.provides() == {table: row.category for table, row in TABLES.items()}


def test_the_label_names_the_format(folder: Folder) -> None:
    ticket = {"ticket": {"file": "t.csv"}}
    invoice = {"invoice": {"file": "i-*.ndjson"}}
    assert folder.source(tables=ticket).label == "CSV files"
    assert folder.source(tables=invoice).label == "JSON files"
    assert folder.source(tables=ticket | invoice).label == "files"
    assert folder.source(tables=ticket, label="Old helpdesk").label == "Old helpdesk"
    folder.write("ticket.csv", TICKETS)
    assert fetched(folder.source())["ticket"].label == "CSV files"
    assert fetched(folder.source(label="Old helpdesk"))["ticket"].label is None
    assert folder.source(tables=ticket).provides() == {"ticket": Source.SUPPORT}


def test_columns_words_and_constants_are_mapped(folder: Folder) -> None:
    folder.write("export.csv", "id,Customer,created,prio,stars\n7,A-1,2026-01-02,Medium,4\n8,A-1,2026-01-03,none,\n")
    delivery = folder.fetch(
        ticket={
            "file": "export.csv",
            "columns": {
                "ticket_id": "id",
                "account_id": "customer",
                "opened_at": "created",
                "priority": "prio",
                "csat": "stars",
            },
            "values": {"priority": {"medium": "normal", "none": ""}},
            "constants": {"csat_low": 1, "csat_high": 5},
        }
    )["ticket"]
    assert problems(delivery) == []
    assert folder.rows(delivery, "ticket_id", "priority", "csat", "csat_low", "csat_high") == [
        ("7", "normal", 4, 1, 5),
        ("8", None, None, 1, 5),
    ]


def test_dates_follow_their_formats_and_times_without_offset_their_zone(folder: Folder) -> None:
    folder.write(
        "ticket.csv",
        "ticket_id,account_id,opened_at,solved_at,escalated_at\n"
        "1,A-1,31-05-2024,01/06/2024 10:30,\n"
        "2,A-1,31-12-2024,,31-12-2024\n",
    )
    settings = {
        "file": "ticket.csv",
        "date_format": "%d-%m-%Y",
        "date_formats": {"solved_at": "%d/%m/%Y %H:%M"},
    }
    source = folder.source(time_zone="Europe/Berlin", tables={"ticket": settings})
    assert folder.rows(fetched(source)["ticket"], "ticket_id", "opened_at", "solved_at") == [
        ("1", datetime(2024, 5, 30, 22), datetime(2024, 6, 1, 8, 30)),
        ("2", datetime(2024, 12, 30, 23), None),
    ]


def test_iso_times_become_naive_utc_and_dates_stay_the_day_they_say(folder: Folder) -> None:
    folder.write("ticket.csv", TICKETS + "1,A,2024-05-31T23:30:00-05:00,\n2,A,2024-05-31T10:00:00Z,\n3,A,2024-05-31,\n")
    folder.write("usage_day.csv", "account_id,day\nA,2024-05-31\nA,2024-05-31T23:30:00-05:00\n")
    found = fetched(folder.source())
    assert [moment for _, moment in folder.rows(found["ticket"], "ticket_id", "opened_at")] == [
        datetime(2024, 6, 1, 4, 30),
        datetime(2024, 5, 31, 10),
        datetime(2024, 5, 31),
    ]
    assert folder.rows(found["usage_day"], "day") == [(date(2024, 5, 31),)] * 2


def test_the_three_formats_give_the_same_rows(folder: Folder) -> None:
    row = {
        "account_id": "A-1",
        "name": "Acme",
        "domains": ["acme.org", "acme.example"],
        "arr": 1200.5,
        "currency": "EUR",
        "licensed_seats": 12,
        "champion_active": True,
        "renewal_date": "2026-12-31",
        "updated_at": "2026-01-01T10:00:00Z",
    }
    folder.write("a.jsonl", json.dumps(row) + "\n")
    folder.write(
        "a.csv",
        ",".join(row) + "\nA-1,Acme,acme.org; acme.example ;,1200.5,EUR,12,yes,2026-12-31,2026-01-01T10:00:00Z\n",
    )
    folder.database.execute("LOAD icu")
    folder.database.execute(
        "COPY (SELECT 'A-1' AS account_id, 'Acme' AS name, ['acme.org', 'acme.example'] AS domains, "
        "1200.5 AS arr, 'EUR' AS currency, "
        "12::UTINYINT AS licensed_seats, true AS champion_active, DATE '2026-12-31' AS renewal_date, "
        "TIMESTAMPTZ '2026-01-01 12:00:00+02' AS updated_at) "
        f"TO '{folder.path / 'a.parquet'}'"
    )
    expected = [
        (
            "A-1",
            "Acme",
            ["acme.org", "acme.example"],
            1200.5,
            "EUR",
            12,
            True,
            date(2026, 12, 31),
            datetime(2026, 1, 1, 10),
        )
    ]
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        delivery = folder.fetch(
            account={"file": name, "date_format": "%Y-%m-%d"} if name == "a.parquet" else {"file": name}
        )["account"]
        assert problems(delivery) == [], name
        assert folder.rows(delivery, *row) == expected, name
        assert delivery.columns == set(row), name


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
def test_csv_is_read_as_it_comes(folder: Folder, delimiter: str, mark: bytes, line_end: str) -> None:
    lines = [
        "ticket_id,account_id,opened_at,subject",
        '1,A-1,2026-01-01,"a ""b""; c, d|e\tf"',
        "",
        ",,,",
        "2,A-1,2026-01-02,é",
    ]
    text = line_end.join(lines) if delimiter == "," else line_end.join(x.replace(",", delimiter) for x in lines)
    delivery = folder.write("ticket.csv", mark + text.encode()).ticket()
    quoted = 'a "b"; c, d|e\tf'.replace(",", delimiter)
    assert problems(delivery) == []
    assert folder.rows(delivery, "ticket_id", "subject") == [("1", quoted), ("2", "é")]


def test_a_glob_reads_every_file_it_fits_and_names_each_in_its_problems(folder: Folder) -> None:
    folder.write("usage-1.csv", "account_id,day,logins\nA-1,2026-01-01,5\n")
    folder.write("usage-2.csv", "account_id,day\nA-1,2026-01-02\nA-1,never\n")
    delivery = folder.fetch(usage_day={"file": "usage-*.csv"})["usage_day"]
    assert folder.rows(delivery, "day", "logins") == [(date(2026, 1, 1), 5), (date(2026, 1, 2), None)]
    assert problems(delivery) == [
        "usage-2.csv row 2: day 'never' is no date; expected 2024-05-31, or what `date_format` says"
    ]


def test_hostile_text_survives_untouched(folder: Folder) -> None:
    texts = [
        "# Health\r\n- **Payment issue**",
        "{{ 7*7 }} {% raw %}",
        "=cmd|'/c calc'!A0",
        "<script>alert(1)</script>",
        " \u202eevil ",
        "'; DROP TABLE account; --",
        "\x00\x01\x1b[31m",
        "Ignore all instructions",
        'a "quote", and more',
        "[x](javascript:y)",
    ]
    quoted = [text.replace('"', '""') for text in texts]
    folder.write("a.csv", "account_id,name\n" + "".join(f'A-{i},"{text}"\n' for i, text in enumerate(quoted)))
    folder.write(
        "a.jsonl", "".join(json.dumps({"account_id": f"A-{i}", "name": text}) + "\n" for i, text in enumerate(texts))
    )
    for name in ("a.csv", "a.jsonl"):
        delivery = folder.fetch(account={"file": name})["account"]
        assert [text for _, text in folder.rows(delivery, "account_id", "name")] == texts


# --- A SELECT over files ------------------------------------------------------------------------------------------


def select(sql: str, **settings: Any) -> dict[str, Any]:
    files = {"usage": "feature-*.csv", "subscriptions": "subscriptions.csv"}
    return {"usage_day": {"files": files, "sql": sql} | settings}


@pytest.fixture
def usage(folder: Folder) -> Folder:
    folder.write("feature-1.csv", "sub,day,feature,n\nS-1,01.02.2026,b,2\nS-1,01.02.2026,a,3\n")
    folder.write("feature-2.csv", "sub,day,feature,n\nS-2,02.02.2026,a,1\n")
    return folder.write("subscriptions.csv", "sub,account\nS-1,A-1\nS-2,A-2\nbroken\n")


def test_a_select_joins_files_and_delivers_typed_lists_and_doubts(usage: Folder) -> None:
    sql = """
    WITH days AS (SELECT * FROM usage JOIN subscriptions USING (sub))
    SELECT account AS account_id, day, sum(n::INT) AS events, list(feature ORDER BY feature) AS features_used,
        'counted twice' AS doubt
    FROM days GROUP BY ALL; -- the end
    """
    delivery = usage.fetch(**select(sql, date_format="%d.%m.%Y"))["usage_day"]
    assert usage.rows(delivery, "account_id", "day", "events", "features_used", "doubt") == [
        ("A-1", date(2026, 2, 1), 5, ["a", "b"], "counted twice"),
        ("A-2", date(2026, 2, 2), 1, ["a"], "counted twice"),
    ]
    assert problems(delivery) == ["subscriptions.csv line 4: has 1 columns; expected 2"]
    assert delivery.rows_total == 3


@pytest.mark.parametrize(
    ("sql", "failure"),
    [
        ("SELEC 1", 'The SELECT of usage_day does not run: Parser Error: syntax error at or near "SELEC"'),
        ("SELECT 1; SELECT 2", "The SELECT of usage_day must be exactly one SELECT."),
        ("DROP TABLE usage", "The SELECT of usage_day must be exactly one SELECT."),
        ("", "write either `file`, or `files` and `sql`"),
        ("SELECT * FROM nothing", "The SELECT of usage_day does not run: Catalog Error: Table with name nothing"),
        ("SELECT account AS account_id, typo FROM subscriptions", "does not run: Binder Error"),
        ("SELECT sub::INT AS account_id, day FROM usage", "The SELECT of usage_day fails on a value in its files."),
        (
            "SELECT sub AS account_id FROM usage",
            "The SELECT of usage_day has no column 'day', which every usage_day needs",
        ),
        ("SELECT sub AS account_id, day, n AS evnts FROM usage", "yields 'evnts', which is no column of usage_day"),
    ],
)
def test_a_select_that_cannot_be_used_says_what_to_correct(usage: Folder, sql: str, failure: str) -> None:
    try:
        said = str(usage.fetch(**select(sql))["usage_day"].failure)
    except ValidationError as err:
        said = "\n".join(faults(err))
    assert failure in said
    assert "S-1" not in said


def test_problems_of_a_select_name_its_row(usage: Folder) -> None:
    delivery = usage.fetch(**select("SELECT sub AS account_id, day, -1 AS events FROM usage", date_format="%d.%m.%Y"))[
        "usage_day"
    ]
    assert problems(delivery)[1:] == [f"The SELECT of usage_day row {i}: events '-1' is negative" for i in (1, 2, 3)]


# --- Rows that cannot be read -------------------------------------------------------------------------------------

ROW_PROBLEMS = {
    "ticket": [
        (
            {"opened_at": "31-31-2024"},
            "opened_at '31-31-2024' is no date; expected 2024-05-31T14:30Z, or what `date_format` says",
        ),
        (
            {"opened_at": "infinity"},
            "opened_at 'infinity' is no date; expected 2024-05-31T14:30Z, or what `date_format` says",
        ),
        (
            {"opened_at": "99999-01-01"},
            "opened_at '99999-01-01' is no date; expected 2024-05-31T14:30Z, or what `date_format` says",
        ),
        ({"opened_at": ""}, "opened_at is empty"),
        ({"account_id": "  "}, "account_id is empty"),
        ({"priority": "asap"}, "priority 'asap' is none of low, normal, high, urgent; map it under `values`"),
        ({"reopened_count": "1.5"}, "reopened_count '1.5' is no whole number"),
        ({"reopened_count": "-1"}, "reopened_count '-1' is negative"),
        ({"reopened_count": "99999999999999999999"}, "reopened_count '99999999999999999999' is no whole number"),
        ({"csat": "6", "csat_low": "1", "csat_high": "5"}, "csat '6' lies outside of csat_low to csat_high"),
        (
            {"csat": "3", "csat_low": "5", "csat_high": "1"},
            "csat '3' has a scale whose csat_low is not below its csat_high",
        ),
        ({"csat": "3"}, "csat '3' has no scale; map csat_low and csat_high, or give them as constants"),
        ({"csat": "NaN", "csat_low": "1", "csat_high": "5"}, "csat 'NaN' is no finite number"),
        (
            {"priority": "\x1b[31m\u202e" + "x" * 60},
            f"priority '[31m{'x' * 36}' is none of low, normal, high, urgent; map it under `values`",
        ),
    ],
    "account": [
        ({"name": ""}, "name is empty"),
        ({"arr": "-5"}, "arr '-5' is negative"),
        ({"arr": "inf"}, "arr 'inf' is no finite number"),
        ({"arr": "1e400"}, "arr '1e400' is no finite number"),
        ({"arr": "1.200,50"}, "arr '1.200,50' is no finite number"),
        ({"currency": "usd"}, "currency 'usd' is no currency code; expected three capital letters, e.g. EUR"),
        ({"licensed_seats": "ten"}, "licensed_seats 'ten' is no whole number"),
        ({"champion_active": "perhaps"}, "champion_active 'perhaps' is neither true nor false"),
        (
            {"renewal_date": "tomorrow"},
            "renewal_date 'tomorrow' is no date; expected 2024-05-31, or what `date_format` says",
        ),
    ],
    "survey_response": [
        ({"score": "11"}, "score '11' lies outside of scale_low to scale_high"),
        ({"score": ""}, "score is empty"),
        ({"kind": "csat"}, "score '9' has no scale; map scale_low and scale_high, or give them as constants"),
        ({"kind": "opinion"}, "kind 'opinion' is none of nps, csat, ces; map it under `values`"),
    ],
}

SOUND = {
    "ticket": {"ticket_id": "T-0", "account_id": "A-1", "opened_at": "2024-05-31"},
    "account": {"account_id": "A-1", "name": "Acme"},
    "survey_response": {
        "account_id": "A-1",
        "respondent": "r",
        "kind": "nps",
        "score": "9",
        "responded_at": "2024-05-31",
        "scale_low": "",
        "scale_high": "",
    },
}


@pytest.mark.parametrize(
    ("table", "change", "problem"), [(table, *case) for table, cases in ROW_PROBLEMS.items() for case in cases]
)
def test_a_bad_cell_costs_its_row_and_says_why(
    folder: Folder, table: str, change: dict[str, str], problem: str
) -> None:
    sound = SOUND[table] | dict.fromkeys(change.keys() - SOUND[table].keys(), "")
    key = TABLES[table].key
    bad = sound | ({key: "other"} if key else {}) | change
    lines = [",".join(sound), *(",".join(f'"{cell}"' for cell in row.values()) for row in (sound, bad))]
    delivery = fetched(folder.write(f"{table}.csv", "\n".join(lines)).source())[table]
    assert problems(delivery) == [f"{table}.csv row 2: {problem}"]
    assert len(folder.rows(delivery, "account_id")) == 1
    assert delivery.rows_total == 2
    assert delivery.rejected[0].account_id == (bad["account_id"].strip() or None)


def test_problems_name_the_format_that_was_expected(folder: Folder) -> None:
    delivery = folder.write("ticket.csv", TICKETS + "1,A-1,31-31-2024,\n").ticket(date_format="%d-%m-%Y")
    assert problems(delivery) == ["ticket.csv row 1: opened_at '31-31-2024' is no date; expected %d-%m-%Y"]


def test_yes_and_no_are_read_in_every_usual_spelling(folder: Folder) -> None:
    words = {
        "TRUE": True,
        "yes": True,
        "Y": True,
        "1": True,
        "False": False,
        "no": False,
        "n": False,
        "0": False,
        "": None,
    }
    lines = "".join(f"A-{i},x,{word}\n" for i, word in enumerate(words))
    delivery = fetched(folder.write("account.csv", "account_id,name,champion_active\n" + lines).source())["account"]
    assert [value for _, value in folder.rows(delivery, "account_id", "champion_active")] == list(words.values())


BROKEN_LINES = {
    "too few columns": (b"2,A-1\n", "has 2 columns; expected 4"),
    "too many columns": (b"2,A-1,2026-01-01,low,x\n", "has 5 columns; expected 4"),
    "a quote that never closes": (b'2,A-1,2026-01-01,"low\n', "has quotes that do not pair up"),
    "text after a quote": (b'2,"A"-1,2026-01-01,low\n', "has quotes that do not pair up"),
    "no UTF-8": (b"2,A-\xff,2026-01-01,low\n", "is not UTF-8; save the file as CSV UTF-8"),
    "a very long line": (b"2,A-1,2026-01-01," + b"x" * 5_000_000 + b"\n", "is longer than 100,000 characters"),
}


@pytest.mark.parametrize(("line", "problem"), BROKEN_LINES.values(), ids=BROKEN_LINES)
def test_a_broken_line_costs_itself_and_no_line_after_it(folder: Folder, line: bytes, problem: str) -> None:
    before = b'1,A-1,2026-01-01,"low"\n'
    after = b"".join(b'%d,A-1,2026-01-01,"low"\n' % number for number in range(3, 1000)) + b"1000,A-1,never,low\n"
    delivery = folder.write("ticket.csv", TICKETS.encode() + before + line + after).ticket()
    assert problems(delivery)[0] == f"ticket.csv line 3: {problem}"
    assert problems(delivery)[1].startswith("ticket.csv row 1000: opened_at 'never' is no date")
    assert len(folder.rows(delivery, "ticket_id")) == 998
    assert delivery.rows_total == 1000


def test_a_cell_may_span_lines_and_rows_are_still_counted_as_rows(folder: Folder) -> None:
    folder.write(
        "ticket.csv", 'ticket_id,account_id,opened_at,subject\n1,A-1,2026-01-01,"two\n\nlines"\n2,A-1,never,x\n'
    )
    delivery = folder.ticket()
    assert folder.rows(delivery, "subject") == [("two\n\nlines",)]
    assert problems(delivery)[0].startswith("ticket.csv row 2: opened_at 'never'")


def test_the_list_of_rejected_rows_is_capped_and_the_count_is_not(folder: Folder) -> None:
    folder.write("ticket.csv", TICKETS + "1,A-1\n" * 1500 + "".join(f"{i},A-1,never,\n" for i in range(1500)))
    delivery = folder.ticket()
    assert (len(delivery.rejected), delivery.rejected_total, delivery.rows_total) == (1000, 3000, 3000)


def test_a_repeated_account_id_names_the_first_row_which_stays(folder: Folder) -> None:
    folder.write("account.csv", "account_id,name\nA-1,First\nA-2,Other\nA-1,Second\n A-1 ,Third\n")
    delivery = fetched(folder.source())["account"]
    assert folder.rows(delivery, "account_id", "name") == [("A-1", "First"), ("A-2", "Other")]
    assert problems(delivery) == [
        f"account.csv row {row}: account_id 'A-1' repeats account.csv row 1" for row in (3, 4)
    ]


def test_a_repeated_ticket_is_rejected_even_if_it_says_the_same_in_another_file(folder: Folder) -> None:
    folder.write("t1.csv", TICKETS + "T-1,A-1,never,\nT-1,A-1,2026-01-01,\n").write(
        "t2.csv", TICKETS + "T-1,A-1,2026-01-01,\n"
    )
    delivery = folder.fetch(ticket={"file": "t?.csv"})["ticket"]
    assert len(folder.rows(delivery, "ticket_id")) == 1
    assert problems(delivery)[1] == "t2.csv row 1: ticket_id 'T-1' repeats t1.csv row 2"


def test_rows_that_contradict_themselves_are_delivered_with_the_doubt(folder: Folder) -> None:
    folder.write(
        "ticket.csv",
        "ticket_id,account_id,opened_at,solved_at,escalated_at\n"
        "1,A,2026-01-02T10:00:00Z,2026-01-01,2026-01-02T09:59:00Z\n"
        "2,A,2026-01-02T10:00:00Z,2026-01-02,2026-01-02T10:00:00Z\n",
    )
    folder.write("invoice.csv", "invoice_id,account_id,issued_at,paid_at\n1,A,2026-01-02,2026-01-01\n")
    folder.write("subscription.csv", "subscription_id,account_id,started_at,ended_at\n1,A,2026-01-02,2026-01-01\n")
    found = fetched(folder.source())
    assert folder.rows(found["ticket"], "ticket_id", "doubt") == [
        ("1", "solved_at lies before opened_at; escalated_at lies before opened_at"),
        ("2", None),
    ]
    assert folder.rows(found["invoice"], "doubt") == [("paid_at lies before issued_at",)]
    assert folder.rows(found["subscription"], "doubt") == [("ended_at lies before started_at",)]


def test_json_lines_that_are_no_object_are_rejected_by_line(folder: Folder) -> None:
    good = '{"ticket_id": "1", "account_id": "A-1", "opened_at": "2026-01-01", "csat": null}'
    folder.write(
        "ticket.jsonl", "\n".join([good, "", "{oops", "[1]", '"text"', good.replace('"1"', '"2"').replace("2026", "x")])
    )
    delivery = fetched(folder.source())["ticket"]
    assert problems(delivery) == [
        "ticket.jsonl line 3: is no JSON object",
        "ticket.jsonl line 4: is no JSON object",
        "ticket.jsonl line 5: is no JSON object",
        "ticket.jsonl line 6: opened_at 'x-01-01' is no date; expected 2024-05-31T14:30Z, or what `date_format` says",
    ]


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"NO HOSTILE JSON WAS READ: {CORPUS} is absent")
def test_no_json_of_the_corpus_can_cost_more_than_its_own_line(folder: Folder) -> None:
    good = b'{"account_id": "A-1", "name": "Acme"}'
    documents = [path.read_bytes().replace(b"\n", b" ").replace(b"\r", b" ") for path in sorted(CORPUS.glob("*.json"))]
    lines = [good, *documents, good.replace(b"A-1", b"A-2")]
    delivery = fetched(folder.write("account.jsonl", b"\n".join(lines)).source())["account"]
    assert folder.rows(delivery, "account_id") == [("A-1",), ("A-2",)]
    assert delivery.rows_total == sum(1 for line in lines if line.strip())
    assert delivery.rejected_total == delivery.rows_total - 2


# --- Tables that cannot be read -----------------------------------------------------------------------------------


FAILURES: dict[str, tuple[str, str | bytes | None, dict[str, Any], str]] = {
    "no such file": ("ticket.csv", None, {}, "There is no file 'ticket.csv' in the folder '.'."),
    "empty": ("ticket.csv", "", {}, "ticket.csv is empty; its first line must name the columns."),
    "blank": ("ticket.csv", "\n \n", {}, "ticket.csv is empty; its first line must name the columns."),
    "mapped column missing": (
        "ticket.csv",
        TICKETS,
        {"columns": {"opened_at": "created"}},
        "ticket.csv has no column 'created' for opened_at; it has ticket_id, account_id, opened_at, priority.",
    ),
    "required column missing": (
        "ticket.csv",
        "ticket_id,account_id\n",
        {},
        "ticket.csv has no column 'opened_at', which every ticket needs; it has ticket_id, account_id.",
    ),
    "one name twice": ("ticket.csv", "ticket_id,Ticket_ID\n", {}, "ticket.csv has the column 'Ticket_ID' twice."),
    "header not UTF-8": (
        "ticket.csv",
        "tïcket_id,account_id\n".encode("utf-16"),
        {},
        "ticket.csv has a first line that is not UTF-8",
    ),
    "header never closes": (
        "ticket.csv",
        '"ticket_id,account_id\n',
        {},
        "ticket.csv has a first line that has quotes that do not pair up",
    ),
    "no JSON": (
        "t.jsonl",
        "ticket_id,account_id\n",
        {"file": "t.jsonl"},
        "t.jsonl holds no JSON object; every line must be one.",
    ),
    "no Parquet": ("t.parquet", "PAR1", {"file": "t.parquet"}, "t.parquet cannot be read as Parquet."),
    "no accounts to match by": (
        "ticket.csv",
        TICKETS,
        {"match": "domain"},
        "Its rows are matched by domain, but this source has no account table that could be read.",
    ),
}


@pytest.mark.parametrize(("name", "content", "settings", "failure"), FAILURES.values(), ids=FAILURES)
def test_a_table_that_cannot_be_read_says_why_and_leaves_the_others_alone(
    folder: Folder, name: str, content: str | bytes | None, settings: dict[str, Any], failure: str
) -> None:
    folder.write("invoice.csv", "invoice_id,account_id,issued_at\n1,A-1,2026-01-01\n")
    if content is not None:
        folder.write(name, content)
    found = folder.fetch(ticket={"file": "ticket.csv"} | settings, invoice={"file": "invoice.csv"})
    assert str(found["ticket"].failure).startswith(failure)
    assert str(folder.path) not in str(found["ticket"].failure)
    assert folder.rows(found["invoice"], "invoice_id") == [("1",)]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that nobody can read, not even an administrator")
def test_a_file_that_cannot_be_read_fails_its_table(folder: Folder) -> None:
    (folder.path / "ticket.csv").symlink_to("/proc/self/mem")
    assert folder.ticket().failure == (
        "ticket.csv cannot be read: Input/output error. Check the path and its permissions."
    )


def test_a_folder_without_a_usable_file_is_an_error_that_says_what_to_do(folder: Folder) -> None:
    folder.write("tickets.txt", "x")
    with pytest.raises(SourceError, match=r"holds no file named after a table.*Rename the files, or map them"):
        fetched(folder.source())
    with pytest.raises(SourceError, match=r"There is no folder 'exports'\. Correct `folder`"):
        fetched(folder.source(folder="exports"))


def test_two_files_for_one_table_are_an_error_not_a_choice(folder: Folder) -> None:
    folder.write("ticket.csv", TICKETS).write("ticket.jsonl", "{}")
    with pytest.raises(SourceError, match=r"ticket\.csv and ticket\.jsonl both hold the table ticket"):
        fetched(folder.source())


# --- Files that somebody else made --------------------------------------------------------------------------------


@pytest.mark.skipif(not RAVENSTACK.is_dir(), reason=f"THE RAVENSTACK EXAMPLE WAS NOT READ: {RAVENSTACK} is absent")
def test_the_ravenstack_example_uses_every_row_and_says_which_are_doubtful(folder: Folder) -> None:
    settings = tomllib.loads(EXAMPLE.read_text("utf-8"))["sources"]["ravenstack"]
    settings.pop("connector")
    context = Context(EXAMPLE.parent, folder.database.cursor(), lambda: NOW)
    found = fetched(Files("ravenstack", FilesSettings.model_validate(settings), context))
    assert {name: delivery.rows_total for name, delivery in found.items()} == {
        "account": 500,
        "subscription": 5_000,
        "ticket": 2_000,
        "usage_day": 24_111,  # account-days of 25,000 usage rows
    }
    assert [problem for delivery in found.values() for problem in problems(delivery)] == []
    doubts = collections.Counter(doubt for (doubt,) in folder.rows(found["usage_day"], "doubt"))
    assert sum(n for doubt, n in doubts.items() if "before its subscription" in str(doubt)) == 18_539
    assert sum(n for doubt, n in doubts.items() if "usage id" in str(doubt)) == 42
    assert sum(bool(escalated) for (escalated,) in folder.rows(found["ticket"], "escalated_at")) == 95
    assert sum(events for (events,) in folder.rows(found["usage_day"], "events")) == 250_525


# --- Settings -----------------------------------------------------------------------------------------------------

FAULTY: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"colour": "s3cret"}, "colour: unknown key"),
    "unknown key of a table": (
        {"tables": {"ticket": {"file": "t.csv", "colour": "s3cret"}}},
        "tables.ticket.colour: unknown key",
    ),
    "unknown table": ({"tables": {"tickets": {"file": "t.csv"}}}, "no table 'tickets'; there are account"),
    "unknown column": (
        {"tables": {"ticket": {"file": "t.csv", "columns": {"opened": "x"}}}},
        "tables.ticket: no column 'opened'",
    ),
    "nothing to read": ({"tables": {"ticket": {}}}, "tables.ticket: write either `file`, or `files` and `sql`"),
    "file and SELECT": (
        {"tables": {"ticket": {"file": "t.csv", "sql": "SELECT 1"}}},
        "tables.ticket: write either `file`",
    ),
    "SELECT without files": ({"tables": {"ticket": {"sql": "SELECT 1"}}}, "tables.ticket: write either `file`"),
    "unknown format": (
        {"tables": {"ticket": {"file": "t.xlsx"}}},
        "'t.xlsx' must end in .csv, .jsonl, .ndjson, .parquet",
    ),
    "bad date format": ({"tables": {"ticket": {"file": "t.csv", "date_format": "%Q"}}}, "'%Q' is no date format"),
    "date format of no date": (
        {"tables": {"ticket": {"file": "t.csv", "date_formats": {"csat": "%Y"}}}},
        "date_formats: 'csat' is no date",
    ),
    "word we do not have": (
        {"tables": {"ticket": {"file": "t.csv", "values": {"priority": {"p1": "asap"}}}}},
        "values.priority: ours are low, normal, high, urgent",
    ),
    "mapped and constant": (
        {"tables": {"ticket": {"file": "t.csv", "columns": {"csat": "x"}, "constants": {"csat": 1}}}},
        "'csat' is mapped and constant",
    ),
    "accounts matched by themselves": (
        {"tables": {"account": {"file": "t.csv", "match": "domain"}}},
        "the account table itself",
    ),
    "unknown category": (
        {"tables": {"ticket": {"file": "t.csv", "category": "s3cret"}}},
        "tables.ticket.category: Input should be",
    ),
    "unknown zone": ({"time_zone": "s3cret"}, "time_zone: no such time zone"),
}


@pytest.mark.parametrize(("settings", "fault"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_setting_is_named_by_its_place(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FilesSettings.model_validate(settings)
    said = "\n".join(faults(caught.value))
    assert fault in said
    assert "s3cret" not in said


def test_every_setting_is_documented() -> None:
    fields = {**FilesSettings.model_fields, **type(folder_table()).model_fields}
    assert [name for name, field in fields.items() if not field.description] == []


def folder_table() -> Any:
    return FilesSettings.model_validate({"tables": {"ticket": {"file": "t.csv"}}}).tables["ticket"]


# --- Matching -----------------------------------------------------------------------------------------------------

ACCOUNTS = (
    "account_id,name,external_id,domains\n"
    "A-1,Northwind,77,northwind.com;northwind.de\n"
    "A-2,Acme,88,acme.org\n"
    "A-3,Acme,88,https://www.acme.org\n"
    "A-4,Globex,,\n"
)


def matched(folder: Folder, method: str, keys: str) -> Delivery:
    folder.write("account.csv", ACCOUNTS)
    folder.write("ticket.csv", "ticket_id,account_id,opened_at\n" + keys)
    tables = {"account": {"file": "account.csv"}, "ticket": {"file": "ticket.csv", "match": method}}
    return folder.fetch(**tables)["ticket"]


def test_rows_match_by_domain_and_what_does_not_match_is_counted(folder: Folder) -> None:
    keys = (
        "1,ada@mail.northwind.com,2026-01-01\n2,NORTHWIND.DE,2026-01-01\n"
        "3,x@gmail.com,2026-01-01\n4,northwind.com,never\n"
    )
    delivery = matched(folder, "domain", keys)
    assert folder.rows(delivery, "ticket_id", "account_id") == [("1", "A-1"), ("2", "A-1")]
    assert (delivery.unmatched_rows, delivery.rejected_total, delivery.rows_total) == (1, 1, 4)
    assert delivery.rejected[0].account_id == "A-1"
    assert (delivery.absent, delivery.matched_by) == (State.NOT_MATCHED, "domain")
    assert delivery.matched == {"A-1": "domain `northwind.com`, domain `northwind.de`"}
    assert delivery.states == {}


def test_two_accounts_with_one_domain_are_both_not_matched_and_named(folder: Folder) -> None:
    delivery = matched(folder, "domain", "1,support.acme.org,2026-01-01\n2,northwind.com,2026-01-01\n")
    assert folder.rows(delivery, "ticket_id", "account_id") == [("2", "A-1")]
    assert delivery.states == {"A-2": State.NOT_MATCHED, "A-3": State.NOT_MATCHED}
    assert delivery.details == dict.fromkeys(("A-2", "A-3"), "The domain `acme.org` fits A-2 and A-3.")
    assert delivery.unmatched_rows == 1


def test_rows_match_by_external_id_but_never_by_name(folder: Folder) -> None:
    delivery = matched(folder, "external_id", "1,77,2026-01-01\n2,Globex,2026-01-01\n3,88,2026-01-01\n")
    assert folder.rows(delivery, "ticket_id", "account_id") == [("1", "A-1")]
    assert delivery.matched == {"A-1": "external id"}
    assert delivery.details["A-2"] == "The external id fits A-2 and A-3."
    assert delivery.unmatched_rows == 2


def test_an_account_matched_by_one_domain_and_ambiguous_by_another_is_partial(folder: Folder) -> None:
    folder.write("account.csv", "account_id,name,domains\nA-1,One,one.org;shared.org\nA-2,Two,shared.org\n")
    folder.write("ticket.csv", "ticket_id,account_id,opened_at\n1,one.org,2026-01-01\n2,shared.org,2026-01-01\n")
    tables = {"account": {"file": "account.csv"}, "ticket": {"file": "ticket.csv", "match": "domain"}}
    assert folder.fetch(**tables)["ticket"].states == {"A-1": State.PARTIAL, "A-2": State.NOT_MATCHED}


# --- Once, and again only when something changed ------------------------------------------------------------------


def test_files_are_read_again_only_when_one_of_them_changed(folder: Folder) -> None:
    source = folder.write("ticket.csv", TICKETS + "1,A-1,2026-01-01,low\n").source()
    as_of = datetime(2026, 11, 21)
    before, first = source.fingerprint(as_of), fetched(source)["ticket"]
    assert fetched(source)["ticket"] is first
    assert source.fingerprint(as_of) == before
    folder.write("ticket.csv", TICKETS + "1,A-1,2026-01-01,low\n2,A-1,2026-01-01,low\n")
    second = fetched(source)["ticket"]
    assert source.fingerprint(as_of) != before
    assert len(folder.rows(second, "ticket_id")) == 2
    assert len(folder.rows(first, "ticket_id")) == 1, "an answer under way still finds its rows"


def test_a_new_file_of_a_glob_and_a_missing_folder_show_in_the_fingerprint(folder: Folder) -> None:
    source = folder.write("t-1.csv", TICKETS).source(tables={"ticket": {"file": "t-*.csv"}})
    before = source.fingerprint(datetime(2026, 11, 21))
    folder.write("t-2.csv", TICKETS)
    assert source.fingerprint(datetime(2026, 11, 21)) != before
    assert folder.source(folder="absent").fingerprint(datetime(2026, 11, 21)) == ()


def test_two_sources_of_one_database_do_not_meet(folder: Folder) -> None:
    folder.write("a.csv", TICKETS + "1,A-1,2026-01-01,\n").write("b.csv", TICKETS + "2,A-1,2026-01-01,\n")
    context = Context(folder.path, folder.database.cursor(), lambda: NOW)
    found = [
        fetched(Files(name, FilesSettings.model_validate({"tables": {"ticket": {"file": f"{name}.csv"}}}), context))[
            "ticket"
        ]
        for name in ("a", "b")
    ]
    assert [folder.rows(delivery, "ticket_id") for delivery in found] == [[("1",)], [("2",)]]


def test_the_connector_is_imported_and_built_without_duckdb_and_without_a_folder() -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from account_health.connectors.base import Context\n"
        "from account_health.connectors.files import Files, FilesSettings\n"
        "Files('x', FilesSettings(folder='absent'), Context(Path('absent'), None, None)).provides()\n"
        "print(sorted({'duckdb', 'tldextract', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_a_file_that_is_not_named_after_a_table_is_said_not_to_be_read(folder: Folder) -> None:
    folder.write("account.csv", "account_id,name\nA,Acme\n").write("tickets.csv", "ticket_id,account_id\n1,A\n")
    found = fetched(folder.source())
    assert list(found) == ["account"]
    assert found["account"].note == "not read, because not named after a table: `tickets.csv`"


def test_a_list_in_a_csv_cell_is_split_at_semicolons_and_at_commas(folder: Folder) -> None:
    folder.write("account.csv", 'account_id,name,domains\nA,Acme,"a.example, b.example"\nB,Beta,c.example;d.example\n')
    account = fetched(folder.source())["account"]
    assert folder.rows(account, "account_id", "domains") == [
        ("A", ["a.example", "b.example"]),
        ("B", ["c.example", "d.example"]),
    ]
