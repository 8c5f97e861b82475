"""Workspace: a configuration opened for questions; what server and command line share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import anyio
import duckdb

from account_health.as_of import asked_instant
from account_health.assess import Evaluations, Explanations, assess, evaluated
from account_health.calls import Call
from account_health.config import current_user
from account_health.connectors.base import Clock, Context
from account_health.connectors.registry import build
from account_health.crosswalk import read_crosswalk, shared_domains
from account_health.directory import Directory, Entry, nearest_words
from account_health.errors import AccountNotFound, CallerError, HistoryError, SourceError
from account_health.explain import DEMO_NOTICE
from account_health.gather import Gatherer
from account_health.identity import Known
from account_health.language import count, say, together, word
from account_health.memory import Memory, Recalled
from account_health.policy import Policy, load_policy
from account_health.readings import record_account
from account_health.supplied import Supplied
from account_health.vocabularies import spoken, vocabulary_named

if TYPE_CHECKING:
    from httpx2 import AsyncBaseTransport

    from account_health.config import Config
    from account_health.evaluation import Evaluation
    from account_health.inputs import Inputs
    from account_health.model import Assessment

_Made = TypeVar("_Made")
SuppliedValue = float | str | bool
"""What a caller may pass for a metric: a number, a level by name, or true and false for the levels yes and no."""


@dataclass(frozen=True)
class Workspace:
    """Sources, policy and clock of one configuration, and what was computed from unchanged inputs."""

    config: Config
    policy: Policy
    sources: Gatherer
    clock: Clock
    memory: Memory
    user: str = "somebody"
    """Who asks, for what is written down."""
    kept: Evaluations = field(default_factory=Evaluations)
    worded: Explanations = field(default_factory=Explanations)

    @classmethod
    def open(cls, config: Config, clock: Clock, transport: AsyncBaseTransport | None = None) -> Workspace:
        """Opens the configuration, reading no source yet; raises ConfigurationError listing what is wrong."""
        database = open_database()
        sources = [
            build(source, Context(config.folder, database.cursor(), clock, transport)) for source in config.sources
        ]
        known = Known((), read_crosswalk(config), shared_domains(config))
        gatherer = Gatherer(
            sources, database, clock=clock, settings=config.gather, crosswalk=known, is_demo=config.is_demo
        )
        return cls(config, load_policy(config.policy), gatherer, clock, Memory(config.history, clock), current_user())

    @property
    def notices(self) -> tuple[str, ...]:
        """What every answer of this workspace has to say, e.g. that its accounts are fictional."""
        return (say(DEMO_NOTICE),) if self.config.is_demo else ()

    @property
    def language(self) -> str:
        """The code of the language that is spoken unless a question asks for another."""
        return self.config.language

    def instant(self, as_of: str | None = None) -> datetime:
        """The asked instant: as given, else the configured day of a frozen export, else now; naive UTC."""
        return asked_instant(as_of or self.config.as_of, self.policy.time_zone, self.clock())

    def call(self, *, refresh: bool = False) -> Call:
        """A call about one account that starts now and keeps the configured deadline."""
        return Call(anyio.current_time() + self.config.gather.deadline_seconds, refresh)

    async def directory(self, as_of: datetime, like: str | None = None) -> Directory:
        """Every account of the configured sources, sorted by name; of live ones with `like` those it could mean."""
        return (await self.sources.roster(self.policy, as_of, like)).directory

    async def find(self, account: str, as_of: datetime, call: Call | None = None) -> Entry:
        """The account with this id, name or domain; raises AccountNotFound or AmbiguousAccount.

        Raises SourceError if it is not found and not all accounts could be listed.
        """
        roster = await self.sources.roster(self.policy, as_of, account, call)
        try:
            return roster.directory.find(account)
        except AccountNotFound as err:
            if not roster.unread:
                raise
            raise SourceError(
                say("The account was not found, but not all are listed: {problem}", problem=roster.unread[0])
            ) from err

    async def inputs(self, as_of: datetime, accounts: Sequence[str] | None = None) -> Inputs:
        """The gathered inputs, before anything is computed from them."""
        return await self.sources.gather(self.policy, as_of, accounts)

    async def evaluate(
        self,
        as_of: datetime,
        accounts: Sequence[str] | None = None,
        call: Call | None = None,
        known_until: datetime | None = None,
    ) -> Evaluation:
        """Scores and flags as arrays, for searching and counting; with `known_until` of what had happened by then."""
        return await evaluated(self.sources, self.policy, as_of, accounts, self.kept, call, known_until)

    async def compute(self, work: Callable[[], _Made], *, size: int) -> _Made:
        """What the work makes of so many accounts, in turn with all else that is computed here."""
        return await self.sources.bench.make(work, size=size)

    async def assess(
        self, account: str, as_of: str | None = None, *, refresh: bool = False, vocabulary: str = ""
    ) -> Assessment:
        """The assessment of one account by id, name or domain, with what the history knows of it.

        `refresh` asks live sources again, `vocabulary` says it in another system's words too. Where the configuration
        says so, an answer as of now is recorded.
        """
        if vocabulary:
            vocabulary_named(self.policy, vocabulary)
        assessment, evaluation = await self.assessed(account, as_of, refresh=refresh)
        assessment = spoken(assessment, evaluation, vocabulary) if vocabulary else assessment
        if self.config.history.record == "answers" and not as_of:
            return await self._recorded(assessment, evaluation)
        return assessment

    async def assessed(
        self, account: str, as_of: str | None = None, since: datetime | None = None, *, refresh: bool = False
    ) -> tuple[Assessment, Evaluation]:
        """The same with the evaluation it was made of, never recorded, and compared with a reading of one's choice."""
        instant, call = self.instant(as_of), self.call(refresh=refresh)
        entry = await self.find(account, instant, call)
        evaluation = await self.evaluate(instant, [entry.id], call)
        explained = self.worded.of(evaluation, 0)
        recalled = await self.memory.recall(entry.id, instant, self.policy, since)
        if recalled == Recalled():
            return explained, evaluation
        then = None
        if recalled.reading:
            then = await self.evaluate(instant, [entry.id], call, recalled.reading.as_of)
        return self.worded.remembered(explained, evaluation, then, recalled), evaluation

    async def _recorded(self, assessment: Assessment, evaluation: Evaluation) -> Assessment:
        """The assessment, kept in the history; where that fails it says so and stands all the same."""
        try:
            await record_account(self.memory, evaluation, self.policy, self.user)
        except HistoryError as err:
            unrecorded = say("Not recorded: {problem}", problem=err.sentence)
            return assessment.model_copy(update={"notices": (*assessment.notices, unrecorded)})
        return assessment


def open_database() -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB that knows time zones and reads zoneless text as UTC."""
    database = duckdb.connect(":memory:")
    database.execute("LOAD icu")
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    return database


async def assess_supplied(
    name: str, values: Mapping[str, SuppliedValue], policy: Policy, as_of: datetime
) -> Assessment:
    """The assessment of metric values the caller already has; raises CallerError naming what cannot be used."""
    checked = {
        metric: (policy.metrics[metric].source, _number(metric, value, policy))
        for metric, value in _known(values, policy)
    }
    source = Supplied(name.strip() or say("Supplied account"), checked)
    gatherer = Gatherer([source], open_database(), clock=lambda: as_of.replace(tzinfo=UTC))
    return (await assess(gatherer, policy, as_of))[0]


def _known(values: Mapping[str, SuppliedValue], policy: Policy) -> list[tuple[str, SuppliedValue]]:
    unknown = [metric for metric in values if metric not in policy.metrics]
    if not values or unknown:
        near = nearest_words(unknown[0], policy.metrics) if unknown else []
        hint = say("Nearest: {metrics}.", metrics=", ".join(near)) if near else ""
        number = len(unknown)
        raise CallerError(
            count("{n} of the metrics are not in the policy.", "{n} of the metrics are not in the policy.", number)
            if unknown
            else say("No metric values were given."),
            together(hint, say("Known metrics: {metrics}.", metrics=", ".join(policy.metrics))),
        )
    return list(values.items())


def _number(metric: str, value: SuppliedValue, policy: Policy) -> float:
    """The number a value stands for; levels may be given by name, and true or false are the levels yes and no."""
    levels = policy.metrics[metric].levels
    known = say("Levels: {levels}.", levels=", ".join(levels))
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, str):
        if not levels:
            unit = word("unit", policy.metrics[metric].unit)
            raise CallerError(say("{metric} must be a number.", metric=metric), say("Its unit is {unit}.", unit=unit))
        if value.casefold() not in levels:
            raise CallerError(say("{metric} has no such level.", metric=metric), known)
        return float(levels.index(value.casefold()))
    if not math.isfinite(value):
        raise CallerError(say("{metric} must be finite.", metric=metric), say("Leave out what is not known."))
    if not policy.metrics[metric].allows(value) and not levels:
        bounds = policy.metrics[metric].bounds
        raise CallerError(
            say("{metric} must be {bounds}.", metric=metric, bounds=bounds), say("Leave out what is not known.")
        )
    if levels and value not in range(len(levels)):
        raise CallerError(say("{metric} has no level {value}.", metric=metric, value=f"{value:g}"), known)
    return float(value)
