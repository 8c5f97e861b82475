"""Vocabularies: every health has exactly one word in each, as published; other words that people write are refused."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from account_health.chronicle import StatusWord
from account_health.config import DEMO, HistorySettings
from account_health.errors import CallerError, PolicyError
from account_health.flags import SEVERITIES
from account_health.model import Band, FlagState, Severity
from account_health.policy import default_document, load_policy, parse_policy
from account_health.standings import Standings
from account_health.vocabularies import (
    bands_of,
    canonical,
    conditions,
    range_words,
    status_word,
    vocabulary_named,
    word,
)
from account_health.workspace import Workspace
from doors import DAY, clock
from history.readings import packed, reading

if TYPE_CHECKING:
    from account_health.model import Assessment
    from account_health.policy import Policy
    from account_health.practice import Vocabulary

POLICY = load_policy()
KEYS = tuple(POLICY.vocabularies)
SCORES = st.none() | st.integers(0, 100)
WORDS = st.sampled_from(["Splendid", "Fine", "So so", "Dire"])
CONDITIONS = st.sampled_from(["open_escalations >= 1", "tickets_30d > 3", "nps_latest < 7"])


def policy_with(vocabulary: dict[str, Any], key: str = "uman") -> Policy:
    """The default policy with one vocabulary changed."""
    document = copy.deepcopy(default_document())
    document["vocabularies"][key] = document["vocabularies"][key] | vocabulary
    return parse_policy(document, "mine.toml")


def holding(vocabulary: Vocabulary, *, escalated: bool = False) -> list[bool]:
    """Which words' comparisons hold, if an open escalation is all that any of them looks at."""
    return [w.is_plain or escalated for w in vocabulary.words]


# --- Exactly one word -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
@given(score=SCORES, truths=st.lists(st.booleans(), min_size=9, max_size=9))
def test_every_score_under_any_conditions_has_exactly_one_word(
    key: str, score: float | None, truths: list[bool]
) -> None:
    vocabulary = POLICY.vocabularies[key]
    holds = [w.is_plain or is_true for w, is_true in zip(vocabulary.words, truths, strict=False)]
    found = word(vocabulary, score, POLICY, holds)

    if score is None:
        assert found == (vocabulary.not_scored or None)
    else:
        assert [w.word for w in vocabulary.words].count(str(found)) == 1


@st.composite
def vocabularies(draw: st.DrawFn) -> dict[str, Any]:
    """What an operator may write: words in any order, with any conditions, the last one without."""
    words = draw(st.lists(WORDS, min_size=1, unique=True))
    conditioned = st.fixed_dictionaries(
        {},
        optional={
            "from": st.integers(0, 100),
            "bands": st.lists(st.sampled_from([b.value for b in Band]), unique=True),
            "when": st.lists(CONDITIONS, max_size=2),
        },
    )
    return {"words": [*({"word": w, **draw(conditioned)} for w in words[:-1]), {"word": words[-1]}]}


METRIC_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "open_escalations": st.sampled_from([0.0, 1.0, 2.0]),
        "tickets_30d": st.integers(0, 9).map(float),
        "nps_latest": st.integers(0, 10).map(float),
    },
)


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(vocabulary=vocabularies(), values=st.lists(METRIC_VALUES, min_size=1, max_size=4), score=SCORES)
def test_every_vocabulary_that_a_policy_accepts_has_a_word_for_every_account(
    vocabulary: dict[str, Any], values: list[dict[str, float]], score: float | None
) -> None:
    try:
        policy = policy_with(vocabulary)
    except PolicyError:
        reject()  # a word that can never hold
    checked = policy.vocabularies["uman"]
    readings = [reading(f"a{i}", packed=packed(known, policy)) for i, known in enumerate(values)]
    names = {reading.policy: tuple(policy.metrics) for reading in readings}
    holds = conditions(checked, Standings.of_readings(readings, names, policy).matrix)

    assert holds.shape == (len(values), len(checked.words))
    assert holds[:, [w.is_plain for w in checked.words]].all()
    for row in holds.tolist():
        assert (word(checked, score, policy, row) in {w.word for w in checked.words}) == (score is not None)


@pytest.mark.parametrize(
    ("values", "holds"),
    [({"open_escalations": 1.0}, True), ({"open_escalations": 0.0}, False), ({}, False), ({"tickets_30d": 9.0}, False)],
)
def test_only_what_is_surely_true_decides_about_a_word(values: dict[str, float], *, holds: bool) -> None:
    readings = [reading(packed=packed(values))]
    matrix = Standings.of_readings(readings, {POLICY.ref.hash: tuple(POLICY.metrics)}, POLICY).matrix

    assert conditions(POLICY.vocabularies["intacct"], matrix).tolist() == [[holds, True, True]]


# --- The published words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "uman", "pipeline", "intacct", "colour"),
    [
        (0, "Critical", "Poor", "At risk", "Red"),
        (24, "Critical", "Poor", "At risk", "Red"),
        (25, "At Risk", "Poor", "At risk", "Red"),
        (49, "At Risk", "Poor", "At risk", "Red"),
        (50, "Neutral", "Fair", "At risk", "Yellow"),
        (62, "Neutral", "Fair", "At risk", "Yellow"),
        (74, "Neutral", "Fair", "At risk", "Yellow"),
        (75, "Positive", "Good", "Healthy", "Green"),
        (89, "Positive", "Good", "Healthy", "Green"),
        (90, "Strong", "Good", "Healthy", "Green"),
        (100, "Strong", "Good", "Healthy", "Green"),
        (None, None, "None", None, "Not scored"),
    ],
)
def test_words_change_at_the_published_scores(
    score: int | None, uman: str | None, pipeline: str, intacct: str | None, colour: str
) -> None:
    said = {key: word(known, score, POLICY, holding(known)) for key, known in POLICY.vocabularies.items()}

    assert said == {"colours": colour, "uman": uman, "pipeline": pipeline, "intacct": intacct}


@pytest.mark.parametrize("score", [0, 50, 75, 100])
def test_an_open_escalation_is_escalated_at_any_score(score: int) -> None:
    intacct = POLICY.vocabularies["intacct"]
    assert word(intacct, score, POLICY, holding(intacct, escalated=True)) == "Escalated"


def published(assessment: Assessment) -> dict[str, StatusWord]:
    """What the design says an account is called, worked out from its assessment alone."""
    score, band = assessment.score_rounded, assessment.band
    (flag,) = [f for f in assessment.flags if f.flag == "escalation_90d"]
    escalated = flag.state is FlagState.RAISED and flag.severity is Severity.CRITICAL
    if score is None:
        said: dict[str, str | None] = {"colours": "Not scored", "uman": None, "pipeline": "None", "intacct": None}
    else:
        said = {
            "colours": str(band).capitalize(),
            "uman": ("Critical", "At Risk", "Neutral", "Positive", "Strong")[sum(score >= c for c in (25, 50, 75, 90))],
            "pipeline": {Band.RED: "Poor", Band.YELLOW: "Fair", Band.GREEN: "Good"}[band or Band.RED],
            "intacct": "Escalated" if escalated else "At risk" if score < 75 else "Healthy",
        }
    churn = None if score is None else band is Band.RED or assessment.tier is Severity.CRITICAL
    return {
        key: StatusWord(vocabulary=key, word=text, churn_risk=churn if key == "intacct" else None)
        for key, text in said.items()
    }


def test_every_demo_account_is_called_what_the_design_says() -> None:
    workspace = Workspace.open(replace(DEMO, history=HistorySettings()), clock)
    said: list[StatusWord] = []

    async def ask() -> None:
        for account in (await workspace.evaluate(workspace.instant(DAY))).accounts:
            found = [await workspace.assess(account, DAY, vocabulary=key) for key in KEYS]
            expected = published(found[0])
            assert {a.status.vocabulary: a.status for a in found if a.status} == expected
            said.extend(expected.values())

    anyio.run(ask)
    intacct = [s for s in said if s.vocabulary == "intacct"]
    assert {s.word for s in intacct} == {"Escalated", "At risk", "Healthy", None}
    assert {s.churn_risk for s in intacct} == {True, False, None}
    assert {s.word for s in said if s.vocabulary == "uman"} >= {"Critical", "At Risk", "Neutral", "Positive", None}


@given(score=SCORES, tier=st.sampled_from(SEVERITIES), escalated=st.booleans())
def test_churn_is_a_risk_when_red_or_critical_and_is_asked_for_by_one_system_only(
    score: float | None, tier: Severity, *, escalated: bool
) -> None:
    band = None if score is None else POLICY.bands.of(score)
    for key, vocabulary in POLICY.vocabularies.items():
        said = status_word(POLICY, key, score, band, tier, holding(vocabulary, escalated=escalated))
        is_asked = key == "intacct" and score is not None
        assert said.churn_risk == ((band is Band.RED or tier is Severity.CRITICAL) if is_asked else None)
        assert said.word == word(vocabulary, score, POLICY, holding(vocabulary, escalated=escalated))


# --- Ranges -----------------------------------------------------------------------------------------------------------


def test_both_ends_of_a_range_have_a_word() -> None:
    workspace = Workspace.open(replace(DEMO, history=HistorySettings()), clock)

    async def ask(account: str, key: str = "") -> Assessment:
        return await workspace.assess(account, DAY, vocabulary=key)

    plain = anyio.run(ask, "brightloom")
    assert (plain.range.low, plain.range.high) == pytest.approx((84.64, 96.64), abs=0.01)
    assert range_words(plain, POLICY) == ("Green", "Green")
    assert range_words(anyio.run(ask, "brightloom", "uman"), POLICY) == ("Positive", "Strong")
    assert range_words(anyio.run(ask, "blank-ledger", "intacct"), POLICY) == ("At risk", "Healthy")
    assert range_words(anyio.run(ask, "fernhollow", "intacct"), POLICY) == ("Escalated", "Escalated")


# --- What people write ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "text", "spelling"),
    [
        ("uman", "At Risk", "At Risk"),
        ("uman", "  at   RISK ", "At Risk"),
        ("intacct", "AT RISK", "At risk"),
        ("intacct", "escalated", "Escalated"),
        ("colours", "gReEn", "Green"),
        ("uman", "None", ""),
        ("intacct", "none", ""),
        ("pipeline", " NONE ", ""),
        ("colours", "not scored", ""),
        ("uman", "", ""),
        ("uman", " \t", ""),
    ],
)
def test_a_word_is_known_by_any_spelling_and_none_withdraws(key: str, text: str, spelling: str) -> None:
    assert canonical(POLICY.vocabularies[key], text) == spelling


@pytest.mark.parametrize("text", ["Healthy", "AtRisk", "not scored", "Strong!", "<b>Strong</b>", "0"])
def test_a_word_of_no_such_vocabulary_is_refused_with_its_words(text: str) -> None:
    with pytest.raises(CallerError) as refused:
        canonical(POLICY.vocabularies["uman"], text)
    assert str(refused.value) == (
        "uman.ai customer health status has no such status. "
        "Statuses: Strong, Positive, Neutral, At Risk, Critical; None withdraws one."
    )


@given(key=st.sampled_from(KEYS), data=st.data())
def test_every_word_stays_itself_however_it_is_written(key: str, data: st.DataObject) -> None:
    vocabulary = POLICY.vocabularies[key]
    known = data.draw(st.sampled_from([w.word for w in vocabulary.words]))
    changes = data.draw(st.sampled_from([str.upper, str.lower, str.title, str.swapcase]))

    assert canonical(vocabulary, changes(known).replace(" ", "  ")) == known


def test_a_vocabulary_that_is_none_is_refused_with_those_there_are() -> None:
    assert vocabulary_named(POLICY, "uman") is POLICY.vocabularies["uman"]
    for key in ("klingon", "", "Uman"):
        with pytest.raises(CallerError, match=r"no such vocabulary. Vocabularies: colours, uman, pipeline, intacct."):
            vocabulary_named(POLICY, key)


# --- Words and bands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "text", "bands"),
    [
        ("colours", "Green", {Band.GREEN}),
        ("colours", "Not scored", set()),
        ("uman", "Strong", {Band.GREEN}),
        ("uman", "Positive", {Band.GREEN}),
        ("uman", "Neutral", {Band.YELLOW}),
        ("uman", "At Risk", {Band.RED}),
        ("uman", "Critical", {Band.RED}),
        ("pipeline", "Fair", {Band.YELLOW}),
        ("pipeline", "None", set()),
        ("intacct", "Healthy", {Band.GREEN}),
        ("intacct", "At risk", {Band.YELLOW, Band.RED}),
        ("intacct", "Escalated", set()),
        ("intacct", "Strong", set()),
        ("intacct", "", set()),
    ],
)
def test_a_word_belongs_to_the_bands_it_can_be_said_in(key: str, text: str, bands: set[Band]) -> None:
    assert bands_of(POLICY.vocabularies[key], text, POLICY) == bands


@given(key=st.sampled_from(KEYS), score=st.integers(0, 100))
def test_the_word_of_a_score_belongs_to_its_band(key: str, score: int) -> None:
    vocabulary = POLICY.vocabularies[key]
    said = word(vocabulary, score, POLICY, holding(vocabulary))

    assert POLICY.bands.of(score) in bands_of(vocabulary, str(said), POLICY)


def test_bands_of_a_word_follow_the_bands_of_the_policy() -> None:
    strict = POLICY.model_copy(update={"bands": POLICY.bands.model_copy(update={"green": 80})})

    assert bands_of(strict.vocabularies["intacct"], "Healthy", strict) == {Band.GREEN, Band.YELLOW}
    assert bands_of(strict.vocabularies["pipeline"], "Good", strict) == {Band.GREEN}


# --- Faults of a policy -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"words": [{"word": "Up", "from": 50}]}, "vocabularies.uman: the last word must hold without conditions"),
        ({"words": [{"word": "Up", "bands": ["green"]}]}, "vocabularies.uman: the last word must hold without"),
        ({"words": [{"word": "Up", "when": ["tickets_30d > 1"]}]}, "vocabularies.uman: the last word must hold"),
        ({"words": [{"word": "Up", "from": 50}, {"word": "UP"}]}, "vocabularies.uman: a word stands twice"),
        ({"words": [{"word": "Up", "when": ["mood > 1"]}, {"word": "Down"}]}, "vocabularies: uman: no metric 'mood'"),
        (
            {"words": [{"word": "Up", "when": ["tickets_30d > 2 * mood"]}, {"word": "Down"}]},
            "vocabularies: uman: no metric 'mood'",
        ),
        (
            {"words": [{"word": "Up", "when": ["a lot"]}, {"word": "Down"}]},
            "vocabularies: uman: cannot read the condition 'a lot'; write e.g. 'tickets_30d >= 2 * tickets_prev_30d'",
        ),
        ({"words": []}, "vocabularies.uman.words: Tuple should have at least 1 item"),
        ({"words": [{"word": ""}]}, "vocabularies.uman.words.0.word: String should have at least 1 character"),
        ({"words": [{"word": "Up", "from": 101}, {"word": "Down"}]}, "vocabularies.uman.words.0.from: Input should be"),
        ({"words": [{"word": "Up", "from": 7.5}, {"word": "Down"}]}, "vocabularies.uman.words.0.from: Input should be"),
        ({"words": [{"word": "Up", "bands": ["pink"]}, {"word": "Down"}]}, "vocabularies.uman.words.0.bands.0: Input"),
        ({"words": [{"word": "Up", "mood": 1}]}, "vocabularies.uman.words.0.mood: unknown key"),
        ({"mood": 1}, "vocabularies.uman.mood: unknown key"),
        ({"reason": ""}, "vocabularies.uman.reason: String should have at least 1 character"),
        ({"churn_tiers": ["dire"]}, "vocabularies.uman.churn_tiers.0: Input should be 'critical'"),
    ],
)
def test_a_fault_in_a_vocabulary_is_named_by_its_place(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(PolicyError) as refused:
        policy_with(changes)
    assert f"\n- {fault}" in str(refused.value)


def test_faults_of_several_vocabularies_are_named_at_once() -> None:
    document = copy.deepcopy(default_document())
    for key in ("uman", "intacct"):
        document["vocabularies"][key]["words"][0]["when"] = ["mood > 1", "a lot"]
    with pytest.raises(PolicyError) as refused:
        parse_policy(document, "mine.toml")

    for key in ("uman", "intacct"):
        assert f"{key}: no metric 'mood'; {key}: cannot read the condition 'a lot'" in str(refused.value)


def test_a_policy_without_vocabularies_is_refused() -> None:
    with pytest.raises(PolicyError, match="vocabularies: Dictionary should have at least 1 item"):
        parse_policy({**default_document(), "vocabularies": {}}, "mine.toml")


@pytest.mark.parametrize(
    ("words", "not_scored", "fault"),
    [
        ([{"word": "Good", "from": 50}, {"word": "Great", "from": 75}, {"word": "Bad"}], "", "'Great' can never hold"),
        ([{"word": "Good"}, {"word": "Bad"}], "", "'Bad' can never hold"),
        ([{"word": "Good", "from": 50}, {"word": "None"}], "", "a word means that nothing is assigned"),
        ([{"word": "Good", "from": 50}, {"word": "Unset"}], "unset", "a word means that nothing is assigned"),
    ],
)
def test_a_word_that_cannot_be_said_is_a_fault_of_the_policy(
    words: list[dict[str, Any]], not_scored: str, fault: str
) -> None:
    with pytest.raises(PolicyError, match=fault):
        policy_with({"words": words, "not_scored": not_scored})
