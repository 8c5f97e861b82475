"""The command line: data on stdout, words on stderr, and an exit code that says whose turn it is."""

from __future__ import annotations

import json
import os
import re
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from account_health import cli
from account_health.policy import load_policy
from doors import CANARY, DAY, configured, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

ACCOUNTS = "account_id,name,domains,renewal_date\nA-1,Acme,acme.example,2026-12-01\nB-1,Beta,,\n"
FRESH = "account_id,name,updated_at\nA-1,Acme,2026-11-20\n"
HOSTILE = "\x1b]0;owned\x07\x1b[31mRed\x9b2J\u202e\x08\x00"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command inside this process, standing in an empty folder, with nobody's configuration."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("ACCOUNT_HEALTH_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return lambda *arguments: CliRunner().invoke(cli.app, [str(part) for part in arguments])


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
    for verb in ("demo", "report", "list", "inputs", "sources", "policy", "init", "serve"):
        assert re.search(rf"\b{verb}\b", text)


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
    ],
)
def test_wrong_usage_leaves_with_2(ask: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    assert "Usage:" in failed(ask(*arguments), 2)


@pytest.mark.parametrize("verb", [("report", "Acme"), ("list",), ("inputs", "Acme"), ("sources", "check")])
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
    for verb in (("report", "Acme"), ("list",)):
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
