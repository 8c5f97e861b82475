"""Reference: the methodology of a policy, and the documents that travel with the package, as Markdown."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from account_health.model import Source
from account_health.render import render
from account_health.wording import number, source_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.criteria import Flag, Metric
    from account_health.policy import Policy
    from account_health.practice import Vocabulary, Word


def methodology(policy: Policy) -> str:
    """How scores are made under a policy: every weight, curve, flag, band, window and limit, each with its reason."""

    def window(metric: Metric) -> str:
        if metric.window is None:
            return "-"
        days = f"{policy.windows.days(metric.window)} days"
        return days if metric.periods == 1 else f"{metric.periods} times {days}"

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
    )


def packaged(name: str) -> str:
    """A document that travels with the package: inside it in a wheel, at the repository's root in a checkout."""
    inside = Path(str(files("account_health"))) / "docs" / name
    return (inside if inside.is_file() else Path(__file__).parents[2] / name).read_text("utf-8")


def _curve(metric: Metric) -> str:
    """A curve as `value → points` pairs, levels by name."""
    pairs = [
        (metric.levels[int(value)] if metric.levels else number(value), number(points))
        for value, points in metric.curve
    ]
    return ", ".join(f"{value} → {points}" for value, points in pairs)


def _reads(metric: Metric) -> str:
    return ", ".join(" or ".join(f"`{column}`" for column in entry.split("|")) for entry in metric.reads)


def _raised_when(flag: Flag) -> str:
    lines = "; or ".join(_all_of(line) for line in flag.raise_when)
    return f"{lines} (as far as a source can tell them)" if flag.skips_unprovided else lines


def _severity(flag: Flag) -> str:
    rules = [f"{rule.is_} when {_all_of(rule.when)}" if rule.when else str(rule.is_) for rule in flag.severity]
    return ", else ".join(rules)


def _words(vocabulary: Vocabulary) -> str:
    """The words of a vocabulary with what each asks for."""
    return ", else ".join(f"{word.word}{f' when {_asked(word)}' if _asked(word) else ''}" for word in vocabulary.words)


def _asked(word: Word) -> str:
    parts = [_all_of(word.when)] if word.when else []
    parts += [f"from {word.from_} points"] if word.from_ else []
    parts += [" or ".join(word.bands)] if word.bands else []
    return " and ".join(parts)


def _churn(vocabulary: Vocabulary) -> str:
    bands = [f"band {band}" for band in vocabulary.churn_bands]
    tiers = [f"tier {tier}" for tier in vocabulary.churn_tiers]
    return " or ".join([*bands, *tiers]) or "-"


def _all_of(conditions: Sequence[str]) -> str:
    return " and ".join(f"`{condition}`" for condition in conditions)
