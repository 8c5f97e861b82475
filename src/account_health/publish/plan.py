"""Plan: what publishing would change in the company, found out by reading alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING

from account_health.connectors.demo import Demo
from account_health.errors import CallerError, ConfigurationError
from account_health.history.records import Kind
from account_health.language import say, speaking
from account_health.overview import Looked, View, not_read
from account_health.publish.customers import customers_of
from account_health.publish.health import Health, Standing, customers_standing
from account_health.publish.report import HealthHeld, Outcome, Publication, PublishedRecord, summary
from account_health.publish.settings import section
from account_health.publish.target import LABEL, Target
from account_health.publish.target_settings import SECTION, IntacctSettings
from account_health.readings import profiles_of
from account_health.standings import Standings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpx2 import AsyncBaseTransport

    from account_health.errors import Fault
    from account_health.overview import Overview
    from account_health.publish.customers import Customers
    from account_health.publish.fields import Fields
    from account_health.publish.target import Customer
    from account_health.workspace import Workspace

_DIGITS = 8
_FIRST = (
    Outcome.FAILED,
    Outcome.TO_WRITE,
    Outcome.WRITTEN,
    Outcome.NOT_MATCHED,
    Outcome.NOT_SCORED,
    Outcome.UNCHANGED,
)
"""What a report that is cut off still has to show comes first."""


@dataclass(frozen=True)
class Entry:
    """One customer of an account: what stands there, what we say, and what is to be done or became of it."""

    standing: Standing
    outcome: Outcome
    customer: str | None = None
    key: str = ""
    before: Health | None = None
    after: Health | None = None
    fault: Fault | None = None
    sentence: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be done for which customers, and what has to be known to do it just once."""

    target: Target
    fields: Fields
    view: View
    entries: tuple[Entry, ...]
    last: Mapping[str, int]
    """Per account the number of its last publication on record."""
    applied: bool = False

    @property
    def to_write(self) -> tuple[Entry, ...]:
        """The customers that differ from what we say."""
        return tuple(entry for entry in self.entries if entry.outcome is Outcome.TO_WRITE)

    @property
    def digest(self) -> str:
        """Tells two lists of changes apart."""
        changes = [(entry.customer, str(entry.before), str(entry.after)) for entry in self.to_write]
        return hashlib.sha256(repr(changes).encode()).hexdigest()[:_DIGITS]

    @property
    def newest(self) -> int:
        """The number of the newest publication of any of these accounts."""
        return max((self.last.get(entry.standing.account, 0) for entry in self.entries), default=0)

    def report(self, limit: int | None = None) -> Publication:
        """The plan, or what became of it, as it is published; of all but those that are unchanged, at most `limit`."""
        counts = {outcome: sum(entry.outcome is outcome for entry in self.entries) for outcome in Outcome}
        told = [e for e in self.entries if e.outcome is not Outcome.UNCHANGED or len(self.entries) == 1]
        told.sort(key=lambda entry: _FIRST.index(entry.outcome))
        return Publication(
            to=SECTION,
            applied=self.applied,
            as_of=self.view.standings.as_of.replace(tzinfo=UTC),
            counts=counts,
            records=tuple(map(_record, told[:limit])),
            more=len(told) - len(told[:limit]),
            sentence=summary(counts, applied=self.applied),
            notices=self.view.notices,
            policy=self.view.standings.policy.ref,
        )


def target_of(workspace: Workspace, transport: AsyncBaseTransport | None = None) -> Target:
    """The configured company; raises ConfigurationError if there is none, or if accounts are fictional."""
    if any(source.connector == Demo.kind for source in workspace.config.sources):
        raise ConfigurationError(
            say("The demo accounts are fictional and are not written to {system}.", system=LABEL),
            say("Take the demo out, and configure the sources that know your accounts."),
        )
    settings = section(workspace.config, SECTION, IntacctSettings)
    if settings is None:
        raise ConfigurationError(
            say("Where to write to is not configured."), say("Add the section [publish.intacct]; see REFERENCE.md.")
        )
    return Target.of(settings, workspace.clock, transport)


async def planned(
    overview: Overview,
    account: str = "",
    as_of: str | None = None,
    *,
    refresh: bool = False,
    target: Target | None = None,
) -> Plan:
    """What would change for one account by id, name or domain, or for all customers (empty).

    Reads only; `refresh` computes although a recorded run is fresh. Raises ConfigurationError if the company's fields
    do not fit, SourceError if it cannot be asked.
    """
    workspace = overview.workspace
    target = target or target_of(workspace)
    last = await workspace.memory.ask(lambda store: store.last_published()) if workspace.memory.exists else {}
    if account:
        view = await _view_of_one(workspace, account, as_of, refresh=refresh)
    else:
        view = await overview.view(as_of, refresh=refresh)
    standing = customers_standing(view)
    if account and not standing:
        raise CallerError(
            say("Only customers have a health in Sage Intacct, and this account is none."),
            say("The policy says which lifecycles are customers."),
        )
    customers = await customers_of(workspace, target.settings, standing, view.standings.as_of)
    wanted = [customer for ids in customers.ids.values() for customer in ids]
    with speaking(target.settings.language):
        async with target.open() as connection:
            fields = await target.fields(connection, workspace.policy)
            found = await target.customers(connection, fields, wanted)
    entries = tuple(entry for one in standing for entry in _entries(one, customers, found, fields))
    plan = Plan(target, fields, view, entries, last)
    if await _is_overtaken(workspace, plan):
        return await planned(overview, account, as_of, refresh=True, target=target)
    return plan


async def _is_overtaken(workspace: Workspace, plan: Plan) -> bool:
    """Whether it would write a recorded run over what was published of an account after that run."""
    instant = plan.view.standings.as_of
    if plan.view.asked is None or plan.view.asked <= instant or not workspace.memory.exists:
        return False
    later = await workspace.memory.ask(lambda store: store.activities(kind=Kind.PUBLISHED, since=instant))
    accounts = {published.account for published in later if published.at > instant}
    return any(entry.standing.account in accounts for entry in plan.to_write)


async def _view_of_one(workspace: Workspace, account: str, as_of: str | None, *, refresh: bool) -> View:
    """The view of one account alone, without reading all the others."""
    instant, call = workspace.instant(as_of), workspace.call(refresh=refresh)
    entry = await workspace.find(account, instant, call)
    evaluation = await workspace.evaluate(instant, [entry.id], call)
    standings = Standings.of_evaluation(evaluation, profiles_of(evaluation))
    return View(Looked.at(standings), {}, (*workspace.notices, *not_read(evaluation)), instant)


def _entries(
    standing: Standing, customers: Customers, found: Mapping[str, Customer], fields: Fields
) -> Iterator[Entry]:
    """What is to be done for every customer that the account is."""
    after = fields.wanted(standing.health) if standing.health else None
    if standing.account not in customers.ids:
        is_shared = standing.account in customers.shared
        why = say("Another account has the same customer id.") if is_shared else say("The account has no customer id.")
        yield Entry(standing, Outcome.NOT_MATCHED, after=after, sentence=why)
        return
    for customer in customers.ids[standing.account]:
        there = found.get(customer)
        entry = Entry(standing, Outcome.NOT_MATCHED, customer, after=after)
        if there is None:
            yield replace(entry, sentence=say("{system} has no customer with this id.", system=LABEL))
            continue
        if there.is_repeated:
            yield replace(entry, sentence=say("{system} has this customer id more than once.", system=LABEL))
            continue
        entry = replace(entry, key=there.key, before=there.health)
        if after is None:
            stays = say("It has no score here, so what stands in {system} stays.", system=LABEL)
            yield replace(entry, outcome=Outcome.NOT_SCORED, sentence=None if there.health.score is None else stays)
        else:
            yield replace(entry, outcome=Outcome.UNCHANGED if there.health == after else Outcome.TO_WRITE)


def _record(entry: Entry) -> PublishedRecord:
    def held(health: Health | None) -> HealthHeld | None:
        return None if health is None else HealthHeld(**vars(health))

    return PublishedRecord(
        account=entry.standing.account,
        name=entry.standing.name,
        customer=entry.customer,
        outcome=entry.outcome,
        before=held(entry.before),
        after=held(entry.after),
        fault=entry.fault.value if entry.fault else None,
        sentence=entry.sentence,
    )


def entries_by(entries: Sequence[Entry], done: Mapping[tuple[str, str | None], Entry]) -> tuple[Entry, ...]:
    """The entries with those that something became of in their place."""
    return tuple(done.get((entry.standing.account, entry.customer), entry) for entry in entries)
