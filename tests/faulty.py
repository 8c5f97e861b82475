"""A faulty system: a live connector in the whole pipeline, beside a healthy source, and its way to the fault server."""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from pydantic import SecretStr

from account_health.config import Config, GatherSettings, SourceConfig
from account_health.connectors.live.ask import iso
from account_health.connectors.registry import available, load
from account_health.explain import explain
from account_health.testing import Recorded, Subject
from account_health.workspace import Workspace
from connectors.http.upstream import real_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from account_health.evaluation import Evaluation
    from account_health.inputs import Holding
    from account_health.model import Assessment
    from account_health.testing import Exchange

WITHOUT_HTTP = {"demo", "files"}
KINDS = [kind for kind, by in available().items() if by == "account-health" and kind not in WITHOUT_HTTP]
"""Every connector of ours that asks another system over HTTP."""

HEALTHY = "CSV files"
FAULTY = "faulty"
PATIENCE = 30.0
"""Seconds for a question whose deadline is not what is tested."""
_TICKETS = 2


def subject_of(kind: str) -> Subject:
    """What the connector's own test says of it."""
    try:
        found: Subject = resolve_name(f"connectors.test_{kind}:SUBJECT")
    except (ImportError, AttributeError):
        pytest.fail(
            f"The live connector {kind!r} is not tried with faults: define SUBJECT in tests/connectors/test_{kind}.py, "
            "or name the connector in WITHOUT_HTTP of tests/faulty.py if it asks nobody over HTTP."
        )
    return found


def lists_accounts(kind: str) -> bool:
    """Whether the connector can stand for the CRM."""
    subject = subject_of(kind)
    wanted = subject.checked_settings(lists_accounts=True)
    return (
        "lists_accounts" in type(wanted).model_fields
        or "account" in subject.build(Recorded(subject.recorded)).provides()
    )


def settings_of(subject: Subject, **changes: Any) -> dict[str, Any]:
    """The subject's settings as the configuration hands them on; `changes` count only where there is such a setting."""
    names = load(str(subject.connector)).settings_model.model_fields
    secrets = {name: SecretStr(secret) for name, secret in subject.secrets.items()}
    # Politeness between requests is no fault, and would only make the tests slow.
    wanted = {"requests_per_second": 1000, **changes}
    return {**subject.settings, **secrets, **{name: value for name, value in wanted.items() if name in names}}


def configured(subject: Subject, folder: Path, seconds: float = PATIENCE, **changes: Any) -> Config:
    """The connector beside a folder of files that knows the same accounts and two tickets of the asked one."""
    accounts = [f"{a.id},{a.name or a.id},{a.external_id or ''},{';'.join(a.domains)}" for a in subject.accounts]
    tickets = [f"{subject.asked},healthy-{n},{subject.as_of:%Y-%m}-0{n + 1}" for n in range(_TICKETS)]
    (folder / "account.csv").write_text("\n".join(["account_id,name,external_id,domains", *accounts]), "utf-8")
    (folder / "ticket.csv").write_text("\n".join(["account_id,ticket_id,opened_at", *tickets]), "utf-8")
    healthy = SourceConfig("healthy", "files", {"folder": str(folder)})
    return alone(subject, folder, seconds, healthy, **changes)


def alone(subject: Subject, folder: Path, seconds: float, *others: SourceConfig, **changes: Any) -> Config:
    """The connector as the only source, but for the others."""
    faulty = SourceConfig(FAULTY, str(subject.connector), settings_of(subject, **changes))
    gather = GatherSettings(deadline_seconds=seconds, all_accounts_seconds=seconds)
    return Config(folder, (*others, faulty), gather=gather)


@dataclass(frozen=True)
class Detour:
    """A mishap: the request goes to this address as it is, with its method and headers.

    Its body stays behind: the server of faults reads none, and a connection that is closed over unread bytes is reset,
    which would hide the fault from whoever only posts.
    """

    network: httpx2.AsyncBaseTransport
    url: str
    is_healed: bool = False
    """Whether an answer that is no error becomes the recorded one."""

    async def __call__(self, request: httpx2.Request, exchange: Exchange) -> httpx2.Response:
        """What stands at the other end."""
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        sent = httpx2.Request(request.method, self.url, headers=headers, extensions=request.extensions)
        response = await self.network.handle_async_request(sent)
        if self.is_healed and response.is_success:
            await response.aclose()
            return exchange.response()
        return response


def network() -> httpx2.AsyncHTTPTransport:
    """Real sockets, none of them kept open for later."""
    return httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_keepalive_connections=0))


@dataclass(frozen=True)
class Answered:
    """What came of a question, and how long it took."""

    workspace: Workspace
    transport: Recorded
    evaluation: Evaluation
    assessments: Sequence[Assessment]
    seconds: float

    @property
    def live(self) -> Mapping[str, Holding]:
        """What the faulty system delivered, by table."""
        return {h.table: h for h in self.evaluation.inputs.holdings if h.label != HEALTHY}

    @property
    def healthy(self) -> Any:
        """What the healthy helpdesk is said to have given, and its tickets in the answer."""
        said = [
            r.as_json()
            for found in self.assessments
            for r in found.inputs
            if (r.connector, r.source) == (HEALTHY, "support")
        ]
        rows = self.evaluation.inputs.tables.rows(
            "SELECT account_id, ticket_id, opened_at FROM ticket WHERE ticket_id LIKE 'healthy-%' ORDER BY ALL"
        )
        return said, rows

    @property
    def values(self) -> set[tuple[str, str, float]]:
        """Everything that is known, by account and metric."""
        return {
            (found.account.id, factor.metric, factor.value) for found in self.assessments for factor in found.factors
        }

    @property
    def doubtful(self) -> int:
        """Rows that are used and said to be doubtful."""
        return sum(report.doubtful for found in self.assessments for report in found.inputs)


async def ask(subject: Subject, config: Config, transport: Recorded, *, about_all: bool = False) -> Answered:
    """The question about the asked account as tools put it, or the one about all accounts."""
    workspace = Workspace.open(config, real_time, transport)
    begun = anyio.current_time()
    instant, call = workspace.instant(iso(subject.as_of)), workspace.call()
    if about_all:
        evaluation = await workspace.evaluate(instant)
    else:
        entry = await workspace.find(subject.asked, instant, call)
        evaluation = await workspace.evaluate(instant, [entry.id], call)
    assessments = [explain(evaluation, row) for row in range(len(evaluation.accounts))]
    return Answered(workspace, transport, evaluation, assessments, anyio.current_time() - begun)
