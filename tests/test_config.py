"""The configuration: found in four places, checked at once, and never repeated in an error."""

from __future__ import annotations

import os
import shlex
import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from account_health.config import (
    DEMO,
    FILE_NAME,
    VARIABLE,
    Config,
    GatherSettings,
    HistorySettings,
    SourceConfig,
    find_config,
    load_config,
)
from account_health.errors import ConfigurationError, SourceError
from account_health.language import read, retold, speaking
from account_health.model import Source, State
from beacon import CRM, DESK, FILES, TOKEN, Beacon, opened, two_customers

CANARY = "s3cr3t-canary"
ESPERANTO = read(
    "eo",
    b"""msgid "unknown key"
msgstr "nekonata"

msgid "The environment variable {variable} is not set."
msgstr "La variablo {variable} ne estas."
""",
)


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
        history=config.history,
    )


def test_each_configuration_has_a_history_of_its_own_unless_it_names_one(tmp_path: Path) -> None:
    source = '[sources.crm]\nconnector = "demo"\n'
    one, other = (_loaded(tmp_path / name, source) for name in ("one", "other"))
    named = _loaded(tmp_path / "named", f'[history]\npath = "kept.sqlite"\nkeep_days = 30\n{source}')

    assert one.history.path
    assert other.history.path
    assert DEMO.history.path
    assert one.history.path != other.history.path
    assert {one.history.path.parent, other.history.path.parent} == {DEMO.history.path.parent}
    assert named.history == HistorySettings(path=(tmp_path / "named" / "kept.sqlite").resolve(), keep_days=30)


def test_the_address_of_a_database_is_a_secret_and_never_shown(tmp_path: Path) -> None:
    source = '[sources.crm]\nconnector = "demo"\n'
    address = "postgresql://health:hunter2@127.0.0.1/history"
    config = load_config(
        _written(tmp_path / FILE_NAME, f'[history]\nurl = {{ env = "STORE" }}\n{source}'), {"STORE": address}
    )

    assert config.history.url is not None
    assert config.history.url.get_secret_value() == address
    assert "hunter2" not in repr(config)
    with pytest.raises(ConfigurationError, match=r"history\.url") as refused:
        _loaded(tmp_path, f'[history]\nurl = "{address}"\n{source}')
    assert "hunter2" not in str(refused.value)


def test_a_missing_address_of_the_database_is_the_history_s_problem_alone(tmp_path: Path) -> None:
    path = _written(tmp_path / FILE_NAME, '[history]\nurl = { env = "STORE" }\n[sources.crm]\nconnector = "demo"\n')

    assert load_config(path, {}).history.problem == "The environment variable STORE is not set."


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


# --- Secrets, and how questions are asked -------------------------------------------------------------------------


def _desk(tmp_path: Path, token: str, environment: dict[str, str] | None = None) -> SourceConfig:
    """The only source of a configuration whose token is written like this."""
    path = _written(tmp_path / FILE_NAME, f'[sources.desk]\nconnector = "beacon-desk"\ntoken = {token}\n')
    (source,) = load_config(path, environment or {}).sources
    return source


def _token(source: SourceConfig) -> str:
    secret = source.settings["token"]
    assert isinstance(secret, SecretStr)
    return secret.get_secret_value()


def _secret_file(tmp_path: Path, content: bytes = CANARY.encode(), mode: int = 0o600) -> Path:
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_secret_comes_from_the_environment(tmp_path: Path) -> None:
    source = _desk(tmp_path, '{ env = "DESK_TOKEN" }', {"DESK_TOKEN": f" {CANARY}\n"})

    assert _token(source) == CANARY
    assert source.missing == ()
    assert CANARY not in repr(source)


@pytest.mark.parametrize("content", [CANARY.encode(), f"\ufeff{CANARY}\r\n".encode()])
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_comes_from_a_file_beside_the_configuration_that_nobody_else_can_read(
    tmp_path: Path, content: bytes, mode: int
) -> None:
    _secret_file(tmp_path, content, mode)
    source = _desk(tmp_path, '{ file = "token" }')

    assert _token(source) == CANARY
    assert source.missing == ()


@pytest.mark.skipif(os.name != "posix", reason="elsewhere permissions are no bits")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o666])
def test_a_secret_file_that_others_can_reach_is_not_read(tmp_path: Path, mode: int) -> None:
    path = _secret_file(tmp_path, mode=mode)
    source = _desk(tmp_path, '{ file = "token" }')

    assert source.missing == (f"token: Others can read the secret file; run `chmod 600 {path}`.",)
    assert _token(source) != CANARY


@pytest.mark.skipif(os.name != "posix", reason="elsewhere permissions are no bits")
def test_the_advice_for_a_secret_file_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    path = _secret_file(tmp_path, mode=0o644).rename(tmp_path / "my token; it's")
    (problem,) = _desk(tmp_path, f'{{ file = "{path.name}" }}').missing
    advice = problem.partition("`")[2].partition("`")[0]

    assert shlex.split(advice) == ["chmod", "600", str(path)]
    assert problem.endswith("`.")


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ('{ env = "DESK_TOKEN" }', "token: The environment variable DESK_TOKEN is not set."),
        ('{ env = "BLANK" }', "token: The environment variable BLANK is empty."),
        ('{ env = "blank" }', "token: The environment variable blank is empty."),
        ("{ env = 5 }", "token: `env` must be the NAME of a variable."),
        ("{ env = [] }", "token: `env` must be the NAME of a variable."),
        ('{ env = "" }', "token: `env` must be the NAME of a variable."),
        ('{ file = "empty" }', "token: The secret file {folder}/empty is empty."),
        ('{ file = "absent" }', "token: The secret file {folder}/absent cannot be read."),
        ('{ file = "binary" }', "token: The secret file {folder}/binary cannot be read."),
        ('{ file = "." }', "token: The secret file {folder} is no regular file."),
        ('{ file = "a\\u0000b" }', "token: The secret file {folder}/a\x00b cannot be read."),
    ],
)
def test_a_secret_that_is_missing_is_named_by_its_place(tmp_path: Path, token: str, problem: str) -> None:
    for name, content in {"empty": b" \n", "binary": b"\xff\xfe\x00"}.items():
        _secret_file(tmp_path, content).rename(tmp_path / name)

    (missing,) = _desk(tmp_path, token, {"BLANK": "  ", "blank": ""}).missing
    assert missing.startswith(problem.format(folder=tmp_path))


def test_a_secret_written_in_place_of_a_variables_name_is_not_repeated(tmp_path: Path) -> None:
    source = _desk(tmp_path, f'{{ env = "{CANARY}" }}')

    assert source.missing == ("token: `env` must be the NAME of a variable.",)


@pytest.mark.usefixtures("beacon_installed")
@pytest.mark.parametrize(
    "token", [f'"{CANARY}"', f'["{CANARY}"]', f'{{ env = "A", file = "{CANARY}" }}', f'{{ value = "{CANARY}" }}']
)
def test_a_secret_in_the_configuration_itself_is_refused_and_not_repeated(tmp_path: Path, token: str) -> None:
    toml = f'[sources.desk]\nconnector = "beacon-desk"\ntoken = {token}\n'
    with pytest.raises(ConfigurationError) as caught:
        opened(tmp_path, Beacon(), toml)

    assert "- sources.desk.token: a secret never stands in this file; write { env = " in str(caught.value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.anyio
@pytest.mark.usefixtures("beacon_installed")
async def test_a_source_without_its_secret_fails_with_the_variable_named_and_the_others_answer(tmp_path: Path) -> None:
    beacon = two_customers()
    other = DESK.replace("sources.desk", "sources.other").replace("BEACON_TOKEN", "OTHER_TOKEN") + 'label = "Other"\n'
    found = await opened(tmp_path, beacon, FILES + DESK + other).assess("A-1")

    support = {r.connector: r for r in found.inputs if r.source == Source.SUPPORT}
    assert support["Beacon Desk"].state is State.OBSERVED
    assert support["Other"].state is State.FAILED
    assert "Token: The environment variable OTHER_TOKEN is not set. Mend that" in support["Other"].sentence
    assert {request.headers["authorization"] for request in beacon.asked} == {f"Bearer {TOKEN}"}


@pytest.mark.anyio
@pytest.mark.usefixtures("beacon_installed")
@pytest.mark.parametrize("secret", [f"{CANARY[:4]}\n{CANARY}", f"{CANARY}\xe9", f"{CANARY}\u200bx"])
async def test_a_secret_that_cannot_be_sent_fails_only_its_source_and_is_not_shown(tmp_path: Path, secret: str) -> None:
    _secret_file(tmp_path, secret.encode())
    desk = DESK.replace('{ env = "BEACON_TOKEN" }', '{ file = "token" }')
    found = await opened(tmp_path, Beacon(), FILES + desk).assess("A-1")

    reports = {report.source: report for report in found.inputs}
    assert reports[Source.CRM].state is State.OBSERVED
    assert reports[Source.SUPPORT].state is State.FAILED
    assert "The secret sources.desk.token holds characters that cannot be sent" in reports[
        Source.SUPPORT
    ].sentence.replace("`", "").replace("\\", "")
    assert CANARY not in found.model_dump_json()


@pytest.mark.usefixtures("beacon_installed")
def test_a_secret_that_cannot_be_sent_hides_no_other_fault_of_the_configuration(tmp_path: Path) -> None:
    _secret_file(tmp_path, b"a\nb")
    desk = DESK.replace('{ env = "BEACON_TOKEN" }', '{ file = "token" }') + 'base_url = "http://a.example"\n'
    with pytest.raises(ConfigurationError, match="must start with https"):
        opened(tmp_path, Beacon(), FILES + desk)


@pytest.mark.anyio
@pytest.mark.usefixtures("beacon_installed")
async def test_without_the_secret_of_the_only_list_of_accounts_the_answer_stops_with_its_cause(tmp_path: Path) -> None:
    workspace = opened(tmp_path, Beacon(), CRM.replace("BEACON_TOKEN", "OTHER_TOKEN"))
    with pytest.raises(SourceError, match="OTHER_TOKEN is not set"):
        await workspace.assess("A-1")


def test_deadlines_and_how_long_answers_are_kept_are_settings(tmp_path: Path) -> None:
    sources = '[sources.crm]\nconnector = "demo"\n'
    assert _loaded(tmp_path, sources).gather == GatherSettings(
        deadline_seconds=10, all_accounts_seconds=900, keep_seconds=300
    )
    text = "[gather]\ndeadline_seconds = 2.5\nall_accounts_seconds = 60\nkeep_seconds = 0\n"
    assert _loaded(tmp_path, text + sources).gather == GatherSettings(
        deadline_seconds=2.5, all_accounts_seconds=60, keep_seconds=0
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("deadline_seconds = 0", "gather.deadline_seconds: "),
        ("all_accounts_seconds = -1", "gather.all_accounts_seconds: "),
        ("keep_seconds = -1", "gather.keep_seconds: "),
        ("deadline_seconds = nan", "gather.deadline_seconds: "),
        ("deadline_seconds = inf", "gather.deadline_seconds: "),
        ("keep_seconds = inf", "gather.keep_seconds: "),
        ("dead_line = 3", "gather.dead_line: unknown key"),
    ],
)
def test_times_that_mean_nothing_are_refused(tmp_path: Path, line: str, problem: str) -> None:
    assert f"- {problem}" in _fault(tmp_path, f'[gather]\n{line}\n[sources.crm]\nconnector = "demo"\n')


def test_a_crosswalk_and_domains_that_accounts_share_are_settings(tmp_path: Path) -> None:
    text = 'crosswalk = "x/y.csv"\nshared_domains = ["agency.example"]\n[sources.crm]\nconnector = "demo"\n'
    config = _loaded(tmp_path, text)

    assert config.crosswalk == tmp_path.resolve() / "x" / "y.csv"
    assert config.shared_domains == ("agency.example",)


@pytest.mark.parametrize("text", ["gmail.com", "no domain", ""])
def test_a_shared_domain_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"shared_domains: .* is no domain of a company"):
        opened(tmp_path, Beacon(), f'shared_domains = ["{text}"]\n{FILES}')


# --- Language ---------------------------------------------------------------------------------------------------------


def test_english_is_spoken_unless_the_configuration_says_otherwise(tmp_path: Path) -> None:
    assert _loaded(tmp_path, FILES).language == DEMO.language == "en"
    assert _loaded(tmp_path, f'language = "en-GB"\n{FILES}').language == "en-GB"
    assert opened(tmp_path, Beacon(), f'language = "en-GB"\n{FILES}').language == "en-GB"


@pytest.mark.parametrize("code", ["tlh", "", "e", "../en", CANARY])
def test_a_language_that_is_not_there_is_refused_with_those_there_are(tmp_path: Path, code: str) -> None:
    fault = _fault(tmp_path, f'language = "{code}"\n{FILES}')

    assert "\n- language: there is no such language; there is en" in fault
    assert CANARY not in fault


def test_a_language_is_written_as_text(tmp_path: Path) -> None:
    assert "- language: Input should be a valid string" in _fault(tmp_path, f"language = 1\n{FILES}")


def test_a_fault_is_named_in_the_language_that_is_spoken(tmp_path: Path) -> None:
    with speaking(ESPERANTO):
        fault = _fault(tmp_path, f"polcy = 1\n{FILES}")

    assert "\n- polcy: nekonata\n" in fault


def test_a_missing_secret_is_told_in_the_language_of_whoever_asks_later(tmp_path: Path) -> None:
    (problem,) = _desk(tmp_path, '{ env = "DESK_TOKEN" }').missing
    with speaking(ESPERANTO):
        assert retold(problem) == "token: La variablo DESK_TOKEN ne estas."
    assert retold(problem) == "token: The environment variable DESK_TOKEN is not set."
