"""Borrowed words: what pydantic, TOML and the operating system say of a fault, in the language that is spoken.

They say it in English, and in no other language. A text of theirs that is known here becomes one of ours, so it has
translations like any other; what is not known stays as it is. In English nothing changes.
"""

from __future__ import annotations

import re
from functools import cache

from account_health.language import count, forms, mark, say

_TEXTS = (
    # pydantic, of a setting, an argument or a row
    mark("Field required"),
    mark("Keys should be strings"),
    mark("Input should be {expected}"),
    mark("Input should be None"),
    mark("Input should be greater than {limit}"),
    mark("Input should be greater than or equal to {limit}"),
    mark("Input should be less than {limit}"),
    mark("Input should be less than or equal to {limit}"),
    mark("Input should be a finite number"),
    mark("Input should be a valid string"),
    mark("Input should be a valid boolean"),
    mark("Input should be a valid boolean, unable to interpret input"),
    mark("Input should be a valid integer"),
    mark("Input should be a valid integer, unable to parse string as an integer"),
    mark("Input should be a valid integer, got a number with a fractional part"),
    mark("Unable to parse input string as an integer, exceeded maximum size"),
    mark("Input should be a valid number"),
    mark("Input should be a valid number, unable to parse string as a number"),
    mark("Input should be a valid list"),
    mark("Input should be a valid tuple"),
    mark("Input should be a valid dictionary"),
    mark("Input should be a valid dictionary or instance of {name}"),
    mark("Input should be a valid date"),
    mark("Input should be a valid datetime"),
    mark("Input should be a valid date in the format YYYY-MM-DD, {reason}"),
    mark("Input should be a valid date or datetime, {reason}"),
    mark("Input should be a valid datetime, {reason}"),
    mark("Input should be a valid datetime or date, {reason}"),
    mark("Datetimes provided to dates should have zero time - e.g. be exact dates"),
    mark("String should match pattern '{pattern}'"),
    # its reasons for a date
    mark("input is too short"),
    mark("unexpected extra characters at the end of the input"),
    mark("invalid character in {part}"),
    mark("invalid date separator, expected `-`"),
    mark("invalid datetime separator, expected `T`, `t`, `_` or space"),
    mark("invalid time separator, expected `:`"),
    mark("{part} value is outside expected range of {limits}"),
    mark("{part} value is outside expected range"),
    mark("year"),
    mark("month"),
    mark("day"),
    mark("hour"),
    mark("minute"),
    mark("second"),
    # TOML
    mark("{problem} (at line {line}, column {column})"),
    mark("{problem} (at end of document)"),
    mark("Invalid statement"),
    mark("Invalid value"),
    mark("Invalid date or datetime"),
    mark("Invalid initial character for a key part"),
    mark("Illegal character {character}"),
    mark("Found invalid character {character}"),
    mark("Unterminated string"),
    mark("Unclosed array"),
    mark("Unclosed inline table"),
    mark("Unescaped '\\' in a string"),
    mark("Cannot overwrite a value"),
    mark("Cannot declare {key} twice"),
    mark("Duplicate inline table key {key}"),
    mark("Expected '=' after a key in a key/value pair"),
    mark("Expected ']' at the end of a table declaration"),
    mark("Expected {key}"),
    mark("Expected newline or end of document after a statement"),
    mark("'utf-8' codec can't decode byte {byte} in position {position}: {reason}"),
    mark("invalid start byte"),
    mark("invalid continuation byte"),
    # the operating system
    mark("No such file or directory"),
    mark("Permission denied"),
    mark("Operation not permitted"),
    mark("Is a directory"),
    mark("Not a directory"),
    mark("File exists"),
    mark("File name too long"),
    mark("Read-only file system"),
    mark("No space left on device"),
    mark("Input/output error"),
)
_COUNTED = (
    forms("String should have at least {n} character", "String should have at least {n} characters"),
    forms("String should have at most {n} character", "String should have at most {n} characters"),
    forms(
        "List should have at least {n} item after validation, not {length}",
        "List should have at least {n} items after validation, not {length}",
    ),
    forms(
        "List should have at most {n} item after validation, not {length}",
        "List should have at most {n} items after validation, not {length}",
    ),
    forms(
        "Tuple should have at least {n} item after validation, not {length}",
        "Tuple should have at least {n} items after validation, not {length}",
    ),
    forms(
        "Dictionary should have at least {n} item after validation, not {length}",
        "Dictionary should have at least {n} items after validation, not {length}",
    ),
    forms(
        "Dictionary should have at most {n} item after validation, not {length}",
        "Dictionary should have at most {n} items after validation, not {length}",
    ),
)
_ALTERNATIVES = "expected"
_VALUES = {"n": r"\d+", "line": r"\d+", "column": r"\d+", "part": r"\w+", _ALTERNATIVES: "'.+'"}
"""What a placeholder stands for; others stand for anything."""
_NAMES = frozenset({"name", "pattern", "key", "character"})
"""Placeholders whose value is a name and never a text."""


def borrowed(text: str) -> str:
    """What somebody else's code says of a fault, in the language that is spoken if it has words for it."""
    for one, many, wanted in _known():
        if found := wanted.fullmatch(text):
            values = {name: _value(name, value) for name, value in found.groupdict().items()}
            return count(one, many, int(values["n"]), **values) if many else say(one, **values)
    return text


def why(error: OSError) -> str:
    """Why the operating system refuses, in the language that is spoken."""
    return borrowed(str(error.strerror))


def _value(name: str, text: str) -> str:
    if name == _ALTERNATIVES:
        items, _, last = text.rpartition(" or ")
        return say("{items} or {last}", items=items, last=last) if items else text
    return text if name in _NAMES else borrowed(text)


@cache
def _known() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Every text, its plural, and what matches either: what tells a place first, then longer texts before shorter."""
    texts = sorted(
        (*((text, "") for text in _TEXTS), *_COUNTED), key=lambda known: (not known[0].startswith("{"), -len(known[0]))
    )
    return tuple((one, many, _matching(one, many)) for one, many in texts)


def _matching(one: str, many: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", one)
    pattern = "".join(
        f"(?P<{part}>{_VALUES.get(part, '.+')})" if at % 2 else re.escape(part) for at, part in enumerate(parts)
    )
    # Both forms differ in one letter at the end of a word.
    for noun in ("character", "item"):
        pattern = re.sub(rf"\b{noun}\b", f"{noun}s?", pattern) if many else pattern
    return re.compile(pattern, re.DOTALL)
