"""Settings form: the section of a connector in account-health.toml, with every setting it has, made from its model."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from account_health.connectors.live import LiveSettings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from account_health.connectors.base import Settings

_WIDTH = 116
_FITTING: dict[Any, Any] = {
    bool: True, date: date(2026, 1, 1), datetime: datetime(2026, 1, 1, tzinfo=UTC), float: 5, int: 5,
    frozenset: [], list: [], set: [], tuple: [],
}  # fmt: skip


def form(kind: str, connector: Any) -> str:
    """A commented TOML section: settings to fill in, every other one in a comment with its default.

    To fill in are the required ones and those whose model gives an example, e.g. one of several ways to authenticate.
    """
    about = (inspect.getdoc(connector) or kind).splitlines()[0]
    lines = [f"# {getattr(connector, 'system', kind)}: {about}", f"[sources.{kind}]", f'connector = "{kind}"']
    fields = connector.settings_model.model_fields
    ordered = sorted(fields.items(), key=lambda item: (not to_fill_in(item[1]), item[0] in LiveSettings.model_fields))
    for name, field in ordered:
        lines += _field(kind, name, field)
    return "\n".join(lines) + "\n"


def to_fill_in(field: FieldInfo) -> bool:
    """Whether nobody can start without thinking about this setting."""
    return field.is_required() or bool(field.examples)


def example_settings(model: type[Settings]) -> Settings:
    """Settings with an example in place of everything that is to be filled in; what they describe need not exist."""
    values = {
        name: SecretStr("example") if _is_secret(field) else _example(name, field)
        for name, field in model.model_fields.items()
        if to_fill_in(field)
    }
    return model.model_validate(values)


def _field(kind: str, name: str, field: FieldInfo) -> Iterator[str]:
    yield from textwrap.wrap(f"{name}: {field.description}", _WIDTH, initial_indent="# ", subsequent_indent="#   ")
    variable = f"{kind}_{name}".upper().replace("-", "_")
    if _is_secret(field):
        value = f'{{ env = "{variable}" }}'
    elif to_fill_in(field):
        value = _toml(_example(name, field))
    else:
        default = field.get_default(call_default_factory=True)
        is_open = default is None or isinstance(default, BaseModel)
        value = _toml(_fitting(field.annotation) if is_open else default)
    yield f"{'' if to_fill_in(field) else '# '}{name} = {value}"


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _example(name: str, field: FieldInfo) -> Any:
    return field.examples[0] if field.examples else name


def _fitting(annotation: Any) -> Any:
    """A value of this type, to show how one is written where there is no default."""
    inner = next((part for part in get_args(annotation) if part is not NoneType), None)
    kind = get_origin(annotation) or annotation
    if kind is Literal:
        return inner
    if kind in (Annotated, Union, UnionType):
        return _fitting(inner)
    if isinstance(kind, type) and issubclass(kind, Mapping | BaseModel):
        return {}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return next(iter(kind))
    return _FITTING.get(kind, "...")


def _toml(value: Any) -> str:
    """The value as TOML writes it; text is quoted as in JSON, which TOML understands."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{json.dumps(str(k))} = {_toml(v)}' for k, v in value.items())} }}" if value else "{}"
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return f"[{', '.join(_toml(item) for item in items)}]"
    if isinstance(value, date | datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=str)
