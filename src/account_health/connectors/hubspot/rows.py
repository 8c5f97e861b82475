"""Rows: what HubSpot's records mean in our words. What a record does not say is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from account_health.connectors.live.words import Values, contract_meanings, known, score_columns
from account_health.identity import Record

if TYPE_CHECKING:
    from account_health.connectors.hubspot.objects import CrmObject, Pipeline
    from account_health.connectors.hubspot.settings import AccountColumn, HubSpotSettings
    from account_health.connectors.live.words import DealKind

ENTERED = ("hs_v2_date_entered_", "hs_date_entered_")
"""Before a stage's id: when a ticket entered it. Which of the two exists depends on the age of the pipeline."""
CURRENT_STAGE_ENTERED = "hs_v2_date_entered_current_stage"

DEAL_PROPERTIES = (
    "pipeline",
    "dealtype",
    "deal_currency_code",
    "hs_is_closed",
    "hs_is_closed_won",
    "hs_is_closed_lost",
)

_INSTANT = TypeAdapter(datetime)
_MILLISECONDS = 12
"""Digits of an instant in milliseconds; a shorter number is a number."""


def instant(text: str | None) -> Any:
    """The instant a text means, ISO or milliseconds since 1970; any other text comes back, and the row is rejected."""
    if text is None:
        return None
    if text.isdecimal() and len(text) < _MILLISECONDS:
        return "no instant"
    try:
        found = _INSTANT.validate_python(text)
    except ValidationError:
        return text
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def day(text: str | None) -> Any:
    """The day a text means, in UTC as HubSpot keeps days; any other text comes back, and the row is rejected."""
    found = instant(text)
    return found.date() if isinstance(found, datetime) else found


def domains(company: CrmObject) -> tuple[str, ...]:
    """The domains of a company, its main one first."""
    parts = f"{company.get('domain') or ''};{company.get('hs_additional_domains') or ''}".split(";")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def record(company: CrmObject, settings: HubSpotSettings) -> Record:
    """What a company can be matched by."""
    external_id = company.get(settings.accounts.get("external_id"))
    return Record(company.id, company.get("name") or "", (external_id,) if external_id else (), domains(company))


def account(company: CrmObject, owners: Mapping[str, str], settings: HubSpotSettings) -> Values:
    """A company as an account."""

    def get(column: AccountColumn) -> str | None:
        return company.get(settings.accounts.get(column))

    currency = _currency(get("currency"), settings)
    return known(
        account_id=company.id,
        name=company.get("name") or company.get("domain") or company.id,
        domains=domains(company),
        segment=get("segment"),
        owner=owners.get(get("owner") or ""),
        lifecycle=get("lifecycle"),
        customer_since=day(get("customer_since")),
        arr=get("arr") if currency else None,
        currency=currency if get("arr") else None,
        licensed_seats=get("licensed_seats"),
        renewal_date=day(get("renewal_date")),
        contract_status=_contract_status(get("contract_status"), settings),
        champion_active=get("champion_active"),
        parent_id=get("parent_id"),
        crm_status=get("crm_status"),
        external_id=get("external_id"),
        **score_columns(get("crm_score"), settings.score_scale, settings.score_higher_is),
    )


def _currency(code: str | None, settings: HubSpotSettings) -> str | None:
    return code.upper() if code else settings.currency


def _contract_status(word: str | None, settings: HubSpotSettings) -> str | None:
    return contract_meanings(settings.contract_words).get((word or "").casefold())


@dataclass(frozen=True)
class StageMeaning:
    """What a ticket stage says of its tickets."""

    is_support: bool
    is_closed: bool | None
    is_pending: bool
    is_escalated: bool


UNKNOWN_STAGE = StageMeaning(is_support=True, is_closed=None, is_pending=False, is_escalated=False)


def stage_meanings(pipelines: Iterable[Pipeline], settings: HubSpotSettings) -> Mapping[str, StageMeaning]:
    """What each ticket stage means, by its id."""
    return {
        stage.id: StageMeaning(
            is_support=not settings.ticket_pipelines or named(settings.ticket_pipelines, pipeline.id, pipeline.label),
            is_closed=stage.closed,
            is_pending=named(settings.pending_stages, stage.id, stage.label),
            is_escalated=named(settings.escalated_stages, stage.id, stage.label),
        )
        for pipeline in pipelines
        for stage in pipeline.stages
    }


def named(words: Iterable[str], *names: str | None) -> bool:
    """Whether one of the words, which are in lower case, is one of the names."""
    return not {name.strip().casefold() for name in names if name}.isdisjoint(words)


def ticket(
    found: CrmObject, company: str, stages: Mapping[str, StageMeaning], settings: HubSpotSettings
) -> Values | None:
    """A ticket, or None if its pipeline is not support."""
    columns = settings.tickets
    stage = stages.get(found.get("hs_pipeline_stage") or "", UNKNOWN_STAGE)
    if not stage.is_support:
        return None
    solved_at = instant(found.get(columns.get("solved_at")))
    is_closed = solved_at is not None if stage.is_closed is None else stage.is_closed
    return known(
        account_id=company,
        ticket_id=found.id,
        opened_at=instant(found.get(columns.get("opened_at"))),
        # A reopened ticket may keep the date on which it was closed before.
        solved_at=solved_at if is_closed else None,
        priority=settings.ticket_priorities.get(found.get(columns.get("priority")) or ""),
        status="closed" if is_closed else "pending" if stage.is_pending else "open",
        escalated_at=_escalated_at(found, stage, stages, settings),
        reopened_count=_reopened(found.get(columns["reopened_count"])) if "reopened_count" in columns else None,
        subject=found.get(columns.get("subject")),
    )


def _escalated_at(
    found: CrmObject, stage: StageMeaning, stages: Mapping[str, StageMeaning], settings: HubSpotSettings
) -> Any:
    """When the first of the configured rules held: since the ticket was opened, where HubSpot does not keep the day."""
    opened_at = instant(found.get(settings.tickets.get("opened_at")))
    told = [found.get(name) for name in (settings.tickets.get("escalated_at"), *entered(stages))]
    since = [opened_at if _yes(text) else instant(text) for text in told if text and _yes(text) is not False]
    if stage.is_escalated and not since:
        since.append(instant(found.get(CURRENT_STAGE_ENTERED)) or opened_at)
    if named(settings.escalated_priorities, found.get(settings.tickets.get("priority"))):
        since.append(opened_at)
    return min(since, key=str, default=None)


def entered(stages: Mapping[str, StageMeaning]) -> Sequence[str]:
    """The properties that may say when a ticket entered a stage that means: escalated."""
    return [f"{prefix}{stage}" for stage, meaning in stages.items() if meaning.is_escalated for prefix in ENTERED]


def _yes(text: str) -> bool | None:
    return {"true": True, "yes": True, "false": False, "no": False}.get(text.casefold())


def _reopened(text: str | None) -> Any:
    """How often; nothing says that an empty property means never."""
    answer = None if text is None else _yes(text)
    return text if answer is None else int(answer)


def deal_kinds(pipelines: Iterable[Pipeline], settings: HubSpotSettings) -> Mapping[str, DealKind]:
    """What the deals of each pipeline are about, by its id, as far as the settings say."""
    return {
        pipeline.id: kind
        for pipeline in pipelines
        for word, kind in settings.deal_pipelines.items()
        if named([word.strip().casefold()], pipeline.id, pipeline.label)
    }


def opportunity(
    found: CrmObject, company: str, kinds: Mapping[str, DealKind], settings: HubSpotSettings
) -> Values | None:
    """A deal, or None if it is not about what an account already has."""
    types = {word.casefold(): kind for word, kind in settings.deal_types.items()}
    kind = kinds.get(found.get("pipeline") or "") or types.get((found.get("dealtype") or "").casefold())
    if kind is None:
        return None
    amount, currency = found.get(settings.deals.get("amount")), _currency(found.get("deal_currency_code"), settings)
    if kind == "downgrade" and amount:
        amount = amount.removeprefix("-")
    return known(
        account_id=company,
        opportunity_id=found.id,
        kind=kind,
        stage_kind=_stage_kind(found),
        amount=amount if currency else None,
        currency=currency if amount else None,
        created_at=instant(found.get(settings.deals.get("created_at"))),
        close_date=day(found.get(settings.deals.get("close_date"))),
    )


def _stage_kind(deal: CrmObject) -> str | None:
    """How the deal stands; None only if it says nothing of it at all."""
    won, lost, closed = (deal.get(name) for name in ("hs_is_closed_won", "hs_is_closed_lost", "hs_is_closed"))
    if won == "true":
        return "won"
    if "true" in (lost, closed):
        return "lost"
    return "open" if "false" in (won, lost, closed) else None
