"""Words: how companies write down titles, reviews, contracts and scores, wherever a system leaves that to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from account_health.tables import CONTRACT_STATUSES, ContractStatus

DealKind = Literal["renewal", "expansion", "downgrade"]
Priority = Literal["low", "normal", "high", "urgent"]

ContractWords = Annotated[
    dict[str, ContractStatus],
    Field(description="What stands behind contract_status = our word; our own words need no entry"),
]
ScoreScale = Annotated[tuple[float, float], Field(description="Lowest and highest value of what is behind crm_score")]
ScoreHigherIs = Annotated[Literal["healthier", "riskier"], Field(description="What a high value means")]

EXECUTIVE_TITLES = (
    "chief", "ceo", "cfo", "cio", "cto", "coo", "cmo", "cro", "cpo", "ciso", "president", "vp", "svp", "evp",
    "founder", "co-founder", "managing director",
)  # fmt: skip
"""Words in a job title that make an executive."""
NOT_EXECUTIVE_TITLES = ("assistant",)
"""Words in a job title that make none after all."""
REVIEW_WORDS = ("qbr", "ebr", "business review")
"""Words that make a meeting a business review."""

Values = dict[str, Any]


def known(**values: Any) -> Values:
    """The values that are there.

    >>> known(name="Acme", owner=None, arr=0)
    {'name': 'Acme', 'arr': 0}
    """
    return {name: value for name, value in values.items() if value is not None}


def says(words: Iterable[str], text: str | None) -> bool:
    """Whether one of the words or phrases stands in the text, in upper or lower case, as whole words.

    >>> says(["vp"], "VP, Sales"), says(["vp"], "MVP of the year")
    (True, False)
    """
    spoken = "|".join(re.escape(word.strip()) for word in words if word.strip())
    return bool(spoken) and re.search(rf"(?<!\w)(?:{spoken})(?!\w)", text or "", re.IGNORECASE) is not None


def contract_meanings(words: Mapping[str, ContractStatus]) -> Mapping[str, str]:
    """What each word about a contract means, by the word in lower case: our own words, and those that are given."""
    ours = dict(zip(CONTRACT_STATUSES, CONTRACT_STATUSES, strict=True))
    return ours | {theirs.casefold(): our for theirs, our in words.items()}


def score_columns(score: Any, scale: tuple[float, float], higher_is: str) -> Values:
    """The columns of an account that say how a score is to be read; none without a score."""
    if score is None:
        return {}
    low, high = scale
    return {"crm_score": score, "crm_score_low": low, "crm_score_high": high, "crm_score_higher_is": higher_is}


SCORE_COLUMNS = frozenset({"crm_score", "crm_score_low", "crm_score_high", "crm_score_higher_is"})
"""What a system that has a score can tell of it."""
