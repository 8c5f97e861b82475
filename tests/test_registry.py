"""Connectors as plug-ins: only what the configuration names is imported, and a broken one is a state that is seen."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

import pytest
from mcp import Client
from typer.testing import CliRunner

from account_health import cli
from account_health.connectors.registry import available, load
from account_health.errors import ConfigurationError
from account_health.fetched import fetch_inputs
from account_health.model import Source, State
from account_health.render import render_summary
from account_health.source_check import check_sources
from beacon import CANARY, FILES, Beacon, configured, installed, opened, report
from doors import server_over

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

BROKEN = {
    "unloadable": f'raise RuntimeError("{CANARY}")\n',
    "leaving": "raise SystemExit(3)\n",
    "unwritten": "",
    "no_connector": "class Plug:\n    pass\n",
    "number": "Plug = 5\n",
    "other_settings": "class Plug:\n    settings_model = dict\n",
    "unmakeable": f"""
from account_health.connectors.base import Settings

class Plug:
    settings_model = Settings

    def __init__(self, *_):
        raise RuntimeError("{CANARY}")
""",
}
"""Modules of other packages, by what is wrong with them."""

PLAIN = """
from pathlib import Path
from account_health.connectors.base import Settings

class PlainSettings(Settings):
    folder: Path = Path("here")
    words: frozenset[str] = frozenset("cab")

class Plug:
    '''What it is about.'''

    settings_model = PlainSettings
"""
"""A module of a package whose connector is not a live one."""

TOML = FILES + '[sources.plug]\nconnector = "broken"\n'
SENTENCE = "The source plug cannot be asked: The connector 'broken' cannot be loaded ("


@pytest.fixture
def plugged(tmp_path: Path, beacon_installed: Path, request: pytest.FixtureRequest) -> Path:
    """The path of a configuration with a source whose connector is broken in the asked way."""
    module = f"plug_{request.param}"
    (beacon_installed / f"{module}.py").write_text(BROKEN[request.param], "utf-8")
    installed(beacon_installed, "broken-plug", {"broken": f"{module}:Plug"})
    return configured(tmp_path, TOML)


every_kind = pytest.mark.parametrize("plugged", BROKEN, indirect=True)


@every_kind
async def test_a_broken_connector_is_said_in_every_answer_and_the_others_answer(
    plugged: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    workspace = opened(plugged.parent, Beacon(), TOML)
    found = await workspace.assess("A-1")

    assert report(found, Source.CRM).state is State.OBSERVED
    assert report(found, Source.SUPPORT).state is State.NOT_CONNECTED
    (notice,) = found.notices
    assert notice.startswith(SENTENCE)
    assert notice.endswith("Update or reinstall broken-plug, which supplies it.")
    assert (await fetch_inputs(workspace, "A-1", "all", 5)).notices == (notice,)
    assert "The connector 'broken' cannot be loaded" in render_summary(found, workspace.policy)
    assert CANARY not in caplog.text + found.model_dump_json()
    assert "the connector broken cannot be " in caplog.text


@every_kind
async def test_the_check_names_a_broken_connector_and_is_not_healthy(plugged: Path) -> None:
    checked = await check_sources(opened(plugged.parent, Beacon(), TOML))

    assert not checked.is_healthy
    assert [notice.startswith(SENTENCE) for notice in checked.notices] == [True]
    assert [(source.connector, source.tables[0].rows) for source in checked.sources] == [("CSV files", 2)]


@pytest.mark.parametrize("plugged", ["unloadable"], indirect=True)
def test_the_command_line_answers_beside_a_broken_connector(plugged: Path) -> None:
    def ask(*arguments: str) -> str:
        done = CliRunner().invoke(cli.app, [*arguments, "--config", str(plugged)])
        assert done.exit_code == (5 if "check" in arguments else 0), done.output
        assert CANARY not in done.output
        return done.stdout

    assert json.loads(ask("report", "A-1", "--format", "json"))["notices"][0].startswith(SENTENCE)
    assert json.loads(ask("sources", "check", "--format", "json"))["notices"][0].startswith(SENTENCE)


@pytest.mark.parametrize("plugged", ["unloadable", "no_connector", "number", "other_settings"], indirect=True)
def test_init_says_that_a_connector_is_broken_and_writes_nothing(plugged: Path, tmp_path: Path) -> None:
    assert plugged.is_file()
    done = CliRunner().invoke(cli.app, ["init", str(tmp_path / "new"), "--source", "broken"])

    said = " ".join(done.stderr.split())
    assert done.exit_code == 3
    assert said.startswith("The connector 'broken' cannot be loaded (")
    assert said.endswith("Update or reinstall broken-plug, which supplies it.")
    assert isinstance(done.exception, SystemExit)
    assert not (tmp_path / "new").exists()


def test_init_describes_a_connector_that_names_no_system(tmp_path: Path, beacon_installed: Path) -> None:
    (beacon_installed / "plug_plain.py").write_text(PLAIN, "utf-8")
    installed(beacon_installed, "plain-plug", {"plain": "plug_plain:Plug"})
    done = CliRunner().invoke(cli.app, ["init", str(tmp_path / "new"), "--source", "plain"])

    assert done.exit_code == 0, done.output
    text = (tmp_path / "new" / "account-health.toml").read_text("utf-8")
    assert "# plain: What it is about." in text
    assert '# folder = "here"' in text
    assert '# words = ["a", "b", "c"]' in text


def test_a_kind_that_two_packages_supply_is_refused_with_both_and_neither_is_loaded(
    tmp_path: Path, beacon_installed: Path
) -> None:
    for name in ("second", "first"):
        (beacon_installed / f"plug_{name}.py").write_text("class Plug:\n    pass\n", "utf-8")
        installed(beacon_installed, f"{name}-plug", {"twice": f"plug_{name}:Plug"})

    said = r"several connectors 'twice', supplied by first-plug and second-plug\. Uninstall all but one"
    with pytest.raises(ConfigurationError, match=said):
        load("twice")
    with pytest.raises(ConfigurationError, match=said):
        opened(tmp_path, Beacon(), FILES + '[sources.plug]\nconnector = "twice"\n')
    assert not {"plug_first", "plug_second"} & set(sys.modules)


@pytest.mark.parametrize("plugged", ["unloadable"], indirect=True)
async def test_the_server_answers_beside_a_broken_connector(plugged: Path) -> None:
    async with Client(server_over(plugged)) as client:
        answer = await client.call_tool("score_account", {"account": "A-1"})

    assert answer.structured_content
    assert answer.structured_content["notices"][0].startswith(SENTENCE)


@pytest.mark.usefixtures("beacon_installed")
def test_a_kind_that_nobody_supplies_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no connector 'beacon'. Installed: .*beacon-crm, beacon-d"):
        opened(tmp_path, Beacon(), '[sources.crm]\nconnector = "beacon"\n')


@pytest.mark.usefixtures("beacon_installed")
def test_every_faulty_setting_is_named_by_its_place_and_not_repeated(tmp_path: Path) -> None:
    toml = f'[sources.desk]\nconnector = "beacon-desk"\nhistory_days = "{CANARY}"\nhistry = "{CANARY}"\n'
    with pytest.raises(ConfigurationError) as caught:
        opened(tmp_path, Beacon(), toml)

    said = str(caught.value)
    assert "The source 'desk' is not configured correctly" in said
    assert "- sources.desk.token: missing" in said
    assert "- sources.desk.history_days: Input should be a valid integer" in said
    assert "- sources.desk.histry: unknown key" in said
    assert CANARY not in said


def test_what_is_installed_is_known_without_being_imported(tmp_path: Path, beacon_installed: Path) -> None:
    (beacon_installed / "plug_untouched.py").write_text("raise RuntimeError\n", "utf-8")
    installed(beacon_installed, "untouched-plug", {"untouched": "plug_untouched:Plug"})

    assert available()["untouched"] == "untouched-plug"
    assert available()["files"] == "account-health"
    opened(tmp_path, Beacon(), FILES)
    assert "plug_untouched" not in sys.modules
