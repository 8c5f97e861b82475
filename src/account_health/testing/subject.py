"""Subject: the connector under test, what it is told, and one question put to it with everything that came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import anyio
import duckdb
from pydantic import SecretStr

from account_health.connectors.base import Connector, Context, Delivery, Query
from account_health.connectors.registry import load
from account_health.errors import Fault, SourceError
from account_health.identity import Candidate, Known
from account_health.testing.recorded import Recorded, Recording, When, always
from account_health.testing.verdict import NonconformityError, require

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from httpx2 import AsyncBaseTransport

    from account_health.connectors.base import Settings
    from account_health.tables import Row
    from account_health.testing.recorded import Mishap, Sent

PATIENCE = 20.0
"""Seconds a question has, unless the deadline itself is what is tested."""
_GRACE = 5.0
_NAME = "subject"
_CANARY = "c4n4ryKeyNobodyMaySee"
_NOBODY = Candidate("nobody-7", domains=("nobody-7.example",), name="Nobody")


@dataclass(frozen=True)
class Subject:
    """A connector under test: how it is set up, what its system answers, and whom it is asked about."""

    connector: str | Any
    """Name of its entry point, or the class itself."""
    recording: Path
    """File of recorded answers; `account_health.testing.recorded` says how it is written."""
    as_of: datetime
    """The instant every question is asked at, naive UTC; also what the clock shows when it begins."""
    accounts: Sequence[Candidate]
    """All accounts that have rows in the recording, as the CRM knows them."""
    asked: str
    """Id of the one among them that is asked about alone."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings as in account-health.toml, with secrets as plain text. Required secrets may be left out: they get a
    canary."""
    unknown: Candidate = _NOBODY
    """An account that the system does not know."""
    crosswalk: Mapping[str, str] = field(default_factory=dict)
    """Record id to account id, for systems whose records neither carry a CRM id nor a domain."""
    search_posts: tuple[str, ...] = ()
    """Paths of searches that the system wants as POST."""
    token_path: str = ""
    """Path where an access token is fetched, if one is; mishaps leave it alone."""
    has_pages: bool = True
    """False: this system answers everything at once, so the recording holds no second page."""

    @property
    def factory(self) -> Any:
        """The connector's class."""
        return load(self.connector) if isinstance(self.connector, str) else self.connector

    @property
    def recorded(self) -> Recording:
        """The recording, read."""
        return Recording.load(self.recording)

    @property
    def known(self) -> Known:
        """The accounts and the crosswalk as the pipeline would hand them in."""
        return Known(tuple(self.accounts), {_NAME: self.crosswalk})

    @property
    def nobody(self) -> Query:
        """The question about the unknown account."""
        known = Known((*self.accounts, self.unknown), {_NAME: self.crosswalk})
        return Query(self.as_of, (self.unknown.id,), known=known, seconds=PATIENCE)

    @property
    def one(self) -> Query:
        """The question about one account."""
        return Query(self.as_of, (self.asked,), known=self.known, seconds=PATIENCE)

    @property
    def all(self) -> Query:
        """The question about all accounts."""
        return Query(self.as_of, known=self.known, seconds=PATIENCE)

    @property
    def secrets(self) -> Mapping[str, str]:
        """What stands in each secret setting that is set."""
        fields = self.factory.settings_model.model_fields
        return {
            name: self.settings.get(name) or _CANARY
            for name, info in fields.items()
            if is_secret(info.annotation) and (info.is_required() or self.settings.get(name))
        }

    def checked_settings(self, **changes: Any) -> Settings:
        """The settings with their secrets in place; `changes` count only where the connector has such a setting."""
        model = self.factory.settings_model
        usable = {name: value for name, value in changes.items() if name in model.model_fields}
        secrets = {name: SecretStr(secret) for name, secret in self.secrets.items()}
        checked: Settings = model.model_validate({**self.settings, **usable, **secrets})
        return checked

    def build(
        self, transport: AsyncBaseTransport, database: DuckDBPyConnection | None = None, **changes: Any
    ) -> Connector:
        """The connector, speaking through this transport; its clock starts now.

        Whoever hands its deliveries to a pipeline passes the pipeline's database: rows of all accounts lie in it.
        """
        begun = time.monotonic()

        def clock() -> datetime:
            return self.as_of.replace(tzinfo=UTC) + timedelta(seconds=time.monotonic() - begun)

        # Politeness between requests is no subject of the kit, and would only make it slow.
        settings = self.checked_settings(**{"requests_per_second": 1000, **changes})
        connector: Connector = self.factory(
            _NAME, settings, Context(Path(), database or duckdb.connect(), clock, transport)
        )
        return connector

    def transport(
        self, mishap: Mishap | None = None, when: When = always, recording: Recording | None = None
    ) -> Recorded:
        """The recording as a transport; mishaps leave the access token alone."""
        return Recorded(recording or self.recorded, mishap, when, spared=self.token_path)

    async def ask(
        self,
        query: Query,
        mishap: Mishap | None = None,
        *,
        when: When = always,
        recording: Recording | None = None,
        **changes: Any,
    ) -> Outcome:
        """What a new connector answers; `changes` are those of its settings."""
        transport = self.transport(mishap, when, recording)
        return await outcome(self.build(transport, **changes), query, transport)


@dataclass(frozen=True)
class Outcome:
    """Everything that came of a question."""

    deliveries: Sequence[Delivery]
    error: SourceError | None = None
    """What was raised instead of deliveries."""
    seconds: float = 0.0
    sent: Sequence[Sent] = ()
    """What was asked, but for access tokens."""

    @property
    def failures(self) -> list[tuple[str, Fault | None]]:
        """What failed: the words and the kind of it."""
        raised = [(str(self.error), self.error.fault)] if self.error else []
        return raised + [(d.failure, d.fault) for d in self.deliveries if d.failure is not None]

    @property
    def is_failure(self) -> bool:
        """Whether nothing at all could be had."""
        return self.error is not None or all(d.failure is not None for d in self.deliveries)

    @property
    def rows(self) -> list[Row]:
        """All rows, table by table."""
        return [row for delivery in self.deliveries for row in rows_of(delivery)]

    @property
    def told(self) -> list[str]:
        """All rows as texts in a fixed order, for comparing."""
        return sorted(f"{row.table}: {row.model_dump()}" for row in self.rows)


def rows_of(delivery: Delivery) -> Sequence[Row]:
    """The rows of a delivery; the kit is for systems with an API, which deliver no relations."""
    if not isinstance(delivery.rows, Sequence):
        raise NonconformityError(f"Deliver `{delivery.table}` as rows: this kit cannot read relations.")
    return delivery.rows


async def outcome(connector: Connector, query: Query, transport: Recorded) -> Outcome:
    """What came of a question to this connector; anything but an answer or a SourceError breaks the contract."""
    begun, before = time.monotonic(), len(transport.sent)
    deliveries: Sequence[Delivery] = ()
    error = None
    with anyio.move_on_after((query.seconds or PATIENCE) + _GRACE) as scope:
        try:
            deliveries = await connector.fetch(query)
        except SourceError as err:
            error = err
        except Exception as err:
            raise NonconformityError(
                f"Raise SourceError with a fault instead of {type(err).__name__}: nothing else may leave `fetch`."
            ) from err
    require(not scope.cancelled_caught, f"End within `Query.seconds`; {query.seconds} s and {_GRACE} s more were over.")
    sent = [sent for sent in transport.sent[before:] if sent.request.url.path != transport.spared]
    return Outcome(deliveries, error, time.monotonic() - begun, tuple(sent))


async def answered(subject: Subject, query: Query, recording: Recording | None = None) -> Outcome:
    """The outcome of a question that can be answered; a failure breaks the contract."""
    found = await subject.ask(query, recording=recording)
    missing = [f"{s.request.method} {s.request.url.path}" for s in found.sent if not s.exchange.path]
    hint = f" Not recorded: {', '.join(dict.fromkeys(missing))}." if missing else ""
    require(not found.failures, f"Deliver the recording without a failure; it said: {found.failures}.{hint}")
    return found


def without_times(delivery: Delivery) -> Delivery:
    """The delivery without what differs from one reading to the next."""
    return replace(delivery, fetched_at=datetime.min, waited=timedelta())  # noqa: DTZ901 - stands for any instant


def is_secret(annotation: Any) -> bool:
    """Whether a setting of this type is a secret."""
    return annotation is SecretStr or any(map(is_secret, get_args(annotation)))
