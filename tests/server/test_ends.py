"""How a server ends: at the end of its input, when nobody reads it any more, and when somebody stops it by hand."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from doors import COMMAND, PATIENCE, environment, request

if TYPE_CHECKING:
    from pathlib import Path

needs_posix = pytest.mark.skipif(os.name != "posix", reason="This system has neither such terminals nor such pipes.")


@needs_posix
def test_started_by_hand_it_ends_with_ctrl_c(tmp_path: Path) -> None:
    terminal, own = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, "serve", "--demo"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdin=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(own)
    with process:
        os.write(terminal, request("first", "tools/list") + b"\n")
        assert process.stdout
        assert b'"tools"' in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    os.close(terminal)


@needs_posix
def test_started_by_a_client_it_leaves_ctrl_c_to_the_client(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(request("first", "tools/list") + b"\n")
        process.stdin.flush()
        assert b'"first"' in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdin.write(request("second", "tools/list") + b"\n")
        process.stdin.flush()
        assert b'"second"' in process.stdout.readline()
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


@needs_posix
def test_when_nobody_reads_its_answers_it_ends_without_a_word(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        for number in range(20):
            try:
                process.stdin.write(request(number, "tools/list") + b"\n")
                process.stdin.flush()
            except BrokenPipeError:
                break
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""


def started(here: Path) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*COMMAND, "serve", "--demo"], cwd=here, env=environment(here), stdin=pipe, stdout=pipe, stderr=pipe
    )


def test_host_and_port_without_http_are_refused_before_anything_is_served(tmp_path: Path) -> None:
    for option in (("--port", "8765"), ("--host", "127.0.0.1")):
        done = subprocess.run(
            [*COMMAND, "serve", "--demo", *option],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 4
        assert b"--transport http" in done.stderr
