"""Completing: what a shell may offer for the word at the cursor. No value is better than a wrong, late or loud one."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import typer
from typer.core import TyperGroup

from account_health.cli.asking import configured, now
from account_health.config import DEMO
from account_health.errors import AccountHealthError
from account_health.language import languages

if TYPE_CHECKING:
    from account_health.config import Config
    from account_health.directory import Directory
    from account_health.policy import Policy

Offer = tuple[str, str]
"""A word for the command line, and what some shells show beside it."""
_LONGEST_WAIT = 5.0
# Shells insert a value as it is, and some evaluate what stands beside it. Ids and names come from outside, so only what
# no shell takes for more than letters is offered: an account called `$(reboot)` has to be typed by hand.
_ONE_WORD = re.compile(r"\w[\w.+-]*")
_HARMLESS = re.compile(r"\w[\w .,&+-]*")


class Completed(TyperGroup):
    """The commands, which tell a shell what may stand in their arguments and options."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The named command; while a shell completes, its parameters know their values."""
        command = super().get_command(ctx, cmd_name)
        # Only for a shell are words parsed so leniently; a command that runs pays nothing for this.
        if command is not None and ctx.resilient_parsing:
            _teach(command)
        return command


def _teach(command: Any) -> None:
    for parameter in command.params:
        if offers := OFFERED.get(parameter.name):
            parameter.shell_complete = _completer(offers)
    for inner in getattr(command, "commands", {}).values():
        _teach(inner)


def _completer(offers: Callable[[Any, str], Iterable[Offer]]) -> Any:
    """What a parameter completes with; made by Typer for a command of one argument, since it says so nowhere else."""

    def offered(ctx: Any, typed: str) -> list[Offer]:
        logging.disable()
        with suppress(Exception):  # whoever presses Tab wants a word or nothing, least of all a traceback
            found = [(word, about) for word, about in offers(ctx, typed) if _ONE_WORD.fullmatch(word)]
            return [(word, about if _HARMLESS.fullmatch(about) else "") for word, about in found]
        return []

    def complete(ctx: Any, typed: str) -> Any:
        app = typer.Typer(add_completion=False)

        @app.command()
        def take(word: str = typer.Argument(autocompletion=lambda: offered(ctx, typed))) -> str:
            return word

        # Asked about what was typed, Typer would drop the ids that stand for a name which several accounts have.
        return typer.main.get_command(app).params[0].shell_complete(ctx, "")

    return complete


def _accounts(ctx: Any, typed: str) -> Iterable[Offer]:
    """Ids; where no id begins so, names or domains that do, and for one that several accounts have all their ids."""
    directory = _directory(ctx)
    entries = directory.entries
    for words in (
        [(entry, entry.id, entry.name) for entry in entries],
        [(entry, entry.name, entry.id) for entry in entries],
        [(entry, domain, entry.name) for entry in entries for domain in entry.domains],
    ):
        if begun := [(entry, word, about) for entry, word, about in words if word.startswith(typed)]:
            return dict.fromkeys(
                (word, about) if directory.fitting(word) == [entry] else (entry.id, entry.name)
                for entry, word, about in begun
            )
    return ()


def _segments(ctx: Any, typed: str) -> Iterable[Offer]:
    return _begun(sorted({entry.segment for entry in _directory(ctx).entries if entry.segment}), typed)


def _owners(ctx: Any, typed: str) -> Iterable[Offer]:
    return _begun(sorted({entry.owner for entry in _directory(ctx).entries if entry.owner}), typed)


def _languages(_ctx: Any, typed: str) -> Iterable[Offer]:
    return _begun(languages(), typed)


def _vocabularies(ctx: Any, typed: str) -> Iterable[Offer]:
    return _begun(_policy(ctx).vocabularies, typed)


def _flags(ctx: Any, typed: str) -> Iterable[Offer]:
    flags = _policy(ctx).flags
    return [(key, flags[key].name) for key, _ in _begun(flags, typed)]


def _bands(_ctx: Any, typed: str) -> Iterable[Offer]:
    from account_health.search import BANDS

    return _begun(BANDS, typed)


def _tiers(_ctx: Any, typed: str) -> Iterable[Offer]:
    from account_health.search import TIERS

    return _begun(TIERS, typed)


def _statuses(ctx: Any, typed: str) -> Iterable[Offer]:
    """The words of the named vocabulary, or of all of them; `none` takes a status back, and asks for its absence."""
    vocabularies = _policy(ctx).vocabularies
    named = ctx.params.get("vocabulary")
    chosen = [vocabularies[named]] if named in vocabularies else list(vocabularies.values())
    words = [entry.word for vocabulary in chosen for entry in vocabulary.words]
    return _begun(dict.fromkeys((*words, "none")), typed)


def _sources(ctx: Any, typed: str) -> Iterable[Offer]:
    """What `init` can write the settings of; anywhere else, what inputs can come from."""
    if ctx.command.name == "init":
        from account_health.connectors.registry import available

        return _begun((kind for kind in available() if kind not in {"demo", "files"}), typed)
    from account_health.fetched import SOURCES

    return _begun(SOURCES, typed)


def _kinds(_ctx: Any, typed: str) -> Iterable[Offer]:
    from account_health.health_changes import KINDS

    return _begun(KINDS, typed)


def _begun(words: Iterable[str], typed: str) -> Iterable[Offer]:
    return [(word, "") for word in words if word.startswith(typed)]


OFFERED: Mapping[str, Callable[[Any, str], Iterable[Offer]]] = {
    "account": _accounts,
    "band": _bands,
    "flag": _flags,
    "kind": _kinds,
    "language": _languages,
    "owner": _owners,
    "segment": _segments,
    "source": _sources,
    "status": _statuses,
    "tier": _tiers,
    "vocabulary": _vocabularies,
}
"""By the name of a parameter, whichever command it belongs to."""


def _config(ctx: Any) -> Config:
    """The configuration that the command would use."""
    path = ctx.params.get("config")
    return configured(Path(path) if path else None, is_demo=bool(ctx.params.get("is_demo")))()


def _policy(ctx: Any) -> Policy:
    """The policy that the command would use; the built-in one where nothing is configured."""
    from account_health.policy import load_policy

    config = DEMO
    with suppress(AccountHealthError):
        config = _config(ctx)
    return load_policy(config.policy)


def _directory(ctx: Any) -> Directory:
    from account_health.directory import Directory

    async def in_time() -> Directory:
        with anyio.move_on_after(_LONGEST_WAIT):
            return await _listed(_config(ctx))
        return Directory(())

    return anyio.run(in_time)


async def _listed(config: Config) -> Directory:
    """The accounts as sources at hand list them, else as they were last recorded; nobody is asked over a network."""
    from account_health.workspace import Workspace

    workspace = Workspace.open(config, now)
    instant = workspace.instant()
    both = zip(config.sources, workspace.sources.sources, strict=True)
    at_hand = tuple(source for source, connector in both if connector.fingerprint(instant) is not None)
    with suppress(AccountHealthError):
        return await Workspace.open(replace(config, sources=at_hand), now).directory(instant)
    return await _recorded(workspace)


async def _recorded(workspace: Any) -> Directory:
    from account_health.directory import Directory, Entry

    if workspace.config.history.url is not None or not workspace.memory.exists:
        return Directory(())
    readings = await workspace.memory.ask(lambda store: store.all_at())
    return Directory([Entry(reading.account, "") for reading in readings])
