"""The example of tests in CI holds as a stranger would have it: copied elsewhere, by the workflow's own command."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from doors import configured, environment

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "ci"
WORKFLOW = (EXAMPLE / "account-health.yml").read_text("utf-8")
PINNED = "northwind.md"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A stranger's repository with the example in its tests."""
    shutil.copytree(EXAMPLE, tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def _commands() -> list[list[str]]:
    return [shlex.split(line) for line in re.findall(r"^ +- run: (.+)$", WORKFLOW, re.MULTILINE)]


def _run(repository: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The workflow's last command, by this Python, without a warning."""
    python, *arguments = _commands()[-1]
    assert python == "python"
    command = [sys.executable, *arguments, "-W", "error", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        command, cwd=repository, env=environment(repository), capture_output=True, text=True, check=False
    )


def test_a_copy_of_the_example_passes_by_the_command_of_its_workflow(repository: Path) -> None:
    done = _run(repository)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\n=+ \d+ passed in ", done.stdout), done.stdout


def test_a_report_that_changed_is_noticed(repository: Path) -> None:
    pinned = repository / "tests" / PINNED
    pinned.write_text(pinned.read_text("utf-8").replace("62 (Yellow)", "63 (Yellow)"), "utf-8")
    done = _run(repository, "-k", "agreed_on")
    assert done.returncode == 1
    assert "63 (Yellow)" in done.stdout


def test_a_report_that_is_accepted_anew_fails_once_and_is_the_same_again(repository: Path) -> None:
    pinned = repository / "tests" / PINNED
    agreed = pinned.read_bytes()
    pinned.unlink()
    done = _run(repository, "-k", "agreed_on")
    assert done.returncode == 1
    assert "read it before you commit it" in done.stdout
    assert pinned.read_bytes() == agreed


def test_the_workflow_installs_what_the_readme_installs_and_runs_the_same_tests() -> None:
    readme = (EXAMPLE / "README.md").read_text("utf-8")
    told = [shlex.split(line) for line in re.findall(r"^\$ (.+)$", readme, re.MULTILINE)]
    assert told == _commands()
    assert told[0] == ["pip", "install", "account-health[testing]"]


@pytest.mark.parametrize("page", [EXAMPLE / "README.md", EXAMPLE / "account-health.yml", ROOT / "REFERENCE.md"])
def test_every_page_says_how_to_install_it_before_and_after_it_is_published(page: Path) -> None:
    text = page.read_text("utf-8")
    assert set(re.findall(r'pip install "(.+?)"', text)) == {
        "account-health[testing]",
        "/path/to/account-health[testing]",
    }
    assert "once the package is published" in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (project["name"], "testing" in project["optional-dependencies"]) == ("account-health", True)


def test_the_snippet_for_accounts_of_your_own_can_be_pasted_as_it_stands(repository: Path) -> None:
    readme = (EXAMPLE / "README.md").read_text("utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    tests = repository / "tests"
    configured(tests, account="account_id,name\nA-1,Acme\n")
    (tests / "conftest.py").write_text(snippet, "utf-8")
    (tests / "test_account_health.py").write_text(
        'pytest_plugins = ["account_health.testing.fixtures"]\n\n\n'
        "def test_it(account_health):\n"
        '    assert account_health.call("find_accounts").data["accounts"][0]["name"] == "Acme"\n',
        "utf-8",
    )
    done = _run(repository)
    assert done.returncode == 0, done.stdout
