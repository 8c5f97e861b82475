"""The verdict on what a judge found: `verdict.py JUDGE FOLDER`; the folder holds its reports.

A finding stands unless a waiver in waivers.toml names it and says why. A waiver that names nothing any more is a
finding too, so that the list holds only what is true today. Exit code 1: something stands.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from judged.readings import READERS, Reading

WAIVERS = Path(__file__).with_name("waivers.toml")
SHOWN = 20


@dataclass(frozen=True)
class Waiver:
    """Findings of one judge that are no fault of ours, and why."""

    judge: str
    finding: str
    reason: str

    def covers(self, finding: str) -> bool:
        """Whether the pattern is the whole finding."""
        return re.fullmatch(self.finding, finding) is not None


def waivers(judge: str, path: Path = WAIVERS) -> list[Waiver]:
    """The waivers for one judge; every one has a reason in words."""
    found = [Waiver(**one) for one in tomllib.loads(path.read_text("utf-8"))["waiver"]]
    unreasoned = [one.finding for one in found if len(one.reason.split()) < 5]  # noqa: PLR2004 - fewer words say no reason
    if unreasoned or {one.judge for one in found} - READERS.keys():
        sys.exit(f"{path.name}: every waiver names a judge there is and a reason in words: {unreasoned}")
    return [one for one in found if one.judge == judge]


def standing(reading: Reading, allowed: list[Waiver]) -> tuple[list[str], int]:
    """What stands against the server, and how many findings were waived."""
    used: Counter[Waiver] = Counter()
    stands = [] if reading.checked else ["judged nothing"]
    for finding in reading.findings:
        covering = [waiver for waiver in allowed if waiver.covers(finding)]
        used.update(covering)
        if not covering:
            stands.append(finding)
    stands += [f"waived, but not found: {waiver.finding}" for waiver in allowed if not used[waiver]]
    return stands, len(reading.findings) - sum(finding in reading.findings for finding in stands)


def main(judge: str, folder: Path) -> None:
    """Prints what stands and one closing line; fails if anything does."""
    try:
        reading = READERS[judge](folder)
    except (OSError, ValueError, KeyError, TypeError) as err:
        reading = Reading(1, [f"its report cannot be read: {type(err).__name__}: {err}"])
    stands, waived = standing(reading, waivers(judge))
    for line in stands[:SHOWN]:
        print(f"  ✗ {line}")
    if len(stands) > SHOWN:
        print(f"  and {len(stands) - SHOWN} more")
    print(f"{reading.checked} checked, {waived} waived, {len(stands)} against us")
    sys.exit(1 if stands else 0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
