"""The prompts: what a person picks from a menu, told to the assistant as the calls to make, in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from mcp.server.mcpserver import Context
from pydantic import Field

from account_health.language import say, together
from account_health.server.arguments import AccountArgument, Owner, Segment
from account_health.server.desk import Desk
from account_health.server.strict_prompt import Calls, StrictPrompt, message

_PLANNED = 5
"""Accounts of a set that one plan is made for; more would not be read."""

Renewing = Annotated[
    str,
    Field(
        max_length=20,
        description="Renewal window, e.g. 'Q4', '2026-12' or '90' for the next 90 days; empty: any renewal or none",
    ),
]


async def check_account_health(ctx: Context[Desk], account: AccountArgument) -> str:
    """Tells how healthy one account is, why, and how sure that is: its summary unchanged, then what to do next."""
    ask = Calls(ctx)
    return message(
        say("How healthy is this account, why, and how sure is that? Work in this order:"),
        [
            say("Call {call}.", call=ask.about(account, "render_health_summary")),
            _which(ask, account),
            say("Show me the summary unchanged, before any word of yours."),
            say(
                "Only if it names data that is missing, stale or failed, call {call} and say what would mend that.",
                call=ask.call("check_sources"),
            ),
            say(
                "Below the summary, in at most five sentences: what needs attention first, what could not be checked, "
                "whether the range spans two bands, and the next step that the raised flags name."
            ),
        ],
    )


async def find_at_risk_accounts(
    ctx: Context[Desk], owner: Owner = "", segment: Segment = "", renewing: Renewing = ""
) -> str:
    """Lists the accounts that need somebody, the most urgent first, with reasons, action, owner and due day of each."""
    ask = Calls(ctx)
    listed = ask.call("list_at_risk_accounts", owner=owner, segment=segment, renewing=renewing)
    return message(
        say("Which accounts need somebody, and which one first? Work in this order:"),
        [
            say("Call {call}.", call=listed),
            *_list_read(ask, owner, segment),
            say(
                "Show the accounts in the order they come in, each with tier, signals, action, owner and due day as "
                "they are. Say how many of the `total` are shown; pass `next_cursor` only if I want the rest."
            ),
            say(
                "Call {call} with the `id` of the first account as `account`, show that summary unchanged, and offer "
                "me those of the others.",
                call=ask.call("render_health_summary"),
            ),
        ],
    )


async def plan_interventions(
    ctx: Context[Desk],
    account: Annotated[
        str,
        Field(
            max_length=200,
            description="Account id, exact name or domain, e.g. 'northwind'; empty: the most urgent of all",
        ),
    ] = "",
    owner: Annotated[
        str,
        Field(max_length=100, description="Without an account only those of this owner, e.g. 'Mara'; empty: any"),
    ] = "",
    segment: Annotated[
        str,
        Field(
            max_length=100, description="Without an account only those of this segment, e.g. 'Enterprise'; empty: any"
        ),
    ] = "",
) -> str:
    """Plans what to do for one account, or for the most urgent of an owner or segment: action, owner and due day."""
    ask = Calls(ctx)
    return _plan_for_one(ask, account) if account else _plan_for_several(ask, owner, segment)


async def prepare_business_review(
    ctx: Context[Desk],
    account: AccountArgument,
    since: Annotated[
        str,
        Field(
            max_length=40,
            description="First day of the time to review, e.g. '2026-09-01'; empty: from about a month before",
        ),
    ] = "",
) -> str:
    """Prepares a review with one customer: how they stand, what changed, what is open, what to ask and to propose."""
    ask = Calls(ctx)
    return message(
        say("Prepare the business review with this customer. Work in this order:"),
        [
            say("Call {call}.", call=ask.about(account, "render_health_summary")),
            _which(ask, account),
            say(
                "Call {explain} for what moved, and {changes} for what was opened, cleared or set since. Say from "
                "which day on; if the record begins later take that day, and if there is none say so and go on.",
                explain=ask.about(account, "explain_change", since=since),
                changes=ask.about(account, "list_health_changes", since=since),
            ),
            say(
                "Call {call} for the facts to speak about: use, tickets, answers, contacts, invoices and the contract.",
                call=ask.about(account, "fetch_inputs"),
            ),
            say("Show me the summary unchanged. It is for us, not for the customer."),
            say(
                "Below it, on one page: what went well, what did not, what is still open on our side, renewal and "
                "contract, what to ask the customer where data is missing, and proposed steps with owner and day."
            ),
            say("Mark what must not be shown to the customer: scores, flags, statuses and what colleagues wrote."),
        ],
    )


def _plan_for_one(ask: Calls, account: str) -> str:
    return message(
        say("Plan what to do for this account. Work in this order:"),
        [
            say(
                "Call {call} and take from it the raised flags, the biggest losses of points and the gaps.",
                call=ask.about(account, "score_account"),
            ),
            _which(ask, account),
            say(
                "Call {explain} for what moved lately, and {changes} for what people have already set, acknowledged "
                "or snoozed. If there is no record of the past, say that and go on.",
                explain=ask.about(account, "explain_change"),
                changes=ask.about(account, "list_health_changes"),
            ),
            say(
                "For each raised flag call {call} with the `source` behind it, to name what to speak about.",
                call=ask.about(account, "fetch_inputs"),
            ),
            say(
                "Write a line for each raised flag, the most severe first: the action it asks for, made concrete by "
                "what you found; the account's owner, or that one has to be named; the due day."
            ),
            _deadlines(ask),
            _gap_steps(),
        ],
    )


def _plan_for_several(ask: Calls, owner: str, segment: str) -> str:
    return message(
        say("Plan what to do for the accounts that need somebody most. Work in this order:"),
        [
            say("Call {call}.", call=ask.call("list_at_risk_accounts", owner=owner, segment=segment, limit=_PLANNED)),
            *_list_read(ask, owner, segment),
            together(
                say(
                    "For each account listed call {score} and {changes}, with its `id` as `account`: its raised flags, "
                    "biggest losses and gaps, and what people have already set, acknowledged or snoozed.",
                    score=ask.call("score_account"),
                    changes=ask.call("list_health_changes"),
                ),
                say("If there is no record of the past, say so and go on."),
            ),
            say(
                "Write the plan in the order of the list: for each account the raised flags, the action made concrete "
                "by what you found, owner and due day as listed, or that an owner has to be named."
            ),
            _gap_steps(),
        ],
    )


def _which(ask: Calls, account: str) -> str:
    """What to do where it is not clear whose health is asked for."""
    return say(
        "If several accounts fit, show me those that the answer names and ask which one I mean. If none fits, offer "
        "the nearest names, or what {call} finds with a shorter part of the name. Do not choose for me.",
        call=ask.call("find_accounts", query=account),
    )


def _list_read(ask: Calls, owner: str, segment: str) -> Iterable[str]:
    """How to begin with a list over all accounts, and what to do where nobody is on it."""
    yield say(
        "Begin with its `summary` and `notices`: how complete the list is and what data is missing. An account "
        "without a score is unknown, not safe."
    )
    if owner or segment:
        yield say(
            "If it counts no accounts at all, owner or segment may be written differently: call {call} and offer me "
            "the names that it has.",
            call=ask.call("get_portfolio_health"),
        )


def _deadlines(ask: Calls) -> str:
    """When to act, by the policy in force."""
    urgency = ask.desk.policy().urgency
    return say(
        "Due in {critical} days for a critical flag, {high} for a high, {medium} for a medium and {watch} for a watch "
        "one, or the day before the renewal if that comes first.",
        critical=urgency.critical,
        high=urgency.high,
        medium=urgency.medium,
        watch=urgency.watch,
    )


def _gap_steps() -> str:
    return say(
        "Add a step for each flag that could not be checked and for each gap. Where no flag is raised, say so and plan "
        "from the biggest losses."
    )


def prompts() -> list[StrictPrompt]:
    """Every prompt of the server, one line each."""
    return [
        StrictPrompt.of("check-account-health", "Check account health", check_account_health),
        StrictPrompt.of("find-at-risk-accounts", "Find at-risk accounts", find_at_risk_accounts),
        StrictPrompt.of("plan-interventions", "Plan interventions", plan_interventions),
        StrictPrompt.of("prepare-business-review", "Prepare a business review", prepare_business_review),
    ]
