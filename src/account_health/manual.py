"""Manual: REFERENCE.md, gathered from the code that does what it says. The layout is all in its template."""

from __future__ import annotations

import builtins
import inspect
import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_origin

import anyio
import typer
from pydantic import BaseModel, SecretStr

from account_health import config, errors
from account_health.cli import EXIT_CODES, app
from account_health.connectors.base import Context
from account_health.connectors.live import LiveSettings
from account_health.connectors.registry import available, load
from account_health.errors import AccountHealthError
from account_health.language import languages, say, speaking
from account_health.model import STATE_MEANINGS, Source, State
from account_health.policy import load_policy
from account_health.publish.settings import IntacctCsvSettings
from account_health.publish.target_settings import IntacctSettings
from account_health.published import Published
from account_health.recording import RecordedRun
from account_health.reference import methodology
from account_health.render import render
from account_health.server import create_server
from account_health.server.figures import figures
from account_health.server.prompts import prompts
from account_health.server.strict import LANGUAGE, StrictTool
from account_health.server.tools import tools
from account_health.settings_form import example_settings
from account_health.tables import TABLES, Row, allowed_words, columns
from account_health.testing.costs import tool_costs
from account_health.testing.serving import DEMO_DAY
from account_health.wording import lower_first, source_name
from account_health.workspace import open_database

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from account_health.connectors.base import Connector

NAME = "account-health"
REQUIRED = "required"
LABELS = (
    "Health: {name}",
    "Risk Flags",
    "Could not be checked:",
    "Score:",
    "Factors",
    "Positive:",
    "Negative:",
    "Missing data:",
    "Inputs Used",
)
"""The headings and labels of the summary, which readers and tests look for."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_KINDS: dict[Any, str] = {
    Any: "any value", bool: "boolean", date: "day", datetime: "instant", float: "number", int: "whole number",
    SecretStr: 'secret: `{ env = "NAME" }` or `{ file = "PATH" }`', State: "[state](#states)", str: "text",
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """A thing a reader writes or reads: a column, a setting, an argument, an option, a field of an answer."""

    name: str
    kind: str
    default: str
    meaning: str


def manual() -> str:
    """REFERENCE.md: every table, state, metric, flag, tool, prompt, answer, command, setting and error there is."""
    served, connectors, live = tools("confirm", publishes=True), _connectors(), tuple(items(LiveSettings))
    roots = [*(tool.fn_metadata.output_model for tool in served), RecordedRun]
    return render(
        "reference.md.j2",
        categories=list(_categories(connectors)),
        common=_columns("account")[: len(Row.model_fields)],
        tables=[(row, _columns(table)[len(Row.model_fields) :]) for table, row in TABLES.items()],
        states=STATE_MEANINGS,
        methodology=methodology(load_policy()),
        tools=[(tool, [*items(tool.fn_metadata.arg_model), _language_of(tool)]) for tool in served],
        costs=anyio.run(tool_costs),
        demo_day=DEMO_DAY,
        serving=figures(),
        resources=_resources(),
        prompts=prompts(),
        answers=_answers([root for root in roots if root]),
        commands=list(_commands(typer.main.get_command(app), NAME)),
        exit_codes=sorted((code, inspect.getdoc(kind)) for kind, code in EXIT_CODES.items()),
        config=config,
        settings=list(items(config.ConfigFile, nested=True)),
        live_settings=list(live),
        connectors=[(c, [i for i in items(c.settings_model, nested=True) if i not in live]) for c in connectors],
        targets=[(model, list(items(model))) for model in (IntacctSettings, IntacctCsvSettings)],
        languages=languages(),
        labels=_labels(),
        errors=list(_errors()),
        doc=inspect.getdoc,
    )


def _language_of(tool: StrictTool) -> Item:
    """The argument that every tool has beside those of its function."""
    described = tool.parameters["properties"][LANGUAGE]
    return Item(
        LANGUAGE, f"{_KINDS[str]}, at most {described['maxLength']} characters", '`""`', described["description"]
    )


def _labels() -> list[list[str]]:
    """The headings and labels of the summary, a row each, a column for each language."""
    rows = []
    for label in LABELS:
        row = []
        for code in languages():
            with speaking(code):
                row.append(say(label).replace("{name}", "…"))
        rows.append(row)
    return rows


def items(model: type[BaseModel], prefix: str = "", *, nested: bool = False) -> Iterator[Item]:
    """The fields of a model in declaration order; with `nested`, tables inside follow as `name.field`.

    Tables that an operator names follow as `name.NAME.field`.
    """
    for attribute, field in model.model_fields.items():
        name = field.serialization_alias or attribute
        yield Item(f"{prefix}{name}", _limited(field), _default(field), field.description or "")
        is_named = get_origin(field.annotation) is not None
        for inner in _models(field.annotation) if nested else ():
            yield from items(inner, f"{prefix}{name}.{'NAME.' if is_named else ''}", nested=True)


def kind_of(annotation: Any) -> str:
    """A type in plain words, alternatives separated by commas."""
    parts = [part for part in get_args(annotation) if part is not NoneType]
    match get_origin(annotation):
        case None:
            return _KINDS.get(annotation) or _kind_of_class(annotation)
        case typing.Annotated:
            return kind_of(parts[0])
        case typing.Literal:
            return ", ".join(f"`{word}`" for word in parts if word)
        case builtins.dict:
            return f"{{name: {kind_of(parts[1])}}}"
        case builtins.tuple | builtins.list | builtins.set | builtins.frozenset:
            return f"list of {kind_of(parts[0])}"
        case _:
            return ", ".join(filter(None, map(kind_of, parts)))


def _kind_of_class(kind: type) -> str:
    if issubclass(kind, StrEnum):
        return ", ".join(f"`{word}`" for word in kind)
    return f"[{kind.__name__}](#{kind.__name__.lower()})" if issubclass(kind, Published) else "table"


def _limited(field: FieldInfo) -> str:
    """The kind of a field with the limits it is held to."""
    kind, low, high = kind_of(field.annotation), _limit(field, "ge"), _limit(field, "le")
    longest = _limit(field, "max_length")
    if low is not None and high is not None:
        return f"{kind}, {low} to {high}"
    return f"{kind}, at most {longest} characters" if longest else kind


def _limit(field: FieldInfo, name: str) -> Any:
    return next((getattr(limit, name) for limit in field.metadata if hasattr(limit, name)), None)


def _default(field: FieldInfo) -> str:
    """`required`, the default as JSON, or nothing when there is none."""
    if field.is_required():
        return REQUIRED
    default = field.get_default(call_default_factory=True)
    return "" if default is None or isinstance(default, BaseModel) else f"`{json.dumps(default, default=_plain)}`"


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _columns(table: str) -> list[Item]:
    """The columns of a table, those that all tables share first."""
    found = []
    for name, kind in columns(table).items():
        field = TABLES[table].model_fields[name]
        words = ", ".join(f"`{word}`" for word in allowed_words(table, name))
        found.append(Item(name, kind, _default(field), f"{field.description}{f': {words}' if words else ''}"))
    return found


def _connectors() -> list[Connector]:
    """The connectors that come with this package, each with nothing but its defaults; building one reads nothing."""
    context = Context(Path(), open_database(), lambda: _NEVER)
    kinds = [load(kind) for kind, distribution in available().items() if distribution == NAME]
    return [kind(kind.kind, example_settings(kind.settings_model), context) for kind in kinds]


def _categories(connectors: Sequence[Connector]) -> Iterator[tuple[str, Source, list[str], list[str]]]:
    """Placeholder, category, tables and connectors of each source."""
    for source in Source:
        tables = [table for table, row in TABLES.items() if row.category is source]
        serving = [connector.kind for connector in connectors if source in connector.provides().values()]
        yield f"~~{lower_first(source_name(source))}~~", source, tables, serving


def _answers(roots: Sequence[type[BaseModel]]) -> list[tuple[type[BaseModel], list[tuple[Item, str]]]]:
    """Each part of the answers, its fields, and when each of them is there."""
    left_out = {found for root in roots for found in _left_out(root, getattr(root, "beside_the_point", {}))}

    def presence(part: type[BaseModel], field: Item) -> str:
        if (part, field.name) in left_out:
            return "detailed only" if field.default else "detailed only, when it applies"
        return "always" if field.default else "when it applies"

    return [(part, [(field, presence(part, field)) for field in items(part)]) for part in _parts(roots)]


def _left_out(model: type[BaseModel], excluded: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """Part and field of all that a concise answer does without; `excluded` is as pydantic takes it."""
    for name in excluded:
        field = model.model_fields[name]
        if not isinstance(excluded, Mapping) or excluded[name] is True:
            yield model, field.serialization_alias or name
        else:
            for part in _models(field.annotation):
                yield from _left_out(part, excluded[name]["__all__"])


def _parts(roots: Sequence[type[BaseModel]]) -> list[type[BaseModel]]:
    """The answers and every part of them, each once, a part after what it is first used in."""
    found: dict[type[BaseModel], None] = {}
    for root in roots:
        if root not in found:
            found[root] = None
            inner = [model for field in root.model_fields.values() for model in _models(field.annotation)]
            found |= dict.fromkeys(_parts(inner))
    return list(found)


def _resources() -> list[tuple[str, str]]:
    """Address and description of each resource of the server."""
    server = create_server(lambda: config.DEMO, lambda: _NEVER)
    fixed = [(found.uri, found.description or "") for found in anyio.run(server.list_resources)]
    return fixed + [
        (found.uri_template, found.description or "") for found in anyio.run(server.list_resource_templates)
    ]


def _commands(command: Any, path: str) -> Iterator[tuple[str, str, list[Item]]]:
    """Every command with its arguments and options; read from the parser, so no terminal's width can break a line."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _commands(inner, f"{path} {name}")
        return
    yield path, command.help, [_option(option) for option in command.params]


def _option(option: Any) -> Item:
    name = option.opts[0] if option.param_type_name == "option" else option.name.upper()
    is_shown = isinstance(option.default, str | Path) or type(option.default) is int
    default = f"`{option.default}`" if is_shown and option.default != "" else ""
    return Item(name, "", REQUIRED if option.required else default, option.help)


def _errors() -> Iterator[tuple[str, str, str, int | None]]:
    """Name, parent, meaning and exit code of each error, in the order of the tree."""
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, AccountHealthError):
            code = next((code for family, code in EXIT_CODES.items() if issubclass(kind, family)), None)
            yield kind.__name__, kind.__bases__[0].__name__, inspect.getdoc(kind) or "", code
