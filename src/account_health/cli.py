"""The command line: the same verbs as the server, for people. Data goes to stdout, words about it to stderr."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from account_health import config as configuration
from account_health.errors import AccountHealthError, CallerError, ConfigurationError, NotConfigured, SourceError
from account_health.terminal import print_json, print_sources, print_table, say, write

if TYPE_CHECKING:
    from account_health.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="How healthy is this account, why, and how sure are we?",
)
policy_app = typer.Typer(no_args_is_help=True, help="The scoring policy.")
sources_app = typer.Typer(no_args_is_help=True, help="The configured sources.")
app.add_typer(policy_app, name="policy")
app.add_typer(sources_app, name="sources")

EXIT_CODES: dict[type[AccountHealthError], int] = {CallerError: 4, ConfigurationError: 3, SourceError: 5}
"""Besides 0 (done), 1 (a bug of ours) and 2 (wrong usage): whose fault it is."""

DEMO_ACCOUNT = "northwind"


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
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many at most.")]


@app.command()
def demo(as_of: AsOfOption = "", output: FormatOption = Format.MD) -> None:
    """Print the full summary of one of the embedded demo accounts."""
    _report(DEMO_ACCOUNT, as_of, output, _configuration(None, is_demo=True))


@app.command()
def report(
    account: Annotated[str, typer.Argument(help="Id, exact name or domain.")],
    as_of: AsOfOption = "",
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
) -> None:
    """Print the health summary of one account, risk flags first."""
    _report(account, as_of, output, _configuration(config, is_demo=is_demo))


@app.command("list")
def list_accounts(
    query: Annotated[str, typer.Argument(help="Part of a name, id or domain.")] = "",
    segment: Annotated[str, typer.Option(help="Exact segment.")] = "",
    owner: Annotated[str, typer.Option(help="Exact owner.")] = "",
    band: Annotated[str, typer.Option(help="green, yellow, red or not_scored.")] = "",
    flag: Annotated[str, typer.Option(help="Id of a raised risk flag, e.g. usage_drop.")] = "",
    renews_within_days: Annotated[int, typer.Option(min=0, max=1000, help="Renewal within so many days; 0: any.")] = 0,
    limit: LimitOption = 20,
    cursor: Annotated[str, typer.Option(help="next_cursor of the page before.")] = "",
    as_of: AsOfOption = "",
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
) -> None:
    """List accounts with score, band, tier and raised flags."""
    from account_health.search import Wanted, as_table, search

    async def ask(workspace: Workspace) -> None:
        wanted = Wanted(query, segment, owner, band, flag, renews_within_days)
        found = await search(workspace, wanted, limit, cursor, as_of or None)
        if output is Format.JSON:
            print_json(found)
            return
        rows = as_table(found)
        print_table(("id", "name", "score", "band", "tier", "flags", "renewal"), rows)
        say(f"{len(rows)} of {found.total} accounts", *found.notices)

    _ask(_configuration(config, is_demo=is_demo), ask)


@app.command()
def inputs(
    account: Annotated[str, typer.Argument(help="Id, exact name or domain.")],
    source: Annotated[str, typer.Option(help="crm, support, analytics, billing, surveys or all.")] = "all",
    limit: LimitOption = 20,
    as_of: AsOfOption = "",
    output: FormatOption = Format.JSON,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
) -> None:
    """Print the normalised inputs of one account, newest rows first."""
    from account_health.fetched import SOURCES, fetch_inputs

    async def ask(workspace: Workspace) -> None:
        if source not in SOURCES:
            raise CallerError("There is no such source.", f"Sources: {', '.join(SOURCES)}.")
        answer = await fetch_inputs(workspace, account, source, limit, as_of or None)
        if output is Format.JSON:
            print_json(answer)
            return
        for line in answer.inputs:
            write(f"{line.source} ({line.connector or 'none'}): {line.sentence}")
        for table, found in answer.tables.items():
            write(f"\n{table}: {found.state}, {found.total} rows")
            names = tuple(dict.fromkeys(name for row in found.rows for name in row))
            print_table(names, [tuple(str(row.get(name, "")) for name in names) for row in found.rows])
        say(*answer.notices)

    _ask(_configuration(config, is_demo=is_demo), ask)


@sources_app.command("check")
def sources_check(
    as_of: AsOfOption = "", output: FormatOption = Format.MD, config: ConfigOption = None, is_demo: DemoOption = False
) -> None:
    """Check every source; exit code 5 if one is failing or stale."""
    from account_health.source_check import check_sources

    async def ask(workspace: Workspace) -> None:
        checked = await check_sources(workspace, as_of or None)
        print_json(checked) if output is Format.JSON else print_sources(checked)
        if not checked.is_healthy:
            raise typer.Exit(EXIT_CODES[SourceError])

    _ask(_configuration(config, is_demo=is_demo), ask)


@sources_app.command("match")
def sources_match(
    output: Annotated[Path | None, typer.Option("--output", help="File to write; default: standard output.")] = None,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
) -> None:
    """Print the crosswalk in use and what is unmatched, as CSV to correct and to name in the configuration."""
    from account_health.crosswalk import format_crosswalk
    from account_health.source_match import match_sources

    async def ask(workspace: Workspace) -> None:
        found = await match_sources(workspace)
        text = format_crosswalk(found.lines)
        write(text.rstrip("\n")) if output is None else _save(output, text)
        say(f"{found.matched} of {len(found.lines)} records belong to an account.", *found.problems)
        if found.problems:
            raise typer.Exit(EXIT_CODES[SourceError])

    _ask(_configuration(config, is_demo=is_demo), ask)


@policy_app.command("check")
def policy_check(
    path: Annotated[Path | None, typer.Argument(help="Policy file; default: the configured one.")] = None,
    config: ConfigOption = None,
) -> None:
    """Check a policy and print its name, version and hash; every fault is named with its place."""
    from account_health.policy import load_policy

    def checked() -> None:
        policy = load_policy(path or _configured_policy(config))
        write(
            f"{policy.name} {policy.version} ({policy.ref.hash}): {len(policy.weighted)} metrics with weight, "
            f"{len(policy.metrics) - len(policy.weighted)} facts, {len(policy.flags)} flags"
        )

    _guarded(checked)


@policy_app.command("show")
def policy_show(config: ConfigOption = None) -> None:
    """Print the methodology: every weight, curve, flag and band of the policy in force, with its reason."""
    from account_health.policy import load_policy
    from account_health.reference import methodology

    _guarded(lambda: write(methodology(load_policy(_configured_policy(config)))))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write account-health.toml.")] = Path(),
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Live connector to write all settings of, e.g. hubspot.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented account-health.toml to start from."""
    from account_health.starter import write_starter

    def written() -> None:
        path = write_starter(folder, source or (), force=force)
        step = "Fill in its live sources" if source else "Put your files into the data folder beside it"
        say(f"Wrote {path}. {step}; then run: account-health sources check")

    _guarded(written)


@app.command()
def serve(
    transport: Annotated[str, typer.Option(help="How clients connect: stdio.")] = "stdio",
    config: ConfigOption = None,
    is_demo: DemoOption = False,
) -> None:
    """Run the MCP server over standard input and output."""
    from account_health.server import create_server

    if transport != "stdio":
        raise typer.BadParameter("The only transport is stdio.", param_hint="--transport")
    create_server(_configuration(config, is_demo=is_demo), _now).run(transport="stdio")


def main() -> None:
    """The entry point of the command `account-health`."""
    app()


def _configuration(path: Path | None, *, is_demo: bool) -> Callable[[], configuration.Config]:
    return lambda: configuration.DEMO if is_demo else configuration.load_config(configuration.find_config(path))


def _configured_policy(path: Path | None) -> Path | None:
    """The policy file the configuration names; None (the built-in one) where nothing is configured."""
    try:
        found = configuration.find_config(path)
    except NotConfigured:
        return None
    return configuration.load_config(found).policy


def _report(account: str, as_of: str, output: Format, configure: Callable[[], configuration.Config]) -> None:
    from account_health.render import render_summary

    async def ask(workspace: Workspace) -> None:
        assessment = await workspace.assess(account, as_of or None)
        if output is Format.JSON:
            print_json(assessment)
        else:
            write(render_summary(assessment, workspace.policy).rstrip())

    _ask(configure, ask)


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8", newline="\n")
    except OSError as err:
        raise CallerError(f"{path} cannot be written: {err.strerror}.", "Name a file in a folder that exists.") from err


def _ask(
    configure: Callable[[], configuration.Config], question: Callable[[Workspace], Coroutine[Any, Any, None]]
) -> None:
    def asked() -> None:
        from account_health.workspace import Workspace

        anyio.run(question, Workspace.open(configure(), _now))

    _guarded(asked)


def _guarded(action: Callable[[], None]) -> None:
    """Runs an action; an error of ours becomes its sentence on stderr and its exit code."""
    try:
        action()
    except AccountHealthError as err:
        say(str(err))
        code = next((code for kind, code in EXIT_CODES.items() if isinstance(err, kind)), 1)
        raise typer.Exit(code) from err


def _now() -> datetime:
    return datetime.now(UTC)
