"""The customer import file of Sage Intacct: whole, in two languages, and cut down to what differs."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from account_health.config import SourceConfig
from account_health.errors import CallerError, ConfigurationError, NoHistory
from account_health.language import speaking
from account_health.overview import Overview
from account_health.publish.customer_file import Line, read, written
from account_health.publish.health import Health
from account_health.publish.intacct_csv import Exported, Wanted, export_customers
from account_health.publish.settings import IntacctCsvSettings
from doors import DAY
from given import DEFAULT_POLICY, supplied
from moving import customer, recorded_by, workspace_given
from publishing import french, rows_of, with_section

if TYPE_CHECKING:
    from pathlib import Path

    from account_health.config import Config
    from account_health.workspace import Workspace

BANDS = {"birch": "green", "cedar": "yellow", "elm": "red", "fir": "not_scored", "larch": "escalated"}
ENGLISH = """CUSTOMER_ID,HEALTH_SCORE,HEALTH_STATUS,CHURN_RISK
birch,100,Healthy,FALSE
cedar,57,At risk,FALSE
elm,13,At risk,TRUE
larch,100,Escalated,FALSE
"""
FRENCH = """CUSTOMER_ID,HEALTH_SCORE,HEALTH_STATUS,CHURN_RISK
birch,100,Sain,Faux
cedar,57,À risque,Faux
elm,13,À risque,Vrai
larch,100,Aggravé,Faux
"""
STATUSES = ("Healthy", "At risk", "Escalated")
HEADER = ENGLISH.partition("\n")[0] + "\n"


def exported(workspace: Workspace, wanted: Wanted = Wanted()) -> Exported:  # noqa: B008 - frozen
    async def ask() -> Exported:
        return await export_customers(Overview(workspace), wanted)

    return anyio.run(ask)


def text_of(workspace: Workspace, **wanted: Any) -> str:
    return exported(workspace, Wanted(**wanted)).content.decode()


def workspace_of(**bands: str) -> Workspace:
    return workspace_given(rows_of(**(bands or BANDS)))


def differing(workspace: Workspace, file: str | bytes) -> Exported:
    return exported(workspace, Wanted(diff=file.encode() if isinstance(file, str) else file))


# --- The whole file ---------------------------------------------------------------------------------------------------


def test_the_file_holds_every_scored_customer_as_intacct_spells_it() -> None:
    content, notes = exported(workspace_of())
    assert content.decode() == ENGLISH
    assert notes == ("4 customers in the file.", "1 customer has no score.")


def test_the_file_is_spelled_in_the_language_of_the_company() -> None:
    with speaking(french()):
        assert text_of(workspace_of()) == FRENCH


def test_french_is_spelled_as_sage_does_by_its_code_or_in_the_section() -> None:
    assert text_of(workspace_of(), language="fr") == FRENCH
    assert text_of(with_section(workspace_of(), "intacct_csv", {"language": "fr-CA"})) == FRENCH


def test_another_language_of_the_file_is_asked_for_by_its_code() -> None:
    with speaking(french()):
        assert text_of(workspace_of(), language="en") == ENGLISH
        with_language = with_section(workspace_of(), "intacct_csv", {"language": "en"})
        assert text_of(with_language) == ENGLISH


def test_headers_and_the_words_for_true_and_false_can_be_set() -> None:
    own = {
        "customer_header": "Client",
        "score_header": "Score",
        "status_header": "Statut",
        "churn_header": "Risque",
        "true_word": "T",
        "false_word": "F",
    }
    lines = text_of(with_section(workspace_of(), "intacct_csv", own)).splitlines()
    assert lines[0] == "Client,Score,Statut,Risque"
    assert lines[3] == "elm,13,At risk,T"
    assert lines[1].endswith(",F")


def test_who_is_no_customer_is_not_in_the_file() -> None:
    rows = [*customer("birch", lifecycle="customer"), *customer("cedar", lifecycle="lead")]
    assert text_of(workspace_given(rows)) == f"{HEADER}birch,100,Healthy,FALSE\n"


def test_a_segment_or_an_owner_narrows_the_file() -> None:
    rows = [*customer("birch", segment="SMB", owner="Mara"), *customer("cedar", segment="Enterprise")]
    assert "cedar" not in text_of(workspace_given(rows), segment="smb")
    assert "birch" in text_of(workspace_given(rows), owner="mara")


@pytest.mark.parametrize("form", ["=1+1", "+49", "-5", "@SUM(A1)", "\t=1", "\uff1d1", "|calc", "%x", "\u200b=1"])
def test_no_cell_can_be_taken_for_a_formula(form: str) -> None:
    workspace = with_section(workspace_given(customer(form)), "intacct_csv", {"true_word": "=1", "false_word": "=0"})
    content = exported(workspace).content
    cells = [cell for row in csv.reader(io.StringIO(content.decode())) for cell in row]
    assert [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@", "|", "%", "\t", "\uff1d"))] == []
    assert differing(workspace, content).content.decode() == HEADER


def test_an_unknown_setting_is_named_and_what_was_written_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        exported(with_section(workspace_of(), "intacct_csv", {"headers": "s3cr3t"}))
    assert "publish.intacct_csv.headers: unknown key" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


# --- Whose customer id it is ------------------------------------------------------------------------------------------


def test_the_external_id_can_be_the_customer_id_and_who_has_none_is_left_out_and_counted() -> None:
    rows = [*customer("birch", external_id="C-1"), *customer("cedar"), *customer("elm", external_id="C-3")]
    workspace = with_section(workspace_given(rows), "intacct_csv", {"customer_key": "external_id"})
    content, notes = exported(workspace)
    assert content.decode() == f"{HEADER}C-1,100,Healthy,FALSE\nC-3,100,Healthy,FALSE\n"
    assert notes[-1] == "1 account has no customer id and is left out."


def test_a_customer_id_of_two_accounts_is_nobodys() -> None:
    rows = [*customer("birch", external_id="C-1"), *customer("cedar", external_id="C-1 "), *customer("elm")]
    workspace = with_section(workspace_given(rows), "intacct_csv", {"customer_key": "external_id"})
    content, notes = exported(workspace)
    assert content.decode() == HEADER
    assert notes[-2:] == (
        "1 account has no customer id and is left out.",
        "2 accounts have a customer id that another account has too, and are left out.",
    )


def test_the_crosswalk_can_name_the_customers_even_two_of_one_account(tmp_path: Path) -> None:
    path = tmp_path / "crosswalk.csv"
    path.write_text("source,record_id,account_id\nsage,C-2,birch\nsage,C-1,birch\nsage,C-9,-\ncrm,X,elm\n", "utf-8")
    settings_ = {"customer_key": "crosswalk", "crosswalk_source": "sage"}
    workspace = with_section(workspace_given(rows_of(birch="green", elm="red")), "intacct_csv", settings_)
    sources = (SourceConfig("sage", "intacct", {}), SourceConfig("crm", "files", {}))
    workspace = replace(workspace, config=replace(workspace.config, crosswalk=path, sources=sources))
    content, notes = exported(workspace)
    assert content.decode() == f"{HEADER}C-1,100,Healthy,FALSE\nC-2,100,Healthy,FALSE\n"
    assert notes[-1] == "1 account has no customer id and is left out."


# --- What differs from a file -----------------------------------------------------------------------------------------


def test_what_was_exported_last_differs_in_nothing() -> None:
    content, notes = differing(workspace_of(), ENGLISH)
    assert content.decode() == HEADER
    assert notes == ("0 added, 0 changed, 4 unchanged, 1 not scored.",)


def test_only_new_and_changed_customers_remain_and_all_are_counted() -> None:
    last = "CUSTOMER_ID,HEALTH_SCORE,HEALTH_STATUS,CHURN_RISK\nbirch,100,Healthy,FALSE\ncedar,80,Healthy,FALSE\n"
    content, notes = differing(workspace_of(), f"{last}elm,13,At risk,FALSE\nfir,50,At risk,FALSE\n")
    assert [line.split(",")[0] for line in content.decode().splitlines()[1:]] == ["cedar", "elm", "larch"]
    assert notes[0] == "1 added, 2 changed, 1 unchanged, 1 not scored."
    assert notes[1].startswith("1 customer of that file is left as it is there")


@pytest.mark.parametrize(
    "truths", [("TRUE", "FALSE"), ("true", "false"), ("T", "F"), ("Vrai", "Faux"), ("1", "0"), ("Yes", "no")]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_an_export_of_intacct_itself_is_understood(truths: tuple[str, str], encoding: str, delimiter: str) -> None:
    true, false = truths
    rows = [
        ("Name", "at risk for churn", "Health Status", "Customer ID", "Health score", "Total due"),
        ("Bouleau SA", false, "Sain", "birch", "100.00", "1,200.00"),
        ("Cèdre", false, "À RISQUE", "cedar", "57", ""),
        ("Orme", true, "at risk", "elm", "13,0", "0"),
        ("Mélèze", false, "Aggravé", "larch", "100", ""),
    ]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    with speaking(french()):
        content, notes = differing(workspace_of(), out.getvalue().encode(encoding))
    assert content.decode() == HEADER
    assert "4" in notes[0]


def test_headers_in_the_language_of_the_company_are_understood() -> None:
    file = "ID client;Score de santé;Statut de santé;À risque de résiliation\nbirch;100;Sain;Faux\n"
    with speaking(french()):
        content, _ = differing(workspace_of(birch="green"), file)
    assert content.decode() == HEADER


@pytest.mark.parametrize(
    "line",
    ["birch,,Healthy,FALSE", "birch,100.5,Healthy,FALSE", "birch,100,Fine,FALSE", "birch,100,Healthy,perhaps", "birch"],
)
def test_what_a_file_does_not_say_plainly_counts_as_changed(line: str) -> None:
    content, notes = differing(workspace_of(birch="green"), f"{HEADER}{line}\n")
    assert content.decode() == f"{HEADER}birch,100,Healthy,FALSE\n"
    assert notes[0].startswith("0 added, 1 changed")


def test_a_customer_that_a_file_names_twice_with_other_values_counts_as_changed() -> None:
    twice = f"{HEADER}birch,100,Healthy,FALSE\nbirch,90,Healthy,FALSE\n"
    assert "birch" in differing(workspace_of(birch="green"), twice).content.decode()


def test_a_file_without_the_columns_is_refused_by_their_names() -> None:
    with pytest.raises(CallerError) as caught:
        differing(workspace_of(), "CUSTOMER_ID,health_score\nbirch,100\n")
    assert "no column HEALTH_STATUS, CHURN_RISK" in str(caught.value)
    with pytest.raises(CallerError, match="CUSTOMER_ID"):
        differing(workspace_of(), b"")


def test_a_file_that_is_no_csv_is_refused() -> None:
    with pytest.raises(CallerError, match="cannot be read after line"):
        differing(workspace_of(), HEADER + '"' + "x" * 200_000)


_NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name.strip() and name.isprintable())
_HEALTHS = st.builds(Health, st.integers(0, 100), st.sampled_from(STATUSES), st.booleans())


@settings(max_examples=60)
@given(st.dictionaries(_NAMES, _HEALTHS, max_size=8), st.booleans())
def test_whatever_is_written_reads_back_as_it_is(healths: dict[str, Health], is_french: bool) -> None:  # noqa: FBT001 - drawn
    own = IntacctCsvSettings()
    lines = [Line(name, health) for name, health in healths.items()]
    with speaking(french() if is_french else "en"):
        found = read(written(lines, own), own, DEFAULT_POLICY)
    from account_health.csv_cells import safe_cell  # noqa: PLC0415 - the key that both sides use

    for name, health in healths.items():
        key = safe_cell(safe_cell(name).strip())
        assert not key or health in found[key]


@settings(max_examples=25)
@given(st.dictionaries(_NAMES, st.sampled_from(["green", "yellow", "red"]), min_size=1, max_size=4), st.booleans())
def test_an_export_compared_with_itself_leaves_nothing(bands: dict[str, str], is_french: bool) -> None:  # noqa: FBT001 - drawn
    workspace = workspace_given(rows_of(**bands))
    with speaking(french() if is_french else "en"):
        content = exported(workspace).content
        assert exported(workspace, Wanted(diff=content)).content.count(b"\n") == 1


# --- What changed since a day -----------------------------------------------------------------------------------------


def week_later(workspace: Workspace) -> Workspace:
    now = workspace.clock() + timedelta(days=7)
    return replace(workspace, clock=lambda: now)


def test_only_what_changed_since_a_recorded_day_remains(tmp_path: Path) -> None:
    history = tmp_path / "history.sqlite"
    before = rows_of(birch="green", cedar="green", fir="not_scored", oak="red")
    anyio.run(recorded_by, workspace_given(before, history=history))
    after = rows_of(birch="green", cedar="yellow", fir="green", larch="green", oak="not_scored")
    content, notes = exported(week_later(workspace_given(after, history=history)), Wanted(since=DAY))
    assert [line.split(",")[0] for line in content.decode().splitlines()[1:]] == ["cedar", "fir", "larch"]
    assert notes == (f"Since {DAY}: 2 added, 1 changed, 1 unchanged, 1 not scored.",)


def test_a_flag_that_alone_changes_the_risk_of_churn_is_a_change(tmp_path: Path) -> None:
    history = tmp_path / "history.sqlite"
    anyio.run(recorded_by, workspace_given(rows_of(birch="green"), history=history))
    rows = [*customer("birch"), *supplied({"unrecovered_payments": 1}, "birch")]
    content, _ = exported(week_later(workspace_given(rows, history=history)), Wanted(since=DAY))
    assert content.decode() == f"{HEADER}birch,100,Healthy,TRUE\n"


def test_what_another_policy_said_that_day_counts_as_it_was_said(tmp_path: Path) -> None:
    history = tmp_path / "history.sqlite"
    stricter = DEFAULT_POLICY.model_copy(
        update={"bands": DEFAULT_POLICY.bands.model_copy(update={"yellow": 60})}
    ).model_copy(update={"version": "other"})
    anyio.run(recorded_by, workspace_given(rows_of(cedar="yellow"), stricter, history))
    content, _ = exported(week_later(workspace_given(rows_of(cedar="yellow"), history=history)), Wanted(since=DAY))
    assert content.decode() == f"{HEADER}cedar,57,At risk,FALSE\n"


def test_without_a_history_it_says_what_to_do(tmp_path: Path, recorded: Config) -> None:
    with pytest.raises(NoHistory, match="assess --all"):
        exported(workspace_given(rows_of(birch="green"), history=tmp_path / "none.sqlite"), Wanted(since="2026-11-01"))
    later = workspace_given(rows_of(birch="green"), history=recorded.history.path)
    with pytest.raises(NoHistory, match="the first day is 2026-10-12"):
        exported(later, Wanted(since="2026-01-01"))


def test_a_day_and_a_file_are_not_compared_with_at_once() -> None:
    with pytest.raises(CallerError, match="Give --since or --diff"):
        exported(workspace_of(), Wanted(since="2026-11-01", diff=b""))


def test_the_day_has_to_lie_before(recorded: Config) -> None:
    workspace = workspace_given(rows_of(birch="green"), history=recorded.history.path)
    with pytest.raises(CallerError, match="since has to lie before"):
        exported(workspace, Wanted(since="2027-01-01"))
