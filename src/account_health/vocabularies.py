"""Vocabularies: one health in the words of other systems; every account has exactly one word in each, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from account_health import language
from account_health.chronicle import StatusWord
from account_health.criteria import Condition
from account_health.errors import CallerError
from account_health.flags import truth
from account_health.wording import band_title, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from account_health.evaluation import Evaluation
    from account_health.metrics.matrix import MetricMatrix
    from account_health.model import Assessment, Band, Severity
    from account_health.policy import Policy
    from account_health.practice import Vocabulary

    Bools = NDArray[np.bool_]


def vocabulary_named(policy: Policy, key: str) -> Vocabulary:
    """The vocabulary of that id; raises CallerError with those there are."""
    if key not in policy.vocabularies:
        known = ", ".join(policy.vocabularies)
        raise CallerError(
            language.say("There is no such vocabulary."), language.say("Vocabularies: {known}.", known=known)
        )
    return policy.vocabularies[key]


def conditions(vocabulary: Vocabulary, matrix: MetricMatrix) -> Bools:
    """Per account and word whether all its comparisons surely hold, (n, words)."""
    columns = []
    for word in vocabulary.words:
        parts = [truth(Condition.parse(text), matrix).true for text in word.when]
        columns.append(np.logical_and.reduce(parts) if parts else np.ones(len(matrix.accounts), dtype=bool))
    return np.column_stack(columns)


def word(vocabulary: Vocabulary, score: float | None, policy: Policy, holds: Sequence[bool]) -> str | None:
    """The word for a rounded score, given which words' comparisons hold; None where the system has none."""
    if score is None:
        return vocabulary.not_scored or None
    band = policy.bands.of(score)
    return next(
        w.word
        for w, is_true in zip(vocabulary.words, holds, strict=True)
        if is_true and score >= w.from_ and (not w.bands or band in w.bands)
    )


def status_word(  # noqa: PLR0913, PLR0917 - what a word depends on
    policy: Policy, key: str, score: float | None, band: Band | None, tier: Severity, holds: Sequence[bool]
) -> StatusWord:
    """The word of one account, and its risk of churn where the vocabulary has that."""
    vocabulary = policy.vocabularies[key]
    asks = vocabulary.has_churn_risk and band is not None
    return StatusWord(
        vocabulary=key,
        word=word(vocabulary, score, policy, holds),
        churn_risk=(band in vocabulary.churn_bands or tier in vocabulary.churn_tiers) if asks else None,
    )


def spoken(assessment: Assessment, evaluation: Evaluation, key: str) -> Assessment:
    """The assessment of the account in the first row with its word in a vocabulary; raises CallerError if none."""
    policy = evaluation.policy
    holds = conditions(vocabulary_named(policy, key), evaluation.matrix)[0].tolist()
    said = status_word(policy, key, assessment.score_rounded, assessment.band, assessment.tier, holds)
    return assessment.model_copy(update={"status": said})


def range_words(assessment: Assessment, policy: Policy) -> tuple[str, str]:
    """What both ends of the account's range are called: by band, or by word if a vocabulary was asked for."""
    ends = [rounded(end) for end in (assessment.range.low, assessment.range.high)]
    if assessment.status is None:
        low, high = (band_title(policy.bands.of(end)) for end in ends)
        return low, high
    vocabulary = policy.vocabularies[assessment.status.vocabulary]
    # A comparison that decides about the account decides about every score it could have.
    holds = [w.is_plain or w.word == assessment.status.word for w in vocabulary.words]
    key = assessment.status.vocabulary
    low, high = (language.word(key, str(word(vocabulary, end, policy, holds))) for end in ends)
    return low, high


def shown_word(policy: Policy, text: str | None) -> str:
    """A word of any vocabulary as the language that is spoken has it; "" for none."""
    keys = [key for key, vocabulary in policy.vocabularies.items() if text in vocabulary.all_words]
    return language.word(keys[0], text) if text and keys else text or ""


def canonical(vocabulary: Vocabulary, text: str, key: str = "") -> str:
    """The vocabulary's spelling of a word, or "" for its word for nothing assigned; raises CallerError for others.

    With the key of the vocabulary a word may be written in the language that is spoken too.
    """
    wanted = _folded(text)
    none, unset = language.say("None"), vocabulary.not_scored
    if wanted in {"", "none", _folded(none), _folded(unset), _folded(language.word(key, unset))}:
        return ""
    words = [known.word for known in vocabulary.words]
    said = [language.word(key, known) for known in words]
    for known, shown in zip((*words, *words), (*words, *said), strict=True):
        if _folded(shown) == wanted:
            return known
    raise CallerError(
        language.say("{vocabulary} has no such status.", vocabulary=language.say(vocabulary.name)),
        language.say("Statuses: {statuses}; {none} withdraws one.", statuses=", ".join(said), none=none),
    )


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def bands_of(vocabulary: Vocabulary, text: str, policy: Policy) -> frozenset[Band]:
    """The bands in which a word can be an account's by its score; none if a comparison decides about it."""
    chosen = next((w for w in vocabulary.words if w.word == text), None)
    if chosen is None or not chosen.is_plain:
        return frozenset()
    plain = [w.is_plain for w in vocabulary.words]
    scores = range(_LOWEST, _HIGHEST + 1)
    return frozenset(policy.bands.of(score) for score in scores if word(vocabulary, score, policy, plain) == text)


_LOWEST, _HIGHEST = 0, 100
