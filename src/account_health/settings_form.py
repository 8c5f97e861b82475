"""Settings form: the section of a connector in account-health.toml, with every setting it has, made from its model."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

from account_health.connectors.live import LiveSettings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from account_health.connectors.base import Settings

_WIDTH = 116


def form(kind: str, connector: Any) -> str:
    """A commented TOML section: settings to fill in, every other one in a comment with its default.

    To fill in are the required ones and those whose model gives an example, e.g. one of several ways to authenticate.
    """
    about = (inspect.getdoc(connector) or kind).splitlines()[0]
    lines = [f"# {connector.system}: {about}", f"[sources.{kind}]", f'connector = "{kind}"']
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
        value = '"..."' if default is None or isinstance(default, BaseModel) else _toml(default)
    yield f"{'' if to_fill_in(field) else '# '}{name} = {value}"


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _example(name: str, field: FieldInfo) -> Any:
    return field.examples[0] if field.examples else name


def _toml(value: Any) -> str:
    """The value as TOML writes it; text is quoted as in JSON, which TOML understands."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{json.dumps(str(k))} = {_toml(v)}' for k, v in value.items())} }}" if value else "{}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, date | datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)
