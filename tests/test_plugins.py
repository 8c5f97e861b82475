"""Connectors of other packages: found without being imported, loaded only if configured, broken ones never a crash."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "acme-desk-connector"
RECORDING = EXAMPLE / "tests" / "acme_desk.json"
AS_OF = "2026-11-21T09:00:00Z"

ACCOUNTS = "account_id,name,domains,customer_since\nA-1,Acme Ltd,acme.example,2024-01-01\n"

HEAD = """
import sys
from datetime import UTC, datetime
from pathlib import Path

import anyio

from account_health.config import load_config
from account_health.connectors.registry import available
from account_health.testing import Recorded, Recording
from account_health.workspace import Workspace

recorded = Recorded(Recording.load(Path(sys.argv[1])))
clock = lambda: datetime(2026, 11, 21, 9, tzinfo=UTC)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages that holds the example; what pip would make of it, without pip."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
    folder = tmp_path / "site"
    folder.mkdir()
    shutil.copy(EXAMPLE / "src" / "acme_desk.py", folder)
    _register(folder, project["name"], project["entry-points"]["account_health.connectors"])
    return folder


def _register(site: Path, distribution: str, points: dict[str, str]) -> None:
    metadata = site / f"{distribution.replace('-', '_')}-1.0.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0.0\n", "utf-8")
    lines = "".join(f"{name} = {target}\n" for name, target in points.items())
    (metadata / "entry_points.txt").write_text(f"[account_health.connectors]\n{lines}", "utf-8")


def _python(site: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "ACME_DESK_TOKEN": "t0ken"}
    return subprocess.run(
        [sys.executable, *args], env=environment, cwd=site.parent, capture_output=True, text=True, check=False
    )


def _told(site: Path, program: str) -> Any:
    """What a program prints as JSON, in a process of its own."""
    done = _python(site, "-c", f"import json\n{HEAD}\nprint(json.dumps({program}))", str(RECORDING))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _configured(site: Path, *sources: str) -> None:
    (site.parent / "account.csv").write_text(ACCOUNTS, "utf-8")
    files = '[sources.crm]\nconnector = "files"\nfolder = "."\n'
    (site.parent / "account-health.toml").write_text("\n".join([files, *sources]), "utf-8")


def _assessed(site: Path, also: str = "None") -> Any:
    """The assessment of the one account, and what else the program says."""
    opened = 'Workspace.open(load_config(Path("account-health.toml")), clock, recorded)'
    return _told(site, f'[anyio.run({opened}.assess, "A-1").model_dump(mode="json"), {also}]')


DESK = '[sources.desk]\nconnector = "acme-desk"\ntoken = { env = "ACME_DESK_TOKEN" }\n'
LOADED = '"acme_desk" in sys.modules'


def test_a_connector_of_another_package_is_found_without_being_imported(site: Path) -> None:
    suppliers, is_loaded = _told(site, f"[available(), {LOADED}]")
    assert suppliers["acme-desk"] == "acme-desk-connector"
    assert suppliers["files"] == "account-health"
    assert not is_loaded


def test_a_connector_that_no_source_names_is_never_imported(site: Path) -> None:
    _configured(site)
    loaded = "[name for name in sys.modules if name.startswith('account_health.connectors.') and name.count('.') == 2]"
    _, (is_loaded, modules) = _assessed(site, f"[{LOADED}, {loaded}]")
    assert not is_loaded
    assert {name.rpartition(".")[2] for name in modules} & {"demo", "hubspot", "stripe", "zendesk"} == set()


def test_a_configured_connector_of_another_package_answers_like_any_other(site: Path) -> None:
    _configured(site, DESK)
    assessment, is_loaded = _assessed(site, LOADED)
    support, billing = (_input(assessment, source) for source in ("support", "billing"))
    assert is_loaded
    assert (support["connector"], support["state"], support["rows"]) == ("Acme Desk", "observed", 2)
    assert (billing["connector"], billing["state"], billing["rows"]) == ("Acme Desk", "observed", 1)


BROKEN = '[sources.broken]\nconnector = "broken-desk"\n'


@pytest.fixture
def site_with_broken(site: Path) -> Path:
    """The folder with one more package, whose connector cannot be imported."""
    (site / "broken_desk.py").write_text('raise RuntimeError("words of the plugin")\n', "utf-8")
    _register(site, "broken-desk-connector", {"broken-desk": "broken_desk:Desk"})
    return site


def test_beside_a_connector_that_cannot_be_imported_the_others_still_answer(site_with_broken: Path) -> None:
    _configured(site_with_broken, DESK, BROKEN)
    assert _input(_assessed(site_with_broken)[0], "support")["state"] == "observed"


def test_a_connector_that_cannot_be_imported_is_a_finding_that_says_what_to_do(site_with_broken: Path) -> None:
    _configured(site_with_broken, BROKEN)
    done = _python(site_with_broken, "-m", "account_health", "sources", "check")
    said = " ".join((done.stdout + done.stderr).split())
    assert "The connector 'broken-desk' cannot be loaded (RuntimeError)." in said
    assert "Update or reinstall broken-desk-connector, which supplies it." in said
    assert "words of the plugin" not in said
    assert "Traceback" not in said


def test_the_kit_proves_the_example_in_the_examples_own_test(site: Path) -> None:
    rules = "reads_every_page or shows_no_secret or names_refused_credentials"
    done = _python(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", rules, str(EXAMPLE))
    assert "3 passed" in done.stdout, done.stdout


def _input(assessment: Any, source: str) -> Any:
    return next(found for found in assessment["inputs"] if found["source"] == source)
