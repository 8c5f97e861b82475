"""Spelling: Intacct's words for statuses, truths and headers, written in one language and read in every one."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from account_health.language import language, languages, speaking, spoken, word
from account_health.publish.health import INTACCT

if TYPE_CHECKING:
    from account_health.policy import Policy

_Said = TypeVar("_Said")
_TRUTHS = {"true": True, "t": True, "yes": True, "y": True, "1": True}
_FALSEHOODS = {"false": False, "f": False, "no": False, "n": False, "0": False}


@lru_cache(maxsize=256)  # a file says the same few words of every customer
def folded(text: str) -> str:
    """The text for comparison: letters and digits alone, without case and accents, so that `À risque` is `arisque`.

    >>> folded("At risk") == folded("atRisk") == folded("AT_RISK")
    True
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in plain if character.isalnum())


def truth_words() -> tuple[str, str]:
    """True and false in the language that is spoken."""
    return word("intacct", "TRUE"), word("intacct", "FALSE")


def labels() -> tuple[str, str, str, str]:
    """What Intacct itself calls the four columns, as its lists and their exports show them."""
    return (
        word("intacct", "Customer ID"),
        word("intacct", "Health score"),
        word("intacct", "Health status"),
        word("intacct", "At risk for churn"),
    )


def statuses_read(policy: Policy) -> Mapping[str, str]:
    """Every folded spelling of a status, in any language, with the word of the vocabulary it stands for."""
    words = [known.word for known in policy.vocabularies[INTACCT].words]
    spellings = _in_every_language(lambda: [word(INTACCT, known) for known in words])
    return {folded(text): known for said in (*spellings, words) for text, known in zip(said, words, strict=True)}


def truths_read(true: str = "", false: str = "") -> Mapping[str, bool]:
    """Every folded spelling of true and false, in any language or by its first letter; `true` and `false` are more."""
    found = {**_TRUTHS, **_FALSEHOODS}
    for said in (*_in_every_language(truth_words), (true, false)):
        for text, value in zip(map(folded, said), (True, False), strict=True):
            found |= {text: value, text[:1]: value} if text else {}
    return found


def labels_read() -> Sequence[frozenset[str]]:
    """Per column every folded label it may have, in any language."""
    return [frozenset(map(folded, column)) for column in zip(*_in_every_language(labels), strict=True)]


def _in_every_language(said: Callable[[], _Said]) -> list[_Said]:
    """What is said in each language there is, the one that is spoken first."""
    found = []
    for each in (spoken(), *map(language, languages())):
        with speaking(each):
            found.append(said())
    return found
