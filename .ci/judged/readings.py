"""Readings: what each judge found, as one line for every finding, whatever its report looks like.

A judge that judged nothing is a finding itself, so that silence is never taken for praise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it comes without types
from mcp import Client

from account_health.config import DEMO
from account_health.server import create_server
from judged.serve import now

PASSES = ("SUCCESS", "INFO")
FEWEST_CHECKS = 2
"""A scenario whose extension is not there makes one check, that it is not there, and passes."""
LONGEST_LINE = 400


@dataclass
class Reading:
    """What one judge found, and how much it looked at."""

    checked: int = 0
    findings: list[str] = field(default_factory=list)

    def found(self, *parts: object) -> None:
        """Adds a finding, shortened to what tells."""
        line = " ".join(" ".join(str(part) for part in parts).split())
        self.findings.append(line[:LONGEST_LINE])


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def conformance(folder: Path) -> Reading:
    """Every check of every leg that did not succeed; a leg or a scenario that checked nothing."""
    reading = Reading()
    for leg in sorted(path for path in folder.iterdir() if path.is_dir()):
        reports = {_scenario(path): _json(path) for path in sorted(leg.rglob("checks.json"))}
        wanted = (leg / "wanted").read_text("utf-8").split() if (leg / "wanted").exists() else []
        before = len(reading.findings)
        for scenario in wanted:
            if len(reports.get(scenario, ())) < FEWEST_CHECKS:
                reading.found(leg.name, scenario, "checked nothing")
        for scenario, checks in reports.items():
            reading.checked += len(checks)
            for check in checks:
                if check["status"] not in PASSES:
                    words = check.get("errorMessage") or check["description"]
                    reading.found(leg.name, scenario, check["id"], check["status"], words)
        code = (leg / "exit-code").read_text("utf-8").strip()
        if not reports or (code != "0" and len(reading.findings) == before):
            reading.found(leg.name, f"ended with exit code {code} and {len(reports)} scenarios")
    return reading


def _scenario(report: Path) -> str:
    """The scenario of a report, whose folder is called `server-SCENARIO-INSTANT`."""
    return report.parent.name.removeprefix("server-").rsplit("-", 6)[0]


def inspector(folder: Path) -> Reading:
    """What the calls through the Inspector found, which are ours."""
    report = _json(folder / "inspector.json")
    return Reading(report["checked"], report["findings"])


def mcpcheck(folder: Path) -> Reading:
    """Failures and warnings of every check, and checks without a verdict."""
    reading = Reading()
    for check in _json(folder / "mcpcheck.json")["checks"]:
        reading.checked += 1
        noted = check["failures"] + check["warnings"]
        for note in noted:
            reading.found(check["name"], note["code"], note["subject"], note["message"])
        if check["status"] not in {"pass", "warn"} and not noted:
            reading.found(check["name"], check["status"], check["summary"])
    return reading


def asserted(folder: Path) -> Reading:
    """Every remark of the linter, and every tool that did not survive its inputs."""
    lint = _json(folder / "lint.json")
    reading = Reading(lint["tools"])
    for remark in lint["findings"]:
        reading.found("lint", remark["code"], remark["tool"], remark["message"])
    fuzz = _json(folder / "fuzz.json")
    if not fuzz["summary"]["total_runs"]:
        reading.found("fuzz made no call")
    reading.checked += fuzz["summary"]["total_runs"]
    for tool in fuzz["tools"]:
        if tool["passed"] < tool["runs"]:
            reading.found("fuzz", tool["tool"], json.dumps(tool))
    return reading


def toolproof(folder: Path) -> Reading:
    """Every tool that took what it should not take, broke or hung, and every tool left out."""
    report = _json(folder / "toolproof.json")
    reading = Reading()
    if report["error"]:
        reading.found("error", report["error"])
    for tool in report["fuzz"]["tools"]:
        reading.checked += tool["calls"]
        if tool["skipped"]:
            reading.found(tool["tool"], "skipped", tool["skipped"])
        for finding in tool["findings"]:
            reading.found(tool["tool"], json.dumps(finding, ensure_ascii=False))
    return reading


def contract(folder: Path) -> Reading:
    """Every change that breaks a client or leads a model to other tools, and what is new but not yet recorded."""
    report = _json(folder / "contract.json")
    reading = Reading(report.get("counts", {}).get("tools", 0))
    if error := report.get("error"):
        reading.found("error", error)
    for change in report.get("changes", ()):
        if change["severity"] != "cosmetic":
            reading.found(json.dumps(change, ensure_ascii=False), "(if it is meant: .ci/judges renew)")
    return reading


def fuzzer(folder: Path) -> Reading:
    """Crashes and the like, and every answer to an input; only those are marked that the tool's own schema refuses."""
    summary = _json(folder / "run_summary.json")
    reading = Reading(sum(tool["total_runs"] for tool in summary["tools"]["by_name"].values()))
    if summary["status"] != "completed":
        reading.found("status", summary["status"])
    schemas = anyio.run(_schemas)
    for finding in _json(folder / "findings.json")["findings"]:
        category, tool, given = finding["category"], finding["target"], finding["evidence"].get("input")
        if category == "accepted_malformed":
            is_valid = Draft202012Validator(schemas[tool]).is_valid(given)
            category = "answered a valid input" if is_valid else "answered an invalid input"
        reading.found(tool, category, json.dumps(given, ensure_ascii=False), finding["detail"])
    return reading


async def _schemas() -> dict[str, dict[str, Any]]:
    """The input schema of every tool of the demo."""
    async with Client(create_server(lambda: DEMO, now)) as client:
        return {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}


def redcell(folder: Path) -> Reading:
    """Every exploit that it says it has proven."""
    report = _json(folder / "redcell.json")
    calls = (folder.parent / "redcell.txt").read_text("utf-8").partition("enumerated · ")[2].split(" ", 1)[0]
    reading = Reading(int(calls) if calls.isdecimal() else 0)
    for finding in report["findings"]:
        reading.found(finding["attack_id"], finding["severity"], finding["tool"], *finding["evidence"])
    return reading


READERS: dict[str, Callable[[Path], Reading]] = {
    "conformance": conformance,
    "inspector": inspector,
    "mcpcheck": mcpcheck,
    "assert": asserted,
    "toolproof": toolproof,
    "contract": contract,
    "fuzzer": fuzzer,
    "redcell": redcell,
}
