"""Publishing: the command that writes health back to another system; a dry run unless it is told to apply it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import anyio
import typer

from account_health.cli.asking import (
    EXIT_CODES,
    AsOfOption,
    ConfigOption,
    DemoOption,
    Format,
    FormatOption,
    LanguageOption,
    RefreshOption,
    ask_workspace,
    configured,
)
from account_health.errors import CallerError, SourceError
from account_health.language import say
from account_health.terminal import aside, print_json, progress_bar, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from account_health.workspace import Workspace

app = typer.Typer()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Tells whoever interrupts the writing how far that leaves it."""
    try:
        yield
    except anyio.get_cancelled_exc_class():
        aside(say("Interrupted. What was written is on record; the same command goes on from there."))
        raise


@app.command()
def publish(
    to: Annotated[Literal["intacct"], typer.Option("--to", help="intacct: the customers of Sage Intacct.")] = "intacct",
    account: Annotated[str, typer.Option("--account", help="Only this account: id, exact name or domain.")] = "",
    is_all: Annotated[bool, typer.Option("--all", help="Every customer.")] = False,
    is_applied: Annotated[bool, typer.Option("--apply", help="Write; without it nothing is written.")] = False,
    as_of: AsOfOption = "",
    author: Annotated[str, typer.Option("--author", help="Who does it; default: the user of this machine.")] = "",
    refresh: RefreshOption = False,
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Write score, status and churn risk back to Sage Intacct where they differ; a dry run unless --apply is given."""
    from account_health.overview import Overview
    from account_health.publish.plan import planned
    from account_health.publish.report import Outcome, as_markdown
    from account_health.publish.writing_back import carried_out

    async def ask(workspace: Workspace) -> None:
        if bool(account) == is_all:
            raise CallerError(say("Name one account, or say --all."), say("E.g. account-health publish --all"))
        if is_applied and as_of:
            raise CallerError(
                say("Scores of another day are not written: they could replace newer ones."),
                say("Leave out --as-of, or --apply to see what would differ."),
            )
        plan = await planned(Overview(workspace), account, as_of or None, refresh=refresh)
        if is_applied:
            with _interruptible(), progress_bar(say("Writing to {target}", target=to)) as progress:
                plan = await carried_out(workspace, plan, author or workspace.user, progress)
        found = plan.report()
        print_json(found) if output is Format.JSON else write(as_markdown(found))
        aside(*found.notices)
        if found.counts[Outcome.FAILED]:
            raise typer.Exit(EXIT_CODES[SourceError])

    ask_workspace(configured(config, is_demo=is_demo), ask, language)
