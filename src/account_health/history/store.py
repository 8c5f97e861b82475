"""Store: what the history is asked and told. Everything raises HistoryError when the database cannot be used.

A reading that says the same as the one before adds no row. Writers take turns and look at what is there inside their
turn, so any number of processes may record the same accounts.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from account_health.history import queries, rows, schema
from account_health.history.additions import in_parts, insert_readings, keep_policy
from account_health.history.database import Database
from account_health.history.lifecycle import followed
from account_health.history.records import Kind
from account_health.history.rows import to_activity, to_reading, to_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import Connection, Select

    from account_health.config import HistorySettings
    from account_health.history.records import Activity, Reading, Run
    from account_health.policy import Policy


class Store:
    """An open history."""

    def __init__(self, database: Database, now: Callable[[], datetime], keep_days: int) -> None:
        self._database = database
        self._now = now
        self._keep_days = keep_days

    @classmethod
    def open(cls, settings: HistorySettings, now: Callable[[], datetime]) -> Store:
        """The store of the settings, made or brought up to date where needed; `now` is naive UTC."""
        return cls(Database.open(settings, now), now, settings.keep_days)

    def close(self) -> None:
        """Lets go of the database."""
        self._database.close()

    # --- What was read ------------------------------------------------------------------------------------------------

    def latest(self, account: str) -> Reading | None:
        """The newest reading of an account that is still listed."""
        with self._database.reading() as connection:
            found = _latest(connection, [account]).get(account)
        return found if found and found.is_present else None

    def before(self, account: str, instant: datetime) -> Reading | None:
        """The reading that held at an instant: the newest one not after it, dated when it was last found to hold."""
        a = schema.assessment.c
        with self._database.reading() as connection:
            found = connection.execute(
                select(schema.assessment)
                .where(a.account_id == account, a.as_of <= instant)
                .order_by(a.as_of.desc(), a.id.desc())
                .limit(1)
            ).mappings()
            reading = next(map(to_reading, found), None)
            confirmed = connection.execute(
                select(func.max(schema.run.c.as_of)).where(
                    schema.run.c.as_of <= instant, schema.run.c.finished_at.is_not(None)
                )
            ).scalar()
        if reading is None or not reading.is_present:
            return None
        return replace(reading, as_of=max(reading.as_of, confirmed or reading.as_of))

    def first(self, account: str) -> Reading | None:
        """The oldest reading of an account."""
        a = schema.assessment.c
        with self._database.reading() as connection:
            found = connection.execute(
                select(schema.assessment).where(a.account_id == account).order_by(a.as_of, a.id).limit(1)
            ).mappings()
            return next(map(to_reading, found), None)

    def scores(self, account: str, since: datetime, until: datetime) -> list[tuple[datetime, float | None]]:
        """When the score of an account was read as something new, and what it was; first what held at the start."""
        a = schema.assessment.c
        chosen = select(a.as_of, a.score).where(a.account_id == account, a.is_present)
        with self._database.reading() as connection:
            held = connection.execute(
                chosen.where(a.as_of <= since).order_by(a.as_of.desc(), a.id.desc()).limit(1)
            ).all()
            later = connection.execute(chosen.where(a.as_of > since, a.as_of <= until).order_by(a.as_of, a.id)).all()
        return [(found.as_of, found.score) for found in (*held, *later)]

    def all_at(self, instant: datetime | None = None) -> list[Reading]:
        """The reading of every listed account that held at an instant (None: the newest), sorted by id."""
        chosen = queries.newest() if instant is None else queries.held_at(instant)
        with self._database.reading() as connection:
            found = [to_reading(row) for row in connection.execute(chosen).mappings()]
        return sorted((reading for reading in found if reading.is_present), key=lambda reading: reading.account)

    def last_run(self, *, finished: bool = True, until: datetime | None = None) -> Run | None:
        """The newest reading of all accounts that ended, or that did not."""
        r = schema.run.c
        chosen = select(schema.run).where(r.finished_at.is_not(None) if finished else r.finished_at.is_(None))
        if until is not None:
            chosen = chosen.where(r.as_of <= until)
        with self._database.reading() as connection:
            found = connection.execute(chosen.order_by(r.as_of.desc(), r.id.desc()).limit(1)).mappings()
            return next(map(to_run, found), None)

    def first_run(self) -> Run | None:
        """The oldest reading of all accounts that ended."""
        r = schema.run.c
        chosen = select(schema.run).where(r.finished_at.is_not(None)).order_by(r.as_of, r.id).limit(1)
        with self._database.reading() as connection:
            return next(map(to_run, connection.execute(chosen).mappings()), None)

    def version(self) -> tuple[int, int]:
        """Differs whenever something was added."""
        with self._database.reading() as connection:
            newest = [
                connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
                for table in (schema.assessment, schema.activity)
            ]
        return newest[0], newest[1]

    def metrics_of(self, policies: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """The metrics of each of these policies, in the order that packed rows have them."""
        p = schema.policy.c
        with self._database.reading() as connection:
            found = connection.execute(select(p.hash, p.document).where(p.hash.in_(set(policies)))).all()
            return {row.hash: tuple(json.loads(row.document)["metrics"]) for row in found}

    # --- What happened ------------------------------------------------------------------------------------------------

    def activities(self, **wanted: Any) -> list[Activity]:
        """What happened, newest first; `queries.activities` says what can be wanted."""
        with self._database.reading() as connection:
            return [to_activity(row) for row in connection.execute(queries.activities(**wanted)).mappings()]

    def count_activities(self, **wanted: Any) -> int:
        """How many there are of them."""
        with self._database.reading() as connection:
            counted = select(func.count()).select_from(queries.activities(**wanted).order_by(None).subquery())
            return connection.execute(counted).scalar_one()

    def said_by_people(self, accounts: Sequence[str] | None = None) -> list[Activity]:
        """Statuses, acknowledgements and snoozes of some accounts (None: all), oldest first."""
        a, chosen = schema.activity.c, select(schema.activity).where(queries.by_people())
        parts = [chosen] if accounts is None else [chosen.where(a.account_id.in_(part)) for part in in_parts(accounts)]
        with self._database.reading() as connection:
            found = [to_activity(row) for part in parts for row in connection.execute(part).mappings()]
        return sorted(found, key=lambda activity: activity.id)

    # --- Writing ------------------------------------------------------------------------------------------------------

    def say(self, activity: Activity, expected: int | None = None) -> int | None:
        """Adds what a person says of an account, or publishes of it; its number.

        None, and nothing is added, if `expected` is not the number of the last thing of that sort on record: so a
        confirmation counts once, whoever repeats it.
        """
        a = schema.activity.c
        last_one = queries.last_published if activity.kind is Kind.PUBLISHED else queries.last_said
        with self._database.writing() as connection:
            last = connection.execute(last_one(activity.account)).scalar_one()
            if expected is not None and last != expected:
                return None
            connection.execute(insert(schema.activity).values(**rows.of_activity(activity)))
            return int(connection.execute(select(func.max(a.id))).scalar_one())

    def last_said(self, account: str) -> int:
        """The number of the last thing that people said of an account; 0 if nobody ever did."""
        with self._database.reading() as connection:
            return int(connection.execute(queries.last_said(account)).scalar_one())

    def last_published(self) -> dict[str, int]:
        """Per account the number of the last time that it was published."""
        with self._database.reading() as connection:
            return {row.account_id: row.number for row in connection.execute(queries.all_published())}

    def require_writable(self) -> None:
        """Raises HistoryError if nothing can be added."""
        with self._database.writing():
            pass

    def begin(self, as_of: datetime, policy: Policy, asked_by: str, accounts: int, problems: Sequence[str]) -> Run:
        """The run to record all accounts in: a new one, or one of this instant and policy that was cut off."""
        r = schema.run.c
        with self._database.writing() as connection:
            keep_policy(connection, policy)
            same = (r.as_of == as_of, r.policy == policy.ref.hash, r.accounts == accounts)
            found = (
                connection.execute(select(schema.run).where(*same).order_by(r.id.desc()).limit(1)).mappings().first()
            )
            if found is None:
                values = {
                    "as_of": as_of, "started_at": self._now(), "policy": policy.ref.hash, "asked_by": asked_by,
                    "accounts": accounts, "done": 0, "added": 0, "problems": json.dumps(list(problems)),
                }  # fmt: skip
                connection.execute(insert(schema.run).values(**values))
                found = connection.execute(select(schema.run).order_by(r.id.desc()).limit(1)).mappings().one()
            return to_run(found)

    def record(  # noqa: PLR0913, PLR0917 - what readings are recorded with
        self,
        readings: Sequence[Reading],
        policy: Policy,
        asked_by: str,
        today: date,
        run: Run | None = None,
        done: int = 0,
    ) -> int:
        """Keeps readings of some accounts, all or none of them; how many said something new.

        With a run, `done` of its accounts are read with these. An account that was read later already stays as it is.
        """
        with self._database.writing() as connection:
            if run is None:
                keep_policy(connection, policy)
            added = self._added(connection, readings, policy, asked_by, today)
            if run is not None:
                r = schema.run.c
                step = {"done": done, "added": r.added + added}
                connection.execute(update(schema.run).where(r.id == run.id).values(**step))
        return added

    def finish(self, run: Run, policy: Policy, asked_by: str, today: date, listed: set[str] | None) -> None:
        """Ends a run: accounts listed nowhere any more leave (None: that cannot be told), old rows are pruned."""
        with self._database.writing() as connection:
            if listed is not None:
                known = connection.execute(queries.present(run.as_of)).scalars()
                gone = _latest(connection, [account for account in known if account not in listed])
                absent = [replace(found, as_of=run.as_of, is_present=False) for found in gone.values()]
                self._added(connection, absent, policy, asked_by, today)
            connection.execute(update(schema.run).where(schema.run.c.id == run.id).values(finished_at=self._now()))
            connection.execute(queries.pruned(self._now() - timedelta(days=self._keep_days)))

    def _added(
        self, connection: Connection, readings: Sequence[Reading], policy: Policy, asked_by: str, today: date
    ) -> int:
        known = _latest(connection, [reading.account for reading in readings], queries.compared())
        new: list[tuple[Reading, Reading | None]] = []
        for reading in readings:
            before = known.get(reading.account)
            if before and before.as_of > reading.as_of:
                continue
            now = followed(reading, before, policy.changes.readings, today)
            now = replace(now, digest=rows.digest(now))
            if before is None or now.digest != before.digest:
                new.append((now, before))
        if new:
            insert_readings(connection, new, self._now(), asked_by)
        return len(new)


def _latest(connection: Connection, accounts: Sequence[str], newest: Select[Any] | None = None) -> dict[str, Reading]:
    """The newest reading of each of these accounts, as `newest` selects it."""
    found: dict[str, Reading] = {}
    for part in in_parts(accounts):
        chosen = (queries.newest() if newest is None else newest).where(schema.latest.c.account_id.in_(part))
        found |= {row["account_id"]: to_reading(row) for row in connection.execute(chosen).mappings()}
    return found
