"""Selection: whom a segment or an owner means, and what accounts are worth: summed where a rate allows, else apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_health.directory import Entry, Search
from account_health.history.records import Profile
from account_health.money import Money
from account_health.practice import Currency
from account_health.selection import Selection
from account_health.standings import Standings
from history.readings import POLICY, other_policy, reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from account_health.policy import Policy

EURO = {"base": "EUR", "rates": {"USD": 0.5, "GBP": 1.25}, "reason": "As of today."}
WORDS = st.none() | st.sampled_from(["SMB", "smb", " SMB", "Smb\u200b", "Öko", "O\u0308KO", "Straße", "STRASSE", "x"])
BLANKS = st.sampled_from(["", " ", "\t", "\u200b", "\u202e \u00ad"])


def selected(*profiles: Mapping[str, Any], policy: Policy = POLICY) -> Selection:
    """The selection over accounts a0, a1, ... of which this is known."""
    readings = [reading(f"a{i}", profile=Profile(**{"name": f"A{i}", **p})) for i, p in enumerate(profiles)]
    return Selection(Standings.of_readings(readings, {POLICY.ref.hash: tuple(POLICY.metrics)}, policy))


def priced(amounts: Iterable[tuple[float | None, str | None]], currency: Mapping[str, Any] = EURO) -> Selection:
    """The selection over accounts with these ARRs, under a policy with these rates."""
    policy = other_policy(currency=Currency.model_validate(currency))
    return selected(*({"arr": amount, "currency": code} for amount, code in amounts), policy=policy)


def all_rows(selection: Selection) -> np.ndarray[Any, Any]:
    """Every account."""
    return np.arange(len(selection.standings.accounts))


# --- Groups -----------------------------------------------------------------------------------------------------------


def test_words_that_a_reader_takes_for_the_same_are_one_group_named_as_first_written() -> None:
    words = ["SMB", "smb ", None, "Enterprise", "S\u200bMB", "", "ENTERPRISE", "  ", "O\u0308ko", "öko"]
    groups = selected(*({"segment": text} for text in words)).segments

    assert groups.names == ("SMB", "Enterprise", "O\u0308ko")
    assert groups.codes.tolist() == [0, 0, -1, 1, 0, -1, 1, -1, 2, 2]


def test_segments_and_owners_are_grouped_apart() -> None:
    selection = selected({"segment": "A", "owner": "B"}, {"segment": "B", "owner": "A"}, {"owner": "b"})

    assert (selection.segments.names, selection.segments.codes.tolist()) == (("A", "B"), [0, 1, -1])
    assert (selection.owners.names, selection.owners.codes.tolist()) == (("B", "A"), [0, 1, 0])


@given(st.lists(WORDS | BLANKS, min_size=1))
def test_a_word_of_which_nothing_can_be_seen_names_no_group(words: list[str | None]) -> None:
    groups = selected(*({"owner": text} for text in words)).owners
    hidden = [not (text or "").strip(" \t\u200b\u202e\u00ad") for text in words]

    assert [code == -1 for code in groups.codes.tolist()] == hidden
    assert len({name.casefold().strip() for name in groups.names}) == len(groups.names)


# --- Who is meant -----------------------------------------------------------------------------------------------------


@given(
    profiles=st.lists(st.fixed_dictionaries({"segment": WORDS | BLANKS, "owner": WORDS | BLANKS}), min_size=1),
    segment=WORDS | BLANKS,
    owner=WORDS | BLANKS,
)
def test_a_filter_means_whom_a_search_finds(
    profiles: list[dict[str, str | None]], segment: str | None, owner: str | None
) -> None:
    search = Search(segment=segment or "", owner=owner or "")
    fitting = [search.fits(Entry(id="a", name="A", segment=p["segment"], owner=p["owner"])) for p in profiles]

    assert selected(*profiles).among(segment or "", owner or "").tolist() == fitting
    assert selected(*profiles).customers(segment or "", owner or "").tolist() == fitting


@pytest.mark.parametrize(
    ("lifecycle", "is_customer"),
    [
        (None, True),
        ("customer", True),
        (" Customer ", True),
        ("ONBOARDING", True),
        ("evangelist", True),
        ("lead", False),
        ("customers", False),
        ("churned", False),
    ],
)
def test_a_customer_is_whom_the_crm_calls_one_or_nothing_else(lifecycle: str | None, *, is_customer: bool) -> None:
    selection = selected({"lifecycle": lifecycle})

    assert selection.customers().tolist() == [is_customer]
    assert selection.among().tolist() == [True]


def test_the_policy_says_which_words_mean_customer() -> None:
    policy = other_policy(customers=POLICY.customers.model_copy(update={"lifecycles": ("Gold", "silver")}))
    words = ("gold", "SILVER", "customer", None)
    selection = selected(*({"lifecycle": word, "segment": "x"} for word in words), policy=policy)

    assert selection.customers("X").tolist() == [True, True, False, True]
    assert selection.customers("y").tolist() == [False] * 4


def test_a_selection_is_the_callers_to_change() -> None:
    selection = selected({"lifecycle": "customer"})
    selection.customers()[0] = False
    selection.among()[0] = False

    assert (selection.customers().tolist(), selection.among().tolist()) == ([True], [True])


# --- Money ------------------------------------------------------------------------------------------------------------


def test_money_with_a_rate_is_one_sum_in_the_base_currency_and_the_rest_stands_apart() -> None:
    selection = priced([(100, "EUR"), (100, "USD"), (80, "GBP"), (7, "JPY"), (5, "CHF"), (3, "JPY")])

    assert selection.money(all_rows(selection)) == (
        Money(currency="EUR", amount=250, accounts=3),
        Money(currency="CHF", amount=5, accounts=1),
        Money(currency="JPY", amount=10, accounts=2),
    )


def test_without_rates_nothing_is_converted() -> None:
    selection = priced([(100, "EUR"), (100, "USD"), (1, "AUD")], {"base": "USD", "rates": {}, "reason": "None."})

    assert [(m.currency, m.amount) for m in selection.money(all_rows(selection))] == [
        ("USD", 100),
        ("AUD", 1),
        ("EUR", 100),
    ]


def test_only_the_chosen_accounts_are_summed_and_only_what_is_known() -> None:
    selection = priced([(100, "EUR"), (None, "EUR"), (50, None), (0, "EUR"), (9, "JPY")])

    assert selection.money(np.array([1])) == ()
    assert selection.money(np.array([1, 2])) == (Money(currency="unknown", amount=50, accounts=1),)
    assert selection.money(np.array([], dtype=int)) == ()
    assert selection.money(np.array([0, 1, 3])) == (Money(currency="EUR", amount=100, accounts=2),)


AMOUNTS = st.tuples(
    st.none() | st.integers(0, 10**9).map(lambda cents: cents / 100),
    st.sampled_from([None, "EUR", "USD", "GBP", "JPY"]),
)


@given(amounts=st.lists(AMOUNTS, min_size=1), data=st.data())
def test_sums_agree_with_adding_up_by_hand(amounts: list[tuple[float | None, str | None]], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(amounts) - 1), unique=True))
    worth = {"EUR": 1.0, "USD": 0.5, "GBP": 1.25}
    expected: dict[str, tuple[float, int]] = {}
    for amount, code in (amounts[row] for row in rows):
        if amount is not None:
            into = "EUR" if code in worth else code or "unknown"
            before, count = expected.get(into, (0.0, 0))
            expected[into] = (before + amount * worth.get(code or "", 1), count + 1)
    found = priced(amounts).money(np.array(rows, dtype=int))

    assert {m.currency: m.accounts for m in found} == {code: count for code, (_, count) in expected.items()}
    assert [m.amount for m in found] == pytest.approx([expected[m.currency][0] for m in found], abs=0.01)
    assert [m.currency for m in found] == sorted(expected, key=lambda code: (code != "EUR", code))


def test_money_is_said_with_its_currency_in_whole_units() -> None:
    assert str(Money(currency="EUR", amount=1234567.4, accounts=2)) == "EUR 1,234,567"
    assert Money(currency="EUR", amount=0.5, accounts=1).as_json() == {"currency": "EUR", "amount": 0.5, "accounts": 1}
