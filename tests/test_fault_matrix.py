"""Every live connector against every fault of a server on a real socket: in time, in our words, the rest delivered."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
from base64 import b64encode
from collections import Counter
from subprocess import DEVNULL
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio
import pytest
from mcp import Client

from account_health.connectors.live.ask import iso
from account_health.errors import Fault, SourceError
from account_health.render import render_summary
from account_health.server import create_server
from account_health.testing import Recorded
from account_health.workspace import Workspace
from connectors.http.upstream import faults, hits, on_a_socket, real_time, sending
from doors import COMMAND, environment
from faulty import (
    KINDS,
    PATIENCE,
    Answered,
    Detour,
    alone,
    ask,
    configured,
    lists_accounts,
    network,
    settings_of,
    subject_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from account_health.testing import Subject
    from account_health.testing.recorded import Sent, When

pytestmark = pytest.mark.anyio

# The fault server is healed before long, but what it then says is no answer of any vendor.
FAULTS: Mapping[str, set[Fault]] = {
    "500": {Fault.SERVER},
    "503-burst?n=3": {Fault.SERVER},
    "429?after=1": {Fault.THROTTLED, Fault.BAD_RESPONSE},
    "429date": {Fault.THROTTLED, Fault.BAD_RESPONSE},
    "drip": {Fault.TIMEOUT},
    "slowhdr": {Fault.TIMEOUT},
    "hang": {Fault.TIMEOUT},
    "rst": {Fault.UNREACHABLE},
    "trunc": {Fault.BAD_RESPONSE},
    "badlen": {Fault.BAD_RESPONSE},
    "chunktrunc": {Fault.BAD_RESPONSE},
    "huge": {Fault.BAD_RESPONSE},
    "gzbomb?mb=40": {Fault.BAD_RESPONSE},
    "deep": {Fault.BAD_RESPONSE},
    "nan": {Fault.BAD_RESPONSE},
    "bigint": {Fault.BAD_RESPONSE},
    "html": {Fault.BAD_RESPONSE},
    "bom": {Fault.BAD_RESPONSE},
    "latin1": {Fault.BAD_RESPONSE},
    "dupkeys": {Fault.BAD_RESPONSE},
    "redirmeta": {Fault.BAD_RESPONSE},
    "redirloop": {Fault.BAD_RESPONSE},
    "headersbomb": {Fault.BAD_RESPONSE},
}
"""Every fault, and the kinds of failure that it is."""
BESIDES = {Fault.PAUSED, Fault.TIMEOUT, Fault.BAD_RESPONSE, Fault.UNREACHABLE}
"""What may become of other requests: not asked any more, no time left, answered by a server that is healed, or cut off
because this server hangs up without reading what is posted."""
HEALING = {"503-burst?n=2": 0.0, "429?after=1": 0.9, "429date": 0.9}
"""Faults that a second or third try overcomes, and how long it has to wait at least (a date has no fractions)."""

LONG = ("drip", "slowhdr", "hang", "429?after=1", "429date")
"""Faults that are waited for, so that several may be met at once."""

DEADLINE = 2.0
ENOUGH_TO_RETRY = 3.5
"""Without a time from the vendor, another try begins only while two seconds are left."""
LEEWAY = 0.5
ATTEMPTS = 3
APART = 0.4
"""Questions begin so far apart that each has done its arithmetic before the next one reaches the deadline."""
UPSTREAM_WORDS = ("UPSTREAM", "previous instructions", "169.254", "Sign in")

every_connector = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _memory_of_other_tests_set_aside() -> Iterator[None]:
    """What thousands of tests before have left is not walked by the collector on the time of these."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def base_url() -> Iterator[str]:
    """A fault server of the test's own, which counts from the beginning."""
    with faults() as url:
        yield url


def same_as(wanted: Sent) -> When:
    """To a request and its repetitions."""
    return lambda _, request: (request.method, str(request.url), request.content) == wanted.identity


def later_pages(honest: Recorded) -> list[Sent]:
    """The requests of an undisturbed question that a list already had other answers to."""
    sent = [one for one in honest.sent if one.exchange.path]
    return [
        one
        for i, one in enumerate(sent)
        if any(
            (o.exchange.method, o.exchange.path) == (one.exchange.method, one.exchange.path)
            and o.exchange != one.exchange
            for o in sent[:i]
        )
    ]


def path_of(fault: str) -> str:
    return fault.partition("?")[0]


def secret_forms(subject: Subject, sent: Iterable[Sent]) -> set[str]:
    """Everything that would give a secret away, as the settings hold it and as it went over the wire."""
    words = {*subject.secrets.values(), *(s.request.headers.get("authorization", "").rpartition(" ")[2] for s in sent)}
    assert words - {""}, "without a secret nothing can leak"
    return {
        form
        for word in words - {""}
        for form in (word, word[:12], quote(word, safe=""), b64encode(word.encode()).decode()[:12])
    }


def found_in(text: str, words: Iterable[str]) -> set[str]:
    return {word for word in words if word in text}


def told(found: Answered) -> str:
    """Everything that an answer shows, and what programmers see of its making."""
    sources = found.workspace.sources.sources
    seen = [found.workspace, found.evaluation.inputs.holdings, *sources, *(vars(source) for source in sources)]
    answers = [json.dumps(a.as_json()) + render_summary(a, found.workspace.policy) for a in found.assessments]
    return "\n".join([*map(repr, seen), *map(str, seen), *answers])


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that was logged, with what handlers do not show."""
    return "\n".join([caplog.text, *(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records)])


def mistakes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as an error or with a traceback."""
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info]


def tried_too_often(sent: Iterable[Sent], reads: Callable[[Sent], int]) -> list[str]:
    """The requests that were sent more than three times for each time that they are read."""
    tries = Counter(one.identity for one in sent)
    return [str(one.request.url) for one in sent if tries[one.identity] > ATTEMPTS * reads(one)]


def test_every_fault_of_the_server_is_named_here(base_url: str) -> None:  # noqa: ARG001 - skips where there is none
    assert len({path_of(fault) for fault in FAULTS}) == 23


@pytest.mark.parametrize("kind", KINDS)
def test_every_connector_over_http_is_tried(kind: str) -> None:
    assert subject_of(kind).connector == kind


# --- One source fails -----------------------------------------------------------------------------------------------


@every_connector
async def test_a_faulty_system_fails_in_time_and_takes_nothing_else_with_it(
    kind: str, base_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    subject = subject_of(kind)
    config = configured(subject, tmp_path, DEADLINE)
    honest = await ask(subject, config, Recorded(subject.recorded))
    found: dict[str, Answered] = {}

    async def meet(fault: str) -> None:
        transport = Recorded(subject.recorded, Detour(sockets, f"{base_url}/{fault}"))
        found[fault] = await ask(subject, config, transport)

    async with network() as sockets:
        async with anyio.create_task_group() as group:
            for fault in LONG:
                group.start_soon(meet, fault)
                await anyio.sleep(APART)
        for fault in [fault for fault in FAULTS if fault not in LONG]:
            await meet(fault)
    arrived = Counter(line for _, line in await hits(base_url))

    assert not any(h.failure for h in honest.live.values())
    assert mistakes(caplog) == []
    usual = Counter(one.identity for one in honest.transport.sent)
    sent = [one for answered in found.values() for one in answered.transport.sent]
    secrets = secret_forms(subject, sent)
    assert found_in("\n".join([logged(caplog), *capfd.readouterr()]), secrets) == set()
    assert {s.request.method for s in sent} <= {"GET", "POST"}
    assert {s.request.url.path for s in sent if s.request.method == "POST"} <= {
        *subject.search_posts,
        subject.token_path,
    }
    assert arrived.keys() <= {f"{verb} /{path_of(fault)}" for verb in ("GET", "POST") for fault in FAULTS}
    for fault, answered in found.items():
        kinds = {h.fault for h in answered.live.values()}
        assert [h.table for h in answered.live.values() if not h.failure] == [], fault
        assert kinds & FAULTS[fault], fault
        assert kinds <= FAULTS[fault] | BESIDES, (fault, kinds)
        assert answered.live.keys() == honest.live.keys(), fault
        assert answered.healthy == honest.healthy, fault
        assert answered.values <= honest.values, fault
        # What the machine takes without any fault is not the source's.
        assert answered.seconds <= DEADLINE + LEEWAY + honest.seconds, (fault, answered.seconds)
        # A list of accounts that failed is read twice: to find the account, and to gather what is known of it.
        assert tried_too_often(answered.transport.sent, lambda one: max(2, usual[one.identity])) == [], fault
        assert found_in(told(answered), {*secrets, *UPSTREAM_WORDS}) == set(), fault
        assert sum(arrived[f"{verb} /{path_of(fault)}"] for verb in ("GET", "POST")) == answered.transport.calls, fault


@every_connector
async def test_a_fault_that_heals_costs_time_and_nothing_else(kind: str, base_url: str, tmp_path: Path) -> None:
    subject = subject_of(kind)
    config = configured(subject, tmp_path)
    honest = await ask(subject, config, Recorded(subject.recorded))
    found: dict[str, Answered] = {}

    async def meet(fault: str) -> None:
        detour = Detour(sockets, f"{base_url}/{fault}", is_healed=True)
        transport = Recorded(subject.recorded, detour, same_as(honest.transport.sent[0]))
        found[fault] = await ask(subject, config, transport)

    async with network() as sockets, anyio.create_task_group() as group:
        for fault in HEALING:
            group.start_soon(meet, fault)

    arrived = Counter(line.rpartition("/")[2] for _, line in await hits(base_url))
    assert arrived == {"503-burst": 3, "429": 2, "429date": 2}
    for fault, answered in found.items():
        assert [h.failure for h in answered.live.values() if h.failure] == [], fault
        assert answered.values == honest.values, fault
        assert answered.healthy == honest.healthy, fault
        waited = max(h.waited.total_seconds() for h in answered.live.values())
        assert waited >= HEALING[fault], fault


# --- A list breaks off ----------------------------------------------------------------------------------------------


@every_connector
@pytest.mark.parametrize("about_all", [False, True], ids=["one", "all"])
async def test_a_list_that_breaks_off_is_never_taken_for_a_shorter_one(
    kind: str,
    about_all: bool,  # noqa: FBT001 - a column of the table
    base_url: str,
    tmp_path: Path,
) -> None:
    subject = subject_of(kind)
    config = configured(subject, tmp_path)
    honest = await ask(subject, config, Recorded(subject.recorded), about_all=about_all)
    pages = later_pages(honest.transport)
    assert pages or not subject.has_pages

    async with network() as sockets:
        for page in pages:
            detour = Detour(sockets, f"{base_url}/trunc")
            found = await ask(subject, config, Recorded(subject.recorded, detour, same_as(page)), about_all=about_all)
            assert any(line == f"{page.request.method} /trunc" for _, line in await hits(base_url)), page.identity
            said = [h.failure or h.note or h.rejected_total for h in found.live.values()]
            assert any(said) or found.doubtful > honest.doubtful, page.identity
            assert found.values <= honest.values, page.identity
            assert found.healthy == honest.healthy, page.identity


# --- The CRM fails --------------------------------------------------------------------------------------------------


async def test_without_a_list_of_accounts_the_question_fails_in_time_and_says_what_to_do(
    base_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    found: dict[tuple[str, str], tuple[str, float]] = {}
    secrets: set[str] = set()

    async def meet(kind: str, fault: str) -> None:
        subject = subject_of(kind)
        transport = Recorded(subject.recorded, Detour(sockets, f"{base_url}/{fault}"))
        config = alone(subject, tmp_path, ENOUGH_TO_RETRY, lists_accounts=True)
        workspace = Workspace.open(config, real_time, transport)
        begun = anyio.current_time()
        with pytest.raises(SourceError) as raised:
            await workspace.assess(subject.asked, iso(subject.as_of))
        found[kind, fault] = str(raised.value), anyio.current_time() - begun
        assert tried_too_often(transport.sent, lambda _: 1) == [], (kind, fault)
        secrets.update(secret_forms(subject, transport.sent))

    async with network() as sockets, anyio.create_task_group() as group:
        for kind in filter(lists_accounts, KINDS):
            for fault in FAULTS:
                group.start_soon(meet, kind, fault)
                await anyio.sleep(APART / 4)

    assert mistakes(caplog) == []
    assert found_in("\n".join([logged(caplog), *capfd.readouterr()]), secrets) == set()
    for question, (message, seconds) in found.items():
        assert re.fullmatch(
            r"The list of accounts could not be read: .+\. .+\. Nothing can be said before\.", message
        ), (
            question,
            message,
        )
        assert seconds <= ENOUGH_TO_RETRY + LEEWAY, (question, seconds)
        assert found_in(message, {*secrets, *UPSTREAM_WORDS}) == set(), question


async def test_the_command_leaves_with_the_code_of_a_failing_source(tmp_path: Path) -> None:
    left: dict[str, tuple[int, str, str]] = {}

    async def report(kind: str, base: str) -> None:
        subject, folder = subject_of(kind), tmp_path / kind
        folder.mkdir()
        secrets = {name: f"SECRET_{name.upper()}" for name in subject.secrets}
        plain = {**subject.settings, "lists_accounts": True, "base_url": base}
        lines = [
            f"{name} = {json.dumps(value)}"
            for name, value in settings_of(subject, **plain).items()
            if name not in secrets and not isinstance(value, dict)
        ]
        lines += [f'{name} = {{ env = "{variable}" }}' for name, variable in secrets.items()]
        path = folder / "account-health.toml"
        path.write_text(
            "\n".join(["[gather]", "deadline_seconds = 1", "[sources.crm]", f'connector = "{kind}"', *lines])
        )
        done = await anyio.run_process(
            [*COMMAND, "report", subject.asked, "--config", str(path)],
            check=False,
            stdin=DEVNULL,
            env=environment(folder, **{variable: subject.secrets[name] for name, variable in secrets.items()}),
        )
        left[kind] = done.returncode, done.stdout.decode(), done.stderr.decode()

    answer = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    async with on_a_socket(sending(answer)) as base, anyio.create_task_group() as group:
        for kind in filter(lists_accounts, KINDS):
            group.start_soon(report, kind, base)

    for kind, (code, out, err) in left.items():
        assert (code, out) == (5, ""), (kind, err)
        assert "itself failed (500 for " in err, kind
        assert "Traceback" not in err, kind
        assert found_in(err, subject_of(kind).secrets.values()) == set(), kind


# --- The client goes away -------------------------------------------------------------------------------------------


@every_connector
async def test_a_client_that_goes_away_hangs_up_on_every_system(kind: str, tmp_path: Path) -> None:
    subject = subject_of(kind)
    open_sockets: set[asyncio.StreamWriter] = set()
    asked, left = anyio.Event(), anyio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_sockets.add(writer)
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        open_sockets.discard(writer)
        writer.close()
        if not open_sockets:
            left.set()

    async with on_a_socket(hang) as base:
        config = configured(subject, tmp_path, base_url=base)
        async with Client(create_server(lambda: config, real_time)) as client:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as group:
                    group.start_soon(client.call_tool, "score_account", {"account": subject.asked})
                    await asked.wait()
                    group.cancel_scope.cancel()
            with anyio.fail_after(1):
                await left.wait()
            again = await client.call_tool("score_supplied_inputs", {"metrics": {"nps_latest": 9}})
            assert not again.is_error
