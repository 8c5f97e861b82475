"""What is judged: metrics with their curves and words, flags with their conditions.

These are the entries of a policy file, see `policies/default.toml` for every one of them with its reason.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from account_health.language import clauses, say
from account_health.model import Severity, Source
from account_health.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

Points = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Value = Annotated[float, Field(allow_inf_nan=False)]
Reason = Annotated[str, Field(min_length=1)]
WindowName = Literal["recent", "quarter", "year", "survey"]


class Part(BaseModel):
    """A frozen piece of a policy; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Metric(Part):
    """One question or quantity: where it is read, what it is worth, and the words for it.

    `curve` maps values to points: linear between (value, points) pairs, flat outside. A metric without weight is a
    fact. Each entry of `reads` is a `table.column`, or several joined by `|` of which one is enough. `partly_seen` says
    what rows of an incomplete table prove: that the value is at least, or at most, what they show. Values that somebody
    else supplies count only between `lowest` and `highest`.
    """

    name: Annotated[str, Field(min_length=1)]
    dimension: str
    weight: Weight = 0
    unit: Annotated[str, Field(min_length=1)]
    lowest: Value | None = None
    highest: Value | None = None
    polarity: Literal["higher_is_better", "lower_is_better"] | None = None
    curve: tuple[tuple[Value, Points], ...] = ()
    levels: tuple[str, ...] = ()
    source: Source
    reads: Annotated[tuple[str, ...], Field(min_length=1)]
    partly_seen: Literal["at_least", "at_most"] = "at_least"
    window: WindowName | None = None
    periods: Annotated[int, Field(ge=1, le=4)] = 1
    strength: str = ""
    weakness: str = ""
    reason: Reason
    sentences: dict[str, str]

    def allows(self, value: float) -> bool:
        """Whether a supplied value can be one of this metric at all."""
        lowest, highest = (0, len(self.levels) - 1) if self.levels else (self.lowest, self.highest)
        return (lowest is None or value >= lowest) and (highest is None or value <= highest)

    @property
    def bounds(self) -> str:
        """What `allows` allows, in words."""
        lowest, highest = (0, len(self.levels) - 1) if self.levels else (self.lowest, self.highest)
        if lowest is None:
            return "" if highest is None else say("{highest} or less", highest=f"{highest:g}")
        if highest is None:
            return say("{lowest} or more", lowest=f"{lowest:g}")
        return say("{lowest} or more and {highest} or less", lowest=f"{lowest:g}", highest=f"{highest:g}")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        refuse([*self._curve_problems(), *self._word_problems(), *self._read_problems()])
        return self

    def _curve_problems(self) -> list[str]:
        if not self.weight:
            return [say("a fact (weight 0) has no curve")] if self.curve else []
        if not self.curve or self.polarity is None or not self.strength or not self.weakness:
            return [say("a metric with weight needs curve, polarity, strength and weakness")]
        values, points = [v for v, _ in self.curve], [p for _, p in self.curve]
        problems = []
        if any(b <= a for a, b in pairwise(values)):
            problems.append(say("the curve's values must rise from pair to pair"))
        falling = self.polarity == "lower_is_better"
        if falling and any(b > a for a, b in pairwise(points)):
            problems.append(say("lower_is_better: the curve's points must not rise"))
        if not falling and any(b < a for a, b in pairwise(points)):
            problems.append(say("higher_is_better: the curve's points must not fall"))
        return problems

    def _word_problems(self) -> list[str]:
        known = {"value", "abs", "on", "at_least", "recent", "quarter", "year", "survey"}
        used = {name for text in self.sentences.values() for name in re.findall(r"\{(.*?)\}", text)}
        problems = [
            say("unknown placeholder {name} in a sentence", name=f"{{{name}}}") for name in sorted(used - known)
        ]
        if any(re.search(r"[{}]", re.sub(r"\{.*?\}", "", text)) for text in self.sentences.values()):
            problems.append(say("a brace without its partner in a sentence"))
        if self.levels:
            missing = set(self.levels) - set(self.sentences)
            problems += [say("no sentence for level {level}", level=repr(level)) for level in sorted(missing)]
        elif "other" not in self.sentences and not {"negative", "0", "positive"} <= set(self.sentences):
            problems.append(say("sentences need 'other', or 'negative', '0' and 'positive'"))
        return problems

    def _read_problems(self) -> list[str]:
        columns = [column for entry in self.reads for column in entry.split("|")]
        return [
            say("reads {column}, which is no table.column", column=repr(column))
            for column in columns
            if not _is_column(column)
        ]


class SeverityRule(Part):
    """A severity and the conditions under which it holds; without conditions it always does."""

    is_: Severity = Field(alias="is")
    when: tuple[str, ...] = ()


class Flag(Part):
    """A risk flag: any line of `raise_when` raises it, a line needs all of its conditions.

    With `skips_unprovided`, lines whose metrics no connected source can tell are left out, as long as one line remains.
    """

    name: Annotated[str, Field(min_length=1)]
    raise_when: Annotated[tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...], Field(min_length=1)]
    severity: Annotated[tuple[SeverityRule, ...], Field(min_length=1)]
    voices: tuple[str, ...] = ()
    skips_unprovided: bool = False
    action: Annotated[str, Field(min_length=1)]
    reason: Reason

    @model_validator(mode="after")
    def _decidable(self) -> Self:
        problems = [say("the last severity must hold without conditions")] if self.severity[-1].when else []
        refuse([*problems, *(text for text in map(Condition.problem, self._conditions) if text)])
        return self

    @cached_property
    def lines(self) -> tuple[tuple[Condition, ...], ...]:
        """`raise_when`, parsed."""
        return tuple(tuple(Condition.parse(text) for text in line) for line in self.raise_when)

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Every metric this flag names, in its conditions, its severities and its voices."""
        names = [name for text in self._conditions for name in Condition.parse(text).metrics]
        return tuple(dict.fromkeys([*names, *self.voices]))

    @property
    def _conditions(self) -> tuple[str, ...]:
        lines = (*self.raise_when, *(rule.when for rule in self.severity))
        return tuple(text for line in lines for text in line)


class Condition(Part):
    """A comparison of one metric with a number, another metric, or a multiple of one."""

    metric: str
    operator: Literal["<", "<=", ">", ">="]
    factor: float = 1.0
    other: str | None = None
    number: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Reads e.g. `tickets_30d >= 2 * tickets_prev_30d`; raises ValueError for anything else."""
        number = r"-?\d+(?:\.\d+)?"
        found = re.fullmatch(rf"\s*(\w+)\s*(<=|<|>=|>)\s*(?:({number})\s*\*\s*)?(?:({number})|([a-z_]\w*))\s*", text)
        if not found or (found[3] and found[4]):
            raise ValueError(
                say(
                    "cannot read the condition {condition}; write e.g. 'tickets_30d >= 2 * tickets_prev_30d'",
                    condition=repr(text),
                )
            )
        operator: Any = found[2]
        return cls(
            metric=found[1], operator=operator, factor=float(found[3] or 1), other=found[5], number=float(found[4] or 0)
        )

    @classmethod
    def problem(cls, text: str) -> str | None:
        """Why a text cannot be read as a condition; None if it can."""
        try:
            cls.parse(text)
        except ValueError as err:
            return str(err)
        return None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics it compares."""
        return (self.metric, self.other) if self.other else (self.metric,)


def refuse(problems: Sequence[str]) -> None:
    """Raises one ValueError with every problem; nothing if there is none."""
    if problems:
        raise ValueError(clauses(problems))


def _is_column(text: str) -> bool:
    table, _, column = text.partition(".")
    return table in TABLES and column in TABLES[table].model_fields
