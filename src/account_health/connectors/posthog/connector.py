"""PostHog as a source: whose events belong to which account, and what they say of each day.

A day without events has no row: the metrics take such a day as silent once the account has any row at all. An account
without any event in the whole time has none, so its use is unknown.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import Field

from account_health.connectors.base import Probe
from account_health.connectors.http import Api, Bearer, Manners, Request, Single
from account_health.connectors.live import Live, Reader, Vendor
from account_health.connectors.posthog import hogql
from account_health.connectors.posthog.hogql import Key, Query, Span
from account_health.connectors.posthog.settings import PostHogSettings
from account_health.errors import Fault, SourceError
from account_health.identity import Record
from account_health.language import count, mark, say
from account_health.model import Source

if TYPE_CHECKING:
    from account_health.connectors.base import Context
    from account_health.connectors.live import Ask

_PER_SECOND = 4.0
"""240 requests a minute; how many an hour depends on the plan (120 to 2,400), and PostHog tells with 429."""
_LARGEST_ANSWER = 32 * 1024 * 1024
"""A full answer with a dozen features in every row stays below a third of it."""
_LATE = timedelta(days=2)
"""Devices send the events of a day without network afterwards, so the last days are always read again."""
_QUERY, _GROUP = "query:read", "group:read"


_UNSEEN = {
    "login_events": (
        mark("not seen, so logins stay unknown"),
        mark("Name the events that are logins under `login_events`."),
    ),
    "features": (
        mark("not seen, so uses of features stay unknown"),
        mark("Name the events that are uses of features under `features`."),
    ),
}
"""Per setting what it means that no event fits it, and what to do."""


class _GroupType(Vendor):
    group_type: str
    group_type_index: Annotated[int, Field(ge=0)]


class _Account(Vendor):
    account: str
    name: str | None = None
    domain: str | None = None
    external_id: str | None = None


class _Seen(Vendor):
    event_count: int
    first_day: date
    logins: int
    features: int


class _Day(Vendor):
    account: str
    day: date
    active_users: int
    event_count: int
    logins: int
    features: tuple[str, ...]

    def row(self, settings: PostHogSettings) -> dict[str, Any]:
        """The columns of a day of use."""
        return {
            "account_id": self.account,
            "day": self.day,
            "active_users": self.active_users,
            "events": self.event_count,
            "logins": self.logins,
            "features_used": tuple(sorted({settings.features.get(event, event) for event in self.features})),
        }


V = TypeVar("V", bound=Vendor)


class PostHog(Live[PostHogSettings]):
    """Days of product use."""

    kind = "posthog"
    system = "PostHog"
    settings_model = PostHogSettings

    def __init__(self, name: str, settings: PostHogSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        self._key_found: Key | None = None
        self._seen_since: dict[date, _Seen] = {}

    def api(self, context: Context) -> Api:
        """The query API of the region, or of a PostHog of one's own."""
        settings = self.settings
        manners = Manners(
            concurrency=settings.concurrency,
            per_second=settings.requests_per_second or _PER_SECOND,
            max_pages=settings.max_pages,
            max_body_bytes=_LARGEST_ANSWER,
        )
        return Api(
            self.label,
            settings.base_url or f"https://{settings.region}.posthog.com",
            Bearer(settings.api_key),
            manners,
            clock=context.clock,
            transport=context.transport,
        )

    def readers(self) -> Mapping[str, Reader]:
        """Days of use."""
        columns = frozenset({"active_users", "logins", "events", "features_used"})
        return {"usage_day": Reader(Source.ANALYTICS, self._days, columns, needs=_QUERY, follows_changes=True)}

    async def records(self, ask: Ask) -> AsyncIterator[Record]:
        """Groups, or values of the property, each with the ids and domains it may be recognised by."""
        query = hogql.accounts(self.settings, await self._key(ask), self._span(ask), ask.accounts)
        if query is None:
            return
        async for found in self._rows_of(ask, _Account, query):
            is_domain = self.settings.keys == "domain"
            ids = (found.external_id,) if is_domain else (found.account, found.external_id)
            domains = (found.account, found.domain) if is_domain else (found.domain,)
            yield Record(found.account, found.name or "", tuple(filter(None, ids)), tuple(filter(None, domains)))

    async def probes(self, ask: Ask) -> Sequence[Probe]:
        """Whether the project has logins and features under the names that the settings give them."""
        seen = await self._seen(ask, await self._key(ask))
        return [_sighting("login_events", seen.logins), _sighting("features", seen.features)]

    async def _days(self, ask: Ask) -> AsyncIterator[Mapping[str, Any]]:
        key = await self._key(ask)
        seen = await self._seen(ask, key)
        if not seen.event_count:
            return
        ask.observed_from = max(ask.since, replace(self._span(ask), first=seen.first_day).begins)
        told = {"logins": seen.logins, "features_used": seen.features}
        ask.untold = frozenset(column for column, count in told.items() if not count)
        keys = None if ask.records is None else ask.record_ids
        for span in self._parts(ask):
            async for day in self._rows_of(ask, _Day, hogql.days(self.settings, key, span, keys)):
                row = day.row(self.settings)
                yield {column: value for column, value in row.items() if column not in ask.untold}
            if ask.is_probe:
                return

    async def _key(self, ask: Ask) -> Key:
        """Where an account's key stands; a group type that has no number yet is looked up once."""
        if self._key_found is None:
            settings = self.settings
            if settings.account_property is not None:
                self._key_found = hogql.property_key(settings.account_property)
            elif isinstance(settings.group_type, int):
                self._key_found = hogql.group_key(settings.group_type)
            else:
                self._key_found = hogql.group_key(await self._group_type(ask))
        return self._key_found

    async def _group_type(self, ask: Ask) -> int:
        """The number of the group type with the configured name, or of the only one."""
        request = Request("GET", f"/api/projects/{self.settings.project_id}/groups_types/")
        every = [t async for t in _aside(ask).items(_GroupType, request, Single(), needs=_GROUP)]
        wanted = self.settings.group_type
        found = [t.group_type_index for t in every if wanted in (None, t.group_type)]
        if len(found) == 1:
            return found[0]
        if not every:
            raise SourceError(
                say("{system} has no group types in this project.", system=self.label),
                say("Group analytics is an add-on of PostHog; without it, set `account_property`."),
                fault=Fault.NOT_FOUND,
            )
        raise SourceError(
            _untold(self.label, len(every)) if wanted is None else _unknown(self.label, len(every)),
            say("Set it to the name of the type whose groups are accounts."),
            fault=Fault.REFUSED,
        )

    async def _seen(self, ask: Ask, key: Key) -> _Seen:
        """What the project holds of all accounts since the first day asked about; asked once per such day."""
        span = self._span(ask)
        if span.first not in self._seen_since:
            query = hogql.seen(self.settings, key, span)
            found = [seen async for seen in self._rows_of(_aside(ask), _Seen, query)]
            if not found:
                raise SourceError(
                    say("{system} did not say what events the project has.", system=self.label),
                    say("Try again; if it stays, its API has changed."),
                    fault=Fault.BAD_RESPONSE,
                )
            self._seen_since = {span.first: found[0]}
        return self._seen_since[span.first]

    def _rows_of(self, ask: Ask, model: type[V], query: Query) -> AsyncIterator[V]:
        body = {
            "query": {"kind": "HogQLQuery", "query": query.text, "values": query.values},
            "refresh": self.settings.refresh,
        }
        request = Request("POST", f"/api/projects/{self.settings.project_id}/query/", body=body)
        return ask.items(model, request, query.rows, needs=_QUERY)

    def _span(self, ask: Ask) -> Span:
        """The days from the first one asked about to today, even if the past is asked about: what is read is kept."""
        today = self._clock().astimezone(ZoneInfo(self.settings.time_zone)).date()
        return Span(self._day(ask.since), today, self.settings.time_zone)

    def _parts(self, ask: Ask) -> Iterator[Span]:
        """The days to read, in parts that PostHog can answer in time, the newest first; some accounts' are one part."""
        span, most = self._span(ask), timedelta(days=self.settings.days_per_query - 1)
        if ask.changed_since is not None:
            span = replace(span, first=max(span.first, self._day(ask.changed_since - _LATE)))
        while ask.records is None and span.last - span.first > most:
            yield replace(span, first=span.last - most)
            span = replace(span, last=span.last - most - timedelta(days=1))
        yield span

    def _day(self, instant: datetime) -> date:
        return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(self.settings.time_zone)).date()


def _sighting(setting: str, times: int) -> Probe:
    if times:
        return Probe(setting, count("seen {n} times", "seen {n} times", times))
    finding, advice = _UNSEEN[setting]
    return Probe(setting, say(finding), is_ok=False, advice=say(advice))


def _untold(label: str, types: int) -> str:
    return count(
        "{system} has {n} group types in this project, and `group_type` does not say which.",
        "{system} has {n} group types in this project, and `group_type` does not say which.",
        types,
        system=label,
    )


def _unknown(label: str, types: int) -> str:
    return count(
        "{system} has {n} group types in this project, and `group_type` names none of them.",
        "{system} has {n} group types in this project, and `group_type` names none of them.",
        types,
        system=label,
    )


def _aside(ask: Ask) -> Ask:
    """The same ask for something that is no row of the table, so that it is not counted among them."""
    return replace(ask, rows_total=0, rejected=[])
