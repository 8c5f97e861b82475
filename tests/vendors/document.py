"""A vendor's API as its document tells it, and stricter than its mock server: no writes, no unknown fields or names."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Document = dict[str, Any]
ASKING = ("/search", "/batch/read")
"""How the path of a POST ends that reads."""


@dataclass(frozen=True)
class Operation:
    """One thing the vendor can be asked, and by which names its query may be refined."""

    verb: str
    route: re.Pattern[str]
    names: frozenset[str]


def strict(document: Document) -> Document:
    """The document without writes, and with request bodies that hold declared fields only."""
    paths = {path: _reads(path, item) for path, item in document["paths"].items()}
    components = dict(document["components"])
    schemas = components.get("schemas", {})
    sent = set(
        _reachable([operation.get("requestBody") for item in paths.values() for operation in item.values()], schemas)
    )
    components["schemas"] = {name: _closed(schema) if name in sent else schema for name, schema in schemas.items()}
    return {**document, "paths": {path: item for path, item in paths.items() if item}, "components": components}


def operations(document: Document) -> tuple[Operation, ...]:
    """What can be asked; a path with fewer blanks goes first, so that `search` is no customer's id."""
    return tuple(
        Operation(verb.upper(), _route(path), frozenset(_names(operation.get("parameters", ()))))
        for path, item in sorted(document["paths"].items(), key=lambda entry: entry[0].count("{"))
        for verb, operation in item.items()
    )


def undeclared(asked: Iterable[Operation], verb: str, path: str, names: Iterable[str]) -> list[str]:
    """Query names that the operation does not have; the mock server passes them in silence, the vendor need not."""
    for operation in asked:
        if operation.verb == verb and operation.route.fullmatch(path):
            return sorted(set(names) - operation.names)
    return []


def _reads(path: str, item: Mapping[str, Any]) -> dict[str, Any]:
    return {verb: item[verb] for verb in item if verb == "get" or (verb == "post" and path.endswith(ASKING))}


def _reachable(part: Any, schemas: Mapping[str, Any]) -> Iterator[str]:
    """Names of the schemas that a part of the document leads to."""
    seen: set[str] = set()
    parts = [part]
    while parts:
        named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(parts.pop()))) - seen
        seen |= named
        parts += [schemas[name] for name in named]
    return iter(seen)


def _closed(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**schema, "additionalProperties": False} if "properties" in schema else schema


def _route(path: str) -> re.Pattern[str]:
    return re.compile(
        "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"({\w+})", path))
    )


def _names(parameters: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Every name a query may use: an object's `created` is also asked as `created[gte]`, a list only as `types[]`."""
    for parameter in parameters:
        name, schema = parameter["name"], parameter["schema"]
        in_brackets = parameter.get("style") == "deepObject"
        if in_brackets and schema.get("type") == "array":
            yield f"{name}[]"
            continue
        yield name
        if in_brackets:
            yield from (
                f"{name}[{key}]" for choice in schema.get("anyOf", [schema]) for key in choice.get("properties", ())
            )
