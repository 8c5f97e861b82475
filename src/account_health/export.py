"""Export: every account with its health as one row, for list views and reports elsewhere, as CSV, JSON or Parquet.

The rows are made once, as columns that each know their type; a form is only a way to write them. What is not known is
an empty cell in CSV, absent in JSON and NULL in Parquet.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import numpy as np

from account_health.csv_cells import safe_cell
from account_health.errors import CallerError
from account_health.flags import SEVERITIES
from account_health.language import say
from account_health.markup import STEERING, visible
from account_health.model import FlagState
from account_health.standings import BANDS
from account_health.vocabularies import conditions, status_word, vocabulary_named
from account_health.wording import trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from account_health.chronicle import StatusWord
    from account_health.overview import Overview, View
    from account_health.policy import Policy
    from account_health.standings import Standings

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int_]

Form = Literal["csv", "json", "parquet"]

_BAND_WORDS = (*(band.value for band in BANDS), None)
_FLAG_WORDS = (*(severity.value for severity in SEVERITIES), FlagState.CLEAR.value, FlagState.UNKNOWN.value)
_CLEAR, _UNKNOWN = len(SEVERITIES), len(SEVERITIES) + 1
_UNSCORED = -1


@dataclass(frozen=True)
class Column:
    """One column of the export: its name, its type in SQL, and per account its value, None where it is not known."""

    name: str
    type: Literal["VARCHAR", "BOOLEAN", "INTEGER", "DOUBLE", "DATE", "TIMESTAMP"]
    values: Sequence[Any]


async def export_accounts(  # noqa: PLR0913 - what the command line asks for
    overview: Overview,
    form: Form,
    as_of: str | None = None,
    *,
    vocabulary: str = "",
    segment: str = "",
    owner: str = "",
    refresh: bool = False,
) -> bytes:
    """The accounts of a segment and an owner (empty: all), customers or not, sorted by id, as a file of that form.

    With `vocabulary` it says the status in that one only. Raises CallerError for an unknown form or vocabulary.
    """
    require_known(overview.workspace.policy, form, vocabulary)
    view = await overview.view(as_of, refresh=refresh)
    return exported(view, form, vocabulary=vocabulary, segment=segment, owner=owner)


def require_known(policy: Policy, form: str, vocabulary: str) -> None:
    """Raises CallerError for an unknown form or vocabulary, before anything is read for it."""
    if form not in _WRITERS:
        raise CallerError(say("There is no such form of export."), say("Forms: {forms}.", forms=", ".join(_WRITERS)))
    if vocabulary:
        vocabulary_named(policy, vocabulary)


def exported(view: View, form: Form, *, vocabulary: str = "", segment: str = "", owner: str = "") -> bytes:
    """The same of a view that is already there, for whoever wants its notices too."""
    rows = np.flatnonzero(view.selection.among(segment, owner))
    keys = (vocabulary,) if vocabulary else tuple(view.standings.policy.vocabularies)
    return _WRITERS[form](columns(view, rows, keys), view)


def columns(view: View, rows: Ints, vocabularies: Iterable[str]) -> tuple[Column, ...]:
    """What is exported of the accounts in these rows, in the order of the columns."""
    standings = view.standings
    policy = standings.policy
    about = {"policy_name": policy.ref.name, "policy_version": policy.ref.version, "policy_hash": policy.ref.hash}
    return (
        *_profile_columns(standings, rows),
        *_score_columns(standings, rows),
        *(column for key in vocabularies for column in _status_columns(standings, rows, key)),
        *_dimension_columns(standings, rows),
        *_flag_columns(standings, rows),
        *_said_columns(view, rows),
        Column("as_of", "TIMESTAMP", [standings.as_of] * len(rows)),
        *(Column(name, "VARCHAR", [value] * len(rows)) for name, value in about.items()),
    )


# --- The rows, column by column ---------------------------------------------------------------------------------------


def _profile_columns(standings: Standings, rows: Ints) -> Iterator[Column]:
    profiles = [standings.profiles[row] for row in rows.tolist()]
    most = standings.policy.limits.text_characters
    yield Column("account_id", "VARCHAR", [standings.accounts[row] for row in rows.tolist()])
    for name in ("name", "segment", "owner", "lifecycle"):
        words = [getattr(profile, name) for profile in profiles]
        yield Column(name, "VARCHAR", _each(words, lambda text: visible(text, most) or None))
    yield Column("arr", "DOUBLE", [profile.arr for profile in profiles])
    yield Column("currency", "VARCHAR", [profile.currency for profile in profiles])
    yield Column("renewal_date", "DATE", [profile.renewal_date for profile in profiles])


def _score_columns(standings: Standings, rows: Ints) -> Iterator[Column]:
    scores = standings.scores
    scored = scores.scored[rows]
    whole = np.where(scored, standings.rounded[rows], _UNSCORED).astype(int).tolist()
    yield Column("scored", "BOOLEAN", scored.tolist())
    yield Column("score", "INTEGER", [None if score == _UNSCORED else score for score in whole])
    yield Column("score_exact", "DOUBLE", _numbers(np.where(scored, scores.score[rows], np.nan)))
    yield Column("band", "VARCHAR", [_BAND_WORDS[band] for band in standings.bands[rows].tolist()])
    yield Column("tier", "VARCHAR", [SEVERITIES[tier].value for tier in standings.tiers[rows].tolist()])
    for name in ("coverage", "low", "high"):
        yield Column(name, "DOUBLE", _numbers(getattr(scores, name)[rows]))


def _status_columns(standings: Standings, rows: Ints, key: str) -> Iterator[Column]:
    said = status_words(standings, rows, key)
    yield Column(f"status_{key}", "VARCHAR", [word.word for word in said])
    if standings.policy.vocabularies[key].has_churn_risk:
        yield Column(f"churn_risk_{key}", "BOOLEAN", [word.churn_risk for word in said])


def status_words(standings: Standings, rows: Ints, key: str) -> Sequence[StatusWord]:
    """What each account is called in a vocabulary; accounts that agree in all that decides are asked for once."""
    policy = standings.policy
    deciding = [
        np.nan_to_num(standings.rounded, nan=_UNSCORED),
        standings.tiers,
        conditions(policy.vocabularies[key], standings.matrix),
    ]
    cases, case_of = np.unique(np.column_stack(deciding)[rows], axis=0, return_inverse=True)

    def word(score: float, tier: float, *holds: float) -> StatusWord:
        known = None if score == _UNSCORED else score
        band = None if known is None else policy.bands.of(known)
        return status_word(policy, key, known, band, SEVERITIES[int(tier)], [bool(is_true) for is_true in holds])

    words = [word(*case) for case in cases.tolist()]
    return [words[case] for case in case_of.reshape(-1).tolist()]


def _dimension_columns(standings: Standings, rows: Ints) -> Iterator[Column]:
    for place, name in enumerate(standings.policy.dimensions):
        yield Column(f"dimension_{name}", "DOUBLE", _numbers(standings.scores.dimension_score[rows, place]))


def _flag_columns(standings: Standings, rows: Ints) -> Iterator[Column]:
    flags = standings.flags
    places = np.where(flags.raised, flags.severity, np.where(flags.clear, _CLEAR, _UNKNOWN))[rows]
    for place, name in enumerate(flags.flags):
        yield Column(f"flag_{name}", "VARCHAR", [_FLAG_WORDS[found] for found in places[:, place].tolist()])


def _said_columns(view: View, rows: Ints) -> Iterator[Column]:
    """The status that a person set and that still holds; of a vocabulary that is no longer there it says nothing."""
    known = view.standings.policy.vocabularies
    found = [view.status(view.standings.accounts[row]) for row in rows.tolist()]
    held = [status if status and status.subject in known else None for status in found]
    yield Column("manual_status", "VARCHAR", [status and status.after for status in held])
    yield Column("manual_status_vocabulary", "VARCHAR", [status and status.subject for status in held])


def _numbers(values: Floats) -> list[float | None]:
    """The values as published; None for NaN."""
    return [None if value != value else trimmed(value) for value in values.tolist()]  # noqa: PLR0124 - NaN is not itself


def _each(values: Sequence[Any], say: Callable[[Any], str | None]) -> list[str | None]:
    """What `say` makes of each value; every distinct one is asked for once."""
    said = {value: say(value) for value in set(values) if value is not None}
    return [None if value is None else said[value] for value in values]


# --- The forms --------------------------------------------------------------------------------------------------------


def _as_csv(table: Sequence[Column], view: View) -> bytes:  # noqa: ARG001 - a table of cells has no room for the rest
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in table])
    writer.writerows(zip(*(_cells(column) for column in table), strict=True))
    return out.getvalue().encode()


def _cells(column: Column) -> Sequence[str | None]:
    """The values as CSV has them; None becomes an empty cell."""
    if column.type == "VARCHAR":
        return _each(column.values, safe_cell)
    if column.type == "BOOLEAN":
        return [None if value is None else str(value).lower() for value in column.values]
    return [None if value is None else str(value) for value in _told(column)]


def _as_json(table: Sequence[Column], view: View) -> bytes:
    names = [column.name for column in table]
    rows = zip(*map(_told, table), strict=True)
    accounts = [_object({n: v for n, v in zip(names, row, strict=True) if v is not None}) for row in rows]
    rest = {
        "accounts": [],
        "total": len(accounts),
        "as_of": _text(view.standings.as_of),
        "policy": view.standings.policy.ref.as_json(),
        "notices": list(view.notices),
    }
    text = json.dumps(rest, ensure_ascii=False, indent=2)
    if accounts:
        text = text.replace("[]", "[\n" + ",\n".join(accounts) + "\n  ]", 1)
    return STEERING.sub(lambda found: json.dumps(found[0])[1:-1], text).encode("utf-8", "replace")


def _object(account: Mapping[str, object]) -> str:
    """One flat object as `json.dumps` indents it in a list, which it does many times faster without being asked to."""
    return "    {\n      " + json.dumps(account, ensure_ascii=False, separators=(",\n      ", ": "))[1:-1] + "\n    }"


def _as_parquet(table: Sequence[Column], view: View) -> bytes:  # noqa: ARG001 - a table of cells has no room for the rest
    parts = [
        f'unnest(${place}::{c.type}[]) AS "{c.name.replace(chr(34), chr(34) * 2)}"' for place, c in enumerate(table, 1)
    ]
    with duckdb.connect() as database, TemporaryDirectory() as folder:
        path = Path(folder, "accounts.parquet")
        database.execute(f"CREATE TABLE accounts AS SELECT {', '.join(parts)}", [list(c.values) for c in table])
        database.table("accounts").write_parquet(str(path))
        return path.read_bytes()


def _told(column: Column) -> Sequence[Any]:
    """The values as JSON has them: days and instants as text."""
    return _each(column.values, _text) if column.type in {"DATE", "TIMESTAMP"} else column.values


def _text(day: date | datetime) -> str:
    return f"{day.isoformat()}{'Z' if isinstance(day, datetime) else ''}"


_WRITERS: dict[str, Callable[[Sequence[Column], View], bytes]] = {
    "csv": _as_csv,
    "json": _as_json,
    "parquet": _as_parquet,
}
