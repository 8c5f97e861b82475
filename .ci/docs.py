"""Writes the generated pages anew from the code; with `--check` only says whether they are fresh, and shows how not."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from difflib import unified_diff
from itertools import islice
from pathlib import Path

import anyio

from account_health.cli import DEMO_ACCOUNT
from account_health.config import DEMO
from account_health.manual import manual
from account_health.render import render_summary
from account_health.workspace import Workspace

ROOT = Path(__file__).parents[1]
DEMO_DAY = "2026-11-21"
LINES_SHOWN = 40


def pages() -> dict[Path, str]:
    """Every page with generated text, as it should be: REFERENCE.md whole, README.md with the demo's summary."""
    readme = ROOT / "README.md"
    block = f"<!-- summary: begin -->\n```markdown\n{anyio.run(summary)}```\n<!-- summary: end -->"
    marked = re.compile("<!-- summary: begin -->.*<!-- summary: end -->", re.DOTALL)
    return {ROOT / "REFERENCE.md": manual(), readme: marked.sub(lambda _: block, readme.read_text("utf-8"))}


async def summary() -> str:
    """The summary of the demo account on a fixed day."""
    workspace = Workspace.open(DEMO, lambda: datetime.max.replace(tzinfo=UTC))
    return render_summary(await workspace.assess(DEMO_ACCOUNT, DEMO_DAY), workspace.policy)


def differences(page: Path, text: str) -> list[str]:
    """The first lines in which a page is not what it should be."""
    written = page.read_text("utf-8") if page.exists() else ""
    changes = unified_diff(written.splitlines(), text.splitlines(), page.name, f"{page.name}, fresh", lineterm="")
    return list(islice(changes, LINES_SHOWN))


def main(*, only_check: bool) -> None:
    """Writes every page; with `only_check` fails instead when one is stale."""
    for page, text in pages().items():
        if not only_check:
            page.write_bytes(text.encode())
        elif changes := differences(page, text):
            sys.exit("\n".join([*changes, f"{page.name} is stale; run `just docs`."]))


if __name__ == "__main__":
    main(only_check="--check" in sys.argv[1:])
