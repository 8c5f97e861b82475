"""Shell completion: scripts that shells can read, values that exist, and nothing else, whatever goes wrong."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from account_health.cli import app
from account_health.cli.completing import OFFERED
from account_health.language import languages
from account_health.policy import load_policy
from doors import PATIENCE, configured, environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = Path(sys.executable).with_name("account-health")
VARIABLE = "_ACCOUNT_HEALTH_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
ACCOUNTS = "account_id,name,domains,segment,owner\n"


def asked(here: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What the command itself says when a shell asks it."""
    return subprocess.run(
        [COMMAND],
        env=environment(here, **variables),
        cwd=here,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
    )


def offered(here: Path, line: str) -> list[str]:
    """The values for the last word of a line, as bash asks for them; nothing else may be said."""
    found = asked(
        here,
        **{VARIABLE: "complete_bash", "COMP_WORDS": f"account-health {line}", "COMP_CWORD": str(line.count(" ") + 1)},
    )
    assert (found.returncode, found.stderr) == (0, "")
    return found.stdout.split()


def script(shell: str, here: Path) -> Path:
    """The completion script for a shell, in a file."""
    path = here / f"completion.{shell}"
    path.write_text(asked(here, **{VARIABLE: f"source_{shell}"}).stdout, "utf-8")
    return path


def installed(shell: str) -> str:
    """The path of a shell; without it the test is skipped."""
    return shutil.which(shell) or pytest.skip(f"{shell} is not installed here")


def in_shell(shell: str, code: str, here: Path) -> str:
    """What a shell prints that finds our command first."""
    path = f"{COMMAND.parent}:{environment(here)['PATH']}"
    done = subprocess.run(
        [installed(shell), "-c", code],
        env=environment(here, PATH=path),
        cwd=here,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port of this machine that notices whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_can_read_its_script(shell: str, tmp_path: Path) -> None:
    checked = subprocess.run(
        [installed(shell), "-n", script(shell, tmp_path)], capture_output=True, encoding="utf-8", check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_completes_a_verb_and_an_account_with_the_script_it_is_shown(tmp_path: Path) -> None:
    asks = """
    source <(account-health --show-completion)
    ask() {
      COMP_WORDS=(account-health "$@"); COMP_CWORD=$#
      _account_health_completion account-health
      echo "${COMPREPLY[@]}"
    }
    complete -p account-health
    ask expl
    ask report --demo nor
    """
    registered, *answers = in_shell("bash", asks, tmp_path).splitlines()
    assert registered.startswith("complete ")
    assert registered.endswith(" account-health")
    assert answers == ["explain", "northwind"]


def test_fish_completes_an_account_and_shows_its_name(tmp_path: Path) -> None:
    asks = f"source {script('fish', tmp_path)}; complete --do-complete 'account-health report --demo nor'"
    assert in_shell("fish", asks, tmp_path) == "northwind\tNorthwind Traders\n"


def test_verbs_of_verbs_are_offered(tmp_path: Path) -> None:
    assert offered(tmp_path, "flag ") == ["acknowledge", "snooze", "reset"]
    assert offered(tmp_path, "sources ch") == ["check"]


@pytest.mark.parametrize(
    "line",
    ["report --demo ", "inputs --demo ", "explain --demo ", "changes --demo ", "publish --demo --account ",
     "status set --demo ", "flag snooze --demo "],
)  # fmt: skip
def test_every_place_for_an_account_offers_the_ids(line: str, tmp_path: Path) -> None:
    found = offered(tmp_path, line)
    assert len(found) > 10
    assert {"northwind", "brightloom"} <= set(found)


def test_the_configuration_on_the_line_is_the_one_that_is_asked(tmp_path: Path) -> None:
    rows = "A-1,Northpole Toys,toys.example,smb,Ana\nA-2,Polaris,polaris.example,mid market,Bo Li\n"
    config = configured(tmp_path / "own", account=ACCOUNTS + rows)
    assert offered(tmp_path, f"report --config {config} ") == ["A-1", "A-2"]
    assert offered(tmp_path / "own", "report ") == ["A-1", "A-2"]
    assert offered(tmp_path, "report ") == []


def test_a_name_or_a_domain_is_offered_where_no_id_begins_so(tmp_path: Path) -> None:
    configured(tmp_path, account=ACCOUNTS + "A-1,Northpole Toys,toys.example,smb,Ana\nA-2,Polaris,ice.example,,\n")
    assert offered(tmp_path, "report Pol") == ["Polaris"]
    assert offered(tmp_path, "report toy") == ["toys.example"]


def test_a_name_or_a_domain_that_several_accounts_have_gives_way_to_their_ids(tmp_path: Path) -> None:
    shared = "".join(f"C-{number},Acme,both.example,,\n" for number in (1, 2, 3))
    configured(tmp_path, account=f"{ACCOUNTS}{shared}C-4,Acmena,own.example,,\nC-5,C-4,,,\n")
    assert offered(tmp_path, "report Acm") == ["C-1", "C-2", "C-3", "Acmena"]
    assert offered(tmp_path, "report both") == ["C-1", "C-2", "C-3"]
    line = {"_TYPER_COMPLETE_ARGS": "account-health report Acm", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    told = asked(tmp_path, **{VARIABLE: "complete_fish"}, **line).stdout
    assert told.splitlines() == ["C-1\tAcme", "C-2\tAcme", "C-3\tAcme", "Acmena\tC-4"]


def test_every_offered_word_is_one_that_the_command_finds(tmp_path: Path) -> None:
    rows = "C-1,Acme,acme.example,,\nC-2,ACME,other.example,,\nC-3,Borea,borea.example,,\nC-4,Borea2,borea.example,,\n"
    configured(tmp_path, account=ACCOUNTS + rows)
    words = {word for typed in ("", "A", "Bo", "ac", "bo") for word in offered(tmp_path, f"report {typed}")}
    assert words == {"C-1", "C-2", "C-3", "C-4", "Borea", "Borea2", "acme.example"}
    assert [word for word in sorted(words) if run("report", word, here=tmp_path).returncode != 0] == []


def test_a_name_of_several_words_is_not_offered_for_the_shell_to_tear_apart(tmp_path: Path) -> None:
    rows = "A-1,Northpole Toys,,mid market,Ana\nA-2,Polaris,,smb,Bo Li\n"
    configured(tmp_path, account=ACCOUNTS + rows)
    assert offered(tmp_path, "report North") == []
    assert offered(tmp_path, "at-risk --owner ") == ["Ana"]
    assert offered(tmp_path, "portfolio --segment ") == ["smb"]


def test_words_of_the_policy_are_those_of_the_policy(tmp_path: Path) -> None:
    policy = load_policy()
    assert offered(tmp_path, "report --vocabulary ") == list(policy.vocabularies)
    assert offered(tmp_path, "list --flag ") == list(policy.flags)
    assert offered(tmp_path, "flag reset northwind ") == list(policy.flags)
    assert offered(tmp_path, "report --language ") == list(languages())
    assert offered(tmp_path, "list --band gr") == ["green"]
    assert offered(tmp_path, "at-risk --tier ") == ["critical", "high", "medium", "watch", "none"]
    assert offered(tmp_path, "changes --kind ") == ["band", "flag", "status", "published"]


def test_statuses_are_the_words_of_the_named_vocabulary(tmp_path: Path) -> None:
    found = offered(tmp_path, "status set --vocabulary uman northwind ")
    words = [entry.word for entry in load_policy().vocabularies["uman"].words]
    assert found == [word for word in words if " " not in word] + ["none"]


def test_a_policy_of_ones_own_is_heeded(tmp_path: Path) -> None:
    flag = (
        '[flags.quiet]\nname = "Quiet"\nraise_when = [["tickets_30d < 1"]]\nseverity = [{ is = "watch" }]\n'
        'action = "Call."\nreason = "Silence is a sign."\n'
    )
    (tmp_path / "policy.toml").write_text(f'extends = "default"\nname = "own"\nversion = "1"\n{flag}', "utf-8")
    configured(tmp_path, 'policy = "policy.toml"\n', account=ACCOUNTS)
    checked = run("policy", "check", here=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert offered(tmp_path, "list --flag qui") == ["quiet"]


def test_a_source_is_a_live_connector_for_init_and_a_kind_of_input_elsewhere(tmp_path: Path) -> None:
    assert {"hubspot", "stripe", "zendesk"} <= set(offered(tmp_path, "init --source "))
    assert offered(tmp_path, "init --source fil") == []
    assert offered(tmp_path, "inputs northwind --source ") == [
        "all", "crm", "support", "analytics", "billing", "surveys",
    ]  # fmt: skip


def test_what_a_shell_could_take_for_more_than_letters_is_never_said(tmp_path: Path) -> None:
    hostile = [
        "$(touch taken)",
        "`touch taken`",
        "a;touch taken",
        "-rf",
        "it's",
        'b"c',
        "d\\$(x)",
        "~/e",
        "f|g",
        "h\ti",
    ]
    cells = ['"' + text.replace('"', '""') + '"' for text in hostile]
    rows = [f"{cell},Plain,,,\nA-{at},{cell},,{cell},{cell}\n" for at, cell in enumerate(cells)]
    configured(tmp_path, account=ACCOUNTS + "".join(rows))
    assert sorted(offered(tmp_path, "report ")) == [f"A-{at}" for at in range(len(hostile))]
    assert offered(tmp_path, "list --owner ") == []
    for shell in ("zsh", "fish"):
        line = {"_TYPER_COMPLETE_ARGS": "account-health report ", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        told = asked(tmp_path, **{VARIABLE: f"complete_{shell}"}, **line).stdout
        assert "A-1" in told
        assert [text for text in hostile if text in told] == []


@pytest.mark.parametrize("toml", ["[sources]\n", "not toml", '[sources.x]\nconnector = "nobody"\n'])
def test_a_configuration_that_cannot_be_used_offers_nothing_and_says_nothing(toml: str, tmp_path: Path) -> None:
    (tmp_path / "account-health.toml").write_text(toml, "utf-8")
    assert offered(tmp_path, "report ") == []
    assert offered(tmp_path, "report --config nowhere.toml ") == []
    assert offered(tmp_path, "report --language ") == list(languages())


def test_a_live_source_is_not_asked_and_its_accounts_are_those_last_recorded(
    tmp_path: Path, listener: socket.socket
) -> None:
    history = '[history]\npath = "history.sqlite"\n'
    config = configured(tmp_path, history, account=ACCOUNTS + "A-1,Northpole Toys,,,\nA-2,Polaris,,,\n")
    recorded = run("assess", "--all", here=tmp_path)
    assert recorded.returncode == 0, recorded.stderr
    port = listener.getsockname()[1]
    live = (
        f'[sources.crm]\nconnector = "bottlecrm"\nbase_url = "http://127.0.0.1:{port}"\ntoken = {{ env = "TOKEN" }}\n'
    )
    config.write_text(history + live, "utf-8")
    assert offered(tmp_path, "report ") == ["A-1", "A-2"]
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_values_are_offered_only_for_parameters_that_exist() -> None:
    def names(command: Any) -> set[str]:
        inner = (names(sub) for sub in getattr(command, "commands", {}).values())
        return {parameter.name for parameter in command.params}.union(*inner)

    assert set(OFFERED) - names(typer.main.get_command(app)) == set()


def test_completing_a_verb_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['account-health']\nfrom account_health.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'duckdb', 'jinja2', 'mcp', 'numpy', 'sqlalchemy', 'tldextract'} & set(sys.modules)))"
    )
    asks = {VARIABLE: "complete_bash", "COMP_WORDS": "account-health rep", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path, **asks),
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout.splitlines() == ["report", "[]"]
