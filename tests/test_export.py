"""Export: the same rows in three forms, each account as it is assessed; what is not known is not there."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

import duckdb
import pytest

from account_health.config import DEMO, HistorySettings
from account_health.errors import CallerError
from account_health.export import Form, export_accounts, exported
from account_health.history.records import Kind, Profile
from account_health.markup import visible
from account_health.overview import Looked, Overview, View
from account_health.recording import record_all
from account_health.standings import Standings
from account_health.vocabularies import status_word
from account_health.workspace import Workspace
from doors import DAY, clock, configured, workspace_over
from history.readings import POLICY, START, activity, packed, reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from account_health.chronicle import StatusWord
    from account_health.history.records import Reading
    from account_health.model import Assessment

pytestmark = pytest.mark.anyio

Rows = list[dict[str, Any]]
FORMS: tuple[Form, ...] = get_args(Form)
HEAD = [
    "account_id", "name", "segment", "owner", "lifecycle", "arr", "currency", "renewal_date", "scored", "score",
    "score_exact", "band", "tier", "coverage", "low", "high", "status_colours", "status_uman", "status_pipeline",
    "status_intacct", "churn_risk_intacct", "dimension_usage", "dimension_support", "dimension_satisfaction",
    "dimension_commercial", "dimension_relationship", "flag_usage_drop", "flag_support_spike", "flag_nps_detractor",
    "flag_payment_issue", "flag_renewal_soon", "flag_no_executive_touch", "flag_escalation_90d", "manual_status",
    "manual_status_vocabulary", "as_of", "policy_name", "policy_version", "policy_hash",
]  # fmt: skip
TYPES = dict.fromkeys(HEAD, "VARCHAR") | {
    "scored": "BOOLEAN",
    "churn_risk_intacct": "BOOLEAN",
    "score": "INTEGER",
    "renewal_date": "DATE",
    "as_of": "TIMESTAMP",
    **dict.fromkeys(("arr", "score_exact", "coverage", "low", "high"), "DOUBLE"),
    **dict.fromkeys((name for name in HEAD if name.startswith("dimension_")), "DOUBLE"),
}
ACCOUNTS = """account_id,name,segment,owner,lifecycle,arr,currency,renewal_date
c,Gamma,SMB,Ann,churned,100,EUR,2026-12-20
A,acme,Enterprise,Ann,customer,200.5,USD,2027-01-31
b,Beta,smb ,Bo,lead,,,
d,Delta,,,,,,
"""


def demo(history: HistorySettings | None = None) -> Overview:
    """A new overview of the demo accounts, by default without any history."""
    return Overview(Workspace.open(replace(DEMO, history=history or HistorySettings()), clock))


def over(folder: Path, accounts: str = ACCOUNTS) -> Overview:
    """An overview of accounts in a file."""
    return Overview(workspace_over(configured(folder, account=accounts)))


def standing(*readings: Reading, **said: Any) -> View:
    """The view of accounts that were read like this."""
    metrics = {POLICY.ref.hash: tuple(POLICY.metrics)}
    looked = Looked.at(Standings.of_readings(readings, metrics, POLICY))
    return View(looked, said.get("said", {}), said.get("notices", ()))


def cells(data: bytes) -> list[dict[str, str]]:
    """The rows of CSV as text."""
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))


def accounts(data: bytes) -> Rows:
    """The rows of JSON."""
    return list(json.loads(data)["accounts"])


def relation(data: bytes, folder: Path) -> tuple[dict[str, str], Rows]:
    """The types of Parquet by column, and its rows."""
    path = folder / "export.parquet"
    path.write_bytes(data)
    with duckdb.connect() as database:
        found = database.read_parquet(str(path))
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        return types, [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def read(kind: str, text: str) -> Any:
    """What a cell of CSV or a value of JSON stands for, by its type in SQL."""
    if kind == "BOOLEAN":
        return {"true": True, "false": False}[text.lower()]
    if kind == "TIMESTAMP":
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    as_typed: Any = {"INTEGER": int, "DOUBLE": float, "DATE": date.fromisoformat}.get(kind, str)
    return as_typed(text)


def typed(rows: list[dict[str, Any]]) -> Rows:
    """The rows with every value as what it stands for; what is empty or absent is None."""
    return [
        {name: read(TYPES[name], str(row[name])) if row.get(name) not in (None, "") else None for name in HEAD}
        for row in rows
    ]


# --- The forms --------------------------------------------------------------------------------------------------------


async def test_the_three_forms_say_the_same_of_the_demo_accounts(tmp_path: Path) -> None:
    overview = demo()
    as_csv, as_json, as_parquet = [await export_accounts(overview, form, DAY) for form in FORMS]
    types, rows = relation(as_parquet, tmp_path)

    assert len(rows) >= 10
    assert typed(cells(as_csv)) == typed(accounts(as_json)) == rows
    assert types == TYPES
    assert list(types) == list(cells(as_csv)[0]) == HEAD


@pytest.mark.parametrize("form", FORMS)
async def test_the_same_instant_makes_the_same_bytes(form: Form) -> None:
    first, second = [await export_accounts(demo(), form, DAY) for _ in range(2)]

    assert first == second
    assert first != await export_accounts(demo(), form, "2026-11-20")


async def test_csv_is_utf8_with_a_head_and_plain_line_ends(tmp_path: Path) -> None:
    text = (await export_accounts(over(tmp_path, "account_id,name\né,Öl\n"), "csv", DAY)).decode("utf-8")

    assert text.startswith("account_id,name,segment,")
    assert text.splitlines()[1].startswith("é,Öl,,")
    assert (text.count("\n"), text.count("\r"), text[-1]) == (2, 0, "\n")


async def test_json_is_indented_and_says_what_else_there_is_to_know() -> None:
    data = await export_accounts(demo(), "json", "2026-11-21T09:00:00Z")
    answer = json.loads(data)

    assert data.decode() == json.dumps(answer, ensure_ascii=False, indent=2)
    assert [*answer] == ["accounts", "total", "as_of", "policy", "notices"]
    assert (answer["total"], answer["as_of"]) == (len(answer["accounts"]), "2026-11-21T09:00:00Z")
    assert answer["policy"] == POLICY.ref.as_json()
    assert answer["notices"] == ["Demo data: these accounts are fictional."]


# --- What it says -----------------------------------------------------------------------------------------------------


def assessed(assessment: Assessment, profile: Mapping[str, Any]) -> dict[str, Any]:
    """What the export has to say of an assessed account, but for its words."""
    said: dict[str, Any] = {
        "account_id": assessment.account.id,
        "name": assessment.account.name,
        **{n: profile[n] and visible(profile[n], 300) for n in ("segment", "owner", "lifecycle")},
        "arr": profile["arr"],
        "currency": profile["currency"],
        "renewal_date": profile["renewal_date"] and profile["renewal_date"].isoformat(),
        "scored": assessment.scored,
        "score": assessment.score_rounded,
        "score_exact": assessment.score,
        "band": assessment.band,
        "tier": assessment.tier,
        "coverage": assessment.coverage,
        "low": assessment.range.low,
        "high": assessment.range.high,
        **{f"dimension_{d.name}": d.score for d in assessment.dimensions},
        **{f"flag_{f.flag}": f.severity or f.state for f in assessment.flags},
        "as_of": assessment.as_json()["as_of"],
        **{f"policy_{name}": value for name, value in assessment.policy.as_json().items()},
    }
    return {name: value for name, value in said.items() if value is not None}


async def test_every_demo_account_is_exported_as_it_is_assessed() -> None:
    overview = demo()
    workspace = overview.workspace
    profiles = (await workspace.evaluate(workspace.instant(DAY))).profiles
    for row in accounts(await export_accounts(overview, "json", DAY)):
        expected = assessed(await workspace.assess(row["account_id"], DAY), profiles[row["account_id"]])
        for key in POLICY.vocabularies:
            status = (await workspace.assess(row["account_id"], DAY, vocabulary=key)).status
            assert status
            said = {f"status_{key}": status.word, f"churn_risk_{key}": status.churn_risk}
            expected |= {name: value for name, value in said.items() if value is not None}
        assert row == expected


async def test_a_recorded_run_is_exported_as_it_was_recorded(tmp_path: Path) -> None:
    overview = demo(HistorySettings(path=tmp_path / "history.sqlite"))
    await record_all(overview.workspace, "Ada", lambda *_: None)
    recorded = json.loads(await export_accounts(overview, "json"))
    computed = json.loads(await export_accounts(overview, "json", refresh=True))

    assert "As recorded at 2026-11-21 09:00 UTC by `assess --all`." in recorded["notices"]
    assert computed["notices"] == ["Demo data: these accounts are fictional."]
    assert recorded["accounts"] == computed["accounts"]


async def test_a_vocabulary_of_ones_choice_is_the_only_one(tmp_path: Path) -> None:
    overview = demo()
    for key in POLICY.vocabularies:
        types, _ = relation(await export_accounts(overview, "parquet", DAY, vocabulary=key), tmp_path)
        others = [n for n in HEAD if n.startswith(("status_", "churn_")) and not n.endswith(f"_{key}")]
        assert list(types) == [name for name in HEAD if name not in others]


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"form": "csv", "vocabulary": "klingon"}, "There is no such vocabulary. Vocabularies: colours, uman, "),
        ({"form": "xlsx"}, "There is no such form of export. Forms: csv, json, parquet."),
    ],
)
async def test_a_vocabulary_or_form_that_is_none_is_refused(wanted: dict[str, Any], problem: str) -> None:
    with pytest.raises(CallerError) as refused:
        await export_accounts(demo(), **wanted)
    assert str(refused.value).startswith(problem)


# --- Which accounts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["A", "b", "c", "d"]),
        ({"segment": "smb"}, ["b", "c"]),
        ({"segment": "SMB", "owner": "ann"}, ["c"]),
        ({"owner": " Ann "}, ["A", "c"]),
        ({"owner": "nobody"}, []),
    ],
)
@pytest.mark.parametrize("form", FORMS)
async def test_accounts_are_sorted_by_id_customers_or_not_as_far_as_they_fit(
    tmp_path: Path, form: Form, wanted: dict[str, Any], expected: list[str]
) -> None:
    data = await export_accounts(over(tmp_path), form, DAY, **wanted)
    rows: Rows = {"csv": cells, "json": accounts}[form](data) if form != "parquet" else relation(data, tmp_path)[1]

    assert [row["account_id"] for row in rows] == expected


async def test_an_export_without_accounts_keeps_its_columns(tmp_path: Path) -> None:
    overview = over(tmp_path)
    as_csv, as_json, as_parquet = [await export_accounts(overview, f, DAY, owner="nobody") for f in FORMS]

    assert as_csv.decode() == ",".join(HEAD) + "\n"
    assert (json.loads(as_json)["accounts"], json.loads(as_json)["total"]) == ([], 0)
    assert as_json.decode() == json.dumps(json.loads(as_json), indent=2)
    assert relation(as_parquet, tmp_path) == (TYPES, [])


# --- What is not known ------------------------------------------------------------------------------------------------


async def test_what_is_not_known_is_empty_in_csv_absent_in_json_and_null_in_parquet(tmp_path: Path) -> None:
    overview = over(tmp_path, "account_id,name\nd,Delta\n")
    as_csv, as_json, as_parquet = [await export_accounts(overview, form, DAY) for form in FORMS]
    (in_json,), (in_csv,), (in_parquet,) = accounts(as_json), cells(as_csv), relation(as_parquet, tmp_path)[1]
    unknown = [name for name in HEAD if name not in in_json]

    assert {"segment", "arr", "renewal_date", "score", "score_exact", "band", "manual_status"} < {*unknown}
    assert {"status_intacct", "churn_risk_intacct", "status_uman", "dimension_usage"} < {*unknown}
    assert (in_json["status_pipeline"], in_json["status_colours"]) == ("None", "Not scored")
    assert {in_json[name] for name in HEAD if name.startswith("flag_")} == {"unknown"}
    assert (in_json["scored"], in_json["tier"], in_json["coverage"]) == (False, "none", 0.0)
    assert b"null" not in as_json
    assert {in_csv[name] for name in unknown} == {""}
    assert {in_parquet[name] for name in unknown} == {None}


def test_words_that_cannot_be_seen_are_not_known() -> None:
    view = standing(reading("a", profile=Profile(name="\u200b", segment="", owner=" \u202e ", lifecycle="\t")))
    (row,) = accounts(exported(view, "json"))

    assert row.keys() & {"name", "segment", "owner", "lifecycle"} == set()


# --- What others wrote ------------------------------------------------------------------------------------------------

HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "|calc", "%x", "\t=1", "\r\n=1", "\u200b=1", "\uff1d1", '=HYPERLINK("http://x")',
    'a","b', "a\n=1", "a\r=1", "'", '"', "\u202e=1", "<b>&amp;</b>", "None", "null", "\x00=1", "Ünï 株式会社 🦆",
]  # fmt: skip


def test_hostile_text_is_inert_in_csv_and_moves_no_column(tmp_path: Path) -> None:
    readings = [
        reading(text, profile=Profile(name=text, segment=text, owner=text, lifecycle=text, currency=text, arr=1.0))
        for text in HOSTILE
    ]
    said = {text: [activity(text, subject="uman", after=text)] for text in HOSTILE}
    view = standing(*readings, said=said)
    rows = cells(exported(view, "csv"))
    found = {row[n] for row in rows for n in HEAD if TYPES[n] == "VARCHAR"}

    assert len(rows) == len(HOSTILE)
    assert [text for text in found if text.startswith(("=", "+", "-", "@", "|", "%", "\uff1d"))] == []
    assert {"'=1+1", "'-1", "'\uff1d1", "a =1", 'a","b', "Ünï 株式会社 🦆"} < found
    assert {row["manual_status"] for row in rows} == {row["account_id"] for row in rows}
    assert {(row["arr"], row["policy_name"], None in row) for row in rows} == {("1.0", "default", False)}
    assert len(relation(exported(view, "parquet"), tmp_path)[1]) == len(accounts(exported(view, "json"))) == len(rows)


def test_ids_stay_ids_outside_of_csv_and_steer_no_terminal(tmp_path: Path) -> None:
    odd = "=\u202e\x9b\u200b1"
    view = standing(reading(odd))
    data = exported(view, "json")

    assert accounts(data)[0]["account_id"] == relation(exported(view, "parquet"), tmp_path)[1][0]["account_id"] == odd
    assert r'"=\u202e\u009b\u200b1"' in data.decode()


def test_long_text_is_cut_visibly() -> None:
    (row,) = accounts(exported(standing(reading(profile=Profile(name="x" * 5000))), "json"))

    assert row["name"] == visible("x" * 5000, POLICY.limits.text_characters)
    assert row["name"].endswith("…")


def test_a_negative_number_of_ours_stays_a_number() -> None:
    (row,) = cells(exported(standing(reading(profile=Profile(name="a", arr=-5.0, currency="EUR"))), "csv"))

    assert row["arr"] == "-5.0"


# --- What people said -------------------------------------------------------------------------------------------------


ENOUGH = {"logins_change_pct": 20.0, "active_users_change_pct": 20.0, "nps_latest": 10.0, "csat_90d": 95.0}
"""Values on which an account is scored, with the best points."""


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ([{"after": "At Risk"}], "At Risk"),
        ([{"after": "At Risk"}, {"after": "Critical"}], "Critical"),
        ([{"after": "At Risk"}, {"after": None}], None),
        ([{"after": "At Risk", "expires_at": START - timedelta(seconds=1)}], None),
        ([{"after": "At Risk", "expires_at": START}], "At Risk"),
        ([{"after": "At Risk", "subject": "gone"}], None),
        ([{"after": "At Risk"}, {"kind": Kind.FLAG, "subject": "usage_drop", "after": "acknowledged"}], "At Risk"),
    ],
)
def test_a_manual_status_stands_beside_the_score_as_long_as_it_holds(
    said: list[dict[str, Any]], status: str | None
) -> None:
    acme = [activity(**{"subject": "uman", **one}) for one in said]
    (row,) = accounts(exported(standing(reading(packed=packed(ENOUGH)), said={"acme": acme}), "json"))

    assert row.get("manual_status") == status
    assert row.get("manual_status_vocabulary") == (status and "uman")
    assert row["status_uman"] == "Strong"


async def test_a_status_that_somebody_set_is_exported_as_it_is_assessed(tmp_path: Path) -> None:
    overview = demo(HistorySettings(path=tmp_path / "history.sqlite"))
    workspace = overview.workspace
    now = workspace.memory.now()
    said = replace(activity("northwind", subject="uman", after="Critical"), at=now)
    await workspace.memory.ask(lambda store: store.say(said))
    found = (await workspace.assess("northwind")).manual_status
    rows = {row["account_id"]: row for row in accounts(await export_accounts(overview, "json"))}

    assert found
    assert rows["northwind"]["manual_status"] == found.status == "Critical"
    assert rows["northwind"]["manual_status_vocabulary"] == found.vocabulary == "uman"
    assert [i for i, row in rows.items() if "manual_status" in row] == ["northwind"]


# --- How much of it ---------------------------------------------------------------------------------------------------


def test_accounts_that_agree_in_all_that_decides_are_put_into_words_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(*arguments: Any) -> StatusWord:
        asked.append(arguments)
        return status_word(*arguments)

    monkeypatch.setattr("account_health.export.status_word", counted)
    values = [ENOUGH | {"nps_latest": i % 11, "csat_90d": 5 * i, "open_escalations": i % 2} for i in range(22)]
    readings = [reading(f"a{i:04}", packed=packed(values[i % 22])) for i in range(2200)]

    rows = accounts(exported(standing(*readings), "json"))
    assert {row["status_intacct"] for row in rows} == {"Escalated", "Healthy", "At risk"}
    assert len(rows) == 2200
    assert len(asked) <= 22 * len(POLICY.vocabularies)
