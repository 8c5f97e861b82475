"""Measures and prints one JSON object per figure: `bench.py [--write] [NAME ...]`; see README.md beside this file."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from both_transports import mcp_latency
from figures import Figure, Measurement, NotMeasured
from giving_up import mcp_cancellation
from history import at_risk_100k, explain_change, portfolio_health_100k, summary_with_history
from in_memory import warm_summary_cached, warm_summary_computed
from intacct_both_ways import intacct_bulk_10k, publish_apply_200, publish_plan_10k
from intacct_file import intacct_csv_100k
from languages import summary_in_french
from live_sources import live_bulk_100k, live_one_account
from many_readers import mcp_readers
from over_stdio import first_summary_after_list, memory, start_to_tools_list, tools_list_size
from portfolios import bulk_100k, ravenstack_all
from recording import assess_all_100k
from scoring_alone import scoring_1, scoring_1k, scoring_1m, scoring_100k

MEASUREMENTS: dict[str, Measurement] = {
    measurement.__name__: measurement
    for measurement in (
        start_to_tools_list,
        first_summary_after_list,
        warm_summary_computed,
        warm_summary_cached,
        memory,
        tools_list_size,
        scoring_1,
        scoring_1k,
        scoring_100k,
        scoring_1m,
        ravenstack_all,
        bulk_100k,
        live_one_account,
        live_bulk_100k,
        assess_all_100k,
        portfolio_health_100k,
        at_risk_100k,
        explain_change,
        summary_with_history,
        summary_in_french,
        intacct_csv_100k,
        publish_plan_10k,
        publish_apply_200,
        intacct_bulk_10k,
        mcp_latency,
        mcp_readers,
        mcp_cancellation,
    )
}
GROUPS = {"mcp": ("mcp_latency", "mcp_readers", "mcp_cancellation")}
"""Measurements that answer one question, by a name for all of them."""
PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- figures: written by `.ci/bench --write` -->", "<!-- end of figures -->"


def measured(names: Sequence[str]) -> list[Figure]:
    """The figures of some measurements, printed as they come; one that cannot be had here is said on standard error."""
    figures: list[Figure] = []
    for name in names:
        try:
            found = MEASUREMENTS[name]()
        except NotMeasured as reason:
            print(f"SKIPPED {name}: {reason}", file=sys.stderr)
            continue
        for figure in found:
            print(figure.line(), flush=True)
        figures += found
    return figures


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table under a line that says where and when."""
    rows = [f"| {f.name} | {_brief(f.value)} | {f.unit} | {_brief(f.peer)} | {_brief(f.ratio)} |" for f in figures]
    head = ["| figure | value | unit | peer | ratio |", "|---|---|---|---|---|"]
    return "\n".join([_circumstances(), "", *head, *rows])


def _brief(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"  # noqa: PLR2004 - three digits tell enough


def _circumstances() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("account-health", "duckdb", "numpy", "mcp", "pydantic"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f} at the end; Python {platform.python_version()}, {versions}."
    )


def write(figures: Sequence[Figure]) -> None:
    """Puts the table between the markers of README.md."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(figures)}\n\n{END}{rest.split(END)[1]}", "utf-8")


def main() -> None:
    """Measures what is asked for, or everything."""
    parser = argparse.ArgumentParser(description="Measure; one JSON object per figure and line.")
    known = ", ".join((*MEASUREMENTS, *(f"{group} ({' '.join(names)})" for group, names in GROUPS.items())))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: everything; there are {known}")
    parser.add_argument("--write", action="store_true", help="also write the table into benchmarks/README.md")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(MEASUREMENTS) - set(GROUPS):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}; there are {known}")
    if asked.write and asked.names:
        parser.error("--write needs all figures: a table from several runs would compare nothing")
    names = dict.fromkeys(name for asked_name in asked.names for name in GROUPS.get(asked_name, (asked_name,)))
    figures = measured(tuple(names or MEASUREMENTS))
    if asked.write:
        write(figures)


if __name__ == "__main__":
    main()
