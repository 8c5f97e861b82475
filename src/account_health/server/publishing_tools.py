"""Publishing tools: health written back to another system. They are there only where that is configured and allowed.

A dry run asks nobody. With `confirm` a person is asked before anything is written; the question names the last
publication on record, so an answer counts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from mcp.types import CallToolResult
from pydantic import Field

from account_health.errors import CallerError
from account_health.language import count, say
from account_health.markup import visible
from account_health.publish.report import Prepared, Publication, one_line
from account_health.server.answering import structured, writing
from account_health.server.desk import Desk
from account_health.server.elicitation import can_ask
from account_health.server.writing_tools import Author, Confirmation

if TYPE_CHECKING:
    from account_health.config import Writes
    from account_health.server.strict import StrictTool

_SHOWN = 5
"""Changes that a question shows; a person reads no more."""
_LISTED = 20
_CHARACTERS = 300

OneOrAll = Annotated[
    str, Field(max_length=200, description="Account id, exact name or domain, e.g. 'northwind'; empty: all customers")
]
Apply = Annotated[bool, Field(strict=True, description="Write it, e.g. true; without it nothing is written")]


async def prepared_publication(ctx: Context[Desk], account: str) -> Prepared:
    """What would change, read from the other system; nothing is written."""
    from account_health.publish.plan import planned

    plan = await planned(ctx.request_context.lifespan_context.overview(), account)
    return Prepared(plan, plan.report(_LISTED), plan.newest)


async def ask_publication(
    ctx: Context[Desk], apply: bool, author: str, prepared: Annotated[Prepared, Resolve(prepared_publication)]
) -> Elicit[Confirmation] | Confirmation:
    """Whether it shall be written; of a dry run, or if nothing differs, nobody is asked."""
    plan = prepared.plan
    wanted = plan.to_write
    if not apply or not wanted or not can_ask(ctx):
        return Confirmation(write=False)
    shown = [record for record in prepared.report.records if record.outcome == "to_write"][:_SHOWN]
    more = len(wanted) - len(shown)
    workspace = ctx.request_context.lifespan_context.workspace()
    lines = [
        count(
            "Write the health of {n} customer to Sage Intacct?",
            "Write the health of {n} customers to Sage Intacct?",
            len(wanted),
        ),
        *(f"- {one_line(record)}" for record in shown),
        *([count("and {n} more", "and {n} more", more)] if more else ()),
        # Such as a source that could not be read, without which an account may look better than it is.
        *(visible(notice, _CHARACTERS) for notice in prepared.report.notices),
        say("Said by: {author}", author=author or workspace.user),
        # Of a long list a person sees the beginning; the digest ties the answer to all of it.
        say("Last publication on record: no. {number}; list {digest}.", number=prepared.last, digest=plan.digest),
    ]
    return Elicit("\n".join(lines), Confirmation.spoken())


async def publish_health(
    ctx: Context[Desk], account: OneOrAll = "", apply: Apply = False, author: Author = ""
) -> Annotated[CallToolResult, Publication]:
    """Write score, status and churn risk of customers back to Sage Intacct where they differ; first as a dry run.

    Show the user what would change, and apply only when they ask for it. Example: publish_health(account="northwind").
    """
    prepared = await prepared_publication(ctx, account)
    return await _carried_out(ctx, prepared, author) if apply else structured(prepared.report)


async def confirmed_publication(
    ctx: Context[Desk],
    prepared: Annotated[Prepared, Resolve(prepared_publication)],
    answer: Annotated[ElicitationResult[Confirmation], Resolve(ask_publication)],
    account: OneOrAll = "",
    apply: Apply = False,
    author: Author = "",
) -> Annotated[CallToolResult, Publication]:
    """The same after a person has confirmed it."""
    if not apply:
        return structured(prepared.report)
    if prepared.plan.to_write:
        if not can_ask(ctx):
            raise CallerError(
                say("A person has to confirm this, and this client cannot ask one. Nothing was written."),
                say("Use the command line (account-health publish --all --apply), or a client with elicitation."),
            )
        if not isinstance(answer, AcceptedElicitation) or not answer.data.write:
            raise CallerError(
                say("The person did not confirm it. Nothing was written."), say("Ask again only if they want it.")
            )
    return await _carried_out(ctx, prepared, author)


async def _carried_out(ctx: Context[Desk], prepared: Prepared, author: str) -> CallToolResult:
    from account_health.publish.writing_back import carried_out

    workspace = ctx.request_context.lifespan_context.workspace()
    done = await carried_out(workspace, prepared.plan, author or workspace.user)
    return structured(done.report(_LISTED))


def publishing_tools(writes: Writes, *, publishes: bool) -> list[StrictTool]:
    """The tools that write to other systems; none where writes are off or nothing is configured."""
    if writes == "off" or not publishes:
        return []
    confirmed = confirmed_publication if writes == "confirm" else None
    return [writing("Publish health", publish_health, confirmed, overwrites=True)]
