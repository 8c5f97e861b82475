"""Objects: what is read of BottleCRM's JSON, and what each of them becomes. What one does not say is left out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime

from account_health.connectors.live import Vendor
from account_health.connectors.live.words import Values, contract_meanings, known, score_columns
from account_health.domains import registrable_domain
from account_health.identity import Record

if TYPE_CHECKING:
    from account_health.connectors.bottlecrm.settings import AccountColumn, BottleCrmSettings

OWED = ("Sent", "Viewed", "Partially_Paid", "Overdue")
"""Statuses of invoices that somebody has to pay. "Overdue" is set by a nightly job that may not run, so days decide."""
_INVOICE_STATUSES = {"Draft": "draft", "Pending": "draft", "Paid": "paid", "Cancelled": "void"}
_INVOICE_STATUSES |= dict.fromkeys(OWED, "open")
_CALL_OUTCOMES = {"connected": True} | dict.fromkeys(("no_answer", "voicemail", "busy", "wrong_number"), False)


class _User(Vendor):
    name: str | None = None
    email: str | None = None


class _Profile(Vendor):
    user_details: _User


class _Rollups(Vendor):
    first_won_on: date | None = None


class _Named(Vendor):
    id: str


class Account(Vendor):
    """A company."""

    id: str
    name: str
    website: str | None = None
    email: str | None = None
    currency: str | None = None
    is_active: bool
    assigned_to: tuple[_Profile, ...] = ()
    rollups: _Rollups | None = None
    custom_fields: Mapping[str, Any] | None = None

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of its website and its mail address."""
        found = (registrable_domain(text) for text in (self.website, self.email) if text)
        return tuple(dict.fromkeys(filter(None, found)))

    def record(self, settings: BottleCrmSettings) -> Record:
        """What it can be matched by."""
        external_id = self._field("external_id", settings)
        return Record(self.id, self.name, (str(external_id),) if external_id is not None else (), self.domains)

    def row(self, settings: BottleCrmSettings) -> Values:
        """It as an account; its annual revenue is its own and not what it pays us."""
        values: Values = {column: self._field(column, settings) for column in settings.account_fields}
        owners = [profile.user_details.name or profile.user_details.email for profile in self.assigned_to]
        values["contract_status"] = _contract_status(values.get("contract_status"), settings)
        if settings.first_deal_is_start and self.rollups and values.get("customer_since") is None:
            values["customer_since"] = self.rollups.first_won_on
        if settings.closed_accounts and not self.is_active:
            values["lifecycle"] = "closed"
        values |= score_columns(values.get("crm_score"), settings.score_scale, settings.score_higher_is)
        values |= _money("arr", values.get("arr"), values.get("currency") or self.currency, settings)
        owner = next(iter(owners), None)
        return known(account_id=self.id, name=self.name, domains=self.domains, owner=owner, **values)

    def _field(self, column: AccountColumn, settings: BottleCrmSettings) -> Any:
        """What stands in the custom field behind a column."""
        value = (self.custom_fields or {}).get(settings.account_fields.get(column, ""))
        return None if value == "" else value


class Case(Vendor):
    """A support case."""

    id: str
    account: _Named | None = None
    name: str | None = None
    status: str | None = None
    priority: str | None = None
    created_at: AwareDatetime
    resolved_at: AwareDatetime | None = None
    escalation_count: int | None = None
    last_escalation_fired_at: AwareDatetime | None = None

    def row(self, settings: BottleCrmSettings) -> Values:
        """It as a ticket. The day of its closing that people type in is not heeded: it may lie before its opening."""
        escalated_at = self.last_escalation_fired_at if self.escalation_count else None
        if self.priority in settings.escalated_priorities:
            escalated_at = escalated_at or self.created_at
        return known(
            account_id=self.account and self.account.id,
            ticket_id=self.id,
            subject=self.name,
            opened_at=self.created_at,
            solved_at=self.resolved_at,
            status=_ours(settings.ticket_statuses, self.status),
            priority=_ours(settings.ticket_priorities, self.priority),
            escalated_at=escalated_at,
        )


class EscalationRule(Vendor):
    """A rule by which cases of one priority are escalated."""

    is_active: bool


class CustomField(Vendor):
    """A custom field."""

    key: str


class Deal(Vendor):
    """An opportunity."""

    id: str
    account: _Named | None = None
    opportunity_type: str | None = None
    stage_kind: str
    amount: float | None = None
    currency: str | None = None
    created_at: AwareDatetime
    closed_on: date | None = None

    def row(self, settings: BottleCrmSettings) -> Values:
        """It as an opportunity; stages are each organisation's own, their kind is not."""
        return known(
            account_id=self.account and self.account.id,
            opportunity_id=self.id,
            kind=settings.deal_types.get(self.opportunity_type or ""),
            stage_kind=self.stage_kind,
            created_at=self.created_at,
            close_date=self.closed_on,
            **_money("amount", self.amount, self.currency, settings),
        )


class Invoice(Vendor):
    """An invoice as lists show it: without the day it was paid."""

    id: str
    account: str | None = None
    status: str
    total_amount: float | None = None
    currency: str | None = None
    issue_date: date
    due_date: date | None = None

    def row(self, settings: BottleCrmSettings) -> Values:
        """It as an invoice."""
        return known(
            account_id=self.account,
            invoice_id=self.id,
            status=_ours(_INVOICE_STATUSES, self.status),
            issued_at=_midnight(self.issue_date, settings),
            due_at=self.due_date and _midnight(self.due_date, settings),
            **_money("amount", self.total_amount, self.currency, settings),
        )


class Contact(Vendor):
    """Somebody at an account."""

    id: str
    title: str | None = None


class Interaction(Vendor):
    """A meeting, call or message that somebody logged afterwards."""

    id: str
    kind: str
    direction: str | None = None
    occurred_at: AwareDatetime
    outcome: str | None = None
    subject: str | None = None

    def row(self, account_id: str, settings: BottleCrmSettings) -> Values:
        """It as a touchpoint. Only calls tell whether they reached somebody, and mails never whether they did."""
        kind = settings.interaction_kinds.get(self.kind)
        reached = _CALL_OUTCOMES.get(self.outcome or "") if kind == "call" else None
        attended = True if kind == "meeting" and settings.meetings_attended else reached
        return known(
            account_id=account_id,
            touchpoint_id=self.id,
            at=self.occurred_at,
            kind="qbr" if kind == "meeting" and settings.is_review(self.subject) else kind,
            direction=self.direction,
            attended=attended,
            replied=reached if self.direction == "outbound" else None,
        )


def _ours(words: Mapping[str, str], word: str | None) -> str | None:
    """Our word; one without a meaning is handed on, and its row rejected, because any meaning would be a guess."""
    return None if word is None else words.get(word, word)


def _money(name: str, amount: Any, currency: Any, settings: BottleCrmSettings) -> Values:
    """An amount with its currency, or neither."""
    code = currency.upper() if isinstance(currency, str) else settings.currency
    return {name: amount, "currency": code} if code and amount is not None else {name: None, "currency": None}


def _midnight(day: date, settings: BottleCrmSettings) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(settings.time_zone))


def _contract_status(word: Any, settings: BottleCrmSettings) -> str | None:
    return _ours(contract_meanings(settings.contract_words), word.casefold() if isinstance(word, str) else word)
