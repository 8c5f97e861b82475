"""PostHog's own parser as a judge of HogQL."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from typing import Any

from vendors.prism import NODE, VENDORS

PARSE = """
const query = require("fs").readFileSync(0, "utf8")
require("@posthog/hogql-parser")().then((parser) => process.stdout.write(parser.parseSelect(query, true)))
"""


@dataclass(frozen=True)
class Verdict:
    """True when the query is HogQL; else `fault` is the parser's complaint. `tree` is what it read."""

    fault: str
    tree: dict[str, Any] = field(repr=False)

    def __bool__(self) -> bool:
        return not self.fault


def parse(query: str) -> Verdict:
    """What PostHog's parser makes of a SELECT; it knows the grammar, not the functions and columns."""
    done = subprocess.run(
        [NODE, "-e", PARSE], input=query.encode(), cwd=VENDORS, capture_output=True, timeout=60, check=True
    )
    tree = json.loads(done.stdout)
    return Verdict(tree["message"] if tree.get("error") else "", tree)
