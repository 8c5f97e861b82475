"""Nouns: what the rows of each table are called, alone and in the sentences in which a language has to inflect them."""

from __future__ import annotations

from dataclasses import dataclass

from account_health.language import forms, mark


@dataclass(frozen=True)
class Noun:
    """Rows of one table: one of them, several, none, rows that are too old, and how many of all are doubtful."""

    rows: tuple[str, str]
    none: str
    stale: str
    doubtful: tuple[str, str]


NOUNS = {
    "subscription": Noun(
        forms("{n} contract term", "{n} contract terms"),
        mark("no contract terms"),
        mark("contract terms too old to count"),
        forms(
            "{n} of {all} contract terms doubtful but used ({reasons})",
            "{n} of {all} contract terms doubtful but used ({reasons})",
        ),
    ),
    "ticket": Noun(
        forms("{n} ticket", "{n} tickets"),
        mark("no tickets"),
        mark("tickets too old to count"),
        forms(
            "{n} of {all} tickets doubtful but used ({reasons})",
            "{n} of {all} tickets doubtful but used ({reasons})",
        ),
    ),
    "usage_day": Noun(
        forms("{n} day of usage", "{n} days of usage"),
        mark("no days of usage"),
        mark("days of usage too old to count"),
        forms(
            "{n} of {all} days of usage doubtful but used ({reasons})",
            "{n} of {all} days of usage doubtful but used ({reasons})",
        ),
    ),
    "invoice": Noun(
        forms("{n} invoice", "{n} invoices"),
        mark("no invoices"),
        mark("invoices too old to count"),
        forms(
            "{n} of {all} invoices doubtful but used ({reasons})",
            "{n} of {all} invoices doubtful but used ({reasons})",
        ),
    ),
    "survey_response": Noun(
        forms("{n} survey answer", "{n} survey answers"),
        mark("no survey answers"),
        mark("survey answers too old to count"),
        forms(
            "{n} of {all} survey answers doubtful but used ({reasons})",
            "{n} of {all} survey answers doubtful but used ({reasons})",
        ),
    ),
    "touchpoint": Noun(
        forms("{n} touchpoint", "{n} touchpoints"),
        mark("no touchpoints"),
        mark("touchpoints too old to count"),
        forms(
            "{n} of {all} touchpoints doubtful but used ({reasons})",
            "{n} of {all} touchpoints doubtful but used ({reasons})",
        ),
    ),
    "opportunity": Noun(
        forms("{n} deal", "{n} deals"),
        mark("no deals"),
        mark("deals too old to count"),
        forms(
            "{n} of {all} deals doubtful but used ({reasons})",
            "{n} of {all} deals doubtful but used ({reasons})",
        ),
    ),
    "metric_value": Noun(
        forms("{n} supplied value", "{n} supplied values"),
        mark("no supplied values"),
        mark("supplied values too old to count"),
        forms(
            "{n} of {all} supplied values doubtful but used ({reasons})",
            "{n} of {all} supplied values doubtful but used ({reasons})",
        ),
    ),
}
ROWS = Noun(
    forms("{n} row", "{n} rows"),
    mark("no rows"),
    mark("rows too old to count"),
    forms(
        "{n} of {all} rows doubtful but used ({reasons})",
        "{n} of {all} rows doubtful but used ({reasons})",
    ),
)
"""The same where a table has no noun of its own."""
