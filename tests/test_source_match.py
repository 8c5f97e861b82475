"""`account-health sources match`: the crosswalk in use, as a file that a person corrects and feeds back."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from threading import Barrier
from typing import TYPE_CHECKING

import anyio
import pytest
from typer.testing import CliRunner

from account_health import cli
from account_health.connectors.base import Context
from account_health.gather import Gatherer
from account_health.source_match import folded_name, match_sources
from account_health.workspace import open_database
from beacon import (
    CRM,
    DESK,
    ENVIRONMENT,
    FILES,
    Beacon,
    BeaconDesk,
    account,
    configured,
    opened,
    organization,
    refuse,
    serving,
    ticket,
    two_customers,
)
from given import Given
from given import account as given_account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import httpx2
    from typer.testing import Result

    from account_health.connectors.base import Query
    from account_health.identity import Links

    Match = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("beacon_installed")

ACCOUNTS = """account_id,name,domains,external_id
A-1,Acme Ltd,acme.example,
B-2,Bolt Inc.,bolt.example;shared.example,b-ext
C-3,"Crane, S.A.",shared.example,
D-4,***,,
"""
CROSSWALK = 'crosswalk = "crosswalk.csv"\n'


@pytest.fixture
def beacon() -> Beacon:
    """Two matched organisations, one that fits two accounts, one that is only called like an account, one strange."""
    found = two_customers()
    found.organizations += [
        organization(3, "Shared", domains=["shared.example"]),
        organization(4, "CRANE sa"),
        organization("=5", "Nobody\x1b[31m `x`"),
        organization(6),
    ]
    return found


@pytest.fixture
def match(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beacon: Beacon) -> Iterator[Match]:
    """The command over the files and the system on this machine; what is passed goes before and after the sources."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with serving(beacon) as address:

        def run(*arguments: object, before: str = "", after: str = "") -> Result:
            toml = before + FILES + DESK + f'base_url = "{address}"\n' + after
            config = configured(tmp_path, toml, ACCOUNTS)
            words = ["sources", "match", "--config", config, *arguments]
            return CliRunner().invoke(cli.app, [str(word) for word in words])

        yield run


def lines(text: str) -> dict[str, Mapping[str, str]]:
    """The lines by record, without empty cells."""
    read = csv.DictReader(io.StringIO(text))
    return {row["record_id"]: {key: cell for key, cell in row.items() if cell} for row in read}


def test_every_record_is_listed_with_how_it_was_matched_or_what_it_could_be(match: Match) -> None:
    done = match()

    assert done.exit_code == 0, done.output
    assert lines(done.stdout) == {
        "3": {
            "source": "desk",
            "record_id": "3",
            "evidence": "fits B-2 and C-3",
            "record_name": "Shared",
            "suggestion": "B-2 or C-3",
        },
        "4": {"source": "desk", "record_id": "4", "record_name": "CRANE sa", "suggestion": "C-3"},
        "'=5": {"source": "desk", "record_id": "'=5", "record_name": "Nobody[31m `x`"},
        "6": {"source": "desk", "record_id": "6"},
        "1": {
            "source": "desk",
            "record_id": "1",
            "account_id": "A-1",
            "method": "domain",
            "confidence": "likely",
            "evidence": "domain acme.example",
            "record_name": "ACME",
            "account_name": "Acme Ltd",
        },
        "2": {
            "source": "desk",
            "record_id": "2",
            "account_id": "B-2",
            "method": "external id",
            "confidence": "certain",
            "evidence": "external id",
            "record_name": "Bolt",
            "account_name": "Bolt Inc.",
        },
    }
    assert done.stderr == "2 of 6 records belong to an account.\n"


def test_what_is_unmatched_stands_first(match: Match) -> None:
    assert [*lines(match().stdout)] == ["3", "4", "6", "'=5", "1", "2"]


def test_what_it_prints_can_be_fed_back_as_it_is(match: Match, tmp_path: Path) -> None:
    first = match("--output", tmp_path / "crosswalk.csv")
    assert first.stdout == ""
    again = lines(match(before=CROSSWALK).stdout)

    told = {record: (line.get("account_id"), line.get("method")) for record, line in again.items()}
    unknown = (None, None)
    assert told == {
        "1": ("A-1", "crosswalk"),
        "2": ("B-2", "crosswalk"),
        **dict.fromkeys(["3", "4", "6", "'=5"], unknown),
    }


def test_what_a_person_wrote_into_it_holds_and_is_never_lost(match: Match, tmp_path: Path, beacon: Beacon) -> None:
    path = tmp_path / "crosswalk.csv"
    path.write_text("source,record_id,account_id\ndesk,'=5,C-3\ndesk,1,-\ndesk,77,A-1\ndesk,78,-\n", "utf-8")
    for _ in range(2):
        done = match("--output", path, before=CROSSWALK)
        assert done.exit_code == 0
        found = lines(path.read_text("utf-8"))
        assert {record: line.get("account_id") for record, line in found.items()} == {
            "'=5": "C-3",
            "1": "-",
            "77": "A-1",
            "78": "-",
            "2": "B-2",
            "3": None,
            "4": None,
            "6": None,
        }
        assert found["1"]["method"] == found["77"]["method"] == "crosswalk"
        assert found["77"]["evidence"] == "crosswalk; not listed by the source now"
    assert done.stderr == "3 of 8 records belong to an account.\n"

    beacon.mishaps["organizations"] = refuse(401)
    done = match("--output", path, before=CROSSWALK)
    assert done.exit_code == 5
    assert {r: line["account_id"] for r, line in lines(path.read_text("utf-8")).items()} == {
        "'=5": "C-3",
        "1": "-",
        "2": "B-2",
        "77": "A-1",
        "78": "-",
    }


def test_an_account_that_the_crosswalk_names_and_nobody_lists_is_said_so(match: Match, tmp_path: Path) -> None:
    (tmp_path / "crosswalk.csv").write_text("source,record_id,account_id\ndesk,4,Z-9\n", "utf-8")

    assert lines(match(before=CROSSWALK).stdout)["4"]["account_name"] == "not in the list of accounts"


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("token = { env = 'NOT_SET' }\n", "Beacon Desk: token: The environment variable NOT_SET is not set."),
        (
            "token = { env = 'WRONG' }\n",
            "other: Beacon Desk does not accept the credentials (GET /organizations).",
        ),
        (
            "token = { env = 'BEACON_TOKEN' }\nfails_at = 'records'\n",
            "other: The connector failed unexpectedly; the log names the place.",
        ),
    ],
)
def test_a_source_that_fails_is_named_and_the_others_are_printed(
    match: Match, monkeypatch: pytest.MonkeyPatch, beacon: Beacon, toml: str, problem: str
) -> None:
    monkeypatch.setenv("WRONG", "wr0ng")
    with serving(beacon) as address:
        kind = "beacon-faulty" if "fails_at" in toml else "beacon-desk"
        done = match(after=f'[sources.other]\nconnector = "{kind}"\nbase_url = "{address}"\n{toml}')

    assert done.exit_code == 5
    assert {line["source"] for line in lines(done.stdout).values()} == {"desk"}
    assert len(lines(done.stdout)) == 6
    assert done.stderr.startswith(f"2 of 6 records belong to an account.\n{problem}")
    assert "Traceback" not in done.stderr


def test_a_list_that_was_not_read_to_its_end_is_said(match: Match, beacon: Beacon) -> None:
    beacon.organizations.append({"id": "bad", "domains": 7})
    beacon.page_size = 7
    done = match()
    assert done.exit_code == 5
    assert "desk: 1 could not be read, e.g. `/organizations bad: domains: " in done.stderr

    beacon.page_size = 2
    done = match(after="max_pages = 1\n")
    assert done.exit_code == 5
    assert "desk: Only the first 1 pages were read." in done.stderr
    assert len(lines(done.stdout)) == 2


def test_sources_are_asked_side_by_side(match: Match, beacon: Beacon) -> None:
    both = Barrier(2)

    async def wait_for_the_other(_: httpx2.Request) -> None:
        both.wait(timeout=10)

    beacon.mishaps["organizations"] = wait_for_the_other
    with serving(beacon) as address:
        done = match(after=DESK.replace("desk]", "other]") + f'base_url = "{address}"\n')

    assert done.exit_code == 0, done.stderr
    assert done.stderr == "4 of 12 records belong to an account.\n"


def test_a_source_that_is_late_is_named_and_the_others_are_printed(match: Match) -> None:
    slow = two_customers()

    async def take_long(_: httpx2.Request) -> None:
        await anyio.sleep(2)

    slow.mishaps["organizations"] = take_long
    with serving(slow) as address:
        late = DESK.replace("desk]", "late]") + f'base_url = "{address}"\n'
        done = match(after=f"{late}[gather]\nall_accounts_seconds = 1\n")

    assert done.exit_code == 5
    assert {line["source"] for line in lines(done.stdout).values()} == {"desk"}
    assert done.stderr.startswith(
        "2 of 6 records belong to an account.\nlate: Beacon Desk gave no complete answer in time"
    )


class Stubborn(BeaconDesk):
    """Knows no deadline of its own."""

    kind = "beacon-stubborn"

    async def matches(self, query: Query) -> Links:  # noqa: ARG002 - the protocol names it
        """Never says."""
        await anyio.sleep_forever()
        raise AssertionError


@pytest.mark.anyio
async def test_a_source_that_heeds_no_deadline_is_cut_off(tmp_path: Path, beacon: Beacon) -> None:
    workspace = opened(tmp_path, beacon, f"{FILES}{DESK}[gather]\nall_accounts_seconds = 0.2\n")
    _, desk = workspace.sources.sources
    assert isinstance(desk, BeaconDesk)
    database = open_database()
    late = Stubborn(desk.name, desk.settings, Context(tmp_path, database, workspace.clock))
    gatherer = Gatherer([Given([given_account()]), late], database, clock=workspace.clock)
    with anyio.fail_after(10):
        found = await match_sources(replace(workspace, sources=gatherer))

    within = "desk: No complete answer within 0.2 seconds."
    assert found.problems == (f"{within} Ask again later, or raise all_accounts_seconds under [gather].",)


def test_lines_about_a_source_that_matches_nothing_have_no_effect_and_that_is_said(
    match: Match, tmp_path: Path, beacon: Beacon
) -> None:
    beacon.accounts = [account("Z-1", "Zeta")]
    crm = CRM.replace("sources.crm", "sources.sales")
    written = "source,record_id,account_id\nsales,Z-1,A-1\ncrm,B-2,A-1\ndesk,9,A-1\n"
    (tmp_path / "crosswalk.csv").write_text(written, "utf-8")
    with serving(beacon) as address:
        done = match(before=CROSSWALK, after=f'{crm}base_url = "{address}"\n')

    assert done.exit_code == 5
    assert done.stderr == (
        "2 of 9 records belong to an account.\n"
        "sales: It lists accounts, so its records are accounts; the crosswalk does not change them.\n"
        "crm: Its rows name their accounts themselves; the crosswalk does not change them.\n"
    )
    found = lines(done.stdout)
    idle = {"account_id": "A-1", "evidence": "crosswalk; has no effect"}
    assert found["Z-1"] == {"source": "sales", "record_id": "Z-1", **idle}
    assert found["B-2"] == {"source": "crm", "record_id": "B-2", **idle}
    assert found["9"]["evidence"] == "crosswalk; not listed by the source now"


def test_without_accounts_nothing_is_matched(match: Match) -> None:
    done = match(before='as_of = "2026-11-21"\n', after='[sources.crm.tables.account]\nfile = "none.csv"\n')

    assert done.exit_code == 5
    assert done.stdout == ""
    assert "The list of accounts could not be read" in done.stderr


def test_a_file_that_cannot_be_written_is_the_callers_to_mend(match: Match, tmp_path: Path) -> None:
    done = match("--output", tmp_path / "absent" / "x.csv")

    assert done.exit_code == 4
    assert "x.csv cannot be written: No such file or directory." in done.stderr


def test_rivals_are_named_up_to_three(match: Match, beacon: Beacon, tmp_path: Path) -> None:
    accounts = "account_id,name,domains\n" + "".join(f"X-{n},Name {n},many.example\n" for n in range(5))
    beacon.organizations = [organization(1, domains=["many.example"])]
    beacon.tickets = [ticket(1, of=1)]
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "account.csv").write_text(accounts, "utf-8")
    (line,) = lines(match(after='[sources.more]\nconnector = "files"\nfolder = "more"\n').stdout).values()

    assert line["evidence"] == "fits X-0 and X-1 and X-2 and 2 more"
    assert line["suggestion"] == "X-0 or X-1 or X-2 or 2 more"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ACME Holdings, Inc.", "acme"),
        ("Crème & Brûlée GmbH", "creme brulee"),
        ("Crane S.A.", "CRANE SA"),
        ("The Group", "the group"),
        ("ŞİRKET A.Ş.", "sirket as"),
    ],
)
def test_names_are_alike_without_case_accents_punctuation_and_legal_form(one: str, other: str) -> None:
    assert folded_name(one) == folded_name(other) != ""


def test_different_names_stay_different() -> None:
    assert len({folded_name(name) for name in ("Acme", "Acme East", "Acmé Süd", "東京", "大阪")}) == 5
