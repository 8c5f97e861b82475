"""Reading: one pass over the folder, from files to deliveries; what cannot be read becomes a failed delivery."""

# ruff: noqa: S608 - every name put into SQL goes through `identifier`

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from account_health.connectors.base import Delivery, Relation
from account_health.connectors.files.matching import Matches, Method, match_keys
from account_health.connectors.files.rows import check, keys, sort
from account_health.connectors.files.sheets import Sheet, identifier, literal, read_file, read_select
from account_health.errors import SourceError
from account_health.identity import Candidate
from account_health.language import all_of, joined, mark, say, together
from account_health.model import State
from account_health.tables import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from account_health.connectors.files.folder import Folder
    from account_health.connectors.files.settings import TableSettings

log = logging.getLogger(__name__)


@dataclass
class Reading:
    """Reads every table of a folder into a schema of its own, accounts first: others may be matched by them."""

    database: DuckDBPyConnection
    schema: str
    folder: Folder
    fetched_at: datetime
    _accounts: tuple[Candidate, ...] | None = field(default=None, init=False)

    def deliveries(self) -> tuple[Delivery, ...]:
        """One delivery per table; raises SourceError when there is nothing to read."""
        tables = self.folder.tables()
        self.database.execute("LOAD icu")
        self.database.execute(f"SET TimeZone = {literal(self.folder.settings.time_zone)}")
        self.database.execute(f"CREATE SCHEMA {identifier(self.schema)}")
        return tuple(self._delivery(table, tables[table]) for table in TABLES if table in tables)

    def _delivery(self, table: str, settings: TableSettings) -> Delivery:
        import duckdb  # noqa: PLC0415 - only its exception, and the connection has loaded it long since

        self.database.execute(f"CREATE SCHEMA {identifier(self._scratch)}")
        try:
            return self._read(table, settings)
        except SourceError as err:
            failure = err.sentence
        except duckdb.Error:
            log.exception("the table %s could not be loaded", table)
            failure = say("Its files could not be loaded; the log names the cause.")
        finally:
            self.database.execute(f"DROP SCHEMA {identifier(self._scratch)} CASCADE")
        return Delivery(rows=(), columns=frozenset(), failure=failure, **self._frame(table, settings))

    def _read(self, table: str, settings: TableSettings) -> Delivery:
        checked = check(self.database, self._in_scratch("checked rows"), table, self._sheets(table, settings), settings)
        matches = None
        if settings.match != "account_id":
            matches = match_keys(keys(self.database, checked), self._candidates(settings.match), settings.match)
        target = f"{identifier(self.schema)}.{identifier(table)}"
        rows = sort(self.database, checked, target, matches)
        if table == "account":
            self._accounts = self._known(target)
        return Delivery(
            rows=Relation(target),
            columns=checked.columns,
            rejected=rows.rejected,
            rejected_total=rows.rejected_total,
            rows_total=rows.rows_total,
            unmatched_rows=rows.unmatched,
            **self._frame(table, settings),
            **_standing(matches, settings.match),
        )

    def _sheets(self, table: str, settings: TableSettings) -> list[Sheet]:
        if settings.file:
            return self._files(settings.file, "file")
        inputs = {name: self._files(pattern, name) for name, pattern in settings.files.items()}
        return [
            read_select(
                self.database, settings.sql or "", inputs, say("The SELECT of {table}", table=table), self._scratch
            )
        ]

    def _files(self, pattern: str, name: str) -> list[Sheet]:
        paths = self.folder.paths(pattern)
        return [read_file(self.database, path, self._in_scratch(f"{name} {i}")) for i, path in enumerate(paths)]

    def _candidates(self, method: Method) -> tuple[Candidate, ...]:
        if self._accounts is None:
            raise SourceError(
                say(_UNMATCHABLE[method]),
                say("Map `account` in the same source, or write the CRM's ids into account_id and remove `match`."),
            )
        return self._accounts

    def _known(self, accounts: str) -> tuple[Candidate, ...]:
        found = self.database.execute(f"SELECT account_id, external_id, domains FROM {accounts}").fetchall()
        return tuple(Candidate(account_id, external, tuple(domains)) for account_id, external, domains in found)

    def _frame(self, table: str, settings: TableSettings) -> dict[str, Any]:
        """What a delivery says whether or not it can be read."""
        return {
            "table": table,
            "category": settings.category or TABLES[table].category,
            "fetched_at": self.fetched_at,
            "live": False,
            "history_from": settings.history_from and datetime.combine(settings.history_from, time()),
            "note": settings.note,
            "label": self.folder.found_label(),
        }

    @property
    def _scratch(self) -> str:
        return f"{self.schema}_scratch"

    def _in_scratch(self, name: str) -> str:
        return f"{identifier(self._scratch)}.{identifier(name)}"


_WORDS = {"account_id": mark("account id"), "external_id": mark("external id"), "domain": mark("domain")}
_UNMATCHABLE = {
    "account_id": mark("Its rows are matched by account id, but this source has no account table that could be read."),
    "external_id": mark(
        "Its rows are matched by external id, but this source has no account table that could be read."
    ),
    "domain": mark("Its rows are matched by domain, but this source has no account table that could be read."),
}


def _standing(matches: Matches | None, method: str) -> dict[str, Any]:
    """How accounts were matched, and which of them were not because a key fits several."""
    if matches is None:
        return {}
    evidence: dict[str, list[str]] = {}
    for match in matches.found.values():
        evidence.setdefault(match.account_id, []).append(match.evidence)
    details: dict[str, list[str]] = {}
    for ambiguity in matches.ambiguous.values():
        candidates = all_of(ambiguity.account_ids)
        for account in ambiguity.account_ids:
            fits = say("The {evidence} fits {accounts}.", evidence=ambiguity.evidence, accounts=candidates)
            details.setdefault(account, []).append(fits)
    return {
        "absent": State.NOT_MATCHED,
        "matched_by": say(_WORDS[method]),
        "matched": {account: joined(sorted(set(found)), ", ") for account, found in evidence.items()},
        "likely": frozenset(evidence if method == "domain" else ()),
        "states": {account: State.PARTIAL if account in evidence else State.NOT_MATCHED for account in details},
        "details": {account: together(*sorted(set(found))) for account, found in details.items()},
    }
