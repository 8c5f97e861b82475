"""Status: the commands by which people say something of an account: its status, and that a flag is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from account_health.chronicle import Phase
from account_health.cli.asking import (
    ConfigOption,
    DemoOption,
    Format,
    FormatOption,
    LanguageOption,
    ask_workspace,
    configured,
)
from account_health.said import FlagWish, StatusWish
from account_health.terminal import aside, print_json, write

if TYPE_CHECKING:
    from account_health.workspace import Workspace

app = typer.Typer()
status_app = typer.Typer(no_args_is_help=True, help="The status that people set beside the score.")
flag_app = typer.Typer(no_args_is_help=True, help="What people say of raised risk flags.")
app.add_typer(status_app, name="status")
app.add_typer(flag_app, name="flag")

AccountArgument = Annotated[str, typer.Argument(help="Id, exact name or domain.")]
FlagArgument = Annotated[str, typer.Argument(help="Id of a raised risk flag, e.g. usage_drop.")]
AuthorOption = Annotated[str, typer.Option("--author", help="Who says so; default: the user of this machine.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why, in a sentence.")]


@status_app.command("set")
def status_set(
    account: AccountArgument,
    status: Annotated[str, typer.Argument(help="A word of the vocabulary, e.g. Fair; none withdraws the status.")],
    description: Annotated[str, typer.Option("--description", help="Why, in a sentence.")] = "",
    vocabulary: Annotated[
        str, typer.Option("--vocabulary", help="The vocabulary of the word: colours, uman, pipeline or intacct.")
    ] = "pipeline",
    expires: Annotated[
        str, typer.Option("--expires", help="Last day it holds, e.g. 2026-12-31; default: for good.")
    ] = "",
    author: AuthorOption = "",
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Set the status of a customer by hand; the computed score stands beside it."""
    _say(
        StatusWish(account, status, vocabulary, description, author, expires),
        output,
        config=config,
        is_demo=is_demo,
        language=language,
    )


@flag_app.command("acknowledge")
def flag_acknowledge(
    account: AccountArgument,
    flag: FlagArgument,
    note: NoteOption = "",
    author: AuthorOption = "",
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Say that a raised flag is known and taken care of; it stays raised."""
    wish = FlagWish(account, flag, Phase.ACKNOWLEDGED, note=note, author=author)
    _say(wish, output, config=config, is_demo=is_demo, language=language)


@flag_app.command("snooze")
def flag_snooze(
    account: AccountArgument,
    flag: FlagArgument,
    until: Annotated[str, typer.Option("--until", help="Last day it is snoozed, e.g. 2026-12-31.")],
    note: NoteOption = "",
    author: AuthorOption = "",
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Leave a raised flag out of the list of accounts at risk until a day; summaries still show it."""
    _say(
        FlagWish(account, flag, Phase.SNOOZED, until, note, author),
        output,
        config=config,
        is_demo=is_demo,
        language=language,
    )


@flag_app.command("reset")
def flag_reset(
    account: AccountArgument,
    flag: FlagArgument,
    note: NoteOption = "",
    author: AuthorOption = "",
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Take back that a raised flag is acknowledged or snoozed."""
    wish = FlagWish(account, flag, Phase.PERSISTING, note=note, author=author)
    _say(wish, output, config=config, is_demo=is_demo, language=language)


def _say(wish: StatusWish | FlagWish, output: Format, *, config: ConfigOption, is_demo: bool, language: str) -> None:
    from account_health.manual_status import prepare_flag, prepare_status
    from account_health.manual_status import write as write_down

    async def ask(workspace: Workspace) -> None:
        if isinstance(wish, StatusWish):
            prepared = await prepare_status(workspace, wish)
        else:
            prepared = await prepare_flag(workspace, wish)
        said = await write_down(workspace, prepared)
        print_json(said) if output is Format.JSON else write(said.sentence)
        if output is Format.MD:
            aside(*said.notices)

    ask_workspace(configured(config, is_demo=is_demo), ask, language)
