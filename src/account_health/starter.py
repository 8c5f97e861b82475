"""Starter: the commented account-health.toml that `init` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from account_health.config import FILE_NAME
from account_health.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

STARTER = """\
# account-health: which sources there are. Paths are relative to this file.
# Check it with `account-health sources check`, then `account-health list` and `account-health report ACCOUNT`.

# policy = "my-policy.toml"   # start it with: extends = "default"; see `account-health policy show`
# as_of = "2026-11-21"        # for a frozen export: the day every question is asked at

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


def write_starter(folder: Path, *, force: bool = False) -> Path:
    """Writes account-health.toml and an empty data folder; raises ConfigurationError rather than overwrite a file."""
    path = folder / FILE_NAME
    if path.exists() and not force:
        raise ConfigurationError(f"{path} exists already.", "Edit it, or overwrite it with --force.")
    try:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        path.write_text(STARTER, "utf-8")
    except OSError as err:
        raise ConfigurationError(f"{path} cannot be written: {err.strerror}.", "Choose another folder.") from err
    return path
