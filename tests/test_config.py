"""The configuration: found in four places, checked at once, and never repeated in an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from account_health.config import FILE_NAME, VARIABLE, Config, SourceConfig, find_config, load_config
from account_health.errors import ConfigurationError

CANARY = "s3cr3t-canary"


@pytest.fixture
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration folder, empty, wherever the platform has it."""
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    folder = find_user_folder()
    folder.mkdir(parents=True)
    return folder


def find_user_folder() -> Path:
    """Where the configuration says it would be looked for last."""
    import platformdirs  # noqa: PLC0415 - reads the environment that the fixture has just set

    return platformdirs.user_config_path("account-health")


def _written(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def _loaded(tmp_path: Path, text: str) -> Config:
    return load_config(_written(tmp_path / FILE_NAME, text))


def _fault(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        _loaded(tmp_path, text)
    return str(caught.value)


def test_the_nearest_of_four_places_wins(tmp_path: Path, user_folder: Path) -> None:
    explicit, named = tmp_path / "mine.toml", tmp_path / "named.toml"
    here = tmp_path / "here"
    environment = {VARIABLE: str(named)}

    at_home = _written(user_folder / FILE_NAME)
    assert find_config(None, {}, here) == at_home
    in_place = _written(here / FILE_NAME)
    assert find_config(None, {}, here) == in_place
    assert find_config(None, environment, here) == named
    assert find_config(explicit, environment, here) == explicit


def test_an_empty_variable_names_nothing(tmp_path: Path) -> None:
    in_place = _written(tmp_path / FILE_NAME)

    assert find_config(None, {VARIABLE: ""}, tmp_path) == in_place


@pytest.mark.usefixtures("user_folder")
def test_without_a_configuration_the_error_names_init_and_the_demo(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"account-health init.*--demo"):
        find_config(None, {}, tmp_path)


def test_a_configuration_says_sources_policy_and_day(tmp_path: Path) -> None:
    config = _loaded(
        tmp_path,
        'policy = "strict.toml"\nas_of = "2024-12-31"\n[sources.crm]\nconnector = "files"\nfolder = "exports"\n',
    )

    assert config == Config(
        folder=tmp_path.resolve(),
        sources=(SourceConfig("crm", "files", {"folder": "exports"}),),
        policy=tmp_path.resolve() / "strict.toml",
        as_of="2024-12-31",
    )


def test_paths_are_relative_to_the_file_and_not_to_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _written(tmp_path / "etc" / FILE_NAME, 'policy = "p.toml"\n[sources.crm]\nconnector = "demo"\n')
    monkeypatch.chdir(tmp_path)

    assert load_config(path.relative_to(tmp_path)).policy == (tmp_path / "etc" / "p.toml").resolve()


def test_every_fault_is_named_at_once_by_its_place(tmp_path: Path) -> None:
    fault = _fault(tmp_path, 'polcy = "x"\nas_of = 3\n[sources.crm]\nfolder = "x"\n[sources.desk]\nconnector = ""\n')

    assert "\n- polcy: unknown key\n" in fault
    assert "\n- as_of: Input should be a valid string\n" in fault
    assert "\n- sources.crm.connector: missing\n" in fault
    assert "\n- sources.desk.connector: String should have at least 1 character\n" in fault
    assert "REFERENCE.md" in fault


@pytest.mark.parametrize("text", ["", "[sources]\n"])
def test_a_configuration_without_sources_is_refused(tmp_path: Path, text: str) -> None:
    assert "- sources: " in _fault(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "line"), [("policy = \n", 1), ("[sources\n", 1), ('a = "x"\na = "y"\n', 2), ("\n=\n", 2)]
)
def test_broken_toml_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    fault = _fault(tmp_path, text)

    assert "is not valid TOML" in fault
    assert f"line {line}" in fault


def test_a_missing_file_a_folder_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")

    for path, problem in [
        (tmp_path / "absent.toml", "cannot be read"),
        (tmp_path, "cannot be read"),
        (binary, "not valid TOML"),
    ]:
        with pytest.raises(ConfigurationError, match=problem):
            load_config(path)


@pytest.mark.parametrize(
    "text",
    [
        f'token = "{CANARY}"\n',
        f'policy = ["{CANARY}"]\n',
        f'[sources]\ncrm = "{CANARY}"\n',
        f'[sources.crm]\nconnector = ["{CANARY}"]\n',
        f'[sources.crm]\nconnector = "files"\ntoken = "{CANARY}\n',
        f"[sources.crm]\ntoken = {CANARY}\n",
        f'[sources.crm]\ntoken = "{CANARY}"\ntoken = "{CANARY}"\n',
    ],
)
def test_no_error_repeats_a_value(tmp_path: Path, text: str) -> None:
    assert CANARY not in _fault(tmp_path, text)
