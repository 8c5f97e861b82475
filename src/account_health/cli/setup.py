"""Setup: the commands about configuration, policy, sources and the server."""

from __future__ import annotations

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
    ask_workspace,
    configured,
    configured_policy,
    guarded,
    now,
    save_bytes,
)
from account_health.errors import SourceError
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
    as_of: AsOfOption = "", output: FormatOption = Format.MD, config: ConfigOption = None, is_demo: DemoOption = False
) -> None:
    """Check every source; exit code 5 if one is failing or stale."""
    from account_health.source_check import check_sources

    async def ask(workspace: Workspace) -> None:
        checked = await check_sources(workspace, as_of or None)
        print_json(checked) if output is Format.JSON else print_sources(checked)
        if not checked.is_healthy:
            raise typer.Exit(EXIT_CODES[SourceError])

    ask_workspace(configured(config, is_demo=is_demo), ask)


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
        write(text.rstrip("\n")) if output is None else save_bytes(output, text.encode())
        aside(f"{found.matched} of {len(found.lines)} records belong to an account.", *found.problems)
        if found.problems:
            raise typer.Exit(EXIT_CODES[SourceError])

    ask_workspace(configured(config, is_demo=is_demo), ask)


@policy_app.command("check")
def policy_check(
    path: Annotated[Path | None, typer.Argument(help="Policy file; default: the configured one.")] = None,
    config: ConfigOption = None,
) -> None:
    """Check a policy and print its name, version and hash; every fault is named with its place."""
    from account_health.policy import load_policy

    def checked() -> None:
        policy = load_policy(path or configured_policy(config))
        write(
            f"{policy.name} {policy.version} ({policy.ref.hash}): {len(policy.weighted)} metrics with weight, "
            f"{len(policy.metrics) - len(policy.weighted)} facts, {len(policy.flags)} flags"
        )

    guarded(checked)


@policy_app.command("show")
def policy_show(config: ConfigOption = None) -> None:
    """Print the methodology: every weight, curve, flag and band of the policy in force, with its reason."""
    from account_health.policy import load_policy
    from account_health.reference import methodology

    guarded(lambda: write(methodology(load_policy(configured_policy(config)))))


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
        aside(f"Wrote {path}. {step}; then run: account-health sources check")

    guarded(written)


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
    create_server(configured(config, is_demo=is_demo), now).run(transport="stdio")
