"""Fields: how a company's fields hold a health, checked against its model before anything is written."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from account_health.errors import ConfigurationError
from account_health.language import mark, say, together, word
from account_health.markup import code
from account_health.publish.health import INTACCT, Health
from account_health.publish.spelling import folded, statuses_read, truths_read
from account_health.publish.target_settings import FIELDS

if TYPE_CHECKING:
    from account_health.connectors.intacct.fields import FieldModel
    from account_health.policy import Policy
    from account_health.publish.target_settings import IntacctSettings

_NEAREST = 5
_HINTS = ("health", "churn", "risk")
_CHARACTERS = 60
_WORDS = 12
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Field:
    """One field of the company: what of a health it holds, and how."""

    name: str
    part: str
    """The attribute of a `Health`."""
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    """What a value of the field means; None for one that means nothing to us."""


@dataclass(frozen=True)
class Fields:
    """The fields of a company that hold a health."""

    known: tuple[Field, ...]

    @property
    def names(self) -> list[str]:
        """As queries name them."""
        return [field.name for field in self.known]

    def health(self, record: Mapping[str, Any]) -> Health:
        """What a customer's record says."""
        return Health(**{field.part: field.read(record.get(field.name)) for field in self.known})

    def wanted(self, health: Health) -> Health:
        """What would stand there: nothing where the company has no field for it."""
        return Health(**{field.part: getattr(health, field.part) for field in self.known})

    def changes(self, before: Health, after: Health) -> dict[str, Any]:
        """The values to write, by the names of the fields; only those that differ."""
        return {
            field.name: field.write(getattr(after, field.part))
            for field in self.known
            if getattr(before, field.part) != getattr(after, field.part)
        }


def fields_checked(model: Mapping[str, FieldModel], settings: IntacctSettings, policy: Policy) -> Fields:
    """The configured fields as the model has them; raises ConfigurationError naming each that cannot be written."""
    parts = dict(zip(FIELDS, (("score", _score), ("status", _status), ("churn_risk", _churn)), strict=True))
    found, problems = [], []
    for setting, name in settings.fields.items():
        part, made = parts[setting]
        told = model.get(name)
        if told is None:
            problems.append(_unknown(setting, name, model))
        elif not told.is_writable:
            text = mark("{field} cannot be written; name another one in {setting}, or empty it.")
            problems.append(say(text, field=code(name, _CHARACTERS), setting=f"`{setting}`"))
        else:
            field = made(name, part, told, settings, policy)
            found.append(field) if isinstance(field, Field) else problems.append(field)
    if not settings.fields:
        problems.append(say("No field is named."))
    if problems:
        raise ConfigurationError(
            say(
                "Nothing was written: the fields of [publish.intacct] do not fit. {problems}",
                problems=together(*problems),
            ),
            say("`account-health publish --to intacct` without --apply shows whether they do."),
        )
    return Fields(tuple(found))


def _unknown(setting: str, name: str, model: Mapping[str, FieldModel]) -> str:
    """The fields whose names come nearest, and those that sound like health."""
    likely = [field for field in model if any(hint in field.lower() for hint in _HINTS)]
    near = difflib.get_close_matches(name.lower(), [field.lower() for field in model], n=_NEAREST, cutoff=0.6)
    nearest = [field for field in model if field.lower() in near]
    named = ", ".join(code(field, _CHARACTERS) for field in [*dict.fromkeys([*nearest, *likely])][:_NEAREST])
    if not named:
        text = mark("A customer has no field {field}; correct {setting}.")
        return say(text, field=code(name, _CHARACTERS), setting=f"`{setting}`")
    text = mark("A customer has no field {field}; correct {setting}. Nearest: {fields}.")
    return say(text, field=code(name, _CHARACTERS), setting=f"`{setting}`", fields=named)


def _score(name: str, part: str, told: FieldModel, settings: IntacctSettings, policy: Policy) -> Field | str:  # noqa: ARG001 - one of three
    if told.type.startswith(("integer", "number")):
        return Field(name, part, int, _whole)
    if told.type.startswith("decimal"):  # which travels as text
        return Field(name, part, str, _whole)
    text = mark("{field} is of the type {type} and no number; correct {setting}.")
    return say(text, field=code(name, _CHARACTERS), type=code(told.type, _CHARACTERS), setting=f"`{FIELDS[0]}`")


def _status(name: str, part: str, told: FieldModel, settings: IntacctSettings, policy: Policy) -> Field | str:
    words = [known.word for known in policy.vocabularies[INTACCT].words]
    if unknown := [code(each, _CHARACTERS) for each in settings.status_words if each not in words]:
        text = mark("{setting} speaks of {unknown}, which is no status. Statuses: {words}.")
        return say(text, setting="`status_words`", unknown=", ".join(unknown), words=", ".join(words))
    spelled = dict(_recognised(told.words, policy)) if told.words else {each: word(INTACCT, each) for each in words}
    spelled |= settings.status_words
    wrong = [each for each in words if each not in spelled or (told.words and spelled[each] not in told.words)]
    if wrong:
        text = mark("{field} has only the words {words} and none for {missing}; set {setting}, or correct {other}.")
        return say(
            text,
            field=code(name, _CHARACTERS),
            words=", ".join(code(each, _CHARACTERS) for each in told.words[:_WORDS]),
            missing=", ".join(wrong),
            setting="`status_words`",
            other=f"`{FIELDS[1]}`",
        )
    if len({*spelled.values()}) < len(spelled):
        return say(
            "{setting} has one word for several statuses, so they could not be told apart.", setting="`status_words`"
        )
    if told.type != "string":
        text = mark("{field} is of the type {type} and no text; correct {setting}.")
        return say(text, field=code(name, _CHARACTERS), type=code(told.type, _CHARACTERS), setting=f"`{FIELDS[1]}`")
    meant = {value: each for each, value in spelled.items()}
    return Field(name, part, spelled.__getitem__, lambda value: meant.get(str(value)))


def _recognised(words: tuple[str, ...], policy: Policy) -> Iterator[tuple[str, str]]:
    """The vocabulary's words with the field's, which may be spelled otherwise or in another language."""
    read = statuses_read(policy)
    for each in words:
        if folded(each) in read:
            yield read[folded(each)], each


def _churn(name: str, part: str, told: FieldModel, settings: IntacctSettings, policy: Policy) -> Field | str:  # noqa: ARG001 - one of three
    if told.type == "boolean":
        return Field(name, part, bool, _truth)
    read = truths_read()
    known = {each: read[folded(each)] for each in told.words if folded(each) in read}
    spelled = {value: each for each, value in known.items()}
    if len(spelled) == len((True, False)):
        return Field(
            name, part, spelled.__getitem__, lambda value: known.get(value) if isinstance(value, str) else None
        )
    text = mark("{field} is of the type {type} and cannot say true or false; correct {setting}.")
    return say(text, field=code(name, _CHARACTERS), type=code(told.type, _CHARACTERS), setting=f"`{FIELDS[2]}`")


def _truth(value: Any) -> bool | None:
    """True or false, also where it comes as text; anything else is neither."""
    return _TRUTHS.get(str(value).lower())


def _whole(value: Any) -> int | None:
    """The score as a whole number; one that is none differs from all of ours."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number.is_integer() else None
