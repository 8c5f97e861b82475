"""The programs that judge what is installed: other people's, run without a way out of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from doors import environment
from vendors.prism import NODE, VENDORS, needed

ROOT = Path(__file__).parents[2]
BESIDE_PYTHON = Path(sys.executable).parent
"""Where the programs of this environment are, ours among them."""

CLAUDE = VENDORS / "node_modules" / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"
CODEX = VENDORS / "node_modules" / "@openai" / "codex" / "bin" / "codex.js"
MCPB = VENDORS / "node_modules" / "@anthropic-ai" / "mcpb" / "dist"
REQUIRED = os.environ.get("ACCOUNT_HEALTH_VENDORS") == "required"
PATIENCE = 120
NO_WAY_OUT = "http://127.0.0.1:9"
"""A proxy that is not there: what asks for another machine fails at once."""


def surroundings(home: Path) -> dict[str, str]:
    """An environment in which a program finds ours, keeps its files at `home`, and reaches nobody."""
    return environment(
        home,
        PATH=f"{BESIDE_PYTHON}{os.pathsep}{os.environ['PATH']}",
        CODEX_HOME=str(home / ".codex"),
        HTTPS_PROXY=NO_WAY_OUT,
        HTTP_PROXY=NO_WAY_OUT,
        NO_PROXY="127.0.0.1",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        DISABLE_TELEMETRY="1",
        AGNIX_TELEMETRY="0",
    )


def judged(*command: str | Path, home: Path, here: Path = ROOT) -> str:
    """What a program says that must end well."""
    (home / ".codex").mkdir(exist_ok=True)
    done = subprocess.run(
        command,
        cwd=here,
        env=surroundings(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def vendored(program: Path, *arguments: str | Path, home: Path, here: Path = ROOT) -> str:
    """The same for one that `.ci/vendors` fetches; without it the test is skipped, or fails where it is required."""
    needed([NODE, program], required=REQUIRED)
    return judged(NODE, program, *arguments, home=home, here=here)
