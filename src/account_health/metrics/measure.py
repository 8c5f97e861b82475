"""Measure: runs the SQL of every dimension over the tables and lays the answers side by side as one matrix.

Each SQL file yields one row per account: a column `m` per metric (NULL is unknown) and, where they mean something,
`m_na` (not applicable), `m_seen`, `m_at_least`, `m_ids`, `m_on` and `m_last`; see MetricMatrix for their meaning.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from account_health.metrics.matrix import MetricMatrix, Supplied
from account_health.metrics.windows import parameters
from account_health.model import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from account_health.inputs import Inputs
    from account_health.policy import Policy

SQL_FILES = ("usage", "support", "satisfaction", "commercial", "relationship")


@cache
def sql(name: str) -> str:
    """The text of one SQL file of this package."""
    return (files(__package__) / f"{name}.sql").read_text("utf-8")


@cache
def _threads() -> ThreadPoolExecutor:
    """A thread per core, kept: each fresh one would bring memory that DuckDB does not give back."""
    return ThreadPoolExecutor(os.cpu_count(), "measure")


def run(inputs: Inputs, policy: Policy, name: str) -> list[dict[str, Any]]:
    """The rows one SQL file yields for these inputs."""
    text = sql(name)
    return inputs.tables.rows(text, _used(text, parameters(policy, inputs.as_of, inputs.usage_end)))


def measure(inputs: Inputs, policy: Policy) -> MetricMatrix:
    """The metric matrix of the asked accounts, sorted by account id."""
    given = parameters(policy, inputs.as_of, inputs.usage_end)

    def answer(name: str) -> Mapping[str, Any]:
        return inputs.tables.columns(sql(name) + "\nORDER BY account_id", _used(sql(name), given))

    answers = list(_threads().map(answer, SQL_FILES))
    columns = {name: column for found in answers for name, column in found.items()}
    matrix = _with_supplied(_laid_out(columns, inputs, policy), run(inputs, policy, "values"), inputs, policy)
    return _within_states(matrix, inputs, policy)


def _laid_out(columns: Mapping[str, Any], inputs: Inputs, policy: Policy) -> MetricMatrix:
    accounts = tuple(str(account) for account in columns["account_id"])
    metrics = tuple(policy.metrics)

    def numbers(suffix: str) -> NDArray[np.float64]:
        missing = np.full(len(accounts), np.nan)
        found = [_floats(columns[m + suffix]) if m + suffix in columns else missing for m in metrics]
        return np.column_stack(found) if found else np.empty((len(accounts), 0))

    provided = np.array([_is_provided(inputs, policy, m) for m in metrics], dtype=bool)
    values = numbers("")
    applicable = np.nan_to_num(numbers("_na"), nan=0.0) == 0
    return MetricMatrix(
        accounts=accounts,
        metrics=metrics,
        values=values,
        known=~np.isnan(values) & applicable & provided,
        applicable=applicable,
        seen=numbers("_seen"),
        at_least=np.nan_to_num(numbers("_at_least"), nan=0.0) == 1,
        provided=provided,
        seen_at_most=np.array([policy.metrics[m].partly_seen == "at_most" for m in metrics], dtype=bool),
        evidence={m: columns[m + "_ids"] for m in metrics if m + "_ids" in columns},
        dated={m: columns[m + "_on"] for m in metrics if m + "_on" in columns},
        last={m: _floats(columns[m + "_last"]) for m in metrics if m + "_last" in columns},
        supplied={},
        unusable={},
    )


def _with_supplied(
    matrix: MetricMatrix, rows: Sequence[Mapping[str, Any]], inputs: Inputs, policy: Policy
) -> MetricMatrix:
    """The matrix with supplied values instead of computed ones: the caller's first, then a source's; never averaged."""
    index = {account: i for i, account in enumerate(matrix.accounts)}
    supplied: dict[tuple[str, str], Supplied] = {}
    unusable: dict[tuple[str, str], Supplied] = {}
    for row in rows:
        if row["metric"] not in policy.metrics or row["account_id"] not in index:
            continue
        key = (row["account_id"], row["metric"])
        chosen = supplied if _counts(row, inputs, policy) else unusable
        if key not in chosen or row["provider"] == "caller":
            chosen[key] = Supplied(row["value"], row["as_of"], row["provider"], row["delivery"])
    values, known = matrix.values.copy(), matrix.known.copy()
    applicable, at_least = matrix.applicable.copy(), matrix.at_least.copy()
    for (account, metric), value in supplied.items():
        cell = index[account], matrix.column(metric)
        values[cell], known[cell], applicable[cell], at_least[cell] = value.value, True, True, False
    return replace(
        matrix,
        values=values,
        known=known,
        applicable=applicable,
        at_least=at_least,
        supplied=supplied,
        unusable=unusable,
    )


def _counts(row: Mapping[str, Any], inputs: Inputs, policy: Policy) -> bool:
    """Whether a supplied value is possible and fresh; those asked of people age as slowly as survey answers."""
    metric, freshness = policy.metrics[row["metric"]], policy.freshness
    limit = freshness.survey if metric.window == "survey" else freshness.general
    return metric.allows(row["value"]) and inputs.as_of - row["as_of"] <= timedelta(days=limit)


def _within_states(matrix: MetricMatrix, inputs: Inputs, policy: Policy) -> MetricMatrix:
    """What the state of a table forbids: metrics over one that does not apply, and flags raised by a stale one."""
    limited = _limited_accounts(matrix, inputs)
    if not limited:
        return matrix
    unfit, stale = limited.get(State.NOT_APPLICABLE, {}), limited.get(State.STALE, {})
    applicable, seen = matrix.applicable.copy(), matrix.seen.copy()
    for column, name in enumerate(matrix.metrics):
        reads = policy.metrics[name].reads
        applicable[:, column] &= matrix.known[:, column] | ~_reads_only(reads, unfit, matrix)
        seen[_reads_only(reads, stale, matrix), column] = np.nan
    return replace(matrix, applicable=applicable, seen=seen)


def _limited_accounts(matrix: MetricMatrix, inputs: Inputs) -> dict[State, dict[str, NDArray[np.bool_]]]:
    """Per limiting state and table: which accounts are in it."""
    found = inputs.tables.rows(
        'SELECT state, "table", list(account_id) AS accounts FROM account_source '
        'WHERE list_contains($states, state) GROUP BY state, "table"',
        {"states": [State.NOT_APPLICABLE.value, State.STALE.value]},
    )
    ids = np.array(matrix.accounts)
    limited: dict[State, dict[str, NDArray[np.bool_]]] = {}
    for row in found:
        limited.setdefault(State(row["state"]), {})[row["table"]] = np.isin(ids, row["accounts"])
    return limited


def _reads_only(
    reads: Sequence[str], tables: Mapping[str, NDArray[np.bool_]], matrix: MetricMatrix
) -> NDArray[np.bool_]:
    """For which accounts all alternatives of something the metric reads are among these tables."""
    nobody = np.zeros(len(matrix.accounts), dtype=bool)
    entries = [[tables.get(column.partition(".")[0], nobody) for column in entry.split("|")] for entry in reads]
    whole: NDArray[np.bool_] = np.logical_or.reduce([np.logical_and.reduce(entry) for entry in entries])
    return whole


def _is_provided(inputs: Inputs, policy: Policy, metric: str) -> bool:
    return all(inputs.provides(entry) for entry in policy.metrics[metric].reads)


def _floats(column: Any) -> NDArray[np.float64]:
    """A column of numbers, dates left out, NULL as NaN."""
    floats = np.array(np.ma.getdata(column), dtype=np.float64)
    floats[np.ma.getmaskarray(column)] = np.nan
    return floats


def _used(text: str, given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in set(re.findall(r"\$(\w+)", text)) if name in given}
