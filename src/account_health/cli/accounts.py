"""Accounts: the commands about single accounts: demo, report, list, inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from account_health.cli.asking import (
    AsOfOption,
    ConfigOption,
    Configure,
    CursorOption,
    DemoOption,
    Format,
    FormatOption,
    LanguageOption,
    LimitOption,
    OwnerOption,
    SegmentOption,
    VocabularyOption,
    ask_workspace,
    configured,
)
from account_health.errors import CallerError
from account_health.language import count, say
from account_health.terminal import aside, print_json, print_table, state_word, write

if TYPE_CHECKING:
    from account_health.workspace import Workspace

app = typer.Typer()
DEMO_ACCOUNT = "northwind"


@app.command()
def demo(
    as_of: AsOfOption = "",
    vocabulary: VocabularyOption = "",
    output: FormatOption = Format.MD,
    language: LanguageOption = "",
) -> None:
    """Print the full summary of one of the embedded demo accounts."""
    _report(DEMO_ACCOUNT, as_of, output, configured(None, is_demo=True), vocabulary, language)


@app.command()
def report(
    account: Annotated[str, typer.Argument(help="Id, exact name or domain.")],
    as_of: AsOfOption = "",
    vocabulary: VocabularyOption = "",
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Print the health summary of one account, risk flags first."""
    _report(account, as_of, output, configured(config, is_demo=is_demo), vocabulary, language)


@app.command("list")
def list_accounts(
    query: Annotated[str, typer.Argument(help="Part of a name, id or domain.")] = "",
    segment: SegmentOption = "",
    owner: OwnerOption = "",
    band: Annotated[str, typer.Option(help="green, yellow, red or not_scored.")] = "",
    tier: Annotated[str, typer.Option(help="critical, high, medium, watch or none.")] = "",
    flag: Annotated[str, typer.Option(help="Id of a raised risk flag, e.g. usage_drop.")] = "",
    status: Annotated[str, typer.Option(help="Status set by hand, e.g. Good; none: accounts without one.")] = "",
    renews_within_days: Annotated[int, typer.Option(min=0, max=1000, help="Renewal within so many days; 0: any.")] = 0,
    limit: LimitOption = 20,
    cursor: CursorOption = "",
    as_of: AsOfOption = "",
    vocabulary: VocabularyOption = "",
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """List accounts with score, band, tier and raised flags."""
    from account_health.search import Wanted, as_table, heads, search

    async def ask(workspace: Workspace) -> None:
        wanted = Wanted(query, segment, owner, band, flag, renews_within_days, tier, status)
        found = await search(workspace, wanted, limit, cursor, as_of or None, vocabulary)
        if output is Format.JSON:
            print_json(found)
            return
        rows = as_table(found, workspace.policy)
        print_table(heads(found), rows)
        total = count("{shown} of {n} accounts", "{shown} of {n} accounts", found.total, shown=len(rows))
        aside(total, *found.notices)

    ask_workspace(configured(config, is_demo=is_demo), ask, language)


@app.command()
def inputs(
    account: Annotated[str, typer.Argument(help="Id, exact name or domain.")],
    source: Annotated[str, typer.Option(help="crm, support, analytics, billing, surveys or all.")] = "all",
    limit: LimitOption = 20,
    as_of: AsOfOption = "",
    output: FormatOption = Format.JSON,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Print the normalised inputs of one account, newest rows first."""
    from account_health.fetched import SOURCES, fetch_inputs

    async def ask(workspace: Workspace) -> None:
        if source not in SOURCES:
            raise CallerError(say("There is no such source."), say("Sources: {sources}.", sources=", ".join(SOURCES)))
        answer = await fetch_inputs(workspace, account, source, limit, as_of or None)
        if output is Format.JSON:
            print_json(answer)
            return
        for line in answer.inputs:
            named = {"source": line.source, "connector": line.connector, "note": line.sentence}
            is_there = bool(line.connector)
            write(
                say("{source} ({connector}): {note}", **named) if is_there else say("{source} (none): {note}", **named)
            )
        for table, found in answer.tables.items():
            state = {"table": table, "state": state_word(found.state)}
            write("\n" + count("{table}: {state}, {n} rows", "{table}: {state}, {n} rows", found.total, **state))
            names = tuple(dict.fromkeys(name for row in found.rows for name in row))
            print_table(names, [tuple(str(row.get(name, "")) for name in names) for row in found.rows])
        aside(*answer.notices)

    ask_workspace(configured(config, is_demo=is_demo), ask, language)


def _report(account: str, as_of: str, output: Format, configure: Configure, vocabulary: str, language: str) -> None:
    from account_health.render import render_summary

    async def ask(workspace: Workspace) -> None:
        assessment = await workspace.assess(account, as_of or None, vocabulary=vocabulary)
        if output is Format.JSON:
            print_json(assessment)
        else:
            write(render_summary(assessment, workspace.policy).rstrip())

    ask_workspace(configure, ask, language)
