"""Config: account-health.toml and the environment, read once; nobody else looks at either.

It is looked for in this order: `--config`, then the file that `ACCOUNT_HEALTH_CONFIG` names, then
./account-health.toml, then the user's configuration folder. Paths inside are relative to the file.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from account_health.borrowed import borrowed, why
from account_health.errors import ConfigurationError, NotConfigured, faults
from account_health.language import ENGLISH, UnknownLanguage, language, say
from account_health.secret_places import secret_at

FILE_NAME = "account-health.toml"
VARIABLE = "ACCOUNT_HEALTH_CONFIG"
Writes = Literal["off", "confirm", "allow"]
"""What the tools that write may do."""
_DAY = 24 * 60 * 60
_ABSENT = "not there"
"""Stands for a missing secret, because a connector refuses an empty one; nobody is ever asked with it."""


@dataclass(frozen=True)
class SourceConfig:
    """One `[sources.NAME]` table: which connector, and that connector's settings, not yet checked."""

    name: str
    connector: str
    settings: Mapping[str, Any]
    missing: tuple[str, ...] = ()
    """Secrets that are not where the file says, one sentence each; the settings hold others in their place."""

    def lacking(self, problems: Mapping[str, str]) -> SourceConfig:
        """The same source without these secrets, each with the sentence that says why it cannot be used."""
        stand_ins = dict.fromkeys(problems, SecretStr(_ABSENT))
        return replace(self, settings={**self.settings, **stand_ins}, missing=(*self.missing, *problems.values()))


class GatherSettings(BaseModel):
    """How long a question may take and how long an answer of a live source is good for."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    deadline_seconds: Annotated[float, Field(gt=0, le=_DAY)] = Field(
        default=10, description="How long a question about one account waits for its sources, in seconds"
    )
    all_accounts_seconds: Annotated[float, Field(gt=0, le=_DAY)] = Field(
        default=900, description="How long a question about all accounts waits, in seconds"
    )
    keep_seconds: Annotated[float, Field(ge=0, le=_DAY)] = Field(
        default=300,
        description="How long the answer of a live source is used again, in seconds; when it was read is shown",
    )


def _no_text(value: Any) -> Any:
    if isinstance(value, str):
        # A ValueError echoes nothing: a password may stand in the value.
        raise ValueError(say('write { env = "NAME" } or { file = "PATH" }, never the address itself'))  # noqa: TRY004 - pydantic
    return value


def _spoken(code: str) -> str:
    try:
        language(code)
    except UnknownLanguage as err:
        known = ", ".join(err.known)
        raise ValueError(say("there is no such language; there is {languages}", languages=known)) from err
    return code


class HistoryTable(BaseModel):
    """Where assessments are kept, how long, and who adds to them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="SQLite file; default: one for this configuration in the user's data folder"
    )
    url: Annotated[SecretStr, BeforeValidator(_no_text)] | None = Field(
        default=None,
        description="PostgreSQL instead, e.g. `postgresql://user:password@host/database` (needs the extra `postgres`)",
    )
    record: Literal["assess", "answers"] = Field(
        default="assess",
        description="Who adds to it: only the command `assess`, or every answer about one account as of now too",
    )
    keep_days: Annotated[int, Field(ge=1, le=36600)] = Field(
        default=1100,
        description="How long assessments are kept, in days; an account's last one and what people wrote stay",
    )
    fresh_hours: Annotated[float, Field(ge=0, le=8784)] = Field(
        default=26,
        description="How long `at-risk` and `portfolio` answer from the last `assess --all` before they compute anew; "
        "0: never from it",
    )


@dataclass(frozen=True)
class HistorySettings:
    """Where the history is and how it is kept; `problem` says why it cannot be used."""

    path: Path | None = None
    url: SecretStr | None = None
    record: Literal["assess", "answers"] = "assess"
    keep_days: int = 1100
    fresh_hours: float = 26
    problem: str = ""


@dataclass(frozen=True)
class Config:
    """What the operator decided: sources, policy file, and for a frozen export the day every question is asked at."""

    folder: Path
    sources: tuple[SourceConfig, ...]
    policy: Path | None = None
    as_of: str | None = None
    gather: GatherSettings = field(default_factory=GatherSettings)
    crosswalk: Path | None = None
    shared_domains: tuple[str, ...] = ()
    history: HistorySettings = field(default_factory=HistorySettings)
    language: str = ENGLISH
    writes: Writes = "off"
    publish: tuple[SourceConfig, ...] = ()
    """Every `[publish.NAME]` table, as a source whose connector has that name too."""
    is_demo: bool = False
    path: Path | None = field(default=None, compare=False)


class SourceTable(BaseModel):
    """One `[sources.NAME]` table as written; besides `connector` it holds that connector's settings."""

    model_config = ConfigDict(extra="allow")
    connector: Annotated[str, Field(min_length=1)] = Field(description="Kind of the connector, e.g. `files`")


class ConfigFile(BaseModel):
    """The configuration file as written."""

    model_config = ConfigDict(extra="forbid")
    policy: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Scoring policy to use; default: the built-in one"
    )
    as_of: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="For a frozen export: the day every question is asked at, e.g. `2026-11-21`; default: now",
    )
    crosswalk: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="CSV file that says which record of which source belongs to which account, and then all that the "
        "account has there; `account-health sources match` writes one",
    )
    shared_domains: tuple[str, ...] = Field(
        default=(), description="Domains that several accounts use, e.g. an agency's; nothing is matched by them"
    )
    gather: GatherSettings = Field(default=GatherSettings(), description="Deadlines, and how long answers are kept")
    history: HistoryTable = Field(default=HistoryTable(), description="Where assessments are kept, and how long")
    language: Annotated[str, AfterValidator(_spoken)] = Field(
        default=ENGLISH,
        description="What people read is said in this language, e.g. `fr`, unless a question asks for another",
    )
    writes: Writes = Field(
        default="off",
        description="Tools that write: `off` there are none, `confirm` a person confirms each write, `allow` the "
        "client's own approval is trusted",
    )
    publish: dict[Literal["intacct", "intacct_csv"], dict[str, Any]] = Field(
        default={},
        description="Where scores are written to: `[publish.intacct]` Sage Intacct itself, `[publish.intacct_csv]` the "
        "file of `export --to intacct-csv`",
    )
    sources: Annotated[dict[str, SourceTable], Field(min_length=1)] = Field(
        description="The sources, each under a name of your choice"
    )


DEMO = Config(
    folder=Path(),
    sources=(SourceConfig("demo", "demo", {}),),
    history=HistorySettings(path=platformdirs.user_data_path("account-health") / "demo.sqlite"),
    is_demo=True,
)
"""The configuration of `--demo`: the embedded accounts, a history of their own, and nothing else."""


def find_config(
    explicit: Path | None = None, environment: Mapping[str, str] = os.environ, here: Path | None = None
) -> Path:
    """The configuration file to use; raises NotConfigured naming `init` when there is none."""
    if explicit is not None:
        return explicit
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    for folder in (here or Path.cwd(), platformdirs.user_config_path("account-health")):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise NotConfigured(
        say("There is no configuration, so no source is connected."),
        say("Run `account-health init` to write account-health.toml, or add --demo to try the demo accounts."),
    )


def load_config(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration in `path`; raises ConfigurationError listing every fault by its place in the file.

    A secret that is missing is the fault of one source and not of the configuration: the others still answer.
    """
    document, folder = _document(path), path.resolve().parent
    kept, problem = _looked_up(document.get("history"), folder, environment)
    try:
        file = ConfigFile.model_validate(document | ({"history": kept} if "history" in document else {}))
    except ValidationError as err:
        lines = "\n".join(f"- {line}" for line in faults(err))
        raise ConfigurationError(
            say("The configuration {path} cannot be used:\n{faults}\n", path=path, faults=lines),
            say("See REFERENCE.md for every setting."),
        ) from err
    return Config(
        folder=folder,
        sources=tuple(_source(name, table, folder, environment) for name, table in file.sources.items()),
        policy=folder / file.policy if file.policy else None,
        as_of=file.as_of,
        gather=file.gather,
        crosswalk=folder / file.crosswalk if file.crosswalk else None,
        shared_domains=file.shared_domains,
        history=_history(file.history, path.resolve(), problem),
        language=file.language,
        writes=file.writes,
        publish=tuple(
            _source(name, SourceTable.model_validate({**table, "connector": name}), folder, environment)
            for name, table in file.publish.items()
        ),
        path=path,
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as err:
        raise ConfigurationError(
            say("The configuration {path} cannot be read: {problem}.", path=path, problem=why(err)),
            say("Check the path, or run `account-health init`."),
        ) from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigurationError(
            say("The configuration {path} is not valid TOML: {problem}.", path=path, problem=borrowed(str(err))),
            say("Correct the line named above."),
        ) from err


def current_user() -> str:
    """Who runs this process, as the operating system calls them; `somebody` where it does not say."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return "somebody"


def _history(table: HistoryTable, path: Path, problem: str) -> HistorySettings:
    """The settings with the file a configuration has for itself, so that two of them never mix their accounts."""
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    own = platformdirs.user_data_path("account-health") / f"history-{digest}.sqlite"
    file = path.parent / table.path if table.path else own
    return HistorySettings(file, table.url, table.record, table.keep_days, table.fresh_hours, problem)


def _looked_up(table: Any, folder: Path, environment: Mapping[str, str]) -> tuple[Any, str]:
    """The table with `url` looked up, since a password may stand in it, and why that could not be done."""
    if not isinstance(table, dict) or not isinstance(table.get("url"), dict):
        return table, ""
    place = table["url"]
    if len(place) != 1 or next(iter(place)) not in ("env", "file"):
        return table, ""
    secret, problem = secret_at(place, folder, environment)
    return {**table, "url": SecretStr(secret or _ABSENT)}, problem


def _source(name: str, table: SourceTable, folder: Path, environment: Mapping[str, str]) -> SourceConfig:
    """The source with `{ env = "NAME" }` and `{ file = "PATH" }` looked up, each as a secret that shows only stars."""
    settings: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for key, value in (table.model_extra or {}).items():
        settings[key] = value
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("env", "file"):
            secret, problem = secret_at(value, folder, environment)
            settings[key] = SecretStr(secret)
            problems |= {key: say("{name}: {note}", name=key, note=problem)} if problem else {}
    return SourceConfig(name, table.connector, settings).lacking(problems)
