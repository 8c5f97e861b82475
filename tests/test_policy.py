"""The policy: one file of numbers with reasons; a bad one is refused with every fault named by its place."""

from __future__ import annotations

import copy
import re
from contextlib import suppress
from importlib.resources import files
from math import inf, nan
from typing import TYPE_CHECKING, Any

import pytest

from account_health.errors import PolicyError
from account_health.policy import default_document, load_policy, parse_policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GONE = object()
NOT_FINITE = "Input should be a finite number"


def changed(path: str, value: Any) -> dict[str, Any]:
    """The default policy with one value replaced, added or, with GONE, taken out."""
    document = copy.deepcopy(default_document())
    *tables, key = path.split(".")
    table = document
    for name in tables:
        table = table[name]
    if value is GONE:
        del table[key]
    else:
        table[key] = value
    return document


def fault_of(document: dict[str, Any]) -> str:
    with pytest.raises(PolicyError) as caught:
        parse_policy(document, "mine.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("dimensions.usage.weight", GONE, "dimensions.usage.weight: missing"),
        ("dimensions.usage.weight", -1, "dimensions.usage.weight: Input should be greater than or equal to 0"),
        ("dimensions.usage.weight", 34, "dimensions: the weights total 99, not 100"),
        ("dimensions.usage.weight", 35.000001, "dimensions: the weights total 100.000001, not 100"),
        ("dimensions.usage.weight", nan, f"dimensions.usage.weight: {NOT_FINITE}"),
        ("dimensions.usage.weight", inf, f"dimensions.usage.weight: {NOT_FINITE}"),
        ("dimensions.usage.weight", "35", "dimensions.usage.weight: Input should be a valid number"),
        ("dimensions.usage.reason", "", "dimensions.usage.reason: String should have at least 1 character"),
        ("dimensions", GONE, "dimensions: missing"),
        ("metrics.nps_latest.weight", -60, "metrics.nps_latest.weight: Input should be greater than or equal to 0"),
        ("metrics.nps_latest.weight", GONE, "metrics.nps_latest: a fact (weight 0) has no curve"),
        ("metrics.nps_latest.dimension", "happiness", "metrics: nps_latest: no dimension 'happiness'"),
        ("metrics.nps_latest.curve", [[6, 30], [0, 0]], "metrics.nps_latest: the curve's values must rise"),
        ("metrics.nps_latest.curve", [[0, 0], [0, 9]], "metrics.nps_latest: the curve's values must rise"),
        ("metrics.nps_latest.curve", [[0, 9], [9, 0]], "higher_is_better: the curve's points must not fall"),
        ("metrics.overdue_invoices.curve", [[0, 0], [3, 9]], "lower_is_better: the curve's points must not rise"),
        ("metrics.nps_latest.curve", [[0, 101]], "metrics.nps_latest.curve.0.1: Input should be less than or equal"),
        ("metrics.nps_latest.curve", [[nan, 1]], f"metrics.nps_latest.curve.0.0: {NOT_FINITE}"),
        ("metrics.nps_latest.curve", [[-inf, 1]], f"metrics.nps_latest.curve.0.0: {NOT_FINITE}"),
        ("metrics.nps_latest.curve", [], "metrics.nps_latest: a metric with weight needs curve, polarity"),
        ("metrics.nps_latest.polarity", GONE, "metrics.nps_latest: a metric with weight needs curve, polarity"),
        ("metrics.nps_latest.polarity", "up", "metrics.nps_latest.polarity: Input should be 'higher_is_better' or"),
        (
            "metrics.nps_latest.reads",
            ["survey_response.mood"],
            "reads 'survey_response.mood', which is no",
        ),
        ("metrics.nps_latest.source", "gossip", "metrics.nps_latest.source: Input should be 'crm'"),
        ("metrics.nps_latest.sentences", {"other": "{mood}"}, "metrics.nps_latest: unknown placeholder {mood}"),
        ("metrics.nps_latest.sentences", {"other": "{0}"}, "metrics.nps_latest: unknown placeholder {0}"),
        ("metrics.nps_latest.sentences", {"other": "{value"}, "a brace without its partner in a sentence"),
        ("metrics.nps_latest.sentences", {"0": "none"}, "metrics.nps_latest: sentences need 'other', or"),
        ("metrics.champion_active.sentences", {"no": "x"}, "metrics.champion_active: no sentence for level 'yes'"),
        ("metrics.nps_latest.mood", 1, "metrics.nps_latest.mood: unknown key"),
        ("flags.usage_drop.raise_when", [["mood < 3"]], "flags: usage_drop: no metric 'mood'"),
        ("flags.usage_drop.voices", ["mood"], "flags: usage_drop: no metric 'mood'"),
        ("flags.usage_drop.raise_when", [["a lot"]], "flags.usage_drop: cannot read the condition 'a lot'"),
        ("flags.usage_drop.raise_when", [["tickets_30d >= 2 * 3"]], "cannot read the condition"),
        ("flags.usage_drop.raise_when", [["tickets_30d == 3"]], "cannot read the condition"),
        ("flags.usage_drop.raise_when", [["tickets_30d > nan or 1"]], "cannot read the condition"),
        ("flags.usage_drop.raise_when", [[]], "flags.usage_drop.raise_when.0: Tuple should have at least 1 item"),
        ("flags.usage_drop.severity", [{"is": "dire"}], "flags.usage_drop.severity.0.is: Input should be 'critical'"),
        (
            "flags.usage_drop.severity",
            [{"is": "high", "when": ["x"]}],
            "the last severity must hold without conditions",
        ),
        ("flags.usage_drop.severity", [{"is": "high", "when": ["mood > 1"]}, {"is": "watch"}], "no metric 'mood'"),
        ("flags.usage_drop.action", "", "flags.usage_drop.action: String should have at least 1 character"),
        ("bands.green", 50, "bands: yellow must start below green"),
        ("bands.green", 74.5, "bands.green: Input should be a valid integer"),
        ("minimum.coverage", 1.1, "minimum.coverage: Input should be less than or equal to 1"),
        ("minimum.coverage", nan, f"minimum.coverage: {NOT_FINITE}"),
        ("arithmetic.tolerance", nan, "arithmetic.tolerance: "),
        ("arithmetic.tolerance", 0, "arithmetic.tolerance: Input should be greater than 0"),
        ("windows.recent", 0, "windows.recent: Input should be greater than or equal to 1"),
        ("time_zone", "Mars/Olympus", "time_zone: 'Mars/Olympus' is no time zone; write e.g. 'Europe/Berlin'"),
        ("time_zone", "../../etc/passwd", "time_zone: '../../etc/passwd' is no time zone"),
        ("time_zone", "", "time_zone: '' is no time zone"),
        ("mood", 1, "mood: unknown key"),
        ("limits.mood", 1, "limits.mood: unknown key"),
    ],
)
def test_a_fault_is_named_by_its_place(path: str, value: Any, fault: str) -> None:
    message = fault_of(changed(path, value))

    assert fault in message
    assert message.startswith("The policy mine.toml cannot be used:\n- ")
    assert message.endswith("Correct it and run `account-health policy check`.")


def test_faults_in_different_parts_are_named_at_once() -> None:
    document = changed("dimensions.usage.weight", 25)
    document["mood"] = 1
    document["bands"]["green"] = 200
    document["metrics"]["nps_latest"]["curve"] = [[6, 30], [0, 40]]
    document["flags"]["usage_drop"]["raise_when"] = [["a lot"]]

    message = fault_of(document)
    assert "\n- mood: unknown key\n" in message
    assert "\n- bands.green: " in message
    assert "\n- dimensions: the weights total 90, not 100\n" in message
    assert "\n- metrics.nps_latest: the curve's values must rise from pair to pair" in message
    assert "\n- flags.usage_drop: cannot read the condition 'a lot'" in message


def test_a_dimension_with_weight_needs_a_metric_with_weight() -> None:
    document = changed("dimensions.luck", {"name": "Luck", "weight": 10, "reason": "Why not?"})
    document["dimensions"]["usage"]["weight"] = 25

    assert "metrics: none with weight in dimension 'luck'" in fault_of(document)


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name = ", "is not valid TOML: "),
        ('extends = "default"\n[dimensions.usage]\nweight = nan\n', f"dimensions.usage.weight: {NOT_FINITE}"),
        ('extends = "default"\n[dimensions.usage]\nweight = -inf\n', f"dimensions.usage.weight: {NOT_FINITE}"),
        ('extends = "default"\n[limits]\nmood = 1\n', "limits.mood: unknown key"),
        ('extends = "defualt"\n', "extends: unknown key"),
        ('name = "mine"\n', "metrics: missing"),
    ],
)
def test_a_file_with_a_fault_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(fault)):
        load_policy(_file(tmp_path, text))


def test_a_missing_file_a_folder_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")

    for path, problem in [
        (tmp_path / "no.toml", "cannot be read"),
        (tmp_path, "cannot be read"),
        (binary, "not valid"),
    ]:
        with pytest.raises(PolicyError, match=problem):
            load_policy(path)


def test_a_file_that_extends_the_default_changes_only_what_it_names(tmp_path: Path) -> None:
    text = (
        'extends = "default"\nname = "strict"\n[bands]\ngreen = 80\n[metrics.nps_latest]\ncurve = [[0, 0], [10, 9]]\n'
    )
    policy, default = load_policy(_file(tmp_path, text)), load_policy()

    assert (policy.name, policy.bands.green, policy.metrics["nps_latest"].curve) == ("strict", 80, ((0, 0), (10, 9)))
    assert policy.bands.yellow == default.bands.yellow
    assert policy.metrics["nps_latest"].sentences == default.metrics["nps_latest"].sentences
    assert policy.flags == default.flags


def test_a_file_can_add_a_metric_and_a_flag_of_its_own(tmp_path: Path) -> None:
    own = """extends = "default"
[metrics.training_hours]
name = "Training"
dimension = "relationship"
unit = "hours"
source = "crm"
reads = ["metric_value.value"]
reason = "Trained teams stay."
sentences = { other = "{value} hours of training" }
[flags.untrained]
name = "Untrained"
raise_when = [["training_hours < 1"]]
severity = [{ is = "watch" }]
action = "Offer training."
reason = "Nobody stays with what they cannot use."
"""
    policy = load_policy(_file(tmp_path, own))

    assert [*policy.metrics][-1] == "training_hours"
    assert [*policy.flags][-1] == "untrained"


def test_the_hash_changes_with_every_value() -> None:
    expected = parse_policy(default_document(), "default.toml").ref.hash
    chosen = ("minimum", "bands", "windows", "freshness", "limits", "dimensions")
    paths = [path for table in chosen for path in _leaves(default_document()[table], table)]
    paths += [*_leaves(default_document()["metrics"]["nps_latest"], "metrics.nps_latest")]
    paths += [*_leaves(default_document()["flags"]["usage_drop"], "flags.usage_drop"), "name", "version", "time_zone"]

    hashes = {}
    for path in paths:
        with suppress(PolicyError):
            hashes[path] = parse_policy(changed(path, _other(default_document(), path)), "mine.toml").ref.hash

    assert len(hashes) > len(paths) / 2
    assert [path for path, hashed in hashes.items() if hashed == expected] == []


def _leaves(table: dict[str, Any], place: str) -> Iterator[str]:
    for key, value in table.items():
        yield from _leaves(value, f"{place}.{key}") if isinstance(value, dict) else [f"{place}.{key}"]


def _other(document: dict[str, Any], path: str) -> Any:
    value: Any = document
    for key in path.split("."):
        value = value[key]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + (0.01 if isinstance(value, float) else 1)
    return "Europe/Berlin" if path == "time_zone" else value[:-1]


def test_the_hash_does_not_change_with_formatting(tmp_path: Path) -> None:
    text = (files("account_health") / "policies" / "default.toml").read_text("utf-8")
    other = re.sub(r"(?m)^weight = (\d+)$", r"weight    =   \1.0 # as before", text).replace("\n\n", "\n")

    assert other != text
    assert load_policy(_file(tmp_path, other)).ref == load_policy().ref


def test_every_number_of_the_default_policy_has_a_reason() -> None:
    document = default_document()
    tables = {key: table for key, table in document.items() if isinstance(table, dict) and "reason" in table}
    parts = {"dimensions", "metrics", "flags", "vocabularies"}
    for part in parts:
        tables |= {f"{part}.{key}": table for key, table in document[part].items()}

    assert [key for key, value in document.items() if isinstance(value, int | float)] == []
    assert {key for key, table in document.items() if isinstance(table, dict)} - {*tables} == parts
    assert [key for key, table in tables.items() if len(table["reason"].split()) < 4] == []


def test_the_seven_flags_and_the_published_weights_stand_in_the_default_policy() -> None:
    policy = load_policy()

    assert {key: d.weight for key, d in policy.dimensions.items()} == {
        "usage": 35,
        "support": 20,
        "satisfaction": 20,
        "commercial": 15,
        "relationship": 10,
    }
    assert [flag.name for flag in policy.flags.values()] == [
        "Usage drop",
        "Support spike",
        "NPS detractor",
        "Payment issue",
        "Renewal soon",
        "No executive touch",
        "Escalation in last 90 days",
    ]
