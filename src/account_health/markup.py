"""Markup: the one way outside text enters Markdown. It never makes a link, an image, a heading or a second line.

`code` is the safe form: a code span. `name` keeps a harmless name readable in place. `prose` is for sentences of ours
that quote outside text between backticks. Measured against hostile corpora in four Markdown parsers, see
tests/test_markup.py.
"""

from __future__ import annotations

import re
import unicodedata

from account_health.language import retold

_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")
_JOINERS = "\u200c\u200d"
_JOINING_SCRIPTS = re.compile(
    r"[\u0600-\u07bf\u0860-\u08ff\u0900-\u0dff\u1780-\u18af\U0001f000-\U0001faff\u2600-\u27bf]"
)
_BLANK = re.compile(
    r"[\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u034f]"
)
_LINKLIKE = re.compile(r"@|//|www\.|\S\.[^\W\d_]{2}", re.IGNORECASE)
_ACTIVE = re.compile(r"[\\`*\[\]<|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|(?<!\S)#(?=#*\s*$)")
_EMPTY = "(empty)"


STEERING = re.compile("[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")
"""Control, invisible and bidirectional characters that JSON itself would leave as they are."""


def visible(text: str, limit: int) -> str:
    """One line of visible characters, NFC, at most `limit` of them; what was cut shows as an ellipsis.

    A sentence of ours that was kept is said in the language of today.
    """
    kept = retold(text)
    if not (kept.isascii() and kept.isprintable()):  # else every character is visible, which most texts show at once
        text = _BLANK.sub("", kept.encode("utf-8", "replace").decode())
        kept = unicodedata.normalize("NFC", "".join(_shown(text, at) for at in range(len(text))))
    line = re.sub(r"\s+", " ", kept).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip(f" {_JOINERS}") + "…"


def code(text: str, limit: int) -> str:
    """The text as a code span, fenced longer than any run of backticks in it; pipes become box-drawing bars."""
    line = visible(text, limit).replace("|", "\u2502") or _EMPTY
    runs = re.findall(r"`+", line)
    if not runs:
        return f"`{line}`"
    fence = "`" * (max(len(run) for run in runs) + 1)
    return f"{fence} {line} {fence}"


def name(text: str, limit: int) -> str:
    """The text in place, escaped only where Markdown would act on it; a code span if it looks like an address."""
    line = visible(text, limit)
    if not line or _LINKLIKE.search(line):
        return code(text, limit)
    return _ACTIVE.sub(lambda found: "\\" + found[0], line)


def prose(text: str, limit: int) -> str:
    """A sentence whose parts between backticks are quotes: those become code spans, the rest is treated as a name."""
    said = ""
    for at, part in enumerate(re.split(r"`([^`]+)`", visible(text, limit))):
        piece = code(part, limit) if at % 2 else _spaced(part, limit)
        # Two code spans that touch would be read as one with a longer fence.
        said += f" {piece}" if said.endswith("`") and piece.startswith("`") else piece
    return said


def _spaced(part: str, limit: int) -> str:
    """A plain part of a sentence with the blanks at its ends kept."""
    core = " ".join(name(word, limit) for word in part.split())
    return f"{' ' if part[:1].isspace() else ''}{core}{' ' if part[-1:].isspace() and core else ''}"


def _shown(text: str, at: int) -> str:
    character = text[at]
    if character.isspace():
        return " "
    if character in _JOINERS:
        around = text[at - 1 : at] + text[at + 1 : at + 2]
        return character if len(around) == len("ab") and all(_JOINING_SCRIPTS.match(c) for c in around) else ""
    return "" if unicodedata.category(character) in _HIDDEN else character
