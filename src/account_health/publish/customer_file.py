"""Customer file: the CSV file that Intacct imports, and one like it read back, whoever wrote it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from account_health.csv_cells import safe_cell
from account_health.errors import CallerError
from account_health.language import say, word
from account_health.publish.health import INTACCT, Health
from account_health.publish.spelling import folded, labels_read, statuses_read, truth_words, truths_read

if TYPE_CHECKING:
    from account_health.policy import Policy
    from account_health.publish.settings import IntacctCsvSettings

_DELIMITERS = ",;\t"
"""Spreadsheets write what their country does."""
_APOSTROPHE = "'"


@dataclass(frozen=True)
class Line:
    """One customer and its health."""

    customer: str
    health: Health


def written(lines: Sequence[Line], settings: IntacctCsvSettings) -> bytes:
    """The file, spelled in the language that is spoken; no cell can be taken for a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    said = truth_words()
    true, false = settings.true_word or said[0], settings.false_word or said[1]
    risks = {True: safe_cell(true), False: safe_cell(false)}
    statuses = {text: safe_cell(word(INTACCT, text)) for text in {line.health.status or "" for line in lines}}
    writer.writerow([safe_cell(header) for header in settings.headers])
    for line in lines:
        status, risk = statuses[line.health.status or ""], risks[bool(line.health.churn_risk)]
        writer.writerow([safe_cell(line.customer), line.health.score, status, risk])
    return out.getvalue().encode()


def read(content: bytes, settings: IntacctCsvSettings, policy: Policy) -> Mapping[str, frozenset[Health]]:
    """Per customer id, as `safe_cell` has it, what the file says of it; what cannot be read is None and fits nothing.

    The file may have other columns in any order, any of the usual delimiters and encodings, and any language that
    Intacct and we both know. Raises CallerError naming the columns it lacks.
    """
    text = _decoded(content)
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
    rows = _rows(text, delimiter)
    places = _places(next(rows, []), settings)
    statuses, truths = statuses_read(policy), truths_read(settings.true_word, settings.false_word)
    found: dict[str, frozenset[Health]] = {}
    for row in rows:
        customer, score, status, churn = (row[place].strip() if place < len(row) else "" for place in places)
        if customer:
            held = Health(_score(score), statuses.get(folded(_plain(status))), truths.get(folded(_plain(churn))))
            key = safe_cell(customer)
            found[key] = found.get(key, frozenset()) | {held}
    return found


def _decoded(content: bytes) -> str:
    """The text: UTF-16 or UTF-8 as it says or shows, else as older spreadsheets write Western languages."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from reader
    except csv.Error as err:
        raise CallerError(
            say("The file to compare with cannot be read after line {line}.", line=reader.line_num),
            say("Perhaps a quotation mark is missing. Export it again as CSV."),
        ) from err


def _places(first: Sequence[str], settings: IntacctCsvSettings) -> list[int]:
    """Where the four columns stand, by the configured headers or Intacct's own labels; raises CallerError."""
    headers = [folded(header) for header in first]
    known = [{folded(own), *labels} for own, labels in zip(settings.headers, labels_read(), strict=True)]
    places = [next((at for at, header in enumerate(headers) if header in names), None) for names in known]
    missing = [own for own, place in zip(settings.headers, places, strict=True) if place is None]
    if missing:
        raise CallerError(
            say("The file to compare with has no column {columns}.", columns=", ".join(missing)),
            say(
                "Give the last file that was exported, or a CSV export of the customers from Sage Intacct with "
                "these columns; other headers are set under [publish.intacct_csv]."
            ),
        )
    return [place for place in places if place is not None]


def _score(text: str) -> int | None:
    try:
        number = float(_plain(text).replace(",", "."))
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _plain(cell: str) -> str:
    """The cell without the apostrophe that makes it text."""
    return cell.removeprefix(_APOSTROPHE)
