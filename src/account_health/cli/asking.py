"""Asking: what every command shares: options, the configuration it finds, errors as sentences and exit codes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from account_health import config as configuration
from account_health.borrowed import why
from account_health.errors import (
    AccountHealthError,
    CallerError,
    ConfigurationError,
    HistoryError,
    NotConfigured,
    SourceError,
)
from account_health.language import Language, UnknownLanguage, say, speaking
from account_health.language import language as find_language
from account_health.terminal import aside

if TYPE_CHECKING:
    from account_health.workspace import Workspace

EXIT_CODES: dict[type[AccountHealthError], int] = {
    CallerError: 4,
    ConfigurationError: 3,
    SourceError: 5,
    HistoryError: 6,
}
"""Besides 0 (done), 1 (a bug of ours) and 2 (wrong usage): whose fault it is."""


Configure = Callable[[], configuration.Config]
"""Finds the configuration when it is first needed."""


class Format(StrEnum):
    """How an answer is printed."""

    MD = "md"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="md (Markdown, for people) or json (for programs).")]
AsOfOption = Annotated[
    str, typer.Option("--as-of", help="Day or instant to answer for, e.g. 2026-11-21; default: now.")
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Configuration file.")]
DemoOption = Annotated[bool, typer.Option("--demo", help="Use the embedded demo accounts.")]
LanguageOption = Annotated[
    str, typer.Option("--language", help="Language of the words, e.g. fr; default: that of the configuration.")
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many at most.")]


VocabularyOption = Annotated[
    str, typer.Option("--vocabulary", help="Other words for the health: colours, uman, pipeline or intacct.")
]
SegmentOption = Annotated[str, typer.Option("--segment", help="Exact segment.")]
OwnerOption = Annotated[str, typer.Option("--owner", help="Exact owner.")]
CursorOption = Annotated[str, typer.Option("--cursor", help="next_cursor of the page before.")]
RefreshOption = Annotated[
    bool, typer.Option("--refresh", help="Compute anew although a recorded run is fresh, and ask live sources again.")
]


def configured(path: Path | None, *, is_demo: bool) -> Configure:
    """The demo, or the configuration there is; looked for when it is first needed."""
    return lambda: configuration.DEMO if is_demo else configuration.load_config(configuration.find_config(path))


def frozen(configure: Configure, as_of: str) -> Configure:
    """The same configuration, answering for this day unless a question names another; as it is without a day."""
    return (lambda: replace(configure(), as_of=as_of)) if as_of else configure


def save_bytes(path: Path, content: bytes) -> None:
    """Writes the file; raises CallerError if that cannot be done."""
    try:
        path.write_bytes(content)
    except OSError as err:
        raise CallerError(
            say("{path} cannot be written: {error}.", path=path, error=why(err)),
            say("Name a file in a folder that exists."),
        ) from err


def read_bytes(path: Path) -> bytes:
    """What the file holds; raises CallerError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as err:
        raise CallerError(
            say("{path} cannot be read: {error}.", path=path, error=why(err)),
            say("Name a file that exists."),
        ) from err


def ask_workspace(
    configure: Configure, question: Callable[[Workspace], Coroutine[Any, Any, None]], language: str = ""
) -> None:
    """Opens the configuration and asks, in a language or, without one, in that of the configuration.

    An error of ours becomes a sentence and an exit code.
    """

    def asked() -> None:
        from account_health.workspace import Workspace

        config = configure()
        with speaking(language or config.language), _told():
            anyio.run(question, Workspace.open(config, now))

    guarded(asked, language)


def ask_policy(
    path: Path | None, question: Callable[[Path | None], None], language: str = "", named: Path | None = None
) -> None:
    """The same about the policy alone: the named file, else the one of the configuration; None is the built-in one."""

    def asked() -> None:
        config = configuration.DEMO
        # Whoever names a policy needs no configuration, but may have one that says the language.
        with suppress(ConfigurationError if named else NotConfigured):
            config = configuration.load_config(configuration.find_config(path))
        with speaking(language or config.language), _told():
            question(named or config.policy)

    guarded(asked, language)


def guarded(action: Callable[[], None], language: str = "") -> None:
    """Runs an action in a language; an error of ours becomes its sentence on stderr and its exit code."""
    with _told(), speaking(_known(language)), _told():
        action()


def _known(code: str) -> Language | str:
    """The language of a code, empty for none in particular; raises CallerError with those there are."""
    try:
        return find_language(code) if code else ""
    except UnknownLanguage as err:
        known = ", ".join(err.known)
        raise CallerError(say("There is no such language."), say("Languages: {languages}.", languages=known)) from err


@contextmanager
def _told() -> Iterator[None]:
    """Errors of ours are told in the language that is spoken here, and end the command with their exit code."""
    try:
        yield
    except AccountHealthError as err:
        aside(err.sentence)
        code = next((code for kind, code in EXIT_CODES.items() if isinstance(err, kind)), 1)
        raise typer.Exit(code) from err


def now() -> datetime:
    """The current instant: the one place that reads the clock."""
    return datetime.now(UTC)
