"""HogQL: the queries PostHog is asked. Their text is ours alone; whatever comes from outside is among their values.

What PostHog's own source says of such queries: one without LIMIT is cut at 100 rows and any other at 50,000, silently;
OFFSET is refused to personal API keys, so an answer is continued after its last row; an instant is compared in no zone
but its own, and fast, as `toDateTime` of a text ending in Z; a property may come out as a number, hence `toString`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from account_health.connectors.http import Paginator, Request, Unreadable
from account_health.connectors.live.ask import iso
from account_health.connectors.posthog.settings import EVENT_PROPERTY, PERSON_PROPERTY
from account_health.domains import registrable_domain
from account_health.language import say

if TYPE_CHECKING:
    from account_health.connectors.posthog.settings import PostHogSettings
    from account_health.identity import Candidate

_GROUPS, _PERSONS, _EVENTS = "groups", "persons", "events"


@dataclass(frozen=True)
class Query:
    """A query, the values of its placeholders, and how the rows after a full answer are asked for."""

    text: str
    values: Mapping[str, str | int]
    rows: Rows


@dataclass(frozen=True)
class Key:
    """Where the key of an account stands: on an event, and in the table that lists the accounts."""

    on_event: str
    table: str
    in_table: str
    value: str | int
    """The group type, or the name of the property."""


@dataclass(frozen=True)
class Span:
    """Calendar days of a zone, the last included."""

    first: date
    last: date
    zone: str

    @property
    def begins(self) -> datetime:
        """The first day's first instant, naive UTC."""
        return datetime.combine(self.first, time(), ZoneInfo(self.zone)).astimezone(UTC).replace(tzinfo=None)

    @property
    def ends(self) -> datetime:
        """The first instant after the last day, naive UTC."""
        return replace(self, first=self.last + timedelta(days=1)).begins


def group_key(number: int) -> Key:
    """Accounts are the groups of a type.

    >>> group_key(2).on_event
    '$group_2'
    """
    return Key(f"$group_{number:d}", _GROUPS, "key", number)


def property_key(path: str) -> Key:
    """Accounts are the values of a property of persons or of events."""
    own = "toString(properties[{account_property}])"
    if path.startswith(PERSON_PROPERTY):
        whose = "toString(person.properties[{account_property}])"
        return Key(whose, _PERSONS, own, path.removeprefix(PERSON_PROPERTY))
    return Key(own, _EVENTS, own, path.removeprefix(EVENT_PROPERTY))


def accounts(settings: PostHogSettings, key: Key, span: Span, wanted: Sequence[Candidate] | None) -> Query | None:
    """The keys of all accounts, or those that could belong to the wanted ones; None if nothing could."""
    values = _Values({"after_account": ""})
    columns, conditions = {"account": key.in_table}, [f"{key.in_table} > {{after_account}}"]
    if key.table == _GROUPS:
        conditions.append(f"index = {values.put('group_type', key.value)}")
        columns |= {
            column: f"toString(properties[{values.put(f'{column}_property', name)}])"
            for column in ("name", "domain", "external_id")
            if (name := getattr(settings, f"{column}_property"))
        }
    else:
        values.put("account_property", key.value)
    if key.table == _EVENTS:
        conditions.append(_within(values, span))
    if wanted is not None:
        fitting = _fitting(values, columns, wanted, keys_are_domains=settings.keys == "domain")
        if not fitting:
            return None
        conditions.append(fitting)
    grouped = "" if key.table == _GROUPS else " GROUP BY account"
    selected = ", ".join(f"{expression} AS {column}" for column, expression in columns.items())
    limit = settings.rows_per_query
    text = (
        f"SELECT {selected} FROM {key.table} "  # noqa: S608 - see the first lines of this module
        f"WHERE {' AND '.join(conditions)}{grouped} ORDER BY account LIMIT {limit}"
    )
    return Query(text, values, Rows(limit, {"after_account": "account"}))


def seen(settings: PostHogSettings, key: Key, span: Span) -> Query:
    """What the project holds of all accounts together: how many events, since when, how many logins and features."""
    values = _Values({"zone": span.zone})
    text = (
        "SELECT count() AS event_count, formatDateTime(min(timestamp), '%Y-%m-%d', {zone}) AS first_day, "  # noqa: S608 - see the first lines of this module
        f"countIf({_login(values, settings)}) AS logins, countIf({_feature(values, settings)}) AS features "
        f"FROM events WHERE {_of_use(values, settings, key, span)} LIMIT 1"
    )
    return Query(text, values, Rows(1))


def days(settings: PostHogSettings, key: Key, span: Span, keys: Sequence[str] | None) -> Query:
    """One row a day and account, of the given keys or of all; days as texts, which sort like days."""
    values = _Values({"zone": span.zone, "after_day": str(span.first), "after_account": ""})
    day, limit = "formatDateTime(timestamp, '%Y-%m-%d', {zone})", settings.rows_per_query
    every_feature = f"arraySort(groupUniqArrayIf(event, {_feature(values, settings)}))"
    features = f"arraySlice({every_feature}, 1, {settings.most_features})"
    asked = f" AND {values.among(key.on_event, 'key', keys)}" if keys is not None else ""
    text = (
        f"SELECT {key.on_event} AS account, {day} AS day, uniq(person_id) AS active_users, count() AS event_count, "  # noqa: S608 - see the first lines of this module
        f"countIf({_login(values, settings)}) AS logins, {features} AS features "
        f"FROM events WHERE {_of_use(values, settings, key, span)}{asked} "
        f"AND ({day} > {{after_day}} OR ({day} = {{after_day}} AND {key.on_event} > {{after_account}})) "
        f"GROUP BY account, day ORDER BY day, account LIMIT {limit}"
    )
    return Query(text, values, Rows(limit, {"after_day": "day", "after_account": "account"}))


class _Values(dict[str, str | int]):
    """The values of a query while it is written."""

    def put(self, name: str, value: str | int) -> str:
        """The placeholder of a value."""
        self[name] = value
        return f"{{{name}}}"

    def among(self, expression: str, name: str, words: Iterable[str]) -> str:
        """Whether the expression is one of the words."""
        places = ", ".join(self.put(f"{name}_{number}", word) for number, word in enumerate(words))
        return f"{expression} IN ({places})" if places else "false"


def _within(values: _Values, span: Span) -> str:
    since, until = values.put("since", iso(span.begins)), values.put("until", iso(span.ends))
    return f"timestamp >= toDateTime({since}) AND timestamp < toDateTime({until})"


def _of_use(values: _Values, settings: PostHogSettings, key: Key, span: Span) -> str:
    """Which events are use of the product by an account."""
    if key.table != _GROUPS:
        values.put("account_property", key.value)
    wanted = {*settings.login_events, *settings.features}
    ignored = values.among("event", "ignored", (event for event in settings.ignored_events if event not in wanted))
    return f"{_within(values, span)} AND {key.on_event} > '' AND NOT {ignored}"


def _login(values: _Values, settings: PostHogSettings) -> str:
    return values.among("event", "login", settings.login_events)


def _feature(values: _Values, settings: PostHogSettings) -> str:
    named = [values.among("event", "feature", settings.features)] if settings.features else []
    if settings.feature_prefix:
        named.append(f"startsWith(event, {values.put('feature_prefix', settings.feature_prefix)})")
    return " OR ".join(named) or f"NOT startsWith(event, '$') AND NOT {_login(values, settings)}"


def _fitting(
    values: _Values, columns: Mapping[str, str], wanted: Sequence[Candidate], *, keys_are_domains: bool
) -> str:
    """Whether a row could belong to one of the wanted accounts: an id of theirs, or a text around their domain."""
    ids = sorted({mark.strip() for account in wanted for mark in (account.id, account.external_id or "")} - {""})
    domains = sorted({form for account in wanted for text in account.domains for form in _forms(text)})
    by_id = [columns.get("external_id"), None if keys_are_domains else columns["account"]]
    by_domain = [columns["account"] if keys_are_domains else None, columns.get("domain")]
    conditions = [values.among(column, "id", ids) for column in by_id if column and ids]
    conditions += [
        f"{column} ILIKE {values.put(f'domain_{number}', f'%{domain}%')}"
        for column in by_domain
        if column
        for number, domain in enumerate(domains)
    ]
    return f"({' OR '.join(conditions)})" if conditions else ""


def _forms(text: str) -> set[str]:
    """A registrable domain as machines and as people write it."""
    domain = registrable_domain(text)
    return {domain, domain.encode().decode("idna")} if domain else set()


@dataclass(frozen=True)
class Rows(Paginator):
    """Rows as objects; a full answer is continued after its last row."""

    limit: int
    after: Mapping[str, str] | None = None
    """Placeholder to the column whose last value it takes; None: all rows fit into one answer."""

    def items_of(self, page: Any) -> Sequence[Any]:
        """The rows by the names of their columns; what is no row as it is."""
        found = page if isinstance(page, Mapping) else {}
        columns, rows = found.get("columns"), found.get("results")
        if not isinstance(rows, list) or not isinstance(columns, list) or not all(isinstance(c, str) for c in columns):
            raise Unreadable(say("it has no `columns` and `results`"))
        return [
            dict(zip(columns, row, strict=True)) if isinstance(row, list) and len(row) == len(columns) else row
            for row in rows
        ]

    def next(self, request: Request, page: Any, items: Sequence[Any]) -> Request | None:
        """The same query after the last row; None if this answer was not full."""
        if self.after is None or (len(items) < self.limit and page.get("hasMore") is not True):
            return None
        last = items[-1] if items and isinstance(items[-1], Mapping) else {}
        after = {name: last.get(column) for name, column in self.after.items()}
        if not all(isinstance(value, str) and value for value in after.values()):
            raise Unreadable(say("it promises more, but its last row does not tell where to go on"))
        body = request.body or {}
        return replace(
            request, body={**body, "query": {**body["query"], "values": {**body["query"]["values"], **after}}}
        )
