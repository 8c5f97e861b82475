"""Elicitation: what a person is asked through the client, where it can show a form; a client that cannot reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least

from account_health.language import count, say
from account_health.markup import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp.server.mcpserver import Context

    from account_health.errors import AmbiguousAccount
    from account_health.server.desk import Desk

ACCOUNT = "account"
_ANSWERS_WITH_RESULTS = "2026-07-28"
"""From this version on a question travels as the result of a call, and its answer with the same call repeated."""
SHOWN = 20
"""Candidates that a form lists; nobody reads more."""
_CHARACTERS = 80


def can_ask(ctx: Context[Desk]) -> bool:
    """Whether the client can show a person a form; one that says nothing of its means of asking shows forms."""
    capabilities = ctx.client_capabilities
    asking = capabilities.elicitation if capabilities else None
    return asking is not None and (asking.form is not None or asking.url is None)


async def pick_account(ctx: Context[Desk], ambiguous: AmbiguousAccount) -> str | InputRequiredResult:
    """The id of the account a person picked among those that fit, or the question as the result of this round.

    Raises `ambiguous` itself where nobody can be asked, or the person picked none of them.
    """
    candidates = ambiguous.candidates[:SHOWN]
    if not can_ask(ctx):
        raise ambiguous
    question = _question(candidates, len(ambiguous.candidates))
    if is_version_at_least(ctx.protocol_version or "", _ANSWERS_WITH_RESULTS):
        answer = (ctx.input_responses or {}).get(ACCOUNT)
        if answer is None:
            return InputRequiredResult(input_requests={ACCOUNT: ElicitRequest(params=question)})
    else:
        answer = await ctx.request_context.session.elicit_form(
            question.message, question.requested_schema, ctx.request_id
        )
    content = answer.content if isinstance(answer, ElicitResult) and answer.action == "accept" else None
    picked = content.get(ACCOUNT) if content else None
    # What comes back is the client's word: it picks among the candidates, and names no other account.
    if not isinstance(picked, str) or picked not in dict(candidates):
        raise ambiguous
    return picked


def _question(candidates: Sequence[tuple[str, str]], total: int) -> ElicitRequestFormParams:
    """A form with one list; names are outside text, shown on one visible line."""
    ids = [account for account, _ in candidates]
    names = [say("{name} (id {id})", name=visible(name, _CHARACTERS), id=account) for account, name in candidates]
    field: dict[str, Any] = {"type": "string", "title": say("Account"), "enum": ids, "enumNames": names}
    more = total - len(ids)
    message = "\n".join(
        [
            count("{n} account fits. Which one is meant?", "{n} accounts fit. Which one is meant?", total),
            *([count("and {n} more", "and {n} more", more)] if more else ()),
        ]
    )
    schema = {"type": "object", "properties": {ACCOUNT: field}, "required": [ACCOUNT]}
    return ElicitRequestFormParams(message=message, requested_schema=schema)
