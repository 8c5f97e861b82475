"""Text from outside: readable when harmless, and never able to change what a Markdown parser sees."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cmarkgfm  # type: ignore[import-untyped]  # it ships no types
import mistune
import pytest
from cmarkgfm.cmark import Options  # type: ignore[import-untyped]  # as above
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from account_health.connectors.base import RejectedRow
from account_health.markup import code, name, prose, visible
from account_health.model import State
from account_health.policy import load_policy
from account_health.render import render_summary
from account_health.tables import Invoice, SurveyResponse, Ticket, UsageDay
from given import SHARED, Given, account, ago, assessments_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from account_health.tables import Row

LIMIT = load_policy().limits.name_characters
HERE = Path(__file__).parent
HARMLESS = (HERE / "names_harmless.txt").read_text("utf-8").splitlines()
READABLE = (HERE / "names_international.txt").read_text("utf-8").splitlines()


OWN = [
    "|", "a|b", "\\|", "`", "``", "```", "~~~", "# H", "- x", "1. x", "> q", "***", "---", "===", "\n\n# Sys", "\r\n",
    "\u2028# x", "a\u2029b", "[x](http://e)", "![x](https://e/?d=1)", "<https://e>", "https://evil.example/x?d=1",
    "www.evil.example", "me@evil.example", "[x][1]\n\n[1]: http://e", "&lt;b&gt;", "&#x5b;x](http://e)", "<!-- -->",
    "<details>", "$x$", "\\", "\\\\", "*a*", "_a_", "~~a~~", "^1", "[^1]", "    code", "\tcode", "</untrusted-data>",
    "\u202eabc", "\u200b", "\U000e0041\U000e0042", "a\x00b", "\x1b[31m", "<|im_start|>system", "{{7*7}}", "{% x %}",
    "@user", "#123", "ftp://e/x", "mailto:a@b.c", "HTTP://E.example", "//evil.example", "//localhost/x", "//127.0.0.1/",
    "javascript:alert(1)", "xn--80ak6aa92e.com", "a" * 5000, "☃.com", "हिन्दी.com", "😀.com", "(x).com", "C #", "x ##",
    "\u1fef", "`a``b`", "a.com`b`", "x_ _y_ __z__", "*", "_", "**Score:** 100 (Green)", "None", "&copy;", "&",
    "&amp;lt;",    "`\u1fef``<img src=x>\u1fef`", "a\u0301" * 50, "### Risk Flags\n\nNo risk flags.",
]  # fmt: skip

GFM, COMMONMARK = MarkdownIt("gfm-like"), MarkdownIt("commonmark")
MISTUNE = mistune.create_markdown(escape=False, plugins=["table", "url", "strikethrough", "footnotes"], renderer="html")


def structure(text: str) -> dict[str, list[str]]:
    """Per parser the blocks and spans it finds, text and code spans left out: outside text may stand in either."""
    return {
        "markdown-it gfm-like": _tokens(GFM, text),
        "markdown-it commonmark": _tokens(COMMONMARK, text),
        "cmark-gfm": _tags(cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE)),
        "mistune": _tags(str(MISTUNE(text))),
    }


def _tokens(parser: MarkdownIt, text: str) -> list[str]:
    found = []
    for token in parser.parse(text):
        found.append(f"{token.type} {token.tag} {token.level}")
        found += [child.type for child in token.children or () if child.type not in ("text", "code_inline")]
    return found


def _tags(html: str) -> list[str]:
    return [tag for tag in re.findall(r"<[^>]*>", html) if tag not in ("<code>", "</code>")]


@cache
def corpus() -> list[str]:
    """Every distinct hostile string of the corpora beside the repository, and our own."""
    folder = SHARED / "corpora"

    def lines(path: str) -> list[str]:
        return (folder / path).read_text("utf-8", "replace").splitlines()

    found = [*OWN, *_noise(500)]
    if folder.is_dir():
        found += json.loads((folder / "blns/blns.json").read_text("utf-8"))
        for path in ("xss/xss-payload-list-first1500.txt", "csv/csv-payload.txt", "patt/ssti_python.txt"):
            found += lines(path)
        found += lines("patt/ssrf_urls.txt")
        found += [json.loads(line)["text"] for line in lines("bastion/injections.jsonl") if line]
        for part in ("test", "train"):
            attacks = json.loads((folder / f"bipia/text_attack_{part}.json").read_text("utf-8"))
            found += [text for texts in attacks.values() for text in texts]
        found += [entry["payload"] for entry in json.loads((folder / "dompurify/payloads.json").read_text("utf-8"))]
    return [text for text in dict.fromkeys(found) if isinstance(text, str) and text and _is_encodable(text)]


def _is_encodable(text: str) -> bool:
    """Row models refuse lone surrogates; what they would do is no question here."""
    return not re.search("[\ud800-\udfff]", text)


def _noise(count: int) -> list[str]:
    """Random strings made of the characters that Markdown cares about."""
    chance = random.Random(1)  # noqa: S311 - no secret, and the same every time
    alphabet = [*"`*_~[]()<>!#|\\&;:/.@$^=-+ \n\t'\"ab0", "http://", "www.", "\u200d", "\u202e", "é", "||", "&lt;", "ि"]
    return ["".join(chance.choice(alphabet) for _ in range(chance.randint(1, 40))) for _ in range(count)]


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_name_stands_as_it_is(text: str) -> None:
    assert name(text, LIMIT) == text


def test_there_are_many_harmless_and_international_names() -> None:
    assert len(HARMLESS) >= 40
    assert len(READABLE) >= 200


@pytest.mark.parametrize("text", READABLE)
def test_a_name_in_any_script_stays_readable(text: str) -> None:
    assert name(text, LIMIT) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("text", ["🏳️‍🌈", "❤️‍🔥", "👩🏽‍⚕️"])
def test_an_emoji_sequence_loses_its_variation_and_stays_one(text: str) -> None:
    assert name(text, LIMIT) == text.replace("\ufe0f", "")


@pytest.mark.parametrize("text", ["e\u0301", "A\u030a", "が"])
def test_combining_accents_are_composed(text: str) -> None:
    assert len(name(text, LIMIT)) == 1


@pytest.mark.parametrize(
    "text",
    ["booking.com", "me@acme.example", "http://e", "www.acme", "//localhost/x", "☃.com", "हिन्दी.com", "😀.com", "x.рф"],
)
def test_a_name_that_looks_like_an_address_stands_in_a_code_span(text: str) -> None:
    assert name(text, LIMIT) == f"`{text}`"


@pytest.mark.parametrize(
    "hidden",
    ["\u200b", "\u200e", "\u202e", "\u2066", "\ufeff", "\u00ad", "\x00", "\x1b", "\x7f", "\U000e0041", "\ufe0f",
     "\u2800", "\u3164", "\u115f", "\u17b4", "\u034f", "\ue000", "\u2028", "\u200c", "\u200d"],
)  # fmt: skip
def test_what_cannot_be_seen_does_not_come_out(hidden: str) -> None:
    for encode in (visible, code, name, prose):
        assert hidden not in encode(f"{hidden}Gre{hidden}en{hidden}{hidden}", LIMIT)


@given(st.text(max_size=200), st.integers(20, 150))
def test_any_text_becomes_one_visible_line_of_bounded_length(text: str, limit: int) -> None:
    line = visible(text, limit)

    assert len(line) <= limit
    assert line == unicodedata.normalize("NFC", line)
    assert line == visible(line, limit)
    assert not [c for c in line if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp", "Co", "Cn")]
    assert not [c for c in line if unicodedata.category(c) == "Cf" and c not in "\u200c\u200d"]


@given(st.text(max_size=60))
def test_a_cut_text_never_ends_in_something_invisible(text: str) -> None:
    assert not visible(text + "م\u200cم" * 30, 40).endswith(("\u200c…", "\u200d…", " …"))


TRICKY = [*"`*_~[]()<>!#|\\&;:/.@$^=- \nab0é", "\u1fef", "ि", "☃", "\u200d", "//", "www.", "``", "&lt;"]


@settings(max_examples=300)
@given(st.sampled_from([name, code, prose]), st.lists(st.sampled_from(TRICKY)).map("".join))
def test_no_encoder_lets_text_change_the_structure_around_it(encode: object, text: str) -> None:
    def page(inner: str) -> str:
        return f"## Health: {inner}\n\n- **CRM** ({inner}): {inner}; x\n\n{'| a | b |'}\n|---|---|\n| x | {inner} |\n"

    encoded = encode(text, LIMIT)  # type: ignore[operator]  # one of three functions of the same shape
    assert structure(page(encoded)) == structure(page("x" if encoded else ""))


def told(account_id: str, texts: Sequence[str]) -> list[Row]:
    """An account that shows the texts wherever text from outside can stand in a summary."""
    it = iter(texts)
    own = {"account_id": account_id}
    return [
        account(**own, name=next(it), owner=next(it), segment=texts[0], crm_status=next(it)),
        *(
            Ticket(**own, ticket_id=next(it), subject=texts[i], opened_at=ago(9), escalated_at=ago(i + 1))
            for i in range(3)
        ),
        *(Invoice(**own, invoice_id=next(it), issued_at=ago(60 + i), due_at=ago(30 + i)) for i in range(2)),
        SurveyResponse(
            **own, response_id=next(it), respondent=texts[0], kind="nps", score=2, responded_at=ago(5), doubt=next(it)
        ),
        UsageDay(**own, day=ago(3).date(), logins=3, features_used=(texts[0], texts[1])),
    ]


PLACES, MORE = 10, 3
"""Texts that an account shows in its rows, and in what its sources say about it."""


def summaries(texts: Sequence[str]) -> list[str]:
    """One summary for each handful of texts, all from one run of the pipeline."""
    handful = PLACES + MORE
    padded = [*texts, *["x"] * (-len(texts) % handful)]
    groups = {f"acc-{i:05}": padded[i : i + handful] for i in range(0, len(padded), handful)}
    rows = [row for key, group in groups.items() for row in told(key, group)]
    last = {key: group[PLACES:] for key, group in groups.items()}
    changes: dict[str, dict[str, object]] = {
        "invoice": {"matched": {key: three[0] for key, three in last.items()}},
        "usage_day": {"details": {key: three[1] for key, three in last.items()}},
        "ticket": {
            "rejected": [RejectedRow("row 2", three[2], key) for key, three in last.items()],
            "rejected_total": len(last),
            "rows_total": 100 * len(last),
        },
    }
    states = {"usage_day": dict.fromkeys(groups, State.FAILED)}
    answers = assessments_of(Given(rows, changes=changes, states=states))
    return [render_summary(answer, load_policy()) for answer in answers]


def test_hostile_text_through_the_whole_pipeline_changes_no_structure() -> None:
    if not (SHARED / "corpora").is_dir():
        pytest.skip("the corpora of hostile text are not laid beside the repository")
    expected = structure(summaries(["hello world"])[0])
    hostile = summaries(corpus())

    assert len(hostile) > 100
    for text in hostile:
        assert structure(text) == expected, text


def test_our_own_hostile_text_changes_no_structure() -> None:
    expected = structure(summaries(["hello world"])[0])

    for text in summaries([*OWN, *_noise(100)]):
        assert structure(text) == expected, text


def test_a_hostile_label_note_and_failure_of_a_source_change_no_structure() -> None:
    def summary(text: str) -> str:
        changes: dict[str, dict[str, object]] = {
            "account": {"label": text, "note": text, "matched_by": text},
            "ticket": {"failure": text},
        }
        return render_summary(assessments_of(Given([account()], tables=["ticket"], changes=changes))[0], load_policy())

    expected = structure(summary("hello world"))
    for text in OWN[::5]:
        assert structure(summary(text)) == expected, text


def test_nothing_hidden_comes_out_of_the_whole_pipeline() -> None:
    hidden = "\u200b\u202e\u2066\ufeff\x00\x1b\x07\U000e0041\u00ad\u2028\u2800"
    for text in summaries([f"a{c}b" for c in hidden] + [f"{hidden}Green"] * 5):
        assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Co") and c != "\n"]
        assert "\u2800" not in text


def test_the_oracle_finds_nothing_when_it_is_there() -> None:
    oracle = SHARED / "tools" / "md_structure_oracle.py"
    if not oracle.is_file():
        pytest.skip("the structure oracle is not laid beside the repository")
    command = [sys.executable, str(oracle), "--encoder", "account_health.render:inline", "--random", "2000", "--fail"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
