"""Portfolio: how all customers stand: bands, segments, owners, target, movers, and how much of it is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from account_health.flags import SEVERITIES
from account_health.history.records import NOT_SCORED
from account_health.language import clauses, count, figure, say
from account_health.markup import visible
from account_health.portfolio_report import BandShare, Group, Mover, Movers, PortfolioHealth, Target
from account_health.standings import BANDS, NO_BAND
from account_health.vocabularies import conditions, vocabulary_named, word
from account_health.wording import NO_CUSTOMERS, band_title, listed, lower_first, percent_down, trimmed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from account_health.overview import Looked, Overview, View
    from account_health.selection import Groups
    from account_health.standings import Standings

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int_]

_BAND_WORDS = (*(band.value for band in BANDS), NOT_SCORED)


async def portfolio_health(  # noqa: PLR0913 - what the tool and the command line ask for
    overview: Overview,
    segment: str = "",
    owner: str = "",
    as_of: str | None = None,
    *,
    vocabulary: str = "",
    refresh: bool = False,
) -> PortfolioHealth:
    """How the customers of a segment and an owner (empty: all) stand; raises CallerError for an unknown vocabulary."""
    policy = overview.workspace.policy
    if vocabulary:
        vocabulary_named(policy, vocabulary)
    view = await overview.view(as_of, refresh=refresh)
    at = view.standings.as_of
    before = await overview.before(at - timedelta(days=policy.changes.since_days), at)
    report = partial(_report, view, before, segment, owner, vocabulary)
    return await overview.workspace.compute(report, size=len(view.standings.accounts))


def _report(view: View, before: Looked | None, segment: str, owner: str, vocabulary: str) -> PortfolioHealth:
    standings, chosen = view.standings, view.selection.customers(segment, owner)
    gaps = standings.data_gaps(chosen)
    target = _target(standings, chosen)
    return PortfolioHealth(
        as_of=view.as_of,
        summary=_summary(view, view.selection.among(segment, owner), target),
        accounts=int(chosen.sum()),
        scored=int((chosen & standings.scores.scored).sum()),
        score=_mean(standings.scores.score, chosen & standings.scores.scored),
        coverage=_mean(standings.scores.coverage, chosen) or 0.0,
        bands=_bands(view, chosen),
        tiers=_counted([str(tier) for tier in SEVERITIES], standings.tiers[chosen]),
        words=_words(standings, chosen, vocabulary) if vocabulary else None,
        target=target,
        segments=_groups(view, view.selection.segments, chosen),
        segments_total=_count(view.selection.segments, chosen),
        owners=_groups(view, view.selection.owners, chosen),
        owners_total=_count(view.selection.owners, chosen),
        movers=_movers(standings, chosen, before) if before else None,
        data_gaps=say("Data missing from {sources}.", sources=gaps) if gaps else None,
        notices=view.notices,
        policy=standings.policy.ref,
    )


def _summary(view: View, among: Bools, target: Target) -> str:
    standings = view.standings
    others = int((among & ~standings.is_customer).sum())
    parts = [standings.completeness(among & standings.is_customer)]
    if target.actual is not None:
        text = say(
            "{share}% {bands} against a target of {target}%",
            share=percent_down(target.actual / 100),
            bands=listed([lower_first(band_title(band)) for band in target.bands]),
            target=figure(target.percent, 2, trim=True),
        )
        missing = target.missing or 0
        parts.append(
            text
            if target.is_met
            else count("{sentence}, {n} short", "{sentence}, {n} short", missing, sentence=text, n=figure(missing))
        )
    parts += [count(*NO_CUSTOMERS, others, n=figure(others))] if others else []
    text = clauses(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _target(standings: Standings, chosen: Bools) -> Target:
    wanted = standings.policy.target
    scored = chosen & standings.scores.scored
    healthy = scored & np.isin(standings.bands, [BANDS.index(band) for band in wanted.bands])
    total, reached = int(scored.sum()), int(healthy.sum())
    arr = np.nan_to_num(standings.arr)
    money = float(arr[scored].sum())
    needed = int(np.ceil(round(wanted.percent * total / 100, 9)))
    return Target(
        percent=wanted.percent,
        bands=wanted.bands,
        actual=trimmed(100 * reached / total) if total else None,
        actual_by_arr=trimmed(100 * float(arr[healthy].sum()) / money) if money else None,
        is_met=reached >= needed if total else None,
        missing=max(needed - reached, 0) if total else None,
    )


def _bands(view: View, chosen: Bools) -> tuple[BandShare, ...]:
    standings = view.standings
    scored = int((chosen & standings.scores.scored).sum())
    shares = []
    for place, name in enumerate(_BAND_WORDS):
        rows = np.flatnonzero(chosen & (standings.bands == place))
        share = trimmed(len(rows) / scored) if scored and place != NO_BAND else None
        shares.append(BandShare(band=name, accounts=len(rows), share=share, arr=view.selection.money(rows)))
    return tuple(shares)


def _words(standings: Standings, chosen: Bools, key: str) -> dict[str, int]:
    """How many accounts each word of a vocabulary has; those without one are counted as not scored."""
    vocabulary = standings.policy.vocabularies[key]
    holds = conditions(vocabulary, standings.matrix)
    counts = {w.word: 0 for w in vocabulary.words} | {vocabulary.not_scored or NOT_SCORED: 0}
    keys, of = np.unique(
        np.column_stack([np.nan_to_num(standings.rounded, nan=-1), holds])[chosen], axis=0, return_counts=True
    )
    for found, accounts in zip(keys, of, strict=True):
        score = None if found[0] < 0 else float(found[0])
        said = word(vocabulary, score, standings.policy, [bool(h) for h in found[1:]])
        counts[said or NOT_SCORED] += int(accounts)
    return counts


def _count(groups: Groups, chosen: Bools) -> int:
    """How many groups the chosen accounts fall into."""
    codes = groups.codes[chosen]
    return len(np.unique(codes[codes >= 0]))


def _groups(view: View, groups: Groups, chosen: Bools) -> tuple[Group, ...]:
    """The largest groups, by accounts."""
    standings = view.standings
    codes = np.where(chosen, groups.codes, -1)
    sizes = np.bincount(codes[codes >= 0], minlength=len(groups.names))
    largest = [int(g) for g in np.argsort(-sizes, kind="stable")[: standings.policy.portfolio.groups_shown] if sizes[g]]
    place = np.full(len(groups.names) + 1, -1)
    place[largest] = range(len(largest))
    shown = place[codes]
    peers = view.peers.of_groups(shown, len(largest))
    return tuple(
        _group(view, groups.names[code], np.flatnonzero(shown == at), peers[at]) for at, code in enumerate(largest)
    )


def _group(view: View, name: str, rows: Ints, against_peers: tuple[str, ...]) -> Group:
    standings = view.standings
    scored = rows[standings.scores.scored[rows]]
    return Group(
        name=visible(name, standings.policy.limits.text_characters),
        accounts=len(rows),
        bands=_counted(_BAND_WORDS, standings.bands[rows]),
        score=trimmed(standings.scores.score[scored].mean()) if len(scored) else None,
        coverage=trimmed(standings.scores.coverage[rows].mean()),
        arr=view.selection.money(rows),
        against_peers=against_peers,
    )


def _movers(standings: Standings, chosen: Bools, before: Looked) -> Movers:
    then = before.standings
    _, here, there = np.intersect1d(standings.ids, then.ids, assume_unique=True, return_indices=True)
    both = chosen[here] & standings.scores.scored[here] & then.scores.scored[there]
    here, there = here[both], there[both]
    moved = standings.rounded[here] - then.rounded[there]
    most = standings.policy.portfolio.movers_shown
    order = np.argsort(-moved, kind="stable")
    up = [i for i in order[:most] if moved[i] > 0]
    down = [i for i in order[::-1][:most] if moved[i] < 0]

    def mover(i: int) -> Mover:
        row = int(here[i])
        return Mover(
            id=standings.accounts[row],
            name=visible(standings.profiles[row].name, standings.policy.limits.text_characters),
            before=int(then.rounded[there[i]]),
            after=int(standings.rounded[row]),
            change=int(moved[i]),
        )

    better = then.bands[there] - standings.bands[here]
    return Movers(
        since=then.as_of.replace(tzinfo=UTC),
        up=tuple(mover(i) for i in up),
        down=tuple(mover(i) for i in down),
        improved=int((better > 0).sum()),
        worsened=int((better < 0).sum()),
    )


def _counted(names: Sequence[str], places: Ints) -> dict[str, int]:
    return dict(zip(names, np.bincount(places, minlength=len(names)).tolist(), strict=True))


def _mean(values: NDArray[np.float64], chosen: Bools) -> float | None:
    return trimmed(values[chosen].mean()) if chosen.any() else None
