"""Strict tools: unknown arguments are refused, schemas carry no noise, and every error is short and tells what to do.

The one place where errors of ours become text for a model. Text of unexpected errors, of other systems, and the
caller's own values never pass; see notes in `Tool.run` of the SDK for what it does with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, InputRequiredResult
from pydantic import ValidationError

from account_health.borrowed import borrowed
from account_health.errors import AccountHealthError, AmbiguousAccount, CallerError
from account_health.language import Language, UnknownLanguage, count, language, languages, say, speaking
from account_health.markup import visible
from account_health.progress import heard_by
from account_health.server.elicitation import ACCOUNT, pick_account
from account_health.server.limits import within_limits

if TYPE_CHECKING:
    from account_health.server.desk import Desk

LANGUAGE = "language"
_FAULTS_SHOWN = 5
_PLACE_CHARACTERS = 80


def untitled(node: Any, *, names_properties: bool = False) -> Any:
    """A JSON schema without generated titles and without nullable unions: what does not apply is absent, never null."""
    if isinstance(node, list):
        return [untitled(item) for item in node]
    if not isinstance(node, dict):
        return node
    options = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if not names_properties and len(options) == 1:
        node = {key: value for key, value in node.items() if key not in ("anyOf", "default")} | options[0]
    return {
        key: untitled(value, names_properties=key in ("properties", "$defs"))
        for key, value in node.items()
        if names_properties or not (key == "title" and isinstance(value, str))
    }


def _brief(schema: dict[str, Any]) -> dict[str, Any]:
    """An output schema without prose and without what readers infer, which every listing would pay for."""
    models = [schema, *schema.get("$defs", {}).values()]
    fields = [field for model in models for field in model.get("properties", {}).values()]
    for described in (*models, *fields):
        for noise in ("description", "additionalProperties", "default"):
            if noise in described and not isinstance(described[noise], dict):
                del described[noise]
    return schema


def _outlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema to one level: parts that are objects themselves are called objects; REFERENCE.md describes them."""
    parts = schema.pop("$defs", {})

    def outlined(node: Any) -> Any:
        if isinstance(node, list):
            return [outlined(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            part = parts[node["$ref"].removeprefix("#/$defs/")]
            return {"type": "object"} if part.get("type") == "object" else dict(part)
        return {key: outlined(value) for key, value in node.items()}

    return dict(outlined(schema))


def _briefly(schema: dict[str, Any]) -> dict[str, Any]:
    """An input schema with the argument that every tool has, and without defaults that say no more than `empty`."""
    fields = schema.setdefault("properties", {})
    for field in fields.values():
        if field.get("default") == "":
            del field["default"]
    fields[LANGUAGE] = {
        "description": "Language to answer in, e.g. 'fr'",
        "maxLength": 20,
        "type": "string",
    }
    return schema


class StrictTool(Tool):
    """A tool that says no clearly, in the language it is asked in."""

    @classmethod
    def from_function(cls, fn: Callable[..., Any], *, whole: bool = False, **options: Any) -> StrictTool:  # type: ignore[override] # options pass through
        """The tool of a function: its docstring is the description, its argument names are the only ones allowed.

        Its answer is described to one level, or with `whole` down to the last field: lists of tools are paid for.
        """
        tool = super().from_function(fn, **options)
        tool.description = cleandoc(tool.description)
        model = tool.fn_metadata.arg_model
        model.model_config["extra"] = "forbid"
        model.model_rebuild(force=True)
        tool.parameters = _briefly(untitled(model.model_json_schema(by_alias=True)))
        if tool.fn_metadata.output_schema:
            schema = _brief(untitled(tool.fn_metadata.output_schema))
            tool.fn_metadata.output_schema = schema if whole else _outlined(schema)
        return tool  # type: ignore[return-value] # super builds `cls`

    async def run(self, arguments: dict[str, Any], context: Any, convert_result: bool = False) -> Any:
        """Runs the tool in the asked language, or in that of the configuration.

        Raises ToolError with our own text for whatever the caller or operator can mend.
        """
        desk: Desk = context.request_context.lifespan_context
        with speaking(desk.language()):
            asked = {name: value for name, value in arguments.items() if name != LANGUAGE}
            with speaking(self._language(arguments.get(LANGUAGE, ""))), heard_by(context.report_progress):
                try:
                    result = await self._answer(asked, context, convert_result)
                    return within_limits(result) if isinstance(result, CallToolResult) else result
                except ToolError as err:
                    raise self._told(err) from err.__cause__
                except CallerError as err:
                    raise ToolError(err.sentence) from err

    async def _answer(self, arguments: dict[str, Any], context: Any, convert_result: bool) -> Any:
        """The answer; where several accounts fit, a person is asked which one is meant.

        Raises AmbiguousAccount where nobody picked one. A tool that asks before it writes asks nothing else: whoever
        writes names the account.
        """
        try:
            return await super().run(arguments, context, convert_result)
        except ToolError as err:
            if self.resolved_params or not isinstance(err.__cause__, AmbiguousAccount):
                raise
            picked = await pick_account(context, err.__cause__)
        if isinstance(picked, InputRequiredResult):
            return picked
        return await super().run(arguments | {ACCOUNT: picked}, context, convert_result)

    def _language(self, code: Any) -> str | Language:
        try:
            return "" if code == "" else language(code)
        except (UnknownLanguage, AttributeError, TypeError) as err:  # whatever it is, it is no code
            known = ", ".join(languages())
            note = say("there is no such language; there is {languages}", languages=known)
            raise ToolError(self._invalid(["- " + say("{name}: {note}", name=LANGUAGE, note=note)])) from err

    def _told(self, error: ToolError) -> ToolError:
        """The error as the reader may have it, in the language that is spoken."""
        cause = error.__cause__
        if isinstance(cause, AccountHealthError):
            return ToolError(cause.sentence)
        if isinstance(cause, ValidationError) and not isinstance(error, UnexpectedToolError):
            return ToolError(self._refusal(cause))
        return error

    def _refusal(self, error: ValidationError) -> str:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        lines = []
        for fault in faults[:_FAULTS_SHOWN]:
            place = visible(".".join(str(part) for part in fault["loc"]) or say("arguments"), _PLACE_CHARACTERS)
            note = say("unknown argument") if fault["type"] == "extra_forbidden" else borrowed(fault["msg"])
            lines.append("- " + say("{name}: {note}", name=place, note=note))
        if len(faults) > _FAULTS_SHOWN:
            lines.append("- " + count("and {n} more", "and {n} more", len(faults) - _FAULTS_SHOWN))
        return self._invalid(lines)

    def _invalid(self, faults: Sequence[str]) -> str:
        known = ", ".join(self.parameters["properties"])
        return say("Invalid arguments:\n{faults}\nKnown arguments: {known}.", faults="\n".join(faults), known=known)
