"""Secret places: where a secret is looked up, and what to do when it is not there. It never stands in a message."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_READABLE_BY_OTHERS = 0o077
_VARIABLE = re.compile("[A-Z][A-Z0-9_]*")


def secret_at(place: Mapping[str, Any], folder: Path, environment: Mapping[str, str]) -> tuple[str, str]:
    """The secret at that place and "", or "" and why it is not there."""
    return _of_variable(place["env"], environment) if "env" in place else _of_file(folder / str(place["file"]))


def _of_variable(name: Any, environment: Mapping[str, str]) -> tuple[str, str]:
    if isinstance(name, str) and name in environment:
        secret = environment[name].strip()
        return secret, "" if secret else f"The environment variable {name} is empty."
    if isinstance(name, str) and _VARIABLE.fullmatch(name):
        return "", f"The environment variable {name} is not set."
    # Whoever writes the secret itself there must not find it in a message.
    return "", "`env` must be the NAME of a variable."


def _of_file(path: Path) -> tuple[str, str]:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return "", f"The secret file {path} is no regular file."
        if os.name == "posix" and mode & _READABLE_BY_OTHERS:
            return "", f"Others can read the secret file; run `chmod 600 {shlex.quote(str(path))}`."
        secret = path.read_text("utf-8-sig").strip()
    except (OSError, ValueError):
        return "", f"The secret file {path} cannot be read."
    return secret, "" if secret else f"The secret file {path} is empty."
