"""Languages: all that a person reads is said in the asked one, English stays as it is, a catalogue is all it takes."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from account_health.at_risk import WantedAtRisk, at_risk
from account_health.config import DEMO
from account_health.health_changes import WantedChanges, as_markdown, health_changes
from account_health.language import (
    ENGLISH,
    Language,
    UnknownLanguage,
    count,
    language,
    languages,
    money,
    nearest,
    read,
    retold,
    say,
    speaking,
    together,
    word,
    written,
    written_minute,
)
from account_health.markup import visible
from account_health.overview import Overview
from account_health.policy import load_policy
from account_health.portfolio import portfolio_health
from account_health.reference import methodology
from account_health.render import render_at_risk, render_portfolio, render_summary
from account_health.search import Wanted, search
from account_health.wording import lower_first, number, sentence, signed
from account_health.workspace import Workspace
from doors import DAY, clock
from other_tongues import WIDE, unsaid

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "src" / "account_health" / "languages"
OTHERS = [code for code in languages() if code != ENGLISH]
OUR_OWN = "UTC USD EUR GBP default id"
"""What stands in plain letters in any language: names of ours that are none of its words."""

PLACEHOLDER = re.compile(r"\{\w+\}")
QUOTED = re.compile(r"`[^`]*`")


def catalogue(code: str) -> Catalog:
    return read_po(BytesIO((FOLDER / f"{code}.po").read_bytes()), locale=code)


def messages(code: str) -> list[tuple[str, str]]:
    """Every text of a catalogue with each of its translations."""
    found = []
    for message in catalogue(code):
        ids = message.id if isinstance(message.id, (tuple, list)) else (message.id,)
        strings = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
        if message.id:
            found += [(str(ids[-1]), str(text)) for text in strings]
    return found


def demo() -> Workspace:
    return Workspace.open(DEMO, clock)


async def pages(workspace: Workspace) -> dict[str, str]:
    """Every page that the demo accounts give, by name."""
    overview, policy = Overview(workspace), workspace.policy
    everybody = await search(workspace, Wanted(), 100, "", DAY, "")
    found = {
        account.id: render_summary(await workspace.assess(account.id, DAY, vocabulary="intacct"), policy)
        for account in everybody.accounts
    }
    risky = await at_risk(overview, WantedAtRisk(tier="medium"), 100, "", DAY, vocabulary="uman")
    health = await portfolio_health(overview, as_of=DAY, vocabulary="pipeline")
    return found | {
        "at-risk": render_at_risk(risky, policy),
        "portfolio": render_portfolio(health, policy),
        "methodology": methodology(policy),
    }


def in_language(what: str | Language) -> dict[str, str]:
    with speaking(what):
        return anyio.run(pages, demo())


# --- The catalogues ---------------------------------------------------------------------------------------------------


def test_every_catalogue_is_up_to_date_and_no_translation_is_missing() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / ".ci" / "catalogues.py", "--check"], capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stdout.splitlines()[-20:]) == (0, [f"{len(OTHERS)} catalogues are whole."])


@pytest.mark.parametrize("code", OTHERS)
def test_no_translation_is_fuzzy(code: str) -> None:
    assert [message.id for message in catalogue(code) if message.fuzzy and message.id] == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_placeholders_of_its_text(code: str) -> None:
    wrong = [
        (text, translation)
        for text, translation in messages(code)
        if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(translation))
    ]

    assert wrong == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_keeps_what_is_quoted_and_the_blanks_at_its_ends(code: str) -> None:
    def kept(text: str) -> Any:
        return sorted(QUOTED.findall(text)), text.startswith(" "), text.endswith(" "), text.count("["), text.count("]")

    assert [(text, other) for text, other in messages(code) if kept(text) != kept(other)] == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_begins_a_sentence_only_where_its_text_does(code: str) -> None:
    def is_lower(text: str) -> bool:
        first = next((letter for letter in PLACEHOLDER.sub("", text) if letter.isalpha()), "A")
        return first.islower()

    wrong = [
        (text, other)
        for text, other in messages(code)
        if text[:1].isalpha() and other[:1].isalpha() and is_lower(text) and not is_lower(other)
        if "." not in text.split()[0]  # a name such as uman.ai
    ]

    if not has_capitals_amid_sentences(code):
        assert [pair for pair in wrong if not pair[1].split()[0].rstrip(",.:").isupper()] == []


def has_capitals_amid_sentences(code: str) -> bool:
    with speaking(code):
        return word("inside a sentence", "a") == "A"


# --- What is said -----------------------------------------------------------------------------------------------------


def test_every_word_of_ours_on_every_page_is_said() -> None:
    english = in_language(ENGLISH)
    outside = [line for page in anyio.run(outside_texts, demo()) for line in page]
    policy = load_policy()
    levels = [level for metric in policy.metrics.values() for level in metric.levels]

    for name, page in in_language(WIDE).items():
        assert unsaid(page, OUR_OWN, *outside, *levels, policy.ref.hash) == [], name
        assert page != english[name]


async def outside_texts(workspace: Workspace) -> list[tuple[str, ...]]:
    """What the demo's systems call themselves, their accounts and their people."""
    found = await search(workspace, Wanted(), 100, "", DAY, "")
    assessments = [await workspace.assess(account.id, DAY) for account in found.accounts]
    labels = {report.connector or "" for a in assessments for report in a.inputs}
    most = workspace.policy.limits.name_characters
    named = [(a.id, a.name, visible(a.name, most), a.owner or "", a.segment or "") for a in found.accounts]
    return [tuple(labels), *named]


@pytest.mark.parametrize("code", languages())
def test_every_page_of_the_demo_stays_as_it_was_read_in(code: str, snapshot: SnapshotAssertion) -> None:
    for name, page in in_language(code).items():
        assert page == snapshot(name=f"{code} {name}")


@pytest.mark.parametrize("code", OTHERS)
def test_ids_keys_and_numbers_of_the_data_are_the_same_in_every_language(code: str) -> None:
    def bare(what: Any) -> Any:
        """The data without its sentences."""
        if isinstance(what, dict):
            named = {"name"} if "flag" in what else set()
            return {key: bare(value) for key, value in what.items() if key not in {*_SAID, *named}}
        return [bare(value) for value in what] if isinstance(what, list) else what

    def asked(language: str) -> Any:
        with speaking(language):
            return anyio.run(demo().assess, "northwind", DAY).as_json()

    english, other = asked(ENGLISH), asked(code)

    assert bare(other) == bare(english)
    assert other != english


_SAID = ("sentence", "detail", "action", "interpretation", "notices", "matched_by")
"""Sentences in the data; so is the name of a flag."""


def test_english_is_said_without_any_catalogue() -> None:
    assert language(ENGLISH).locale is None
    assert language("en-GB") is language(ENGLISH)


# --- Numbers, dates, money, plurals -----------------------------------------------------------------------------------


def test_french_writes_numbers_dates_and_money_its_own_way() -> None:
    with speaking("fr"):
        assert (number(4.6), number(1234), signed(-4.94, 1)) == ("4,6", "1\u202f234", "−4,9")
        assert written(date(2026, 10, 1)) == "1er octobre 2026"
        assert written(date(2026, 10, 11)) == "11 octobre 2026"
        assert written_minute(datetime(2026, 11, 21, 9)) == "21 novembre 2026 à 09:00 UTC"
        assert money(12000, "USD") == "12\u202f000\xa0USD"
        assert money(12000, "") == "12\u202f000"


def test_french_of_canada_is_french_with_the_numbers_of_canada() -> None:
    with speaking("fr-CA"):
        assert say("Risk Flags") == language("fr").translations.gettext("Risk Flags")
        assert number(1234) == "1\xa0234"


def test_english_numbers_dates_and_money_need_no_locale() -> None:
    assert (number(4.6), number(1234), number(0), number(-0.01), signed(0)) == ("4.6", "1,234", "0", "0", "0")
    assert (written(date(2026, 10, 1)), money(12000, "USD")) == ("2026-10-01", "USD 12,000")


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0 ligne"), (1, "1 ligne"), (1.5, "1.5 ligne"), (2, "2 lignes"), (1000, "1000 lignes")],
)
def test_a_number_takes_the_form_that_its_language_has_for_it(value: float, said: str) -> None:
    with speaking("fr"):
        assert count("{n} row", "{n} rows", value) == said


def test_a_metric_takes_the_plural_of_its_value() -> None:
    policy = load_policy()
    with speaking("fr"):
        one, many = (sentence(policy.metrics["tickets_per_100_seats_30d"], value, policy) for value in (1.5, 3))

    assert "1,5 ticket " in one
    assert "3 tickets " in many


# --- A third language -------------------------------------------------------------------------------------------------


def polish() -> bytes:
    """A catalogue in a language with three forms, made of nothing but a .po file."""
    made = Catalog(locale="pl")
    made.add("Risk Flags", "Sygnały ostrzegawcze")
    made.add(("{n} row", "{n} rows"), ("{n} wiersz", "{n} wiersze", "{n} wierszy"))
    made.add("Healthy", "Zdrowy", context="intacct")
    made.add("None.", "Brak.", flags=["fuzzy"])
    out = BytesIO()
    write_po(out, made)
    return out.getvalue()


def test_a_third_language_needs_a_catalogue_and_no_code() -> None:
    with speaking(read("pl", polish())):
        assert say("Risk Flags") == "Sygnały ostrzegawcze"
        assert [count("{n} row", "{n} rows", n) for n in (1, 3, 5)] == ["1 wiersz", "3 wiersze", "5 wierszy"]
        assert word("intacct", "Healthy") == "Zdrowy"
        assert number(1234567.8) == "1\xa0234\xa0568"
        assert written(date(2026, 10, 1)) == "1 października 2026"


def test_a_language_that_writes_nouns_with_capitals_keeps_them_inside_sentences() -> None:
    german = Catalog(locale="de")
    german.add("a", "A", context="inside a sentence")
    out = BytesIO()
    write_po(out, german)

    with speaking(read("de", out.getvalue())):
        assert lower_first("Eskalationen") == "Eskalationen"
    with speaking("fr"):
        assert lower_first("Escalades") == "escalades"


def test_what_a_catalogue_lacks_or_is_not_sure_of_stays_english() -> None:
    with speaking(read("pl", polish())):
        assert say("No risk flags.") == "No risk flags."
        assert say("None.") == "None."
        assert say("Somebody's own policy says {value}", value=3) == "Somebody's own policy says 3"


# --- Who speaks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["xx", "klingon", "f", "../fr", "fr.po", "fr_ZZ_POSIX_more"])
def test_a_language_without_a_catalogue_is_refused_with_those_there_are(code: str) -> None:
    with pytest.raises(UnknownLanguage, match="there is no language") as refused, speaking(code):
        pytest.fail("it was spoken")

    assert refused.value.known == languages()


@pytest.mark.parametrize(
    ("code", "file"),
    [
        ("fr", "fr"),
        ("FR-ca", "fr"),
        ("pt-BR", "pt_BR"),
        ("pt_br", "pt_BR"),
        ("pt_PT", "pt"),
        ("zh-Hant-TW", "zh_Hant"),
        ("zh-Hans-CN", ""),
        ("f", ""),
        ("", ""),
    ],
)
def test_a_country_or_a_script_of_its_own_has_its_own_catalogue(code: str, file: str) -> None:
    assert nearest(code, ("en", "fr", "pt", "pt_BR", "zh_Hant")) == file


def test_a_call_ends_with_the_language_it_began_with() -> None:
    with speaking("fr"):
        with speaking("en"):
            assert say("Risk Flags") == "Risk Flags"
        with speaking(""):
            assert say("Risk Flags") != "Risk Flags"

    assert say("Risk Flags") == "Risk Flags"


def test_two_calls_at_once_speak_their_own_languages() -> None:
    said: dict[str, list[str]] = {"en": [], "fr": []}

    async def speak(code: str) -> None:
        with speaking(code):
            for _ in range(20):
                said[code].append(say("Risk Flags"))
                await anyio.lowlevel.checkpoint()
                said[code].append(await anyio.to_thread.run_sync(say, "Risk Flags"))

    async def both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(speak, "fr")
            group.start_soon(speak, "en")

    anyio.run(both)

    assert set(said["en"]) == {"Risk Flags"}
    assert len(set(said["fr"])) == 1
    assert not set(said["fr"]) & {"Risk Flags"}


def test_a_sentence_that_was_kept_is_said_again_in_the_language_of_the_day() -> None:
    with speaking("fr"):
        kept = together(say("{source} is too slow", source=say("the CRM")), count("{n} row", "{n} rows", 2))

    assert retold(kept) == "the CRM is too slow 2 rows"
    with speaking("fr"):
        assert retold(kept) == kept


def test_what_is_filled_in_is_not_read_as_a_placeholder() -> None:
    assert say("Name: {name}", name="{secret} {0}") == "Name: {secret} {0}"


def test_changes_and_lists_without_a_history_are_said_too() -> None:
    async def told() -> str:
        workspace = demo()
        return as_markdown(await health_changes(workspace, WantedChanges(), 20), workspace.policy)

    with speaking(WIDE):
        try:
            page = anyio.run(told)
        except Exception as err:  # noqa: BLE001 - without a history it may refuse, in words
            page = str(err)

    assert unsaid(page, OUR_OWN) == []


def test_a_message_of_a_catalogue_is_a_message() -> None:
    assert all(isinstance(message, Message) for code in OTHERS for message in catalogue(code))
