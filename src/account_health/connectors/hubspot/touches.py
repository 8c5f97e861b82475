"""Touches: what meetings, calls, mails and survey answers in HubSpot mean in our words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from account_health.connectors.hubspot.rows import instant, named
from account_health.connectors.live.words import Values, known, says

if TYPE_CHECKING:
    from account_health.connectors.hubspot.objects import CrmObject
    from account_health.connectors.hubspot.settings import HubSpotSettings
    from account_health.tables import Row

ENGAGEMENT_PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "meetings": ("hs_timestamp", "hs_meeting_title", "hs_activity_type", "hs_meeting_outcome"),
    "calls": ("hs_timestamp", "hs_call_direction", "hs_call_disposition"),
    "emails": (
        "hs_timestamp", "hs_email_direction", "hs_email_status", "hs_email_thread_id", "hs_email_reply_count",
        "hs_incoming_email_is_out_of_office",
    ),
}  # fmt: skip
CONTACT_PROPERTIES = ("jobtitle", "hs_buying_role")
RESPONSE_PROPERTIES = ("hs_survey_type", "hs_value", "hs_response_group", "hs_submission_timestamp", "hs_createdate")

REPLY = "INCOMING_EMAIL"
"""The direction of a mail that the customer wrote."""

_UNSENT = {"BOUNCED", "FAILED", "SCHEDULED", "SENDING"}
_NPS_SCALE = (0.0, 10.0)
_GROUPS = {"DETRACTOR": "0", "PASSIVE": "1", "PROMOTER": "2"}
_GROUPS_SCALE = (0.0, 2.0)


def is_executive(contact: CrmObject, settings: HubSpotSettings) -> bool | None:
    """Whether a contact is an executive; None if neither title nor role is known."""
    roles, title = (contact.get("hs_buying_role") or "").split(";"), contact.get("jobtitle")
    if named(settings.executive_roles, *roles):
        return True
    if not title:
        return None
    return says(settings.executive_titles, title) and not says(settings.not_executive_titles, title)


def anyone(answers: Iterable[bool | None]) -> bool | None:
    """True if one is; False only if it is known of each of them that they are not."""
    given = list(answers)
    return True if True in given else None if None in given or not given else False


def meeting(found: CrmObject, settings: HubSpotSettings) -> Values | None:
    """A meeting, or None if it did not take place."""
    outcome = found.get("hs_meeting_outcome")
    if named(settings.cancelled_outcomes, outcome):
        return None
    is_review = any(says(settings.review_titles, found.get(name)) for name in ("hs_meeting_title", "hs_activity_type"))
    attended = True if named(settings.attended_outcomes, outcome) else None
    return known(
        touchpoint_id=found.id,
        at=instant(found.get("hs_timestamp")),
        kind="qbr" if is_review else "meeting",
        attended=False if named(settings.missed_outcomes, outcome) else attended,
    )


def call(found: CrmObject, settings: HubSpotSettings) -> Values:
    """A call; whether it was answered is known once its outcome is."""
    direction, outcome = (found.get("hs_call_direction") or "").lower(), found.get("hs_call_disposition")
    answered = named(settings.answered_calls, outcome) if outcome else None
    return known(
        touchpoint_id=found.id,
        at=instant(found.get("hs_timestamp")),
        kind="call",
        direction=direction if direction in ("inbound", "outbound") else None,
        attended=answered,
        replied=answered if direction == "outbound" else None,
    )


def note_answers(mails: Iterable[CrmObject], answered: dict[str, datetime]) -> None:
    """Notes when the customer last wrote in each thread; automatic replies do not count."""
    for found in mails:
        at, thread = instant(found.get("hs_timestamp")), found.get("hs_email_thread_id")
        is_answer = direction_of(found) == "inbound" and found.get("hs_incoming_email_is_out_of_office") != "true"
        if is_answer and thread and isinstance(at, datetime):
            answered[thread] = max(at, answered.get(thread, at))


def direction_of(found: CrmObject) -> str | None:
    """Who wrote the mail, if that is known; a mail that was forwarded to HubSpot may be anybody's."""
    return {"EMAIL": "outbound", REPLY: "inbound"}.get(found.get("hs_email_direction") or "")


def mail(found: CrmObject, answered: Mapping[str, datetime], earlier: Row | None = None) -> Values | None:
    """A mail, or None if it never went out; what was answered in an earlier reading stays so."""
    direction, at = direction_of(found), instant(found.get("hs_timestamp"))
    if direction == "outbound" and found.get("hs_email_status") in _UNSENT:
        return None
    replied = getattr(earlier, "replied", None) or _replied(found, at, answered)
    return known(
        touchpoint_id=found.id,
        at=at,
        kind="mail",
        direction=direction,
        replied=replied if direction == "outbound" else None,
    )


def _replied(found: CrmObject, at: Any, answered: Mapping[str, datetime]) -> bool | None:
    """Whether the thread or HubSpot's own count has a reply; None if there is neither."""
    thread, count = found.get("hs_email_thread_id"), found.get("hs_email_reply_count")
    if count not in (None, "0"):
        return True
    if not thread or not isinstance(at, datetime):
        return None if count is None else False
    return thread in answered and answered[thread] > at


def is_before(since: datetime, values: Values | None) -> bool:
    """Whether a survey response was given before the instant, naive UTC."""
    given = (values or {}).get("responded_at")
    return isinstance(given, datetime) and given < since.replace(tzinfo=UTC)


def is_off_scale(values: Values) -> bool:
    """Whether the answer of a survey response is a number outside its scale."""
    try:
        return not values["scale_low"] <= float(values["score"]) <= values["scale_high"]
    except ValueError:
        return False


def response(found: CrmObject, settings: HubSpotSettings) -> Values | None:
    """An answer to an NPS, CSAT or CES survey, or None if it is another survey or has no rating."""
    kind, score = (found.get("hs_survey_type") or "").lower(), found.get("hs_value")
    scale = {"nps": _NPS_SCALE, "csat": settings.csat_scale or _GROUPS_SCALE, "ces": settings.ces_scale}.get(kind)
    if kind == "csat" and not settings.csat_scale:
        score = _GROUPS.get((found.get("hs_response_group") or "").upper())
    if not scale or score is None:
        return None
    return known(
        response_id=found.id,
        kind=kind,
        score=score,
        scale_low=scale[0],
        scale_high=scale[1],
        responded_at=instant(found.get("hs_submission_timestamp") or found.get("hs_createdate")),
    )
