"""Config: account-health.toml and the environment, read once; nobody else looks at either.

It is looked for in this order: `--config`, then the file that `ACCOUNT_HEALTH_CONFIG` names, then
./account-health.toml, then the user's configuration folder. Paths inside are relative to the file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from account_health.errors import ConfigurationError, NotConfigured, faults

FILE_NAME = "account-health.toml"
VARIABLE = "ACCOUNT_HEALTH_CONFIG"


@dataclass(frozen=True)
class SourceConfig:
    """One `[sources.NAME]` table: which connector, and that connector's settings, not yet checked."""

    name: str
    connector: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Config:
    """What the operator decided: sources, policy file, and for a frozen export the day every question is asked at."""

    folder: Path
    sources: tuple[SourceConfig, ...]
    policy: Path | None = None
    as_of: str | None = None
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
    sources: Annotated[dict[str, SourceTable], Field(min_length=1)] = Field(
        description="The sources, each under a name of your choice"
    )


DEMO = Config(folder=Path(), sources=(SourceConfig("demo", "demo", {}),), is_demo=True)
"""The configuration of `--demo`: the embedded accounts and nothing else."""


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
        "There is no configuration, so no source is connected.",
        "Run `account-health init` to write account-health.toml, or add --demo to try the demo accounts.",
    )


def load_config(path: Path) -> Config:
    """The configuration in `path`; raises ConfigurationError listing every fault by its place in the file."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as err:
        raise ConfigurationError(
            f"The configuration {path} cannot be read: {err.strerror}.", "Check the path, or run `account-health init`."
        ) from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigurationError(
            f"The configuration {path} is not valid TOML: {err}.", "Correct the line named above."
        ) from err
    try:
        file = ConfigFile.model_validate(document)
    except ValidationError as err:
        lines = "\n".join(f"- {line}" for line in faults(err))
        raise ConfigurationError(
            f"The configuration {path} cannot be used:\n{lines}\n", "See REFERENCE.md for every setting."
        ) from err
    folder = path.resolve().parent
    sources = tuple(SourceConfig(name, s.connector, dict(s.model_extra or {})) for name, s in file.sources.items())
    return Config(folder, sources, folder / file.policy if file.policy else None, file.as_of, path=path)
