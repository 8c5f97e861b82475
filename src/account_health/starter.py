"""Starter: the commented account-health.toml that `init` writes."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from account_health.borrowed import why
from account_health.config import FILE_NAME
from account_health.connectors.registry import available, load
from account_health.errors import CallerError, ConfigurationError, SourceError
from account_health.language import say
from account_health.settings_form import form

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STARTER = """\
# account-health: which sources there are. Paths are relative to this file.
# Check it with `account-health sources check`, then `account-health list` and `account-health report ACCOUNT`.

# A secret never stands here: { env = "NAME" } names a variable, { file = "PATH" } a file that only you can read.

# policy = "my-policy.toml"   # start it with: extends = "default"; see `account-health policy show`
# as_of = "2026-11-21"        # for a frozen export: the day every question is asked at
# crosswalk = "crosswalk.csv" # which record of a live source belongs to which account: account-health sources match
# shared_domains = ["agency.example"]  # domains that several accounts use; nothing is matched by them
# writes = "confirm"          # lets assistants set a status, or publish, each time after a person has confirmed it
# language = "fr"             # what people read is said in it; default: English

# [gather]
# deadline_seconds = 10       # how long a question about one account waits for its sources
# all_accounts_seconds = 900  # how long one about all accounts waits
# keep_seconds = 300          # how long the answer of a live source is used again; when it was read is shown

# [history]                   # what `account-health assess --all` keeps, best every day: changes, trends, portfolio
# path = "history.sqlite"     # default: a file of its own in your data folder
# url = { env = "HISTORY_URL" }  # or PostgreSQL, for several machines: postgresql://user:password@host/name
# keep_days = 1100            # an account's last assessment and what people wrote stay

# [publish.intacct]           # Sage Intacct, for `account-health publish`; all settings are in REFERENCE.md
# client_id = "acme.app.sage.com"
# client_secret = { env = "INTACCT_CLIENT_SECRET" }
# username = "writer@acme"
# customer_key = "account_id" # what of an account is the customer id: account_id, external_id or crosswalk

# Files: put account.csv, ticket.csv, usage_day.csv, invoice.csv, survey_response.csv, touchpoint.csv,
# opportunity.csv or subscription.csv (or .jsonl, .parquet) into the folder. Only account.csv is needed; the rest
# widens the evidence.
# Columns are those of REFERENCE.md, e.g. account_id,name,renewal_date,contract_status for account.csv.
[sources.files]
connector = "files"
folder = "data"

# A file with names of its own is mapped like this; from the first such table on, every table has to be named.
# [sources.files.tables.account]
# file = "customers.csv"
# columns = { account_id = "id", name = "company" }
#
# [sources.files.tables.ticket]
# file = "tickets-*.csv"
# columns = { ticket_id = "number", opened_at = "created" }
# date_format = "%d.%m.%Y %H:%M"
# values = { priority = { medium = "normal" } }
#
# [sources.files.tables.usage_day]
# files = { usage = "feature_usage.csv", seats = "seats.csv" }
# sql = "SELECT seats.account_id, usage.day, count(*) AS events FROM usage JOIN seats USING (seat_id) GROUP BY ALL"
"""


_FILES = '[sources.files]\nconnector = "files"\nfolder = "data"\n'
_LIVE = """
# Live systems: `account-health init --source KIND` writes one with every setting it has. Installed: {kinds}.
"""


def starter(kinds: Sequence[str] = ()) -> str:
    """The starter, with every setting of the named live connectors; raises CallerError for a kind that is not there."""
    live = [kind for kind in available() if kind not in ("demo", "files")]
    if unknown := [kind for kind in kinds if kind not in live]:
        raise CallerError(
            say("There is no live connector {connector}.", connector=repr(unknown[0])),
            say("Installed: {connectors}.", connectors=", ".join(live)) if live else say("Installed: none."),
        )
    # Whoever starts with live systems may have no files, and an empty folder would make every answer partial.
    about_files = STARTER.replace(_FILES, textwrap.indent(_FILES, "# ")) if kinds else STARTER
    return "\n".join([about_files, *(_section(kind) for kind in kinds)]) + _LIVE.format(kinds=", ".join(live) or "none")


def _section(kind: str) -> str:
    try:
        return form(kind, load(kind))
    except SourceError as err:
        raise ConfigurationError(err.message, err.next_step) from err


def write_starter(folder: Path, kinds: Sequence[str] = (), *, force: bool = False) -> Path:
    """Writes account-health.toml, without live connectors also an empty data folder; overwrites a file only by force.

    Raises ConfigurationError if a file is there or cannot be written.
    """
    path = folder / FILE_NAME
    text = starter(kinds)
    if path.exists() and not force:
        raise ConfigurationError(
            say("{path} exists already.", path=path), say("Edit it, or overwrite it with --force.")
        )
    try:
        (folder if kinds else folder / "data").mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as err:
        raise ConfigurationError(
            say("{path} cannot be written: {error}.", path=path, error=why(err)),
            say("Choose another folder."),
        ) from err
    return path
