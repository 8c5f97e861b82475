"""Secret places: where a secret is looked up, and what to do when it is not there. It never stands in a message."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from account_health.language import say

_READABLE_BY_OTHERS = 0o077
_VARIABLE = re.compile("[A-Z][A-Z0-9_]*")


def secret_at(place: Mapping[str, Any], folder: Path, environment: Mapping[str, str]) -> tuple[str, str]:
    """The secret at that place and "", or "" and why it is not there."""
    return _of_variable(place["env"], environment) if "env" in place else _of_file(folder / str(place["file"]))


def _of_variable(name: Any, environment: Mapping[str, str]) -> tuple[str, str]:
    if isinstance(name, str) and name in environment:
        secret = environment[name].strip()
        return secret, "" if secret else say("The environment variable {variable} is empty.", variable=name)
    if isinstance(name, str) and _VARIABLE.fullmatch(name):
        return "", say("The environment variable {variable} is not set.", variable=name)
    # Whoever writes the secret itself there must not find it in a message.
    return "", say("`env` must be the NAME of a variable.")


def _of_file(path: Path) -> tuple[str, str]:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return "", say("The secret file {path} is no regular file.", path=path)
        if os.name == "posix" and mode & _READABLE_BY_OTHERS:
            return "", say("Others can read the secret file; run `chmod 600 {path}`.", path=shlex.quote(str(path)))
        secret = path.read_text("utf-8-sig").strip()
    except (OSError, ValueError):
        return "", say("The secret file {path} cannot be read.", path=path)
    return secret, "" if secret else say("The secret file {path} is empty.", path=path)
