"""Policy: every number the judgement uses, loaded from TOML, checked, versioned and hashed.

A policy file either stands alone or starts with `extends = "default"` and names only what it changes. Loading fails
with a `PolicyError` that lists every fault at once, each with its place in the file; there is no half-valid policy.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from account_health.borrowed import borrowed, why
from account_health.criteria import Condition, Flag, Metric, Part, Points, Reason, Weight, WindowName, refuse
from account_health.errors import PolicyError, faults
from account_health.language import say
from account_health.model import Band, PolicyRef, Severity
from account_health.practice import Changes, Currency, Customers, Days, Portfolio, Target, Urgency, Vocabulary

if TYPE_CHECKING:
    from pathlib import Path

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_WEIGHTS_TOTAL = 100


class Minimum(Part):
    """Evidence below which there is no score."""

    coverage: Share
    dimensions: Annotated[int, Field(ge=1)]
    reason: Reason


class Bands(Part):
    """Lowest rounded score of green and of yellow; red is the rest."""

    green: Annotated[int, Field(ge=1, le=100)]
    yellow: Annotated[int, Field(ge=0, le=100)]
    reason: Reason

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.yellow >= self.green:
            raise ValueError(say("yellow must start below green"))
        return self

    def of(self, rounded_score: float) -> Band:
        """The band a rounded score falls into; lower bounds are inclusive."""
        if rounded_score >= self.green:
            return Band.GREEN
        return Band.YELLOW if rounded_score >= self.yellow else Band.RED


class Directions(Part):
    """Points from which a metric speaks for the account, and below which against it."""

    positive: Points
    negative: Points
    reason: Reason


class Tier(Part):
    """The severity a red band counts as."""

    red: Severity
    reason: Reason


class Windows(Part):
    """Lengths of the windows that metrics look back over, in days."""

    recent: Days
    quarter: Days
    year: Days
    survey: Days
    reason: Reason

    def days(self, name: WindowName) -> int:
        """Length of the named window in days."""
        return int(getattr(self, name))


class Freshness(Part):
    """Ages in days after which data is stale, and stale is unknown."""

    general: Days
    survey: Days
    reason: Reason


class Limits(Part):
    """When bad rows fail a table, and how long lists and texts may get."""

    rejected_share: Share
    evidence_ids: Annotated[int, Field(ge=1, le=5)]
    factors_shown: Annotated[int, Field(ge=1)]
    name_characters: Annotated[int, Field(ge=20)]
    text_characters: Annotated[int, Field(ge=40)]
    reason: Reason


class Arithmetic(Part):
    """How closely sums of weights are compared, and how many accounts are scored at once."""

    tolerance: Annotated[float, Field(gt=0, le=1e-6)]
    rows_at_once: Annotated[int, Field(ge=1)]
    reason: Reason


class Dimension(Part):
    """One side of health and its share of the score, in percent."""

    name: Annotated[str, Field(min_length=1)]
    weight: Weight
    reason: Reason


class Policy(Part):
    """Everything a judgement depends on besides the inputs and the clock."""

    name: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    time_zone: str
    headline: Literal["computed", "crm"]
    minimum: Minimum
    bands: Bands
    directions: Directions
    tier: Tier
    windows: Windows
    freshness: Freshness
    arithmetic: Arithmetic
    limits: Limits
    changes: Changes
    urgency: Urgency
    customers: Customers
    currency: Currency
    target: Target
    portfolio: Portfolio
    dimensions: dict[str, Dimension]
    metrics: dict[str, Metric]
    flags: dict[str, Flag]
    vocabularies: Annotated[dict[str, Vocabulary], Field(min_length=1)]

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as err:
            raise ValueError(say("{zone} is no time zone; write e.g. 'Europe/Berlin'", zone=repr(value))) from err
        return value

    # One validator a field rather than one for the whole, so that a fault in one part does not hide those of another.
    @field_validator("dimensions")
    @classmethod
    def _total(cls, dimensions: dict[str, Dimension], checked: ValidationInfo) -> dict[str, Dimension]:
        total = sum(d.weight for d in dimensions.values())
        if "arithmetic" in checked.data and abs(total - _WEIGHTS_TOTAL) > checked.data["arithmetic"].tolerance:
            raise ValueError(say("the weights total {sum}, not {total}", sum=f"{total:.12g}", total=_WEIGHTS_TOTAL))
        return dimensions

    @field_validator("metrics")
    @classmethod
    def _members(cls, metrics: dict[str, Metric], checked: ValidationInfo) -> dict[str, Metric]:
        dimensions: dict[str, Dimension] = checked.data.get("dimensions", {})
        weighted = {metric.dimension for metric in metrics.values() if metric.weight}
        problems = [
            say("{name}: no dimension {dimension}", name=key, dimension=repr(metric.dimension))
            for key, metric in metrics.items()
            if dimensions and metric.dimension not in dimensions
        ]
        empty = [key for key, dimension in dimensions.items() if dimension.weight and key not in weighted]
        refuse([*problems, *(say("none with weight in dimension {dimension}", dimension=repr(key)) for key in empty)])
        return metrics

    @field_validator("flags")
    @classmethod
    def _answerable(cls, flags: dict[str, Flag], checked: ValidationInfo) -> dict[str, Flag]:
        metrics: dict[str, Metric] = checked.data.get("metrics", {})
        problems = [
            say("{name}: no metric {metric}", name=key, metric=repr(name))
            for key, flag in flags.items()
            for name in flag.metrics
            if metrics and name not in metrics
        ]
        refuse(problems)
        return flags

    @field_validator("vocabularies")
    @classmethod
    def _speakable(cls, vocabularies: dict[str, Vocabulary], checked: ValidationInfo) -> dict[str, Vocabulary]:
        metrics: dict[str, Metric] = checked.data.get("metrics", {})
        problems: list[str] = []
        for key, vocabulary in vocabularies.items():
            for text in (text for word in vocabulary.words for text in word.when):
                if unreadable := Condition.problem(text):
                    problems.append(say("{name}: {note}", name=key, note=unreadable))
                elif metrics:
                    unknown = [metric for metric in Condition.parse(text).metrics if metric not in metrics]
                    problems += [say("{name}: no metric {metric}", name=key, metric=repr(m)) for m in unknown]
        refuse(problems)
        return vocabularies

    @cached_property
    def ref(self) -> PolicyRef:
        """Name, version and the first seven digits of the SHA-256 over every value of the policy."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return PolicyRef(name=self.name, version=self.version, hash=hashlib.sha256(text.encode()).hexdigest()[:7])

    @cached_property
    def weighted(self) -> tuple[str, ...]:
        """Ids of the metrics that carry points, in policy order."""
        return tuple(name for name, metric in self.metrics.items() if metric.weight)


def load_policy(path: Path | None = None) -> Policy:
    """The policy in `path`, or the built-in default; raises PolicyError naming every fault."""
    if path is None:
        return parse_policy(default_document(), "default.toml")
    document = _read(path)
    if document.get("extends") == "default":
        del document["extends"]
        document = _merged(default_document(), document)
    return parse_policy(document, path.name)


def parse_policy(document: dict[str, Any], where: str) -> Policy:
    """The policy a TOML document describes; raises PolicyError naming every fault and `where`."""
    try:
        return Policy.model_validate_json(json.dumps(document, default=str))
    except ValidationError as err:
        lines = "\n".join(f"- {line}" for line in faults(err))
        raise PolicyError(
            say("The policy {file} cannot be used:\n{faults}\n", file=where, faults=lines),
            say("Correct it and run `account-health policy check`."),
        ) from err


def default_document() -> dict[str, Any]:
    """The built-in policy as plain data."""
    return tomllib.loads((files("account_health") / "policies" / "default.toml").read_text("utf-8"))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as err:
        raise PolicyError(
            say("The policy file {file} cannot be read: {problem}.", file=path.name, problem=why(err)),
            say("Check the path after `policy =` in the configuration."),
        ) from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise PolicyError(
            say("The policy file {file} is not valid TOML: {problem}.", file=path.name, problem=borrowed(str(err))),
            say("Correct the line named above."),
        ) from err


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return base | {
        key: _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in changes.items()
    }
