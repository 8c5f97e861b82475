"""Reference: the methodology of a policy, and the documents that travel with the package, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache, reduce
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from account_health import language
from account_health.language import say
from account_health.model import Band, Source
from account_health.render import render
from account_health.wording import alternatives, band_title, lower_first, number, severity_word, source_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.criteria import Flag, Metric
    from account_health.policy import Policy
    from account_health.practice import Vocabulary, Word


REFERENCE = "health://reference"
"""Where the server's clients read what REFERENCE.md holds."""


def methodology(policy: Policy) -> str:
    """How scores are made under a policy: every weight, curve, flag, band, window and limit, each with its reason."""

    def window(metric: Metric) -> str:
        if metric.window is None:
            return "-"
        days = policy.windows.days(metric.window)
        if metric.periods == 1:
            return say("{days} days", days=days)
        return say("{times} times {days} days", times=metric.periods, days=days)

    return render(
        "methodology.md.j2",
        policy=policy,
        sources={source: source_name(source) for source in Source},
        curve=_curve,
        window=window,
        reads=_reads,
        raised_when=_raised_when,
        severity=_severity,
        words=_words,
        churn=_churn,
        target_bands=_either([_band(band) for band in policy.target.bands]),
    )


def packaged(name: str) -> str:
    """A document that travels with the package: inside it in a wheel, at the repository's root in a checkout."""
    inside = Path(str(files("account_health"))) / "docs" / name
    return (inside if inside.is_file() else Path(__file__).parents[2] / name).read_text("utf-8")


@lru_cache
def sections() -> Mapping[str, str]:
    """The parts of REFERENCE.md by their anchors, each a page of its own."""
    return {_anchor(part): _addressed(f"#{part}") for part in _parts()[1:]}


def contents() -> str:
    """What stands at the head of REFERENCE.md: what it holds, and where each of its parts can be read."""
    return _addressed(_parts()[0])


def _parts() -> list[str]:
    return re.split(r"^#(?=# )", packaged("REFERENCE.md"), flags=re.MULTILINE)


def _anchor(part: str) -> str:
    title = part.splitlines()[0].removeprefix("# ")
    return re.sub(r"[^\w-]", "", title.lower().replace(" ", "-"))


def _addressed(text: str) -> str:
    """The text with its links to other parts as addresses of resources."""
    return re.sub(r"\]\(#([\w-]+)\)", rf"]({REFERENCE}/\1)", text)


def _curve(metric: Metric) -> str:
    """A curve as `value → points` pairs, levels by name."""
    pairs = [
        (metric.levels[int(value)] if metric.levels else number(value), number(points))
        for value, points in metric.curve
    ]
    return ", ".join(f"{value} → {points}" for value, points in pairs)


def _reads(metric: Metric) -> str:
    return ", ".join(_either([f"`{column}`" for column in entry.split("|")]) for entry in metric.reads)


def _raised_when(flag: Flag) -> str:
    lines = [_all_of(line) for line in flag.raise_when]
    text = lines[0] + "".join(say("; or {conditions}", conditions=line) for line in lines[1:])
    return say("{conditions} (as far as a source can tell them)", conditions=text) if flag.skips_unprovided else text


def _severity(flag: Flag) -> str:
    return _or_else([_when(severity_word(rule.is_), _all_of(rule.when)) for rule in flag.severity])


def _words(key: str, vocabulary: Vocabulary) -> str:
    """The words of a vocabulary with what each asks for."""
    return _or_else([_when(language.word(key, word.word), _asked(word)) for word in vocabulary.words])


def _asked(word: Word) -> str:
    parts = [_all_of(word.when)] if word.when else []
    parts += [say("from {points} points", points=word.from_)] if word.from_ else []
    parts += [_either([_band(band) for band in word.bands])] if word.bands else []
    return _both(parts)


def _churn(vocabulary: Vocabulary) -> str:
    bands = [say("band {band}", band=_band(band)) for band in vocabulary.churn_bands]
    tiers = [say("tier {tier}", tier=severity_word(tier)) for tier in vocabulary.churn_tiers]
    return _either([*bands, *tiers]) or "-"


def _all_of(conditions: Sequence[str]) -> str:
    return _both([f"`{condition}`" for condition in conditions])


def _band(band: Band) -> str:
    return lower_first(band_title(band))


def _when(text: str, condition: str) -> str:
    return say("{severity} when {conditions}", severity=text, conditions=condition) if condition else text


def _or_else(texts: Sequence[str]) -> str:
    return texts[0] + "".join(say(", else {otherwise}", otherwise=text) for text in texts[1:])


def _both(texts: Sequence[str]) -> str:
    """`a and b and c`."""
    return reduce(lambda one, other: say("{one} and {other}", one=one, other=other), texts) if texts else ""


def _either(texts: Sequence[str]) -> str:
    """`a or b or c`."""
    return alternatives(texts) if texts else ""
