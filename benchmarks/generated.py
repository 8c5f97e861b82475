"""Generated accounts: 100,000 of them as Parquet files, with their use and tickets, or known on four sides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import duckdb

ACCOUNTS = 100_000
AS_OF = datetime(2026, 11, 21, tzinfo=UTC)
SEGMENT, OWNER = "Enterprise", "Owner 7"
"""A segment of a quarter of the accounts, and an owner of a fiftieth of them."""

# 20 days of use each within the last 80 and two tickets each within the last 400 days.
_PLAIN = {
    "account": """SELECT 'a' || i AS account_id, 'Account ' || i AS name, 5 + i % 400 AS licensed_seats,
        DATE '2020-01-01' + (i % 1000)::INT AS customer_since, DATE '2026-10-01' + (i % 700)::INT AS renewal_date
        FROM range(100000) t(i)""",
    "usage_day": """SELECT 'a' || i // 20 AS account_id, DATE '2026-11-20' - (i % 20 * 4)::INT AS day,
        hash(i) % 50 AS active_users, hash(i + 1) % 200 AS logins, hash(i + 2) % 900 AS events
        FROM range(2000000) t(i)""",
    "ticket": """SELECT 't' || i AS ticket_id, 'a' || i // 2 AS account_id,
        TIMESTAMP '2026-11-20' - to_hours((hash(i) % 9600)::INT) AS opened_at,
        CASE WHEN hash(i + 1) % 5 > 0 THEN opened_at + to_hours((hash(i + 2) % 90)::INT) END AS solved_at,
        ['low', 'normal', 'high', 'urgent'][1 + (hash(i + 3) % 4)::INT] AS priority,
        CASE WHEN hash(i + 4) % 9 = 0 THEN opened_at + to_hours(2) END AS escalated_at
        FROM range(200000) t(i)""",
}
# Besides, three invoices each and an NPS answer of two accounts out of three.
_FULL = {
    **_PLAIN,
    "account": f"""SELECT *, ['Enterprise', 'Mid-market', 'Small', 'Startup'][1 + (hash(name) % 4)::INT] AS segment,
        'Owner ' || hash(name || 'owner') % 50 AS owner, 'customer' AS lifecycle,
        1000 + hash(name || 'arr') % 200000 AS arr, CASE WHEN hash(name) % 10 = 0 THEN 'EUR' ELSE 'USD' END AS currency,
        CASE WHEN hash(name || 'contract') % 20 = 0 THEN 'notice' ELSE 'active' END AS contract_status
        FROM ({_PLAIN["account"]})""",  # noqa: S608 - our own text
    "invoice": """SELECT 'i' || i AS invoice_id, 'a' || i // 3 AS account_id, 100 + hash(i) % 9000 AS amount,
        'USD' AS currency, TIMESTAMP '2026-11-10' - to_days((i % 3 * 30)::INT) AS issued_at,
        issued_at + to_days(14) AS due_at, 'open' AS status,
        CASE WHEN hash(i + 1) % 20 > 0 THEN issued_at + to_days((hash(i + 2) % 20)::INT) END AS paid_at
        FROM range(300000) t(i)""",
    "survey_response": """SELECT 'r' || i AS response_id, 'a' || i * 3 // 2 AS account_id, 'p' || i AS respondent,
        'nps' AS kind, hash(i) % 11 AS score,
        TIMESTAMP '2026-11-20' - to_hours((hash(i + 1) % 4000)::INT) AS responded_at
        FROM range(66666) t(i)""",
}


def write_plain(folder: Path) -> None:
    """Accounts, days of use and tickets as files of their own."""
    _write(folder, _PLAIN)


def write_full(folder: Path) -> None:
    """The same with segments, owners, money, contracts, invoices and survey answers."""
    _write(folder, _FULL)


def write_some(folder: Path, accounts: int) -> None:
    """The same of the first so many accounts alone."""
    wanted = f"WHERE substr(account_id, 2)::INT < {accounts}"
    _write(folder, {table: f"SELECT * FROM ({select}) {wanted}" for table, select in _FULL.items()})  # noqa: S608 - our own text


def _write(folder: Path, tables: Mapping[str, str]) -> None:
    for table, select in tables.items():
        duckdb.execute(f"COPY ({select}) TO '{folder}/{table}.parquet'")
