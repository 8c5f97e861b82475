"""Reference: the methodology of a policy, and the documents that travel with the package, as Markdown."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from account_health.model import Source
from account_health.render import render
from account_health.wording import SOURCE_NAMES, number

if TYPE_CHECKING:
    from account_health.criteria import Metric
    from account_health.policy import Policy


def methodology(policy: Policy) -> str:
    """How scores are made under a policy: every weight, curve, flag, band, window and limit, each with its reason."""
    return render(
        "methodology.md.j2",
        policy=policy,
        curve=_curve,
        sources=SOURCE_NAMES,
        categories=list(Source),
    )


def packaged(name: str) -> str:
    """A document that travels with the package: inside it in a wheel, at the repository's root in a checkout."""
    inside = Path(str(files("account_health"))) / "docs" / name
    return (inside if inside.is_file() else Path(__file__).parents[2] / name).read_text("utf-8")


def _curve(metric: Metric) -> str:
    """A curve as `value -> points` pairs, levels by name."""
    pairs = [
        (metric.levels[int(value)] if metric.levels else number(value), number(points))
        for value, points in metric.curve
    ]
    return ", ".join(f"{value} → {points}" for value, points in pairs)
