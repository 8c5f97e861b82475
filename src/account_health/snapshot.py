"""Snapshot: deliveries laid side by side in DuckDB as the normalised tables, and the state of each account in them.

A snapshot is a schema with every row of every account: `ticket_all`, ..., `source_state_all` (account, delivery,
table, state: one row per source), `merged_state` (the same merged over sources) and `dates` (when anything in a
delivery happened). A question is a schema beside it, narrowed to the asked accounts: `ticket`, ..., `source_state` and
`account_source`, the merged states as metrics read them, with stale tables marked.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from account_health.connectors.base import Delivery, Relation
from account_health.model import State
from account_health.tables import TABLES, columns, dated_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

_PRECEDENCE = (
    State.OBSERVED,
    State.EMPTY,
    State.STALE,
    State.FAILED,
    State.NOT_MATCHED,
    State.NOT_APPLICABLE,
    State.NOT_CONNECTED,
)
"""Of several sources of one table, the state that says most."""

_ACCOUNT_SOURCE = """
SELECT account_id, "table", observed_from,
    CASE WHEN list_contains({stale}::VARCHAR[], "table") AND state IN ('observed', 'empty', 'partial') THEN 'stale'
         WHEN list_contains({partial}::VARCHAR[], "table") AND state IN ('observed', 'empty') THEN 'partial'
         WHEN state = 'observed' AND {bare} THEN 'empty'
         ELSE state END AS state
FROM merged_state WHERE true
"""

_HAD_NO_ROWS = f"""(account_id, "table") NOT IN (
    {" UNION ALL ".join(f"SELECT account_id, '{table}' FROM {table}" for table in TABLES)}
)"""  # noqa: S608 - our own names
"""Whether an account has none of a question's rows in a table, although the source has later ones."""

_MERGED_STATE = """
CREATE TABLE merged_state AS
WITH merged AS (
    SELECT account_id, "table",
        -- An account that one of two systems does not know may have its rows there under another name; only whose list
        -- an account stands in does not matter.
        CASE WHEN bool_or(state IN ('failed', 'partial', 'stale') OR state = 'not matched' AND "table" <> 'account')
                 AND bool_or(state IN ('observed', 'empty', 'partial')) THEN 'partial'
             ELSE min_by(state, list_position($precedence, state)) END AS state,
        max(observed_from) FILTER (state IN ('observed', 'empty', 'partial')) AS observed_from
    FROM source_state_all GROUP BY account_id, "table"
)
SELECT a.account_id, t."table", coalesce(m.state, 'not connected') AS state, m.observed_from
FROM (SELECT DISTINCT account_id FROM account_all) a CROSS JOIN (SELECT unnest($tables) AS "table") t
LEFT JOIN merged m ON m.account_id = a.account_id AND m."table" = t."table"
ORDER BY a.account_id
"""

_STATES = """
INSERT INTO source_state_all
SELECT a.account_id, $index, $table,
    CASE WHEN o.state IS NOT NULL THEN o.state
         WHEN $failed THEN 'failed'
         WHEN r.account_id IS NOT NULL THEN 'observed'
         ELSE $absent END,
    $observed_from
FROM (SELECT DISTINCT account_id FROM account_all) a
LEFT JOIN (SELECT DISTINCT account_id FROM {table}_all WHERE delivery = $index) r USING (account_id)
LEFT JOIN (SELECT unnest($overridden::VARCHAR[]) AS account_id, unnest($overrides::VARCHAR[]) AS state) o
    USING (account_id)
"""


class Until(NamedTuple):
    """Nothing that happened later is known: an instant (naive UTC) and its day in the policy's time zone."""

    instant: datetime
    day: date


_UNDONE = {
    "ticket": {
        "solved_at": "solved_at",
        "status": "solved_at",
        "csat": "solved_at",
        "csat_low": "solved_at",
        "csat_high": "solved_at",
        "escalated_at": "escalated_at",
    },
    "invoice": {"paid_at": "paid_at", "status": "paid_at", "last_failed_at": "last_failed_at"},
    "subscription": {"ended_at": "ended_at"},
}
"""Columns of rows that were there before, by the column that says when they came to hold what they do."""


def lay_out(
    database: DuckDBPyConnection, schema: str, deliveries: Sequence[Delivery], only: Sequence[str] | None = None
) -> None:
    """Creates the schema of a snapshot: rows in, tables and states out. Failed deliveries leave no rows.

    With `only` it holds no other accounts; how fresh a delivery is still goes by all of its rows.
    """
    with database.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {schema}")
        cursor.execute(f"USE {schema}")
        cursor.execute("CREATE MACRO local_day(t, zone) AS timezone(zone, timezone('UTC', t))::DATE")
        cursor.execute("CREATE TABLE dates (delivery INTEGER, happened_at TIMESTAMP)")
        for table in TABLES:
            _create_table(
                cursor, table, [(i, d) for i, d in enumerate(deliveries) if d.table == table and not d.failure], only
            )
        _create_states(cursor, deliveries)


def narrow(  # noqa: PLR0913, PLR0917 - what makes a question
    database: DuckDBPyConnection,
    snapshot: str,
    schema: str,
    accounts: Sequence[str] | None,
    marked: tuple[Sequence[str], Sequence[str]],
    until: Until | None = None,
    narrowed: str | None = None,
) -> None:
    """Creates the schema of a question about some accounts (None: all) of a snapshot.

    `marked` are the stale and the partial tables. With `until` it holds only what had happened by then; `narrowed` is
    then the schema of the same question without it, whose few rows need not be looked for again.
    The rows of some accounts are copied, because planning a query over a view on a view costs more than the copy; those
    of all accounts are not.
    """
    names = (*TABLES, "source_state")
    rows = {name: f"{narrowed}.{name}" if narrowed else f"{name}_all" for name in names}
    selects = {name: _happened_by(name, rows[name], until) for name in names}
    bare = _HAD_NO_ROWS if until else "false"
    selects["account_source"] = _ACCOUNT_SOURCE.format(stale=list(marked[0]), partial=list(marked[1]), bare=bare)
    with database.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {schema}")
        cursor.execute(f"SET search_path = '{schema},{snapshot}'")
        for name, select in selects.items():
            if accounts is None:
                cursor.execute(f"CREATE VIEW {name} AS {select}")
            elif narrowed and name in rows:
                cursor.execute(f"CREATE TABLE {name} AS {select}")
            else:
                asked = f"{select} AND account_id IN (SELECT unnest($accounts::VARCHAR[]))"
                cursor.execute(f"CREATE TABLE {name} AS {asked}", {"accounts": list(accounts)})


def _happened_by(table: str, rows: str, until: Until | None) -> str:
    """The rows of a table as they were (None: as they are), by the rules of the metrics; what has no date stays."""
    if until is None or table in ("account", "source_state"):
        return f"SELECT * FROM {rows} WHERE true"  # noqa: S608 - our own names
    instant, day = f"TIMESTAMP '{until.instant.isoformat(sep=' ')}'", f"DATE '{until.day.isoformat()}'"
    undone = [f"CASE WHEN {at} >= {instant} THEN NULL ELSE {c} END AS {c}" for c, at in _UNDONE.get(table, {}).items()]
    if table == "opportunity":
        undone = [f"CASE WHEN close_date > {day} THEN 'open' ELSE stage_kind END AS stage_kind"]
    replaced = f" REPLACE ({', '.join(undone)})" if undone else ""
    begins = TABLES[table].occurred
    is_day, is_value = columns(table)[begins] == "DATE", table == "metric_value"
    happened = f'"{begins}" <= {day if is_day else instant}' if is_day or is_value else f'"{begins}" < {instant}'
    return f"SELECT *{replaced} FROM {rows} WHERE coalesce({happened}, true)"  # noqa: S608 - our own names


def drop(database: DuckDBPyConnection, schema: str) -> None:
    """Forgets a snapshot or a question."""
    with database.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def newest(database: DuckDBPyConnection, schema: str, as_of: datetime) -> dict[int, datetime]:
    """Per delivery the date of its newest row up to an instant; a delivery without one is left out."""
    with database.cursor() as cursor:
        found = cursor.execute(
            f"SELECT delivery, max(happened_at) FROM {schema}.dates WHERE happened_at <= $as_of GROUP BY delivery",  # noqa: S608 - our own names
            {"as_of": as_of},
        )
        return dict(found.fetchall())


def observed_from(cursor: DuckDBPyConnection, index: int, delivery: Delivery) -> Any:
    """Where a delivery's history starts: as declared, else its oldest row, else the moment it was read."""
    if delivery.history_from or delivery.failure:
        return delivery.history_from
    oldest = cursor.execute("SELECT min(happened_at) FROM dates WHERE delivery = $index", {"index": index}).fetchone()
    return min(oldest[0], delivery.fetched_at) if oldest and oldest[0] else delivery.fetched_at


def _create_table(
    cursor: DuckDBPyConnection,
    table: str,
    deliveries: Sequence[tuple[int, Delivery]],
    only: Sequence[str] | None,
) -> None:
    names = ", ".join(f'"{name}"' for name in columns(table))
    parts = [f"SELECT {names}, {i} AS delivery FROM {_relation(cursor, i, d)}" for i, d in deliveries]  # noqa: S608 - our own names
    nothing = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns(table).items())
    parts = parts or [f"SELECT {nothing}, 0 AS delivery WHERE false"]
    union = " UNION ALL ".join(parts)
    if table == "account" and len(parts) > 1:
        union = f"SELECT * FROM ({union}) QUALIFY row_number() OVER (PARTITION BY account_id ORDER BY delivery) = 1"  # noqa: S608 - our own
    if deliveries:
        cursor.execute(f"INSERT INTO dates SELECT DISTINCT delivery, {dated_by(table)}::TIMESTAMP FROM ({union})")  # noqa: S608 - our own names
    if only is not None:
        listed = ", ".join(f"'{account.replace(chr(39), chr(39) * 2)}'" for account in only)
        union = f"SELECT * FROM ({union}) WHERE account_id IN ({listed})"  # noqa: S608 - our own names, ids as literals
    # Everything looks at the accounts, so their union is made once.
    cursor.execute(f"CREATE {'TABLE' if table == 'account' else 'VIEW'} {table}_all AS {union}")


def _relation(cursor: DuckDBPyConnection, index: int, delivery: Delivery) -> str:
    if isinstance(delivery.rows, Relation):
        return delivery.rows.name
    name = f"rows_{index}"
    records = json.dumps([row.model_dump(mode="json") for row in delivery.rows])
    cursor.execute(
        f"CREATE TABLE {name} AS SELECT unnest(from_json($records::JSON, $shape), max_depth := 2)",
        {"records": records, "shape": json.dumps([columns(delivery.table)])},
    )
    return name


def _create_states(cursor: DuckDBPyConnection, deliveries: Sequence[Delivery]) -> None:
    cursor.execute(
        "CREATE TABLE source_state_all "
        '(account_id VARCHAR, delivery INTEGER, "table" VARCHAR, state VARCHAR, observed_from TIMESTAMP)'
    )
    for index, delivery in enumerate(deliveries):
        cursor.execute(
            _STATES.format(table=delivery.table),
            {
                "index": index,
                "table": delivery.table,
                "failed": delivery.failure is not None,
                "absent": delivery.absent.value,
                "overridden": list(delivery.states),
                "overrides": [State(state).value for state in delivery.states.values()],
                "observed_from": observed_from(cursor, index, delivery),
            },
        )
    cursor.execute(_MERGED_STATE, {"tables": list(TABLES), "precedence": [state.value for state in _PRECEDENCE]})
