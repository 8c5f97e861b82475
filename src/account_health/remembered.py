"""Remembered: what the history adds to an assessment: the change, the life of its flags, the status people set."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from account_health.change import explained, whole_points
from account_health.chronicle import Change, FlagPhase, ManualStatus, Phase, TrendPoint
from account_health.history.records import Kind
from account_health.language import clauses, mark, say
from account_health.markup import prose, visible
from account_health.metrics.windows import local_day
from account_health.model import FlagState
from account_health.vocabularies import bands_of, conditions, word
from account_health.wording import day, rounded, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.chronicle import ChangeParts
    from account_health.evaluation import Evaluation
    from account_health.history.records import Activity, Reading
    from account_health.memory import Recalled
    from account_health.model import Assessment, RiskFlag
    from account_health.policy import Policy

_PARTS = {
    "policy": mark("a changed policy"),
    "coverage": mark("sources"),
    "time": mark("passing time"),
    "data": mark("new data"),
}


_SINCE = mark("Since {day}: {before} → {after} ({why}).")


def remembered(
    assessment: Assessment, evaluation: Evaluation, then: Evaluation | None, recalled: Recalled
) -> Assessment:
    """The assessment with what the history knows; `then` is today's clock over what had happened by the reading."""
    policy = evaluation.policy
    added = {
        "change": _change(assessment, evaluation, then, recalled) if recalled.reading and then else None,
        "manual_status": manual_status(recalled.said, evaluation),
        "flags": tuple(_lived(flag, recalled, policy, evaluation.inputs.as_of) for flag in assessment.flags),
        "notices": (
            *assessment.notices,
            *(prose(notice, policy.limits.text_characters) for notice in recalled.notices),
        ),
    }
    return assessment.model_copy(update=added)


def manual_status(said: Sequence[Activity], evaluation: Evaluation) -> ManualStatus | None:
    """The last status that somebody set, unless it was withdrawn or is over, with what is computed beside it."""
    last = next((activity for activity in reversed(said) if activity.kind is Kind.STATUS), None)
    if last is None or last.after is None or last.subject not in evaluation.policy.vocabularies:
        return None
    if last.expires_at is not None and last.expires_at < evaluation.inputs.as_of:
        return None
    policy = evaluation.policy
    vocabulary, most = policy.vocabularies[last.subject], policy.limits.text_characters
    holds = conditions(vocabulary, evaluation.matrix)[0].tolist()
    score, band = evaluation.score_rounded(0), evaluation.band(0)
    computed = word(vocabulary, score, policy, holds) if score is not None else None
    # A word that a comparison decides about has no bands: it agrees with itself alone.
    bands = [bands_of(vocabulary, text, policy) for text in (computed or "", last.after)]
    return ManualStatus(
        status=last.after,
        vocabulary=last.subject,
        description=visible(last.description, most) if last.description else None,
        author=visible(last.author, policy.limits.name_characters),
        set_at=last.at.replace(tzinfo=UTC),
        expires_at=last.expires_at.replace(tzinfo=UTC) if last.expires_at else None,
        computed=computed,
        agrees=None if band is None else computed == last.after or all(band in found for found in bands),
    )


def _change(assessment: Assessment, evaluation: Evaluation, then: Evaluation, recalled: Recalled) -> Change:
    reading: Reading = recalled.reading  # type: ignore[assignment] # the caller has looked
    found = explained(reading, recalled.metrics, then, evaluation)
    raised = {flag.flag for flag in assessment.flags if flag.state is FlagState.RAISED}
    clear = {flag.flag for flag in assessment.flags if flag.state is FlagState.CLEAR}
    trend = [*recalled.trend, (evaluation.inputs.as_of, assessment.score)]
    return Change(
        since=reading.as_of.replace(tzinfo=UTC),
        from_=reading.score,
        to=assessment.score,
        parts=found.parts if found else None,
        drivers=found.drivers if found else (),
        opened=tuple(sorted(raised - reading.flags.raised.keys())),
        cleared=tuple(sorted(clear & reading.flags.raised.keys())),
        trend=tuple(TrendPoint(as_of=at.replace(tzinfo=UTC), score=score) for at, score in trend),
        sentence=change_sentence(reading, assessment, found.parts if found else None, evaluation.policy),
    )


def change_sentence(reading: Reading, assessment: Assessment, parts: ChangeParts | None, policy: Policy) -> str:
    """E.g. `Since 2026-10-22: 71 → 62 (−9, all new data).`; points shown add up to the difference of those shown."""
    since = day(reading.as_of, policy.time_zone)
    before = _shown(None if reading.score is None else rounded(reading.score))
    after = _shown(assessment.score_rounded)
    if parts is None:
        is_same = before == after
        why = say("nothing to compare") if is_same else say("no parts, for there is no score at one end")
        return say(_SINCE, day=since, before=before, after=after, why=why)
    total = int(after) - int(before)
    points = whole_points([getattr(parts, name) for name in _PARTS], total)
    moved = [(say(words), point) for words, point in zip(_PARTS.values(), points, strict=True) if point]
    if not moved:
        return say(_SINCE, day=since, before=before, after=after, why=say("unchanged"))
    if len(moved) == 1:
        why = say("{points}, all {part}", points=signed(total), part=moved[0][0])
        return say(_SINCE, day=since, before=before, after=after, why=why)
    whole = signed(total) if total else say("unchanged")
    told = ", ".join(f"{words} {signed(point)}" for words, point in sorted(moved, key=lambda part: -abs(part[1])))
    why = say("{points}: {parts}", points=whole, parts=told)
    return say(_SINCE, day=since, before=before, after=after, why=why)


def _shown(score: int | None) -> str:
    return say("not scored") if score is None else str(score)


def driver_sentences(change: Change, most: int) -> str:
    """The metrics that moved the score most, up and down: `Up: ... Down: ...`; empty where none did by a tenth."""
    said = []
    for label, sign in ((mark("Down: {drivers}."), -1), (mark("Up: {drivers}."), 1)):
        chosen = [d for d in change.drivers if round(d.change, 1) * sign > 0][:most]
        if chosen:
            drivers = clauses(f"{d.sentence} ({signed(d.change, 1)})" for d in chosen)
            said.append(say(label, drivers=drivers))
    return " ".join(said)


_LEVELS = "▁▂▃▄▅▆▇█"


def trend_line(change: Change, time_zone: str) -> str:
    """The recorded scores as blocks from 0 to 100 with what they began and ended at; a dot where there was no score.

    Empty for fewer than two.
    """
    if len(change.trend) <= 1:
        return ""
    top = len(_LEVELS) - 1
    blocks = "".join(
        "·" if point.score is None else _LEVELS[min(int(point.score * len(_LEVELS) / 100), top)]
        for point in change.trend
    )
    ends = [change.trend[0].score, change.trend[-1].score]
    shown = " → ".join(_shown(None if score is None else rounded(score)) for score in ends)
    since = day(change.trend[0].as_of.replace(tzinfo=None), time_zone)
    return say("{blocks} {scores} since {day}", blocks=blocks, scores=shown, day=since)


def _lived(flag: RiskFlag, recalled: Recalled, policy: Policy, as_of: datetime) -> RiskFlag:
    """The flag with its life, if the history knows of it; without readings, since somebody first spoke of it."""
    spoken = [local_day(a.at, policy.time_zone) for a in recalled.said if a.subject == flag.flag]
    if flag.state is not FlagState.RAISED or not (recalled.newest or spoken):
        return flag
    today = local_day(as_of, policy.time_zone)
    known = recalled.newest.flags.since.get(flag.flag) if recalled.newest else min(spoken)
    return flag.model_copy(update={"life": phase_of(flag.flag, known or today, recalled.said, policy, as_of)})


def phase_of(flag: str, since: date, said: Sequence[Activity], policy: Policy, as_of: datetime) -> FlagPhase:
    """Where a raised flag is in its life: what people last said of it since it opened, else whether it is new."""
    today = local_day(as_of, policy.time_zone)
    computed = FlagPhase(phase=Phase.OPENED if since == today else Phase.PERSISTING, since=since)
    last = next((a for a in reversed(said) if a.kind is Kind.FLAG and a.subject == flag), None)
    if last is None or local_day(last.at, policy.time_zone) < since or last.after == Phase.PERSISTING:
        return computed
    if last.after == Phase.SNOOZED and (last.expires_at is None or last.expires_at <= as_of):
        return computed
    return FlagPhase(
        phase=Phase(str(last.after)),
        since=since,
        by=visible(last.author, policy.limits.name_characters),
        until=local_day(last.expires_at, policy.time_zone) if last.expires_at else None,
        note=visible(last.description, policy.limits.text_characters) if last.description else None,
    )
