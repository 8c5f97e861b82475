"""The command line: the same verbs as the server, for people. Data goes to stdout, words about it to stderr."""

from __future__ import annotations

import typer

from account_health.cli import accounts, portfolio, publishing, setup, status
from account_health.cli.accounts import DEMO_ACCOUNT
from account_health.cli.asking import EXIT_CODES
from account_health.cli.completing import Completed

__all__ = ["DEMO_ACCOUNT", "EXIT_CODES", "app", "main"]

app = typer.Typer(
    cls=Completed,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How healthy is this account, why, and how sure are we?",
)
for part in (accounts, portfolio, status, publishing, setup):
    app.add_typer(part.app)


def main() -> None:
    """The entry point of the command `account-health`."""
    app()
