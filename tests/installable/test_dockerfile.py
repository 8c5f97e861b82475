"""The Dockerfile: linted, copies only what there is, and keeps the rest out. It is not built here."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from installable.judges import BESIDE_PYTHON, ROOT, judged

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (ROOT / "Dockerfile").read_text("utf-8")
STEPS = re.findall(r"^([A-Z]+) (.+)$", TEXT.replace("\\\n", ""), re.MULTILINE)
COPIED = [
    source
    for verb, words in STEPS
    if verb == "COPY" and not words.startswith("--from")
    for source in shlex.split(words)[:-1]
]


def test_hadolint_finds_no_fault_in_it(tmp_path: Path) -> None:
    assert judged(BESIDE_PYTHON / "hadolint", "--failure-threshold=style", ROOT / "Dockerfile", home=tmp_path) == ""


def test_hadolint_would_find_one(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(re.sub(r"^FROM python:\S+", "FROM python", TEXT, flags=re.MULTILINE), "utf-8")
    with pytest.raises(AssertionError, match="DL3006"):
        judged(BESIDE_PYTHON / "hadolint", tmp_path / "Dockerfile", home=tmp_path)


def test_what_is_copied_is_there_and_nothing_else_gets_near_the_image() -> None:
    assert [source for source in COPIED if not (ROOT / source).exists()] == []
    lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert sorted(line.removeprefix("!") for line in lines if line.startswith("!")) == sorted(COPIED)


def test_the_server_runs_as_nobody_in_particular_and_is_what_the_image_does() -> None:
    last = STEPS[max(at for at, (verb, _) in enumerate(STEPS) if verb == "FROM") :]
    assert dict(last)["USER"] == "10001"
    assert (dict(last)["ENTRYPOINT"], dict(last)["CMD"]) == ('["account-health"]', '["serve"]')
    assert "pip" not in " ".join(words for verb, words in last if verb == "RUN")
