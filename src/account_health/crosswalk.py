"""Crosswalk: the operator's own list of which record of which source belongs to which account, as a CSV file.

`account-health sources match` writes it with what was matched by other means and with what was not; a person corrects
it, and the configuration names it. A line whose account is empty says nothing, one whose account is `-` says: none.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

from account_health.domains import registrable_domain
from account_health.errors import ConfigurationError
from account_health.language import say
from account_health.markup import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from account_health.config import Config

NOBODY = "-"
_REQUIRED = ("source", "record_id", "account_id")
_DELIMITERS = ",;\t"
"""Spreadsheets write what their country does."""
_FORMULA = re.compile(r"[\s']*[=+@|%-]")
"""What a spreadsheet could calculate; an apostrophe before it says that it is text."""


@dataclass(frozen=True)
class CrosswalkLine:
    """One record of one source; only the first three columns are read back, the others are for whoever edits them."""

    source: str
    record_id: str
    account_id: str = ""
    method: str = ""
    confidence: str = ""
    evidence: str = ""
    record_name: str = ""
    account_name: str = ""
    suggestion: str = ""
    """An account whose name is the same; names never link by themselves."""


def read_crosswalk(config: Config) -> Mapping[str, Mapping[str, str]]:
    """Source name to record id to account id ("" for none); raises ConfigurationError naming the faulty line."""
    path = config.crosswalk
    if path is None:
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except (OSError, ValueError) as err:
        raise ConfigurationError(
            say("The crosswalk {path} cannot be read as UTF-8 text.", path=path),
            say(
                "Check the path; or take the setting away and write a new one: "
                "account-health sources match --output FILE"
            ),
        ) from err
    # Whom scores are written to need not be asked for anything, and its records still have to be known.
    written_to = {str(told) for table in config.publish if (told := table.settings.get("crosswalk_source", "intacct"))}
    return parse_crosswalk(text, path, {source.name for source in config.sources} | written_to)


def parse_crosswalk(text: str, path: Path, sources: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
    """The lines that name an account, by source; raises ConfigurationError for lines that contradict each other."""
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    missing = [column for column in _REQUIRED if column not in (reader.fieldnames or ())]
    if missing:
        raise ConfigurationError(
            say("The crosswalk {path} has no column {columns}.", path=path, columns=", ".join(missing)),
            say("Its first line names them."),
        )
    found: dict[str, dict[str, str]] = {}
    known = set(sources)
    for line in _lines(reader, path):
        source, record, account = (_plain(line[column] or "") for column in _REQUIRED)
        if not account or not record:
            continue
        place = {"line": reader.line_num, "path": path}
        if source not in known:
            raise ConfigurationError(
                say("Line {line} of the crosswalk {path} names a source that is not configured.", **place),
                say("Known: {sources}.", sources=", ".join(sorted(known))),
            )
        account = "" if account == NOBODY else account
        if found.setdefault(source, {}).setdefault(record, account) != account:
            raise ConfigurationError(
                say("Line {line} of the crosswalk {path} gives a record to a second account.", **place),
                say("Keep one of the two lines."),
            )
    return found


def _lines(reader: csv.DictReader[str], path: Path) -> Iterator[dict[str, str | None]]:
    try:
        yield from reader
    except csv.Error as err:
        raise ConfigurationError(
            say("The crosswalk {path} cannot be read after line {line}.", path=path, line=reader.line_num),
            say("Perhaps a quotation mark is missing."),
        ) from err


def format_crosswalk(lines: Iterable[CrosswalkLine]) -> str:
    """The lines as CSV, first those without an account.

    No cell can be taken for a formula by a spreadsheet, or steer a terminal.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in fields(CrosswalkLine)])
    for line in sorted(lines, key=lambda line: (bool(line.account_id), line.source, line.record_id)):
        writer.writerow([_safe(cell) for cell in astuple(line)])
    return out.getvalue()


def shared_domains(config: Config) -> frozenset[str]:
    """The configured shared domains as they are compared; raises ConfigurationError for what is no domain."""
    found = {text: registrable_domain(text) for text in config.shared_domains}
    wrong = [text for text, domain in found.items() if domain is None]
    if wrong:
        raise ConfigurationError(
            say("shared_domains: {domains} is no domain of a company.", domains=", ".join(wrong)),
            say("Write e.g. agency.example; free mail is known."),
        )
    return frozenset(domain for domain in found.values() if domain)


def _safe(cell: str) -> str:
    cell = cell if cell.isprintable() else visible(cell, len(cell))
    return f"'{cell}" if cell != NOBODY and _FORMULA.match(cell) else cell


def _plain(cell: str) -> str:
    text = cell.strip()
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
