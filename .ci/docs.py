"""Writes the generated pages anew from the code; with `--check` only says whether they are fresh, and shows how not."""

from __future__ import annotations

import re
import sys
from difflib import unified_diff
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from installables import installables

from account_health.cli import DEMO_ACCOUNT
from account_health.manual import manual
from account_health.testing import Serving, calling

ROOT = Path(__file__).parents[1]
LINES_SHOWN = 40


def pages() -> dict[Path, str]:
    """Every page with generated text, as it should be: REFERENCE.md whole, the demo's summary wherever it stands.

    And what other programs install this by, see `installables.py`.
    """
    readme, shown, reference = ROOT / "README.md", summary(), manual()
    block = f"<!-- summary: begin -->\n```markdown\n{shown}```\n<!-- summary: end -->"
    marked = re.compile("<!-- summary: begin -->.*<!-- summary: end -->", re.DOTALL)
    return {
        ROOT / "REFERENCE.md": reference,
        readme: marked.sub(lambda _: block, readme.read_text("utf-8")),
        ROOT / "examples" / "ci" / f"{DEMO_ACCOUNT}.md": shown,
        **installables(reference),
    }


def summary() -> str:
    """The summary of the demo account on the day of the demo, without anybody's history."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, calling(Serving().connected(Path(folder))) as server:
        return server.call("render_health_summary", account=DEMO_ACCOUNT).text


def differences(page: Path, text: str) -> list[str]:
    """The first lines in which a page is not what it should be."""
    written = page.read_text("utf-8") if page.exists() else ""
    changes = unified_diff(written.splitlines(), text.splitlines(), page.name, f"{page.name}, fresh", lineterm="")
    return list(islice(changes, LINES_SHOWN))


def main(*, only_check: bool) -> None:
    """Writes every page; with `only_check` fails instead when one is stale."""
    for page, text in pages().items():
        if not only_check:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_bytes(text.encode())
        elif changes := differences(page, text):
            sys.exit("\n".join([*changes, f"{page.relative_to(ROOT)} is stale; run `just docs`."]))


if __name__ == "__main__":
    main(only_check="--check" in sys.argv[1:])
