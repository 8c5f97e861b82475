"""The resources: the methodology, the reference, and each account's summary, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.types import Annotations

from account_health.errors import AccountHealthError, AccountNotFound
from account_health.language import say, speaking
from account_health.server.limits import cut_text

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from account_health.server.desk import Desk

_MARKDOWN = "text/markdown"
_FOR_MODELS = Annotations(audience=["assistant"], priority=0.3)


def add_resources(server: MCPServer[Desk], desk: Desk) -> None:
    """Registers every resource, one function each."""
    _add_policy(server, desk)
    _add_reference(server, desk)
    _add_summaries(server, desk)


def _add_policy(server: MCPServer[Desk], desk: Desk) -> None:
    @server.resource(
        "health://policy", name="policy", title="Scoring policy", mime_type=_MARKDOWN, annotations=_FOR_MODELS
    )
    def policy() -> str:
        """How scores are made: every weight, curve, flag, band, window and its reason, from the policy in force."""
        from account_health.reference import methodology

        with speaking(desk.language()), _readable_errors():
            return cut_text(methodology(desk.policy()))


def _add_reference(server: MCPServer[Desk], desk: Desk) -> None:
    @server.resource(
        "health://reference", name="reference", title="Reference", mime_type=_MARKDOWN, annotations=_FOR_MODELS
    )
    def reference() -> str:
        """Contents: tables, metrics, states, tools, answers, commands, settings, errors, each with its address."""
        from account_health.reference import contents

        return contents()

    @server.resource(
        "health://reference/{section}",
        name="reference-section",
        title="Section of the reference",
        mime_type=_MARKDOWN,
        annotations=_FOR_MODELS,
    )
    def section(section: str) -> str:
        """One section of the reference, e.g. tables, answers or connectors."""
        from account_health.reference import sections

        with speaking(desk.language()):
            if section not in sections():
                known = ", ".join(sections())
                raise ResourceNotFoundError(say("There is no such section. Sections: {sections}.", sections=known))
        return cut_text(sections()[section])


def _add_summaries(server: MCPServer[Desk], desk: Desk) -> None:
    @server.resource(
        "health://accounts/{account}/summary",
        name="account-summary",
        title="Account health summary",
        mime_type=_MARKDOWN,
        annotations=_FOR_MODELS,
    )
    async def summary(account: str) -> str:
        """The Health summary of one account by id, as render_health_summary gives it."""
        from account_health.render import render_summary

        with speaking(desk.language()), _readable_errors():
            workspace = desk.workspace()
            return cut_text(render_summary(await workspace.assess(account), workspace.policy))


@contextmanager
def _readable_errors() -> Iterator[None]:
    """An error of ours reaches the client in its own words."""
    try:
        yield
    except AccountNotFound as err:
        raise ResourceNotFoundError(err.sentence) from err
    except AccountHealthError as err:
        raise ResourceError(err.sentence) from err
