"""Health: the three values that Sage Intacct keeps of a customer, and those that our accounts have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from account_health.errors import PolicyError
from account_health.export import status_words
from account_health.history.records import NOT_SCORED
from account_health.language import say
from account_health.model import Band
from account_health.standings import Standings
from account_health.vocabularies import conditions, status_word, vocabulary_named
from account_health.wording import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from account_health.history.records import Reading
    from account_health.overview import View
    from account_health.policy import Policy

INTACCT = "intacct"
"""The vocabulary of the policy that says a health in Intacct's words."""


@dataclass(frozen=True)
class Health:
    """What Intacct keeps of a customer; None where it has nothing."""

    score: int | None = None
    status: str | None = None
    """A word of the vocabulary, which is English."""
    churn_risk: bool | None = None

    def __str__(self) -> str:
        """As the history keeps it: JSON with what there is."""
        return json.dumps({name: value for name, value in vars(self).items() if value is not None})


@dataclass(frozen=True)
class Standing:
    """An account that may be published, and its health; None without a score."""

    account: str
    name: str
    health: Health | None
    owner: str | None = None
    band: str | None = None
    score: float | None = None
    """The score before it was rounded."""


def customers_standing(view: View, segment: str = "", owner: str = "") -> Sequence[Standing]:
    """The customers of a segment and an owner (empty: all) with their health, sorted by id.

    Raises PolicyError where the policy cannot say it in Intacct's words.
    """
    standings = view.standings
    _require_words(standings.policy)
    rows = np.flatnonzero(view.selection.customers(segment, owner))
    words = status_words(standings, rows, INTACCT)
    found = []
    for row, word in zip(rows.tolist(), words, strict=True):
        profile, band, is_scored = standings.profiles[row], standings.band(row), bool(standings.scores.scored[row])
        found.append(
            Standing(
                account=standings.accounts[row],
                name=profile.name,
                health=Health(int(standings.rounded[row]), word.word, word.churn_risk) if is_scored else None,
                owner=profile.owner,
                band=band.value if band else None,
                score=float(standings.scores.score[row]) if is_scored else None,
            )
        )
    return found


def recorded_health(
    readings: Sequence[Reading], metrics: Mapping[str, tuple[str, ...]], policy: Policy
) -> Mapping[str, Health | None]:
    """The health that readings said then, by account; `metrics` are those of the policies of the readings.

    Scores, bands and tiers are those that were recorded, since that is what was published then: under another policy
    they would be others. Only which word goes with them is today's.
    """
    _require_words(policy)
    standings = Standings.of_readings(readings, metrics, policy)
    holds = conditions(policy.vocabularies[INTACCT], standings.matrix)
    found: dict[str, Health | None] = {}
    for row, reading in enumerate(readings):
        if reading.score is None:
            found[reading.account] = None
            continue
        score = rounded(reading.score)
        band = None if reading.band == NOT_SCORED else Band(reading.band)
        word = status_word(policy, INTACCT, score, band, reading.tier, holds[row].tolist())
        found[reading.account] = Health(score, word.word, word.churn_risk)
    return found


def _require_words(policy: Policy) -> None:
    if not vocabulary_named(policy, INTACCT).has_churn_risk:
        raise PolicyError(
            say("The vocabulary `intacct` of this policy does not say who is at risk of churn."),
            say("Give it `churn_bands` or `churn_tiers`."),
        )
