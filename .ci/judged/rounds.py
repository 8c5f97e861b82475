"""Fixtures of 2026-07-28: a question as the answer, in one round or more, and lists that change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp import MCPError
from mcp.server.mcpserver import Context, UserMessage
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)

from account_health.server.desk import Desk  # noqa: TC001 - the SDK reads annotations when it builds a tool

if TYPE_CHECKING:
    from mcp.server import MCPServer

NAME = {"name": {"type": "string"}}


def form(message: str, **fields: dict[str, Any]) -> ElicitRequest:
    """A question to a person with these fields, all required."""
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sample(text: str, tokens: int) -> CreateMessageRequest:
    asked = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[asked], max_tokens=tokens))


def filled(ctx: Context[Desk], key: str) -> dict[str, Any] | None:
    """What a person filled in; None if nobody did."""
    answer = (ctx.input_responses or {}).get(key)
    return dict(answer.content) if isinstance(answer, ElicitResult) and answer.content else None


async def test_missing_capability(ctx: Context[Desk]) -> str:
    """Refuses a client without sampling."""
    if not (ctx.client_capabilities and ctx.client_capabilities.sampling is not None):
        needs: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(code=MISSING_REQUIRED_CLIENT_CAPABILITY, message="Sampling is required", data=needs)
    return "ok"


async def test_input_required_result_elicitation(ctx: Context[Desk]) -> str | InputRequiredResult:
    """Asks a person for a name."""
    if answer := filled(ctx, "user_name"):
        return f"Hello, {answer.get('name')}!"
    return InputRequiredResult(input_requests={"user_name": form("What is your name?", **NAME)})


async def test_input_required_result_sampling(ctx: Context[Desk]) -> str | InputRequiredResult:
    """Asks the client's model."""
    answer = (ctx.input_responses or {}).get("capital_question")
    if isinstance(answer, CreateMessageResult):
        return f"Model said: {answer.content.text if isinstance(answer.content, TextContent) else answer.content}"
    return InputRequiredResult(input_requests={"capital_question": _sample("What is the capital of France?", 100)})


async def test_input_required_result_list_roots(ctx: Context[Desk]) -> str | InputRequiredResult:
    """Asks for the client's folders."""
    answer = (ctx.input_responses or {}).get("client_roots")
    if isinstance(answer, ListRootsResult):
        return f"Roots: {[str(root.uri) for root in answer.roots]}"
    return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})


async def test_input_required_result_request_state(ctx: Context[Desk]) -> str | InputRequiredResult:
    """Wants its state back with the answer."""
    if filled(ctx, "confirm") and ctx.request_state == "asked":
        return "state-ok"
    question = form("Please confirm", ok={"type": "boolean"})
    return InputRequiredResult(input_requests={"confirm": question}, request_state="asked")


async def test_input_required_result_multiple_inputs(ctx: Context[Desk]) -> str | InputRequiredResult:
    """Asks a person, the model and for folders at once."""
    wanted: dict[str, Any] = {
        "user_name": form("What is your name?", **NAME),
        "greeting": _sample("Generate a greeting", 50),
        "client_roots": ListRootsRequest(),
    }
    if wanted.keys() <= (ctx.input_responses or {}).keys():
        return "all inputs received"
    return InputRequiredResult(input_requests=wanted, request_state="asked")


async def test_input_required_result_multi_round(ctx: Context[Desk]) -> str | InputRequiredResult:
    """Asks twice, one question after the other."""
    if filled(ctx, "step2") and ctx.request_state == "second":
        return "done"
    if filled(ctx, "step1") and ctx.request_state == "first":
        question = form("Step 2: What is your favorite color?", color={"type": "string"})
        return InputRequiredResult(input_requests={"step2": question}, request_state="second")
    question = form("Step 1: What is your name?", **NAME)
    return InputRequiredResult(input_requests={"step1": question}, request_state="first")


async def test_input_required_result_tampered_state(ctx: Context[Desk]) -> str | InputRequiredResult:
    """Answers only to the state that it gave."""
    if ctx.request_state == "sealed":
        return "state-ok"
    question = form("Please confirm", ok={"type": "boolean"})
    return InputRequiredResult(input_requests={"confirm": question}, request_state="sealed")


async def test_input_required_result_capabilities(ctx: Context[Desk]) -> InputRequiredResult:
    """Asks only what the client can answer."""
    capabilities = ctx.client_capabilities
    questions: dict[str, Any] = {}
    if capabilities and capabilities.sampling is not None:
        questions["sample"] = _sample("Say hello", 50)
    if capabilities and capabilities.elicitation is not None:
        questions["ask"] = form("What is your name?", **NAME)
    return InputRequiredResult(input_requests=questions, request_state="asked")


async def test_input_required_result_prompt(ctx: Context[Desk]) -> list[UserMessage] | InputRequiredResult:
    """A prompt that asks a person first."""
    if answer := filled(ctx, "user_context"):
        return [UserMessage(f"Context: {answer.get('context')}")]
    question = form("What context should the prompt use?", context={"type": "string"})
    return InputRequiredResult(input_requests={"user_context": question})


async def test_trigger_prompt_change(ctx: Context[Desk]) -> str:
    """Tells who listens that the prompts changed."""
    await ctx.notify_prompts_changed()
    return "ok"


def add_rounds(server: MCPServer[Desk]) -> None:
    """Adds the tools and the prompt of this module."""

    async def test_trigger_tool_change(ctx: Context[Desk]) -> str:
        """Adds a tool, takes it away again, and tells who listens."""
        server.add_tool(test_trigger_prompt_change, name="test_dynamic_tool")
        server.remove_tool("test_dynamic_tool")
        await ctx.notify_tools_changed()
        return "ok"

    for tool in (
        test_missing_capability,
        test_input_required_result_elicitation,
        test_input_required_result_sampling,
        test_input_required_result_list_roots,
        test_input_required_result_request_state,
        test_input_required_result_multiple_inputs,
        test_input_required_result_multi_round,
        test_input_required_result_tampered_state,
        test_input_required_result_capabilities,
        test_trigger_prompt_change,
        test_trigger_tool_change,
    ):
        server.add_tool(tool)
    server.prompt()(test_input_required_result_prompt)
