"""Source match: how the records of live sources are matched to accounts, as a crosswalk that a person can correct."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

import anyio

from account_health.connectors.base import Matchable, Query
from account_health.connectors.registry import Unavailable
from account_health.crosswalk import NOBODY, CrosswalkLine
from account_health.errors import SourceError
from account_health.language import count, mark, say, together
from account_health.markup import visible

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from account_health.connectors.base import Connector
    from account_health.identity import Links
    from account_health.roster import Roster
    from account_health.workspace import Workspace

_LEGAL_FORMS = frozenset(
    {
        "ab", "ag", "as", "asa", "aps", "bv", "co", "company", "corp", "corporation", "gmbh", "group", "holding",
        "holdings", "inc", "incorporated", "kg", "limited", "llc", "llp", "ltd", "nv", "oy", "plc", "pty", "sa", "sarl",
        "sas", "se", "spa", "srl", "the",
    }
)  # fmt: skip
_CHARACTERS = 200
_SUGGESTED = 3
_AND, _OR = mark("{items} and {last}"), mark("{items} or {last}")


@dataclass(frozen=True)
class MatchedSources:
    """One line per record of every source that could be asked, and what is wrong with the others."""

    lines: tuple[CrosswalkLine, ...]
    problems: tuple[str, ...]

    @property
    def matched(self) -> int:
        """Records that belong to an account."""
        return sum(line.method != "" and line.account_id != NOBODY for line in self.lines)


async def match_sources(workspace: Workspace, as_of: str | None = None) -> MatchedSources:
    """Matches all records of all live sources, side by side; raises SourceError when the accounts cannot be listed."""
    instant = workspace.instant(as_of)
    roster = await workspace.sources.roster(workspace.policy, instant)
    query = Query(instant, known=roster.known, seconds=workspace.config.gather.all_accounts_seconds)
    names = [source.name for source in workspace.config.sources]
    sources = dict(zip(names, workspace.sources.sources, strict=True))
    found: dict[str, Links | str] = {}

    async def match(name: str, source: Matchable) -> None:
        found[name] = await _matched(source, query)

    async with anyio.create_task_group() as group:
        for name, source in sources.items():
            if isinstance(source, Matchable):
                group.start_soon(match, name, source)
    links = {name: found[name] for name in names if name in found}
    lines = [line for name, own in links.items() if not isinstance(own, str) for line in _lines(name, own, roster)]
    idle = {name: why for name in roster.crosswalk.crosswalk if (why := _why_idle(sources[name]))}
    problems = [
        *((source.label, source.problem) for source in sources.values() if isinstance(source, Unavailable)),
        *((name, why) for name, own in links.items() if (why := own if isinstance(own, str) else own.unlisted)),
        *idle.items(),
    ]
    said = [say("{name}: {note}", name=name, note=problem) for name, problem in problems]
    return MatchedSources((*lines, *_unseen(lines, roster, idle)), (*roster.unread, *said))


async def _matched(source: Matchable, query: Query) -> Links | str:
    """The source's links, or why there are none."""
    try:
        with anyio.move_on_after(query.seconds):
            return await source.matches(query)
    except SourceError as err:
        return err.sentence
    return together(
        count(
            "No complete answer within {n} seconds.",
            "No complete answer within {n} seconds.",
            query.seconds or 0,
            n=f"{query.seconds:g}",
        ),
        say("Ask again later, or raise all_accounts_seconds under [gather]."),
    )


def _why_idle(source: Connector) -> str:
    """Why a crosswalk has no effect on the source, if it has none."""
    if not isinstance(source, Matchable | Unavailable):
        return say("Its rows name their accounts themselves; the crosswalk does not change them.")
    if "account" in source.provides():
        return say("It lists accounts, so its records are accounts; the crosswalk does not change them.")
    return ""


def folded_name(name: str) -> str:
    """The name without case, accents, punctuation and legal form.

    >>> folded_name("ACME Holdings, Inc.") == folded_name("Acme")
    True
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in plain.replace(".", "")).split()
    return " ".join(word for word in words if word not in _LEGAL_FORMS) or " ".join(words)


def _lines(source: str, links: Links, roster: Roster) -> Iterator[CrosswalkLine]:
    names = {account: _text(row["name"]) for account, row in roster.rows.items()}
    for link in links.links:
        yield CrosswalkLine(
            source=source,
            record_id=link.record.id,
            account_id=link.account_id,
            method=link.method,
            confidence=link.confidence,
            evidence=link.evidence.replace("`", ""),
            record_name=_text(link.record.name),
            account_name=names.get(link.account_id, say("not in the list of accounts")),
        )
    alike, written = _by_name(roster), roster.crosswalk.crosswalk.get(source, {})
    for record in links.unmatched:
        rivals = links.candidates.get(record.id, ())
        if record.id in written:
            yield _as_written(source, record.id, written[record.id], _text(record.name))
            continue
        suggested = rivals or alike.get(folded_name(record.name), ())
        yield CrosswalkLine(
            source=source,
            record_id=record.id,
            evidence=say("fits {accounts}", accounts=_listed(rivals, _AND)) if rivals else "",
            record_name=_text(record.name),
            suggestion=_listed(suggested, _OR),
        )


def _unseen(lines: Sequence[CrosswalkLine], roster: Roster, idle: Container[str]) -> Iterator[CrosswalkLine]:
    """What the crosswalk says of records that are in no list, so that nothing a person wrote is lost."""
    seen = {(line.source, line.record_id) for line in lines}
    for source, written in roster.crosswalk.crosswalk.items():
        for record, account in written.items():
            if source in idle:
                yield CrosswalkLine(source, record, account or NOBODY, evidence=say("crosswalk; has no effect"))
            elif (source, record) not in seen:
                unlisted = say("crosswalk; not listed by the source now")
                yield replace(_as_written(source, record, account), evidence=unlisted)


def _as_written(source: str, record: str, account: str, record_name: str = "") -> CrosswalkLine:
    return CrosswalkLine(source, record, account or NOBODY, "crosswalk", "certain", "crosswalk", record_name)


def _by_name(roster: Roster) -> Mapping[str, Sequence[str]]:
    """Accounts by folded name; a name of which nothing is left is like no other."""
    found: dict[str, list[str]] = defaultdict(list)
    for account, row in roster.rows.items():
        if folded := folded_name(row["name"]):
            found[folded].append(account)
    return found


def _listed(accounts: Sequence[str], pattern: str) -> str:
    """The first accounts and how many more there are, joined by a pattern of two."""
    shown, more = list(accounts[:_SUGGESTED]), len(accounts) - _SUGGESTED
    if more > 0:
        shown.append(count("{n} more", "{n} more", more))
    return reduce(lambda items, last: say(pattern, items=items, last=last), shown) if shown else ""


def _text(text: str) -> str:
    return visible(text, _CHARACTERS)
