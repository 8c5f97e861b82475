"""At risk: the accounts that need somebody, page by page, the most urgent first, with one action and its day each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from account_health.at_risk_accounts import AtRiskAccount, AtRiskAccounts, RiskSignal
from account_health.attention import Attention
from account_health.errors import CallerError
from account_health.flags import SEVERITIES
from account_health.language import clauses, count, figure, forms, say
from account_health.markup import visible
from account_health.metrics.windows import local_day
from account_health.model import Severity
from account_health.pages import cursor_after, start_of
from account_health.renewal_window import RenewalWindow
from account_health.vocabularies import conditions as vocabulary_conditions
from account_health.vocabularies import status_word, vocabulary_named
from account_health.wording import NO_CUSTOMERS, of_severity, severity_word

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from account_health.overview import Overview, View

    Bools = NDArray[np.bool_]

_QUIET = forms(
    "{n} left out because all of their flags are snoozed", "{n} left out because all of their flags are snoozed"
)
TIERS = tuple(severity for severity in Severity if severity is not Severity.NONE)


@dataclass(frozen=True)
class WantedAtRisk:
    """What a list asks for; empty fields ask for nothing. `tier` is the least urgent one that is listed."""

    segment: str = ""
    owner: str = ""
    renewing: str = ""
    tier: str = ""
    top_by_arr: int = 0


async def at_risk(  # noqa: PLR0913 - what the tool and the command line ask for
    overview: Overview,
    wanted: WantedAtRisk,
    limit: int,
    cursor: str = "",
    as_of: str | None = None,
    *,
    vocabulary: str = "",
    refresh: bool = False,
) -> AtRiskAccounts:
    """The page of accounts that need somebody; raises CallerError for a tier, window, word or cursor that is none."""
    policy = overview.workspace.policy
    if wanted.tier and wanted.tier not in TIERS:
        raise CallerError(say("There is no such tier."), say("Tiers: {tiers}.", tiers=", ".join(TIERS)))
    if vocabulary:
        vocabulary_named(policy, vocabulary)
    start_of(cursor, wanted)
    if wanted.renewing:
        RenewalWindow.parse(wanted.renewing, local_day(overview.workspace.instant(as_of), policy.time_zone))
    view = await overview.view(as_of, refresh=refresh)
    page = partial(_page, view, wanted, limit, cursor, vocabulary)
    return await overview.workspace.compute(page, size=len(view.standings.accounts))


def _page(view: View, wanted: WantedAtRisk, limit: int, cursor: str, vocabulary: str) -> AtRiskAccounts:
    start, attention = start_of(cursor, wanted), Attention(view)
    chosen = _chosen(view, wanted, attention)
    lowest = SEVERITIES.index(Severity(wanted.tier)) if wanted.tier else len(TIERS) - 1
    rows = attention.order[chosen[attention.order] & (attention.tiers[attention.order] <= lowest)]
    end = start + limit
    counts = dict(zip(map(str, TIERS), np.bincount(attention.tiers[rows], minlength=len(TIERS)).tolist(), strict=True))
    return AtRiskAccounts(
        as_of=view.as_of,
        summary=_summary(attention, wanted, chosen, counts),
        tiers=counts,
        accounts=_accounts(attention, rows[start:end].tolist(), vocabulary),
        total=len(rows),
        arr_at_risk=view.selection.money(rows),
        next_cursor=cursor_after(end, wanted) if end < len(rows) else None,
        notices=view.notices,
        policy=view.standings.policy.ref,
    )


def _chosen(view: View, wanted: WantedAtRisk, attention: Attention) -> Bools:
    """Which customers fit the filters, at most so many of them, those with the highest ARR."""
    chosen = view.selection.customers(wanted.segment, wanted.owner)
    if wanted.renewing:
        window = RenewalWindow.parse(wanted.renewing, attention.today)
        renewals = view.standings.renewals
        chosen &= (renewals >= np.datetime64(window.first)) & (renewals <= np.datetime64(window.last))
    if wanted.top_by_arr:
        arr = np.where(chosen & ~np.isnan(view.standings.arr), view.standings.arr, -1.0)
        top = np.argsort(-arr, kind="stable")[: wanted.top_by_arr]
        is_top = np.zeros_like(chosen)
        is_top[top] = True
        chosen &= is_top & (arr >= 0)
    return chosen


def _summary(attention: Attention, wanted: WantedAtRisk, chosen: Bools, counts: dict[str, int]) -> str:
    standings, selection = attention.view.standings, attention.view.selection
    total, among = sum(counts.values()), int(chosen.sum())
    tiers = ", ".join(of_severity(Severity(tier), n) for tier, n in counts.items() if n)
    values = {"n": figure(total), "all": figure(among)}
    text = (
        say(
            "{n} of {all} accounts need attention (tier {tier} or more urgent)",
            tier=severity_word(Severity(wanted.tier)),
            **values,
        )
        if wanted.tier
        else say("{n} of {all} accounts need attention", **values)
    )
    parts = [say("{sentence}: {tiers}", sentence=text, tiers=tiers) if tiers else text, standings.completeness(chosen)]
    gaps = standings.data_gaps(chosen)
    parts += [say("data missing from {sources}", sources=gaps)] if gaps else []
    if quiet := int((attention.quieted & chosen).sum()):
        parts.append(count(*_QUIET, quiet, n=figure(quiet)))
    if others := int((selection.among(wanted.segment, wanted.owner) & ~standings.is_customer).sum()):
        parts.append(count(*NO_CUSTOMERS, others, n=figure(others)))
    return clauses(parts) + "."


def _accounts(attention: Attention, rows: Sequence[int], vocabulary: str) -> tuple[AtRiskAccount, ...]:
    words = _words(attention, rows, vocabulary)
    return tuple(_account(attention, row, words.get(row)) for row in rows)


def _words(attention: Attention, rows: Sequence[int], vocabulary: str) -> dict[int, str | None]:
    """The word of each row in the asked vocabulary."""
    if not vocabulary:
        return {}
    standings = attention.view.standings
    policy = standings.policy
    holds = vocabulary_conditions(policy.vocabularies[vocabulary], standings.matrix)
    return {
        row: status_word(
            policy,
            vocabulary,
            float(standings.rounded[row]) if standings.scores.scored[row] else None,
            standings.band(row),
            SEVERITIES[standings.tiers[row]],
            holds[row].tolist(),
        ).word
        for row in rows
    }


def _account(attention: Attention, row: int, word: str | None) -> AtRiskAccount:
    standings, view = attention.view.standings, attention.view
    profile, limits = standings.profiles[row], standings.policy.limits
    status = view.status(standings.accounts[row])
    due = attention.due(row)
    return AtRiskAccount(
        id=standings.accounts[row],
        name=visible(profile.name, limits.text_characters),
        tier=SEVERITIES[attention.tiers[row]],
        score_rounded=int(standings.rounded[row]) if standings.scores.scored[row] else None,
        band=standings.band(row),
        word=word,
        manual_status=status.after if status else None,
        segment=profile.segment and visible(profile.segment, limits.text_characters),
        owner=profile.owner and visible(profile.owner, limits.text_characters),
        arr=profile.arr,
        currency=profile.currency,
        renewal_date=profile.renewal_date,
        signals=tuple(
            RiskSignal(
                flag=signal.flag or None,
                name=signal.name,
                severity=signal.severity,
                detail=signal.detail,
                phase=signal.phase.value if signal.phase else None,
            )
            for signal in attention.signals(row)
        ),
        against_peers=view.peers.of_account(row),
        action=attention.action(row),
        due=due or attention.today,
    )
