"""Schema: the tables of the history as they are now; `migrations` brings a store of any earlier version here.

Instants are naive UTC, text is Unicode, `metric_values`, `metric_marks` and `table_states` are packed as `packing`
describes. Nothing but pruning deletes an assessment, and nothing changes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    TypeDecorator,
)
from sqlalchemy import Text as AnyText

if TYPE_CHECKING:
    from sqlalchemy import Dialect


class Text(TypeDecorator[str]):
    """Text with a sign in the place of every NUL, which PostgreSQL cannot hold: one name must not stop a whole run."""

    impl = AnyText
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        """What is stored, or looked for."""
        return None if value is None else value.replace("\0", "\N{REPLACEMENT CHARACTER}")


metadata = MetaData()
_KEY = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of the type INTEGER."""

migration = Table("migration", metadata, Column("name", Text, primary_key=True), Column("applied_at", DateTime))
"""Which migrations this store has seen."""

policy = Table(
    "policy",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("document", Text, nullable=False),
)
"""Every policy that ever scored something here, whole, so that its scores can be computed again."""

run = Table(
    "run",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("as_of", DateTime, nullable=False),
    Column("started_at", DateTime, nullable=False),
    Column("finished_at", DateTime),
    Column("policy", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("accounts", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("problems", Text, nullable=False),
)
"""One reading of all accounts: how far it got, and what could not be read."""

assessment = Table(
    "assessment",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("account_id", Text, nullable=False),
    Column("as_of", DateTime, nullable=False),
    Column("recorded_at", DateTime, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("is_present", Boolean, nullable=False),
    Column("name", Text, nullable=False),
    Column("segment", Text),
    Column("owner", Text),
    Column("lifecycle", Text),
    Column("arr", Float),
    Column("currency", Text),
    Column("renewal_date", Date),
    Column("score", Float),
    Column("low", Float, nullable=False),
    Column("high", Float, nullable=False),
    Column("coverage", Float, nullable=False),
    Column("band", Text, nullable=False),
    Column("announced_band", Text, nullable=False),
    Column("pending", SmallInteger, nullable=False),
    Column("tier", Text, nullable=False),
    Column("flags", Text, nullable=False),
    Column("metric_values", LargeBinary, nullable=False),
    Column("metric_marks", LargeBinary, nullable=False),
    Column("table_states", LargeBinary, nullable=False),
    Index("assessment_of_account", "account_id", "as_of"),
)
"""One account as it was read, if anything about it differs from the reading before."""

latest = Table(
    "latest",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("assessment_id", _KEY, nullable=False),
)
"""Where to find the newest assessment of each account; can be made anew from `assessment`."""

activity = Table(
    "activity",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("at", DateTime, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("account_name", Text, nullable=False),
    Column("owner", Text),
    Column("band", Text),
    Column("kind", Text, nullable=False),
    Column("subject", Text),
    Column("before", Text),
    Column("after", Text),
    Column("score_before", Float),
    Column("score_after", Float),
    Column("description", Text),
    Column("author", Text, nullable=False),
    Column("expires_at", DateTime),
    Index("activity_of_account", "account_id", "id"),
    Index("activity_at", "at"),
)
"""What happened: bands announced, flags opened, cleared, acknowledged and snoozed, statuses set, health published."""
