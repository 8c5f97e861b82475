"""The log of a server: plain lines on stderr, few of a kind, and nothing in them that steers a terminal."""

from __future__ import annotations

import logging
import re
import sys
from asyncio import CancelledError
from contextlib import contextmanager
from typing import TYPE_CHECKING

from account_health.cli.log import log_plainly

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

log = logging.getLogger("somewhere")


@contextmanager
def plain() -> Iterator[None]:
    """The log of a process that serves, within this block."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    log_plainly()
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)


def test_a_line_cannot_steer_a_terminal_nor_pass_for_another(capsys: pytest.CaptureFixture[str]) -> None:
    with plain():
        log.warning("said: %s", "\x1b[2J\x1b]0;own\x07\u202e hidden\u200b")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("WARNING somewhere: said:")
    assert not re.search(r"[\x00-\x1f\x7f\u200b\u202e]", line)


def test_a_line_of_any_length_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    with plain():
        log.warning("said: %s", "x" * 1_000_000)
    assert len(capsys.readouterr().err) < 1000


def test_the_place_of_an_unexpected_error_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with plain():
        try:
            _ = 1 // 0
        except ZeroDivisionError:
            log.exception("went wrong")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "ERROR somewhere: went wrong"
    assert any(line.startswith('  File "') for line in lines)
    assert lines[-1].startswith("ZeroDivisionError")


def test_who_floods_a_server_does_not_flood_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    with plain():
        for number in range(1000):
            log.warning("flooded %s", number)
        log.warning("something else")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [*(f"WARNING somewhere: flooded {n}" for n in range(5)), "WARNING somewhere: something else"]


def test_work_that_was_given_up_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with plain():
        log.error("Exception in ASGI application", exc_info=CancelledError())
    assert capsys.readouterr().err == ""


def test_a_log_that_is_configured_already_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [logging.StreamHandler(sys.stderr)]
    monkeypatch.setattr(logging.getLogger(), "handlers", own)
    log_plainly()
    assert logging.getLogger().handlers == own
