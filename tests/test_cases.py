"""The golden cases: what is in the systems and what must come out; `cases/README.md` tells how they are written."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from account_health.factors import evidence
from account_health.flags import SEVERITIES
from account_health.metrics.measure import SQL_FILES, sql
from account_health.model import FlagState, Severity, State
from account_health.policy import default_document, load_policy, parse_policy
from account_health.tables import TABLES, Row, columns
from given import AS_OF, Given, ago, evaluation_of

if TYPE_CHECKING:
    from account_health.evaluation import Evaluation

FOLDER = Path(__file__).parent / "cases"
Kind = Literal["low", "high", "boundary", "missing", "not_applicable", "supplied"]


class Case(BaseModel):
    """One case of a file; unknown keys are refused, so that a slip of the pen is no silent success."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str
    account_id: str
    name: str
    kind: Kind | None = None
    as_of: datetime = AS_OF
    policy: dict[str, Any] = {}
    account: dict[str, Any] = {}
    rows: dict[str, list[dict[str, Any]]] = {}
    told: dict[str, float] = {}
    history: dict[str, float] = {}
    states: dict[str, State] = {}
    tells: dict[str, list[str]] = {}
    files: list[str] = []
    value: float | str | None = None
    points: float | None = None
    seen: float | None = None
    at_least: bool | None = None
    ids: list[str] | None = None
    state: FlagState | None = None
    severity: Severity | None = None

    def __str__(self) -> str:
        return f"{self.subject}: {self.name}"

    @property
    def expected(self) -> dict[str, Any]:
        """The outcomes that the case names."""
        named = self.model_fields_set & {"value", "points", "seen", "at_least", "ids", "state", "severity"}
        return {key: getattr(self, key) for key in named}

    @property
    def world(self) -> str:
        """What all accounts of one question share; cases that agree in it are asked together, which is much faster."""
        # A file is as fresh as its newest row, whosever it is.
        alone = self.account_id if self.files else ""
        return json.dumps([self.as_of, self.policy, self.tables, self.history, self.tells, alone], default=str)

    @property
    def tables(self) -> list[str]:
        """The tables that are connected."""
        return sorted({*self.rows, *self.states, *(["metric_value"] if self.told else [])})

    def delivered(self) -> Iterator[Row]:
        """The rows of the case as a connector would deliver them."""
        told = [{"metric": metric, "value": value, "as_of": 0} for metric, value in self.told.items()]
        entries = {"account": [{"name": self.name, **self.account}], "metric_value": told, **self.rows}
        for table, given in entries.items():
            for number, entry in enumerate(_expanded(given), 1):
                yield TABLES[table].model_validate(self._fields(table, entry, number))

    def _fields(self, table: str, entry: Mapping[str, Any], number: int) -> dict[str, Any]:
        key = next((c for c in columns(table) if c.endswith("_id") and c not in ("account_id", "parent_id")), None)
        named = {key: f"{table}-{number}"} if key and table != "account" else {}
        dated = {column: self._dated(columns(table)[column], value) for column, value in entry.items()}
        return {**named, **dated, "account_id": self.account_id}

    def _dated(self, kind: str, value: Any) -> Any:
        if kind not in ("DATE", "TIMESTAMP") or not isinstance(value, int | float):
            return value
        return ago(-value, before=self.as_of) if kind == "TIMESTAMP" else self.as_of.date() + timedelta(value)


def _expanded(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        row = {key: value for key, value in entry.items() if key != "times"}
        if isinstance(entry.get("day"), list):
            first, last = entry["day"]
            yield from (row | {"day": day} for day in range(first, last + 1))
        else:
            yield from [row] * entry.get("times", 1)


def _cases(folder: Path) -> list[Case]:
    found = []
    for path in sorted(folder.glob("*.toml")):
        for number, said in enumerate(tomllib.loads(path.read_text("utf-8"))["case"], 1):
            rows = {table: said.pop(table) for table in TABLES if table in said and table != "account"}
            found.append(Case(subject=path.stem, account_id=f"{path.stem}/{number}", rows=rows, **said))
    return found


METRICS, FLAGS = _cases(FOLDER), _cases(FOLDER / "flags")


@cache
def _evaluated(world: str) -> Evaluation:
    cases = [case for case in METRICS + FLAGS if case.world == world]
    first = cases[0]
    states: dict[str, dict[str, State]] = {}
    for case in cases:
        for table, state in case.states.items():
            states.setdefault(table, {})[case.account_id] = state
    given = Given(
        [row for case in cases for row in case.delivered()],
        tables=first.tables,
        history_from={table: ago(-start, before=first.as_of) for table, start in first.history.items()},
        states=states,
        columns=first.tells,
        changes={table: {"live": False} for table in first.files},
    )
    policy = parse_policy({**default_document(), **first.policy}, first.name)
    return evaluation_of(given, policy=policy, as_of=first.as_of)


def _outcome(case: Case) -> dict[str, Any]:
    evaluation = _evaluated(case.world)
    row = evaluation.row(case.account_id)
    answer = _of_flag if case.subject in evaluation.flags.flags else _of_metric
    return answer(evaluation, row, case.subject)


def _of_metric(evaluation: Evaluation, row: int, metric: str) -> dict[str, Any]:
    matrix, parts, weighted = evaluation.matrix, evaluation.contributions, evaluation.rubric.metrics
    cell = row, matrix.column(metric)
    absent = "unknown" if matrix.applicable[cell] else "not applicable"
    return {
        "value": round(float(matrix.values[cell]), 6) if matrix.known[cell] else absent,
        "points": round(parts.points[row, weighted.index(metric)], 6) if metric in weighted else None,
        "seen": float(matrix.seen[cell]),
        "at_least": bool(matrix.at_least[cell]),
        "ids": list(evidence(evaluation, row, metric)),
    }


def _of_flag(evaluation: Evaluation, row: int, flag: str) -> dict[str, Any]:
    at = evaluation.flags.flags.index(flag)
    return {"state": evaluation.flags.state(row, at), "severity": SEVERITIES[evaluation.flags.severity[row, at]]}


@pytest.mark.parametrize("case", METRICS + FLAGS, ids=str)
def test_what_is_in_the_systems_gives_the_written_outcome(case: Case) -> None:
    outcome = _outcome(case)
    assert case.expected
    assert {key: outcome[key] for key in case.expected} == case.expected


@pytest.mark.parametrize("metric", load_policy().metrics)
def test_every_metric_has_low_high_boundary_and_missing_cases_and_not_applicable_where_it_can_be(metric: str) -> None:
    can_be_inapplicable = any(re.search(rf"\b{metric}_na\b", sql(name)) for name in SQL_FILES)
    wanted = {"low", "high", "boundary", "missing"} | ({"not_applicable"} if can_be_inapplicable else set())
    assert wanted <= {case.kind for case in METRICS if case.subject == metric}


@pytest.mark.parametrize("metric", load_policy().weighted)
def test_every_knee_of_a_curve_stands_in_a_case(metric: str) -> None:
    written = {(case.value, case.points) for case in METRICS if case.subject == metric}
    assert [knee for knee in load_policy().metrics[metric].curve if knee not in written] == []


@pytest.mark.parametrize("flag", load_policy().flags)
def test_every_flag_has_a_case_for_each_state_and_each_severity(flag: str) -> None:
    cases = [case for case in FLAGS if case.subject == flag]
    assert set(FlagState) <= {case.state for case in cases}
    assert {rule.is_ for rule in load_policy().flags[flag].severity} <= {case.severity for case in cases}


def test_every_flag_of_the_policy_has_its_case_table_and_back() -> None:
    assert {case.subject for case in FLAGS} == set(load_policy().flags)
