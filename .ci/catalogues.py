"""Brings every catalogue up to date with the texts of the code, the templates and the default policy.

`catalogues.py` writes `src/account_health/languages/*.po` anew: what is translated stays, new texts come in empty,
texts that are gone go. `catalogues.py CODE` begins a catalogue for another language. With `--check` nothing is written,
and it fails if a file is not what would be written or if a text has no translation.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "account_health"
FOLDER = SOURCE / "languages"
KEYWORDS: dict[str, Any] = {
    "say": None,
    "mark": None,
    "count": (1, 2),
    "forms": (1, 2),
    "word": ((1, "c"), 2),
}
METHODS = [("**.py", "python"), ("**.md.j2", "jinja2.ext:babel_extract")]
OPTIONS = {"**.md.j2": {"trimmed": "true", "silent": "false"}}


def texts() -> Catalog:
    """Every text that a reader may see, as an empty catalogue, in the order of their places."""
    found = Catalog(project="account-health", fuzzy=False)
    # It warns of every f-string among the values of a text; that no text is one is a rule of the house with a test.
    with redirect_stderr(StringIO()):
        for folder in (SOURCE, ROOT / "templates"):
            for name, _, message, comments, context in extract_from_dir(
                folder, METHODS, OPTIONS, KEYWORDS, ("NOTE:",), strip_comment_tags=True
            ):
                found.add(message, None, [(name, 1)], auto_comments=comments, context=context)
    for message, context in policy_texts():
        found.add(message, None, [("policies/default.toml", 1)], context=context)
    return found


def policy_texts() -> Iterator[tuple[str | tuple[str, str], str | None]]:
    """The words of the default policy, each with its context."""
    policy = tomllib.loads((SOURCE / "policies" / "default.toml").read_text("utf-8"))
    for metric in policy["metrics"].values():
        yield from metric_texts(metric)
    for key, vocabulary in policy["vocabularies"].items():
        yield from ((entry["word"], key) for entry in vocabulary["words"])
        if vocabulary.get("not_scored"):
            yield vocabulary["not_scored"], key
    for section in policy.values():
        parts = section.values() if isinstance(section, dict) and "reason" not in section else [section]
        for part in parts:
            if isinstance(part, dict):
                yield from ((part[key], None) for key in ("name", "action", "reason") if key in part)


def metric_texts(metric: dict[str, Any]) -> Iterator[tuple[str | tuple[str, str], str | None]]:
    """The words of a metric; a sentence with a number has as many forms as the language does."""
    yield metric["unit"], "unit"
    yield from ((metric[key], None) for key in ("strength", "weakness") if key in metric)
    for text in metric["sentences"].values():
        yield (text, text) if "{value}" in text or "{abs}" in text else text, None


def updated(code: str, path: Path) -> tuple[bytes, Catalog]:
    """The catalogue of a language as it should be."""
    there = read_po(BytesIO(path.read_bytes()), locale=code) if path.exists() else Catalog(locale=code, fuzzy=False)
    wanted = texts()
    fresh = Catalog(locale=code, project="account-health", fuzzy=False, header_comment=f"# account-health in {code}")
    for message in wanted:
        if message.id:
            known = there.get(message.id, message.context)
            string = known.string if known and known.id == message.id and not known.fuzzy else None
            fresh.add(
                message.id, string, message.locations, auto_comments=message.auto_comments, context=message.context
            )
    out = BytesIO()
    write_po(out, fresh, width=120, include_lineno=False, sort_by_file=True, omit_header=True)
    header = f'# account-health: {code}\nmsgid ""\nmsgstr ""\n' + "".join(
        f'"{line}\\n"\n'
        for line in (
            f"Language: {code}",
            f"Plural-Forms: {fresh.plural_forms}",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: 8bit",
        )
    )
    return header.encode() + b"\n" + out.getvalue(), fresh


def missing(catalogue: Catalog) -> list[str]:
    """The texts of a catalogue without a whole translation."""

    def is_whole(string: Any) -> bool:
        return all(string) if isinstance(string, (tuple, list)) else bool(string)

    return [str(message.id) for message in catalogue if message.id and not is_whole(message.string)]


def main(arguments: list[str]) -> int:
    """Writes the catalogues, or checks them; the number of faults, at most one."""
    is_check = "--check" in arguments
    codes = {path.stem for path in FOLDER.glob("*.po")} | {text for text in arguments if not text.startswith("-")}
    faults = []
    for code in sorted(codes):
        path = FOLDER / f"{code}.po"
        content, catalogue = updated(code, path)
        if not is_check:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        elif path.read_bytes() != content:
            faults.append(f"{path.relative_to(ROOT)} is not up to date: run `just catalogues`")
        faults += [f"{path.name}: no translation of {text!r}" for text in missing(catalogue)]
    print("\n".join(faults) or f"{len(codes)} catalogues are whole.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
