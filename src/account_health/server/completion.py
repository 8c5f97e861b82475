"""Completion: values that a client may offer while somebody fills in a prompt or an address; no value beats an error.

Nothing is read anew for a keystroke: accounts come from files and from what live systems said lately. Only if a live
list is not at hand, and enough has been typed to search for, is that system asked for what it finds.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import anyio
from mcp.types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference

from account_health.directory import Directory, Entry, folded
from account_health.errors import AccountHealthError, SourceError, place
from account_health.language import languages
from account_health.markup import visible
from account_health.server.desk import Desk

if TYPE_CHECKING:
    from datetime import date

    from mcp.server import MCPServer

    from account_health.workspace import Workspace

log = logging.getLogger(__name__)

_MOST = 100
"""More the protocol does not allow."""
_SEARCHED_FROM = 3
"""Characters from which on a live system is searched: fewer find half of it."""
_LONGEST_WAIT = 2.0
"""Seconds; by then whoever is typing has gone on."""
_ACCOUNT_CHARACTERS = 200
_GROUP_CHARACTERS = 100
"""Longer ones are not taken by the tools either."""
_GROUPS = ("segment", "owner")
_MONTHS = 12
_QUARTERS = 4
_DAYS = ("30", "60", "90")

_Offer = tuple[str, str]
"""A value, and in folded lines the words that what was typed may be a part of; each line begins with a break."""

_NONE = Completion(values=[], total=0, has_more=False)


def add_completion(server: MCPServer[Desk], desk: Desk) -> None:
    """Registers the one function that completes the arguments of every prompt and address."""
    offers = _Offers(desk)

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator] # the SDK says no types here
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion:
        if argument.name not in await _arguments(server, ref):
            return _NONE
        chosen = {name: value for name, value in ((context and context.arguments) or {}).items() if value}
        is_address = isinstance(ref, ResourceTemplateReference)
        try:
            with anyio.fail_after(_LONGEST_WAIT):
                return await offers.to(argument, chosen, is_address=is_address)
        except (AccountHealthError, TimeoutError):  # a question asked in earnest tells what is wrong
            return _NONE
        except Exception as err:  # noqa: BLE001 - whoever types wants a value or nothing
            log.error("completion failed unexpectedly: %s", place(err))  # noqa: TRY400 - its text may hold another system's words
            return _NONE


async def _arguments(server: MCPServer[Desk], ref: PromptReference | ResourceTemplateReference) -> set[str]:
    """What the prompt asks for, or what the address leaves open; nothing of one that the server does not have."""
    if isinstance(ref, PromptReference):
        asked = [prompt.arguments for prompt in await server.list_prompts() if prompt.name == ref.name]
        return {argument.name for arguments in asked for argument in arguments or ()}
    templates = {template.uri_template for template in await server.list_resource_templates()}
    return set(re.findall(r"{(\w+)}", ref.uri)) if ref.uri in templates else set()


class _Offers:
    """What may be offered for each argument; the accounts are made ready once for the same list of them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last: _Accounts | None = None

    async def to(self, argument: CompletionArgument, chosen: Mapping[str, str], *, is_address: bool) -> Completion:
        """The values that fit what has been typed; raises AccountHealthError where there is no list of accounts."""
        typed = argument.value
        if argument.name == "language":
            return _fitting(_plain(languages()), typed)
        if argument.name == "section":
            from account_health.reference import sections

            return _fitting(_plain(sections()), typed)
        if argument.name not in ("account", "renewing", *_GROUPS):
            return _NONE
        workspace = self._desk.workspace()
        if argument.name == "renewing":
            return _fitting(_plain(_windows(_today(workspace))), typed)
        if argument.name == "account":
            accounts = await self._accounts(workspace, typed)
            return _fitting(accounts.values(chosen, is_address=is_address), typed, is_whole=accounts.is_whole)
        accounts = await self._accounts(workspace)
        return _fitting(accounts.groups(argument.name, chosen), typed, is_whole=accounts.is_whole)

    async def _accounts(self, workspace: Workspace, typed: str = "") -> _Accounts:
        """The accounts at hand; where a live list is not, those too that its system finds for what has been typed."""
        from account_health.calls import Call

        instant, sources, policy = workspace.instant(), workspace.sources, workspace.policy
        is_live = any(sources.answers.is_live(index, instant) for index in range(len(sources.sources)))
        roster = None
        with suppress(SourceError):
            # Without any time left no live system is asked, and what it said lately still serves.
            roster = await sources.roster(policy, instant, call=Call(until=anyio.current_time()))
        is_whole = roster is not None and not roster.unread
        if not is_whole and is_live and len(typed.strip()) >= _SEARCHED_FROM:
            call = Call(until=anyio.current_time() + _LONGEST_WAIT)
            roster = await sources.roster(policy, instant, typed.strip(), call)
        return self._known(roster.directory if roster else Directory(()), is_whole=is_whole)

    def _known(self, directory: Directory, *, is_whole: bool) -> _Accounts:
        if self._last is None or self._last.directory is not directory or self._last.is_whole != is_whole:
            self._last = _Accounts(directory, is_whole)
        return self._last


@dataclass(frozen=True)
class _Accounts:
    """The accounts that can be offered."""

    directory: Directory
    is_whole: bool
    """False: there may be more."""

    def values(self, chosen: Mapping[str, str], *, is_address: bool) -> Iterator[_Offer]:
        """What finds each account: in an address its id, in a prompt its name if no other account has it."""
        wanted = _folded_groups(chosen, _GROUPS)
        for known in self._ready:
            value = known.id if is_address else known.name or known.id
            if value and (not wanted or known.is_of(wanted)):
                yield value, known.lines

    def groups(self, kind: str, chosen: Mapping[str, str]) -> Iterator[_Offer]:
        """The segments or owners as first written, in alphabetical order; only those of what is chosen already."""
        wanted = _folded_groups(chosen, [other for other in _GROUPS if other != kind])
        found = {known.groups[kind] for known in self._ready if not wanted or known.is_of(wanted)}
        for key in sorted(found - {""}):
            yield self._written[kind][key], _lines([key])

    @cached_property
    def _written(self) -> Mapping[str, Mapping[str, str]]:
        """Segments and owners by how they are compared, as first written."""
        kinds = {
            kind: dict.fromkeys(getattr(entry, kind) or "" for entry in self.directory.entries) for kind in _GROUPS
        }
        return {kind: {folded(t): visible(t, sys.maxsize) for t in reversed(texts)} for kind, texts in kinds.items()}

    @cached_property
    def _ready(self) -> Sequence[_Known]:
        def finding(text: str, entry: Entry) -> str:
            """The text as it can be shown, if it finds this account and no other."""
            shown = visible(text, sys.maxsize)
            return shown if len(shown) <= _ACCOUNT_CHARACTERS and self.directory.fitting(shown) == [entry] else ""

        def known(entry: Entry) -> _Known:
            lines = _lines(map(folded, (entry.name, entry.id, *entry.domains)))
            groups = {kind: _grouped(getattr(entry, kind) or "") for kind in _GROUPS}
            return _Known(finding(entry.name, entry), finding(entry.id, entry), lines, groups)

        return list(map(known, self.directory.entries))


class _Known(NamedTuple):
    """An account: the texts that find it (empty where none does), what may be typed, and what it belongs to."""

    name: str
    id: str
    lines: str
    groups: Mapping[str, str]
    """Segment and owner as they are compared; empty for none, and for those that the tools do not take."""

    def is_of(self, wanted: Mapping[str, str]) -> bool:
        """Whether it is of the segment and the owner that are chosen."""
        return all(self.groups[kind] == key for kind, key in wanted.items())


@lru_cache(maxsize=4096)
def _grouped(text: str) -> str:
    return folded(text) if len(visible(text, sys.maxsize)) <= _GROUP_CHARACTERS else ""


def _folded_groups(chosen: Mapping[str, str], kinds: Iterable[str]) -> dict[str, str]:
    return {kind: folded(chosen[kind]) for kind in kinds if chosen.get(kind)}


def _lines(words: Iterable[str]) -> str:
    return "".join(f"\n{word}" for word in words)


def _plain(values: Iterable[str]) -> list[_Offer]:
    return [(value, _lines([folded(value)])) for value in values]


def _fitting(offers: Iterable[_Offer], typed: str, *, is_whole: bool = True) -> Completion:
    """The values whose words begin with what was typed, then those that hold it."""
    wanted = folded(typed)
    found = [(value, lines) for value, lines in offers if wanted in lines]
    begun = [value for value, lines in found if f"\n{wanted}" in lines]
    values = list(dict.fromkeys((*begun, *(value for value, _ in found))))
    return Completion(
        values=values[:_MOST], total=len(values) if is_whole else None, has_more=len(values) > _MOST or not is_whole
    )


def _windows(today: date) -> Iterator[str]:
    """Renewal windows that begin soon: days from now, the coming quarters, the coming months."""
    yield from _DAYS
    quarter = (today.month - 1) // (_MONTHS // _QUARTERS)
    yield from (f"Q{(quarter + ahead) % _QUARTERS + 1}" for ahead in range(_QUARTERS))
    months = (today.year * _MONTHS + today.month - 1 + ahead for ahead in range(_MONTHS))
    yield from (f"{month // _MONTHS}-{month % _MONTHS + 1:02}" for month in months)


def _today(workspace: Workspace) -> date:
    from account_health.metrics.windows import local_day

    return local_day(workspace.instant(), workspace.policy.time_zone)
