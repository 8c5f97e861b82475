"""Every metric read from the records one by one, as a person with all of them on paper would.

Written from the design and the words of the policy; it shares nothing with the SQL but the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from account_health.model import State
from account_health.tables import CONTRACT_STATUSES, TABLES, Row, columns
from given import Given

if TYPE_CHECKING:
    from account_health.policy import Policy


@dataclass(frozen=True)
class Answer:
    """What the records say: a value (None: unknown), unless the question does not arise; and what is seen anyway."""

    value: float | None = None
    applies: bool = True
    seen: float | None = None
    at_least: bool = False


@dataclass
class World:
    """Random accounts and what random sources hold of them."""

    rows: list[Row]
    states: dict[str, dict[str, State]]
    history: dict[str, datetime | None]
    files: frozenset[str]
    untold: dict[str, set[str]] = field(default_factory=dict)

    def given(self) -> Given:
        """The source that delivers this world."""
        return Given(
            self.rows,
            tables=TABLES,
            states=self.states,
            columns={table: set(columns(table)) - untold for table, untold in self.untold.items()},
            changes={table: {"history_from": self.history[table], "live": table not in self.files} for table in TABLES},
        )

    @cached_property
    def sorted(self) -> dict[tuple[str, str], list[Any]]:
        """The rows by table and account."""
        found: dict[tuple[str, str], list[Any]] = {}
        for row in self.rows:
            found.setdefault((row.table, row.account_id), []).append(row)
        return found

    @cached_property
    def dates(self) -> dict[str, list[datetime]]:
        """The instants of all rows of each table."""
        found: dict[str, list[datetime]] = {table: [] for table in TABLES}
        for row in self.rows:
            told = [getattr(row, column) for column in (row.occurred, row.concluded) if column]
            moments = [m if isinstance(m, datetime) else datetime.combine(m, time()) for m in told if m is not None]
            if moments:
                found[row.table].append(min(moments))
        return found


DATED_BY_THEMSELVES = ("survey_response", "subscription")


class _Reader:
    """One account at one instant, read record by record."""

    def __init__(self, world: World, account: str, as_of: datetime, policy: Policy) -> None:
        self.world, self.account, self.as_of, self.policy = world, account, as_of, policy
        self.today = self.day(as_of)
        self.profile = cast("Any", self.rows("account")[0])

    def rows(self, table: str) -> list[Any]:
        return self.world.sorted.get((table, self.account), [])

    def day(self, instant: datetime) -> date:
        return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(self.policy.time_zone)).date()

    def ago(self, days: int) -> datetime:
        midnight = self.as_of + timedelta(microseconds=1)
        end = midnight if days and midnight.time() == time() else self.as_of
        return end - timedelta(days=days)

    def within(self, instant: datetime | None, days: int, until: int = 0) -> bool:
        return instant is not None and self.ago(days) <= instant < self.ago(until)

    def passed(self, instant: datetime | None) -> bool:
        return instant is not None and instant < self.as_of

    def newest(self, table: str) -> datetime | None:
        return max((moment for moment in self.world.dates[table] if moment <= self.as_of), default=None)

    def state(self, table: str) -> State:
        state = self.world.states[table].get(self.account) or (State.OBSERVED if self.rows(table) else State.EMPTY)
        newest = self.newest(table) if table in self.world.files else None
        old = newest is not None and self.as_of - newest > timedelta(days=30) and table not in DATED_BY_THEMSELVES
        return State.STALE if old and state in (State.OBSERVED, State.EMPTY, State.PARTIAL) else state

    def start(self, table: str) -> datetime:
        return self.world.history[table] or min(self.world.dates[table])

    def complete(self, table: str) -> bool:
        good = (State.OBSERVED, State.EMPTY) if TABLES[table].is_event else (State.OBSERVED,)
        return self.state(table) in good

    def covers(self, table: str, days: int | None) -> bool:
        if days is None:
            return self.complete(table) and self.day(self.start(table)) <= self.today
        return self.complete(table) and self.start(table) <= self.ago(days)

    def is_new(self, first_day: date) -> bool:
        return self.profile.customer_since is not None and self.profile.customer_since > first_day

    def new_and_watched(self, table: str, days: int) -> bool:
        since = self.profile.customer_since
        return self.is_new(self.day(self.ago(days))) and self.complete(table) and since >= self.day(self.start(table))

    def count(
        self, table: str, found: Sequence[Any] | float, days: int | None = None, *, young: bool = False
    ) -> Answer:
        number = float(found if isinstance(found, int | float) else len(found))
        applies = not (young and days and self.new_and_watched(table, days) and not number)
        return Answer(number if applies and self.covers(table, days) else None, applies, seen=number)

    def share(self, table: str, found: Sequence[Any], days: int, told: Sequence[float], middle: Any = fmean) -> Answer:
        covered = self.covers(table, days)
        if not found:
            return Answer(applies=not (covered or self.new_and_watched(table, days)))
        return Answer(middle(told) if told and covered else None)

    def days_since(self, table: str, last: date | None, start: date, young: int = 0) -> Answer:
        since = self.profile.customer_since
        if last is None and since and since > self.today:
            return Answer(applies=False)
        if last is None and young and self.new_and_watched(table, young):
            return Answer(applies=False)
        counted_from = last or max(start, since or start)
        if not self.complete(table) or counted_from > self.today:
            return Answer()
        return Answer((self.today - counted_from).days, at_least=last is None)

    def tickets(self) -> list[Any]:
        return [ticket for ticket in self.rows("ticket") if self.passed(ticket.opened_at)]

    def opened(self, days: int, until: int = 0) -> list[Any]:
        return [ticket for ticket in self.tickets() if self.within(ticket.opened_at, days, until)]

    def escalated(self, days: int, until: int = 0) -> list[Any]:
        return [ticket for ticket in self.tickets() if self.within(ticket.escalated_at, days, until)]

    def solved(self) -> list[Any]:
        return [ticket for ticket in self.tickets() if self.within(ticket.solved_at, 90)]

    def unsolved(self) -> list[Any]:
        return [
            ticket
            for ticket in self.tickets()
            if (
                ticket.status not in ("solved", "closed")
                if ticket.solved_at is None
                else ticket.solved_at >= self.as_of
            )
        ]

    def terms(self, at: datetime) -> list[Any]:
        return [t for t in self.rows("subscription") if t.started_at < at and (t.ended_at is None or t.ended_at >= at)]

    def seats(self) -> int | None:
        if self.complete("account") and self.profile.licensed_seats is not None:
            return int(self.profile.licensed_seats)
        told = [term.seats for term in self.terms(self.as_of) if term.seats is not None]
        return sum(told) if told and self.complete("subscription") else None

    def usage_end(self) -> date:
        end, newest = self.day(self.as_of + timedelta(microseconds=1)), self.newest("usage_day")
        return min(end, newest.date() + timedelta(days=1)) if "usage_day" in self.world.files and newest else end

    def usage(self, column: str, days: int, until: int = 0) -> list[Any] | None:
        """What the days of a window tell: nothing if there were none, None if the days there were do not tell it."""
        first, end = self.usage_end() - timedelta(days=days), self.usage_end() - timedelta(days=until)
        all_days = [row for row in self.rows("usage_day") if row.day <= self.today]
        if all(getattr(row, column) is None for row in all_days):
            return None
        inside = [getattr(row, column) for row in all_days if first <= row.day < end]
        told = [value for value in inside if value is not None]
        return None if inside and not told else told

    def usage_covers(self, days: int) -> bool:
        return self.complete("usage_day") and self.start("usage_day").date() <= self.usage_end() - timedelta(days=days)

    def usage_change(self, column: str) -> Answer:
        now, base = self.usage(column, 30), self.usage(column, 60, 30)
        covered = self.usage_covers(60)
        if self.is_new(self.usage_end() - timedelta(days=60)) or (covered and base is not None and not sum(base)):
            return Answer(applies=False)
        return Answer(100 * (sum(now) / sum(base) - 1) if covered and base and now is not None else None)

    def recent_usage(self, column: str, worth: Callable[[list[Any]], float], per: float | None = 1) -> Answer:
        if self.is_new(self.usage_end() - timedelta(days=30)) or per == 0:
            return Answer(applies=False)
        told = self.usage(column, 30)
        return Answer(worth(told) / per if told is not None and per and self.usage_covers(30) else None)

    def last_activity(self) -> Answer:
        days = [row for row in self.rows("usage_day") if row.day <= self.today]
        if days and all(row.logins is row.active_users is row.events is None for row in days):
            return replace(self.days_since("usage_day", None, self.today), value=None)
        active = [row.day for row in days if row.logins or row.active_users or row.events]
        return self.days_since("usage_day", max(active, default=None), self.start("usage_day").date())

    def ticket_ratio(self) -> Answer:
        base, covered = len(self.opened(60, 30)), self.covers("ticket", 60)
        if self.is_new(self.day(self.ago(60))) or (covered and not base):
            return Answer(applies=False)
        return Answer(len(self.opened(30)) / base if covered else None)

    def tickets_per_seat(self) -> Answer:
        seats = self.seats()
        if self.is_new(self.day(self.ago(30))) or seats == 0:
            return Answer(applies=False)
        return Answer(100 * len(self.opened(30)) / seats if seats and self.covers("ticket", 30) else None)

    def latest_nps(self) -> list[float]:
        answers = [r for r in self.rows("survey_response") if r.kind == "nps" and self.passed(r.responded_at)]
        latest = []
        for respondent in {answer.respondent for answer in answers}:
            newest = max(answer.responded_at for answer in answers if answer.respondent == respondent)
            of_then = [a for a in answers if a.respondent == respondent and a.responded_at == newest]
            if self.within(newest, 180):
                latest += [_rating(min(of_then, key=lambda a: a.score), "score", "scale_low", "scale_high")]
        return [10 * rating for rating in latest if rating is not None]

    def csat(self) -> Answer:
        ratings = []
        if self.covers("ticket", 90):
            dated = [t for t in self.tickets() if self.within(t.solved_at or t.opened_at, 90)]
            ratings += [_rating(ticket, "csat", "csat_low", "csat_high") for ticket in dated]
        if self.covers("survey_response", 90):
            rows = [r for r in self.rows("survey_response") if r.kind == "csat" and self.within(r.responded_at, 90)]
            ratings += [_rating(row, "score", "scale_low", "scale_high") for row in rows]
        told = [rating for rating in ratings if rating is not None]
        return Answer(100 * fmean(told) if told else None)

    def invoices(self) -> list[Any]:
        return [invoice for invoice in self.rows("invoice") if self.passed(invoice.issued_at)]

    def unpaid(self) -> list[Any]:
        settled = ("paid", "void", "draft")
        return [
            i for i in self.invoices() if (i.status not in settled if i.paid_at is None else i.paid_at >= self.as_of)
        ]

    def days_late(self) -> list[int]:
        late = [(self.today - self.day(i.due_at)).days for i in self.unpaid() if i.due_at]
        return [days for days in late if days > 0]

    def arr_change(self) -> Answer:
        then, now = self.terms(self.ago(365)), self.terms(self.as_of)
        covered = self.covers("subscription", 365)
        base_is_zero = all(term.arr == 0 for term in then)
        if self.is_new(self.day(self.ago(365))) or (covered and base_is_zero):
            return Answer(applies=False)
        mixed = len({term.currency for term in then + now} - {None}) > 1 or any(t.arr is None for t in then + now)
        if not covered or mixed:
            return Answer()
        return Answer(100 * (sum(term.arr for term in now) / sum(term.arr for term in then) - 1))

    def deals(self, kind: str) -> list[Any]:
        return [
            d for d in self.rows("opportunity") if d.kind == kind and (not d.created_at or self.passed(d.created_at))
        ]

    def expansions(self) -> Answer:
        first = self.day(self.ago(365))
        won = [d for d in self.deals("expansion") if d.stage_kind == "won" and d.close_date]
        inside = [deal for deal in won if first < deal.close_date <= self.today]
        return replace(self.count("opportunity", inside, 365, young=True), seen=None)

    def open_downgrades(self) -> list[Any]:
        return [
            deal
            for deal in self.deals("downgrade")
            if deal.stage_kind == "open" or (deal.close_date and deal.close_date > self.today)
        ]

    def renewal(self) -> Answer:
        day = self.profile.renewal_date if self.complete("account") else None
        if day is None and self.complete("subscription"):
            days = [term.renews_at for term in self.terms(self.as_of) if term.renews_at]
            day = min(days, key=lambda d: (abs((d - self.today).days), d), default=None)
        return Answer((day - self.today).days if day else None)

    def touches(self, days: int | None = None) -> list[Any]:
        rows = [touch for touch in self.rows("touchpoint") if self.passed(touch.at)]
        return rows if days is None else [touch for touch in rows if self.within(touch.at, days)]

    def executive_touch(self) -> Answer:
        met = [self.day(t.at) for t in self.touches() if t.executive and t.attended is not False]
        at = max((t.at for t in self.touches() if t.executive and t.attended is not False), default=None)
        if any(t.at > at if at else True for t in self.touches() if self.perhaps_executive(t)):
            return Answer(None)
        return self.days_since("touchpoint", max(met, default=None), self.day(self.start("touchpoint")), young=90)

    @staticmethod
    def perhaps_executive(touch: Any) -> bool:
        """Whether people spoke with each other, and nobody knows whether an executive was among them."""
        spoke = next((told for told in (touch.attended, touch.replied) if told is not None), True)
        return touch.executive is None and touch.kind != "mail" and spoke

    def attendance(self) -> Answer:
        reviews = [touch for touch in self.touches(365) if touch.kind == "qbr"]
        told = [100.0 * review.attended for review in reviews if review.attended is not None]
        return self.share("touchpoint", reviews, 365, told)

    def replies(self) -> Answer:
        sent = [t for t in self.touches(90) if t.direction == "outbound" and t.kind in ("mail", "call")]
        return self.share("touchpoint", sent, 90, [100.0 * t.replied for t in sent if t.replied is not None])

    def of_profile(self, value: float | None) -> Answer:
        return Answer(value if self.complete("account") else None)


def _rating(row: Any, score: str, low: str, high: str) -> float | None:
    value, bottom, top = getattr(row, score), getattr(row, low), getattr(row, high)
    return None if None in (value, bottom, top) or bottom == top else (value - bottom) / (top - bottom)


def _known_low(answer: float | None, reader: _Reader) -> Answer:
    return Answer(answer if reader.complete("survey_response") else None, seen=answer)


def _watched(answer: Answer, reader: _Reader) -> Answer:
    return answer if reader.covers("survey_response", 180) else replace(answer, value=None)


_READINGS: dict[str, Callable[[_Reader], Answer]] = {
    "logins_change_pct": lambda r: r.usage_change("logins"),
    "active_users_change_pct": lambda r: r.usage_change("active_users"),
    "feature_use_change_pct": lambda r: r.usage_change("events"),
    "seat_utilisation_pct": lambda r: r.recent_usage(
        "active_users", lambda told: 100.0 * max(told, default=0), r.seats()
    ),
    "days_since_last_activity": _Reader.last_activity,
    "features_adopted": lambda r: r.recent_usage("features_used", lambda told: len(set().union(*told))),
    "tickets_change_ratio": _Reader.ticket_ratio,
    "tickets_per_100_seats_30d": _Reader.tickets_per_seat,
    "open_urgent_tickets": lambda r: r.count("ticket", [t for t in r.unsolved() if t.priority == "urgent"]),
    "escalations_90d": lambda r: r.count("ticket", r.escalated(90), 90, young=True),
    "reopen_rate_90d": lambda r: r.share(
        "ticket", r.solved(), 90, [100.0 * (t.reopened_count > 0) for t in r.solved() if t.reopened_count is not None]
    ),
    "median_resolution_hours_90d": lambda r: r.share(
        "ticket",
        r.solved(),
        90,
        [(t.solved_at - t.opened_at).total_seconds() / 3600 for t in r.solved() if t.solved_at >= t.opened_at],
        median,
    ),
    "nps_latest": lambda r: replace(_known_low(fmean(r.latest_nps()) if r.latest_nps() else None, r), seen=None),
    "csat_90d": _Reader.csat,
    "contract_standing": lambda r: r.of_profile(
        CONTRACT_STATUSES.index(r.profile.contract_status) if r.profile.contract_status else None
    ),
    "overdue_invoices": lambda r: r.count("invoice", r.days_late()),
    "days_overdue": lambda r: r.count("invoice", max(r.days_late(), default=0)),
    "failed_payments_90d": lambda r: r.count(
        "invoice", [i for i in r.invoices() if r.within(i.last_failed_at, 90)], 90, young=True
    ),
    "arr_change_pct_12m": _Reader.arr_change,
    "expansions_12m": _Reader.expansions,
    "open_downgrade": lambda r: r.count("opportunity", r.open_downgrades()),
    "days_since_executive_touch": _Reader.executive_touch,
    "qbr_attendance_12m": _Reader.attendance,
    "outreach_reply_rate_90d": _Reader.replies,
    "champion_active": lambda r: r.of_profile(r.profile.champion_active),
    "days_to_renewal": _Reader.renewal,
    "tickets_30d": lambda r: r.count("ticket", r.opened(30), 30),
    "tickets_prev_30d": lambda r: replace(r.count("ticket", r.opened(60, 30), 60), seen=None),
    "escalations_30d": lambda r: r.count("ticket", r.escalated(30), 30),
    "escalations_prev_30d": lambda r: replace(r.count("ticket", r.escalated(60, 30), 60), seen=None),
    "open_escalations": lambda r: r.count("ticket", [t for t in r.unsolved() if r.passed(t.escalated_at)]),
    "nps_lowest_180d": lambda r: _watched(_known_low(min(r.latest_nps(), default=None), r), r),
    "unrecovered_payments": lambda r: r.count("invoice", [i for i in r.unpaid() if r.passed(i.last_failed_at)]),
}


def read(world: World, as_of: datetime, policy: Policy) -> dict[tuple[str, str], Answer]:
    """The answer for every account and metric of the policy."""
    readers = [_Reader(world, row.account_id, as_of, policy) for row in world.rows if row.table == "account"]
    return {(reader.account, metric): _answer(reader, metric) for reader in readers for metric in policy.metrics}


def _answer(reader: _Reader, metric: str) -> Answer:
    """What somebody supplied, else what the records say, if the sources can tell it at all."""
    answer = _READINGS[metric](reader)
    entries = [[c.partition(".")[::2] for c in entry.split("|")] for entry in reader.policy.metrics[metric].reads]
    if any(all(reader.state(table) is State.STALE for table, _ in entry) for entry in entries):
        answer = replace(answer, seen=None)
    supplied = _supplied(reader, metric)
    if supplied is not None:
        return Answer(supplied, seen=answer.seen)
    untold = reader.world.untold
    if any(all(column in untold.get(table, ()) for table, column in entry) for entry in entries):
        answer = replace(answer, value=None)
    if answer.value is not None:
        return replace(answer, value=round(answer.value, 9))
    excluded = any(all(reader.state(table) is State.NOT_APPLICABLE for table, _ in entry) for entry in entries)
    return replace(answer, applies=answer.applies and not excluded, at_least=False)


def _supplied(reader: _Reader, metric: str) -> float | None:
    limit = 180 if metric.startswith("nps") else 30
    possible = reader.policy.metrics[metric].allows
    values = [row for row in reader.rows("metric_value") if row.metric == metric and possible(row.value)]
    oldest = reader.as_of - timedelta(days=limit)
    fresh = [row for row in values if oldest <= row.as_of <= reader.as_of]
    chosen = max(fresh, key=lambda row: (row.provider == "caller", row.as_of, -row.value), default=None)
    return chosen.value if chosen else None
