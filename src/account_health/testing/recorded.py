"""Recorded: a transport that answers from a file, so that a connector is tested without its system.

A recording is JSON: `{"exchanges": [{"method": "GET", "path": "/v1/things", "params": {"page": "2"}, "json": {}}]}`. An
exchange answers a request with its method and path, if the request carries the exchange's `params` and `body` and
perhaps more; of several the one that names most. What is not recorded is answered with 404. Nothing is remembered from
one request to the next, so two fetches get the same answers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl

import httpx2
from pydantic import BaseModel, ConfigDict, Field

from account_health.testing.verdict import NonconformityError


class Exchange(BaseModel):
    """One recorded answer, and what a request must carry to get it; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    method: Literal["GET", "POST"] = "GET"
    path: str
    params: dict[str, str | list[str]] = Field(default_factory=dict)
    body: Any = None
    status: int = 200
    headers: dict[str, str] = Field(default_factory=dict)
    content: Any = Field(default_factory=dict, alias="json")

    def fits(self, request: httpx2.Request) -> bool:
        """Whether the request carries everything that this exchange names."""
        return (
            (self.method, self.path) == (request.method, request.url.path)
            and all(
                request.url.params.get_list(name) == ([value] if isinstance(value, str) else value)
                for name, value in self.params.items()
            )
            and (self.body is None or _holds(_body(request), self.body))
        )

    @property
    def weight(self) -> int:
        """How much it names."""
        return len(self.params) + (_leaves(self.body) if self.body is not None else 0)

    def response(self) -> httpx2.Response:
        """The answer as it was recorded."""
        return httpx2.Response(self.status, headers=self.headers, json=self.content)


UNRECORDED = Exchange(path="", status=404)


@dataclass(frozen=True)
class Recording:
    """What a system answered."""

    exchanges: tuple[Exchange, ...]

    @classmethod
    def load(cls, path: Path) -> Recording:
        """The recording in a file."""
        exchanges = json.loads(path.read_text("utf-8"))["exchanges"]
        return cls(tuple(Exchange.model_validate(exchange) for exchange in exchanges))

    def answer_to(self, request: httpx2.Request) -> Exchange:
        """The fitting exchange that names most, the earlier one of two; UNRECORDED if none fits."""
        return max((e for e in self.exchanges if e.fits(request)), key=lambda e: e.weight, default=UNRECORDED)

    def with_content(self, change: Callable[[Any], Any]) -> Recording:
        """The same exchanges with every successful answer changed."""
        return Recording(
            tuple(
                e.model_copy(update={"content": change(e.content)}) if e.status < httpx2.codes.BAD_REQUEST else e
                for e in self.exchanges
            )
        )


@dataclass(frozen=True)
class Sent:
    """A request that came in, when (monotonic seconds), and what the recording has for it."""

    request: httpx2.Request
    at: float
    exchange: Exchange

    @property
    def identity(self) -> tuple[str, str, bytes]:
        """Equal for a request and its repetition."""
        return self.request.method, str(self.request.url), self.request.content


Mishap = Callable[[httpx2.Request, Exchange], Awaitable[httpx2.Response]]
"""What happens to a request instead of its recorded answer; `account_health.testing.mishaps` holds the usual ones."""

When = Callable[[int, httpx2.Request], bool]
"""Whether a mishap happens to a request, by its number from 1 on and by itself."""


def always(number: int, request: httpx2.Request) -> bool:  # noqa: ARG001 - the signature is that of When
    """To every request."""
    return True


def nth(wanted: int) -> When:
    """To one request, counted from 1."""
    return lambda number, request: number == wanted  # noqa: ARG005 - the signature is that of When


def at_path(path: str) -> When:
    """To the requests of one path."""
    return lambda number, request: request.url.path == path  # noqa: ARG005 - the signature is that of When


@dataclass
class Recorded(httpx2.AsyncBaseTransport):
    """Answers from a recording and keeps every request; with a mishap, some or all of them fare worse."""

    recording: Recording
    mishap: Mishap | None = None
    when: When = always
    spared: str = ""
    """A path that never has a mishap and does not count."""
    sent: list[Sent] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The recorded answer, or what the mishap makes of it."""
        await request.aread()
        exchange = self.found(request)
        self.sent.append(Sent(request, time.monotonic(), exchange))
        if self.mishap and request.url.path != self.spared and self.when(self.calls, request):
            return await self.mishap(request, exchange)
        return exchange.response()

    def found(self, request: httpx2.Request) -> Exchange:
        """What there is in answer to a request."""
        return self.recording.answer_to(request)

    @property
    def calls(self) -> int:
        """How many requests came in."""
        return sum(sent.request.url.path != self.spared for sent in self.sent)


class Unused(httpx2.AsyncBaseTransport):
    """Nobody may use it: for code that must not do any I/O."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Fails."""
        raise NonconformityError(f"Ask nothing here; {request.method} {request.url.path} was sent.")


def _body(request: httpx2.Request) -> Any:
    try:
        return json.loads(request.content)
    except ValueError:
        return dict(parse_qsl(request.content.decode("utf-8", "replace")))


def _holds(whole: Any, part: Any) -> bool:
    """Whether everything in `part` stands at the same place in `whole`; the place of a list's item is the list."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(k in whole and _holds(whole[k], v) for k, v in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(_holds(item, wanted) for item in whole) for wanted in part)
    return bool(whole == part)


def _leaves(value: Any) -> int:
    if isinstance(value, Mapping | list):
        return sum(map(_leaves, value.values() if isinstance(value, Mapping) else value))
    return 1
