"""Render: assessments through Jinja templates; no arithmetic, no judgement, and one way in for outside text."""

from __future__ import annotations

from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from account_health import markup
from account_health.language import count, figure, mark, money, say, word, written
from account_health.model import Direction, FlagState, Source, State
from account_health.remembered import driver_sentences, trend_line
from account_health.vocabularies import range_words, shown_word
from account_health.wording import (
    alternatives,
    band_title,
    day,
    lower_first,
    minute,
    number,
    of_severity,
    percent_down,
    remedy,
    rounded,
    severity_word,
    source_name,
)

if TYPE_CHECKING:
    from account_health.at_risk_accounts import AtRiskAccounts
    from account_health.model import Assessment
    from account_health.policy import Policy
    from account_health.portfolio_report import PortfolioHealth


def inline(text: str) -> str:
    """Outside text as inline Markdown: a code span on one line, whatever it holds."""
    return markup.code(text, 300)


def templates_dir() -> Path:
    """Where the templates are: inside the package in a wheel, at the repository's root in a checkout."""
    packaged = Path(str(files("account_health"))) / "templates"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "templates"


def render_summary(assessment: Assessment, policy: Policy) -> str:
    """The `Health: [Account]` summary as Markdown, risk flags first, one newline at the end."""
    template = _environment().get_template("summary.md.j2")
    return (
        template.render(
            a=assessment,
            limits=policy.limits,
            headline=policy.headline,
            first=_first_remedy(assessment),
            range_words=range_words(assessment, policy),
            drivers=driver_sentences(assessment.change, policy.changes.drivers_shown) if assessment.change else "",
            trend=trend_line(assessment.change, policy.time_zone) if assessment.change else "",
            vocabularies=policy.vocabularies,
            time_zone=policy.time_zone,
        ).strip()
        + "\n"
    )


def render_at_risk(found: AtRiskAccounts, policy: Policy) -> str:
    """The accounts that need somebody as Markdown, by tier."""
    return render(
        "at_risk.md.j2",
        found=found,
        limits=policy.limits,
        tiers=[tier for tier in found.tiers if found.tiers[tier]],
        phases={"acknowledged": mark("acknowledged"), "snoozed": mark("snoozed")},
        shown=partial(shown_word, policy),
    )


def render_portfolio(found: PortfolioHealth, policy: Policy) -> str:
    """How all customers stand as Markdown."""
    bands = alternatives([lower_first(band_title(band)) for band in found.target.bands])
    return render(
        "portfolio.md.j2", found=found, limits=policy.limits, shown=partial(shown_word, policy), target_bands=bands
    )


def render(template: str, **facts: Any) -> str:
    """Any other template of ours with the facts it names."""
    return _environment().get_template(template).render(**facts).strip() + "\n"


def _first_remedy(assessment: Assessment) -> str:
    """What to do first about the gap that could move the score most, e.g. `connect product analytics`."""
    if not assessment.gaps:
        return ""
    widest = max(assessment.gaps, key=lambda gap: (gap.high or 0) - (gap.low or 0))
    is_there = any(report.source == widest.source and report.connector for report in assessment.inputs)
    state = State.PARTIAL if is_there and widest.state is State.NOT_CONNECTED else widest.state
    return remedy(state, Source(widest.source))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """One environment; autoescaping is off because Markdown is no HTML and `markup` encodes what comes from outside."""
    environment = Environment(
        loader=FileSystemLoader(templates_dir()),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    environment.filters |= {
        "account_name": markup.name,
        "code": markup.code,
        "minute": lambda instant: minute(instant.replace(tzinfo=None)),
        "day": lambda instant, zone: day(instant.replace(tzinfo=None), zone),
        "number": number,
        "figure": figure,
        "money": money,
        "written": written,
        "rounded": rounded,
        "percent_down": percent_down,
        "source_name": lambda source: source_name(Source(source)),
        "band_title": band_title,
        "severity_word": severity_word,
        "of_severity": of_severity,
    }
    environment.globals |= {"Direction": Direction, "FlagState": FlagState, "State": State}
    environment.globals |= {"say": say, "count": count, "word": word}
    return environment
