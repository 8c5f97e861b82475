"""Identity: which keys and records link to which account, and above all which do not."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_health.connectors.files.matching import Ambiguity, Match, Matches, match_keys
from account_health.domains import free_mail, registrable_domain
from account_health.identity import Candidate, Known, Link, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from account_health.identity import Links


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


@pytest.mark.parametrize(
    "provider",
    [
        *("freenet.de", "yahoo.ca", "naver.com", "att.net", "hotmail.es", "live.co.uk", "seznam.cz", "verizon.net"),
        *("bigpond.com", "uol.com.br", "arcor.de", "pm.me", "bluewin.ch", "sfr.fr", "ziggo.nl", "wp.pl", "ukr.net"),
        *("virgilio.it", "sapo.pt", "telia.com", "abv.bg", "walla.co.il", "mweb.co.za", "docomo.ne.jp", "xtra.co.nz"),
    ],
)
def test_mail_providers_of_every_continent_are_no_company(provider: str) -> None:
    assert registrable_domain(f"ada@{provider}") is None


@pytest.mark.parametrize(
    "company", ["google.com", "microsoft.com", "apple.com", "yahooinc.com", "navercorp.com", "verizon.com", "gmx.io"]
)
def test_the_companies_behind_mail_providers_are_companies(company: str) -> None:
    assert registrable_domain(f"ada@{company}") == company


def test_a_host_of_a_free_mail_provider_is_free_mail_and_one_that_only_looks_like_it_is_not() -> None:
    assert {registrable_domain(f"x.{name}") for name in free_mail()} == {None}
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


ACME = Candidate("A-1", external_id="77", domains=("https://www.acme.org/about",), name="Acme")
GLOBEX = Candidate("A-2", external_id="88", domains=("globex.com", "globex.de"), name="Globex")


def linked(
    *records: Record,
    accounts: Iterable[Candidate] = (ACME, GLOBEX),
    crosswalk: Mapping[str, str] | None = None,
    shared: Iterable[str] = (),
) -> Links:
    """The records of the source `desk`, linked."""
    return Known(tuple(accounts), {"desk": crosswalk or {}}, frozenset(shared)).link("desk", records)


def by_domain(record_id: str, *domains: str) -> Record:
    """A record that carries nothing but domains."""
    return Record(record_id, domains=domains)


def test_a_record_links_by_crosswalk_before_external_id_before_domain() -> None:
    record = Record("r", external_ids=("88",), domains=("acme.org",))
    nothing_known = Record("r")
    assert linked(record, crosswalk={"r": "A-1"}).links == (Link("A-1", record, "crosswalk", "crosswalk"),)
    assert linked(record).links == (Link("A-2", record, "external id", "external id"),)
    assert linked(by_domain("r", "acme.org")).links == (
        Link("A-1", by_domain("r", "acme.org"), "domain", "domain `acme.org`"),
    )
    assert linked(nothing_known).links == ()
    assert linked(nothing_known).unmatched == (nothing_known,)


def test_what_somebody_wrote_down_is_certain_and_a_domain_is_likely() -> None:
    records = (Record("r1"), Record("r2", external_ids=("88",)), by_domain("r3", "acme.org"))
    sure = linked(*records[:2], crosswalk={"r1": "A-1"})
    assert {link.record.id: link.confidence for link in sure.links} == {"r1": "certain", "r2": "certain"}
    assert [link.confidence for link in linked(records[2]).links] == ["likely"]


def test_the_crosswalk_of_another_source_links_nothing() -> None:
    known = Known((ACME,), {"billing": {"r": "A-1"}})
    assert known.link("desk", [Record("r")]).links == ()
    assert known.written("desk", "A-1") == ()


def test_the_records_of_an_account_in_the_crosswalk_are_told_in_order() -> None:
    assert Known(crosswalk={"desk": {"r2": "A-1", "r3": "A-2", "r1": "A-1"}}).written("desk", "A-1") == ("r1", "r2")


def test_a_record_that_the_crosswalk_gives_to_nobody_is_nobodys() -> None:
    found = linked(Record("r", external_ids=("77",), domains=("acme.org",)), crosswalk={"r": ""})
    assert (found.links, found.ambiguous, found.candidates) == ((), {}, {})
    assert [record.id for record in found.unmatched] == ["r"]


@pytest.mark.parametrize("other", [Record("r2", external_ids=("77",)), by_domain("r2", "acme.org")])
def test_an_account_in_the_crosswalk_has_the_records_named_there_and_no_others(other: Record) -> None:
    found = linked(Record("r1"), other, crosswalk={"r1": "A-1"})
    assert found.accounts == {"r1": "A-1"}
    assert found.candidates == {"r2": ("A-1",)}
    assert found.ambiguous == {}


def test_an_account_whose_records_in_the_crosswalk_are_not_there_gets_no_other_instead() -> None:
    found = linked(by_domain("r2", "acme.org"), crosswalk={"r1": "A-1"})
    assert (found.links, found.ambiguous, found.candidates) == ((), {}, {"r2": ("A-1",)})


def test_an_external_id_is_the_accounts_own_id_or_the_one_that_the_crm_knows_but_for_spaces() -> None:
    found = linked(Record("r1", external_ids=(" A-1",)), Record("r2", external_ids=("none", "88 ")))
    assert found.accounts == {"r1": "A-1", "r2": "A-2"}


@pytest.mark.parametrize("text", ["077", "a-1", "", " "])
def test_an_external_id_that_only_resembles_one_links_nothing(text: str) -> None:
    blank = Candidate("A-3", external_id=" ")
    assert linked(Record("r", external_ids=(text,)), accounts=(ACME, GLOBEX, blank)).accounts == {}


def test_an_id_that_is_one_accounts_own_and_anothers_external_id_links_to_neither() -> None:
    found = linked(Record("r", external_ids=("77",)), accounts=(ACME, Candidate("77")))
    assert found.links == ()
    assert found.ambiguous == dict.fromkeys(("77", "A-1"), "`r` fits `77` and `A-1`")


def test_external_ids_of_two_accounts_link_to_neither_whatever_the_domain_says() -> None:
    record = Record("r", "Acme ](http://x)", ("77", "88"), ("acme.org",))
    found = linked(record)
    assert found.links == ()
    assert found.candidates == {"r": ("A-1", "A-2")}
    assert found.ambiguous == dict.fromkeys(("A-1", "A-2"), "`r` (`Acme ](http://x)`) fits `A-1` and `A-2`")


def test_several_records_with_an_accounts_external_id_are_all_its_own() -> None:
    found = linked(Record("r1", external_ids=("77",)), Record("r2", external_ids=("A-1",)))
    assert [link.record.id for link in found.by_account["A-1"]] == ["r1", "r2"]


def test_of_a_record_with_the_external_id_and_one_with_the_domain_only_the_first_belongs() -> None:
    found = linked(by_domain("r1", "acme.org"), Record("r2", external_ids=("77",)))
    assert found.accounts == {"r2": "A-1"}
    assert (found.ambiguous, found.candidates) == ({}, {"r1": ("A-1",)})


def test_a_domain_of_two_accounts_links_to_neither() -> None:
    found = linked(by_domain("r", "acme.org"), accounts=(ACME, Candidate("A-3", domains=("eu.acme.org",))))
    assert found.links == ()
    assert found.ambiguous == dict.fromkeys(("A-1", "A-3"), "`r` fits `A-1` and `A-3`")


def test_a_record_with_domains_of_two_accounts_links_to_neither() -> None:
    found = linked(by_domain("r", "acme.org", "globex.de"))
    assert (found.links, found.candidates) == ((), {"r": ("A-1", "A-2")})


def test_two_records_with_domains_of_one_account_are_a_guess_and_link_to_none() -> None:
    found = linked(by_domain("r2", "globex.de"), by_domain("r1", "www.globex.com"))
    assert found.links == ()
    assert found.ambiguous == {"A-2": "`r1` (domain `globex.com`) and `r2` (domain `globex.de`) fit equally well"}
    assert found.candidates == {"r1": ("A-2",), "r2": ("A-2",)}


def test_an_account_that_is_in_doubt_because_of_one_record_keeps_no_other_by_domain() -> None:
    found = linked(by_domain("r1", "globex.com"), by_domain("r2", "globex.de", "acme.org"))
    assert found.links == ()
    assert set(found.ambiguous) == {"A-1", "A-2"}
    assert found.candidates == {"r1": ("A-2",), "r2": ("A-1", "A-2")}


def test_a_doubt_is_no_doubt_about_an_account_that_is_certain() -> None:
    found = linked(Record("r1", external_ids=("77",)), by_domain("r2", "globex.de", "acme.org"))
    assert found.accounts == {"r1": "A-1"}
    assert set(found.ambiguous) == {"A-2"}


def test_a_long_list_of_rivals_is_cut() -> None:
    (text,) = linked(*(by_domain(f"r{n}", "acme.org") for n in range(8))).ambiguous.values()
    assert text.endswith("`r4` (domain `acme.org`) and 3 more fit equally well")


def test_a_record_that_is_listed_twice_is_one() -> None:
    twice = linked(by_domain("r", "acme.org"), by_domain("r", "acme.org"))
    assert [link.record.id for link in twice.links] == ["r"]
    changed = linked(by_domain("r", "acme.org"), by_domain("r", "globex.com"))
    assert (changed.links, changed.candidates) == ((), {"r": ("A-1", "A-2")})


@pytest.mark.parametrize("domain", ["gmail.com", "ada@googlemail.com", "mail.yahoo.co.uk"])
def test_free_mail_links_no_record_even_if_an_account_claims_it(domain: str) -> None:
    assert linked(by_domain("r", domain), accounts=(Candidate("A-1", domains=(domain,)),)).links == ()


def test_a_shared_domain_links_nothing_and_the_other_one_still_does() -> None:
    agency = Candidate("A-3", domains=("agency.com", "client.com"))
    assert linked(by_domain("r", "www.agency.com"), accounts=(agency,), shared=("agency.com",)).links == ()
    found = linked(by_domain("r", "agency.com", "client.com"), accounts=(agency, ACME), shared=("agency.com",))
    assert [link.evidence for link in found.links] == ["domain `client.com`"]


def test_a_private_suffix_keeps_its_customers_apart() -> None:
    accounts = [Candidate("A-1", domains=("one.myshopify.com",)), Candidate("A-2", domains=("two.myshopify.com",))]
    found = linked(by_domain("r", "https://two.myshopify.com"), by_domain("s", "myshopify.com"), accounts=accounts)
    assert found.accounts == {"r": "A-2"}


@pytest.mark.parametrize("text", ["XN--MLLER-AG-65A.de", "https://MÜLLER-AG.de/", "ada@mu\u0308ller-ag.de"])
def test_a_domain_is_the_same_in_every_case_and_script(text: str) -> None:
    assert linked(by_domain("r", text), accounts=(Candidate("A-1", domains=("Müller-AG.de",)),)).accounts == {
        "r": "A-1"
    }


def test_an_alphabet_that_looks_alike_makes_another_domain() -> None:
    assert linked(by_domain("r", "\u0430cme.org")).links == ()


def test_a_name_never_links() -> None:
    found = linked(Record("r", name="Acme"), Record("A-1", name="Acme"))
    assert (found.links, found.ambiguous, found.candidates) == ((), {}, {})


def test_an_account_nobody_knows_more_of_is_its_id() -> None:
    assert Known((ACME,)).candidate("A-1") is ACME
    assert Known((ACME,)).candidate("A-9") == Candidate("A-9")


IDS = ["A", "B", "C", "D", "x", "y"]
DOMAINS = ["a.com", "www.a.com", "b.com", "c.github.io", "d.github.io", "gmail.com", "shared.com", "nonsense"]
CANDIDATES = st.builds(
    Candidate,
    id=st.sampled_from(IDS[:4]),
    external_id=st.none() | st.sampled_from(IDS),
    domains=st.lists(st.sampled_from(DOMAINS), max_size=2).map(tuple),
    name=st.sampled_from(["Acme", "Globex"]),
)
RECORDS = st.builds(
    Record,
    id=st.sampled_from(["r1", "r2", "r3", "r4", "A"]),
    name=st.sampled_from(["Acme", "Globex", ""]),
    external_ids=st.lists(st.sampled_from(IDS), max_size=2).map(tuple),
    domains=st.lists(st.sampled_from(DOMAINS), max_size=2).map(tuple),
)
ACCOUNT_LISTS = st.lists(CANDIDATES, max_size=4, unique_by=lambda account: account.id)
RECORD_LISTS = st.lists(RECORDS, max_size=5)
CROSSWALKS = st.dictionaries(st.sampled_from(["r1", "r2", "A"]), st.sampled_from(["", "A", "B"]), max_size=2)


def all_linked(accounts: list[Candidate], records: list[Record], crosswalk: Mapping[str, str]) -> Links:
    """The records, linked where one domain is shared."""
    return linked(*records, accounts=accounts, crosswalk=crosswalk, shared=("shared.com",))


@given(ACCOUNT_LISTS, RECORD_LISTS, CROSSWALKS, st.randoms(use_true_random=False))
def test_the_order_of_accounts_records_and_lines_makes_no_difference(
    accounts: list[Candidate], records: list[Record], crosswalk: dict[str, str], rng: random.Random
) -> None:
    before = all_linked(accounts, records, crosswalk)
    lines = list(crosswalk.items())
    for sequence in (accounts, records, lines):
        rng.shuffle(sequence)
    after = all_linked(accounts, records, dict(lines))
    assert after == before
    assert list(after.ambiguous.items()) == list(before.ambiguous.items())


@given(ACCOUNT_LISTS, RECORD_LISTS, CROSSWALKS)
def test_every_record_belongs_to_one_account_or_is_left_over(
    accounts: list[Candidate], records: list[Record], crosswalk: dict[str, str]
) -> None:
    found = all_linked(accounts, records, crosswalk)
    told = [link.record.id for link in found.links] + [record.id for record in found.unmatched]
    assert sorted(told) == sorted({record.id for record in records})
    assert found.candidates.keys() <= {record.id for record in found.unmatched}
    assert found.ambiguous.keys().isdisjoint(found.by_account)


@given(ACCOUNT_LISTS, RECORD_LISTS, CROSSWALKS)
def test_every_link_has_its_reason(accounts: list[Candidate], records: list[Record], crosswalk: dict[str, str]) -> None:
    by_id = {account.id: account for account in accounts}
    for link in all_linked(accounts, records, crosswalk).links:
        account, record = by_id.get(link.account_id), link.record
        if link.method == "crosswalk" or account is None:
            assert crosswalk[record.id] == link.account_id
            continue
        assert record.id not in crosswalk
        assert link.account_id not in crosswalk.values()
        if link.method == "external id":
            assert {account.id, account.external_id} & set(record.external_ids)
        else:
            both = {registrable_domain(d) for d in account.domains} & {registrable_domain(d) for d in record.domains}
            assert both - {None, "shared.com"}
            assert not set(record.external_ids) & {mark for a in accounts for mark in (a.id, a.external_id)}


@given(ACCOUNT_LISTS, RECORD_LISTS, CROSSWALKS)
def test_an_account_has_several_records_only_if_somebody_wrote_that_down(
    accounts: list[Candidate], records: list[Record], crosswalk: dict[str, str]
) -> None:
    for links in all_linked(accounts, records, crosswalk).by_account.values():
        assert len(links) == 1 or all(link.confidence == "certain" for link in links)
        assert len({link.method == "crosswalk" for link in links}) == 1


@given(ACCOUNT_LISTS, RECORD_LISTS, CROSSWALKS, CANDIDATES)
def test_one_more_account_takes_no_record_from_another_by_domain(
    accounts: list[Candidate], records: list[Record], crosswalk: dict[str, str], more: Candidate
) -> None:
    fewer = [account for account in accounts if account.id != more.id]
    before = all_linked(fewer, records, crosswalk).accounts
    for link in all_linked([*fewer, more], records, crosswalk).links:
        if before.get(link.record.id, link.account_id) != link.account_id:
            assert (link.method, link.account_id) == ("external id", more.id)


@given(ACCOUNT_LISTS, RECORD_LISTS, CROSSWALKS, RECORDS)
def test_one_more_record_gives_no_other_record_to_another_account(
    accounts: list[Candidate], records: list[Record], crosswalk: dict[str, str], more: Record
) -> None:
    fewer = [record for record in records if record.id != more.id]
    before = all_linked(accounts, fewer, crosswalk).accounts
    after = all_linked(accounts, [*fewer, more], crosswalk).accounts
    assert {record: account for record, account in after.items() if record != more.id}.items() <= before.items()
