"""Sage Intacct's query service over records in memory: fields, filters, expressions, order and pages, as documented.

A record is flat: dotted field name to value, as the service answers. Whatever the documentation does not allow is
refused, because a client that the fake forgives would fail at the real one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

Record = dict[str, Any]

LARGEST_PAGE = 4000
USUAL_PAGE = 100
_KEYS = {"object", "fields", "filters", "filterExpression", "filterParameters", "orderBy", "start", "size"}
_PARAMETERS = {"asOfDate", "includeHierarchyFields", "caseSensitiveComparison", "includePrivate"}
_TOKEN = re.compile(r"\s*(\d+|and|or|\(|\))", re.IGNORECASE)


@dataclass(frozen=True)
class Field:
    """What the model service tells of a field."""

    type: str = "string"
    format: str = ""
    enum: tuple[str, ...] = ()
    is_read_only: bool = False
    is_mutable: bool = True
    """False: it can be set when the record is created, and not changed."""
    is_nullable: bool = True
    is_told: bool = True
    """False: the model does not list it, because it is a field of another object that this one refers to."""

    def model(self) -> dict[str, Any]:
        """It in the words of the model service."""
        told: dict[str, Any] = {"type": self.type, "readOnly": self.is_read_only, "writeOnly": False, "required": False}
        told |= {"nullable": self.is_nullable, "mutable": self.is_mutable and not self.is_read_only}
        told |= {"format": self.format} if self.format else {}
        return told | ({"enum": [*self.enum]} if self.enum else {})

    @property
    def is_number(self) -> bool:
        """Whether values are compared as numbers; money is a text with two decimals."""
        return self.type in {"integer", "number"} or self.format.startswith("decimal")


class RefusedError(Exception):
    """A request that contradicts the documentation: what the error says, of which field."""

    def __init__(self, message: str, target: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.message, self.target, self.status = message, target, status


@dataclass(frozen=True)
class Page:
    """What a query found."""

    items: Sequence[Record]
    total: int
    start: int
    size: int

    def answer(self) -> dict[str, Any]:
        """It as the service answers."""
        following, before = self.start + self.size, self.start - self.size
        meta: Record = {"totalCount": self.total, "start": self.start, "pageSize": self.size}
        meta |= {"next": following if following <= self.total else None, "previous": before if before >= 1 else None}
        return {"ia::result": [*self.items], "ia::meta": meta}


def page_of(records: Sequence[Record], fields: Mapping[str, Field], asked: Mapping[str, Any]) -> Page:
    """The page of the records that a query asks for; raises RefusedError for what no query may hold."""
    _only(asked, _KEYS, "")
    parameters = asked.get("filterParameters", {})
    _only(parameters, _PARAMETERS, "/filterParameters")
    names = asked.get("fields")
    if not isinstance(names, list) or not names:
        raise RefusedError("fields must be a list of names", "/fields")
    for name in names:
        _known(name, fields)
    is_exact = parameters.get("caseSensitiveComparison", True)
    conditions = [_condition(f, fields, is_exact=is_exact) for f in asked.get("filters", [])]
    holds = _expression(asked.get("filterExpression", "and"), len(conditions))
    found = [r for r in records if holds([condition(r) for condition in conditions])]
    for order in reversed(asked.get("orderBy", [])):
        ((name, direction),) = order.items()
        if direction not in {"asc", "desc"}:
            raise RefusedError("orderBy must be asc or desc", "/orderBy")
        key = _sorting(name, _known(name, fields))
        found.sort(key=key, reverse=direction == "desc")
    start, size = asked.get("start", 1), asked.get("size", USUAL_PAGE)
    if type(start) is not int or type(size) is not int or start < 1 or not 1 <= size <= LARGEST_PAGE:
        raise RefusedError(f"start counts from 1, size goes to {LARGEST_PAGE}", "/size")
    shown = found[start - 1 : start - 1 + size]
    return Page([{name: record.get(name) for name in names} for record in shown], len(found), start, size)


def _only(found: Any, allowed: set[str], where: str) -> None:
    if not isinstance(found, Mapping):
        raise RefusedError("an object is wanted", where or "/")
    for name in found:
        if name not in allowed:
            raise RefusedError(f"{where}/{name} is not a valid field", f"{where}/{name}")


def _known(name: Any, fields: Mapping[str, Field]) -> Field:
    if not isinstance(name, str) or name not in fields:
        raise RefusedError(f"The {name} field does not exist", f"/{name}")
    return fields[name]


def _condition(found: Any, fields: Mapping[str, Field], *, is_exact: bool) -> Callable[[Record], bool]:
    if not isinstance(found, Mapping) or len(found) != 1:
        raise RefusedError("a filter has one operator", "/filters")
    ((operator, compared),) = found.items()
    if operator not in _OPERATORS or not isinstance(compared, Mapping) or len(compared) != 1:
        raise RefusedError(f"{operator} with one field is wanted", "/filters")
    ((name, wanted),) = compared.items()
    field, compare = _known(name, fields), _OPERATORS[operator]
    if (operator in _LISTED) is not isinstance(wanted, list):
        raise RefusedError(f"{operator} takes another kind of value", f"/{name}")
    wanted = (
        [_value(w, field, is_exact) for w in wanted] if isinstance(wanted, list) else _value(wanted, field, is_exact)
    )
    return lambda record: compare(_value(record.get(name), field, is_exact), wanted)


def _value(value: Any, field: Field, is_exact: bool) -> Any:  # noqa: FBT001 - a setting of the query
    if field.is_number and value is not None and not isinstance(value, bool):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            raise RefusedError(f"{value} is no number") from None
    return value if is_exact or not isinstance(value, str) else value.casefold()


def _told(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """False of a record that does not tell the value."""
    return lambda value, wanted: value is not None and compare(value, wanted)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: bool(value == wanted),
    "$ne": lambda value, wanted: bool(value != wanted),
    "$lt": _told(lambda value, wanted: value < wanted),
    "$lte": _told(lambda value, wanted: value <= wanted),
    "$gt": _told(lambda value, wanted: value > wanted),
    "$gte": _told(lambda value, wanted: value >= wanted),
    "$in": lambda value, wanted: value in wanted,
    "$notIn": lambda value, wanted: value not in wanted,
    "$between": _told(lambda value, wanted: wanted[0] <= value <= wanted[1]),
    "$contains": _told(lambda value, wanted: str(wanted) in str(value)),
    "$notContains": _told(lambda value, wanted: str(wanted) not in str(value)),
    "$startsWith": _told(lambda value, wanted: str(value).startswith(str(wanted))),
    "$endsWith": _told(lambda value, wanted: str(value).endswith(str(wanted))),
}
_LISTED = {"$in", "$notIn", "$between"}


def _expression(text: Any, conditions: int) -> Callable[[Sequence[bool]], bool]:
    """What makes one truth of those of the conditions: `and`, `or`, or their numbers with both and parentheses."""
    if text == "and":
        return all
    if text == "or":
        return lambda held: any(held) or not held
    tokens = _TOKEN.findall(text) if isinstance(text, str) else []
    numbers = {int(token) for token in tokens if token.isdecimal()}
    if "".join(tokens) != "".join(str(text).split()) or numbers != set(range(1, conditions + 1)):
        raise RefusedError(f"{text} does not combine the filters", "/filterExpression")
    try:
        parsed, rest = _either([token.lower() for token in tokens])
    except (IndexError, ValueError):
        raise RefusedError(f"{text} is no expression", "/filterExpression") from None
    if rest:
        raise RefusedError(f"{text} is no expression", "/filterExpression")
    return parsed


Parsed = tuple[Callable[[Sequence[bool]], bool], list[str]]


def _either(tokens: list[str]) -> Parsed:
    left, rest = _both(tokens)
    while rest[:1] == ["or"]:
        right, rest = _both(rest[1:])
        left = _combined(any, left, right)
    return left, rest


def _both(tokens: list[str]) -> Parsed:
    left, rest = _one(tokens)
    while rest[:1] == ["and"]:
        right, rest = _one(rest[1:])
        left = _combined(all, left, right)
    return left, rest


def _combined(
    how: Callable[[Sequence[bool]], bool],
    left: Callable[[Sequence[bool]], bool],
    right: Callable[[Sequence[bool]], bool],
) -> Callable[[Sequence[bool]], bool]:
    return lambda held: how([left(held), right(held)])


def _one(tokens: list[str]) -> Parsed:
    first, rest = tokens[0], tokens[1:]
    if first != "(":
        at = int(first) - 1
        return (lambda held: held[at]), rest
    inner, rest = _either(rest)
    if rest[:1] != [")"]:
        raise ValueError(first)
    return inner, rest[1:]


def _sorting(name: str, field: Field) -> Callable[[Record], tuple[bool, Any]]:
    def key(record: Record) -> tuple[bool, Any]:
        value = record.get(name)
        # Keys are texts that hold numbers.
        is_number = field.is_number or name == "key"
        return value is None, Decimal(0) if value is None and is_number else Decimal(
            str(value)
        ) if is_number else value or ""

    return key
