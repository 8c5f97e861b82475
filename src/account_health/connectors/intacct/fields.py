"""Fields: what Intacct's model service tells of them, so that a first reading can be checked before it is trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from account_health.connectors.base import Probe
from account_health.language import say
from account_health.markup import code

_HINTS = ("health", "churn", "risk")
_NUMBERS = ("integer", "number", "decimal")
_CHARACTERS = 60
_NAMED = 8


@dataclass(frozen=True)
class FieldModel:
    """One field as the model service describes it; its texts come from outside."""

    type: str
    words: tuple[str, ...] = ()
    """The words it admits; none: any."""
    is_writable: bool = True


def fields_of(model: Any, before: str = "") -> Iterator[tuple[str, FieldModel]]:
    """Every field of a model by the name that queries know it by, groups and related objects included."""
    if not isinstance(model, Mapping):
        return
    for name, told in _entries(model.get("fields")):
        words = told.get("enum")
        yield (
            f"{before}{name}",
            FieldModel(
                str(told.get("format") or told.get("type") or ""),
                tuple(map(str, words)) if isinstance(words, list) else (),
                told.get("readOnly") is not True and told.get("mutable") is not False,
            ),
        )
    for part in ("groups", "refs"):
        for name, inner in _entries(model.get(part)):
            yield from fields_of(inner, f"{before}{name}.")


def _entries(found: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a part of the model holds; where there is nothing, the service sends an empty list."""
    if isinstance(found, Mapping):
        yield from ((str(name), told) for name, told in found.items() if isinstance(told, Mapping))


def no_fields() -> Probe:
    """The model service answered, and described nothing."""
    advice = say("Check base_url; until the fields can be listed, look at the rows themselves.")
    return Probe(say("fields"), say("the model service lists none"), is_ok=False, advice=advice)


def health_probe(setting: str, name: str, model: Mapping[str, FieldModel]) -> Probe:
    """Whether a field of health exists, and of what kind it is."""
    subject, told = say("field {field}", field=name), model.get(name)
    if told is None:
        alike = [code(field, _CHARACTERS) for field in model if any(hint in field.lower() for hint in _HINTS)]
        advice = (
            say(
                "Correct {setting}; among the customer's fields are {fields}.",
                setting=f"`{setting}`",
                fields=", ".join(alike[:_NAMED]),
            )
            if alike
            else say("Correct {setting}, or take it away if this company has no such field.", setting=f"`{setting}`")
        )
        return Probe(subject, say("a customer has no such field"), is_ok=False, advice=advice)
    finding = _described(told)
    if setting == "health_score_field" and not told.type.startswith(_NUMBERS):
        advice = say(
            "It is no number, so its values may be rejected; name a numeric field in {setting}.", setting=f"`{setting}`"
        )
        return Probe(subject, finding, is_ok=False, advice=advice)
    return Probe(subject, finding)


def _described(told: FieldModel) -> str:
    kind = code(told.type, _CHARACTERS)
    if told.words:
        words = ", ".join(code(word, _CHARACTERS) for word in told.words)
        return (
            say("{kind}, one of {words}", kind=kind, words=words)
            if told.is_writable
            else say("{kind}, one of {words}, read-only", kind=kind, words=words)
        )
    return kind if told.is_writable else say("{kind}, read-only", kind=kind)


def other_probe(name: str, model: Mapping[str, FieldModel], *, is_refused: bool) -> Probe:
    """Whether another field can be asked for; those of related objects need not stand in the model."""
    subject = say("field {field}", field=name)
    if is_refused:
        advice = say("Correct account_key or domain_fields, or take the field out of them.")
        return Probe(subject, say("queries may not name it"), is_ok=False, advice=advice)
    return Probe(subject, _described(model[name]) if name in model else say("queries may name it"))
