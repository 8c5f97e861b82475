"""Portfolio: the commands about all accounts and about time: assess, at-risk, portfolio, changes, explain, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from account_health.cli.asking import (
    EXIT_CODES,
    AsOfOption,
    ConfigOption,
    CursorOption,
    DemoOption,
    Format,
    FormatOption,
    LanguageOption,
    LimitOption,
    OwnerOption,
    RefreshOption,
    SegmentOption,
    VocabularyOption,
    ask_workspace,
    configured,
    read_bytes,
    save_bytes,
)
from account_health.errors import CallerError, SourceError
from account_health.language import count, say
from account_health.terminal import aside, print_json, progress_bar, write, write_bytes

if TYPE_CHECKING:
    from account_health.workspace import Workspace

app = typer.Typer()

FileOption = Annotated[
    Literal["csv", "json", "parquet", "intacct-csv"],
    typer.Option("--to", help="csv, json, parquet, or intacct-csv: the customer import file of Sage Intacct."),
]
SinceOption = Annotated[
    str, typer.Option("--since", help="intacct-csv: only what changed since a recorded day, e.g. 2026-11-14.")
]
DiffOption = Annotated[
    Path | None,
    typer.Option("--diff", help="intacct-csv: only what differs from this file, our last one or one of Intacct's."),
]


@app.command()
def assess(
    account: Annotated[str, typer.Argument(help="Id, exact name or domain; with --all leave it out.")] = "",
    is_all: Annotated[bool, typer.Option("--all", help="Every account; goes on where a run was cut off.")] = False,
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Record assessments in the history: of one account, or with --all of every one. Best run every day."""
    from account_health.recording import record_all, record_one

    async def ask(workspace: Workspace) -> None:
        if bool(account) == is_all:
            raise CallerError(say("Name one account, or say --all."), say("E.g. account-health assess --all"))
        if is_all:
            with progress_bar(say("Recording accounts")) as progress:
                recorded = await record_all(workspace, workspace.user, progress)
        else:
            recorded = await record_one(workspace, account, workspace.user)
        if output is Format.JSON:
            print_json(recorded)
        else:
            write(recorded.sentence)
        aside(*recorded.problems, *recorded.notices)
        if recorded.problems:
            raise typer.Exit(EXIT_CODES[SourceError])

    ask_workspace(configured(config, is_demo=is_demo), ask, language)


@app.command("at-risk")
def at_risk(
    segment: SegmentOption = "",
    owner: OwnerOption = "",
    renewing: Annotated[str, typer.Option(help="Renewal in e.g. Q4, 2026-12, or 90 for the next 90 days.")] = "",
    tier: Annotated[str, typer.Option(help="The least urgent tier to list: critical, high, medium or watch.")] = "",
    top_by_arr: Annotated[
        int, typer.Option(min=0, help="Only among so many accounts with the highest ARR; 0: all.")
    ] = 0,
    limit: LimitOption = 20,
    cursor: CursorOption = "",
    as_of: AsOfOption = "",
    vocabulary: VocabularyOption = "",
    refresh: RefreshOption = False,
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """List the accounts that need somebody, the most urgent first: why, what to do, who and by when."""
    from account_health.at_risk import WantedAtRisk
    from account_health.at_risk import at_risk as listed
    from account_health.overview import Overview
    from account_health.render import render_at_risk

    async def ask(workspace: Workspace) -> None:
        wanted = WantedAtRisk(segment, owner, renewing, tier, top_by_arr)
        overview = Overview(workspace)
        found = await listed(overview, wanted, limit, cursor, as_of or None, vocabulary=vocabulary, refresh=refresh)
        print_json(found) if output is Format.JSON else write(render_at_risk(found, workspace.policy).rstrip())

    ask_workspace(configured(config, is_demo=is_demo), ask, language)


@app.command()
def portfolio(
    segment: SegmentOption = "",
    owner: OwnerOption = "",
    as_of: AsOfOption = "",
    vocabulary: VocabularyOption = "",
    refresh: RefreshOption = False,
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Print how all customers stand: bands, target, segments, owners, movers, and how much of it is known."""
    from account_health.overview import Overview
    from account_health.portfolio import portfolio_health
    from account_health.render import render_portfolio

    async def ask(workspace: Workspace) -> None:
        found = await portfolio_health(
            Overview(workspace), segment, owner, as_of or None, vocabulary=vocabulary, refresh=refresh
        )
        print_json(found) if output is Format.JSON else write(render_portfolio(found, workspace.policy).rstrip())

    ask_workspace(configured(config, is_demo=is_demo), ask, language)


@app.command()
def changes(
    account: Annotated[str, typer.Argument(help="Id, exact name or domain; empty: all accounts.")] = "",
    since: Annotated[str, typer.Option(help="Only from this day or instant on, e.g. 2026-11-01.")] = "",
    owner: OwnerOption = "",
    band: Annotated[str, typer.Option(help="Band of the account then: green, yellow, red or not_scored.")] = "",
    kind: Annotated[str, typer.Option(help="band, flag, status or published.")] = "",
    limit: LimitOption = 20,
    cursor: CursorOption = "",
    output: Annotated[Literal["md", "json", "csv"], typer.Option("--format", help="md, json or csv.")] = "md",
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Print what happened, newest first: bands announced, flags, and statuses set by hand."""
    from account_health.health_changes import WantedChanges, as_csv, as_markdown, health_changes

    async def ask(workspace: Workspace) -> None:
        found = await health_changes(workspace, WantedChanges(account, owner, band, kind, since), limit, cursor)
        if output == "json":
            print_json(found)
            return
        write(as_csv(found).rstrip("\n") if output == "csv" else as_markdown(found, workspace.policy))
        shown = len(found.changes)
        aside(count("{shown} of {n} changes", "{shown} of {n} changes", found.total, shown=shown), *found.notices)

    ask_workspace(configured(config, is_demo=is_demo), ask, language)


@app.command()
def explain(
    account: Annotated[str, typer.Argument(help="Id, exact name or domain.")],
    since: Annotated[
        str, typer.Option(help="Day to compare with, e.g. 2026-10-21; default: about a month before.")
    ] = "",
    as_of: AsOfOption = "",
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Explain why the score of an account moved since a recorded day, in parts that add up."""
    from account_health.explained_change import as_markdown, explain_change

    async def ask(workspace: Workspace) -> None:
        found = await explain_change(workspace, account, since, as_of or None)
        print_json(found) if output is Format.JSON else write(as_markdown(found, workspace.policy))
        if output is Format.MD:
            aside(*found.notices)

    ask_workspace(configured(config, is_demo=is_demo), ask, language)


@app.command()
def export(
    to: FileOption = "csv",
    output: Annotated[Path | None, typer.Option("--output", help="File to write; default: standard output.")] = None,
    since: SinceOption = "",
    diff: DiffOption = None,
    segment: SegmentOption = "",
    owner: OwnerOption = "",
    as_of: AsOfOption = "",
    vocabulary: VocabularyOption = "",
    refresh: RefreshOption = False,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Export every account with score, statuses, flags and dimensions, for lists and reports elsewhere.

    With --to intacct-csv: score, status and churn risk of the customers that have a score, for import to Sage Intacct.
    """
    from account_health.export import exported, require_known
    from account_health.overview import Overview
    from account_health.publish.intacct_csv import Wanted, export_customers

    async def ask(workspace: Workspace) -> None:
        overview = Overview(workspace)
        if to == "intacct-csv":
            wanted = Wanted(as_of, since, read_bytes(diff) if diff else None, segment, owner, language)
            content, notes = await export_customers(overview, wanted, refresh=refresh)
        elif since or diff:
            raise CallerError(say("Only --to intacct-csv can leave out what has not changed."), say("Add it."))
        else:
            require_known(workspace.policy, to, vocabulary)
            view = await overview.view(as_of or None, refresh=refresh)
            content = exported(view, to, vocabulary=vocabulary, segment=segment, owner=owner)
            notes = view.notices
        write_bytes(content) if output is None else save_bytes(output, content)
        aside(*notes)

    ask_workspace(configured(config, is_demo=is_demo), ask, language)
