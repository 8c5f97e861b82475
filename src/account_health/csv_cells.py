"""CSV cells: text from outside as a spreadsheet may show it, and never calculate it."""

from __future__ import annotations

import sys
import unicodedata

from account_health.markup import visible

_LIVE = ("=", "+", "-", "@", "|", "%", "\t", "\r", "\n")
"""What a spreadsheet takes a formula, a command or another cell to begin with."""


def safe_cell(text: str) -> str:
    """The text on one visible line, behind an apostrophe if a spreadsheet could take its beginning for a formula.

    That is judged by what is left once hidden characters are gone and letters of other widths are plain ones. It is for
    text alone: numbers of ours need none of it, and a text that looks like one, such as -5 or +49, stays text.
    """
    line = visible(text, sys.maxsize)
    begins_live = text.startswith(_LIVE) or unicodedata.normalize("NFKC", line).lstrip().startswith(_LIVE)
    return f"'{line}" if begins_live else line
