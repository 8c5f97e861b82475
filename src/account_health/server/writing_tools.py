"""Writing tools: what people say of accounts. They are there only if the operator switched writes on.

With `confirm` a person is asked through the client, and the question names the last change on record: an answer counts
for that question alone, so one that is repeated after the write is asked anew and never written twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from mcp.types import CallToolResult
from pydantic import BaseModel, ConfigDict, Field, create_model

from account_health.chronicle import Phase
from account_health.errors import CallerError
from account_health.language import say
from account_health.said import FlagWish, Prepared, SaidOfAccount, StatusWish
from account_health.server.answering import structured, writing
from account_health.server.arguments import AccountArgument
from account_health.server.desk import Desk
from account_health.server.elicitation import can_ask

if TYPE_CHECKING:
    from account_health.config import Writes
    from account_health.server.strict import StrictTool

Status = Annotated[
    str, Field(min_length=1, max_length=60, description="A word of the vocabulary, e.g. 'Fair'; 'none' withdraws it")
]
StatusVocabulary = Annotated[
    str,
    Field(max_length=60, description="Vocabulary of the word: 'colours', 'uman', 'pipeline' or 'intacct', e.g. 'uman'"),
]
Description = Annotated[
    str, Field(max_length=500, description="Why, in the user's words, without links, e.g. 'Sponsor left'; empty: none")
]
Expires = Annotated[str, Field(max_length=40, description="Last day it holds, e.g. '2026-12-31'; empty: for good")]
Author = Annotated[str, Field(max_length=100, description="Who says so, e.g. 'Mara'; empty: the user of the machine")]
FlagId = Annotated[str, Field(max_length=60, description="Id of a raised risk flag, e.g. 'usage_drop'")]
FlagPhase = Annotated[
    Literal["acknowledged", "snoozed", "reset"], Field(description="What to say of it, e.g. 'acknowledged'")
]
Until = Annotated[str, Field(max_length=40, description="Last day it is snoozed, e.g. '2026-12-31'; only for snoozed")]


class Confirmation(BaseModel):
    """What a person is asked."""

    # The form says boolean: a word or a number in its place is no consent, whatever it looks like.
    model_config = ConfigDict(strict=True)

    write: bool

    @classmethod
    def spoken(cls) -> type[Confirmation]:
        """The same with its words in the language that is spoken."""
        words = Field(title=say("Write"), description=say("Write this down?"))
        return create_model("Confirmation", __base__=cls, write=(bool, words))


async def prepared_status(
    ctx: Context[Desk],
    account: str,
    status: str,
    vocabulary: str,
    description: str,
    expires: str,
    author: str,
) -> Prepared:
    """The status to set, checked; the same for every question and answer of one call."""
    from account_health.manual_status import prepare_status

    wish = StatusWish(account, status, vocabulary, description, author, expires)
    return await prepare_status(ctx.request_context.lifespan_context.workspace(), wish)


async def prepared_flag(
    ctx: Context[Desk], account: str, flag: str, phase: str, until: str, note: str, author: str
) -> Prepared:
    """What to say of a flag, checked."""
    from account_health.manual_status import prepare_flag

    said = Phase.PERSISTING if phase == "reset" else Phase(phase)
    wish = FlagWish(account, flag, said, until, note, author)
    return await prepare_flag(ctx.request_context.lifespan_context.workspace(), wish)


def _question(ctx: Context[Desk], prepared: Prepared) -> Elicit[Confirmation] | Confirmation:
    """Asks a person; a client that cannot is told so by the tool, in words that a model can read."""
    if not can_ask(ctx):
        return Confirmation(write=False)
    activity = prepared.activity
    lines = [
        say("Write down for {sentence}?", sentence=prepared.sentence),
        *([say("Description: {note}", note=activity.description)] if activity.description else ()),
        say("Said by: {author}", author=activity.author),
        say("Last change on record: no. {number}.", number=prepared.last),
    ]
    return Elicit("\n".join(lines), Confirmation.spoken())


async def ask_status(
    ctx: Context[Desk], prepared: Annotated[Prepared, Resolve(prepared_status)]
) -> Elicit[Confirmation] | Confirmation:
    """Whether the status shall be set."""
    return _question(ctx, prepared)


async def ask_flag(
    ctx: Context[Desk], prepared: Annotated[Prepared, Resolve(prepared_flag)]
) -> Elicit[Confirmation] | Confirmation:
    """Whether it shall be said of the flag."""
    return _question(ctx, prepared)


async def _written(ctx: Context[Desk], prepared: Prepared, answer: ElicitationResult[Confirmation]) -> CallToolResult:
    """Writes what a person confirmed; raises CallerError where nobody did."""
    if not can_ask(ctx):
        raise CallerError(
            say("A person has to confirm this, and this client cannot ask one. Nothing was written."),
            say("Use the command line (account-health status set, account-health flag), or a client with elicitation."),
        )
    if not isinstance(answer, AcceptedElicitation) or not answer.data.write:
        raise CallerError(
            say("The person did not confirm it. Nothing was written."), say("Ask again only if they want it.")
        )
    return await _write(ctx, prepared)


async def _write(ctx: Context[Desk], prepared: Prepared) -> CallToolResult:
    from account_health.manual_status import write

    return structured(await write(ctx.request_context.lifespan_context.workspace(), prepared))


async def set_health_status(
    ctx: Context[Desk],
    account: AccountArgument,
    status: Status,
    vocabulary: StatusVocabulary = "pipeline",
    description: Description = "",
    expires: Expires = "",
    author: Author = "",
) -> Annotated[CallToolResult, SaidOfAccount]:
    """Set the status of a customer by hand, only when the user asks for it; the computed score stands beside it.

    Never use it to change a score. Example: set_health_status(account="northwind", status="Fair").
    """
    prepared = await prepared_status(ctx, account, status, vocabulary, description, expires, author)
    return await _write(ctx, prepared)


async def set_flag_status(
    ctx: Context[Desk],
    account: AccountArgument,
    flag: FlagId,
    phase: FlagPhase,
    until: Until = "",
    note: Description = "",
    author: Author = "",
) -> Annotated[CallToolResult, SaidOfAccount]:
    """Say that a raised risk flag is acknowledged, or snoozed until a day; it stays raised, and summaries show both.

    Only when the user asks for it. Example: set_flag_status(account="northwind", flag="renewal_soon",
    phase="acknowledged").
    """
    return await _write(ctx, await prepared_flag(ctx, account, flag, phase, until, note, author))


async def confirmed_health_status(
    ctx: Context[Desk],
    account: AccountArgument,
    status: Status,
    prepared: Annotated[Prepared, Resolve(prepared_status)],
    answer: Annotated[ElicitationResult[Confirmation], Resolve(ask_status)],
    vocabulary: StatusVocabulary = "pipeline",
    description: Description = "",
    expires: Expires = "",
    author: Author = "",
) -> Annotated[CallToolResult, SaidOfAccount]:
    """The same after a person has confirmed it."""
    return await _written(ctx, prepared, answer)


async def confirmed_flag_status(
    ctx: Context[Desk],
    account: AccountArgument,
    flag: FlagId,
    phase: FlagPhase,
    prepared: Annotated[Prepared, Resolve(prepared_flag)],
    answer: Annotated[ElicitationResult[Confirmation], Resolve(ask_flag)],
    until: Until = "",
    note: Description = "",
    author: Author = "",
) -> Annotated[CallToolResult, SaidOfAccount]:
    """The same after a person has confirmed it."""
    return await _written(ctx, prepared, answer)


def writing_tools(writes: Writes) -> list[StrictTool]:
    """The tools that write, one line each; none where writes are off."""
    if writes == "off":
        return []
    asks = writes == "confirm"
    return [
        writing("Set health status", set_health_status, confirmed_health_status if asks else None),
        writing("Set flag status", set_flag_status, confirmed_flag_status if asks else None),
    ]
