"""Answers: what a connector makes of a recording: whose rows, which columns, and every value as the system meant it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from account_health.model import State
from account_health.tables import Row, columns
from account_health.testing.rewriting import HOSTILE, elsewhere, found_in, leaves
from account_health.testing.subject import Outcome, Subject, answered, outcome, rows_of, without_times
from account_health.testing.verdict import require

if TYPE_CHECKING:
    from account_health.testing.recorded import Exchange, Recording

_MONEY = ("amount", "arr")
_OUTSIDE_TEXT = ("name", "subject", "features_used")
_BAD_STATUS = 400


async def delivers_each_declared_table_once_and_no_other(subject: Subject) -> None:
    """`provides` and `fetch` name the same tables and categories, for one account and for all."""
    declared = dict(subject.build(subject.transport()).provides())
    for query in (subject.one, subject.all):
        found = await answered(subject, query)
        told = {delivery.table: delivery.category for delivery in found.deliveries}
        require(
            told == declared and len(found.deliveries) == len(declared),
            f"Deliver exactly the tables that `provides` declares, each once: {declared}; it was {told}.",
        )


async def fills_declared_columns_only(subject: Subject) -> None:
    """Every row is of its delivery's table, and fills no column that the delivery does not name."""
    for delivery in (await answered(subject, subject.all)).deliveries:
        table = delivery.table
        strange = delivery.columns - set(columns(table))
        require(not strange, f"Name only columns of the table `{table}`; it has no {_listed(strange)}.")
        for row in rows_of(delivery):
            require(row.table == table, f"Put rows of `{row.table}` into a delivery of their own, not into `{table}`.")
            undeclared = set(_filled(row)) - delivery.columns - {"doubt"}
            require(not undeclared, f"Add {_listed(undeclared)} to the columns that `{table}` can tell.")


async def gives_rows_to_known_accounts_only(subject: Subject) -> None:
    """No row carries an id that the CRM does not know."""
    ids = {account.id for account in subject.accounts}
    strange = {row.account_id for row in (await answered(subject, subject.all)).rows} - ids
    require(
        not strange,
        "Give each row the id of the account that its record is linked to (Known.link), and leave out the rows of "
        f"others; Subject.accounts holds no {_listed(strange)}.",
    )


async def says_nothing_of_an_unknown_account(subject: Subject) -> None:
    """An account that the system does not know has no rows, and that is no failure."""
    found = await subject.ask(subject.nobody)
    require(
        not found.failures,
        f"Take `no such record` for an answer: an unknown account is no failure; it said: {found.failures}.",
    )
    invented = [row for row in found.rows if row.account_id == subject.unknown.id]
    require(not invented, f"Never give an account the rows of another: the unknown one got {invented[:1]}.")
    for delivery in found.deliveries:
        state = delivery.states.get(subject.unknown.id, delivery.absent)
        require(
            state in {State.NOT_MATCHED, State.EMPTY},
            f"Say `not matched` or `empty` of an unknown account in `{delivery.table}`; it was `{state}`.",
        )


async def tells_the_same_of_one_account_as_of_all(subject: Subject) -> None:
    """The rows of the asked account are equal, asked alone and among all."""
    alone = _rows_of_account(await answered(subject, subject.one), subject.asked)
    among = _rows_of_account(await answered(subject, subject.all), subject.asked)
    require(among, f"Record rows of the account {subject.asked!r}: there were none among those of all accounts.")
    require(
        alone == among,
        "Read the same rows for one account as for all. "
        f"Only alone: {_first(alone, among)}; only among all: {_first(among, alone)}.",
    )


async def answers_the_same_when_asked_again(subject: Subject) -> None:
    """Two fetches of one recording are equal, by two connectors and by one that may know the first answer."""
    transport = subject.transport()
    connector = subject.build(transport)
    first, other = await outcome(connector, subject.all, transport), await answered(subject, subject.all)
    require(
        list(map(without_times, first.deliveries)) == list(map(without_times, other.deliveries)),
        "Make a delivery depend on nothing but the answers and `Query.as_of`: two of one recording differ.",
    )
    again = await outcome(connector, subject.all, transport)
    require(
        not again.failures and again.told == first.told,
        "Add changes to what was kept so that a second fetch tells what a complete one would. "
        f"Failed: {again.failures}; gone: {_first(first.told, again.told)}; new: {_first(again.told, first.told)}.",
    )


async def reads_every_page(subject: Subject) -> None:
    """Of each list that is asked for, every recorded page is asked for."""
    transport = subject.transport()
    connector = subject.build(transport)
    queries = (subject.nobody, subject.one, subject.all, subject.all)
    runs = [await outcome(connector, query, transport) for query in queries]
    used = [sent.exchange for run in runs for sent in run.sent]
    lists = {(exchange.method, exchange.path) for exchange in used}
    for exchange in subject.recorded.exchanges:
        require(
            exchange in used or (exchange.method, exchange.path) not in lists or exchange.status >= _BAD_STATUS,
            "Follow the links to the next page to the end; never asked for: "
            f"{exchange.method} {exchange.path} {exchange.params or ''} {exchange.body or ''}.",
        )
    paged = {(e.method, e.path) for i, e in enumerate(used) if any(_is_other_page(e, o) for o in used[:i])}
    require(
        paged or not subject.has_pages,
        "Record a list of two pages, or set Subject.has_pages to False if there is none.",
    )


async def keeps_instants_as_naive_utc(subject: Subject) -> None:
    """Instants are naive UTC, and the same ones if the system writes them with another offset."""
    honest = await answered(subject, subject.all)
    for row in honest.rows:
        aware = [name for name, value in row if isinstance(value, datetime) and value.tzinfo]
        require(not aware, f"Turn instants into naive UTC: {_listed(aware)} of `{row.table}` have a zone.")
    fixed = _asked_with(subject.recorded)
    moved = subject.recorded.with_content(lambda content: leaves(content, lambda leaf: elsewhere(leaf, fixed)))
    found = await answered(subject, subject.all, moved)
    require(
        found.told == honest.told,
        "Read offsets of instants: the same instants, written at -07:30, gave other rows: "
        f"{_first(found.told, honest.told)} in place of {_first(honest.told, found.told)}.",
    )


async def names_the_currency_of_money(subject: Subject) -> None:
    """An amount never stands without its currency."""
    for row in (await answered(subject, subject.all)).rows:
        for name in _MONEY:
            if getattr(row, name, None) is not None:
                require(
                    getattr(row, "currency", None),
                    f"Fill `currency` wherever `{row.table}.{name}` holds an amount, or leave out both.",
                )


async def leaves_hostile_text_as_it_is(subject: Subject) -> None:
    """Names and subjects arrive as the system sent them, whatever they hold."""
    honest = await answered(subject, subject.all)
    own = {text for text in found_in(subject.checked_settings().model_dump()) if isinstance(text, str)}
    marks = {mark for account in subject.accounts for mark in (account.id, account.external_id, *account.domains)}
    texts = {text for row in honest.rows for text in _outside_texts(row)} - own - marks - _asked_with(subject.recorded)

    def hostile(leaf: Any) -> Any:
        return leaf + HOSTILE if isinstance(leaf, str) and leaf in texts else leaf

    sent = {leaf for e in subject.recorded.exchanges for leaf in found_in(e.content) if isinstance(leaf, str)}
    texts &= sent
    found = await answered(
        subject, subject.all, subject.recorded.with_content(lambda content: leaves(content, hostile))
    )
    expected = Outcome([replace(d, rows=[_with(row, hostile) for row in rows_of(d)]) for d in honest.deliveries])
    require(
        found.told == expected.told,
        "Hand on names and subjects unchanged; they are made harmless where they are shown. "
        f"It was {_first(found.told, expected.told)} in place of {_first(expected.told, found.told)}.",
    )


CHECKS = (
    delivers_each_declared_table_once_and_no_other,
    fills_declared_columns_only,
    gives_rows_to_known_accounts_only,
    says_nothing_of_an_unknown_account,
    tells_the_same_of_one_account_as_of_all,
    answers_the_same_when_asked_again,
    reads_every_page,
    keeps_instants_as_naive_utc,
    names_the_currency_of_money,
    leaves_hostile_text_as_it_is,
)


def _filled(row: Row) -> Iterator[str]:
    """Columns that say something."""
    return (name for name, field in type(row).model_fields.items() if getattr(row, name) != field.default)


def _rows_of_account(found: Outcome, account: str) -> list[str]:
    mine = [replace(d, rows=[row for row in rows_of(d) if row.account_id == account]) for d in found.deliveries]
    return Outcome(mine).told


def _is_other_page(exchange: Exchange, other: Exchange) -> bool:
    return exchange != other and (exchange.method, exchange.path) == (other.method, other.path)


def _asked_with(recording: Recording) -> set[str]:
    """Texts that requests carry; a rewritten one would not be recognised."""
    asked = [leaf for e in recording.exchanges for leaf in found_in([e.path, list(e.params.values()), e.body])]
    return {leaf for leaf in asked if isinstance(leaf, str)}


def _outside_texts(row: Row) -> Iterator[str]:
    for name in _OUTSIDE_TEXT:
        value = getattr(row, name, None) or ()
        yield from (value,) if isinstance(value, str) else value


def _with(row: Row, change: Any) -> Row:
    """The row with its outside texts changed."""
    values = {name: value for name, value in row if name in _OUTSIDE_TEXT and value}
    return row.model_copy(
        update={name: change(v) if isinstance(v, str) else tuple(map(change, v)) for name, v in values.items()}
    )


def _first(texts: Iterable[str], others: Iterable[str]) -> str:
    """One of the texts that is not among the others."""
    return next(iter(sorted(set(texts) - set(others))), "nothing")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
