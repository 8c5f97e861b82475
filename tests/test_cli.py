"""The command line: data on stdout, words on stderr, and an exit code that says whose turn it is."""

from __future__ import annotations

import csv
import json
import os
import re
import tempfile
from dataclasses import replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from account_health import cli
from account_health import config as configuration
from account_health import language as tongues
from account_health.cli import asking
from account_health.policy import load_policy
from doors import CANARY, DAY, clock, configured, run
from moving import history_of, rows_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typer.testing import Result

    from account_health.config import Config

ACCOUNTS = "account_id,name,domains,renewal_date\nA-1,Acme,acme.example,2026-12-01\nB-1,Beta,,\n"
FRESH = "account_id,name,updated_at\nA-1,Acme,2026-11-20\n"
HOSTILE = "\x1b]0;owned\x07\x1b[31mRed\x9b2J\u202e\x08\x00"
TABLE_HEADER = "id\tname\tscore\tband\ttier\tflags\trenewal"
ESPERANTO = """
msgid "There is no such vocabulary."
msgstr "Ne ekzistas tia vortaro."

msgid "The configuration {path} cannot be read: {problem}."
msgstr "La agordo {path} ne legeblas: {problem}."

msgid "{shown} of {n} accounts"
msgid_plural "{shown} of {n} accounts"
msgstr[0] "{shown} el {n} konto"
msgstr[1] "{shown} el {n} kontoj"

msgid "{n} flags"
msgid_plural "{n} flags"
msgstr[0] "{n} averto"
msgstr[1] "{n} avertoj"

msgid "Wrote {path}."
msgstr "Skribis {path}."

msgid "None"
msgstr "Nenio"

msgctxt "pipeline"
msgid "Fair"
msgstr "Meza"
"""
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command inside this process, standing in an empty folder, with nobody's configuration and history."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("ACCOUNT_HEALTH_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    # Where the demo keeps its history was decided when the module was imported, so it would be that of all tests.
    own = replace(configuration.DEMO.history, path=tmp_path / "demo.sqlite")
    monkeypatch.setattr(configuration, "DEMO", replace(configuration.DEMO, history=own))
    return lambda *arguments: CliRunner().invoke(cli.app, [str(part) for part in arguments])


@pytest.fixture
def ask_recorded(
    ask: Callable[..., Result], recorded_copy: Config, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """The command on the last day of recorded accounts, standing in the folder of their configuration."""
    lines = '[sources.rows]\nconnector = "files"\nfolder = "."\n[history]\npath = "history.sqlite"\n'
    (recorded_copy.folder / "account-health.toml").write_text(lines, "utf-8")
    monkeypatch.chdir(recorded_copy.folder)
    monkeypatch.setattr(asking, "now", clock)
    return ask


@pytest.fixture
def esperanto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Besides English there is Esperanto, as far as these tests speak it, and nothing else."""
    (tmp_path / "languages").mkdir()
    (tmp_path / "languages" / "eo.po").write_text(ESPERANTO, "utf-8")
    monkeypatch.setattr(tongues, "_FOLDER", tmp_path / "languages")
    tongues.language.cache_clear()
    yield
    tongues.language.cache_clear()


def done(result: Result) -> str:
    """Standard output of a command that succeeded."""
    assert result.exit_code == 0, result.output
    return result.stdout


def parsed(result: Result) -> Any:
    """The JSON of a command that succeeded."""
    return json.loads(done(result))


def failed(result: Result, code: int) -> str:
    """Standard error of a command that left with this code and printed no data."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


# --- Verbs --------------------------------------------------------------------------------------------------------


def test_demo_prints_a_full_summary_of_fictional_data(ask: Callable[..., Result]) -> None:
    text = done(ask("demo", "--as-of", DAY))
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == ["## Health: Northwind Traders", "### Risk Flags", "### Factors", "### Inputs Used"]
    assert "Demo data" in text


def test_demo_is_the_same_bytes_for_the_same_day_and_never_stale_today(ask: Callable[..., Result]) -> None:
    for form in ("md", "json"):
        first, second = [ask("demo", "--as-of", DAY, "--format", form).stdout_bytes for _ in range(2)]
        assert first == second
    today = parsed(ask("demo", "--format", "json"))
    assert today["scored"]
    assert [report["source"] for report in today["inputs"] if report["state"] == "stale"] == []


def test_report_prints_markdown_for_people_and_the_bare_assessment_for_programs(ask: Callable[..., Result]) -> None:
    asked = ("report", "kestrel.example", "--demo", "--as-of", DAY)
    assert done(ask(*asked)).startswith("## Health: Kestrel Freight\n\n### Risk Flags\n")
    assert done(ask(*asked)) == done(ask(*asked, "--format", "md"))
    assessment = parsed(ask(*asked, "--format", "json"))
    assert assessment["account"] == {"id": "kestrel", "name": "Kestrel Freight"}
    assert assessment["as_of"] == "2026-11-21T23:59:59.999999Z"


def test_list_prints_a_page_of_accounts_and_how_many_there_are(ask: Callable[..., Result]) -> None:
    page = parsed(ask("list", "--demo", "--as-of", DAY, "--limit", 3, "--format", "json"))
    assert len(page["accounts"]) == 3
    assert page["total"] == 13
    assert all(found["id"] and found["name"] for found in page["accounts"])
    result = ask("list", "--demo", "--as-of", DAY, "--limit", 3)
    assert [len(line.split("\t")) for line in done(result).splitlines()] == [7] * 4
    assert done(result).splitlines()[0] == TABLE_HEADER
    assert result.stderr == "3 of 13 accounts\nDemo data: these accounts are fictional.\n"


def test_list_filters_by_text_band_and_flag(ask: Callable[..., Result]) -> None:
    def ids(*arguments: str) -> list[str]:
        return [
            found["id"]
            for found in parsed(ask("list", *arguments, "--demo", "--format", "json", "--as-of", DAY))["accounts"]
        ]

    assert ids("kestr") == ["kestrel"]
    assert "fernhollow" in ids("--band", "red")
    assert "fernhollow" in ids("--flag", "support_spike")
    assert ids("--band", "not_scored", "--flag", "usage_drop") == []


def test_list_filters_by_segment_owner_and_renewal(ask: Callable[..., Result], tmp_path: Path) -> None:
    header = "account_id,name,segment,owner,renewal_date\n"
    configured(tmp_path, account=f"{header}A,Acme,SMB,Ann Lee,2026-12-01\nB,Beta,SMB,Bo,2027-06-01\nC,Cee,Big,Bo,\n")

    def ids(*arguments: str) -> list[str]:
        return [
            found["id"] for found in parsed(ask("list", *arguments, "--as-of", DAY, "--format", "json"))["accounts"]
        ]

    assert ids("--segment", "smb") == ["A", "B"]
    assert ids("--owner", "ann lee") == ["A"]
    assert ids("--owner", "bo", "--segment", "big") == ["C"]
    assert ids("--renews-within-days", "30") == ["A"]


def test_inputs_prints_rows_of_one_source_or_all(ask: Callable[..., Result]) -> None:
    asked = ("inputs", "northwind", "--demo", "--as-of", DAY)
    everything = parsed(ask(*asked))
    assert {"account", "ticket", "invoice"} <= set(everything["tables"])
    support = parsed(ask(*asked, "--source", "support", "--limit", 2))
    assert set(support["tables"]) == {"ticket"}
    assert len(support["tables"]["ticket"]["rows"]) == 2 < support["tables"]["ticket"]["total"]
    assert "ticket: observed, " in done(ask(*asked, "--source", "support", "--format", "md"))


def test_sources_check_tells_what_is_connected_and_what_to_do(ask: Callable[..., Result]) -> None:
    assert parsed(ask("sources", "check", "--demo", "--as-of", DAY, "--format", "json"))["accounts"] == 13
    assert "Demo Helpdesk" in done(ask("sources", "check", "--demo", "--as-of", DAY))


def test_policy_check_and_show_need_no_configuration(ask: Callable[..., Result]) -> None:
    policy = load_policy()
    assert done(ask("policy", "check")).startswith(f"default {policy.version} ({policy.ref.hash}): ")
    assert done(ask("policy", "show")).startswith(f"# Scoring policy default {policy.version} ({policy.ref.hash})")


def test_help_names_every_verb(ask: Callable[..., Result]) -> None:
    text = done(ask("--help"))
    verbs = "demo report list inputs assess at-risk portfolio changes explain export status flag sources policy init"
    for verb in (*verbs.split(), "serve"):
        assert re.search(rf"\b{verb}\b", text)


# --- All accounts, and time -------------------------------------------------------------------------------------------


def test_assess_records_one_account_or_all_and_says_what_it_did(ask: Callable[..., Result], tmp_path: Path) -> None:
    demo = replace(configuration.DEMO)
    assert history_of(demo) == tmp_path / "demo.sqlite"
    one = ask("assess", "northwind", "--demo")
    assert re.search(r"scored 1 of 1; 1 new assessments? ", done(one))
    assert one.stderr == "Demo data: these accounts are fictional.\n"
    assert (rows_in(demo, "assessment"), rows_in(demo, "run")) == (1, 0)
    everyone = parsed(ask("assess", "--all", "--demo", "--format", "json"))
    assert (everyone["accounts"], everyone["scored"], everyone["added"]) == (13, 11, 12)
    assert rows_in(demo, "run") == 1


@pytest.mark.parametrize("arguments", [(), ("northwind", "--all")])
def test_assess_wants_one_account_or_all(ask: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    assert "Name one account, or say --all." in failed(ask("assess", *arguments, "--demo"), 4)


def test_the_demo_keeps_its_own_history_and_never_that_of_a_user(ask: Callable[..., Result], tmp_path: Path) -> None:
    imported = Path(str(import_module("doors").DEMO.history.path))
    assert imported.is_relative_to(tempfile.gettempdir())
    assert imported.name == "demo.sqlite"
    done(ask("assess", "--all", "--demo"))
    assert not imported.exists()
    assert (tmp_path / "demo.sqlite").is_file()
    configured(tmp_path, account=ACCOUNTS)
    done(ask("assess", "--all"))
    (own,) = (tmp_path / ".local" / "share" / "account-health").glob("history-*.sqlite")
    assert own.is_file()


def test_at_risk_lists_who_needs_somebody_for_people_and_for_programs(ask: Callable[..., Result]) -> None:
    asked = ("at-risk", "--demo", "--as-of", DAY)
    text = done(ask(*asked))
    assert text.startswith("## Accounts at Risk\n\n8 of 12 accounts need attention: 3 critical, 4 high, 1 medium; ")
    assert "Demo data" in text
    found = parsed(ask(*asked, "--format", "json"))
    assert [account["id"] for account in found["accounts"]][:3] == ["fernhollow", "copperkettle", "northwind"]
    assert found["total"] == 8


def test_at_risk_filters_and_pages(ask: Callable[..., Result]) -> None:
    def ids(*arguments: object) -> list[str]:
        found = parsed(ask("at-risk", "--demo", "--as-of", DAY, "--format", "json", *arguments))
        return [account["id"] for account in found["accounts"]]

    assert ids("--segment", "smb") == ["junipervale", "kestrel"]
    assert ids("--owner", "Mara", "--tier", "critical") == ["copperkettle", "northwind"]
    assert ids("--renewing", "2026-12") == ["northwind"]
    assert ids("--top-by-arr", 1) == ["fernhollow"]
    first = parsed(ask("at-risk", "--demo", "--as-of", DAY, "--format", "json", "--limit", 5))
    assert len(first["accounts"]) == 5
    assert len(ids("--limit", 5, "--cursor", first["next_cursor"])) == 3


def test_portfolio_tells_how_all_customers_stand(ask: Callable[..., Result]) -> None:
    asked = ("portfolio", "--demo", "--as-of", DAY)
    assert done(ask(*asked)).startswith("## Portfolio Health\n\nScored 11 of 12, 1 not matched; 36% green")
    found = parsed(ask(*asked, "--format", "json"))
    assert (found["accounts"], found["target"]["missing"]) == (12, 5)
    assert parsed(ask(*asked, "--format", "json", "--owner", "mara"))["accounts"] == 3
    assert parsed(ask(*asked, "--format", "json", "--segment", "SMB", "--owner", "Jun"))["accounts"] == 1


def test_lists_over_all_accounts_answer_from_a_fresh_run_unless_told_otherwise(
    ask_recorded: Callable[..., Result],
) -> None:
    for verb in ("at-risk", "portfolio"):
        assert "Note: As recorded at 2026-11-21 09:00 UTC by `assess --all`." in done(ask_recorded(verb))
        for anew in (("--refresh",), ("--as-of", DAY)):
            assert "As recorded" not in done(ask_recorded(verb, *anew))


def test_changes_are_printed_for_people_for_programs_and_for_spreadsheets(ask_recorded: Callable[..., Result]) -> None:
    result = ask_recorded("changes", "--limit", 3)
    lines = done(result).splitlines()
    assert len(lines) == 3
    assert all(re.match(r"- 2026-11-\d\d 09:00 UTC: .* \(`[\w-]+`\): ", line) for line in lines)
    found = parsed(ask_recorded("changes", "--limit", 3, "--format", "json"))
    assert len(found["changes"]) == 3
    assert result.stderr.startswith(f"3 of {found['total']} changes\n")
    rows = list(csv.DictReader(done(ask_recorded("changes", "--limit", 3, "--format", "csv")).splitlines()))
    assert [int(row["number"]) for row in rows] == [change["number"] for change in found["changes"]]
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    more = parsed(ask_recorded("changes", "--limit", 100, "--format", "json", "--cursor", found["next_cursor"]))
    assert len(more["changes"]) == found["total"] - 3


def test_changes_are_filtered_by_account_day_owner_band_and_kind(ask_recorded: Callable[..., Result]) -> None:
    def changes(*arguments: object) -> list[dict[str, Any]]:
        found = parsed(ask_recorded("changes", *arguments, "--limit", 100, "--format", "json"))
        return list(found["changes"])

    everything = changes()
    assert {change["kind"] for change in everything} == {"band", "flag"}
    assert {change["account"] for change in changes("Northwind Traders")} == {"northwind"}
    assert {change["owner"] for change in changes("--owner", "ines")} == {"Ines"}
    assert changes("--kind", "band") == [change for change in everything if change["kind"] == "band"] != []
    assert changes("--band", "red") == [change for change in everything if change["band"] == "red"] != []
    since = changes("--since", "2026-11-14")
    assert since == [change for change in everything if change["at"] >= "2026-11-14"] != everything


def test_explain_says_why_a_score_moved_in_parts_that_add_up(ask_recorded: Callable[..., Result]) -> None:
    result = ask_recorded("explain", "fernhollow")
    assert done(result).startswith("Since 2026-10-22: 64 → 20 (−44")
    assert "| part | points |" in done(result)
    change = parsed(ask_recorded("explain", "fernhollow", "--format", "json"))["change"]
    assert sum(change["parts"].values()) == pytest.approx(change["to"] - change["from"])
    other = parsed(ask_recorded("explain", "fernhollow", "--since", "2026-11-14", "--format", "json"))["change"]
    assert other["since"].startswith("2026-11-14T09:00")
    text = failed(ask_recorded("explain", "fernhollow", "--since", "2026-10-01"), 4)
    assert "Nothing was recorded of this account by then. The first reading is of 2026-10-12." in text


def test_export_writes_every_account_to_standard_output_or_a_file(ask: Callable[..., Result], tmp_path: Path) -> None:
    asked = ("export", "--demo", "--as-of", DAY)
    result = ask(*asked)
    rows = list(csv.DictReader(done(result).splitlines()))
    assert len(rows) == 13
    assert result.stderr == "Demo data: these accounts are fictional.\n"
    assert {row["account_id"] for row in rows} == {
        account["account_id"] for account in json.loads(done(ask(*asked, "--to", "json")))["accounts"]
    }
    assert done(ask(*asked, "--output", "all.csv")) == ""
    assert (tmp_path / "all.csv").read_bytes() == result.stdout_bytes
    done(ask(*asked, "--to", "parquet", "--output", "all.parquet"))
    with duckdb.connect() as database:
        assert database.read_parquet(str(tmp_path / "all.parquet")).fetchall()[0][0] == "blank-ledger"
    assert len(list(csv.DictReader(done(ask(*asked, "--owner", "mara")).splitlines()))) == 3


# --- What people say --------------------------------------------------------------------------------------------------


def test_a_status_is_set_shown_and_withdrawn(ask: Callable[..., Result]) -> None:
    result = ask("status", "set", "northwind", "fair", "--demo", "--description", "Sponsor left", "--author", "Mara")
    assert done(result) == "Northwind Traders: Fair (Pipeline CRM customer health status) (before: none).\n"
    assert result.stderr == "Demo data: these accounts are fictional.\n"
    report = done(ask("report", "northwind", "--demo"))
    assert "Fair" in report
    assert "Mara" in report
    assert parsed(ask("report", "northwind", "--demo", "--format", "json"))["manual_status"]["status"] == "Fair"
    table = done(ask("list", "--demo", "--status", "fair")).splitlines()
    assert table[0] == f"{TABLE_HEADER}\tmanual_status"
    assert [line.split("\t")[0] for line in table[1:]] == ["northwind"]
    said = parsed(ask("status", "set", "northwind", "none", "--demo", "--format", "json"))
    assert "manual_status" not in said
    assert "(before: Fair, set by Mara)" in said["sentence"]
    assert done(ask("list", "--demo", "--status", "none")).splitlines()[0] == TABLE_HEADER
    changes = parsed(ask("changes", "northwind", "--demo", "--kind", "status", "--format", "json"))["changes"]
    assert [change.get("after", "withdrawn") for change in changes] == ["withdrawn", "Fair"]


def test_a_status_may_come_from_any_vocabulary_and_end_by_itself(ask: Callable[..., Result]) -> None:
    arguments = ("--vocabulary", "uman", "--expires", "2099-12-31", "--demo", "--format", "json")
    said = parsed(ask("status", "set", "kestrel", "at risk", *arguments))
    assert said["manual_status"]["status"] == "At Risk"
    assert said["manual_status"]["vocabulary"] == "uman"
    assert said["manual_status"]["expires_at"].startswith("2099-12-31T23:59:59")
    assert " until 2099-12-31 " in said["sentence"]


def test_a_flag_is_acknowledged_snoozed_and_taken_back(ask_recorded: Callable[..., Result]) -> None:
    def phase() -> str:
        found = parsed(ask_recorded("report", "northwind", "--format", "json"))["flags"]
        return str(next(flag["life"]["phase"] for flag in found if flag["flag"] == "escalation_90d"))

    def tier() -> str:
        found = parsed(ask_recorded("at-risk", "--format", "json", "--owner", "mara"))["accounts"]
        return str(next(account["tier"] for account in found if account["id"] == "northwind"))

    flag = ("northwind", "escalation_90d")
    assert (phase(), tier()) == ("persisting", "critical")
    text = done(ask_recorded("flag", "acknowledge", *flag, "--note", "4711 is with engineering", "--author", "Mara"))
    assert text == "Northwind Traders: Escalation in last 90 days acknowledged.\n"
    assert (phase(), tier()) == ("acknowledged", "critical")
    text = done(ask_recorded("flag", "snooze", *flag, "--until", "2026-11-30"))
    assert text == "Northwind Traders: Escalation in last 90 days snoozed until 2026-11-30.\n"
    assert (phase(), tier()) == ("snoozed", "watch")
    assert "4711 is with engineering" in done(ask_recorded("changes", "northwind", "--limit", 3))
    said = parsed(ask_recorded("flag", "reset", *flag, "--format", "json"))
    assert said["sentence"] == "Northwind Traders: Escalation in last 90 days neither acknowledged nor snoozed."
    assert (phase(), tier()) == ("persisting", "critical")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ("status", "set", "northwind", "superb"),
            "has no such status. Statuses: Good, Fair, Poor; None withdraws one.",
        ),
        (("status", "set", "northwind", "Good", "--vocabulary", "klingon"), "Vocabularies: colours, uman, pipeline"),
        (("status", "set", "moonbeam", "Good"), "Only customers have a health status"),
        (("status", "set", "nobody at all", "Good"), "No account has this id, name or domain."),
        (("status", "set", "northwind", "Good", "--expires", "2026-11-01"), "The day lies in the past."),
        (("status", "set", "northwind", "Good", "--expires", "soon"), "is no date."),
        (("status", "set", "northwind", "Good", "--description", "see www.evil.example"), "no links or addresses"),
        (("status", "set", "northwind", "Good", "--description", "x" * 501), "at most 500 characters"),
        (("flag", "acknowledge", "northwind", "smoke"), "There is no such flag. Flags: usage_drop"),
        (("flag", "acknowledge", "northwind", "usage_drop"), "This flag is not raised. Raised: "),
        (("flag", "snooze", "northwind", "renewal_soon", "--until", "2026-01-01"), "The day lies in the past."),
    ],
)
def test_what_cannot_be_said_of_an_account_is_refused_and_nothing_is_written(
    ask_recorded: Callable[..., Result], recorded_copy: Config, arguments: tuple[str, ...], reason: str
) -> None:
    before = rows_in(recorded_copy, "activity")
    assert reason in failed(ask_recorded(*arguments), 4)
    assert rows_in(recorded_copy, "activity") == before


# --- Vocabularies -----------------------------------------------------------------------------------------------------


def test_health_is_said_in_the_words_of_another_system(ask: Callable[..., Result]) -> None:
    for verb in (("report", "northwind", "--demo"), ("demo",)):
        assert "Escalated" in done(ask(*verb, "--as-of", DAY, "--vocabulary", "intacct"))
        said = parsed(ask(*verb, "--as-of", DAY, "--vocabulary", "intacct", "--format", "json"))["status"]
        assert said == {"vocabulary": "intacct", "word": "Escalated", "churn_risk": True}
    table = done(ask("list", "--demo", "--as-of", DAY, "--vocabulary", "uman", "--owner", "tomas")).splitlines()
    assert table[0] == f"{TABLE_HEADER}\tword"
    assert {line.split("\t")[-1] for line in table[1:]} == {"Strong", "Positive"}
    assert "62 (Neutral)" in done(ask("at-risk", "--demo", "--as-of", DAY, "--vocabulary", "uman"))
    assert "Good: 4, Fair: 5, Poor: 2, None: 1." in done(
        ask("portfolio", "--demo", "--as-of", DAY, "--vocabulary", "pipeline")
    )
    exported = done(ask("export", "--demo", "--as-of", DAY, "--vocabulary", "colours"))
    assert [name for name in exported.splitlines()[0].split(",") if name.startswith("status_")] == ["status_colours"]


# --- Configuration ------------------------------------------------------------------------------------------------


def test_the_configuration_is_taken_from_the_option_the_environment_or_the_folder(
    ask: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(*arguments: object) -> list[str]:
        return [found["name"] for found in parsed(ask("list", "--format", "json", *arguments))["accounts"]]

    places = {
        name: configured(tmp_path / name, account=f"account_id,name\n1,{name}\n") for name in ("option", "variable")
    }
    configured(tmp_path, account="account_id,name\n1,folder\n")
    assert names() == ["folder"]
    monkeypatch.setenv("ACCOUNT_HEALTH_CONFIG", str(places["variable"]))
    assert names() == ["variable"]
    assert names("--config", places["option"]) == ["option"]


def test_the_configured_day_is_asked_at_unless_another_is_given(ask: Callable[..., Result], tmp_path: Path) -> None:
    configured(tmp_path, 'as_of = "2026-11-01"', account=ACCOUNTS)
    assert parsed(ask("report", "Acme", "--format", "json"))["as_of"].startswith("2026-11-01T23:59:59")
    assert parsed(ask("report", "Acme", "--format", "json", "--as-of", DAY))["as_of"].startswith(DAY)


def test_init_writes_a_file_that_works_and_never_overwrites_without_force(
    ask: Callable[..., Result], tmp_path: Path
) -> None:
    result = ask("init")
    assert done(result) == ""
    assert "account-health sources check" in result.stderr
    (tmp_path / "data" / "account.csv").write_text(ACCOUNTS)
    assert parsed(ask("report", "acme.example", "--format", "json"))["account"]["name"] == "Acme"
    (tmp_path / "account-health.toml").write_text("mine")
    assert "exists already" in failed(ask("init"), 3)
    assert (tmp_path / "account-health.toml").read_text() == "mine"
    done(ask("init", "--force"))
    assert (tmp_path / "account-health.toml").read_text() != "mine"


def test_policy_check_names_every_fault_of_a_file(ask: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text('extends = "default"\ncolour = 1\n[dimensions.usage]\nweight = 40\n')
    text = failed(ask("policy", "check", "ours.toml"), 3)
    assert "- colour: unknown key" in text
    assert "total 105, not 100" in text
    configured(tmp_path, 'policy = "ours.toml"', account=ACCOUNTS)
    assert "- colour: unknown key" in failed(ask("policy", "check"), 3)
    assert "- colour: unknown key" in failed(ask("report", "Acme"), 3)


# --- Errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("report",),
        ("report", "northwind", "--demo", "--colour", "red"),
        ("report", "northwind", "--demo", "--format", "xml"),
        ("list", "--demo", "--limit", "0"),
        ("list", "--demo", "--limit", "many"),
        ("burn",),
        ("serve", "--transport", "carrier-pigeon"),
        ("at-risk", "--demo", "--top-by-arr", "-1"),
        ("at-risk", "--demo", "--format", "csv"),
        ("changes", "--demo", "--format", "xml"),
        ("export", "--demo", "--to", "xlsx"),
        ("status", "set", "northwind", "--demo"),
        ("flag", "snooze", "northwind", "renewal_soon", "--demo"),
    ],
)
def test_wrong_usage_leaves_with_2(ask: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    assert "Usage:" in failed(ask(*arguments), 2)


@pytest.mark.parametrize(
    "verb",
    [
        ("report", "Acme"),
        ("list",),
        ("inputs", "Acme"),
        ("sources", "check"),
        ("assess", "--all"),
        ("at-risk",),
        ("portfolio",),
        ("changes",),
        ("explain", "Acme"),
        ("export",),
        ("status", "set", "Acme", "Good"),
        ("flag", "reset", "Acme", "renewal_soon"),
    ],
)
def test_without_a_configuration_every_verb_names_init_and_leaves_with_3(
    ask: Callable[..., Result], verb: tuple[str, ...]
) -> None:
    text = failed(ask(*verb), 3)
    assert "account-health init" in text
    assert "--demo" in text


@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        ("colour = 1", "colour: unknown key"),
        ("[[", "is not valid TOML"),
        ('[sources.x]\nconnector = "files"\nfoldr = "a"', "sources.x.foldr: unknown key"),
        ('[sources.x]\nfolder = "a"', "sources.x.connector: missing"),
    ],
)
def test_a_faulty_configuration_is_named_by_file_and_place_and_leaves_with_3(
    ask: Callable[..., Result], tmp_path: Path, toml: str, fault: str
) -> None:
    configured(tmp_path, toml, account=ACCOUNTS)
    assert fault in failed(ask("list"), 3)
    assert "nowhere.toml cannot be read" in failed(ask("list", "--config", "nowhere.toml"), 3)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("report", "Kestral"), "Nearest: Kestrel Freight (id `kestrel`)"),
        (("inputs", "nobody"), "No account has this id, name or domain."),
        (("inputs", "kestrel", "--source", "stars"), "Sources: all, crm, support, analytics, billing, surveys."),
        (("report", "kestrel", "--as-of", "soon"), "as_of is no date. Write e.g. 2026-11-21"),
        (("demo", "--as-of", "2026-13-01"), "as_of is no date."),
        (("list", "--band", "purple"), "Bands: green, yellow, red, not_scored."),
        (("list", "--flag", "smoke"), "Flags: usage_drop, support_spike"),
        (("list", "--tier", "urgent"), "Tiers: critical, high, medium, watch, none."),
        (("list", "--vocabulary", "klingon"), "Vocabularies: colours, uman, pipeline, intacct."),
        (("at-risk", "--tier", "none"), "Tiers: critical, high, medium, watch."),
        (("at-risk", "--renewing", "soon"), "There is no such renewal window. Write e.g. Q4"),
        (("at-risk", "--cursor", "MjA6"), "This cursor belongs to no page of this search."),
        (("at-risk", "--vocabulary", "klingon"), "There is no such vocabulary."),
        (("portfolio", "--vocabulary", "klingon"), "There is no such vocabulary."),
        (("export", "--vocabulary", "klingon"), "There is no such vocabulary."),
        (("report", "northwind", "--vocabulary", "klingon"), "There is no such vocabulary."),
        (("changes",), "Nothing has been recorded yet. Run `account-health assess --all`, best every day."),
        (("changes", "--kind", "rumour"), "Kinds: band, flag, status, published."),
        (("changes", "--band", "purple"), "Bands: green, yellow, red, not_scored."),
        (("explain", "northwind"), "Nothing has been recorded yet. Run `account-health assess --all`, best every day."),
        (("export", "--output", "nowhere/all.csv"), "nowhere/all.csv cannot be written: No such file or directory."),
    ],
)
def test_a_question_that_cannot_be_answered_as_asked_leaves_with_4(
    ask: Callable[..., Result], arguments: tuple[str, ...], reason: str
) -> None:
    demo = () if arguments[0] == "demo" else ("--demo",)
    assert reason in failed(ask(*arguments, *demo), 4)


def test_an_ambiguous_name_gets_the_candidates_and_leaves_with_4(ask: Callable[..., Result], tmp_path: Path) -> None:
    configured(tmp_path, account="account_id,name\nA_1,Acme\nA_2,ACME\n")
    assert "2 accounts fit: Acme (id `A_1`); ACME (id `A_2`)." in failed(ask("report", "acme"), 4)
    assert parsed(ask("report", "A_2", "--format", "json"))["account"]["name"] == "ACME"


def test_without_a_list_of_accounts_every_verb_leaves_with_5(ask: Callable[..., Result], tmp_path: Path) -> None:
    configured(tmp_path, ticket="ticket_id,account_id,opened_at\n")
    for verb in (("report", "Acme"), ("list",), ("assess", "--all"), ("at-risk",), ("portfolio",), ("export",)):
        assert "account" in failed(ask(*verb), 5)
    checked = ask("sources", "check")
    assert checked.exit_code == 5
    assert "No source lists the accounts" in checked.stderr


def test_sources_check_leaves_with_5_when_a_source_fails_while_a_report_still_answers(
    ask: Callable[..., Result], tmp_path: Path
) -> None:
    configured(tmp_path, account=FRESH, ticket=f"ticket_id,who\n1,{CANARY}\n")
    result = ask("sources", "check", "--as-of", DAY, "--format", "json")
    states = {
        table["table"]: table["state"] for source in json.loads(result.stdout)["sources"] for table in source["tables"]
    }
    assert (result.exit_code, states) == (5, {"account": "observed", "ticket": "failed"})
    assert ask("sources", "check", "--as-of", DAY).exit_code == 5
    text = done(ask("report", "Acme", "--as-of", DAY))
    assert "ticket.csv" in text
    assert CANARY not in text


def test_a_history_that_cannot_be_used_leaves_with_6_where_it_is_needed(
    ask: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "demo.sqlite").write_bytes(b"This was never a database. " * 100)
    needing = [
        ("assess", "--all"),
        ("assess", "northwind"),
        ("changes",),
        ("explain", "northwind"),
        ("status", "set", "northwind", "Good"),
        ("flag", "acknowledge", "northwind", "renewal_soon"),
    ]
    for arguments in needing:
        assert "The history cannot be used: the file is no history." in failed(ask(*arguments, "--demo"), 6)
    for arguments in (("report", "northwind"), ("at-risk",), ("portfolio",)):
        assert "Answered without history: The history cannot be used" in done(ask(*arguments, "--demo"))
    assert "Answered without history: The history cannot be used" in ask("list", "--demo").stderr
    assert len(done(ask("export", "--demo")).splitlines()) == 14


# --- As a process -------------------------------------------------------------------------------------------------


def test_piped_output_is_plain_text_and_errors_stay_on_stderr(tmp_path: Path) -> None:
    for verb in ("demo", "list --demo", "sources check --demo", "policy show", "--help"):
        completed = run(*verb.split(), here=tmp_path)
        assert completed.returncode == 0
        assert completed.stdout
        assert b"\x1b" not in completed.stdout + completed.stderr
    for verb, code in {"report nobody --demo": 4, "list": 3, "list --limit x": 2}.items():
        completed = run(*verb.split(), here=tmp_path)
        assert (completed.returncode, completed.stdout) == (code, b"")
        assert b"Traceback" not in completed.stderr


@pytest.mark.parametrize("changes", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"TERM": "dumb"}])
def test_output_is_utf_8_whatever_the_locale(tmp_path: Path, changes: dict[str, str]) -> None:
    configured(tmp_path, account="account_id,name\nÖ-1,Müller & Söhne 株式会社 🚀\nÖ-2,Müller\n")
    for arguments in (("list",), ("list", "--format", "json"), ("report", "Ö-1"), ("inputs", "Ö-1")):
        completed = run(*arguments, here=tmp_path, **changes)
        assert completed.returncode == 0, completed.stderr
        assert "Müller & Söhne 株式会社 🚀" in completed.stdout.decode("utf-8")
    assert run("report", "Mülle", here=tmp_path, **changes).returncode == 4


def test_hostile_names_cannot_steer_a_terminal(tmp_path: Path) -> None:
    rows = [{"account_id": f"x{HOSTILE}", "name": f"Acme {HOSTILE}", "owner": HOSTILE, "segment": HOSTILE}]
    (tmp_path / "data").mkdir()
    configured(tmp_path)
    (tmp_path / "data" / "account.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert CONTROLS.findall(run("list", "--config", HOSTILE.replace("\0", ""), here=tmp_path).stderr.decode()) == []
    asked = ["list", "list --format json", "sources check", "sources check --format json", "report acme"]
    asked += [f"{verb} x --format {form}" for verb in ("report", "inputs") for form in ("md", "json")]
    asked += [f"{verb} --format {form}" for verb in ("at-risk", "portfolio") for form in ("md", "json")]
    asked += ["export", "export --to json", "assess --all", "changes", "changes --format csv"]
    for arguments in asked:
        completed = run(*arguments.split(), here=tmp_path)
        assert completed.returncode in {0, 4}
        assert CONTROLS.findall((completed.stdout + completed.stderr).decode()) == []


def test_nothing_needs_a_network_or_a_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def no_network(event, args):\n"
        "    if event in ('socket.connect', 'socket.sendto', 'socket.getaddrinfo', 'socket.gethostbyname'):\n"
        "        os.write(2, f'network: {event}'.encode()); os._exit(9)\n"
        "sys.addaudithook(no_network)\n"
    )
    homeless = {"HOME": str(tmp_path / "file" / "home"), "PYTHONPATH": str(tmp_path)}
    for verb in ("demo", "list --demo", "sources check --demo", "report jo@northwind.example --demo", "policy show"):
        completed = run(*verb.split(), here=tmp_path, **homeless)
        assert completed.returncode == 0, completed.stderr
    assert run("list", here=tmp_path, **homeless).returncode == 3


def test_the_module_and_the_command_are_one() -> None:
    (command,) = entry_points(group="console_scripts", name="account-health")
    assert command.load() is cli.main is import_module("account_health.__main__").main


# --- Language ---------------------------------------------------------------------------------------------------------


def test_every_command_that_says_words_takes_a_language() -> None:
    def silent(command: Any, path: str) -> list[str]:
        if hasattr(command, "commands"):
            return [name for key, part in command.commands.items() for name in silent(part, f"{path} {key}".strip())]
        return [] if any("--language" in option.opts for option in command.params) else [path]

    assert silent(get_command(cli.app), "") == ["serve"]


@pytest.mark.usefixtures("esperanto")
def test_what_is_said_is_said_in_the_asked_language(ask: Callable[..., Result], tmp_path: Path) -> None:
    assert ask("list", "--demo", "--language", "eo", "--limit", "2").stderr.startswith("2 el 13 kontoj\n")
    text = failed(ask("report", "northwind", "--demo", "--language", "eo", "--vocabulary", "klingon"), 4)
    assert text.startswith("Ne ekzistas tia vortaro. Vocabularies: ")
    assert done(ask("policy", "check", "--language", "eo")).endswith(" avertoj\n")
    assert ask("init", tmp_path / "new", "--language", "eo").stderr.startswith("Skribis ")


@pytest.mark.usefixtures("esperanto")
def test_without_one_the_configuration_s_language_is_spoken(ask: Callable[..., Result], tmp_path: Path) -> None:
    configured(tmp_path, 'language = "eo"\n[sources.files]\nconnector = "files"\nfolder = "."', account=ACCOUNTS)

    assert ask("list").stderr.startswith("2 el 2 kontoj\n")
    assert failed(ask("list", "--vocabulary", "klingon"), 4).startswith("Ne ekzistas tia vortaro.")
    assert done(ask("policy", "check")).endswith(" avertoj\n")
    assert ask("list", "--language", "en").stderr.startswith("2 of 2 accounts\n")
    assert failed(ask("list", "--language", "en", "--vocabulary", "klingon"), 4).startswith("There is no such voc")
    assert done(ask("policy", "check", "--language", "en")).endswith(" flags\n")
    assert ask("list", "--demo").stderr.startswith("13 of 13 accounts\n")


@pytest.mark.usefixtures("esperanto")
def test_a_named_policy_is_checked_in_the_configuration_s_language_even_if_that_is_broken(
    ask: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text('extends = "default"\nname = "own"\n', "utf-8")
    configured(tmp_path, 'language = "eo"\n[sources.demo]\nconnector = "demo"')
    assert done(ask("policy", "check", "own.toml")).endswith(" avertoj\n")
    configured(tmp_path, 'language = "eo"\ncolour = 1')
    assert done(ask("policy", "check", "own.toml")).endswith(" flags\n")


@pytest.mark.usefixtures("esperanto")
def test_a_faulty_configuration_is_named_in_the_asked_language(ask: Callable[..., Result]) -> None:
    text = failed(ask("list", "--config", "nowhere.toml", "--language", "eo"), 3)
    assert text.startswith("La agordo nowhere.toml ne legeblas: ")


@pytest.mark.usefixtures("esperanto")
@pytest.mark.parametrize(
    "arguments",
    [("demo",), ("list", "--demo"), ("list", "--config", "nowhere.toml"), ("policy", "check"), ("init", "new")],
)
def test_a_language_that_is_not_there_leaves_with_4_before_anything_is_done(
    ask: Callable[..., Result], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert failed(ask(*arguments, "--language", "tlh"), 4) == "There is no such language. Languages: en, eo.\n"
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("esperanto")
def test_a_status_is_set_in_the_words_of_a_language_and_kept_in_those_of_the_policy(ask: Callable[..., Result]) -> None:
    def set_to(word: str) -> Any:
        return parsed(ask("status", "set", "northwind", word, "--demo", "--language", "eo", "--format", "json"))

    for word in ("meza", "Fair"):
        said = set_to(word)
        assert said["manual_status"]["status"] == "Fair"
        assert said["sentence"].startswith("Northwind Traders: Meza (")
    assert "manual_status" not in set_to("nenio")
    assert "Statuses: Good, Fair, Poor; None withdraws one." in failed(
        ask("status", "set", "northwind", "meza", "--demo"), 4
    )
