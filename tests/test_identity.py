"""Identity: which keys link to which account, and above all which do not."""

from __future__ import annotations

import pytest

from account_health.domains import FREE_MAIL, registrable_domain
from account_health.identity import Ambiguity, Candidate, Match, Matches, match_keys


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("northwind.com", "northwind.com"),
        ("https://Support.Northwind.co.uk:8443/help?a=b@c.com", "northwind.co.uk"),
        ("Ada.Lovelace@Mail.Northwind.COM", "northwind.com"),
        ("  www.northwind.com.  ", "northwind.com"),
        ("https://user:secret@northwind.com/@somebody", "northwind.com"),
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("XN--MNCHEN-3YA.DE", "xn--mnchen-3ya.de"),
        ("acme.github.io", "acme.github.io"),
        ("shop.northwind.example", "northwind.example"),
    ],
)
def test_urls_hosts_and_mail_addresses_give_the_domain_somebody_registered(text: str, domain: str) -> None:
    assert registrable_domain(text) == domain


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "Northwind", "Northwind Traders Inc. Ltd", "localhost", "co.uk", "github.io", "http://", "@"),
        *("192.0.2.1", "[2001:db8::1]", "1.2", "acme..com", "a_b.com", "\u202ecom.acme", "x" * 300 + ".com"),
        *("ada@gmail.com", "yahoo.co.uk"),
    ],
)
def test_what_nobody_registered_and_free_mail_give_no_domain(text: str) -> None:
    assert registrable_domain(text) is None


def test_a_host_of_a_free_mail_provider_is_free_mail_and_one_that_only_looks_like_it_is_not() -> None:
    assert {registrable_domain(f"x.{name}") for name in FREE_MAIL} == {None}
    assert registrable_domain("gmail.com.acme.org") == "acme.org"


def test_customers_of_one_hosting_provider_are_not_one_account() -> None:
    accounts = [Candidate("A-1", domains=("one.github.io",)), Candidate("A-2", domains=("two.github.io",))]
    matches = match_keys(["two.github.io"], accounts, "domain")
    assert matches.found == {"two.github.io": Match("A-2", "domain `two.github.io`")}


def test_a_key_matches_by_the_registrable_domain_of_either_side() -> None:
    accounts = [Candidate("A-1", domains=("https://www.northwind.com/about",)), Candidate("A-2", domains=("acme.org",))]
    matches = match_keys(["ada@support.northwind.com", "globex.com"], accounts, "domain")
    assert matches == Matches(
        found={"ada@support.northwind.com": Match("A-1", "domain `northwind.com`")},
        ambiguous={},
        unmatched=frozenset({"globex.com"}),
    )


def test_a_domain_that_two_accounts_share_links_to_neither() -> None:
    accounts = [Candidate("A-2", domains=("eu.acme.org",)), Candidate("A-1", domains=("acme.org", "www.acme.org"))]
    matches = match_keys(["acme.org"], accounts, "domain")
    assert matches.found == {}
    assert matches.ambiguous == {"acme.org": Ambiguity(("A-1", "A-2"), "domain `acme.org`")}


def test_free_mail_never_links_even_if_an_account_claims_it() -> None:
    matches = match_keys(["ada@gmail.com"], [Candidate("A-1", domains=("gmail.com",))], "domain")
    assert matches.unmatched == {"ada@gmail.com"}


def test_an_external_id_links_exactly_but_for_spaces_around_it() -> None:
    accounts = [
        Candidate("A-1", external_id="77 "),
        Candidate("A-2", external_id="x"),
        Candidate("A-3", external_id="x"),
    ]
    matches = match_keys([" 77", "077", "x", ""], accounts, "external_id")
    assert matches.found == {" 77": Match("A-1", "external id")}
    assert matches.ambiguous == {"x": Ambiguity(("A-2", "A-3"), "external id")}
    assert matches.unmatched == {"077", ""}


def test_an_account_without_external_id_or_domain_is_never_matched() -> None:
    accounts = [Candidate("A-1"), Candidate("A-2", external_id=" ", domains=("nonsense",))]
    assert match_keys(["", " ", "A-1"], accounts, "external_id").unmatched == {"", " ", "A-1"}
    assert match_keys(["", "A-1", "nonsense"], accounts, "domain").unmatched == {"", "A-1", "nonsense"}
