"""Commands in other tongues: a catalogue is all a language takes, and then every word of every command is in it.

The language is Japanese in name, because Japanese dates hold no Latin letter, and wide letters in fact: what is still
in plain letters has not been said.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from doors import DAY, configured, environment
from other_tongues import unsaid, wide_catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
CODE = "ja"
ASKED = """
import json, sys
from typer.testing import CliRunner
from account_health import cli
answers = [CliRunner().invoke(cli.app, command) for command in json.loads(sys.argv[1])]
print(json.dumps([[answer.exit_code, answer.output] for answer in answers]))
"""
POLICY = """
extends = "default"
version = 2
colour = "blue"
[bands]
green = 3
yellow = 90
[metrics.nps_latest]
weight = "x"
[metrics.csat_90d.sentences]
other = "CSAT {bad}"
"""
WRONG = f"""
colour = "blue"
policy = ""
as_of = 7
writes = "maybe"
shared_domains = "x"
language = "{CODE}"
[gather]
deadline_seconds = -1
[history]
keep_days = 1.5
url = "postgres://"
[sources]
"""
TABLES = {
    "account": "account_id,name,domains,owner,lifecycle,arr,currency,renewal_date,licensed_seats\n"
    "a1,Acme,acme.example,Zoe,customer,1000,EUR,2026-12-24,10\n"
    "a2,Acme,b.example,Zoe,customer,1000,EUR,2026-12-24,10\n"
    "a3,Cobalt,c.example,Zoe,prospect,1000,EUR,2026-12-24,10\n"
    "a4,Delta,c.example,Zoe,customer,1000,EUR,2026-12-24,10\n"
    "a5,Echo,e.example,Zoe,customer,1000,EUR,2026-12-24,10\n"
    "a6,Fox,f.example,Zoe,customer,much,EUR,2026-12-24,10\n",
    "ticket": "ticket_id,account_id,opened_at,solved_at,priority,escalated_at\n"
    + "".join(f"t{n},a1,2026-11-{n},,normal,\n" for n in range(10, 20))
    + "t1,a1,2026-11-10,2026-11-05,urgent,2026-11-12\nt2,a1,yesterday,,urgent,\nt3,zz,2026-11-10,,low,\nt4,a1\n",
    "invoice": "invoice_id,account_id,amount,currency,issued_at,due_at,status\n"
    "i1,a1,10,EUR,2026-11-01,2026-11-02,open\n",
    "survey_response": "account_id,respondent,kind,score,scale_low,scale_high,responded_at\n"
    "a1,r1,nps,3,0,10,2026-11-10\n",
    "notes": "",
}
OF_OURS = """
UTC EUR json md id ids crm support analytics billing surveys all files table account ticket invoice survey response
usage drop spike nps detractor payment issue renewal soon no executive touch escalation 90d high critical medium watch
none green yellow red not scored colours uman pipeline intacct band flag status published opened at priority arr account
as of csv toml sqlite default customer onboarding evangelist
"""
"""Ids, keys and names of files, which are the same in every language."""
OUTSIDE = "Acme Cobalt Delta Echo Fox Zoe somebody Anne"
"""Names from outside."""
ABOUT_OK = [
    ["list"],
    ["list", "--vocabulary", "intacct", "--limit", "2"],
    ["list", "nothing at all"],
    ["report", "a1"],
    ["report", "a1", "--vocabulary", "uman"],
    ["report", "a3"],
    ["inputs", "a1", "--format", "md", "--limit", "1", "--source", "crm"],
    ["at-risk"],
    ["portfolio", "--vocabulary", "pipeline"],
    ["sources", "check"],
    ["assess", "a1"],
    ["assess", "--all"],
    ["assess", "--all"],
    ["status", "set", "a1", "Good", "--author", "Anne"],
    ["status", "set", "a1", "Fair", "--author", "Anne", "--expires", "2026-12-24"],
    ["status", "set", "a1", "none", "--author", "Anne"],
    ["flag", "acknowledge", "a1", "renewal_soon", "--author", "Anne"],
    ["flag", "snooze", "a1", "renewal_soon", "--until", "2026-12-24", "--author", "Anne"],
    ["flag", "reset", "a1", "renewal_soon", "--author", "Anne"],
    ["changes"],
    ["report", "a1"],
]
REFUSED = [
    ["report", "zz"],
    ["report", "Acm"],
    ["report", "Acme"],
    ["report", "a1", "--as-of", "soon"],
    ["report", "a1", "--as-of", "0001-01-01"],
    ["report", "a1", "--vocabulary", "blue"],
    ["inputs", "a1", "--source", "blue"],
    *([command, "--cursor", "x"] for command in ("list", "at-risk", "changes")),
    *(["list", f"--{what}", "blue"] for what in ("band", "tier", "flag")),
    ["at-risk", "--tier", "blue"],
    ["at-risk", "--renewing", "blue"],
    ["changes", "--kind", "blue"],
    ["changes", "--since", "blue"],
    ["explain", "a1"],
    ["explain", "a1", "--since", "2030-01-01"],
    ["assess"],
    ["export", "--since", "2026-11-01"],
    ["export", "--to", "intacct-csv", "--since", "2020-01-01"],
    ["export", "--to", "intacct-csv", "--diff", "/nowhere.csv"],
    ["export", "--output", "/nowhere/accounts.csv"],
    ["sources", "match", "--output", "/nowhere/crosswalk.csv"],
    ["publish", "--all"],
    ["publish"],
    ["status", "set", "a3", "Good"],
    ["status", "set", "a1", "blue"],
    ["status", "set", "a1", "Good", "--vocabulary", "blue"],
    ["status", "set", "a1", "Good", "--description", "see https://x.example"],
    ["status", "set", "a1", "Good", "--description", "x" * 3000],
    ["status", "set", "a1", "Good", "--expires", "2020-01-01"],
    ["status", "set", "a1", "Good", "--expires", "tomorrow"],
    ["flag", "acknowledge", "a1", "blue"],
    ["flag", "acknowledge", "a1", "usage_drop"],
    ["flag", "snooze", "a1", "renewal_soon", "--until", "2020-01-01"],
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as somebody has it who has added a catalogue and nothing else."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "src" / "account_health", folder / "src" / "account_health")
    shutil.copytree(ROOT / "templates", folder / "templates")
    languages = folder / "src" / "account_health" / "languages"
    (languages / f"{CODE}.po").write_bytes(wide_catalogue((languages / "fr.po").read_bytes(), CODE))
    return folder


def asked(house: Path, here: Path, commands: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
    """The exit code and the output of each command, asked in one process."""
    home = environment(here, PYTHONPATH=str(house / "src"), XDG_DATA_HOME=str(here / "history"))
    found = subprocess.run(
        [sys.executable, "-c", ASKED, json.dumps(commands)], cwd=here, env=home, capture_output=True, check=False
    )
    assert found.returncode == 0, found.stderr.decode()
    return [(code, said) for code, said in json.loads(found.stdout)]


def plain(said: str, *more: str) -> list[str]:
    """What of an answer was not said, besides paths and the hash of the policy."""
    return unsaid(re.sub(r"/\S+|\([0-9a-f]{7}\)", "", said), OF_OURS, OUTSIDE, *more)


def left_plain(
    commands: Sequence[Sequence[str]], answers: Sequence[tuple[int, str]], *more: str
) -> dict[str, list[str]]:
    """What of the answers was not said, by command."""
    found = {" ".join(command): plain(said, *more) for command, (_, said) in zip(commands, answers, strict=True)}
    return {command: words for command, words in found.items() if words}


def test_every_word_of_every_command_is_said(house: Path, tmp_path: Path) -> None:
    configured(tmp_path, f'as_of = "{DAY}"\nlanguage = "{CODE}"\n', **TABLES)

    answers = asked(house, tmp_path, ABOUT_OK)

    assert {code for code, _ in answers} <= {0, 5}, answers
    assert left_plain(ABOUT_OK, answers, TABLES["account"]) == {}


def test_every_word_of_every_refusal_is_said(house: Path, tmp_path: Path) -> None:
    configured(tmp_path, f'as_of = "{DAY}"\nlanguage = "{CODE}"\n', **TABLES)

    answers = asked(house, tmp_path, REFUSED)

    assert not {code for code, _ in answers} & {0, 1, 2}, answers
    assert left_plain(REFUSED, answers) == {}


def test_every_word_about_a_wrong_configuration_is_said(house: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(WRONG, "utf-8")
    (tmp_path / "no.toml").write_text("a = ", "utf-8")
    (tmp_path / "policy.toml").write_text(POLICY, "utf-8")
    spoken = ["--language", CODE]
    commands = [
        ["list", "--config", "wrong.toml", *spoken],
        ["list", "--config", "no.toml", *spoken],
        ["list", "--config", "nowhere.toml", *spoken],
        ["list", *spoken],
        ["policy", "check", "policy.toml", *spoken],
        ["policy", "check", "nowhere.toml", *spoken],
        ["policy", "check", "no.toml", *spoken],
    ]
    keys = f"{WRONG} {POLICY} key file env NAME PATH REFERENCE off confirm allow assess wrong nowhere"

    answers = asked(house, tmp_path, commands)

    assert {code for code, _ in answers} == {3}, answers
    assert left_plain(commands, answers, keys) == {}


def test_a_configuration_is_begun_in_words_of_the_language(house: Path, tmp_path: Path) -> None:
    for code, said in asked(house, tmp_path, [["init", "new", "--language", CODE]] * 2):
        assert plain(said, "new") == [], code
