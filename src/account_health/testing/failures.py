"""Failures: what a connector makes of a system that refuses, fails, stalls or lies: words of ours, in time, no rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import anyio

from account_health.connectors.base import Checkable
from account_health.errors import Fault
from account_health.model import State
from account_health.testing.mishaps import (
    UNREADABLE,
    UPSTREAM_WORDS,
    Dripping,
    changed,
    silent,
    status,
    stuck,
    unreachable,
)
from account_health.testing.recorded import nth
from account_health.testing.rewriting import leaves, of_another_type, with_odd_items
from account_health.testing.subject import Outcome, answered
from account_health.testing.verdict import NonconformityError, require

if TYPE_CHECKING:
    from account_health.connectors.base import Query
    from account_health.tables import Row
    from account_health.testing.recorded import Mishap
    from account_health.testing.subject import Subject

_ATTEMPTS = 3
_WAIT = 1
_NEVER = "3600"
_SHORT = 0.5
_LEEWAY = 0.5
_TIMER = 0.05
"""Timers are not exact."""
_PAGES = 5
_STUCK = 3.0
_ROWS_NEEDED = "Retry what failed once, so that the rows are those of an undisturbed answer."


async def names_refused_credentials(subject: Subject) -> None:
    """401: Fault.AUTHENTICATION, and what to do."""
    await _refuses(subject, 401, Fault.AUTHENTICATION)


async def names_a_missing_permission(subject: Subject) -> None:
    """403: Fault.PERMISSION, and what to do."""
    await _refuses(subject, 403, Fault.PERMISSION)


async def waits_for_the_seconds_it_is_told(subject: Subject) -> None:
    """429 with Retry-After in seconds: the same request, not before."""
    found = await subject.ask(subject.one, status(429, {"retry-after": str(_WAIT)}), when=nth(1))
    _require_repetition(found, found.sent[0].at + _WAIT)
    require(found.told == (await answered(subject, subject.one)).told, _ROWS_NEEDED)


async def waits_for_the_date_it_is_told(subject: Subject) -> None:
    """429 with Retry-After as an HTTP date: the same request, not before, by the clock of the context."""
    date = format_datetime(subject.as_of.replace(tzinfo=UTC, microsecond=0) + timedelta(seconds=_WAIT), usegmt=True)
    begun = time.monotonic()
    found = await subject.ask(subject.one, status(429, {"retry-after": date}), when=nth(1))
    _require_repetition(found, begun + _WAIT - subject.as_of.microsecond / 1e6)
    require(found.told == (await answered(subject, subject.one)).told, _ROWS_NEEDED)


async def gives_up_when_the_wait_is_too_long(subject: Subject) -> None:
    """429 with a Retry-After beyond the deadline: Fault.THROTTLED, and no second try."""
    query = replace(subject.one, seconds=_SHORT)
    found = await subject.ask(query, status(429, {"retry-after": _NEVER}))
    _require_failure(found, {Fault.THROTTLED}, "429 with a Retry-After beyond `Query.seconds`")
    await _require_tries(subject, query, found, 1)
    _require_in_time(found, query)


async def tries_three_times_when_the_system_fails(subject: Subject) -> None:
    """5xx: at most three tries for each read, then Fault.SERVER."""
    for code, query in ((503, subject.one), (500, replace(subject.all, seconds=_SHORT))):
        found = await subject.ask(query, status(code))
        _require_failure(found, {Fault.SERVER, Fault.PAUSED}, f"status {code}")
        await _require_tries(subject, query, found, _ATTEMPTS)


async def recovers_from_a_single_failure(subject: Subject) -> None:
    """One 503, and the rows are the same."""
    found = await subject.ask(subject.one, status(503), when=nth(1))
    require(not found.failures and found.told == (await answered(subject, subject.one)).told, _ROWS_NEEDED)


async def names_an_unreachable_system(subject: Subject) -> None:
    """No connection: Fault.UNREACHABLE."""
    query = replace(subject.one, seconds=_SHORT)
    found = await subject.ask(query, unreachable)
    _require_failure(found, {Fault.UNREACHABLE, Fault.PAUSED}, "a refused connection")
    await _require_tries(subject, query, found, _ATTEMPTS)


async def ends_in_time_when_nothing_comes(subject: Subject) -> None:
    """A silent system ends within the deadline: Fault.TIMEOUT."""
    for query in (subject.one, subject.all):
        await _ends_in_time(subject, query, silent)


async def ends_in_time_when_the_answer_drips(subject: Subject) -> None:
    """An answer that comes byte by byte ends within the deadline: Fault.TIMEOUT."""
    for query in (subject.one, subject.all):
        await _ends_in_time(subject, query, Dripping())


async def closes_its_connections_when_cancelled(subject: Subject) -> None:
    """A caller that goes away is not waited for, and no answer is left open."""
    dripping = Dripping()
    begun = time.monotonic()
    with anyio.move_on_after(_SHORT):
        await subject.ask(subject.one, dripping)
    require(time.monotonic() - begun < _SHORT + _LEEWAY, "Let a cancellation pass: catch Exception, not BaseException.")
    require(all(b.is_closed for b in dripping.bodies), "Close answers that are not read to the end (`async with`).")


async def names_an_unreadable_answer(subject: Subject) -> None:
    """Malformed, cut, huge and wrong JSON: Fault.BAD_RESPONSE, no rows."""
    for what, mishap in UNREADABLE.items():
        for query in (subject.one, subject.all):
            try:
                found = await subject.ask(query, mishap)
            except NonconformityError as err:
                raise NonconformityError(f"{err} The answer was {what}.") from err
            _require_failure(found, {Fault.BAD_RESPONSE, Fault.PAUSED}, what)


async def makes_no_rows_of_values_of_another_type(subject: Subject) -> None:
    """Objects in place of texts and numbers: a failure or rejected rows, and never an absence."""
    for query in (subject.one, subject.all):
        found = await subject.ask(query, changed(lambda content: leaves(content, of_another_type)))
        require(not found.rows, f"Read values by their type; of objects in place of texts it made {found.rows[:1]}.")
        _require_own_words(found)
        require(
            found.failures or any(d.rejected_total for d in found.deliveries),
            "Reject what cannot be read (RejectedRow), or fail with Fault.BAD_RESPONSE: unreadable is not empty.",
        )


async def rejects_an_odd_item_and_keeps_the_others(subject: Subject) -> None:
    """One item that is none: rejected or a failure, and no row says anything new."""
    honest = await answered(subject, subject.all)
    found = await subject.ask(subject.all, changed(with_odd_items))
    _require_own_words(found)
    for row in found.rows:
        require(any(_says_no_more(row, other) for other in honest.rows), f"Invent no rows; there was none like {row}.")
    require(
        found.failures or any(d.rejected_total for d in found.deliveries),
        "Count an item that cannot be read as rejected; it was passed over in silence.",
    )


async def stops_at_a_repeated_cursor(subject: Subject) -> None:
    """A list whose next page is always the same ends soon, and the rows are said to be incomplete."""
    if not subject.has_pages:
        return
    honest = await answered(subject, subject.all)
    found = await subject.ask(replace(subject.all, seconds=_STUCK), stuck(), max_pages=_PAGES)
    most = _PAGES * len(honest.sent)
    require(
        len(found.sent) <= most, f"Stop when a cursor comes again; there were {len(found.sent)} requests, not {most}."
    )
    incomplete = [d for d in found.deliveries if d.note or d.rejected_total or State.PARTIAL in d.states.values()]
    require(
        found.failures or incomplete, "Say in `Delivery.note` or `states` that a list broke off at a repeated cursor."
    )


CHECKS = (
    names_refused_credentials,
    names_a_missing_permission,
    waits_for_the_seconds_it_is_told,
    waits_for_the_date_it_is_told,
    gives_up_when_the_wait_is_too_long,
    tries_three_times_when_the_system_fails,
    recovers_from_a_single_failure,
    names_an_unreachable_system,
    ends_in_time_when_nothing_comes,
    ends_in_time_when_the_answer_drips,
    closes_its_connections_when_cancelled,
    names_an_unreadable_answer,
    makes_no_rows_of_values_of_another_type,
    rejects_an_odd_item_and_keeps_the_others,
    stops_at_a_repeated_cursor,
)


async def _refuses(subject: Subject, code: int, fault: Fault) -> None:
    for query in (subject.one, subject.all):
        found = await subject.ask(query, status(code))
        _require_failure(found, {fault}, f"status {code}")
        # An access token may have expired, so a refused one is worth a second try with a new one.
        await _require_tries(subject, query, found, 2 if subject.token_path else 1)
    connector = subject.build(subject.transport(status(code)))
    if isinstance(connector, Checkable):
        probes = (await connector.check(subject.as_of)).probes
        require(
            any(not probe.is_ok and probe.advice for probe in probes),
            f"Let `check` say what to do about status {code}.",
        )
        require(UPSTREAM_WORDS not in str(probes), "Use words of your own in `check`, never the other system's text.")


async def _ends_in_time(subject: Subject, query: Query, mishap: Mishap) -> None:
    hurried = replace(query, seconds=_SHORT)
    found = await subject.ask(hurried, mishap)
    _require_in_time(found, hurried)
    _require_failure(found, {Fault.TIMEOUT}, "an answer that does not come to an end in time")


def _require_in_time(found: Outcome, query: Query) -> None:
    require(
        found.seconds <= (query.seconds or 0) + _LEEWAY,
        f"End within `Query.seconds` ({query.seconds} s); it took {found.seconds:.1f} s.",
    )


def _require_failure(found: Outcome, faults: Collection[Fault], what: str) -> None:
    """Nothing but failures of these kinds, in words of ours that say what to do."""
    require(not found.rows, f"Make no rows of {what}; there were {found.rows[:1]}.")
    require(found.is_failure, f"Fail on {what}: an absence would be taken for a fact.")
    wanted = " or ".join(f"Fault.{fault.name}" for fault in faults)
    for text, fault in found.failures:
        require(fault in faults, f"Fail with {wanted} on {what}; it was {fault!r}: {text}")
    _require_own_words(found)


def _require_own_words(found: Outcome) -> None:
    """Two sentences: what is wrong and what to do; nothing that the other system said."""
    for text, fault in found.failures:
        require(fault is not None, f"Give every failure its fault, and let no exception of your own happen: {text}")
        require(". " in text or ": " in text, f"Say what to do about a failure (SourceError.next_step): {text}")
        require(UPSTREAM_WORDS not in text, f"Use words of your own in failures, never the other system's text: {text}")


async def _require_tries(subject: Subject, query: Query, found: Outcome, most: int) -> None:
    """No read was tried more often; a read that undisturbed is done twice may be tried twice as often."""
    usual = Counter(sent.identity for sent in (await answered(subject, query)).sent)
    for (method, url, _), tries in Counter(sent.identity for sent in found.sent).items():
        reads = max([1, *(n for identity, n in usual.items() if identity[:2] == (method, url))])
        require(tries <= most * reads, f"Try a read at most {most} times here; {method} {url} was sent {tries} times.")


def _require_repetition(found: Outcome, earliest: float) -> None:
    require(not found.failures, f"Wait as long as Retry-After says, if there is time for it; it said {found.failures}.")
    first, *later = found.sent
    repeated = [sent for sent in later if sent.identity == first.identity]
    require(repeated, f"Ask again after 429: {first.request.method} {first.request.url.path} was sent only once.")
    early = earliest - repeated[0].at
    require(early <= _TIMER, f"Wait as long as Retry-After says; the same request came {early:.2f} s too early.")


def _says_no_more(row: Row, honest: Row) -> bool:
    """Whether everything that the row says stands in the honest one too."""
    said = {name: value for name, value in row if value != type(row).model_fields[name].default}
    return row.table == honest.table and said.items() <= dict(honest).items()
