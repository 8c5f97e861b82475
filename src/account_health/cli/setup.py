"""Setup: the commands about configuration, policy, sources and the server."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from account_health.cli.asking import (
    EXIT_CODES,
    AsOfOption,
    ConfigOption,
    DemoOption,
    Format,
    FormatOption,
    LanguageOption,
    ask_policy,
    ask_workspace,
    configured,
    frozen,
    guarded,
    now,
    save_bytes,
)
from account_health.cli.log import log_plainly
from account_health.cli.serving import serve_on_port, serve_stdio
from account_health.errors import CallerError, SourceError
from account_health.language import count, say, together
from account_health.terminal import aside, print_json, print_sources, write

if TYPE_CHECKING:
    from account_health.workspace import Workspace

app = typer.Typer()
policy_app = typer.Typer(no_args_is_help=True, help="The scoring policy.")
sources_app = typer.Typer(no_args_is_help=True, help="The configured sources.")
app.add_typer(policy_app, name="policy")
app.add_typer(sources_app, name="sources")


@sources_app.command("check")
def sources_check(
    as_of: AsOfOption = "",
    output: FormatOption = Format.MD,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Check every source; exit code 5 if one is failing or stale."""
    from account_health.source_check import check_sources

    async def ask(workspace: Workspace) -> None:
        checked = await check_sources(workspace, as_of or None)
        print_json(checked) if output is Format.JSON else print_sources(checked)
        if not checked.is_healthy:
            raise typer.Exit(EXIT_CODES[SourceError])

    ask_workspace(configured(config, is_demo=is_demo), ask, language)


@sources_app.command("match")
def sources_match(
    output: Annotated[Path | None, typer.Option("--output", help="File to write; default: standard output.")] = None,
    config: ConfigOption = None,
    is_demo: DemoOption = False,
    language: LanguageOption = "",
) -> None:
    """Print the crosswalk in use and what is unmatched, as CSV to correct and to name in the configuration."""
    from account_health.crosswalk import format_crosswalk
    from account_health.source_match import match_sources

    async def ask(workspace: Workspace) -> None:
        found = await match_sources(workspace)
        text = format_crosswalk(found.lines)
        write(text.rstrip("\n")) if output is None else save_bytes(output, text.encode())
        total = count(
            "{matched} of {n} records belong to an account.",
            "{matched} of {n} records belong to an account.",
            len(found.lines),
            matched=found.matched,
        )
        aside(total, *found.problems)
        if found.problems:
            raise typer.Exit(EXIT_CODES[SourceError])

    ask_workspace(configured(config, is_demo=is_demo), ask, language)


@policy_app.command("check")
def policy_check(
    path: Annotated[Path | None, typer.Argument(help="Policy file; default: the configured one.")] = None,
    config: ConfigOption = None,
    language: LanguageOption = "",
) -> None:
    """Check a policy and print its name, version and hash; every fault is named with its place."""
    from account_health.policy import load_policy

    def checked(file: Path | None) -> None:
        policy = load_policy(file)
        facts = len(policy.metrics) - len(policy.weighted)
        parts = [
            count("{n} metrics with weight", "{n} metrics with weight", len(policy.weighted)),
            count("{n} facts", "{n} facts", facts),
            count("{n} flags", "{n} flags", len(policy.flags)),
        ]
        write(say("{name}: {note}", name=f"{policy.name} {policy.version} ({policy.ref.hash})", note=", ".join(parts)))

    ask_policy(config, checked, language, path)


@policy_app.command("show")
def policy_show(config: ConfigOption = None, language: LanguageOption = "") -> None:
    """Print the methodology: every weight, curve, flag and band of the policy in force, with its reason."""
    from account_health.policy import load_policy
    from account_health.reference import methodology

    ask_policy(config, lambda file: write(methodology(load_policy(file))), language)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write account-health.toml.")] = Path(),
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Live connector to write all settings of, e.g. hubspot.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    language: LanguageOption = "",
) -> None:
    """Write a commented account-health.toml to start from."""
    from account_health.starter import write_starter

    def written() -> None:
        path = write_starter(folder, source or (), force=force)
        if source:
            step = say("Fill in its live sources; then run: account-health sources check")
        else:
            step = say("Put your files into the data folder beside it; then run: account-health sources check")
        aside(together(say("Wrote {path}.", path=path), step))

    guarded(written, language)


_HOST, _PORT = "127.0.0.1", 8765


class Transport(StrEnum):
    """How clients reach the server."""

    STDIO = "stdio"
    HTTP = "http"


@app.command()
def serve(
    transport: Annotated[
        Transport, typer.Option("--transport", help="How clients connect: stdio, or http on a port of this machine.")
    ] = Transport.STDIO,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on over HTTP, only loopback; default: 127.0.0.1.")
    ] = "",
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="Port to listen on over HTTP, 0: any free one; default: 8765."),
    ] = None,
    as_of: Annotated[
        str, typer.Option("--as-of", help="Day or instant to answer for unless a question names one; default: now.")
    ] = "",
    config: ConfigOption = None,
    is_demo: DemoOption = False,
) -> None:
    """Run the MCP server: over standard input and output, or over HTTP."""
    from account_health.as_of import asked_instant

    configure = configured(config, is_demo=is_demo)

    def served() -> None:
        if as_of:
            asked_instant(as_of, "UTC", now())
        if transport is Transport.STDIO and (host or port is not None):
            raise CallerError(say("--host and --port are for HTTP."), say("Add --transport http."))
        log_plainly()
        if transport is Transport.STDIO:
            serve_stdio(frozen(configure, as_of))
        else:
            serve_on_port(frozen(configure, as_of), host or _HOST, _PORT if port is None else port)

    guarded(served)
