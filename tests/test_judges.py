"""The judges from outside: what they find stands unless a waiver says why not, and silence is no praise."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client

from doors import demo_server

if TYPE_CHECKING:
    from types import ModuleType

SCENARIO = "server-tasks-lifecycle-2026-11-21T09-00-00-000Z"


@pytest.fixture
def verdict(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What `.ci/judges` gives its verdicts with."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / ".ci")
    return import_module("judged.verdict")


@pytest.fixture
def readings(verdict: ModuleType) -> ModuleType:
    """What reads the reports of the judges."""
    return import_module(verdict.Reading.__module__)


def write(path: Path, report: Any) -> None:
    """A report as a judge would leave it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report if isinstance(report, str) else json.dumps(report), "utf-8")


def conformance(readings: ModuleType, folder: Path, leg: str, code: int, *checks: dict[str, str]) -> list[str]:
    """What a leg of one scenario comes to."""
    write(folder / leg / "exit-code", str(code))
    write(folder / leg / SCENARIO / "checks.json", [{"id": "check", "description": "It holds"} | one for one in checks])
    return list(readings.conformance(folder).findings)


def test_a_finding_stands_unless_a_waiver_names_the_whole_of_it(verdict: ModuleType) -> None:
    reading = verdict.Reading(9, ["lint E1 one", "lint E1 one and more", "lint E2 one"])
    allowed = [verdict.Waiver("assert", "lint E1 one", "because it is none of ours")]
    assert verdict.standing(reading, allowed) == (["lint E1 one and more", "lint E2 one"], 1)


def test_a_waiver_that_names_nothing_any_more_stands_against_us(verdict: ModuleType) -> None:
    allowed = [verdict.Waiver("assert", "lint E1 .*", "because it is none of ours")]
    assert verdict.standing(verdict.Reading(9, []), allowed) == (["waived, but not found: lint E1 .*"], 0)


def test_a_judge_that_judged_nothing_praises_nobody(verdict: ModuleType) -> None:
    assert verdict.standing(verdict.Reading(), []) == (["judged nothing"], 0)


@pytest.mark.parametrize(
    "waiver",
    ['judge = "assert"\nfinding = ".*"\nreason = "not ours"', 'judge = "nobody"\nfinding = "x"\nreason = "a b c d e"'],
)
def test_a_waiver_without_a_reason_or_a_judge_is_refused(verdict: ModuleType, tmp_path: Path, waiver: str) -> None:
    write(tmp_path / "waivers.toml", f"[[waiver]]\n{waiver}\n")
    with pytest.raises(SystemExit, match="every waiver names a judge there is and a reason"):
        verdict.waivers("assert", tmp_path / "waivers.toml")


def test_no_waiver_of_ours_covers_whatever_a_judge_may_say(verdict: ModuleType) -> None:
    found = [waiver for judge in import_module("judged.readings").READERS for waiver in verdict.waivers(judge)]
    assert found
    assert [waiver.finding for waiver in found if waiver.covers("") or waiver.covers("anything at all")] == []


def test_a_report_that_cannot_be_read_fails_the_judge(
    verdict: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        verdict.main("inspector", tmp_path)
    assert end.value.code == 1
    assert "its report cannot be read: FileNotFoundError" in capsys.readouterr().out


def test_a_check_that_failed_warned_or_was_skipped_is_found(readings: ModuleType, tmp_path: Path) -> None:
    statuses = ("SUCCESS", "INFO", "FAILURE", "WARNING", "SKIPPED")
    found = conformance(readings, tmp_path, "active", 1, *({"status": status} for status in statuses))
    assert found == [f"active tasks-lifecycle check {status} It holds" for status in statuses[2:]]


def test_a_scenario_that_was_skipped_or_misses_its_extension_is_found(readings: ModuleType, tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "wanted", "tasks-lifecycle\ntasks-wire-fields\n")
    found = conformance(readings, tmp_path, "tasks", 0, {"status": "SUCCESS", "id": "not-declared"})
    assert found == ["tasks tasks-lifecycle checked nothing", "tasks tasks-wire-fields checked nothing"]


def test_a_suite_that_breaks_off_is_found_although_nothing_failed(readings: ModuleType, tmp_path: Path) -> None:
    found = conformance(readings, tmp_path, "active", 7, {"status": "SUCCESS"})
    assert found == ["active ended with exit code 7 and 1 scenarios"]


def test_what_is_new_in_the_contract_is_found_until_it_is_recorded(readings: ModuleType, tmp_path: Path) -> None:
    changes = [{"severity": severity} for severity in ("breaking", "routing", "additive", "cosmetic")]
    write(tmp_path / "contract.json", {"counts": {"tools": 1}, "changes": changes})
    assert readings.contract(tmp_path).findings == [
        f'{{"severity": "{severity}"}} (if it is meant: .ci/judges renew)'
        for severity in ("breaking", "routing", "additive")
    ]


def test_an_answer_to_an_input_that_the_schema_refuses_is_told_from_one_to_a_valid_input(
    readings: ModuleType, tmp_path: Path
) -> None:
    def answered(given: dict[str, Any]) -> dict[str, Any]:
        evidence = {"input": given}
        return {"category": "accepted_malformed", "target": "check_sources", "evidence": evidence, "detail": "!"}

    write(tmp_path / "run_summary.json", {"status": "completed", "tools": {"by_name": {"a": {"total_runs": 2}}}})
    write(tmp_path / "findings.json", {"findings": [answered({}), answered({"as_of": 5})]})
    assert readings.fuzzer(tmp_path).findings == [
        "check_sources answered a valid input {} !",
        'check_sources answered an invalid input {"as_of": 5} !',
    ]


@pytest.mark.anyio
async def test_every_tool_is_described_with_an_example_that_can_be_called(verdict: ModuleType) -> None:
    example = import_module(f"{verdict.__package__}.inspected").example
    async with Client(demo_server()) as client:
        tools = (await client.list_tools()).tools
    examples = {tool.name: example(tool.description) for tool in tools}
    assert [name for name, arguments in examples.items() if arguments is None] == []
    assert examples["explain_change"] == {"account": "northwind", "since": "2026-10-21"}
    assert example("Lists things.") is None
